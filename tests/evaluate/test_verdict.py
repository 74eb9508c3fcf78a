import numpy as np
import pytest

from sequela.evaluate import Asked, Resamples, forecast_measures, verdict
from sequela.evaluate.verdict import decimals


def headline(value, low=None, high=None, reason=None):
    return {"rmse": {"value": value, "low": low, "high": high, "reason": reason}}


def compared(difference, low, high, outcome, against="linear", reason=None, model="network"):
    return {
        "model": model, "against": against, "metric": "rmse", "target": "sbp", "difference": difference,
        "low": low, "high": high, "outcome": outcome, "reason": reason,
    }  # fmt: skip


NETWORK = headline(14.21, 13.88, 14.57)


def test_a_network_that_wins_earns_its_place():
    said = verdict(
        {"network": NETWORK, "gradient_boosting": headline(14.62, 14.2, 15.0)},
        [compared(-0.41, -0.62, -0.21, "better", "gradient_boosting")],
        best_baseline="gradient_boosting",
        people=1123,
    )
    assert said == (
        "On 1,123 held-out people the network's error (RMSE 14.2, 95 % interval 13.9 to 14.6) is lower than that of "
        "the best baseline, gradient boosting (14.6), by 0.4 (0.2 to 0.6): it earns its place."
    )


def test_a_tie_says_that_the_baseline_suffices():
    said = verdict(
        {"network": NETWORK, "linear": headline(14.25)},
        [compared(-0.04, -0.3, 0.24, "no_difference")],
        best_baseline="linear",
        people=1123,
        unit="mmHg",
    )
    assert said == (
        "On 1,123 held-out people the network's error (RMSE 14.21 mmHg, 95 % interval 13.88 to 14.57) is not "
        "distinguishable from that of the best baseline, linear (14.25), difference -0.04 (-0.30 to 0.24): "
        "the simpler baseline suffices."
    )


def test_an_undecided_difference_has_the_digits_of_its_interval_and_no_minus_before_0():
    said = verdict({"network": NETWORK, "linear": headline(14.21)}, [compared(-0.0004, -0.3, 0.24, "no_difference")],
                   best_baseline="linear", people=1123)  # fmt: skip
    assert said.endswith("linear (14.21), difference 0.00 (-0.30 to 0.24): the simpler baseline suffices.")


def test_a_network_that_loses_is_said_to_lose():
    said = verdict(
        {"network": NETWORK, "linear": headline(13.7)},
        [compared(0.51, 0.3, 0.7, "worse")],
        best_baseline="linear",
        people=50,
    )
    assert "loses to that of the best baseline, linear (13.7), by 0.5 (0.3 to 0.7): it does not earn its place" in said


def test_a_network_that_another_baseline_beats_does_not_earn_its_place():
    said = verdict(
        {"network": NETWORK, "linear": headline(15.0), "persistence": headline(13.0), "mean": headline(14.1)},
        [
            compared(-0.8, -0.9, -0.7, "better"),
            compared(1.2, 1.0, 1.4, "worse", "persistence"),
            compared(0.1, -0.2, 0.3, "no_difference", "mean"),
        ],
        best_baseline="linear",
        people=50,
    )
    assert said.endswith("yet it loses to persistence, so it does not earn its place.")


def test_a_network_that_does_not_beat_another_baseline_says_that_this_one_suffices():
    said = verdict(
        {"network": NETWORK, "linear": headline(15.0), "mean": headline(17.0), "persistence": headline(14.15)},
        [
            compared(-0.8, -0.9, -0.7, "better"),
            compared(-2.8, -2.9, -2.7, "better", "mean"),
            compared(0.06, -0.2, 0.3, "no_difference", "persistence"),
        ],
        best_baseline="linear",
        people=50,
    )
    assert said.endswith(
        "by 0.8 (0.7 to 0.9), yet not clearly lower than that of persistence (14.2): the simpler baseline suffices."
    )


def test_the_hybrid_gets_a_sentence_of_its_own():
    said = verdict(
        {"network": NETWORK, "hybrid": headline(13.1, 12.9, 13.4), "linear": headline(14.25)},
        [
            compared(-0.04, -0.3, 0.24, "no_difference"),
            compared(-1.1, -1.3, -0.9, "better", model="hybrid"),
            compared(0.1, -0.4, 0.8, "no_difference", "network", model="hybrid"),
        ],
        best_baseline="linear",
        people=1123,
        unit="mmHg",
    )
    network, hybrid = said.split(" The hybrid's ")
    assert network.endswith("the simpler baseline suffices.")
    assert hybrid == (
        "error (RMSE 13.1 mmHg, 95 % interval 12.9 to 13.4) is lower than that of the best baseline, linear (14.2), "
        "by 1.1 (0.9 to 1.3): it earns its place."
    )


