"""Metrics of risks against independent software; `golden/` holds the numbers and the script that made them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from sequela.evaluate import (
    at_threshold,
    auroc,
    average_precision,
    brier,
    calibration_intercept,
    calibration_slope,
    fit_recalibration,
    ici,
    lowess,
    net_benefit,
    treat_all_net_benefit,
)
from sequela.evaluate.recalibration import pooled_blocks

GOLDEN = Path(__file__).parent / "golden"
RISK = json.loads((GOLDEN / "risk.json").read_text())
BENEFIT = json.loads((GOLDEN / "net_benefit.json").read_text())
CASES = ["distinct", "ties", "rare"]
METRICS = {
    "auroc": auroc,
    "auprc": average_precision,
    "brier": brier,
    "calibration_slope": calibration_slope,
    "calibration_intercept": calibration_intercept,
}


def arrays(case):
    return (np.array(RISK[case][key], dtype=float) for key in ("event", "risk", "weight"))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("case", CASES)
def test_metrics_are_those_of_scikit_learn_and_statsmodels(case, metric):
    event, risk, weight = arrays(case)
    assert METRICS[metric](event, risk) == pytest.approx(RISK[case]["unweighted"][metric], rel=1e-9, abs=1e-12)
    assert METRICS[metric](event, risk, weight) == pytest.approx(RISK[case]["weighted"][metric], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_smoothed_curve_is_that_of_statsmodels(case):
    event, risk, _ = arrays(case)
    assert lowess(risk, event) == pytest.approx(np.array(RISK[case]["lowess"]), abs=1e-9)
    assert ici(event, risk) == pytest.approx(RISK[case]["ici"], abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_the_stairs_are_those_of_scikit_learn(case):
    event, risk, _ = arrays(case)
    fitted = np.empty(len(risk))
    for rows in pooled_blocks(risk, event):
        fitted[rows] = event[rows].mean()
    assert fitted == pytest.approx(np.array(RISK[case]["isotonic"]), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_platt_is_the_logistic_line_of_statsmodels(case):
    event, risk, _ = arrays(case)
    state = fit_recalibration("platt", risk, event, np.arange(len(risk)))
    expected = RISK[case]["unweighted"]
    assert state.intercept == pytest.approx(expected["platt_intercept"], rel=1e-8, abs=1e-10)
    assert state.slope == pytest.approx(expected["calibration_slope"], rel=1e-8)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=40).filter(
        lambda rows: {event for event, _, weight in rows if weight} == {0, 1}
    )
)
def test_ranks_with_many_ties_and_weights_are_those_of_scikit_learn(rows):
    event, score, weight = np.array(rows, dtype=float).T
    assert auroc(event, score, weight) == pytest.approx(roc_auc_score(event, score, sample_weight=weight))
    expected = average_precision_score(event, score, sample_weight=weight)
    assert average_precision(event, score, weight) == pytest.approx(expected)


def from_counts(thresholds, true_positives, false_positives, people, events):
    """A cohort that has these counts: whoever leaves between two thresholds bears a risk between them."""
    edges = [0.0, *thresholds, 1.0]
    event, risk = [], []
    left, others = [events, *true_positives, 0], [people - events, *false_positives, 0]
    for at in range(len(edges) - 1):
        middle = (edges[at] + edges[at + 1]) / 2
        for kind, counts in ((1.0, left), (0.0, others)):
            gone = counts[at] - counts[at + 1]
            event += [kind] * gone
            risk += [middle] * gone
    return np.array(event), np.array(risk)


def test_net_benefit_is_that_of_the_r_package_of_its_authors():
    published = BENEFIT["dcurves"]
    people, events = published["people"], published["events"]
    age = published["age"]
    hits, false = ([round(rate * people) for rate in age[key]] for key in ("tp_rate", "fp_rate"))
    event, risk = from_counts(age["threshold"], hits, false, people, events)
    assert (len(event), event.sum()) == (people, events)
    for threshold, expected in zip(age["threshold"], age["net_benefit"], strict=True):
        assert net_benefit(event, risk, threshold) == pytest.approx(expected, abs=1e-12)
        assert at_threshold(event, risk, threshold)["net_benefit"] == pytest.approx(expected, abs=1e-12)


def test_net_benefit_of_a_yes_or_no_is_that_of_the_r_package():
    published = BENEFIT["dcurves"]
    family = published["family_history"]
    hits, false = (round(family[key] * published["people"]) for key in ("tp_rate", "fp_rate"))
    event, risk = from_counts([0.5], [hits], [false], published["people"], published["events"])
    for threshold, expected in zip(family["threshold"], family["net_benefit"], strict=True):
        assert net_benefit(event, (risk > 0.5).astype(float), threshold) == pytest.approx(expected, abs=1e-12)


def test_treating_all_is_worth_what_was_published():
    published = BENEFIT["dcurves"]["treat_all"]
    for threshold, expected in zip(published["threshold"], published["net_benefit"], strict=True):
        assert treat_all_net_benefit(0.14, threshold) == pytest.approx(expected, abs=1e-9)
    table = BENEFIT["published_table"]
    for threshold, expected in zip(table["threshold"], table["net_benefit"], strict=True):
        assert treat_all_net_benefit(table["prevalence"], threshold) == pytest.approx(expected, abs=5.1e-4)
