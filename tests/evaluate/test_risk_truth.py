"""Measures of risks where the truth is known."""

import numpy as np
import pytest
from risk_cohorts import MISCALIBRATED, calibrated, cohort, drawn, expit

from sequela.evaluate import (
    Resamples,
    at_threshold,
    auroc,
    average_precision,
    brier,
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    ici,
    lowess,
    net_benefit,
    person_weights,
    scaled_brier,
    treat_all_net_benefit,
)
from sequela.evaluate.bootstrap import estimate
from sequela.evaluate.distances import distance_interval
from sequela.evaluate.lowess import smoothed_at
from sequela.evaluate.risk_samples import RiskSample, least, row_draws
from sequela.evaluate.thresholds import threshold_metrics


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_a_known_slope_is_recovered(slope):
    event, risk, _ = calibrated(11, 60_000, slope)
    assert calibration_slope(event, risk) == pytest.approx(slope, abs=0.05)
    if slope == 1.0:
        assert calibration_intercept(event, risk) == pytest.approx(0, abs=0.05)
        assert ici(event, risk) < 0.006


def test_a_known_shift_is_recovered():
    event, risk, _ = calibrated(12, 60_000)
    shifted = expit(np.log(risk / (1 - risk)) - 0.7)
    assert calibration_intercept(event, shifted) == pytest.approx(0.7, abs=0.05)
    assert calibration_in_the_large(event, shifted) == pytest.approx(event.mean() - shifted.mean())
    assert ici(event, shifted) == pytest.approx(np.mean(risk - shifted), abs=0.01)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.3, 0.77])
def test_net_benefit_is_the_closed_formula(threshold):
    event, risk, _ = cohort(5)
    n, alert = len(event), risk >= threshold
    hits, false = int((alert & (event == 1)).sum()), int((alert & (event == 0)).sum())
    expected = hits / n - false / n * threshold / (1 - threshold)
    found = at_threshold(event, risk, threshold)
    assert net_benefit(event, risk, threshold) == pytest.approx(expected, abs=1e-12)
    assert found["net_benefit"] == pytest.approx(expected, abs=1e-12)
    assert found["standardised_net_benefit"] == pytest.approx(expected / event.mean(), abs=1e-12)
    assert found["sensitivity"] == pytest.approx(hits / event.sum())
    assert found["specificity"] == pytest.approx(1 - false / (1 - event).sum())
    assert found["ppv"] == pytest.approx(hits / alert.sum())
    assert found["npv"] == pytest.approx(np.mean(event[~alert] == 0))
    assert found["alerts_per_100"] == pytest.approx(100 * alert.mean())
    assert net_benefit(event, np.ones(n), threshold) == pytest.approx(treat_all_net_benefit(event.mean(), threshold))


def test_net_benefit_of_normal_risks_is_the_integral():
    """Calibrated risks: a threshold's net benefit is the mean of what is above it, counted in closed form."""
    _, risk, _ = calibrated(3, 400_000)
    threshold = 0.3
    above = risk[risk >= threshold]
    expected = (above - (1 - above) * threshold / (1 - threshold)).sum() / len(risk)
    event = (np.random.default_rng(9).random(len(risk)) < risk).astype(float)
    assert net_benefit(event, risk, threshold) == pytest.approx(expected, abs=0.003)


def test_a_risk_equal_to_the_threshold_alerts():
    assert at_threshold([1, 0], [0.2, 0.1], 0.2)["sensitivity"] == 1.0
    assert net_benefit([1, 0], [0.2, 0.1], 0.2) == 0.5


def test_where_everybody_alerts_rounding_makes_no_predictive_value():
    every, event = np.array([7.0]), np.array([2.0])
    found = threshold_metrics(every, event, np.nextafter(every, 0), np.nextafter(event, 0), threshold=0.2)
    assert np.isnan(found["npv"][0])
    assert found["ppv"][0] == pytest.approx(2 / 7)


def test_without_events_nothing_of_them_is_told():
    found = at_threshold([0, 0, 0], [0.9, 0.1, 0.1], 0.2)
    odds = 0.2 / 0.8
    assert found == pytest.approx(
        {"net_benefit": -odds / 3, "standardised_net_benefit": None, "sensitivity": None, "specificity": 2 / 3,
         "ppv": 0.0, "npv": 1.0, "alerts_per_100": 100 / 3}
    )  # fmt: skip


def test_weights_count_as_repeated_predictions():
    event, risk, _ = cohort(6, people=60)
    times = np.random.default_rng(1).integers(0, 4, len(event))
    many, drawn_risk = np.repeat(event, times), np.repeat(risk, times)
    for metric in (auroc, average_precision, brier, scaled_brier, calibration_in_the_large, calibration_slope,
                   calibration_intercept):  # fmt: skip
        assert metric(event, risk, times) == pytest.approx(metric(many, drawn_risk), rel=1e-8)
    assert at_threshold(event, risk, 0.2, times) == pytest.approx(at_threshold(many, drawn_risk, 0.2))


