from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from simulated import HOUR, asked_of, contract, held_out, trained

from sequela.cohort.facts import static_facts
from sequela.evaluate import Resamples, auroc, brier
from sequela.explain import METRICS, HeldOut, Histories, Importance, ImportanceSettings, variable_importance
from sequela.explain.exchange import Exchange

CODES, STATIC = ["driver", "noise", "rare noise"], ["sex", "weight"]
WHOLE = ImportanceSettings(edges_hours=())


def shares(histories: Histories) -> np.ndarray:
    """Return a risk that is the share of records of the driver: a model that needs no training."""
    rows = histories.events.filter(histories.events["code"] == "driver")
    count = np.bincount(rows["subject_id"].to_numpy(), minlength=histories.people)
    return (1 / (1 + np.exp(-count / 10)))[histories.asked.person]


def shares_then(histories: Histories) -> np.ndarray:
    """Return the share of records of the driver until each prediction time."""
    asked, rows = histories.asked, histories.events.filter(histories.events["code"] == "driver")
    person, time = rows["subject_id"].to_numpy(), rows["time"].to_physical().to_numpy()
    count = np.array([((person == p) & (time <= t)).sum() for p, t in zip(asked.person, asked.time, strict=True)])
    return 1 / (1 + np.exp(-count / 10))


def of(importance: Importance, name: str) -> tuple[float, float, float]:
    loss = next(variable.loss for variable in importance.variables if variable.name == name)
    assert loss.value is not None
    assert loss.low is not None
    assert loss.high is not None
    return loss.value, loss.low, loss.high


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logistic", "gradient_boosting"])
def test_the_driver_comes_first_and_what_has_no_effect_holds_zero(name: str) -> None:
    first, holds = 0, dict.fromkeys(["noise", "rare noise", "sex", "weight"], 0)
    for seed in range(20):
        model, judged = trained(seed, 800, name), held_out(seed, 400)
        settings = replace(WHOLE, seed=seed)
        found = variable_importance(judged, model, codes=CODES, static=STATIC, metric="auroc", settings=settings)
        first += found.variables[0].name == "driver" and of(found, "driver")[1] > 0
        for variable in holds:
            _, low, high = of(found, variable)
            holds[variable] += low <= 0 <= high
    assert first == 20
    assert min(holds.values()) >= 18


def test_a_driver_of_the_last_hours_is_found_in_the_last_hours() -> None:
    model, judged = trained(3, 800, when=(42, 48)), held_out(3, 300, when=(42, 48))
    found = variable_importance(judged, model, codes=["driver", "noise"], static=[], metric="log_loss")
    driver = found.variables[0]
    assert driver.name == "driver"
    late, middle, early = driver.spans
    assert late.low is not None
    assert late.low > 0
    assert late.value > max(abs(middle.value or 0), abs(early.value or 0)) * 2  # type: ignore[operator]
    noise = found.variables[1]
    assert all(span.low <= 0 <= span.high for span in noise.spans)  # type: ignore[operator]


