import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_cohorts import cohort, expit

from sequela.evaluate import Resamples, RiskAsked, auroc, lowess, net_benefit, risk_curves
from sequela.evaluate.sections import kept_ends


def drawn_curves(seed=1, people=600, most_rows=2, **more):
    event, risk, person = cohort(seed, people, most_rows)
    noisy = expit(np.log(risk / (1 - risk)) + np.random.default_rng(seed).normal(0, 1, len(risk)))
    found = risk_curves(
        RiskAsked(event, person, outcome="death"),
        {"network": risk, "logistic": noisy},
        recalibrated={"network": 0.9 * risk},
        recalibration={"network": "platt", "logistic": "isotonic"},
        resamples=Resamples(person, 60),
        **more,
    )
    return found, event, risk, person


def test_the_format_is_what_the_report_draws():
    found, _, _, _ = drawn_curves()
    json.dumps(found, allow_nan=False)
    assert list(found) == ["outcome", "min_people", "prevalence", "models", "decision"]
    network, logistic = found["models"]
    assert set(network) == {"model", "recalibration", "roc", "precision_recall", "before", "after", "distribution"}
    assert (network["recalibration"], logistic["recalibration"], logistic["after"]) == ("platt", None, None)
    assert set(network["before"]) == {"curve", "groups", "histogram"}
    assert set(network["distribution"]) == {"event", "no_event"}
    assert [each["model"] for each in found["decision"]["models"]] == ["network", "logistic"]


def people_in(person, inside):
    return len(np.unique(person[inside]))


def is_safe(person, event, inside):
    """True where 0 or at least 11 people with the event, and as many without, lie inside."""
    return all(people_in(person, inside & (event == kind)) in (0, *range(11, 10**6)) for kind in (0, 1))


def ranked_between(event, risk, roc):
    """Which rows lie between neighbouring points of a ROC curve, from the highest risks down."""
    order = np.argsort(-risk, kind="stable")
    hits, false = np.cumsum(event[order]), np.cumsum(1 - event[order])
    ends = [0]
    for share, found in zip(roc["false_positive_rate"][1:], roc["sensitivity"][1:], strict=True):
        at = np.flatnonzero((np.abs(false / false[-1] - share) < 6e-5) & (np.abs(hits / hits[-1] - found) < 6e-5))
        ends.append(int(at[0]) + 1)
    return [order[first:last] for first, last in itertools.pairwise(ends)]


def test_between_two_points_of_a_roc_curve_lie_many_people_of_each_kind_or_none():
    found, event, risk, person = drawn_curves()
    roc = found["models"][1]["roc"]
    assert (roc["false_positive_rate"][0], roc["sensitivity"][0]) == (0, 0)
    assert (roc["false_positive_rate"][-1], roc["sensitivity"][-1]) == (1, 1)
    assert 10 < len(roc["sensitivity"]) < 150
    noisy = expit(np.log(risk / (1 - risk)) + np.random.default_rng(1).normal(0, 1, len(risk)))
    for rows in ranked_between(event, noisy, roc):
        inside = np.isin(np.arange(len(event)), rows)
        assert is_safe(person, event, inside)
    area = np.trapezoid(roc["sensitivity"], roc["false_positive_rate"])
    assert area == pytest.approx(auroc(event, noisy), abs=0.01)


def test_precision_is_the_share_of_events_at_each_point_of_the_roc_curve():
    found, event, _, _ = drawn_curves()
    for model in found["models"]:
        roc, curve = model["roc"], model["precision_recall"]
        assert curve["recall"] == roc["sensitivity"][1:]
        hits = event.sum() * np.array(curve["recall"])
        false = (1 - event).sum() * np.array(roc["false_positive_rate"][1:])
        assert curve["precision"] == pytest.approx(hits / (hits + false), abs=2e-3)
        assert curve["precision"][-1] == pytest.approx(event.mean(), abs=1e-4)


