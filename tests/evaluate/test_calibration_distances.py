"""Intervals of ICI, E50 and E90: the least distance by hand, and cohorts of which the truth is known."""

import numpy as np
import pytest
from risk_cohorts import calibrated, cohort, drawn, expit

from sequela.evaluate import Resamples, RiskAsked, lowess
from sequela.evaluate.bootstrap import Estimate
from sequela.evaluate.distances import DISTANCES, Distances, distance_difference, distance_interval
from sequela.evaluate.lowess import Smoother
from sequela.evaluate.risk import RiskBlock, RiskScores
from sequela.evaluate.risk_samples import least


def distance(name, curve, mass):
    """One distance of one curve, from its definition."""
    away, order = np.abs(curve), np.argsort(np.abs(curve))
    if name == "ici":
        return away @ mass / mass.sum()
    share = {"e50": 0.5, "e90": 0.9}[name]
    return away[order][np.cumsum(mass[order]) >= share * mass.sum() * (1 - 1e-12)][0]


@pytest.mark.parametrize("name", DISTANCES)
def test_the_least_distance_is_the_first_on_the_way_from_0_that_noise_takes_to_the_one_found(name):
    event, risk, person = cohort(4, people=60)
    draws, weight = Resamples(person, 12), np.ones(len(event))
    index = draws.index(person)
    distances, smoother = Distances(event, risk, index, 60, weight), Smoother(risk, event, index, 60, weight)
    (counts,) = draws.draws()
    line, mass = smoother.lines(counts)
    whole, whole_mass = smoother.lines(np.ones((1, 60)))
    curve = whole[0] - smoother.places
    found = distance(name, curve, whole_mass[0])
    factors = np.linspace(0, 1, 4001)
    for at, one in enumerate(distances.drawn(counts)[1][name]):
        far = [distance(name, factor * curve + line[at] - whole[0], mass[at]) >= found for factor in factors]
        first = factors[np.argmax(far)] if any(far) else 1.0
        assert one == pytest.approx(first * distances.value[name], abs=1e-3 * distances.value[name])


def test_the_line_of_a_resample_is_the_weighted_curve_of_the_rows_that_it_draws():
    event, risk, person = cohort(2, people=60)
    risk, weight = risk.round(2), np.random.default_rng(1).uniform(0.2, 2, len(risk))
    draws = Resamples(np.r_[person, 99], 20)
    index = draws.index(person)
    smoother = Smoother(risk, event, index, 61, weight)
    assert smoother.places.tolist() == np.unique(risk).tolist()
    (counts,) = draws.draws()
    for drawn_counts, line, mass in zip(counts, *smoother.lines(counts), strict=True):
        drawn_weight = weight * drawn_counts[index]
        assert mass == pytest.approx([drawn_weight[risk == place].sum() for place in smoother.places])
        exact = lowess(risk, event, weight=drawn_weight)
        assert np.interp(risk, smoother.places, line)[drawn_weight > 0] == pytest.approx(exact[drawn_weight > 0])


def test_weights_between_two_places_keep_their_sum_and_their_mean():
    event, risk, person = cohort(2, people=60)
    weight = np.random.default_rng(1).uniform(0.2, 2, len(risk))
    smoother = Smoother(risk, event, person, 60, weight)
    mass = smoother.lines(np.ones((1, 60)))[1][0]
    assert len(smoother.places) == 101 < len(np.unique(risk))
    assert [mass.sum(), mass @ smoother.places] == pytest.approx([weight.sum(), weight @ risk])


def test_the_least_distance_lies_between_0_and_the_one_found():
    value, found = drawn(*cohort(5, people=80), resamples=200)
    for name in DISTANCES:
        assert (found[least(name)] >= 0).all()
        assert (found[least(name)] <= value[name, None]).all()
        assert len(np.unique(found[least(name)])) > 20


