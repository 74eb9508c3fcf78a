"""Who is asked when, what each prediction may see, and what follows it, against a slow reading of the rules."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asking import HOUR, events_of, question

from sequela.cohort import Cohort, ask, ask_live, known_by
from sequela.cohort.ask import NO_TARGET
from sequela.cohort.episodes import AFTER_NOW, BEYOND_EPISODE, NEVER_ASKED, TOO_FEW_RECORDS
from sequela.errors import CohortError

PEOPLE = 8
FOREVER = 10**6
Row = tuple[int, int | None, str, float | str | None, int | None]
Cell = tuple[int, str, float | str | None, int]  # hour known, code, value, hour measured


def rows_of_people(random: np.random.Generator) -> list[Row]:
    """Return (person, hour, code, value, hour known) with ties, late news, corrections, stays, and people without."""
    values: dict[str, list[Any]] = {"x": [1.0, 2.03125, None], "y": [5.0], "note": ["a", "b", None, 3.0]}
    codes = ["x", "x", "y", "note", "ADM", "ADM//icu", "DIS"]
    rows: list[Row] = [(p, None, "ADM_before", "no", None) for p in range(PEOPLE)]
    rows += [(0, 3, "ADM", None, None), (0, 6, "x", 4.0, None), (0, 9, "DIS", None, None), (0, 12, "x", 4.0, None)]
    for person in range(PEOPLE - 1):
        rows.append((person, -900, "MEDS_BIRTH", None, 30))
        for _ in range(random.integers(0, 13)):
            hour, code = 3 * int(random.integers(-1, 12)), codes[random.integers(len(codes))]
            known = hour + 3 * int(random.integers(-1, 5)) if random.random() < 0.4 else None
            options = values.get(code, [None])
            rows.append((person, hour, code, options[random.integers(len(options))], known))
            if random.random() < 0.2:  # a correction, or the same twice
                again = max(hour, known or hour) + 3 * int(random.integers(0, 2))
                rows.append((person, hour, code, options[random.integers(len(options))], again))
    return [rows[place] for place in random.permutation(len(rows))]


def keys_of(random: np.random.Generator) -> dict[str, Any]:
    def one_of(*options: Any) -> Any:
        return options[random.integers(len(options))]

    horizon = one_of("next record", "3h", ["6h", "12h"])
    return {
        "target": one_of("x", ["x", "y"]),
        "from": one_of("first record", "origin", {"code": "ADM"}, {"code": ["y", "ADM//"]}),
        "to": one_of("last record", "12h", {"code": "DIS"}, {"code": ["DIS", "note"]}),
        "at": one_of("every record", "first record", "last record", "6h", ["12h", "3h"], "every 3h", "every 4h"),
        "horizon": horizon,
        "tolerance": "auto" if horizon == "next record" else one_of("auto", "3h"),
        "history": one_of("all", "all", "6h"),
        "min_records": int(random.integers(0, 4)),
    }


def hours(text: str) -> int:
    return int(text.removeprefix("every ").removesuffix("h"))


def known(row: Row) -> int:
    assert row[1] is not None
    return row[1] if row[4] is None else max(row[1], row[4])


@dataclass
class Episode:
    start: int
    stop: int
    is_open: bool
    following: int


class Course:
    """The rows of one person, read one by one; hours."""

    def __init__(self, rows: list[Row], keys: dict[str, Any], now: int | None) -> None:
        self.timed = [row for row in rows if row[1] is not None]
        self.records = [row for row in self.timed if row[2] != "MEDS_BIRTH"]
        self.steps = sorted({known(row) for row in self.records})
        self.keys, self.now = keys, now

    def instants_of(self, code: str | list[str]) -> list[int]:
        prefixes = (code,) if isinstance(code, str) else tuple(code)
        return sorted({known(row) for row in self.timed if row[2].startswith(prefixes)})

    def episodes(self) -> Iterator[Episode]:
        begin, to = self.keys["from"], self.keys["to"]
        starts = {"first record": self.steps[:1], "origin": [0]}.get(begin) if isinstance(begin, str) else None
        starts = self.instants_of(begin["code"]) if starts is None else starts
        for start, following in zip(starts, [*starts[1:], FOREVER], strict=False):
            last = max([start, *(step for step in self.steps if step < following)])
            ends = [end for end in self.instants_of(to["code"]) if end > start] if isinstance(to, dict) else []
            if isinstance(to, str) and to != "last record":
                yield Episode(start, start + hours(to), is_open=False, following=following)
            elif ends and ends[0] <= following:
                yield Episode(start, ends[0], is_open=False, following=following)
            else:
                goes_on = self.now is not None and following == FOREVER
                yield Episode(start, max(last, self.now or 0) if goes_on else last, is_open=True, following=following)

    def times(self, of: Episode) -> list[int]:
        at = self.keys["at"]
        beyond = of.stop + 1 if of.is_open else of.stop
        inside = [step for step in self.steps if of.start <= step < beyond]
        if isinstance(at, str) and at.endswith("record"):
            return {"every": inside, "first": inside[:1], "last": inside[-1:]}[at.split()[0]]
        if isinstance(at, str) and at.startswith("every"):
            return list(range(of.start + hours(at), beyond, hours(at)))
        return sorted(of.start + hours(one) for one in ([at] if isinstance(at, str) else at))

    def refusal(self, of: Episode, time: int, *, live: bool) -> str | None:
        latest = self.now if self.now is not None else max(self.steps, default=-FOREVER)
        if time >= (of.following if of.is_open else of.stop):
            return BEYOND_EPISODE
        if live and time > latest:
            return AFTER_NOW
        return TOO_FEW_RECORDS if sum(step <= time for step in self.steps) < self.keys["min_records"] else None

    def cells(self) -> list[Cell]:
        """Return what became known: at each step the newest value of a variable, unless a newer one was known."""
        newest: dict[tuple[str, bool], int] = {}
        found: list[Cell] = []
        for step in self.steps:
            here = defaultdict(list)
            for row in self.records:
                if known(row) == step:
                    here[row[2], isinstance(row[3], str)].append((row[1], -np.inf if row[3] is None else row[3]))
            for variable in sorted(here):
                time, value = max(here[variable])
                if time >= newest.get(variable, -FOREVER):
                    newest[variable] = time
                    found.append((step, variable[0], None if value == -np.inf else value, time))
        return found

    def seen(self, of: Episode, time: int) -> tuple[list[int], list[Cell], int]:
        """Return the steps and cells that a prediction may see, and from when its gaps count."""
        history = self.keys["history"]
        after = -FOREVER if history == "all" else time - hours(history)
        steps = [step for step in self.steps if step <= time]
        begins = max(min([of.start, *steps]), after)
        cells = [cell for cell in self.cells() if after < cell[0] <= time]
        return [step for step in steps if step > after], cells, begins

    def label(self, time: int, target: str, horizon: str) -> tuple[float, int, int] | None:
        """Return value, hours ahead and the hour known: of several versions of a measurement the last one known."""
        versions = [row for row in self.timed if row[2] == target and isinstance(row[3], float) and row[1] > time]
        last = {row[1]: row for row in sorted(versions, key=lambda row: (known(row), row[3]))}
        wanted = 0 if horizon == "next record" else time + hours(horizon)
        near = FOREVER if horizon == "next record" else hours(horizon) / 4
        near = near if self.keys["tolerance"] == "auto" else hours(self.keys["tolerance"])
        ahead = sorted((abs(hour - wanted), hour) for hour in last if abs(hour - wanted) <= near)
        return (last[ahead[0][1]][3], ahead[0][1] - time, known(last[ahead[0][1]])) if ahead else None

    def labels(self, time: int) -> list[tuple[float, int, int] | None]:
        horizons, targets = (
            one if isinstance(one, list) else [one] for one in (self.keys["horizon"], self.keys["target"])
        )
        return [self.label(time, target, horizon) for horizon in horizons for target in targets]


def expected(rows: list[Row], keys: dict[str, Any], *, now: int | None, live: bool) -> tuple[list[Any], dict[str, Any]]:
    """Return every prediction, and how many predictions of how many people are left out for which reason."""
    found: list[Any] = []
    gone: dict[str, list[int]] = defaultdict(list)
    never = 0
    for person in range(PEOPLE):
        course = Course([row for row in rows if row[0] == person], keys, now)
        times = [(episode, time) for episode in course.episodes() for time in course.times(episode)]
        never += not times
        for episode, time in times:
            labels = [] if live else course.labels(time)
            reason = course.refusal(episode, time, live=live)
            if reason is None and not live and not any(labels):
                reason = NO_TARGET[keys["horizon"] == "next record"]
            if reason is not None:
                gone[reason].append(person)
                continue
            records = sum(step <= time for step in course.steps)
            ends = max([time, *(label[2] for label in labels if label)])
            told = [label and label[:2] for label in labels]
            found.append(
                (person, episode.start, time, records, *course.seen(episode, time), told, None if live else ends)
            )
    counts = {reason: (len(people), len(Counter(people))) for reason, people in gone.items()}
    return found, counts | ({NEVER_ASKED: (0, never)} if never else {})


def told(cohort: Cohort) -> list[Any]:
    """Return every prediction of a cohort, as `expected` does."""
    return [_told(cohort, r) for r in range(len(cohort.asked.time))]


def _told(cohort: Cohort, r: int) -> Any:
    timeline, sequences, asked, labels = cohort.timeline, cohort.sequences, cohort.asked, cohort.labels
    s, read = sequences.sequence[r], sequences.read[r]
    rows = np.arange(sequences.first[s], read + 1)
    assert sequences.read_lag_hours(timeline)[r] == (
        0 if read < 0 else (asked.time[r] - timeline.step_time[read]) / HOUR
    )
    assert read < sequences.stop[s]
    cells: list[Cell] = []
    for row in rows:
        for m in range(timeline.cell_offsets[row], timeline.cell_offsets[row + 1]):
            number, level = float(timeline.cell_number[m]), timeline.cell_level[m]
            value = timeline.levels[level][1] if level >= 0 else None if np.isnan(number) else number
            code = timeline.variables[timeline.cell_variable[m]][0]
            cells.append((timeline.step_time[row] // HOUR, code, value, timeline.cell_time[m] // HOUR))
    answers = None
    if labels is not None:
        pairs = zip(labels.value[r].reshape(-1), labels.hours[r].reshape(-1), strict=True)  # type: ignore[union-attr]
        answers = [None if np.isnan(value) else (value, hour) for value, hour in pairs]
    return (
        *(asked.person[r], asked.episode_start[r] / HOUR, asked.time[r] / HOUR, asked.records[r]),
        *((timeline.step_time[rows] // HOUR).tolist(), cells, sequences.start_time[s] / HOUR),
        *([] if answers is None else answers, None if labels is None else labels.known[r] / HOUR),
    )


def check(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, keys = rows_of_people(random), keys_of(random)
    events, wanted = events_of(*rows), question(**keys)
    alone = bool(random.random() < 0.3)
    found, excluded = expected(rows, keys, now=None, live=False)
    recorded = {code for _, hour, code, _, _ in rows if hour is not None}
    try:
        cohort = ask(events, PEOPLE, wanted, alone=alone)
    except CohortError:
        assert not found or not recorded.issuperset(keys["target"])
    else:
        assert recorded.issuperset(keys["target"])
        assert told(cohort) == found
        if alone:
            assert len(cohort.sequences.person) == len(found)
        assert cohort.asked.excluded == excluded
        courses = [Course([row for row in rows if row[0] == person], keys, None) for person in range(PEOPLE)]
        assert cohort.timeline.stale == sum(len(course.records) - len(course.cells()) for course in courses)
    check_live(rows, keys, None if random.random() < 0.2 else int(random.integers(-3, 40)), alone=alone)


def check_live(rows: list[Row], keys: dict[str, Any], now: int | None, *, alone: bool) -> None:
    events, instant = events_of(*rows), None
    if now is not None:
        instant = datetime(1970, 1, 1) + timedelta(hours=now)
        events = known_by(events, instant)
        rows = [row for row in rows if row[1] is None or row[2] == "MEDS_BIRTH" or known(row) <= now]
    live, last = (
        ask_live(events, PEOPLE, question(**keys), now=instant, alone=alone, last_only=only) for only in (False, True)
    )
    assert (told(live), live.asked.excluded) == expected(rows, keys, now=now, live=True)
    of_each = {row[0]: row for row in sorted(told(live), key=lambda row: (row[0], row[2], row[1]))}
    assert told(last) == list(of_each.values())


@pytest.mark.parametrize("block", range(4))
def test_a_cohort_is_that_of_a_slow_reading_of_the_rules(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        check(seed)


@pytest.mark.slow
def test_many_cohorts_are_those_of_a_slow_reading_of_the_rules() -> None:
    for seed in range(1000, 4000):
        check(seed)
