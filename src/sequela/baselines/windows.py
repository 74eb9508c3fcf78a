"""Statistics of the records that a prediction may see: what the simple models are given.

They come from the same as-of rows as the network's inputs. A sequence is walked step by step, all sequences at once, so
a statistic depends on nothing after the row that is read, and its bits on no other person.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import Facts
from sequela.prepare.collate import pack
from sequela.prepare.rows import RowPreparation, prepare_static
from sequela.prepare.spread import spread_out
from sequela.prepare.state import NumberState, PreparedState, column_names
from sequela.records.durations import MICROSECONDS_PER_HOUR

Floats = NDArray[np.float64]
Matrix = Floats | NDArray[np.float32]
_CELLS_AT_ONCE = 1 << 25  # of the statistics of one walk: 256 MB


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

    Categories give their last level; static facts, the hours since the episode began and the number of records follow.
    """
    preparation = RowPreparation(timeline, state)
    is_number = np.array(
        [isinstance(feature, NumberState) for feature in state.features for _ in column_names(feature)]
    )
    names, kept = _by_statistic(state, is_number)
    count = len(sequences.read)
    since = (sequences.read_time - sequences.episode_start[sequences.sequence]) / MICROSECONDS_PER_HOUR
    records = np.where(sequences.read >= 0, sequences.read - sequences.first[sequences.sequence] + 1, 0)
    static = prepare_static(facts, state, sequences, np.arange(len(sequences.person)))
    matrix = np.empty((count, len(kept) + 2 + static.shape[1]))
    matrix[:, len(kept)], matrix[:, len(kept) + 1] = since, records
    matrix[:, len(kept) + 2 :] = static[sequences.sequence]
    place = {feature.code: begin for feature, begin in _begins(state) if isinstance(feature, NumberState)}
    target = [place.get(target.code) for target in state.targets]
    last, mean = np.empty((count, len(target))), np.empty((count, len(target)))
    at_once = max(_CELLS_AT_ONCE // (len(_Running.STATISTICS) * max(len(is_number), 1)), 1)
    for chosen, reads in sequences.runs(at_once):
        parts = _walk(preparation, sequences, chosen, reads)
        matrix[reads, : len(kept)] = parts.reshape(len(reads), -1)[:, kept]
        last[reads], mean[reads] = _of_targets(parts, "last", target), _of_targets(parts, "mean", target)
    names += ["hours since the start", "records"]
    return WindowStatistics(matrix=matrix, names=names + state.static_columns, last_target=last, mean_target=mean)


def _begins(state: PreparedState) -> list[tuple[object, int]]:
    widths = [len(column_names(feature)) for feature in state.features]
    begins = np.cumsum([0, *widths])[:-1]
    return list(zip(state.features, begins.tolist(), strict=True))


def _of_targets(parts: Floats, statistic: str, columns: list[int | None]) -> Floats:
    of = parts[:, _Running.STATISTICS.index(statistic)]
    nothing = np.full(len(parts), np.nan)
    return np.stack([nothing if column is None else of[:, column] for column in columns], axis=1)


def _by_statistic(state: PreparedState, is_number: NDArray[np.bool_]) -> tuple[list[str], Rows]:
    """Return the names of the columns, and the place of each among all statistics of all columns [statistics, F]."""
    names, kept = [], []
    for place, statistic in enumerate(_Running.STATISTICS):
        for column, code in enumerate(state.columns):
            if is_number[column] or statistic == "last":
                names.append(f"{statistic} {code}")
                kept.append(place * len(is_number) + column)
    return names, np.array(kept, dtype=np.int64)


@dataclass
class _Running:
    """Statistics of S sequences up to some step, [S, F] each; Welford's update for mean and spread."""

    count: Floats
    mean: Floats
    squares: Floats
    first: Floats
    last: Floats
    previous: Floats
    lowest: Floats
    highest: Floats
    time: Floats

    STATISTICS = ("last", "first", "min", "max", "mean", "std", "count", "change", "hours since")

    @classmethod
    def nothing_yet(cls, sequences: int, columns: int) -> _Running:
        zeros = {"count", "mean", "squares"}
        return cls(
            **{part.name: np.full((sequences, columns), 0.0 if part.name in zeros else np.nan) for part in fields(cls)}
        )

    def add(self, value: Floats, observed: NDArray[np.bool_], time: Floats) -> None:
        """Take in one step of the first len(value) sequences."""
        n = len(value)
        count, mean = self.count[:n], self.mean[:n]
        count += observed
        change = np.where(observed, value - mean, 0.0)
        mean += change / np.maximum(count, 1)
        self.squares[:n] += change * np.where(observed, value - mean, 0.0)
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


def _walk(preparation: RowPreparation, sequences: Sequences, chosen: Rows, reads: Rows) -> Floats:
    """Return the statistics [reads, statistics, F] of the predictions that read the chosen sequences."""
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
    running = _Running.nothing_yet(len(order), value.shape[1])
    out = np.full((len(reads), len(_Running.STATISTICS), value.shape[1]), np.nan)
    out[:, _Running.STATISTICS.index("count")] = 0.0

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
        begin += size
    return out
