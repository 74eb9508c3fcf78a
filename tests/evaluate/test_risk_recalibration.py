import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from risk_cohorts import calibrated, cohort, expit

from sequela.evaluate import (
    IsotonicState,
    PlattState,
    UnchangedState,
    calibration_slope,
    cross_fitted,
    fit_recalibration,
    ici,
    read_recalibration,
)
from sequela.evaluate.recalibration import folds_of_people, pooled_blocks

KINDS = ["platt", "isotonic"]


@pytest.mark.parametrize("kind", KINDS)
def test_other_people_s_risks_come_true_after_it(kind):
    event, risk, person = calibrated(1, 6000, slope=0.5)
    state = fit_recalibration(kind, risk, event, person)
    event, risk, _ = calibrated(2, 6000, slope=0.5)
    after = state.apply(risk)
    assert calibration_slope(event, risk) == pytest.approx(0.5, abs=0.06)
    assert calibration_slope(event, after) == pytest.approx(1.0, abs=0.12)
    assert ici(event, after) < 0.3 * ici(event, risk)


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_is_plain_numbers_and_comes_back_the_same(kind):
    event, risk, person = cohort(3)
    state = fit_recalibration(kind, risk, event, person)
    again = read_recalibration(json.loads(json.dumps(state.model_dump())))
    assert again == state
    assert (again.apply(risk) == state.apply(risk)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_risk_alone_gets_the_same_number_as_among_many(kind):
    event, risk, person = cohort(3)
    state = fit_recalibration(kind, risk, event, person)
    among = state.apply(risk)
    assert [float(state.apply(risk[at : at + 1])[0]) for at in range(50)] == among[:50].tolist()


@given(st.integers(0, 400), st.integers(3, 90), st.integers(1, 4), st.integers(1, 20))
def test_stairs_rise_and_each_step_holds_enough_people(seed, people, rows, fewest):
    event, risk, person = cohort(seed, people, rows)
    risk = np.round(risk, 1 + seed % 3)
    if len(set(event)) < 2:
        return
    state = fit_recalibration("isotonic", risk, event, person, min_people=fewest)
    if people < fewest:
        assert isinstance(state, UnchangedState)
        return
    assert (np.diff(state.observed) >= 0).all()
    assert (np.diff(state.predicted) > 0).all()
    assert len(state.predicted) <= max(1, people * rows // fewest)
    assert min(state.observed) > 0
    assert max(state.observed) < 1
    after = state.apply(np.linspace(0, 1, 50))
    assert (np.diff(after) >= 0).all()


def test_each_knot_rests_on_eleven_people():
    event, risk, person = cohort(5, people=120, most_rows=3)
    state = fit_recalibration("isotonic", risk, event, person)
    middles = (np.array(state.predicted)[1:] + np.array(state.predicted)[:-1]) / 2
    assert len(state.predicted) > 2
    # a knot is a mean risk: each side of it holds at least half of the people of its step
    assert not set(state.predicted) & set(risk.tolist())
    assert len(middles) <= len(np.unique(person)) // 11


def steps(*shares, people=20, rows=1):
    """Risks, events and persons of steps with these shares of events, from low risk to high."""
    risk = np.repeat(np.linspace(0.1, 0.9, len(shares)), people * rows)
    event = np.concatenate([np.arange(people * rows) < round(share * people * rows) for share in shares])
    return risk, event.astype(float), np.repeat(np.arange(people * len(shares)), rows)


def test_a_step_of_exactly_enough_people_stays_and_rows_are_no_people():
    assert len(fit_recalibration("isotonic", *steps(0.1, 0.5, people=11, rows=2)).predicted) == 2
    assert len(fit_recalibration("isotonic", *steps(0.1, 0.5, people=10, rows=2)).predicted) == 1


def test_a_small_step_joins_the_neighbour_of_the_nearer_share():
    risk, event, person = steps(0.2, 0.35, 0.8)
    person[(person >= 20) & (person < 40)] = 20
    assert fit_recalibration("isotonic", risk, event, person).observed == pytest.approx([0.275, 0.8])


def test_shares_of_0_and_1_are_half_an_event_off_and_never_pass_their_neighbours():
    found = fit_recalibration("isotonic", *steps(0, 0.5, 1)).observed
    assert found == pytest.approx([0.5 / 21, 0.5, 1 - 0.5 / 21])
    found = fit_recalibration("isotonic", *steps(0, 0.005, 0.995, 1, people=200), min_people=11).observed
    assert found == pytest.approx([0.5 / 201, 0.005, 0.995, 1 - 0.5 / 201])
    risk, event, person = steps(0, 0.005, 0.995, 1, people=200)
    few = np.r_[:12, 200:600, 788:800]
    assert fit_recalibration("isotonic", risk[few], event[few], person[few]).observed == [0.005, 0.005, 0.995, 0.995]


def test_pooling_keeps_risks_of_the_same_value_together():
    blocks = pooled_blocks(np.array([0.2, 0.2, 0.1, 0.3]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert [sorted(rows.tolist()) for rows in blocks] == [[2], [0, 1], [3]]


def test_nobody_s_risk_comes_from_a_map_that_saw_them():
    event, risk, person = cohort(6, people=60)
    before = cross_fitted("platt", risk, event, person, seed=4)
    fold = folds_of_people(event, person, folds=5, seed=4)
    for whose in np.unique(person)[:10]:
        mine = person == whose
        assert len(np.unique(fold[mine])) == 1
        others = fold != fold[mine][0]
        state = fit_recalibration("platt", risk[others], event[others], person[others])
        assert before[mine].tolist() == state.apply(risk[mine]).tolist()


def test_folds_share_out_people_with_the_event():
    event, _, person = cohort(8, people=103, most_rows=1)
    fold = folds_of_people(event, person, folds=5, seed=0)
    assert np.ptp(np.bincount(fold[event == 1])) <= 1
    assert np.ptp(np.bincount(fold)) <= 1
    assert (fold == folds_of_people(event, person, folds=5, seed=0)).all()
    assert (fold != folds_of_people(event, person, folds=5, seed=1)).any()
    mixed = np.random.default_rng(0).permutation(len(event))
    assert (fold[mixed] == folds_of_people(event[mixed], person[mixed], folds=5, seed=0)).all()


def test_people_with_one_event_among_several_predictions_are_shared_out_as_people_with_it():
    event, _, person = cohort(8, people=103)
    fold = folds_of_people(event, person, folds=5, seed=0)
    with_event = np.unique(person[event == 1], return_index=True)[1]
    assert np.ptp(np.bincount(fold[event == 1][with_event])) <= 1


def test_where_too_few_others_are_left_risks_stay():
    event, risk, person = cohort(6, people=40)
    assert cross_fitted("platt", risk, event, person, min_people=40).tolist() == risk.tolist()
    assert (cross_fitted("platt", risk, event, person) != risk).all()
    assert cross_fitted("platt", [0.3, 0.4], [0, 1], ["a", "a"]).tolist() == [0.3, 0.4]


def test_where_nothing_can_be_learned_risks_stay_and_the_reason_is_said():
    event, risk, person = cohort(1, people=30, most_rows=1)
    few = fit_recalibration("platt", np.tile(risk[:10], 2), np.tile(event[:10], 2), np.tile(person[:10], 2))
    assert few.reason == "fewer than 11 people to recalibrate on"
    assert (few.apply(risk) == risk).all()
    for same in (0.0, 1.0):
        assert "all people" in fit_recalibration("isotonic", risk, np.full(len(risk), same), person).reason
    parted = fit_recalibration("platt", np.linspace(0.1, 0.9, 30), np.repeat([0, 1], 15), np.arange(30))
    assert "parts" in parted.reason
    assert read_recalibration(parted.model_dump()) == parted


@pytest.mark.parametrize("kind", KINDS)
def test_no_map_turns_risks_round(kind):
    event, risk, person = calibrated(1, 300, slope=1.0)
    state = fit_recalibration(kind, 1 - risk, event, person)
    assert (np.diff(state.apply(np.linspace(0, 1, 50))) >= 0).all()
    assert kind == "isotonic" or "turn risks round" in state.reason


def test_stairs_rise_where_risks_differ_in_their_last_digit():
    low = 0.1
    for fewer, more in itertools.product(range(11, 60, 7), repeat=2):
        risk = np.r_[np.full(fewer, low), np.full(more, np.nextafter(low, 1)), np.full(20, 0.95)]
        event = np.r_[np.zeros(fewer), 1.0, np.zeros(more - 1), np.ones(20)]
        found = fit_recalibration("isotonic", risk, event, np.arange(len(risk)))
        assert found.predicted == sorted(found.predicted)


def test_a_wrong_map_is_refused():
    with pytest.raises(ValidationError, match="must not fall"):
        IsotonicState(predicted=[0.1, 0.2], observed=[0.3, 0.2])
    for wrong in ([0.3, 1.2], [-0.1, 0.3]):
        with pytest.raises(ValidationError, match="between 0 and 1"):
            IsotonicState(predicted=[0.1, 0.2], observed=wrong)
    with pytest.raises(ValidationError, match="one entry a knot"):
        IsotonicState(predicted=[0.1], observed=[0.3, 0.4])
    with pytest.raises(ValidationError):
        PlattState(intercept=float("nan"), slope=1.0)
    with pytest.raises(ValidationError):
        read_recalibration({"kind": "spline"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        read_recalibration({"kind": "platt", "intercept": 0.0, "slope": 1.0, "scale": 2.0})
    with pytest.raises(ValueError, match="between 0 and 1, got 1 of 1"):
        PlattState(intercept=0.0, slope=1.0).apply([1.1])
    with pytest.raises(ValueError, match="platt or isotonic"):
        fit_recalibration("beta", [0.1] * 12, [0, 1] * 6, range(12))
    with pytest.raises(ValueError, match="folds"):
        cross_fitted("platt", [0.1] * 12, [0, 1] * 6, range(12), folds=1)


def test_extreme_risks_pass_through_platt():
    state = PlattState(intercept=0.5, slope=2.0)
    expected = [expit(0.5 - 2 * 16.118095), expit(0.5), 1.0]
    assert state.apply([0.0, 0.5, 1.0]).tolist() == pytest.approx(expected, rel=1e-5)
