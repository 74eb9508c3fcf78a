import json
from functools import partial

import numpy as np
import pytest
from risk_cohorts import cohort, expit

from sequela.evaluate import (
    Resamples,
    RiskAsked,
    at_threshold,
    auroc,
    average_precision,
    bootstrap_interval,
    bootstrap_metric,
    brier,
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    ici,
    lowess,
    net_benefit,
    person_weights,
    risk_measures,
    risk_verdict,
    scaled_brier,
)
from sequela.evaluate.distances import distance_interval
from sequela.evaluate.risk_samples import RiskSample, least, row_draws

KEYS = {"model", "metric", "target", "horizon_hours", "cause", "at", "subgroup", "threshold", "recalibrated",
        "weighting", "value", "low", "high", "reason", "people", "events"}  # fmt: skip


def predictions(seed=1, people=150, most_rows=4):
    event, risk, person = cohort(seed, people, most_rows)
    rng = np.random.default_rng(seed)
    logits = np.log(risk / (1 - risk))
    worse = expit(logits + rng.normal(0, 1.5, len(event)))
    return event, person, {"network": risk, "hybrid": expit(0.9 * logits), "logistic": worse}


def measured(seed=1, people=150, most_rows=4, **more):
    event, person, predicted = predictions(seed, people, most_rows)
    asked = RiskAsked(event, person, outcome="death")
    return risk_measures(asked, predicted, resamples=Resamples(person, 100), thresholds=[0.2, 0.5], **more)


def row(found, **wanted):
    wanted = {
        "recalibrated": False,
        "weighting": "predictions",
        "at": None,
        "subgroup": None,
        "threshold": None,
    } | wanted
    hits = [each for each in found.measures if all(each[key] == value for key, value in wanted.items())]
    assert len(hits) == 1
    return hits[0]


def test_every_row_is_whole_and_plain():
    found = measured()
    json.dumps([found.models, found.measures, found.comparisons], allow_nan=False)
    assert all(set(each) == KEYS for each in found.measures)
    places = [tuple(str(each[key]) for key in KEYS - {"value", "low", "high", "reason", "people", "events"})
              for each in found.measures]  # fmt: skip
    assert len(set(places)) == len(places)


def test_the_headline_is_the_measures_of_all_predictions():
    event, _person, predicted = predictions()
    found = measured()
    assert list(found.models) == ["network", "hybrid", "logistic"]
    headline = found.models["network"]
    assert list(headline) == ["auroc", "auprc", "brier", "scaled_brier", "calibration_in_the_large",
                              "calibration_intercept", "calibration_slope", "ici", "net_benefit"]  # fmt: skip
    plain = (auroc, average_precision, brier, scaled_brier, calibration_in_the_large, calibration_intercept,
             calibration_slope, ici, partial(net_benefit, threshold=0.2))  # fmt: skip
    for each, function in zip(headline.values(), plain, strict=True):
        assert each["value"] == pytest.approx(function(event, predicted["network"]))
    for metric, each in headline.items():
        threshold = 0.2 if metric == "net_benefit" else None
        again = row(found, model="network", metric=metric, threshold=threshold)
        assert {key: again[key] for key in each} == each
        assert each["low"] <= each["value"] <= each["high"]
        assert each["low"] < each["high"]


def test_every_other_measure_is_that_of_the_plain_function():
    event, _person, predicted = predictions()
    found, risk = measured(), predicted["logistic"]
    away = np.abs(lowess(risk, event) - risk)
    e50, e90 = (np.quantile(away, share, method="inverted_cdf") for share in (0.5, 0.9))
    plain = {"observed_risk": event.mean(), "predicted_risk": risk.mean(), "e50": e50, "e90": e90}
    for metric, value in plain.items():
        assert row(found, model="logistic", metric=metric)["value"] == pytest.approx(value)
    for threshold in (0.2, 0.5):
        for metric, value in at_threshold(event, risk, threshold).items():
            each = row(found, model="logistic", metric=metric, threshold=threshold)
            assert each["value"] == pytest.approx(value)
            assert each["low"] < each["value"] < each["high"]