@pytest.mark.parametrize("metric", ["auroc", "brier"])
def test_a_loss_is_how_much_worse_the_metric_is_with_its_interval_over_people_and_repeats(metric: str) -> None:
    judged = several_each(held_out(4, 40))
    settings = ImportanceSettings(seed=7, resamples=50)
    found = variable_importance(judged, shares_then, codes=CODES, static=["sex"], metric=metric, settings=settings)
    resamples, measure = Resamples(judged.asked.person, 50, 7), {"auroc": auroc, "brier": brier}[metric]
    counts = np.concatenate([np.ones((1, 40)), *resamples.draws()])[:, resamples.index(judged.asked.person)]

    def measured(histories: Histories) -> np.ndarray:
        risk = shares_then(histories.exchanged.unchanged if histories.exchanged else histories)
        if histories.exchanged:
            risk[histories.exchanged.predictions] = shares_then(histories)
        return np.array([measure(judged.labels, risk, weight) for weight in counts])

    def expected(exchange: Exchange, *code: object) -> list[float]:
        donors = [exchange.donors(np.random.default_rng([7, 3, repeat])) for repeat in range(3)]
        after = np.stack([measured(exchange.of_series("driver", donor, *code)) for donor in donors])
        worse = (after - measured(exchange.unchanged)) * (-1 if metric == "auroc" else 1)
        picked = np.random.default_rng([7, 2]).integers(0, 3, size=(50, 3))
        drawn = [worse[picked[at], at + 1].mean() for at in range(50)]
        return [worse[:, 0].mean(), *np.quantile(drawn, [0.025, 0.975])]

    given = (judged.events, judged.facts, judged.asked)
    driver = next(variable for variable in found.variables if variable.name == "driver")
    assert found.baseline == pytest.approx(measured(Exchange(*given, each_prediction=False).unchanged)[0])
    assert of(found, "driver") == pytest.approx(expected(Exchange(*given, each_prediction=False)))
    late = Exchange(*given, each_prediction=True)
    for span, loss in zip(settings.spans, driver.spans, strict=True):
        assert [loss.value, loss.low, loss.high] == pytest.approx(expected(late, span))


def test_what_makes_a_model_worse_comes_after_what_does_nothing() -> None:
    judged = held_out(0, 60)
    share = shares(Exchange(judged.events, judged.facts, judged.asked, each_prediction=False).unchanged)
    judged = replace(judged, labels=(share < np.median(share)).astype(float))
    found = variable_importance(judged, shares, codes=CODES, static=[], metric="auroc", settings=WHOLE)
    losses = [variable.loss.value for variable in found.variables]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0 == losses[0]


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ((6.0, 24.0), ["last 6 h", "6-24 h before", "more than 24 h before"]),
        ((24.0, 168.0), ["last 24 h", "24 h to 7 d before", "more than 7 d before"]),
        ((8766.0, 26298.0), ["last 1 y", "1-3 y before", "more than 3 y before"]),
        ((), []),
    ],
)
def test_spans_are_told_in_words(edges: tuple[float, ...], words: list[str]) -> None:
    settings = ImportanceSettings(edges_hours=edges, resamples=2)
    found = variable_importance(held_out(0, 12), shares, codes=[], static=[], metric="brier", settings=settings)
    assert [window["label"] for window in found.to_dict()["windows"]] == words  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", ["auroc", "brier", "log_loss", "rmse"])
def test_metrics_are_those_of_scikit_learn_with_weights(metric: str) -> None:
    from sklearn import metrics

    random = np.random.default_rng(5)
    label = (random.random(80) < 0.3).astype(float)
    predicted = np.round(random.uniform(0.05, 0.95, 80), 1) + 1e-6 * random.integers(0, 2, 80)  # ties, and nearly
    weights = random.integers(0, 4, size=(6, 80)).astype(float)
    reference = {
        "auroc": metrics.roc_auc_score,
        "brier": metrics.brier_score_loss,
        "log_loss": metrics.log_loss,
        "rmse": metrics.root_mean_squared_error,
    }[metric]
    expected = [reference(label, predicted, sample_weight=weight) for weight in weights]
    assert METRICS[metric][0](label, predicted, weights) == pytest.approx(expected, rel=1e-12)


def test_a_certain_risk_that_did_not_come_true_costs_much_and_not_all() -> None:
    certain = METRICS["log_loss"][0](np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.ones((1, 2)))
    assert certain == pytest.approx(-np.log(1e-15), rel=1e-3)


def test_what_cannot_be_judged_says_why_and_comes_last() -> None:
    judged = held_out(0, 40)
    few = contract([(p, 5, "few", 1.0) for p in range(10)])
    judged = replace(judged, events=judged.events.vstack(few))
    seen: list[tuple[int, int]] = []
    found = variable_importance(
        judged,
        shares,
        codes=["few", "never", "driver"],
        static=["sex", "x"],
        metric="brier",
        progress=lambda *done: seen.append(done),
    )
    assert seen[-1] == (3 * (3 * 4 + 2), 3 * (3 * 4 + 2))
    last = found.variables[-3:]
    assert {variable.name for variable in last} == {"few", "never", "x"}
    for variable in last:
        assert (variable.loss.value, variable.loss.low) == (None, None)
        assert variable.loss.reason == "fewer than 11 held-out people have a value"
        assert variable.spans == []
    assert "NaN" not in json.dumps(found.to_dict())
    assert found.variables[0].name == "driver"