def test_a_prediction_without_weight_counts_nothing_in_the_ici_however_far_it_lies():
    event, risk = np.tile([1.0, 0.0, 0.0, 0.0, 0.0], 20), np.repeat([0.1, 0.9], [80, 20])
    weight = (risk < 0.5).astype(float)
    assert ici(event, risk, weight) == pytest.approx(ici(event[risk < 0.5], risk[risk < 0.5]))


@pytest.mark.parametrize(("size", "decimals"), [(45, 6), (46, 6), (47, 1), (5, 6)])
def test_the_weighted_curve_is_the_line_of_least_squares_among_the_nearest_three_quarters(size, decimals):
    rng = np.random.default_rng(size)
    risk, weight = rng.beta(1, 3, size).round(decimals), rng.integers(0, 4, size).astype(float)
    event = (rng.random(size) < risk).astype(float)
    line = np.empty(size)
    for at, place in enumerate(risk):
        away = np.abs(risk - place)
        kernel = weight * np.clip(1 - (away / np.sort(away)[int(0.75 * size) - 1]) ** 3, 0, 1) ** 3
        columns = np.stack([np.ones(size), risk - place], axis=1) * np.sqrt(kernel)[:, None]
        line[at] = np.linalg.lstsq(columns, event * np.sqrt(kernel), rcond=None)[0][0]
    used = weight > 0
    assert lowess(risk, event, weight=weight)[used] == pytest.approx(line[used], abs=1e-9)
    assert ici(event, risk, weight) == pytest.approx(np.abs(line - risk)[used] @ weight[used] / weight.sum())


def test_a_resample_of_events_alone_has_no_intercept_however_its_weights_add_up():
    person = np.repeat(np.arange(58), np.resize([1, 3, 7, 6], 58))
    event, risk = (person > 0).astype(float), np.random.default_rng(1).uniform(0.3, 0.9, len(person))
    draws, weight = Resamples(person, 200), person_weights(person)
    sample = RiskSample(event, risk, draws.index(person), 58, weight, ())
    for counts, rows in row_draws(draws, draws.index(person)):
        found = sample.drawn(counts, rows * weight)["calibration_intercept", None]
        assert (np.isnan(found) == (counts[:, 0] == 0)).all()


def test_resampled_metrics_are_those_of_the_drawn_rows():
    event, risk, person = cohort(7, people=80)
    draws = Resamples(person, 40, seed=2)
    index = draws.index(person)
    _, found = drawn(event, risk, person, resamples=40, seed=2)
    for at, counts in enumerate(np.concatenate(list(draws.draws())).astype(int)):
        rows = np.repeat(np.arange(len(event)), counts[index])
        e, r = event[rows], risk[rows]
        expected = {
            ("auroc", None): auroc(e, r),
            ("auprc", None): average_precision(e, r),
            ("brier", None): brier(e, r),
            ("scaled_brier", None): scaled_brier(e, r),
            ("calibration_slope", None): calibration_slope(e, r),
            ("calibration_intercept", None): calibration_intercept(e, r),
            ("net_benefit", 0.2): net_benefit(e, r, 0.2),
            ("ppv", 0.2): at_threshold(e, r, 0.2)["ppv"],
        }
        for key, value in expected.items():
            assert found[key][at] == pytest.approx(value, rel=1e-4 if "slope" in key[0] else 1e-6)


def test_the_fast_smooth_of_resamples_is_near_the_exact_one():
    event, risk, person = cohort(1, people=300, most_rows=1)
    draws = Resamples(person, 60, seed=1)
    index = draws.index(person)
    value, found = drawn(event, risk, person, resamples=60, seed=1)
    assert value["ici", None] == pytest.approx(ici(event, risk), rel=1e-12)
    exact = []
    for counts in np.concatenate(list(draws.draws())).astype(int):
        rows = np.repeat(np.arange(len(event)), counts[index])
        exact.append(np.abs(lowess(risk[rows], event[rows]) - risk[rows]).mean())
    slow, fast = (np.quantile(each, [0.05, 0.95]) for each in (exact, found["ici", None]))
    assert np.abs(slow - fast).max() < 0.06 * np.ptp(slow)


def test_many_risks_are_smoothed_at_some_of_them():
    event, risk, _ = calibrated(8, 9_000)
    some = np.sort(risk)[::700]
    exact = smoothed_at(some, risk, event)
    assert np.interp(some, np.sort(risk), np.sort(lowess(risk, event))) == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize(
    ("event", "risk"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]),
        ([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2]),
        ([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.4]),
        ([1, 1, 0, 0], [0.1, 0.3, 0.3, 0.4]),
        ([1, 1, 1, 1], [0.1, 0.3, 0.3, 0.4]),
    ],
)
def test_there_is_no_slope_where_there_is_none(event, risk):
    assert calibration_slope(event, risk) is None


def test_a_slope_is_found_however_wrong_the_risks_are():
    event, risk, _ = calibrated(2, 4000)
    logits = np.log(risk / (1 - risk))
    for factor in (0.01, 0.1, 3.0, -1.0):
        assert calibration_slope(event, expit(factor * logits)) == pytest.approx(
            calibration_slope(event, risk) / factor, rel=1e-6
        )


