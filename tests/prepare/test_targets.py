"""Targets are transformed and come back in their own unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preparing import HOUR, Course

from sequela.cohort import one_each, one_pass
from sequela.prepare import (
    PreparedState,
    PrepareSettings,
    fit_preparation,
    fit_smearing,
    last_known_targets,
    needs_last_target,
    risk_targets,
    scale_targets,
    unscale_targets,
)

COURSE = Course(*((p, h, "x", 10.0 * (p + 1) + h) for p in range(4) for h in (0, 2, 5)), (0, 1, "y", 1.0))
LABELS = np.array([[11.0, 14.0], [np.nan, 21.0], [35.0, 30.0], [44.0, 41.0]])


def fitted(**keys: object) -> PreparedState:
    settings = PrepareSettings.model_validate({"min_people": 1, **keys})
    targets = {"x": LABELS.reshape(-1)}
    return fit_preparation(COURSE.timeline, COURSE.facts, COURSE.sequences, targets, settings)[0]


@pytest.mark.parametrize("transform", ["none", "difference", "log", "yeo_johnson"])
@given(scale=st.sampled_from(["standard", "minmax", "robust", "none", "quantile"]))
def test_what_is_scaled_comes_back(transform: str, scale: str) -> None:
    state = fitted(transform=transform, scale=scale)
    last = last_known_targets(COURSE.timeline, COURSE.sequences, ["x"])
    labels = LABELS[:, :, None]
    scaled = scale_targets(labels, state, last)
    assert (scaled.known == ~np.isnan(labels)).all()
    back = unscale_targets(scaled.value.astype(np.float64), state, last)
    assert back[scaled.known] == pytest.approx(labels[scaled.known], rel=1e-5)
    assert needs_last_target(state) is (transform == "difference")


def test_a_difference_counts_from_the_value_known_last() -> None:
    state = fitted(transform="difference", scale="none")
    last = np.array([[10.0], [20.0], [np.nan], [40.0]])
    scaled = scale_targets(LABELS[:, :, None], state, last)
    mean = np.nanmean(LABELS)
    assert scaled.value[0, :, 0].tolist() == [1, 4]
    assert scaled.value[2, :, 0] == pytest.approx([35 - mean, 30 - mean])


def test_each_target_has_its_own_scale_and_value_known_last() -> None:
    labels = np.stack([LABELS, 1000 * LABELS[::-1]], axis=2)
    targets = {"x": labels[:, :, 0].reshape(-1), "y": labels[:, :, 1].reshape(-1)}
    settings = PrepareSettings(min_people=1, transform={"y": "difference"})
    state, _ = fit_preparation(COURSE.timeline, COURSE.facts, COURSE.sequences, targets, settings)
    x, y = state.targets
    change = labels[:, :, 1] - np.array([[1.0], [y.fill], [y.fill], [y.fill]])  # of y only the first person has a value
    assert (x.center, x.spread) == pytest.approx((np.nanmean(LABELS), np.nanstd(LABELS)))
    assert (y.fill, y.center) == pytest.approx((1000 * np.nanmean(LABELS), np.nanmean(change)))
    assert y.spread == pytest.approx(np.nanstd(change))
    assert needs_last_target(state)
    last = last_known_targets(COURSE.timeline, COURSE.sequences, ["x", "y"])
    scaled = scale_targets(labels, state, last)
    assert (scaled.known == ~np.isnan(labels)).all()
    assert scaled.value[scaled.known[:, :, 1], 1] == pytest.approx((change[~np.isnan(change)] - y.center) / y.spread)
    assert unscale_targets(scaled.value, state, last)[scaled.known] == pytest.approx(labels[scaled.known])


def test_the_value_known_last_is_the_last_one_that_a_prediction_sees() -> None:
    time = np.array([-1, 0, 3, 9]) * HOUR
    zero = np.zeros(4, dtype=np.int64)
    keys = {"person": zero, "episode_start": zero, "time": time}
    for sequences in (one_pass(COURSE.timeline, **keys), one_each(COURSE.timeline, **keys)):
        found = last_known_targets(COURSE.timeline, sequences, ["x", "unknown"])
        assert found[:, 0].tolist()[1:] == [10, 12, 15]
        assert np.isnan(found[0, 0])
        assert np.isnan(found[:, 1]).all()
    window = one_each(COURSE.timeline, **keys, history=2 * HOUR)
    assert np.isnan(last_known_targets(COURSE.timeline, window, ["x"])[:, 0]).tolist() == [True, False, False, True]
    mixed = Course((0, 0, "x", 5.0), (0, 1, "x", None), (1, 0, "y", 1.0), (2, 0, "x", "high"))
    found = last_known_targets(mixed.timeline, mixed.sequences, ["x"])
    assert found[:, 0].tolist()[0] == 5
    assert np.isnan(found[1:, 0]).all()  # not of the person before


def test_smearing_makes_a_mean_of_a_median() -> None:
    generator = np.random.default_rng(0)
    labels = np.exp(generator.normal(2, 0.8, (4000, 1, 1)))
    course = Course(*((p, 0, "x", 1.0 + p) for p in range(3)))
    settings = PrepareSettings(min_people=1, transform="log", scale="standard")
    targets = {"x": labels.reshape(-1)}
    state, _ = fit_preparation(course.timeline, course.facts, course.sequences, targets, settings)
    state = state.model_copy(update={"min_people": 11})
    nothing_learned = np.zeros_like(labels)
    before = unscale_targets(nothing_learned, state)[0, 0, 0]
    smeared = fit_smearing(nothing_learned, labels, state, person=np.arange(4000))
    after = unscale_targets(nothing_learned, smeared)[0, 0, 0]
    assert before == pytest.approx(np.median(labels), rel=0.05)
    assert after == pytest.approx(labels.mean(), rel=0.01)
    assert smeared.targets[0].smearing is not None
    assert len(smeared.targets[0].smearing.residuals) <= 100
    assert PreparedState.model_validate_json(smeared.model_dump_json()) == smeared
    too_few = fit_smearing(nothing_learned, labels, state, person=np.arange(4000) % 10)
    assert unscale_targets(nothing_learned, too_few)[0, 0, 0] == pytest.approx(before)


def test_residuals_are_of_the_transformed_target_and_lie_above_where_forecasts_were_too_low() -> None:
    state = fitted(transform="log", scale="standard")
    told = np.full((4, 2, 1), 10.0)
    smearing = fit_smearing(scale_targets(told, state).value, LABELS[:, :, None], state, person=np.arange(4)).targets[0]
    assert smearing.smearing is not None
    assert smearing.smearing.residuals == pytest.approx(sorted(np.log(LABELS[~np.isnan(LABELS)] / 10)), abs=1e-6)
    joined = state.model_copy(update={"min_people": 2})
    (target,) = fit_smearing(scale_targets(told, state).value, LABELS[:, :, None], joined, person=np.arange(4)).targets
    assert target.smearing is not None
    assert len(target.smearing.residuals) < 4  # seven labels, two of most people


def test_a_label_without_a_logarithm_teaches_nothing() -> None:
    state = fitted(transform="log")
    assert scale_targets(np.array([[[0.0]], [[5.0]]]), state).known.tolist() == [[[False]], [[True]]]


def test_risks_are_as_they_are() -> None:
    found = risk_targets(np.array([1.0, 0.0, np.nan]))
    assert found.value.tolist() == [1, 0, 0]
    assert found.known.tolist() == [True, True, False]