def test_too_few_people_give_no_verdict_and_no_count():
    reason = "fewer than 10 held-out people: no interval"
    said = verdict(
        {"network": headline(14.2, reason=reason), "linear": headline(15.0, reason=reason)},
        [compared(-0.8, None, None, "no_difference", reason=reason)],
        best_baseline="linear",
        people=7,
    )
    assert said == (
        "On fewer than 11 held-out people the network's error (RMSE 14.2) cannot be told apart from that of the best "
        "baseline, linear (15.0): fewer than 10 held-out people give no interval; no verdict."
    )
    assert "7" not in said


@pytest.mark.parametrize(("people", "words"), [(10, "On fewer than 11 held-out"), (11, "On 11 held-out")])
def test_eleven_people_are_told_and_a_forecast_without_error_is_one(people, words):
    said = verdict({"network": headline(0.0, 0.0, 0.0)}, [], best_baseline=None, people=people)
    assert said.startswith(f"{words} people the network's error (RMSE 0.00, 95 % interval 0.00 to 0.00)")


def test_a_study_without_baselines_says_why():
    said = verdict({"network": NETWORK}, [], best_baseline=None, people=99, reason="a test of the pipeline")
    assert said.endswith(
        "stands alone: the study has no baselines (a test of the pipeline), so nothing says whether it earns its place."
    )


def test_baselines_that_nobody_could_judge_are_not_called_none():
    models = {"network": NETWORK, "linear": headline(15.0)}
    said = verdict(models, [compared(-0.8, -1.0, -0.6, "better")], best_baseline=None, people=99)
    assert said.endswith(
        "has no best baseline beside it: training and tuning people are too few to choose one, and held-out people "
        "must not; no verdict."
    )


def test_nothing_to_score_gives_no_verdict():
    said = verdict({"network": headline(None, reason="no held-out prediction has an observed target here")}, [],
                   best_baseline="linear", people=0)  # fmt: skip
    assert said == "There is no verdict: no held-out prediction has an observed target here."


@pytest.mark.parametrize(
    ("value", "difference", "low", "high", "shown"),
    [
        (14.21, -0.0412, -0.062, -0.0213, "14.21"),
        (1421.0, -40.0, -60.0, -20.0, "1,421,"),
        (0.0142, -0.0004, -0.0006, -0.0002, "0.0142"),
    ],
)
def test_decimals_show_three_digits_and_no_difference_as_zero(value, difference, low, high, shown):
    said = verdict(
        {"network": headline(value, value, value), "linear": headline(value - difference)},
        [compared(difference, low, high, "better")],
        best_baseline="linear",
        people=99,
    )
    assert f"RMSE {shown}" in said
    assert not any(f"({zero} to" in said or f"by {zero} " in said for zero in ("0", "0.0", "0.00", "0.000"))


def test_decimals_are_six_digits_at_most_and_count_a_tenth_however_it_comes_about():
    assert decimals(14.2, -1e-9) == 4
    assert decimals(0.1 * (1 - 1e-12)) == 3


def test_a_baseline_without_numbers_is_refused():
    with pytest.raises(ValueError, match="'linear' lacks"):
        verdict({"network": NETWORK}, [], best_baseline="linear", people=99)
    with pytest.raises(ValueError, match="no network"):
        verdict({}, [], best_baseline=None, people=99)


@pytest.mark.parametrize(
    ("network", "end"), [(3.0, "earns its place."), (9.0, "use the baseline."), (5.0, "suffices.")]
)
def test_measures_and_verdict_agree(network, end):
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(60), 6)
    target = rng.normal(120, 10, (360, 1, 1))
    predicted = {name: target + rng.normal(0, sd, target.shape) for name, sd in (("network", network), ("linear", 5.0))}
    asked = Asked(target, np.ones(target.shape, bool), person, (None,), ("sbp",))
    found = forecast_measures(asked, predicted, resamples=Resamples(person, 200))
    said = verdict(found.models, found.comparisons, best_baseline="linear", people=60)
    assert said.endswith(end)