def test_the_interval_of_calibrated_risks_begins_at_0_and_of_others_does_not():
    from_0 = []
    for by in (0.0, 1.0):
        event, risk, person = calibrated(1, 600)
        value, found = drawn(event, expit(np.log(risk / (1 - risk)) + by), person, resamples=200)
        interval = distance_interval(value["ici", None], found["ici", None], found[least("ici")], people=600)
        assert interval.low <= interval.value <= interval.high
        from_0.append(interval.low == 0)
    assert from_0 == [True, False]


def test_intervals_hold_the_distance_of_calibrated_risks():
    event, risk, _ = calibrated(10**6, 200_000)
    true = np.abs(lowess(risk, event) - risk).mean()
    held = 0
    for seed in range(60):
        value, found = drawn(*calibrated(seed, 150), resamples=150, seed=seed)
        interval = distance_interval(value["ici", None], found["ici", None], found[least("ici")], people=150)
        held += interval.low <= true <= interval.high
    assert held >= 53


def test_with_few_people_or_no_resamples_there_is_no_interval():
    for people, count in ((9, 100), (200, 0)):
        interval = distance_interval(0.1, np.full(count, 0.2), np.zeros(count), people=people)
        assert (interval.value, interval.low, interval.high) == (0.1, None, None)
        assert interval.reason


def twice(seed, people):
    """Events, calibrated risks and the same a little higher."""
    event, risk, person = calibrated(seed, people)
    return event, {"one": risk, "other": expit(np.log(risk / (1 - risk)) + 0.05)}, person


def test_a_difference_of_distances_decides_nothing_between_risks_that_are_almost_the_same():
    event, risks, _ = twice(10**6, 200_000)
    one, other = (np.abs(lowess(risk, event) - risk).mean() for risk in risks.values())
    held = decided = 0
    for seed in range(40):
        event, risks, person = twice(seed, 150)
        resamples = Resamples(person, 100, seed)
        asked = RiskAsked(event, person)
        scores = RiskScores(asked, {(name, False): risk for name, risk in risks.items()},
                            RiskBlock(np.arange(150)), resamples, ())  # fmt: skip
        found = scores.difference(("other", False), ("one", False), ("ici", None))
        held += found["low"] <= other - one <= found["high"]
        decided += found["outcome"] != "no_difference"
    assert held >= 37
    assert decided <= 2


def test_the_interval_of_a_difference_covers_both_that_it_is_made_of():
    ours, theirs = Estimate(0.10, 0.04, 0.18), Estimate(0.08, 0.05, 0.20)
    narrow = distance_difference(ours, theirs, np.linspace(0.019, 0.021, 100), people=20)
    assert [narrow.low, narrow.high] == pytest.approx([0.02 - np.hypot(0.06, 0.12), 0.02 + np.hypot(0.08, 0.03)])
    wide = distance_difference(ours, theirs, np.linspace(-1, 2, 1001), people=20)
    assert [wide.low, wide.high] == pytest.approx([0.04 - 1.925, 0.04 + 0.925])
    nothing = Estimate(None, reason="too few")
    assert distance_difference(nothing, theirs, np.ones(3), people=20) == nothing
    assert distance_difference(ours, nothing, np.ones(3), people=20) == nothing


def test_a_difference_of_distances_sees_risks_that_are_far_off():
    event, risk, person = calibrated(3, 1500)
    far = expit(np.log(risk / (1 - risk)) + 1)
    scores = RiskScores(RiskAsked(event, person), {("far", False): far, ("near", False): risk},
                        RiskBlock(np.arange(1500)), Resamples(person, 200), ())  # fmt: skip
    found = scores.difference(("far", False), ("near", False), ("ici", None))
    value = {name: scores.estimate((name, False), ("ici", None)).value for name in ("far", "near")}
    assert found["difference"] == pytest.approx(value["far"] - value["near"])
    assert found["outcome"] == "worse"
    back = scores.difference(("near", False), ("far", False), ("ici", None))
    assert (back["low"], back["high"]) == pytest.approx((-found["high"], -found["low"]))
    assert back["outcome"] == "better"