def test_ten_people_give_no_number() -> None:
    found = variable_importance(held_out(0, 10), shares, codes=["driver"], static=["sex"], metric="auroc")
    assert all(variable.loss.value is None and variable.loss.reason for variable in found.variables)


def test_a_span_in_which_few_people_have_a_record_has_no_number() -> None:
    rows = [(p, hour, "driver", 1.0) for p in range(30) for hour in (30, 45 if p < 10 else 40)]
    judged = replace(held_out(0, 30), events=contract(rows))
    (driver,) = variable_importance(judged, shares, codes=["driver"], static=[], metric="brier").variables
    assert [span.value is None for span in driver.spans] == [True, False, True]
    assert driver.spans[0].reason == "fewer than 11 held-out people have a value"


def test_five_events_are_enough() -> None:
    judged = replace(held_out(0, 30), labels=(np.arange(30) < 5).astype(float))
    found = variable_importance(judged, shares, codes=["driver"], static=[], metric="auroc", settings=WHOLE)
    assert found.baseline is not None


@pytest.mark.parametrize("events", [0, 4, 27])
def test_few_events_give_a_reason(events: int) -> None:
    judged = replace(held_out(0, 30), labels=(np.arange(30) < events).astype(float))
    found = variable_importance(judged, shares, codes=["driver"], static=["sex"], metric="auroc", settings=WHOLE)
    assert found.baseline is None
    for variable in found.variables:
        assert (variable.loss.value, variable.loss.low) == (None, None)
        assert (variable.loss.reason or "").startswith("too few to say")