def test_risks_of_0_and_1_are_scored():
    event, risk, _ = cohort(4)
    risk = np.where(risk < 0.05, 0.0, np.where(risk > 0.8, 1.0, risk))
    assert np.isfinite(calibration_slope(event, risk))
    assert np.isfinite(calibration_intercept(event, risk))
    value, found = drawn(event, risk, np.arange(len(event)), resamples=50)
    assert all(np.isfinite(each) for each in value.values())
    assert all(np.isfinite(each).all() for each in found.values())


def test_what_is_no_event_and_no_risk_is_refused():
    with pytest.raises(ValueError, match="target must be 0 or 1, got 1 of 2"):
        auroc([0, 2], [0.1, 0.2])
    for wrong in (-0.2, 1.2):
        with pytest.raises(ValueError, match="between 0 and 1, got 1 of 2"):
            brier([0, 1], [0.1, wrong])
    for threshold in (0.0, 1.0):
        with pytest.raises(ValueError, match="threshold must lie"):
            net_benefit([0, 1], [0.1, 0.2], threshold)
    for metric in (auroc, ici):
        with pytest.raises(ValueError, match="at least one prediction"):
            metric([], [])
    with pytest.raises(ValueError, match="finite"):
        ici([0, 1], [0.1, np.nan])
    assert auroc([1, 1], [0.1, 0.2]) is None
    assert average_precision([0, 0], [0.1, 0.2]) is None
    assert scaled_brier([1, 1], [0.1, 0.2]) is scaled_brier([0, 0], [0.1, 0.2]) is None
    assert calibration_intercept([1, 1], [0.1, 0.2]) is None


def test_events_alone_have_no_scaled_brier_score_however_their_weights_add_up():
    for times in np.random.default_rng(0).integers(1, 8, (200, 9)):
        assert scaled_brier(np.ones(9), np.full(9, 0.9), 1 / times) is None
    assert scaled_brier([1, 1, 0], [0.9, 0.9, 0.1], [0.5, 0.5, 0.0]) is None


TRUTH = {}


def truth():
    """The measures of a million people: what the intervals of 400 of them should hold."""
    if not TRUTH:
        event, risk, _ = cohort(10**6, people=700_000)
        TRUTH.update(
            {
                ("auroc", None): auroc(event, risk),
                ("auprc", None): average_precision(event, risk),
                ("brier", None): brier(event, risk),
                ("calibration_slope", None): calibration_slope(event, risk),
                ("calibration_intercept", None): calibration_intercept(event, risk),
                ("net_benefit", 0.2): net_benefit(event, risk, 0.2),
                ("sensitivity", 0.2): at_threshold(event, risk, 0.2)["sensitivity"],
                ("ppv", 0.2): at_threshold(event, risk, 0.2)["ppv"],
            }
        )
    return TRUTH


def coverages(cohorts, people, resamples):
    hits = dict.fromkeys(truth(), 0)
    for seed in range(cohorts):
        value, found = drawn(*cohort(seed, people), resamples=resamples, seed=seed)
        for key, true in truth().items():
            interval = estimate(value[key], found[key], people=people)
            hits[key] += interval.low <= true <= interval.high
    return {key: hit / cohorts for key, hit in hits.items()}


@pytest.mark.slow
def test_intervals_hold_the_truth_of_400_cohorts_with_several_rows_a_person():
    found = coverages(400, 400, 500)
    assert {key: share for key, share in found.items() if not 0.92 <= share <= 0.98} == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(MISCALIBRATED))
def test_intervals_of_distances_hold_the_truth_however_far_it_is(kind):
    """Rather too often than too seldom: what their high end adds for curves of other shapes it need not for these."""
    made = MISCALIBRATED[kind]
    event, risk, _ = made(10**6, 400_000)
    away = np.abs(lowess(risk, event) - risk)
    true = {"ici": away.mean(), "e50": np.quantile(away, 0.5), "e90": np.quantile(away, 0.9)}
    held, cohorts = dict.fromkeys(true, 0), 400
    for seed in range(cohorts):
        event, risk, person = made(seed, 400)
        value, found = drawn(event, risk, person, resamples=500, seed=seed)
        for name in true:
            interval = distance_interval(value[name, None], found[name, None], found[least(name)], people=400)
            held[name] += interval.low <= true[name] <= interval.high
    share = {name: count / cohorts for name, count in held.items()}
    print(kind, {name: round(float(each), 4) for name, each in true.items()}, share)
    assert 0.92 <= share["ici"] <= 0.995
    assert 0.85 <= share["e50"] <= 0.995
    assert 0.92 <= share["e90"] <= 0.995


@pytest.mark.slow
def test_drawing_rows_instead_of_people_would_not():
    held = 0
    for seed in range(150):
        event, risk, person = cohort(seed, people=150, most_rows=25)
        _, found = drawn(event, risk, np.arange(len(person)), resamples=200, seed=seed)
        low, high = np.quantile(found["brier", None], [0.025, 0.975])
        held += low <= truth()["brier", None] <= high
    assert held / 150 < 0.9