def test_the_decision_curve_holds_exact_values_at_thresholds_that_many_people_lie_between():
    found, event, risk, person = drawn_curves(most_rows=3)
    curve = found["decision"]["models"][1]
    noisy = expit(np.log(risk / (1 - risk)) + np.random.default_rng(1).normal(0, 1, len(risk)))
    assert len(curve["threshold"]) > 8
    edges = [-1.0, *curve["threshold"], 2.0]
    for low, high in itertools.pairwise(edges):
        assert is_safe(person, event, (noisy >= low) & (noisy < high))
    for at, threshold in enumerate(curve["threshold"]):
        assert curve["net_benefit"][at] == pytest.approx(net_benefit(event, noisy, threshold), abs=6e-5)
        assert curve["low"][at] <= curve["net_benefit"][at] <= curve["high"][at]
    everybody = found["decision"]["treat_all"]
    share = event.mean()
    for threshold, value in zip(everybody["threshold"], everybody["net_benefit"], strict=True):
        assert value == pytest.approx(share - (1 - share) * threshold / (1 - threshold), abs=6e-5)


def test_the_axis_of_thresholds_follows_the_prevalence_and_the_study():
    found, _, _, _ = drawn_curves()
    assert found["decision"]["high"] == 0.8  # about a quarter have the event
    far, _, _, _ = drawn_curves(thresholds=[0.7])
    assert far["decision"]["high"] == 0.99
    event, risk, person = cohort(1, 3000, 1)
    kept = (event == 0) | (np.cumsum(event) <= 40)
    rare = risk_curves(RiskAsked(event[kept], person[kept]), {"network": risk[kept]}, thresholds=[0.02],
                       resamples=Resamples(person[kept], 20))  # fmt: skip
    assert rare["decision"]["high"] == 0.05


def test_numbers_of_rare_events_have_three_digits():
    rng = np.random.default_rng(1)
    risk = expit(rng.normal(-8, 1.2, 100_000))
    event, ids = (rng.random(100_000) < risk).astype(float), np.arange(100_000)
    found = risk_curves(RiskAsked(event, ids), {"network": risk}, thresholds=[0.002], resamples=Resamples(ids, 20))
    assert found["prevalence"] == pytest.approx(event.mean(), rel=5e-3)
    groups = found["models"][0]["before"]["groups"]
    assert sum(group["observed"] * group["predictions"] for group in groups) == pytest.approx(event.sum(), rel=5e-3)
    assert sum(group["predicted"] * group["predictions"] for group in groups) == pytest.approx(risk.sum(), rel=5e-3)
    worth = found["decision"]["models"][0]
    exact = [net_benefit(event, risk, threshold) for threshold in worth["threshold"]]
    assert worth["net_benefit"] == pytest.approx(exact, rel=6e-3)


def test_groups_are_safe_and_add_up():
    found, event, risk, person = drawn_curves()
    groups = found["models"][0]["before"]["groups"]
    assert 3 <= len(groups) <= 10
    assert sum(group["predictions"] for group in groups) == len(event)
    ordered = np.sort(risk)
    first = 0
    for group in groups:
        inside = (risk >= ordered[first]) & (risk <= ordered[first + group["predictions"] - 1])
        first += group["predictions"]
        assert inside.sum() == group["predictions"]
        assert is_safe(person, event, inside)
        assert group["people"] == people_in(person, inside)
        assert group["observed"] == pytest.approx(event[inside].mean(), abs=6e-5)
        assert group["predicted"] == pytest.approx(risk[inside].mean(), abs=6e-5)
        assert group["low"] <= group["observed"] <= group["high"]


def test_the_smoothed_curve_stands_at_round_risks_that_eleven_people_pass():
    found, event, risk, person = drawn_curves(most_rows=1)
    curve = found["models"][0]["before"]["curve"]
    places = np.array(curve["predicted"])
    assert len(places) <= 101
    assert people_in(person, risk <= places[0]) >= 11
    assert people_in(person, risk >= places[-1]) >= 11
    assert (np.round(places, 3) == places).all()
    order = np.argsort(risk)
    exact = np.interp(places, risk[order], lowess(risk, event)[order])
    assert np.array(curve["observed"]) == pytest.approx(np.clip(exact, 0, 1), abs=3e-3)
    assert all(low <= value <= high for low, value, high in
               zip(curve["low"], curve["observed"], curve["high"], strict=True))  # fmt: skip