def test_the_interval_of_a_distance_reaches_0_where_noise_alone_makes_it():
    _event, risk, person = cohort(3, people=400)
    true = RiskAsked((np.random.default_rng(1).random(len(risk)) < risk).astype(float), person)
    found = risk_measures(true, {"network": risk}, resamples=Resamples(person, 200)).models["network"]["ici"]
    assert found["low"] < 0.003
    assert found["low"] <= found["value"] <= found["high"]
    far = risk_measures(true, {"network": np.sqrt(risk)}, resamples=Resamples(person, 200)).models["network"]["ici"]
    assert far["low"] > 0.1


def test_people_may_weigh_the_same():
    event, person, predicted = predictions()
    weight = person_weights(person)
    found = measured()
    for metric, function in (("auroc", auroc), ("auprc", average_precision), ("brier", brier),
                             ("calibration_slope", calibration_slope), ("ici", ici)):  # fmt: skip
        each = row(found, model="logistic", metric=metric, weighting="people")
        assert each["value"] == pytest.approx(function(event, predicted["logistic"], weight), rel=1e-8)
    assert row(found, model="network", metric="net_benefit", threshold=0.5, weighting="people")[
        "value"
    ] == pytest.approx(net_benefit(event, predicted["network"], 0.5, weight))


def test_intervals_of_people_who_weigh_the_same_are_those_of_weighted_resamples():
    event, person, predicted = predictions()
    weight, resamples = person_weights(person), Resamples(person, 100)
    asked, risk, benefit = RiskAsked(event, person), predicted["logistic"], partial(net_benefit, threshold=0.2)
    found = risk_measures(asked, {"logistic": risk}, resamples=resamples, thresholds=[0.2])
    for metric, function in (("auroc", auroc), ("auprc", average_precision), ("scaled_brier", scaled_brier),
                             ("calibration_slope", calibration_slope), ("net_benefit", benefit),
                             ("calibration_intercept", calibration_intercept)):  # fmt: skip
        threshold = 0.2 if metric == "net_benefit" else None
        for weighting, weigh in (("people", weight), ("predictions", np.ones(len(event)))):
            each = row(found, metric=metric, weighting=weighting, threshold=threshold, model="logistic")
            alone = bootstrap_metric(
                lambda w, function=function, weigh=weigh: function(event, risk, weight=w * weigh),
                person,
                resamples=resamples,
            )
            assert [each["value"], each["low"], each["high"]] == pytest.approx(
                [alone.value, alone.low, alone.high], rel=1e-3
            )
    index = resamples.index(person)
    sample = RiskSample(event, risk, index, 150, weight, ())
    parts = [sample.drawn(counts, rows * weight) for counts, rows in row_draws(resamples, index)]
    drawn, smallest = (np.concatenate([part[key] for part in parts]) for key in (("ici", None), least("ici")))
    alone = distance_interval(sample.value["ici", None], drawn, smallest, people=150)
    each = row(found, metric="ici", weighting="people", model="logistic")
    assert (each["low"], each["high"]) == (alone.low, alone.high)
    share = bootstrap_interval(event, person, resamples=resamples, weight=weight)
    everybody = row(found, metric="net_benefit", weighting="people", threshold=0.2, model="treat_all")
    assert [everybody[key] for key in ("value", "low", "high")] == pytest.approx(
        [one - (1 - one) / 4 for one in (share.value, share.low, share.high)]
    )


def test_with_one_prediction_each_both_weightings_agree():
    found = measured(most_rows=1)
    for metric in ("auroc", "ici", "e90"):
        first, second = (row(found, model="network", metric=metric, weighting=how) for how in ("predictions", "people"))
        assert first["value"] == second["value"]
        assert (first["low"], first["high"]) == (second["low"], second["high"])


