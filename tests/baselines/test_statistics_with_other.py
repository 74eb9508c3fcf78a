"""Statistics of which one code alone is told anew have the bits of telling them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from clinical_settings import ASKED_FOR
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.baselines import known_statistics, statistics_of, statistics_with_other
from sequela.baselines.statistics import Kind
from sequela.cohort import Sequences, Timeline, build_timeline, one_each, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation
from sequela.prepare.outliers import FixedLimits

HOUR = 3_600_000_000
PEOPLE = 4
CODES = ("x", "y", "c", "drug", "many")
Row = tuple[int, int, str, int, int]  # person, hour, code, a number or which text, hours until it became known


def rows_of(codes: tuple[str, ...]) -> st.SearchStrategy[list[Row]]:
    row = st.tuples(
        st.integers(0, 3), st.integers(-5, 50), st.sampled_from(codes), st.integers(-9, 9), st.integers(0, 4)
    )
    return st.lists(row, max_size=40)


def timeline_of(rows: list[Row]) -> Timeline:
    words = {"c": "abz", "many": "klmnopqrst"}
    schema = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    schema |= {"text_value": pl.String, "available_time": pl.Int64}
    known = [
        (
            person,
            hour * HOUR,
            code,
            value / 3 if code in "xy" else None,
            words[code][value % len(words[code])] if code in words else None,
            (hour + late) * HOUR,
        )
        for person, hour, code, value, late in rows
    ]
    frame = pl.DataFrame(known, schema=schema, orient="row")
    frame = frame.unique(["subject_id", "time", "code", "available_time"], keep="first", maintain_order=True)
    return build_timeline(frame.with_columns(pl.col("time", "available_time").cast(pl.Datetime("us"))), PEOPLE)


def facts_of(heights: list[float]) -> Facts:
    empty = static_facts(pl.DataFrame(schema={"code": pl.String, "time": pl.Datetime("us"), "subject_id": pl.Int64}), 4)
    return replace(empty, numbers={"height": np.array(heights)}, categories={"sex": ["F", "M", None, "F"]})


def asked(timeline: Timeline, history: int | None) -> Sequences:
    times = np.array([-30, 2, 8, 20, 40]) * HOUR
    person = np.repeat(np.arange(PEOPLE), len(times))
    keys = {"person": person, "episode_start": np.full(len(person), -HOUR), "time": np.tile(times, PEOPLE)}
    return one_pass(timeline, **keys) if history is None else one_each(timeline, **keys, history=history)


HEIGHTS = [150.0, 180.0, np.nan, 165.0]


def state() -> PreparedState:
    rows = [(p, h, code, h + p, 0) for p in range(PEOPLE) for h in range(20) for code in CODES]
    timeline = timeline_of(rows)
    everybody = one_pass(
        timeline,
        person=np.arange(PEOPLE),
        episode_start=np.zeros(PEOPLE, dtype=np.int64),
        time=np.full(PEOPLE, 99 * HOUR),
    )
    fitted = fit_preparation(
        timeline,
        facts_of(HEIGHTS),
        everybody,
        {"x": np.array([1.0, 2.0])},
        PrepareSettings(
            min_people=1, outliers="hampel", outlier_action={"x": "missing", "*": "flag"}, clinical=ASKED_FOR
        ),
    )[0]
    assert fitted.words
    assert len(fitted.features) > 2
    limits = {"outliers": FixedLimits(rule="mad", low=-2.0, high=2.0), "outlier_action": "missing"}
    features = [part.model_copy(update=limits if part.code == "y" else {}) for part in fitted.features]
    return fitted.model_copy(update={"features": features})


@pytest.mark.parametrize("kind", ["risk", "forecast"])
@pytest.mark.parametrize("history", [None, 24 * HOUR])
@given(same=rows_of(CODES), code=st.sampled_from([*CODES, "height", "sex", "never"]), data=st.data())
@settings(max_examples=40)
def test_what_one_code_does_not_touch_keeps_its_bits(
    kind: Kind, history: int | None, same: list[Row], code: str, data: st.DataObject
) -> None:
    rest = [row for row in same if row[2] != code]
    before, after = (rest + data.draw(rows_of((code,)) if code in CODES else st.just([])) for _ in range(2))
    heights = HEIGHTS[::-1] if code == "height" else HEIGHTS
    fitted = state()
    one, other = timeline_of(before), timeline_of(after)
    known = known_statistics(kind, one, facts_of(HEIGHTS), fitted, asked(one, history))
    seen = (kind, other, facts_of(heights), fitted, asked(other, history))
    found, whole = statistics_with_other(known, code, *seen), statistics_of(*seen)
    assert found.names == whole.names
    assert found.matrix.dtype == whole.matrix.dtype
    assert found.matrix.tobytes() == whole.matrix.tobytes()
    assert found.last_target.tobytes() == whole.last_target.tobytes()
    assert found.mean_target.tobytes() == whole.mean_target.tobytes()


def test_a_history_that_begins_earlier_changes_amounts_of_other_codes() -> None:
    rest: list[Row] = [(0, 1, "y", 5, 0), (0, 10, "y", 3, 0)]
    one, other = timeline_of(rest), timeline_of([*rest, (0, -5, "x", 1, 0)])
    fitted, facts = state(), facts_of(HEIGHTS)
    known = known_statistics("risk", one, facts, fitted, asked(one, None))
    found = statistics_with_other(known, "x", "risk", other, facts, fitted, asked(other, None))
    whole = statistics_of("risk", other, facts, fitted, asked(other, None))
    amount = whole.names.index("y an hour")
    assert known.statistics.matrix[4, amount] != whole.matrix[4, amount]
    assert found.matrix.tobytes() == whole.matrix.tobytes()


@pytest.mark.parametrize("kind", ["risk", "forecast"])
@pytest.mark.parametrize(
    ("action", "of_y"), [("flag", [1.0, 9.0, 5.0, 2]), ("clip", [1.0, 2.0, 1.5, 2]), ("missing", [1.0, 1.0, 1.0, 1])]
)
def test_statistics_leave_out_or_move_what_stands_out_as_the_study_says(
    kind: Kind, action: str, of_y: list[float]
) -> None:
    fitted = state()
    acting = [
        part.model_copy(update={"outlier_action": action} if part.code == "y" else {}) for part in fitted.features
    ]
    timeline = timeline_of([(0, 1, "y", 3, 0), (0, 3, "y", 27, 0)])
    found = statistics_of(
        kind, timeline, facts_of(HEIGHTS), fitted.model_copy(update={"features": acting}), asked(timeline, None)
    )
    columns = [found.names.index(f"{name} y") for name in ("min", "max", "mean", "count")]
    assert found.matrix[2, columns].tolist() == of_y


@pytest.mark.parametrize("kind", ["risk", "forecast"])
def test_categories_say_how_often_and_how_long_ago(kind: Kind) -> None:
    timeline = timeline_of([(0, 1, "c", 0, 0), (0, 3, "c", 1, 2), (0, 4, "x", 1, 0), (0, 30, "c", 2, 0)])
    found = statistics_of(kind, timeline, facts_of(HEIGHTS), state(), asked(timeline, None))
    columns = [found.names.index(name) for name in ("count c", "hours since c", "last c = a", "last c = b")]
    assert np.array_equal(found.matrix[0, columns], [0, np.nan, np.nan, np.nan], equal_nan=True)
    assert found.matrix[1:4, columns].tolist() == [[1, 1, 1, 0], [2, 5, 0, 1], [2, 17, 0, 1]]
