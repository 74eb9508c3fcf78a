"""The steps of preparation in their order: what stands out, other forms, scales, what stands in and whence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from preparing import HOUR, Course, prepared, sources

from sequela.cohort import one_each, one_pass
from sequela.errors import StudyError
from sequela.prepare import Collation, PreparedState, PrepareSettings, needs_own_sequences, preparation_summary, summary
from sequela.prepare.measured import limited_timeline, with_rules
from sequela.prepare.passes import Cells
from sequela.prepare.rows import RowPreparation
from sequela.prepare.state import NumberState
from sequela.prepare.transforms import YeoJohnson

COURSE = Course(
    *((p, hour, "x", 10.0 + p + hour) for p in range(5) for hour in (0, 2, 3)),
    *((p, hour, "y", 50.0 + hour) for p in range(5) for hour in (1, 6)),
    *((0, 4, "x", 1000.0), (1, 30, "y", 1.0)),
)


def test_what_stands_out_is_flagged_in_a_column_of_its_own_and_kept() -> None:
    state = COURSE.fit(outliers={"x": "iqr"}, scale="none")
    assert state.columns == ["x", "x outlier", "y"]
    rows = prepared(COURSE, state)
    hours = rows.hours.tolist()
    assert hours == [0, 1, 2, 3, 4, 6]
    assert rows.values[:, 0].tolist() == [10, 10, 12, 13, 1000, 1000]
    assert rows.values[:, 1].tolist() == [0, 0, 0, 0, 1, 1]
    assert (rows.observed[:, 0] == rows.observed[:, 1]).all()
    assert prepared(COURSE, COURSE.fit(outliers={"y": "iqr"})).values[0, 2] == 0  # before the first value
    assert len(state.gap_unit_hours) == len(state.decay_towards) == 3


@pytest.mark.parametrize(("action", "expected"), [("missing", 13.0), ("clip", None)])
def test_what_stands_out_is_taken_out_or_moved_before_anything_is_fitted(action: str, expected: float | None) -> None:
    state = COURSE.fit(outliers="iqr", outlier_action=action, scale="none")
    (x, _) = state.features
    assert isinstance(x, NumberState)
    assert x.outliers is not None
    assert state.columns == ["x", "y"]
    high = expected or x.outliers.high  # type: ignore[union-attr]
    rows = prepared(COURSE, state)
    assert rows.values[4, 0] == pytest.approx(high)
    assert bool(rows.observed[4, 0]) is (action == "clip")
    assert x.fill < 40
    course = RowPreparation(COURSE.timeline, state).course(COURSE.sequences, np.array([0]))
    assert course.values[4, 0] == (0.0 if expected else pytest.approx(high))
    of_bins = state.model_copy(update={"grid": PrepareSettings(grid="1h").grid_state})
    assert RowPreparation(COURSE.timeline, of_bins).course(COURSE.sequences, np.array([0])).values[4, 0] == 1000


def test_of_a_timeline_only_the_numbers_that_stand_out_are_taken_out_and_no_step() -> None:
    course = Course(
        *((p, h, "x", 10.0 + h) for p in range(5) for h in range(3)),
        *((0, 3, "x", 1000.0), (0, 3, "ward", "A"), (1, 3, "fall", None), (1, 4, "x", None), (2, 4, "x", 11.0)),
    )
    assert limited_timeline(course.timeline, course.fit(outliers="iqr")) is course.timeline
    state = course.fit(outliers="iqr", outlier_action="missing")
    found = limited_timeline(course.timeline, state)
    assert found.step_time.tolist() == course.timeline.step_time.tolist()
    assert len(found.cell_number) == len(course.timeline.cell_number) - 1
    assert np.isnan(found.cell_number).sum() == 3
    assert found.step_of_cell.tolist() == course.timeline.step_of_cell[course.timeline.cell_number != 1000].tolist()
    assert found.cell_time.tolist() == found.step_time[found.step_of_cell].tolist()
    of_bins = state.model_copy(update={"grid": PrepareSettings(grid="1h").grid_state})
    assert limited_timeline(course.timeline, of_bins) is course.timeline
    steady = Course(*((p, h, "x", 10.0 + 90 * p + h % 2) for p in range(2) for h in range(6)))
    of_each = steady.fit(outliers="hampel", outlier_action="missing")
    assert len(limited_timeline(steady.timeline, of_each).cell_number) == 12  # the second person's past is their own


def test_a_transform_comes_before_the_scale() -> None:
    (x, _) = COURSE.fit(transform={"x": "log"}, scale="standard").features
    assert isinstance(x, NumberState)
    values = np.log([*(10.0 + p + h for p in range(5) for h in (0, 2, 3)), 1000.0])
    assert x.center == pytest.approx(values.mean())
    assert x.spread == pytest.approx(values.std())
    assert x.deviation == pytest.approx(1.0)
    assert prepared(COURSE, COURSE.fit(transform={"y": "log"})).values[0, 1] == pytest.approx(0, abs=1e-6)  # the mean


def test_a_difference_is_missing_at_first_and_zero_is_no_change() -> None:
    rows = prepared(COURSE, COURSE.fit(transform="difference", missing="zero", scale="none"))
    assert rows.values[:, 0].tolist() == [0, 0, 2, 1, 987, 0]
    assert rows.observed[:, 0].tolist() == [False, False, True, True, True, False]
    assert sources(rows, 0)[:3] == ["zero", "zero", "measured"]
    everybody = COURSE.rows(COURSE.fit(transform="difference", missing="zero", scale="none"))
    first = everybody.hours == 0
    assert (everybody.values[first, 0] == 0).all()


@pytest.mark.parametrize("scale", ["standard", "quantile"])
@pytest.mark.parametrize("missing", ["last", "linear", "regression", "knn", "decay"])
def test_a_typing_error_beyond_a_steep_power_is_no_infinite_input(missing: str, scale: str) -> None:
    """Where high values lie close together the likeliest power may be 41: of 735 it has no single number."""
    values = np.round(7.4 - 0.12 * np.random.default_rng(0).exponential(1, 300), 2).tolist()
    rows = [(place // 3, place % 3, "x", value) for place, value in enumerate(values)]
    training = Course(*rows, *((p, h + 0.5, "y", 1 - v) for p, h, _, v in rows))
    state = training.fit(transform={"x": "yeo_johnson"}, missing=missing, scale=scale)
    assert isinstance(state.features[0], NumberState)
    assert isinstance(state.features[0].transform, YeoJohnson)
    assert state.features[0].transform.shape > 40
    new = Course((0, 0, "x", 7.4), (0, 0.5, "y", 3.0), (0, 1, "x", 735.0), (0, 2, "y", 3.0), (0, 3, "x", 7.4))
    seen = RowPreparation(new.timeline, state).rows(new.sequences, np.arange(1))
    assert np.isfinite(seen.values).all()
    assert seen.values[2, 0] >= seen.values[0, 0]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("difference", [1080.0, 5.0, 5.0, 6.0]), ("moving_average:2", [660.0, 122.5, 122.5, 128.0])],
)
def test_a_correction_is_no_value_after_what_it_corrects(transform: str, expected: list[float]) -> None:
    """1200 was typed for 125 at hour 1; at hour 2 it is corrected, and again at hour 3."""
    corrected = ((0, 1, "x", 1200.0), (0, 1, "x", 125.0, 2), (0, 1, "x", 125.0, 3))
    course = Course((0, 0, "x", 120.0), *corrected, (0, 4, "x", 131.0))
    state = course.fit(transform=transform, scale="none")
    assert course.rows(state).values[1:, 0].tolist() == expected
    (x,) = state.features
    assert isinstance(x, NumberState)
    assert x.fill == np.mean([*([120.0] if "average" in transform else []), *expected])


def test_a_transform_finds_the_values_of_its_code_among_tens_of_thousands_of_codes() -> None:
    (x, _) = COURSE.fit(transform={"x": "difference"}, scale={"x": "none"}).features
    assert isinstance(x, NumberState)
    time, last = np.arange(3) * HOUR, 40_000
    cells = Cells(
        step_time=time,
        offsets=np.arange(4),
        variable=np.array([0, last, 0], dtype=np.int32),
        number=np.array([1, 5, 3], dtype=np.float32),
        level=np.full(3, -1, dtype=np.int32),
        time=time,
    )
    changed = with_rules(cells, np.array([3]), {0: x}, transformed=True).number
    assert np.array_equal(changed, [np.nan, 5, 2], equal_nan=True)


def test_no_change_has_the_rank_that_it_has_among_changes() -> None:
    rising = Course(*((p, h, "x", float(h * h + (h > 6))) for p in range(9) for h in range(9)), (0, 9, "y", 1.0))
    state = rising.fit(transform="difference", missing="zero", scale="quantile")
    (x,) = state.features
    assert isinstance(x, NumberState)
    assert x.quantiles is not None
    assert x.fill == x.quantiles.apply(np.zeros(1))[0] < -1  # every change was a rise
    assert prepared(rising, state).values[0, 0] == np.float32(x.fill)


def test_decay_leaves_the_last_value_and_says_what_it_fades_to() -> None:
    state = COURSE.fit(missing={"y": "decay"}, scale="standard")
    (_, y) = state.features
    assert isinstance(y, NumberState)
    assert state.decay_towards == [None, pytest.approx((y.fill - y.center) / y.spread)]
    assert sources(prepared(COURSE, state), 1) == ["mean", "measured", "decay", "decay", "decay", "measured"]


def test_categories_and_flags_do_not_fade_and_a_logarithm_has_no_zero() -> None:
    course = Course(*((p, h, "x", 1.0 + h) for p in range(4) for h in (0, 4)), (0, 1, "ward", "A"), (0, 2, "y", 1.0))
    state = course.fit(missing="decay", outliers={"x": "iqr"})
    assert state.columns == ["ward = A", "ward = (other)", "x", "x outlier", "y"]
    rows = prepared(course, state)
    assert [sources(rows, column)[2] for column in range(4)] == ["carried", "carried", "decay", "carried"]
    assert [place for place, towards in enumerate(state.decay_towards) if towards is not None] == [2, 4]
    zero = course.fit(missing="zero", transform={"x": "log"})
    assert [sources(prepared(course, zero), column)[2] for column in (0, 2)] == ["zero", "mean"]
    assert [feature.missing for feature in zero.features] == ["zero", "mean", "zero"]


def test_a_line_needs_sequences_of_their_own_and_ends_where_they_end() -> None:
    assert needs_own_sequences(PrepareSettings(missing={"x": "linear"}))
    assert not needs_own_sequences(PrepareSettings(missing="regression"))
    state = COURSE.fit(missing="linear", scale="none")
    time = np.array([4, 7]) * HOUR
    cut = one_each(COURSE.timeline, person=np.zeros(2, dtype=int), episode_start=np.zeros(2, dtype=int), time=time)
    rows = RowPreparation(COURSE.timeline, state).rows(cut, np.arange(2), provenance=True)
    assert rows.values[:, 1].tolist() == [51, 51, 51, 51, 51, 51, 51, 52, 53, 54, 56]
    assert sources(rows, 1)[-4:] == ["linear", "linear", "linear", "measured"]
    late = Course((0, 0, "x", 0.0), (0, 1, "y", 1.0), (0, 2, "x", 20.0, 4), (0, 3, "y", 1.0))
    assert late.rows(late.fit(missing="linear", scale="none")).values[:, 0].tolist() == [0, 10, 20, 20]


@pytest.mark.parametrize("rule", ["regression", "knn"])
def test_what_others_tell_stands_in_and_is_told_so(rule: str) -> None:
    generator = np.random.default_rng(2)
    pairs = [(p, h, float(v)) for p in range(30) for h, v in enumerate(generator.normal(0, 1, 6))]
    course = Course(
        *((p, h, "a", v) for p, h, v in pairs),
        *((p, h, "b", 3 * v + 1) for p, h, v in pairs if (p + h) % 3),
    )
    state = course.fit(missing={"b": rule}, scale="none", min_people=2)
    rows = RowPreparation(course.timeline, state).rows(course.sequences, np.arange(30), provenance=True)
    told = ~rows.observed[:, 1]
    assert set(np.array(sources(rows, 1))[told]) == {rule}
    error = rows.values[told, 1] - (3 * rows.values[told, 0] + 1)
    assert np.abs(error).mean() < (0.1 if rule == "regression" else 2.0)
    assert PreparedState.model_validate_json(state.model_dump_json()) == state


def test_ranks_are_a_scale_of_their_own() -> None:
    state = COURSE.fit(scale={"x": "quantile"}, min_people=2)
    rows = COURSE.rows(state)
    assert np.abs(rows.values[:, 0]).max() < 3
    order = np.argsort(RowPreparation(COURSE.timeline, state).course(COURSE.sequences, np.arange(5)).values[:, 0])
    measured = rows.observed[order, 0]
    assert (np.diff(rows.values[order, 0][measured]) >= 0).all()


def test_imputed_numbers_are_shifted_and_measured_ones_are_not() -> None:
    state = COURSE.fit(scale="minmax")
    keys: tuple[Any, ...] = (COURSE.timeline, COURSE.facts, state, COURSE.sequences)
    plain, _ = Collation(*keys, provenance=True).batch(np.arange(5))
    moved, _ = Collation(*keys, imputed_shift=-2.0).batch(np.arange(5))
    assert plain.provenance is not None
    assert moved.provenance is None
    change = (moved.values - plain.values).numpy()
    assert (change[plain.observed.numpy()] == 0).all()
    deviations = [feature.deviation for feature in state.features if isinstance(feature, NumberState)]
    expected = np.broadcast_to(-2 * np.array(deviations), change.shape)[~plain.observed.numpy()]
    assert change[~plain.observed.numpy()] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cells_at_once", [8, 1 << 24])
def test_the_summary_counts_cells_by_source_and_what_stood_out(
    cells_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "_CELLS_AT_ONCE", cells_at_once)
    keys: dict[str, Any] = {"outliers": {"x": "iqr"}, "scale": {"y": "minmax"}, "min_people": 1}
    state, unused = COURSE.fit_with_reasons(**keys)
    found = preparation_summary(COURSE.timeline, COURSE.sequences, state, PrepareSettings(**keys), unused)
    assert json.loads(json.dumps(found)) == found
    x, y = found["variables"]
    assert found["steps"] == 27
    assert x["outliers"] == {"rule": "iqr", "action": "flag", "touched": 1, "people": 1}
    assert x["missing_before"] == pytest.approx(11 / 27)
    assert x["provenance"] == {"measured": 16, "carried": 11}
    assert y["provenance"] == {"measured": 11, "carried": 11, "mean": 5}
    assert (y["missing_after"], y["outliers"], y["aggregate"]) == (pytest.approx(5 / 27), None, None)
    assert sum(y["provenance"].values()) == found["steps"]
    assert (x["scale"], y["scale"]) == ("standard", "minmax")


def test_the_summary_counts_the_longest_history_of_an_episode_and_events_apart() -> None:
    course = Course(
        *((p, h, "x", 10.0 + h) for p in range(3) for h in range(4)),
        *((p, 1, "fall", None) for p in range(3)),
        *((0, 2, "rare", None), (0, 2, "rarer", None), (1, 9, "x", None)),
        *((p, 10, "fall", None) for p in range(3)),
    )
    person, time = np.repeat(np.arange(3), 3), np.tile([2, 11, 5], 3) * HOUR
    each = one_each(course.timeline, person=person, episode_start=0 * person, time=time)
    keys: dict[str, Any] = {"missing": "zero", "min_people": 2}
    state, unused = course.fit_with_reasons(**keys)
    found = preparation_summary(course.timeline, each, state, PrepareSettings(**keys), unused)
    assert found["steps"] == 16
    assert found["events"] == {"words": 1, "cells": 6, "codes_left_out": 2}
    (x,) = found["variables"]
    assert x["provenance"] == {"measured": 12, "zero": 4}
    assert x["missing_before"] == x["missing_after"] == pytest.approx(4 / 16)
    windows = one_each(course.timeline, person=person, episode_start=0 * person, time=time, history=2 * HOUR)
    of_two = preparation_summary(course.timeline, windows, state, PrepareSettings(**keys), unused)
    assert (of_two["steps"], of_two["events"]["cells"]) == (6, 3)  # hours 1 and 2, not the later fall
    two = one_each(course.timeline, person=person, episode_start=np.repeat([0, 1, 2], 3) * HOUR // 4, time=time)
    apart = one_pass(course.timeline, person=person, episode_start=np.tile([0, 1, 0], 3) * HOUR, time=time)
    steps = [
        preparation_summary(course.timeline, asked, state, PrepareSettings(**keys), {})["steps"]
        for asked in (two, apart)
    ]
    assert steps == [16, 16 + 12]


def test_what_two_episodes_see_was_measured_at_the_steps_of_both() -> None:
    person, start = np.repeat(np.arange(5), 2), np.tile([0, 2], 5) * HOUR
    sequences = one_pass(COURSE.timeline, person=person, episode_start=start, time=start + HOUR)
    found = preparation_summary(COURSE.timeline, sequences, COURSE.fit(), PrepareSettings(min_people=1), {})
    for variable in found["variables"]:
        measured = variable["provenance"]["measured"]
        assert variable["missing_before"] == pytest.approx(1 - measured / found["steps"])


def test_values_without_a_logarithm_are_counted() -> None:
    course = Course(*((p, h, "x", float(p + h > 0)) for p in range(8) for h in range(3)))
    keys: dict[str, Any] = {"transform": "log", "min_people": 1}
    (x,) = preparation_summary(course.timeline, course.sequences, course.fit(**keys), PrepareSettings(**keys), {})[
        "variables"
    ]
    assert x["without_logarithm"] == 1
    assert x["missing_before"] == 0
    assert x["provenance"] == {"measured": 23, "mean": 1}
    keys |= {"outliers": "mad", "outlier_action": "missing"}  # which takes the zero out before
    (x,) = preparation_summary(course.timeline, course.sequences, course.fit(**keys), PrepareSettings(**keys), {})[
        "variables"
    ]
    assert x["without_logarithm"] == 0


def test_an_average_of_a_target_is_an_input_only_and_a_logarithm_of_nothing_is_refused() -> None:
    assert COURSE.fit(transform="moving_average:2").targets[0].transform.kind == "none"
    with pytest.raises(StudyError, match="logarithm"):
        Course(*((p, 0, "x", float(p - 2)) for p in range(5))).fit(transform="log")