@pytest.mark.parametrize("others", [[0.9], np.linspace(0.4, 0.9, 120)])
def test_where_most_have_one_risk_the_smoothed_curve_is_straight_between_it_and_the_others(others):
    risk = np.where(np.arange(600) % 5 == 0, np.resize(others, 600), 0.1)
    event = (np.random.default_rng(1).random(600) < risk).astype(float)
    found = risk_curves(RiskAsked(event, np.arange(600)), {"network": risk}, resamples=Resamples(range(600), 50))
    json.dumps(found, allow_nan=False)
    curve = found["models"][0]["before"]["curve"]
    assert curve["predicted"][0] == 0.1
    assert curve["observed"][0] == pytest.approx(event[risk == 0.1].mean(), abs=1e-4)
    between = np.array(curve["predicted"]) <= min(others)
    assert np.diff(np.array(curve["observed"])[between], 2) == pytest.approx(0, abs=3e-4)


def test_bars_hold_everybody_and_nobody_alone():
    found, event, risk, _person = drawn_curves(most_rows=1)
    for bars, rows in (
        (found["models"][0]["before"]["histogram"], np.full(len(event), True)),
        (found["models"][1]["before"]["histogram"], np.full(len(event), True)),
        (found["models"][0]["distribution"]["event"], event == 1),
        (found["models"][0]["distribution"]["no_event"], event == 0),
    ):
        assert sum(bars["predictions"]) == rows.sum()
        assert bars["low"][1:] == bars["high"][:-1]
        assert all(count == 0 or count >= 11 for count in bars["predictions"])
        assert sum(bars["share"]) == pytest.approx(1, abs=0.01)
    bars = found["models"][0]["before"]["histogram"]
    for low, high, count in zip(bars["low"], bars["high"], bars["predictions"], strict=True):
        assert ((risk >= low) & (risk < high)).sum() == count


def test_bars_of_all_less_those_of_some_leave_many_people_or_none():
    found, event, risk, person = drawn_curves(most_rows=1)
    noisy = expit(np.log(risk / (1 - risk)) + np.random.default_rng(1).normal(0, 1, len(risk)))
    network, logistic = found["models"]
    for after, model, said in ((network["after"], network, 0.9 * risk), (logistic["before"], logistic, noisy)):
        every, *parts = (
            {*bars["low"], *bars["high"]} for bars in (after["histogram"], *model["distribution"].values())
        )
        edges = sorted(set().union(*parts))
        assert 5 < len(edges) < len(every)
        assert set(edges) <= every
        for low, high in itertools.pairwise(edges):
            assert is_safe(person, event, (said >= low) & (said < high))


@settings(max_examples=30)
@given(st.integers(0, 500), st.sampled_from([3, 12, 25, 60]), st.sampled_from([1, 5]))
def test_few_people_draw_nothing_that_tells_of_them(seed, people, most_rows):
    event, risk, person = cohort(seed, people, most_rows)
    found = risk_curves(RiskAsked(event, person), {"network": np.round(risk, 2)}, resamples=Resamples(person, 20))
    json.dumps(found, allow_nan=False)
    enough = min(people_in(person, event == kind) for kind in (0, 1)) >= 11
    model = found["models"][0]
    assert (found["prevalence"] is not None) == enough == (found["decision"] is not None)
    assert enough == (model["distribution"] is not None)
    if not enough:
        assert model["roc"] is model["precision_recall"] is model["before"]["curve"] is None
        assert model["before"]["groups"] == []
    for group in model["before"]["groups"]:
        assert group["people"] >= 11
    histogram = model["before"]["histogram"]
    assert (histogram is not None) == (people >= 11)


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_every_stretch_is_empty_or_full_of_each_kind(rows, fewest):
    group, person, kind = np.array(rows).T
    ends = kept_ends(group, 8, person, kind, [fewest, fewest])
    total = [len(np.unique(person[kind == each])) for each in (0, 1)]
    if not ends:
        assert any(0 < people < fewest for people in total)
        return
    assert ends[-1] == 7
    for first, last in zip([-1, *ends], ends, strict=False):
        inside = (group > first) & (group <= last)
        for each in (0, 1):
            assert len(np.unique(person[inside & (kind == each)])) in (0, *range(fewest, 100))


def test_fewer_than_eleven_cannot_be_asked_for():
    with pytest.raises(ValueError, match="at least 11"):
        drawn_curves(min_people=10)
    found, _, _, _ = drawn_curves(min_people=40)
    assert found["min_people"] == 40
    assert len(found["models"][0]["roc"]["sensitivity"]) < 15
