"""Time beyond usual ranges, scores and amounts: by hand, and as loops over the cells say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from clinical_settings import ASKED_FOR
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.baselines import seen as seen_module
from sequela.baselines.clinical import clinical_columns
from sequela.baselines.seen import CellsByVariable
from sequela.cohort import Sequences, Timeline, build_timeline, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare.clinical import ClinicalSettings

HOUR = 3_600_000_000
Row = tuple[int, int, str, float]  # person, hour, code, value
Columns = dict[str, np.ndarray[Any, Any]]

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.sampled_from("xy"), st.integers(-9, 9).map(float)), max_size=40
)
PEOPLE = 3


def timeline_of(rows: list[Row]) -> Timeline:
    schema = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    frame = pl.DataFrame([(p, t * HOUR, code, v) for p, t, code, v in rows], schema=schema, orient="row")
    frame = frame.unique(["subject_id", "time", "code"], keep="first", maintain_order=True)
    frame = frame.sort("subject_id", "time", "code").with_columns(
        pl.col("time").cast(pl.Datetime("us")),
        text_value=pl.lit(None, dtype=pl.String),
        available_time=pl.lit(None, dtype=pl.Datetime("us")),
    )
    return build_timeline(frame, PEOPLE)


def facts() -> Facts:
    empty = static_facts(pl.DataFrame(schema={"code": pl.String, "time": pl.Datetime("us"), "subject_id": pl.Int64}), 3)
    return replace(empty, numbers={"height": np.array([150.0, 180.0, np.nan])})


def asked(timeline: Timeline, hours: tuple[int, ...] = (0, 5, 12, 30, 61)) -> Sequences:
    person = np.repeat(np.arange(PEOPLE), len(hours))
    time = np.tile(np.array(hours) * HOUR, PEOPLE)
    return one_pass(timeline, person=person, episode_start=np.zeros(len(person), dtype=np.int64), time=time)


def columns(timeline: Timeline, sequences: Sequences, asked_for: ClinicalSettings = ASKED_FOR) -> Columns:
    return dict(clinical_columns(CellsByVariable(timeline, sequences), facts(), asked_for, sequences))


def bits(timeline: Timeline, sequences: Sequences) -> list[bytes]:
    """Return the bytes of each prediction's columns."""
    return [row.tobytes() for row in np.stack(list(columns(timeline, sequences).values()), axis=1)]


def test_time_beyond_a_range_is_as_counted_by_hand() -> None:
    rows: list[Row] = [(0, 2, "x", -5.0), (0, 4, "x", 0.0), (0, 9, "x", 7.0)]
    found = columns(timeline_of(rows), asked(timeline_of(rows), (12,)))
    assert found["share of time below -3: x"][0] == pytest.approx(2 / 10)
    assert found["share of time above 4: x"][0] == pytest.approx(3 / 10)
    assert found["outside at the end: x"][0] == 1
    assert found["time below: all ranges"][0] == pytest.approx(2 / 10)
    assert found["outside at the end: all ranges"][0] == 1
    assert np.isnan(found["share of time above 0: y"][0])
    assert np.isnan(found["share of time below -3: x"][1])


def test_a_score_takes_the_worst_value_that_stood_in_each_window() -> None:
    rows: list[Row] = [(0, 1, "x", -6.0), (0, 14, "x", 6.0), (0, 20, "x", 1.0), (0, 3, "y", 5.0), (0, 15, "y", 8.0)]
    found = columns(timeline_of(rows), asked(timeline_of(rows), (24,)))
    last, before = "bad, last 12 h", "bad, 12 h before"
    assert found[f"{last}: x"][0] == 3  # -6 still stood at 12 h
    assert found[f"{before}: x"][0] == 3
    assert found[f"{last}: y"][0] == 2
    assert found[f"{before}: y"][0] == 1
    assert found[f"{last}: height"][0] == 1
    assert (found[last][0], found[before][0], found["bad, change"][0], found["bad, larger"][0]) == (6, 5, 1, 6)
    assert np.isnan(found[last][1])  # of whom nothing but the height is known


def test_a_value_that_is_written_as_a_limit_is_at_least_that_and_beyond_no_range() -> None:
    wanted = ClinicalSettings.model_validate(
        {
            "reference": {"x": [7.1, 7.3], "y": [7.2, 7.8]},
            "scores": {"bad": {"parts": {"x": {"at_least": [[0.7, 1]]}, "y": {"below": [[7.2, 1]]}}}},
        }
    )
    rows: list[Row] = [(0, 1, "x", 0.7), (0, 1, "y", 7.2), (1, 1, "x", 7.3), (1, 1, "y", 7.8)]
    found = columns(timeline_of(rows), asked(timeline_of(rows), (2,)), wanted)
    assert (found["bad, last 24 h: x"][0], found["bad, last 24 h: y"][0]) == (1, 0)
    assert found["outside at the end: x"].tolist()[:2] == [1, 0]
    assert found["outside at the end: y"].tolist()[:2] == [0, 0]