def test_treating_all_stands_beside_the_models():
    event, _, _ = predictions()
    found = measured()
    share = event.mean()
    each = row(found, model="treat_all", metric="net_benefit", threshold=0.2)
    assert each["value"] == pytest.approx(share - (1 - share) / 4)
    assert each["low"] < each["value"] < each["high"]
    assert "treat_all" not in found.models


def test_comparisons_are_paired_and_know_which_way_is_better():
    event, _person, predicted = predictions(people=300)
    found = measured(people=300)
    pairs = {(each["model"], each["against"]) for each in found.comparisons}
    assert pairs == {("network", "logistic"), ("hybrid", "logistic"), ("hybrid", "network")}
    by = {each["metric"]: each for each in found.comparisons if each["model"] == "network"}
    assert list(by) == ["auroc", "auprc", "brier", "net_benefit"]
    assert by["auroc"]["difference"] == pytest.approx(
        auroc(event, predicted["network"]) - auroc(event, predicted["logistic"])
    )
    assert by["auroc"]["outcome"] == by["brier"]["outcome"] == "better"
    assert by["auroc"]["low"] > 0 > by["brier"]["high"]
    separate = found.models["network"]["auroc"], found.models["logistic"]["auroc"]
    apart = sum(each["high"] - each["low"] for each in separate)
    assert by["auroc"]["high"] - by["auroc"]["low"] < apart
    assert by["net_benefit"]["threshold"] == 0.2
    same = next(each for each in found.comparisons if each["against"] == "network" and each["metric"] == "auroc")
    assert (same["difference"], same["low"], same["high"], same["outcome"]) == (0, 0, 0, "no_difference")


def test_the_headline_is_what_a_model_gives_out_in_the_end():
    event, _person, predicted = predictions()
    after = 0.5 * predicted["network"]
    found = measured(recalibrated={"network": after})
    assert found.models["network"]["brier"]["value"] == pytest.approx(brier(event, after))
    assert row(found, model="network", metric="brier")["value"] == pytest.approx(brier(event, predicted["network"]))
    assert row(found, model="network", metric="brier", recalibrated=True)["value"] == pytest.approx(brier(event, after))
    against = next(each for each in found.comparisons if each["model"] == "network" and each["metric"] == "brier")
    assert against["difference"] == pytest.approx(brier(event, after) - brier(event, predicted["logistic"]))
    with pytest.raises(ValueError, match="not predicted: forest"):
        measured(recalibrated={"forest": after})


def test_landmarks_and_subgroups_are_scored_on_their_own_rows():
    event, person, predicted = predictions()
    hours = np.where(np.arange(len(event)) % 3 == 0, 6.0, 12.0)
    sex = np.where(person % 2 == 0, "female", "male")
    level = [None if whose < 5 else each for whose, each in zip(person, sex, strict=True)]
    asked = RiskAsked(event, person, at_hours=hours)
    told = []
    found = risk_measures(
        asked, predicted, resamples=Resamples(person, 50), thresholds=[0.2], subgroups={"sex": level}, told=told.append
    )
    assert told == ["all predictions", "predictions at 6h", "predictions at 12h", "subgroup sex"]
    for hour in (6, 12):
        rows = hours == hour
        each = row(found, model="network", metric="auroc", at=f"{hour}h")
        assert each["value"] == pytest.approx(auroc(event[rows], predicted["network"][rows]))
        assert (each["people"], each["events"]) == (len(np.unique(person[rows])), event[rows].sum())
    rows = np.array([one == "male" for one in level])
    each = row(found, model="logistic", metric="brier", subgroup={"name": "sex", "level": "male"})
    assert each["value"] == pytest.approx(brier(event[rows], predicted["logistic"][rows]))
    few = row(found, model="network", metric="auroc", subgroup={"name": "sex", "level": "not known"})
    assert few["value"] is None
    assert few["reason"] == "too few to say: fewer than 10 held-out people"
    assert few["people"] == 5
    with pytest.raises(ValueError, match="subgroup sex"):
        risk_measures(asked, predicted, resamples=Resamples(person, 5), subgroups={"sex": ["a"]})


