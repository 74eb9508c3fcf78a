import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.evaluate import (  # fmt: skip
    Asked,
    Resamples,
    bootstrap_interval,
    coverage,
    forecast_measures,
    mae,
    paired_difference,
    person_weights,
    rmse,
    width,
)

DESIGN_KEYS = {
    "model", "metric", "target", "horizon_hours", "cause", "at", "subgroup", "threshold", "recalibrated", "value",
    "low", "high", "people", "events", "reason",
}  # fmt: skip


def forecasts(hours=(6.0, 24.0), targets=("sbp", "dbp"), people=30, seed=1):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 8, people))
    shape = (len(person), len(hours), len(targets))
    target = rng.normal(120, 20, shape)
    observed = rng.random(shape) < 0.8
    predicted = {
        "network": target + rng.normal(0, 5, shape),
        "linear": target + rng.normal(0, 9, shape),
        "persistence": target + rng.normal(0, 5, shape),
    }
    target = np.where(observed, target, np.nan)
    band = (predicted["network"] - 8, predicted["network"] + 8)
    return Asked(target, observed, person, hours, targets), predicted, band, Resamples(person, 100, seed=2)


def entry(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_every_row_has_the_keys_of_the_design_and_can_be_written_as_json():
    asked, predicted, band, resamples = forecasts()
    found = forecast_measures(asked, predicted, band=band, resamples=resamples)
    for row in found.measures:
        assert set(row) == DESIGN_KEYS | {"weighting"}
    for row in found.comparisons:
        assert set(row) == {
            "model", "against", "metric", "target", "at", "threshold", "difference", "low", "high", "outcome", "reason"
        }  # fmt: skip
    json.dumps([found.models, found.measures, found.comparisons], allow_nan=False)
    assert len({json.dumps([v for k, v in row.items() if k not in {"value", "low", "high"}]) for row in found.measures}
               ) == len(found.measures) == (3 * 3 + 2) * 3 * 2 * 2  # fmt: skip


def test_each_value_is_that_of_the_plain_function_on_the_same_cells():
    asked, predicted, band, resamples = forecasts()
    asked.observed[asked.person == 3] = False
    rows = forecast_measures(asked, predicted, band=band, resamples=resamples).measures
    seen = asked.observed[:, 1, 1]
    y, person = asked.target[:, 1, 1][seen], asked.person[seen]
    at = {"target": "dbp", "horizon_hours": 24.0}
    for model in predicted:
        forecast = predicted[model][:, 1, 1][seen]
        row = entry(rows, model=model, metric="rmse", weighting="predictions", **at)
        alone = bootstrap_interval((forecast - y) ** 2, person, resamples=resamples, root=True)
        assert [row["value"], row["low"], row["high"]] == pytest.approx([alone.value, alone.low, alone.high], rel=1e-12)
        assert row["people"] == len(np.unique(person))
        squared = entry(rows, model=model, metric="mse", weighting="predictions", **at)
        assert squared["value"] == pytest.approx(row["value"] ** 2, rel=1e-12)
        assert squared["high"] == pytest.approx(row["high"] ** 2, rel=1e-3)
        row = entry(rows, model=model, metric="mae", weighting="people", **at)
        assert row["value"] == pytest.approx(mae(y, forecast, person_weights(person)), rel=1e-12)
        alone = bootstrap_interval(
            np.abs(forecast - y), person, resamples=resamples, weight=person_weights(person)
        )  # fmt: skip
        assert [row["low"], row["high"]] == pytest.approx([alone.low, alone.high], rel=1e-12)
    lower, upper = (bound[:, 1, 1][seen] for bound in band)
    share = entry(rows, model="network", metric="coverage", weighting="people", **at)
    assert share["value"] == pytest.approx(coverage(y, lower, upper, person_weights(person)))
    wide = entry(rows, model="network", metric="width", weighting="predictions", **at)
    assert wide["value"] == pytest.approx(width(lower, upper)) == pytest.approx(16)


def test_pooled_rows_count_every_horizon_and_the_headline_is_the_first_target():
    asked, predicted, band, resamples = forecasts()
    found = forecast_measures(asked, predicted, band=band, resamples=resamples)
    seen = asked.observed[:, :, 0]
    expected = rmse(asked.target[:, :, 0][seen], predicted["linear"][:, :, 0][seen])
    pooled = entry(
        found.measures, model="linear", metric="rmse", target="sbp", horizon_hours=None, weighting="predictions"
    )
    assert pooled["value"] == found.models["linear"]["rmse"]["value"] == pytest.approx(expected, rel=1e-12)
    assert list(found.models) == ["network", "linear", "persistence"]
    assert set(found.models["network"]) == {"rmse", "mae", "mse", "coverage", "width"}
    assert set(found.models["linear"]) == {"rmse", "mae", "mse"}
    assert set(found.models["linear"]["rmse"]) == {"value", "low", "high", "reason"}


@pytest.mark.parametrize("hours", [(None,), (6.0,)])
def test_one_horizon_stands_once(hours):
    asked, predicted, _, resamples = forecasts(hours=hours, targets=("sbp",))
    found = forecast_measures(asked, predicted, resamples=resamples)
    assert [row["horizon_hours"] for row in found.measures] == [hours[0]] * (3 * 3 * 2)
    assert len(found.comparisons) == 2 * 3


def test_the_network_is_compared_with_every_baseline_on_every_target():
    asked, predicted, _, resamples = forecasts()
    rows = forecast_measures(asked, predicted, resamples=resamples).comparisons
    assert len(rows) == 2 * 3 * 2
    assert {row["model"] for row in rows} == {"network"}
    seen = asked.observed[:, :, 0]
    person = np.broadcast_to(asked.person[:, None], seen.shape)[seen]
    error = {name: (each[:, :, 0] - asked.target[:, :, 0])[seen] for name, each in predicted.items()}
    alone = paired_difference(error["network"] ** 2, error["linear"] ** 2, person, resamples=resamples, root=True)
    row = entry(rows, against="linear", metric="rmse", target="sbp")
    assert [row["difference"], row["low"], row["high"]] == pytest.approx(
        [alone.difference, alone.low, alone.high], rel=1e-9
    )
    assert row["outcome"] == "better"
    assert entry(rows, against="persistence", metric="mae", target="sbp")["outcome"] == "no_difference"


def test_a_hybrid_is_a_model_of_the_study_not_a_baseline():
    asked, predicted, _, resamples = forecasts()
    rows = forecast_measures(asked, predicted | {"hybrid": predicted["linear"]}, resamples=resamples).comparisons
    assert {(row["model"], row["against"]) for row in rows} == {
        *((ours, theirs) for ours in ("network", "hybrid") for theirs in ("linear", "persistence")),
        ("hybrid", "network"),
    }


def test_a_horizon_without_interval_says_so():
    asked, predicted, (lower, upper), resamples = forecasts()
    lower, upper = lower.copy(), upper.copy()
    lower[:, 1, 0] = upper[:, 1, 0] = np.nan
    found = forecast_measures(asked, predicted, band=(lower, upper), resamples=resamples)
    at = {"model": "network", "metric": "coverage", "weighting": "people"}
    for hours in (None, 24.0):
        row = entry(found.measures, target="sbp", horizon_hours=hours, **at)
        assert row["value"] is row["low"] is None
        assert row["reason"] == "some of these predictions have no interval: too few tuning people"
    assert entry(found.measures, target="sbp", horizon_hours=6.0, **at)["value"] > 0.5
    assert entry(found.measures, target="dbp", horizon_hours=None, **at)["value"] > 0.5


def test_a_value_on_the_bound_of_its_interval_is_covered():
    asked, predicted, _, resamples = forecasts()
    known = np.where(asked.observed, asked.target, 0.0)
    for band in ((known, known + 1), (known - 1, known), (known, known)):
        found = forecast_measures(asked, predicted, band=band, resamples=resamples)
        assert found.models["network"]["coverage"]["value"] == 1.0


def test_few_people_and_no_targets_are_null_with_a_reason():
    asked, predicted, band, _ = forecasts(people=9)
    asked.observed[:, 0, 1] = False
    found = forecast_measures(asked, predicted, band=band, resamples=Resamples(asked.person))
    json.dumps(found.measures, allow_nan=False)
    row = entry(found.measures, model="linear", metric="mse", target="dbp", horizon_hours=6.0, weighting="people")
    assert (row["value"], row["people"]) == (None, 0)
    assert row["reason"] == "no held-out prediction has an observed target here"
    assert found.models["network"]["rmse"]["reason"] == "fewer than 10 held-out people: no interval"
    assert {row["outcome"] for row in found.comparisons} == {"no_difference"}


def test_a_forecast_that_is_no_number_is_refused_only_where_it_would_be_scored():
    asked, predicted, band, resamples = forecasts()
    hidden, seen = np.argwhere(~asked.observed)[0], np.argwhere(asked.observed)[0]
    predicted["linear"][tuple(hidden)] = np.nan
    forecast_measures(asked, predicted, band=band, resamples=resamples)
    predicted["linear"][tuple(seen)] = np.inf
    with pytest.raises(ValueError, match="predicted of linear must be finite, got 1"):
        forecast_measures(asked, predicted, band=band, resamples=resamples)


def test_what_does_not_fit_is_refused():
    asked, predicted, (lower, upper), resamples = forecasts()
    with pytest.raises(ValueError, match="shape of the target"):
        forecast_measures(asked, {"network": predicted["network"][:, :1]}, resamples=resamples)
    with pytest.raises(ValueError, match="upper must be at least lower"):
        forecast_measures(asked, predicted, band=(upper, lower), resamples=resamples)
    with pytest.raises(ValueError, match="missing together"):
        forecast_measures(asked, predicted, band=(np.full_like(lower, np.nan), upper), resamples=resamples)
    with pytest.raises(ValueError, match="both finite or missing"):
        forecast_measures(asked, predicted, band=(lower, np.full_like(upper, np.inf)), resamples=resamples)
    with pytest.raises(ValueError, match="at least one horizon and one target"):
        Asked(asked.target[:, :0], asked.observed[:, :0], asked.person, (), ("sbp", "dbp"))
    with pytest.raises(ValueError, match="belongs to the network"):
        forecast_measures(asked, {"linear": predicted["linear"]}, band=(lower, upper), resamples=resamples)
    with pytest.raises(ValueError, match="next record"):
        Asked(asked.target, asked.observed, asked.person, (None, 6.0), ("sbp", "dbp"))
    with pytest.raises(ValueError, match="predictions, horizons, targets"):
        Asked(asked.target, asked.observed, asked.person[1:], (1.0, 6.0), ("sbp", "dbp"))
    with pytest.raises(ValueError, match="bool"):
        Asked(asked.target, asked.observed.astype(int), asked.person, (1.0, 6.0), ("sbp", "dbp"))
    with pytest.raises(ValueError, match="target must be finite"):
        Asked(asked.target, np.ones_like(asked.observed), asked.person, (1.0, 6.0), ("sbp", "dbp"))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed):
    asked, predicted, band, resamples = forecasts(people=12)
    mixed = np.random.default_rng(seed).permutation(len(asked.person))
    again = forecast_measures(
        Asked(asked.target[mixed], asked.observed[mixed], asked.person[mixed], asked.horizon_hours, asked.targets),
        {name: each[mixed] for name, each in predicted.items()},
        band=(band[0][mixed], band[1][mixed]),
        resamples=Resamples(asked.person[mixed], 100, seed=2),
    )
    once = forecast_measures(asked, predicted, band=band, resamples=resamples)
    for one, two in zip(once.measures + once.comparisons, again.measures + again.comparisons, strict=True):
        for key, value in one.items():
            assert two[key] == (pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value)
