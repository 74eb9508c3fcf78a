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


def test_a_label_without_a_logarithm_teaches_nothing() -> None:
    state = fitted(transform="log")
    assert scale_targets(np.array([[[0.0]], [[5.0]]]), state).known.tolist() == [[[False]], [[True]]]


def test_risks_are_as_they_are() -> None:
    found = risk_targets(np.array([1.0, 0.0, np.nan]))
    assert found.value.tolist() == [1, 0, 0]
    assert found.known.tolist() == [True, True, False]