@pytest.mark.parametrize(
    "levels",
    [
        ["below 80.5", "80.5 to 100", "100 to 120", "120 and above"],
        ["-1", "0.5", "9", "10", "not known"],
        ["1st", "black", "white", "not known"],
    ],
)
def test_levels_of_numbers_stand_in_their_order(levels):
    event, person, predicted = predictions(people=40)
    given = [None if level == "not known" else level for level in np.resize(levels[::-1], len(event)).tolist()]
    found = risk_measures(RiskAsked(event, person), predicted, resamples=Resamples(person, 5), subgroups={"x": given})
    told = [each["subgroup"]["level"] for each in found.measures if each["subgroup"] is not None]
    assert list(dict.fromkeys(told)) == levels


def test_one_prediction_time_is_no_landmark():
    event, person, predicted = predictions(most_rows=1)
    asked = RiskAsked(event, person, at_hours=np.full(len(event), 48.0))
    found = risk_measures(asked, predicted, resamples=Resamples(person, 5))
    assert {each["at"] for each in found.measures} == {None}


@pytest.mark.parametrize(("times", "landmarks"), [(48, 48), (49, 0)])
def test_many_prediction_times_are_no_landmarks(times, landmarks):
    event, person, predicted = predictions(people=60)
    hours = np.arange(len(event)) % times + 1.0
    found = risk_measures(RiskAsked(event, person, at_hours=hours), predicted, resamples=Resamples(person, 2))
    assert len({each["at"] for each in found.measures} - {None}) == landmarks


@pytest.mark.parametrize(
    ("people", "events", "is_told"),
    [(30, 5, True), (30, 25, True), (30, 4, False), (30, 26, False), (10, 5, True), (9, 4, False)],
)
def test_ten_people_and_five_predictions_of_each_kind_are_enough(people, events, is_told):
    rng, person = np.random.default_rng(1), np.arange(people)
    asked = RiskAsked(rng.permutation((person < events).astype(float)), person)
    found = risk_measures(asked, {"network": rng.random(people)}, resamples=Resamples(person, 5))
    assert (found.models["network"]["brier"]["value"] is not None) == is_told


def test_few_events_are_too_few_to_say():
    event, person, predicted = predictions(people=60)
    rare = np.where(np.cumsum(event) <= 4, event, 0.0)
    found = risk_measures(RiskAsked(rare, person), predicted, resamples=Resamples(person, 20))
    assert found.models["network"]["auroc"] == {
        "value": None, "low": None, "high": None,
        "reason": "too few to say: fewer than 5 predictions with the event, or as few without",
    }  # fmt: skip
    assert all(each["value"] is None and each["reason"] for each in found.measures)
    assert all(each["outcome"] == "no_difference" and each["reason"] for each in found.comparisons)
    sentence = risk_verdict(found.models, found.comparisons, best_baseline="logistic", people=60)
    assert sentence.startswith("There is no verdict: too few to say")


def test_what_is_not_defined_has_a_reason_and_no_nan():
    event, person, predicted = predictions(people=60)
    flat = {"network": np.full(len(event), 0.15), "logistic": predicted["logistic"]}
    found = risk_measures(RiskAsked(event, person), flat, resamples=Resamples(person, 30), thresholds=[0.2])
    json.dumps([found.models, found.measures, found.comparisons], allow_nan=False)
    assert found.models["network"]["calibration_slope"]["reason"].endswith("all risks are the same")
    assert found.models["network"]["auroc"]["value"] == 0.5
    assert row(found, model="network", metric="ppv", threshold=0.2)["reason"] == "nobody reaches the threshold"
    assert row(found, model="network", metric="sensitivity", threshold=0.2)["value"] == 0.0


