"""Statistics of the records that a prediction may see: what the simple models are given.

They come from the same as-of rows as the network's inputs. A sequence is walked step by step, all sequences at once, so
a statistic depends on nothing after the row that is read, and its bits on no other person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.seen import CellsByVariable, Spans
from sequela.baselines.words import MOST_WORDS, has_amounts, last_number, seen_word
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import Facts
from sequela.prepare.collate import pack
from sequela.prepare.rows import RowPreparation, prepare_static
from sequela.prepare.spread import spread_out
from sequela.prepare.state import CategoryState, NumberState, PreparedState, column_names
from sequela.records.durations import MICROSECONDS_PER_HOUR

Floats = NDArray[np.float64]
Matrix = Floats | NDArray[np.float32]
_CELLS_AT_ONCE = 1 << 25  # of the statistics of one walk: 256 MB
_VALUES_BEFORE = 5  # of a target, before its last one (docs/decisions/recent_values_for_baselines.md)


@dataclass(frozen=True, kw_only=True)
class WindowStatistics:
    """R predictions as rows of a table."""

    matrix: Matrix  # [R, C], NaN where nothing was measured
    names: list[str]  # [C]
    last_target: Floats  # [R, targets] last value known, NaN where none
    mean_target: Floats  # [R, targets] mean of all values known, NaN where none

    def take(self, chosen: NDArray[np.bool_] | Rows) -> WindowStatistics:
        """Return the rows that are chosen."""
        return WindowStatistics(
            matrix=self.matrix[chosen],
            names=self.names,
            last_target=self.last_target[chosen],
            mean_target=self.mean_target[chosen],
        )


def window_statistics(timeline: Timeline, facts: Facts, state: PreparedState, sequences: Sequences) -> WindowStatistics:
    """Return for each prediction and code: last, first, min, max, mean, std, count, last change, hours since the last.

    Categories give their last level, a count and the hours since the last. Codes that come as events (the first 256 of
    the vocabulary) give a count, the hours since the last, and its amount where they have one. Of each target the five
    values before the last follow, each with its hours since; then the hours since the episode began, the number of
    records and the static facts.
    """
    preparation = RowPreparation(timeline, state)
    is_number = np.array(
        [isinstance(feature, NumberState) for feature in state.features for _ in column_names(feature)]
    )
    place = {feature.code: begin for feature, begin in _begins(state) if isinstance(feature, NumberState)}
    followed = [code for code in (target.code for target in state.targets) if code in place]
    columns = np.array([place[code] for code in followed], dtype=np.int64)
    of_steps, kept = _by_statistic(state, is_number)
    words = _names_of_words(state)
    names = [*of_steps, *words, *_names_before(followed), "hours since the start", "records"]
    static = prepare_static(facts, state, sequences, np.arange(len(sequences.person)))
    matrix = np.empty((len(sequences.read), len(names) + static.shape[1]), dtype=np.float32)
    last_target, mean_target = _of_rare_targets(timeline, sequences, state, place)
    of_target = np.flatnonzero([target.code in place for target in state.targets])
    told = len(kept) + len(words)
    at_once = max(_CELLS_AT_ONCE // (len(_Running.STATISTICS) * max(len(is_number), 1)), 1)
    for chosen, reads in sequences.runs(at_once):
        parts, before = _walk(preparation, sequences, chosen, reads, columns)
        matrix[reads, : len(kept)] = parts.reshape(len(reads), -1)[:, kept]
        matrix[reads, told : len(names) - 2] = before.transpose(0, 3, 1, 2).reshape(len(reads), -1)
        last_target[np.ix_(reads, of_target)] = parts[:, _Running.STATISTICS.index("last"), columns]
        mean_target[np.ix_(reads, of_target)] = parts[:, _Running.STATISTICS.index("mean"), columns]
    for column, values in enumerate(_of_words(timeline, sequences, state), start=len(kept)):
        matrix[:, column] = values
    matrix[:, len(names) - 2] = (
        sequences.read_time - sequences.episode_start[sequences.sequence]
    ) / MICROSECONDS_PER_HOUR
    matrix[:, len(names) - 1] = np.where(
        sequences.read >= 0, sequences.read - sequences.first[sequences.sequence] + 1, 0
    )
    matrix[:, len(names) :] = static[sequences.sequence]
    return WindowStatistics(
        matrix=matrix, names=names + state.static_columns, last_target=last_target, mean_target=mean_target
    )


def _begins(state: PreparedState) -> list[tuple[NumberState | CategoryState, int]]:
    widths = [len(column_names(feature)) for feature in state.features]
    begins = np.cumsum([0, *widths])[:-1]
    return list(zip(state.features, begins.tolist(), strict=True))


def _of_rare_targets(
    timeline: Timeline, sequences: Sequences, state: PreparedState, place: dict[str, int]
) -> tuple[Floats, Floats]:
    """Return the last value and the mean [R, targets] of targets that too few people have to be used, NaN of others.

    What a person's own last value was is known, whatever others have; nothing is learned from it.
    """
    codes = [target.code for target in state.targets]
    last, mean = (np.full((len(sequences.read), len(codes)), np.nan) for _ in range(2))
    cells = CellsByVariable(timeline, sequences) if set(codes) - set(place) else None
    for k, code in enumerate(codes):
        if cells is not None and code not in place:
            seen = cells.seen(code, categorical=False)
            last[:, k], mean[:, k] = last_number(seen), _mean(seen)
    return last, mean


def _mean(seen: Spans) -> Floats:
    """Return the mean number of each span [R], NaN where it is empty."""
    found = np.full(len(seen.first), np.nan)
    for chosen in seen.runs():
        count = seen.count[chosen]
        values = seen.number[spread_out(seen.first[chosen], count)].astype(np.float64)
        found[chosen] = np.add.reduceat(values, np.cumsum(count) - count) / count
    return found


def _names_of_words(state: PreparedState) -> list[str]:
    """Return the names of what `_of_words` yields."""
    return [
        f"{statistic} {word.name}"
        for word in state.words[:MOST_WORDS]
        for statistic in ("count", "hours since", *(["last"] if has_amounts(word) else []))
    ]


def _of_words(timeline: Timeline, sequences: Sequences, state: PreparedState) -> Iterator[Floats]:
    """Yield how often each event came, how long ago the last was, and its amount where it has one."""
    if not state.words:
        return
    cells = CellsByVariable(timeline, sequences)
    for word in state.words[:MOST_WORDS]:
        seen = seen_word(cells, state, word)
        yield seen.count.astype(np.float64)
        yield seen.hours_since
        if has_amounts(word):
            yield last_number(cells.seen(word.code, categorical=False))


def _names_before(codes: list[str]) -> list[str]:
    """Return the names of the values before the last: by code, the newest first, each with the hours since."""
    return [
        f"{since}{back + 1} before the last {code}"
        for code in codes
        for back in range(_VALUES_BEFORE)
        for since in ("", "hours since ")
    ]


def _by_statistic(state: PreparedState, is_number: NDArray[np.bool_]) -> tuple[list[str], Rows]:
    """Return the names of the columns, and the place of each among all statistics of all columns [statistics, F]."""
    begins = {begin: feature.code for feature, begin in _begins(state)}
    names, kept = [], []
    for place, statistic in enumerate(_Running.STATISTICS):
        for column, code in enumerate(state.columns):
            if is_number[column] or statistic == "last":
                names.append(f"{statistic} {code}")
            elif statistic in ("count", "hours since") and column in begins:  # of a category, whatever its level
                names.append(f"{statistic} {begins[column]}")
            else:
                continue
            kept.append(place * len(is_number) + column)
    return names, np.array(kept, dtype=np.int64)


@dataclass
class _Running:
    """Statistics of S sequences up to some step, [S, F] each; Welford's update for mean and spread.

    `earlier` is the same without the last value of each column, for the case that a later one corrects it.
    """

    count: Floats
    mean: Floats
    squares: Floats
    first: Floats
    last: Floats
    previous: Floats
    lowest: Floats
    highest: Floats
    time: Floats
    followed: Rows  # [K] columns of targets
    before: Floats  # [S, values, 2, K] what these were before the last, the newest first, and when
    earlier: _Running | None  # None where nothing is ever corrected

    STATISTICS = ("last", "first", "min", "max", "mean", "std", "count", "change", "hours since")

    @classmethod
    def nothing_yet(cls, sequences: int, columns: int, followed: Rows, *, corrections: bool) -> _Running:
        zeros = {"count", "mean", "squares"}
        each = [part.name for part in fields(cls) if part.name not in ("followed", "before", "earlier")]
        return cls(
            **{name: np.full((sequences, columns), 0.0 if name in zeros else np.nan) for name in each},
            followed=followed,
            before=np.full((sequences, _VALUES_BEFORE, 2, len(followed)), np.nan),
            earlier=cls.nothing_yet(sequences, columns, followed, corrections=False) if corrections else None,
        )

    def _take(self, other: _Running, chosen: NDArray[np.bool_]) -> None:
        """Become another in the chosen columns of the first sequences [n, F]."""
        for part in fields(self):
            if part.name not in ("followed", "earlier"):
                mine, its = (getattr(each, part.name)[: len(chosen)] for each in (self, other))
                where = chosen if mine.ndim == chosen.ndim else chosen[:, None, None, self.followed]
                np.copyto(mine, its, where=where)

    def add(self, value: Floats, observed: NDArray[np.bool_], time: Floats) -> None:
        """Take in one step of the first len(value) sequences; what was measured when the last was corrects it."""
        n = len(value)
        if self.earlier is not None:
            self._take(self.earlier, observed & (time == self.time[:n]))
            self.earlier._take(self, observed)
        count, mean = self.count[:n], self.mean[:n]
        count += observed
        change = np.where(observed, value - mean, 0.0)
        mean += change / np.maximum(count, 1)
        self.squares[:n] += change * np.where(observed, value - mean, 0.0)
        newest = np.stack([self.last[:n, self.followed], self.time[:n, self.followed]], axis=1)
        moved = np.concatenate([newest[:, None], self.before[:n, :-1]], axis=1)
        self.before[:n] = np.where(observed[:, None, None, self.followed], moved, self.before[:n])
        self.previous[:n] = np.where(observed, self.last[:n], self.previous[:n])
        self.last[:n] = np.where(observed, value, self.last[:n])
        self.first[:n] = np.where(observed & (count == 1), value, self.first[:n])
        self.lowest[:n] = np.where(observed, np.fmin(self.lowest[:n], value), self.lowest[:n])
        self.highest[:n] = np.where(observed, np.fmax(self.highest[:n], value), self.highest[:n])
        self.time[:n] = np.where(observed, time, self.time[:n])

    def at(self, rank: Rows, now: Floats) -> Floats:
        """Return the statistics of some sequences at their prediction times in hours [n, statistics, F]."""
        some = self.count[rank]
        seen = some > 0
        std = np.sqrt(self.squares[rank] / np.maximum(some, 1))
        columns = (
            self.last[rank],
            self.first[rank],
            self.lowest[rank],
            self.highest[rank],
            np.where(seen, self.mean[rank], np.nan),
            np.where(seen, std, np.nan),
            some,
            self.last[rank] - self.previous[rank],
            now[:, None] - self.time[rank],
        )
        return np.stack(columns, axis=1)

    def before_at(self, rank: Rows, now: Floats) -> Floats:
        """Return the values before the last and the hours since, of some sequences [n, values, 2, K]."""
        found = self.before[rank]
        found[:, :, 1] = now[:, None, None] - found[:, :, 1]
        return found


def _walk(
    preparation: RowPreparation, sequences: Sequences, chosen: Rows, reads: Rows, followed: Rows
) -> tuple[Floats, Floats]:
    """Return what the predictions say that read the chosen sequences: statistics [reads, statistics, F], and the
    values of the followed columns before the last, with the hours since [reads, values, 2, K].
    """
    timeline = preparation.timeline
    lengths = sequences.lengths[chosen]
    place, sizes, order = pack(lengths)
    source = np.empty_like(place)
    source[place] = spread_out(sequences.first[chosen], lengths)
    in_order = np.empty_like(place)
    in_order[place] = np.arange(len(place))
    course = preparation.course(sequences, chosen)
    value, observed = course.values[in_order], course.observed[in_order]
    measured = None if course.time is None else course.time[in_order]
    running = _Running.nothing_yet(len(order), value.shape[1], followed, corrections=measured is not None)
    out = np.full((len(reads), len(_Running.STATISTICS), value.shape[1]), np.nan)
    out[:, _Running.STATISTICS.index("count")] = 0.0
    before = np.full((len(reads), _VALUES_BEFORE, 2, len(followed)), np.nan)

    rank = np.full(len(chosen), -1)
    rank[order] = np.arange(len(order))
    local = sequences.sequence[reads] - chosen[0]
    step = np.where(sequences.read[reads] >= 0, sequences.read[reads] - sequences.first[chosen][local], -1)
    by_step = np.argsort(step, kind="stable")
    edges = np.searchsorted(step[by_step], np.arange(len(sizes) + 1))
    origin = sequences.episode_start[chosen]
    now = (sequences.read_time[reads] - origin[local]) / MICROSECONDS_PER_HOUR
    begin = 0
    for t, size in enumerate(sizes.tolist()):
        rows = slice(begin, begin + size)
        when = timeline.step_time[source[rows]][:, None] if measured is None else measured[rows]
        hours = (when - origin[order[:size]][:, None]) / MICROSECONDS_PER_HOUR
        running.add(value[rows].astype(np.float64), observed[rows], hours)
        asked = by_step[edges[t] : edges[t + 1]]
        if len(asked):
            out[asked] = running.at(rank[local[asked]], now[asked])
            before[asked] = running.before_at(rank[local[asked]], now[asked])
        begin += size
    return out, before
