"""Risk labels against a slow reading of the rules, on cohorts and questions drawn at random."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from asking import HOUR, events_of
from hypothesis import given, settings
from hypothesis import strategies as st
from risking import ask_risk, labels_of, risk

from sequela.cohort import Cohort, RiskQuestion, ask, build_timeline, known_by, one_pass
from sequela.cohort.episodes import find_episodes, prediction_times
from sequela.cohort.risk_labels import HAD_IT, INCOMPLETE, NOT_DATED, NOT_KNOWN
from sequela.errors import CohortError

PEOPLE = 4
Row = tuple[Any, ...]
Fate = tuple[float, str | None]


@st.composite
def rows_of_people(draw: st.DrawFn) -> list[Row]:
    """Draw (person, hour, code, value, hour known) with ties, corrections, late news and several stays."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: list[Row] = [(person, 0, "y", 1.0) for person in range(PEOPLE)]
    for person in range(PEOPLE):
        for _ in range(generator.integers(0, 12)):
            hour, code = (
                int(generator.integers(0, 60)),
                str(generator.choice(["y", "MAP", "MAP", "ADM", "DIS", "FALL"])),
            )
            value = float(generator.integers(60, 70)) if code == "MAP" else 1.0 if code == "y" else None
            known = hour + int(generator.integers(1, 30)) if generator.random() < 0.3 else None
            rows.append((person, hour, code, value, known))
            if code == "MAP" and generator.random() < 0.3:
                rows.append((person, hour, code, float(generator.integers(60, 70)), (known or hour) + 2))
        if generator.random() < 0.8:
            rows.append((person, None, "left", float(generator.integers(0, 2))))
        if generator.random() < 0.8:
            rows.append((person, None, "when", float(generator.integers(0, 60))))
    rows += [(0, 1, "ADM"), (0, 20, "DIS"), (1, 7, "FALL"), (2, 3, "MAP", 50.0), (0, None, "left", 1.0)][:4]
    rows += [] if any(row[2] == "left" for row in rows) else [(0, None, "left", 1.0)]
    rows += [] if any(row[2] == "when" for row in rows) else [(0, None, "when", 9.0)]
    return [rows[place] for place in generator.permutation(len(rows))]


@st.composite
def risks(draw: st.DrawFn) -> dict[str, Any]:
    within = draw(st.sampled_from(["1h", "6h", "2d", None]))
    outcome: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"code": "FA"},
                {"code": "MAP", "below": 64},
                {"code": "MAP", "above": 66.0},
                {"code": "MAP", "positive": 63},
                {"column": "left", "time": "when", "time_unit": "hours"},
            ]
        )
    )
    outcome = {**outcome, "recurrent": draw(st.booleans())}
    ends = ["30h", {"code": "DIS"}] + ([] if within is None else ["last record"])
    return {
        "outcome": outcome if within is None else {**outcome, "within": within},
        "from": draw(st.sampled_from(["first record", "origin", {"code": "ADM"}])),
        "to": draw(st.sampled_from(ends)),
        "at": draw(st.sampled_from(["every record", "every 4h", ["1h", "9h"], "last record"])),
        "follow_up": draw(st.sampled_from(["last record", {"code": "DIS"}, {"column": "when", "time_unit": "hours"}])),
        "incomplete": draw(st.sampled_from(["exclude", "no event"])),
        "min_records": draw(st.integers(0, 1)),
    }