def test_perfect_separation_is_said_to_be_so():
    event, person, _ = predictions(people=60)
    found = risk_measures(RiskAsked(event, person), {"network": np.where(event == 1, 0.8, 0.1)},
                          resamples=Resamples(person, 30))  # fmt: skip
    assert found.models["network"]["auroc"]["value"] == 1.0
    assert found.models["network"]["calibration_slope"]["value"] is None
    assert "parts all" in found.models["network"]["calibration_slope"]["reason"]


def test_the_order_of_rows_changes_nothing():
    event, person, predicted = predictions(people=60)
    mixed = np.random.default_rng(3).permutation(len(event))
    one = risk_measures(RiskAsked(event, person), predicted, resamples=Resamples(person, 50))
    two = risk_measures(RiskAsked(event[mixed], person[mixed]), {name: each[mixed] for name, each in predicted.items()},
                        resamples=Resamples(person, 50))  # fmt: skip
    for first, second in zip(one.measures, two.measures, strict=True):
        assert [first[key] for key in ("value", "low", "high")] == pytest.approx(
            [second[key] for key in ("value", "low", "high")], rel=1e-6
        )


def test_rows_in_small_chunks_give_the_same_numbers(monkeypatch):
    whole = measured(people=40)
    monkeypatch.setattr("sequela.evaluate.risk_samples._CELLS", 777)
    for first, second in zip(whole.measures, measured(people=40).measures, strict=True):
        assert [first[key] for key in ("value", "low", "high")] == pytest.approx(
            [second[key] for key in ("value", "low", "high")], rel=1e-6
        )


def test_wrong_arrays_are_refused():
    event, person, predicted = predictions(people=20)
    asked, draws = RiskAsked(event, person), Resamples(person, 5)
    with pytest.raises(ValueError, match="lengths"):
        risk_measures(asked, {"network": predicted["network"][1:]}, resamples=draws)
    with pytest.raises(ValueError, match="between 0 and 1"):
        risk_measures(asked, {"network": predicted["network"] + 1}, resamples=draws)
    with pytest.raises(ValueError, match="thresholds"):
        risk_measures(asked, predicted, resamples=draws, thresholds=[0.0])
    with pytest.raises(ValueError, match="0 or 1"):
        RiskAsked(event + 1, person)
    with pytest.raises(ValueError, match="other people"):
        risk_measures(asked, predicted, resamples=Resamples([10**6]))


def comparison(metric, outcome, difference=0.02, model="network"):
    low, high = (-0.01, 0.03) if outcome == "no_difference" else (0.01, 0.03)
    if outcome == ("better" if metric == "brier" else "worse"):
        low, high, difference = -high, -low, -difference
    return {"model": model, "against": "logistic", "metric": metric, "difference": difference, "low": low, "high": high,
            "outcome": outcome, "reason": None}  # fmt: skip


def said(auroc, auprc="no_difference", brier="no_difference", **more):
    models = {
        name: {"auroc": {"value": 0.85, "low": 0.8, "high": 0.9, "reason": None}} for name in ("network", "logistic")
    }
    rows = [comparison("auroc", auroc), comparison("auprc", auprc), comparison("brier", brier)]
    return risk_verdict(models, rows, best_baseline="logistic", people=more.get("people", 500))


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        (("better",), "by 0.020 (0.010 to 0.030): it earns its place."),
        (("better", "better", "better"), "it earns its place."),
        (("better", "no_difference", "worse"), "yet its Brier score is worse, so its place is not clear."),
        (("worse",), "by 0.020 (0.010 to 0.030): it does not earn its place; use the baseline."),
        (("no_difference",), "difference 0.020 (-0.010 to 0.030): the simpler baseline suffices."),
        (("no_difference", "no_difference", "worse"), "its Brier score is worse and the simpler baseline suffices."),
        (("no_difference", "better", "worse"), ("its AUPRC is better and its Brier score is worse, but by AUROC "
                                               "the simpler baseline suffices.")),
    ],
)  # fmt: skip
def test_the_verdict_says_what_the_intervals_decide(outcomes, end):
    assert said(*outcomes).endswith(end)