def test_the_same_seed_gives_the_same_numbers_and_progress_reaches_its_end() -> None:
    seen: list[tuple[int, int]] = []
    runs = [
        variable_importance(
            held_out(0, 40), shares, codes=CODES, static=STATIC, metric="auroc", progress=lambda *n: seen.append(n)
        ).to_dict()
        for _ in range(2)
    ]
    assert json.dumps(runs[0]) == json.dumps(runs[1])
    assert seen[-1] == (3 * (3 * 4 + 2), 3 * (3 * 4 + 2))
    assert [done for done, _ in seen[: len(seen) // 2]] == sorted({done for done, _ in seen})


def test_several_predictions_a_person_are_cut_to_what_the_cost_allows() -> None:
    judged = several_each(held_out(0, 60))
    predicted = 0

    def counted(histories: Histories) -> np.ndarray:
        nonlocal predicted
        predicted += len(histories.asked.time)
        return shares(histories)

    settings = ImportanceSettings(most_histories=1000, repeats=2)
    found = variable_importance(
        judged, counted, codes=["driver", "noise"], static=["sex"], metric="brier", settings=settings
    )
    assert found.people == found.predictions == 1000 // (2 * (2 * 4 + 1))
    assert predicted <= 1000 + found.predictions
    unbounded = variable_importance(judged, shares, codes=["driver"], static=[], metric="brier", settings=WHOLE)
    assert (unbounded.people, unbounded.predictions) == (60, 240)


@pytest.mark.parametrize(("most_histories", "people", "each"), [(1, 11, 1), (3 * 20, 20, 1), (3 * 60 * 2, 60, 2)])
def test_who_is_drawn_keeps_their_labels_and_depends_on_the_seed(most_histories: int, people: int, each: int) -> None:
    judged = several_each(held_out(0, 60))
    judged = replace(judged, labels=shares(Exchange(judged.events, judged.facts, judged.asked,
                                                    each_prediction=True).unchanged))  # fmt: skip
    moves = judged.asked.person if people < 60 else np.arange(240)  # what tells whom, or which of theirs, was drawn
    moved = replace(judged, labels=judged.labels + moves)
    baselines = set()
    for seed in range(3):
        settings = replace(WHOLE, most_histories=most_histories, seed=seed)
        exact, other = (
            variable_importance(given, shares_then, codes=["driver"], static=[], metric="rmse", settings=settings)
            for given in (judged, moved)
        )
        assert (exact.people, exact.predictions) == (people, people * each)
        assert exact.baseline == 0
        baselines.add(other.baseline)
    assert len(baselines) == 3


def several_each(judged: HeldOut) -> HeldOut:
    people = len(judged.labels)
    times = np.tile(np.array([12, 24, 36, 48]) * HOUR, people)
    return replace(judged, asked=asked_of(np.repeat(np.arange(people), 4), times), labels=np.repeat(judged.labels, 4))


def test_beyond_the_cap_the_most_widespread_variables_are_looked_at_and_the_others_counted() -> None:
    settings = ImportanceSettings(most_variables=1, edges_hours=())
    found = variable_importance(held_out(0, 40), shares, codes=CODES, static=[], metric="brier", settings=settings)
    assert [variable.name for variable in found.variables] == ["driver"]
    assert found.left_out == {"not among the 1 most widespread": 2}
    judged = held_out(0, 40)
    many = contract([(p, hour, "dense", 1.0) for p in range(12) for hour in range(48)])
    judged = replace(judged, events=judged.events.vstack(many))
    found = variable_importance(judged, shares, codes=["dense", "noise"], static=[], metric="brier", settings=settings)
    assert [variable.name for variable in found.variables] == ["noise"]
    assert ImportanceSettings(most_in_time=12).passes(20, 1) == 3 * (20 + 1 + 12 * 3)


def test_the_most_important_series_are_looked_at_in_time_and_the_others_as_a_whole() -> None:
    settings = ImportanceSettings(most_in_time=1, resamples=50)
    found = variable_importance(
        held_out(0, 40), shares, codes=["absent", *CODES], static=STATIC, metric="brier", settings=settings
    )
    spans = {variable.name: len(variable.spans) for variable in found.variables}
    assert spans == {"absent": 0, "driver": 3, "noise": 0, "rare noise": 0, "sex": 0, "weight": 0}


def levels(labelled: int = 60) -> tuple[HeldOut, np.ndarray]:
    """Return a record and labels of two horizons of sixty people, of whom so many have a label, and their levels."""
    people = 60
    level = np.random.default_rng(0).normal(size=people)
    events = contract([(p, 10, "x", level[p]) for p in range(people)])
    labels = np.stack([level, level + 1], axis=1)
    labels[labelled:] = labels[:9, 1] = np.nan
    asked = asked_of(np.arange(people))
    return HeldOut(events=events, facts=static_facts(events, people), asked=asked, labels=labels), level


def carried(histories: Histories) -> np.ndarray:
    """Return the record as the forecast of the first horizon, and one more as that of the second."""
    values = histories.events.sort("subject_id")["numeric_value"].to_numpy().astype(float)
    return np.stack([values, values + 1], axis=1)[histories.asked.person]


def test_forecasts_of_several_horizons_leave_out_what_is_unknown() -> None:
    judged, level = levels()
    found = variable_importance(judged, carried, codes=["x"], static=[], metric="rmse", settings=WHOLE)
    assert found.baseline == pytest.approx(0, abs=1e-6)
    assert of(found, "x")[0] == pytest.approx(np.sqrt(2) * level.std(), rel=0.3)
    assert found.to_dict()["windows"] == []


@pytest.mark.parametrize("labelled", [0, 10, 11])
def test_importance_rests_on_people_with_a_label(labelled: int) -> None:
    judged, _ = levels(labelled)
    found = variable_importance(judged, carried, codes=["x"], static=[], metric="rmse", settings=WHOLE)
    assert (found.variables[0].loss.value is not None) == (found.baseline is not None) == (labelled == 11)
    assert labelled == 0 or found.people == found.predictions == labelled