class Course:
    """What happened to one person, read row by row; hours."""

    def __init__(self, rows: list[Row], question: RiskQuestion) -> None:
        self.rows = [(*row, *[None] * (5 - len(row))) for row in rows]
        self.question = question
        assert question.outcome is not None
        self.outcome = question.outcome
        self.left, self.when = self.fact("left"), self.fact("when")

    def fact(self, code: str) -> float | None:
        return next((row[3] for row in self.rows if row[2] == code), None)

    def times(self, prefix: str) -> list[float]:
        return sorted(row[1] for row in self.rows if row[2].startswith(prefix) and row[1] is not None)

    def events(self) -> list[float]:
        if self.outcome.column is not None:
            return [self.when] if self.left == 1 and self.when is not None else []
        if not self.outcome.values_decide:
            return self.times("FA")
        last: dict[float, tuple[float, float]] = {}
        for _, hour, code, value, known in self.rows:
            if code == "MAP":
                last[hour] = max(last.get(hour, (-1, -1)), (max(hour, known or hour), value))
        low, high, level = self.outcome.below, self.outcome.above, self.outcome.positive
        return sorted(
            h
            for h, (_, v) in last.items()
            if (low is not None and v < low) or (high is not None and v > high) or v == level
        )

    def watched_until(self, time: float) -> float:
        last = max((row[1] for row in self.rows if row[1] is not None), default=-np.inf)
        if self.question.follow_up == "last record":
            return float(last)
        if self.question.follow_up.code is None:
            return -np.inf if self.when is None else self.when
        return next((hour for hour in self.times("DIS") if hour > time), float(last))

    def window(self, time: float, start: float, following: float, stop: float, closed: bool) -> tuple[float, bool]:
        """Return its end, and whether it was watched to the end."""
        if self.outcome.within is not None:
            end = time + {"1h": 1, "6h": 6, "2d": 48}[self.outcome.within]
        elif self.question.to == "30h":
            end = start + 30
        elif closed:
            day_end = (stop // 24 + 1) * 24 - 1e-6
            return max(stop, min(day_end, following - 1e-6)), True
        else:
            end = following - 1e-6
        return end, self.watched_until(time) >= end

    def fate(self, time: float, *span: Any) -> Fate:
        if self.outcome.column is not None and self.left is None:
            return np.nan, NOT_KNOWN
        if self.outcome.column is not None and self.left == 1 and self.when is None:
            return np.nan, NOT_DATED
        events = self.events()
        if not self.outcome.recurrent and any(event <= time for event in events):
            return np.nan, HAD_IT
        end, covered = self.window(time, *span)
        if any(time < event <= end for event in events):
            return 1.0, None
        return (0.0, None) if covered or self.question.incomplete == "no event" else (np.nan, INCOMPLETE)


def fates(rows: list[Row], events: pl.DataFrame, question: RiskQuestion) -> list[tuple[int, float, Fate]]:
    """Return (person, prediction hour, fate) of every prediction time, in order."""
    inputs = events.filter(pl.col("time").is_not_null())
    timeline = build_timeline(inputs, PEOPLE)
    episodes = find_episodes(inputs, timeline, question)
    asked = prediction_times(episodes, timeline, question)
    spans = {
        (person, start): (start / HOUR, following / HOUR, stop / HOUR, not open_ended)
        for person, start, following, stop, open_ended in zip(
            *(getattr(episodes, name).tolist() for name in ("person", "start", "following", "stop", "open_ended")),
            strict=True,
        )
    }
    courses = [Course([row for row in rows if row[0] == person], question) for person in range(PEOPLE)]
    return [
        (person, time / HOUR, courses[person].fate(time / HOUR, *spans[person, start]))
        for person, start, time in zip(
            asked.person.tolist(), asked.episode_start.tolist(), asked.time.tolist(), strict=True
        )
    ]


def try_to_ask(rows: list[Row], keys: dict[str, Any]) -> Cohort | None:
    try:
        return ask_risk(events_of(*rows), **keys)
    except CohortError:
        return None


@settings(max_examples=600, deadline=None)
@given(rows_of_people(), risks())
def test_labels_are_those_of_a_slow_reading_of_the_rules(rows: list[Row], keys: dict[str, Any]) -> None:
    question = risk(**keys)
    expected = fates(rows, events_of(*rows), question)
    left = [(person, hour, value) for person, hour, (value, reason) in expected if reason is None]
    found = try_to_ask(rows, keys)
    if found is None:
        assert len({value for *_, value in left}) < 2
        return
    labels = labels_of(found)
    said = list(
        zip(found.asked.person.tolist(), (found.asked.time / HOUR).tolist(), labels.value.tolist(), strict=True)
    )
    assert said == left
    counts = Counter(reason for *_, (_, reason) in expected if reason is not None)
    assert {reason: found.asked.excluded.get(reason, (0, 0))[0] for reason in counts} == counts
    assert len(expected) == found.asked_before_labels
    assert ((labels.value == 1) == ~np.isnan(labels.event_hours)).all()
    assert (labels.event_hours[labels.value == 1] > 0).all()
    assert (labels.known >= found.asked.time).all()


@settings(max_examples=100, deadline=None)
@given(rows_of_people(), risks(), st.randoms())
def test_the_order_of_rows_changes_nothing(rows: list[Row], keys: dict[str, Any], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = try_to_ask(rows, keys), try_to_ask(shuffled, keys)
    if one is None or other is None:
        assert one is other
        return
    for name in ("value", "known", "event_hours"):
        assert np.array_equal(getattr(labels_of(one), name), getattr(labels_of(other), name), equal_nan=True)
    assert np.array_equal(one.asked.time, other.asked.time)
    assert one.asked.excluded == other.asked.excluded


@settings(max_examples=150, deadline=None)
@given(rows_of_people(), st.sampled_from([{"code": "FA"}, {"code": "MAP", "below": 64}]), st.integers(0, 2**32 - 1))
def test_what_comes_after_the_window_changes_no_label(rows: list[Row], outcome: Any, seed: int) -> None:
    """Asked at 4 h, watched to 10 h: whatever happens after that, and is known after that, is nothing to the label."""
    generator = np.random.default_rng(seed)
    keys: dict[str, Any] = {"outcome": {**outcome, "within": "6h"}, "from": "origin", "at": "4h", "min_records": 0}
    rows = [row for row in rows if row[2] not in ("left", "when")] + [
        (person, 11, "y", 1.0) for person in range(PEOPLE)
    ]
    early = [row for row in rows if row[1] <= 10 or (row[1] == 11 and row[2] == "y")]
    late = [
        (
            int(generator.integers(PEOPLE)),
            12 + int(generator.integers(40)),
            str(generator.choice(["MAP", "FALL"])),
            value,
        )
        for value in generator.normal(60, 20, 8).tolist()
    ]
    one, other = try_to_ask(rows, keys), try_to_ask(early + late, keys)
    if one is not None and other is not None:
        assert np.array_equal(labels_of(one).value, labels_of(other).value)
        assert np.array_equal(one.asked.person, other.asked.person)


@settings(max_examples=100, deadline=None)
@given(rows_of_people(), risks())
def test_deleting_all_that_follows_a_prediction_changes_no_input_of_it(rows: list[Row], keys: dict[str, Any]) -> None:
    cohort = try_to_ask(rows, {**keys, "history": "all"})
    if cohort is None:
        return
    events = events_of(*rows).filter(~pl.col("code").is_in(["left", "when"]))
    asked = cohort.asked
    for r in range(0, len(asked.time), 3):
        then = known_by(events, pl.Series([asked.time[r]]).cast(pl.Datetime("us"))[0])
        timeline = build_timeline(then, PEOPLE)
        alone = one_pass(
            timeline,
            person=asked.person[r : r + 1],
            episode_start=asked.episode_start[r : r + 1],
            time=asked.time[r : r + 1],
        )
        assert cells(timeline, alone, 0) == cells(cohort.timeline, cohort.sequences, r)


def cells(timeline: Any, sequences: Any, r: int) -> list[Any]:
    """Return what prediction r may see: the cells of its rows up to the one that it reads."""
    first, read = sequences.first[sequences.sequence[r]], sequences.read[r]
    span = slice(timeline.cell_offsets[first], timeline.cell_offsets[read + 1]) if read >= 0 else slice(0, 0)
    return [
        (timeline.variables[v][0], None if number != number else number, time)
        for v, number, time in zip(
            timeline.cell_variable[span].tolist(),
            timeline.cell_number[span].tolist(),
            timeline.cell_time[span].tolist(),
            strict=True,
        )
    ]


@pytest.mark.parametrize("at", [["6h", "12h", "18h", "24h"], "every 6h"])
def test_many_prediction_times_share_one_pass_and_say_what_each_says_alone(at: Any) -> None:
    rows = [(p, hour, "MAP", 60.0 + (7 * hour + p) % 13) for p in range(PEOPLE) for hour in range(0, 49, 3)]
    keys: dict[str, Any] = {
        "outcome": {"code": "MAP", "below": 62, "within": "5h", "recurrent": True},
        "from": "origin",
    }
    many = ask_risk(events_of(*rows), at=at, **keys)
    assert len(many.sequences.person) == PEOPLE
    for hour in (6, 12, 18, 24):
        chosen = many.asked.time == hour * HOUR
        question = risk(at=f"{hour}h", **keys)
        single = _labels_alone(events_of(*rows), question)
        assert labels_of(many).value[chosen].tolist() == single
        assert (many.sequences.read[chosen] - many.sequences.first == hour // 3).all()


def _labels_alone(events: pl.DataFrame, question: RiskQuestion) -> list[float]:
    try:
        return list(labels_of(ask(events, PEOPLE, question)).value)
    except CohortError as error:
        return [1.0 if "every" in str(error) else 0.0] * PEOPLE