@pytest.mark.parametrize(("outcome", "how"), [("no_difference", "not clearly higher"), ("worse", "lower")])
def test_another_baseline_that_a_model_does_not_beat_suffices(outcome, how):
    own = {"auroc": {"value": 0.85, "low": 0.8, "high": 0.9, "reason": None}}
    models = dict.fromkeys(("network", "hybrid", "logistic", "gradient_boosting", "score"), own)
    better = [comparison("auroc", "better", model=model) | {"against": against} for model in ("network", "hybrid")
              for against in ("logistic", "gradient_boosting", "score")]  # fmt: skip
    for model, place in (("network", 1), ("hybrid", 4)):
        rows = [comparison("auroc", outcome, model=model) | {"against": "gradient_boosting"} if at == place else row
                for at, row in enumerate(better)]  # fmt: skip
        both = risk_verdict(models, rows, best_baseline="logistic", people=500)
        network, hybrid = both.split(" The hybrid's ")
        held, other = (network, hybrid) if model == "network" else (hybrid, network)
        assert held.endswith(
            f"by 0.020 (0.010 to 0.030), yet {how} than that of gradient boosting (0.850): "
            "the simpler baseline suffices."
        )
        assert other.endswith("by 0.020 (0.010 to 0.030): it earns its place.")


@pytest.mark.parametrize(("people", "words"), [(10, "On fewer than 11 held-out"), (11, "On 11 held-out")])
def test_eleven_people_are_told_and_numbers_of_0_are_numbers(people, words):
    none = {"auroc": {"value": 0.0, "low": 0.0, "high": 0.0}}
    row = comparison("auroc", "no_difference") | {"difference": -1e-7, "low": 0.0, "high": 0.0}
    sentence = risk_verdict({"network": none, "logistic": none}, [row], best_baseline="logistic", people=people)
    assert sentence.startswith(f"{words} people the network's AUROC (0.000, 95 % interval 0.000 to 0.000)")
    assert "difference 0.000000 (0.000 to 0.000): the simpler" in sentence


def test_without_intervals_there_is_no_verdict():
    models = {name: {"auroc": {"value": 0.85, "low": None, "high": None}} for name in ("network", "logistic")}
    row = comparison("auroc", "no_difference") | {"low": None, "high": None, "reason": "no resamples"}
    assert risk_verdict(models, [row], best_baseline="logistic", people=500) == (
        "On 500 held-out people the network's AUROC (0.850) cannot be told apart from that of the best baseline, "
        "logistic regression (0.850): no resamples; no verdict."
    )


def test_a_difference_that_decides_never_reads_as_0():
    models = {name: {"auroc": {"value": 0.85, "low": 0.849, "high": 0.851}} for name in ("network", "logistic")}
    row = comparison("auroc", "better") | {"difference": 0.00061, "low": 0.00004, "high": 0.0012}
    sentence = risk_verdict(models, [row], best_baseline="logistic", people=10**6)
    assert sentence.endswith("by 0.001 (0.00004 to 0.001): it earns its place.")


def test_the_verdict_speaks_of_the_hybrid_and_hides_few_people():
    found = measured()
    sentence = risk_verdict(found.models, found.comparisons, best_baseline="logistic", people=7)
    assert "On fewer than 11 held-out people" in sentence
    assert "The hybrid's AUROC" in sentence
    own = {name: found.models[name] for name in ("network", "hybrid")}
    alone = risk_verdict(own, [], best_baseline=None, people=150, reason="none exists")
    assert "no baselines (none exists)" in alone
    assert "has no best baseline beside it" in risk_verdict(found.models, [], best_baseline=None, people=150)
    with pytest.raises(ValueError, match="lacks its AUROC"):
        risk_verdict(found.models, [], best_baseline="logistic", people=150)
    with pytest.raises(ValueError, match="no network"):
        risk_verdict({}, [], best_baseline=None, people=150)