def test_a_sum_has_points_only_where_the_history_covers_the_window() -> None:
    rows: list[Row] = [(0, 1, "y", 9.0)]
    found = columns(timeline_of(rows), asked(timeline_of(rows), (11, 12, 23, 24)))
    assert np.array_equal(found["bad, last 12 h: y"][:3], [np.nan, 2.0, np.nan], equal_nan=True)
    assert np.isnan(found["bad, 12 h before: y"][:3]).all()
    assert found["bad, 12 h before: y"][3] == 2


def test_amounts_are_told_an_hour_of_the_history_that_there_is() -> None:
    rows: list[Row] = [(0, 1, "y", 6.0), (0, 29, "y", 4.0), (0, 3, "x", 2.0), (0, 28, "x", -1.0)]
    found = columns(timeline_of(rows), asked(timeline_of(rows), (0, 4, 30)))
    assert np.array_equal(found["y an hour"][:3], [np.nan, 1.5, 10 / 30], equal_nan=True)
    assert np.array_equal(found["y an hour, last 6 h"][:3], [np.nan, 1.5, 4 / 6], equal_nan=True)
    assert np.array_equal(found["y an hour, 24 h before"][:3], [np.nan, np.nan, 6 / 6], equal_nan=True)
    assert found["y / x an hour"][1] == 0.75
    assert np.isnan(found["y / x an hour"][2])  # the divisor is no longer above 0
    assert found["y / height an hour"][1] == 1.5 / 150


def slow_share(cells: list[tuple[int, float]], now: int, is_it: Any) -> float:
    if not cells:
        return float("nan")
    ends = [time for time, _ in cells[1:]] + [now]
    whole = now - cells[0][0]
    so = sum(end - time for (time, value), end in zip(cells, ends, strict=True) if is_it(value))
    return so / whole if whole else float(is_it(cells[-1][1]))


def slow_points(values: list[float]) -> float:
    lines = [(3, min(values) < -5), (1, min(values) < 0), (2, max(values) >= 5)] if values else []
    return float(max([points for points, given in lines if given], default=0)) if values else float("nan")


@given(rows=ROWS)
@settings(max_examples=40)
def test_columns_are_what_loops_over_the_cells_say(rows: list[Row]) -> None:
    timeline = timeline_of(rows)
    sequences = asked(timeline)
    found = columns(timeline, sequences)
    first = {(p, t, c): v for p, t, c, v in reversed(rows)}
    for r, now in enumerate((sequences.read_time // HOUR).tolist()):
        person = int(sequences.person[sequences.sequence[r]])
        of = {c: sorted((t, v) for (p, t, k), v in first.items() if (p, k) == (person, c) and t <= now) for c in "xy"}
        for name, cells, is_it in (
            ("share of time below -3: x", of["x"], lambda v: v < -3),
            ("share of time above 4: x", of["x"], lambda v: v > 4),
            ("share of time above 0: y", of["y"], lambda v: v > 0),
        ):
            assert found[name][r] == pytest.approx(slow_share(cells, now, is_it), nan_ok=True)
        for words, older, newer in (("last 12 h", 12, 0), ("12 h before", 24, 12)):
            within = [v for t, v in of["x"] if now - older < t <= now - newer]
            stood = [v for t, v in of["x"] if t <= now - older][-1:]
            assert found[f"bad, {words}: x"][r] == pytest.approx(slow_points(stood + within), nan_ok=True)
        came = [v for t, v in of["y"] if now - 6 < t]
        expected = sum(came) / min(6, now) if came and now >= 1 else float("nan")
        assert found["y an hour, last 6 h"][r] == pytest.approx(expected, nan_ok=True)


@given(rows=ROWS, seed=st.integers(0, 9))
@settings(max_examples=25)
def test_a_prediction_has_the_same_bits_alone_in_small_runs_and_whatever_follows(rows: list[Row], seed: int) -> None:
    timeline = timeline_of(rows)
    sequences = asked(timeline)
    whole = bits(timeline, sequences)
    for r in np.random.default_rng(seed).permutation(len(whole))[:4].tolist():
        assert bits(timeline, sequences.take(np.array([r]))) == [whole[r]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_module, "_CELLS_AT_ONCE", 2)
        assert bits(timeline, sequences) == whole
    known = timeline_of([row for row in rows if row[1] <= 12] + [(p, 13, c, 9.0) for p in range(PEOPLE) for c in "xy"])
    early = np.flatnonzero(sequences.read_time <= 12 * HOUR)
    again = bits(known, asked(known))
    assert [again[r] for r in early] == [whole[r] for r in early]


def test_there_are_as_many_columns_of_nobody() -> None:
    timeline = timeline_of([])
    nobody = np.zeros(0, dtype=np.int64)
    sequences = one_pass(timeline, person=nobody, episode_start=nobody, time=nobody)
    empty = replace(facts(), numbers={})
    names = [name for name, _ in clinical_columns(CellsByVariable(timeline, sequences), empty, ASKED_FOR, sequences)]
    some = timeline_of([(0, 1, "x", 1.0)])
    assert names == list(columns(some, asked(some)))
    assert len(set(names)) == len(names)
