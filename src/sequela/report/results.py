"""Finding a number among those of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sequela.evaluate.measures import OWN_MODELS
from sequela.report.formats import Comparison, Estimate, Measure, Metrics, Subgroup

Weighting = Literal["predictions", "people"]


def model_order(metrics: Metrics, target: str | None = None) -> list[str]:
    """The models as rows: network, hybrid, then baselines from the best to the worst by RMSE or AUROC."""
    metric, sign = ("rmse", 1) if metrics.question == "forecast" else ("auroc", -1)

    def place(model: str) -> tuple[int, float, str]:
        own = {"network": 0, "hybrid": 1}.get(model, 2)
        value = estimate_of(metrics, model, metric, target).value
        return own, float("inf") if value is None or own < 2 else sign * value, model

    return sorted(metrics.models, key=place)


def chosen_in_words(metrics: Metrics) -> str:
    """Who chose the best baseline."""
    without = metrics.data is not None and metrics.data.people.tuning == 0
    return "chosen by folds of training people" if without else "chosen on tuning people"


def without_best(metrics: Metrics) -> str:
    """Return why no baseline is marked as the best one, as a sentence without its full stop."""
    if set(metrics.models) <= set(OWN_MODELS):
        return "No baseline stands beside the network"
    return "No baseline is the best: training and tuning people are too few to choose one"


def measures_of(
    metrics: Metrics, *, metric: str, target: str | None, weighting: Weighting = "predictions"
) -> list[Measure]:
    """The measures of one metric over all held-out people, by model and horizon."""
    return [
        measure
        for measure in metrics.measures
        if measure.metric == metric
        and measure.target in (None, target)
        and measure.weighting == weighting
        and measure.subgroup is None
        and measure.at is None
        and measure.threshold is None
        and not measure.recalibrated
    ]


def estimate_of(
    metrics: Metrics,
    model: str,
    metric: str,
    target: str | None,
    *,
    horizon_hours: float | None = None,
    weighting: Weighting = "predictions",
) -> Estimate:
    """One number with its interval, or an empty one.

    Without a horizon it is pooled over all of them; a study with one horizon has one row, which bears that horizon.
    The headline of `models` speaks for one target only; with several, `measures` has each target's own.
    """
    rows = [
        measure
        for measure in measures_of(metrics, metric=metric, target=target, weighting=weighting)
        if measure.model == model
    ]
    horizons = {measure.horizon_hours for measure in rows}
    if horizon_hours is None and len(horizons) == 1:
        horizon_hours = horizons.pop()
    found = [measure for measure in rows if measure.horizon_hours == horizon_hours]
    if found:
        return max(found, key=lambda measure: measure.target == target)
    if len(metrics.target) <= 1 and horizon_hours is None and weighting == "predictions":
        return headline_of(metrics, model, metric)
    return Estimate()


def headline_of(metrics: Metrics, model: str, metric: str) -> Estimate:
    """A number of `models`: what a model gives out in the end, all predictions together; or an empty one."""
    return metrics.models.get(model, {}).get(metric, Estimate())


def block_of(
    metrics: Metrics,
    *,
    at: str | None = None,
    subgroup: Subgroup | None = None,
    weighting: Weighting = "predictions",
) -> list[Measure]:
    """The measures of one prediction time or one subgroup, or those of everything together."""
    return [row for row in metrics.measures if (row.at, row.subgroup, row.weighting) == (at, subgroup, weighting)]


def events_of(metrics: Metrics) -> int | None:
    """The held-out predictions that the event followed."""
    return next((row.events for row in block_of(metrics) if row.events is not None), None)


def found_in(
    rows: Sequence[Measure],
    model: str,
    metric: str,
    *,
    threshold: float | None = None,
    recalibrated: bool | None = None,
) -> Measure | None:
    """One measure among those of a block.

    Args:
        rows: of the block.
        model: whose.
        metric: which.
        threshold: the risk from which on somebody is alerted.
        recalibrated: before (False) or after recalibration (True); None for what the model gives out in the end.
    """
    found = [row for row in rows if (row.model, row.metric, row.threshold) == (model, metric, threshold)]
    if recalibrated is not None:
        found = [row for row in found if row.recalibrated == recalibrated]
    return max(found, key=lambda row: row.recalibrated, default=None)


def difference_between(metrics: Metrics, model: str, against: str, metric: str) -> Comparison | None:
    """The paired difference of two models; one that was measured the other way round is turned about."""
    for row in metrics.comparisons:
        if row.metric == metric and (row.model, row.against) == (model, against):
            return row
        if row.metric == metric and (row.model, row.against) == (against, model):
            return _turned(row)
    return None


def _turned(row: Comparison) -> Comparison:
    """The same difference with the models exchanged."""
    other = {"better": "worse", "worse": "better"}
    return row.model_copy(
        update={
            "model": row.against,
            "against": row.model,
            "difference": None if row.difference is None else -row.difference,
            "low": None if row.high is None else -row.high,
            "high": None if row.low is None else -row.low,
            "outcome": other.get(row.outcome or "", row.outcome),
        }
    )


def comparison_with(
    metrics: Metrics, against: str, metric: str, target: str | None, *, model: str = "network"
) -> Comparison | None:
    """The paired difference of an own model to another one, for this target where it is told apart."""
    told = [
        row for row in metrics.comparisons
        if row.target == target or (row.target is None and len(metrics.target) <= 1)
    ]  # fmt: skip
    return difference_between(metrics.model_copy(update={"comparisons": told}), model, against, metric)


def horizons_of(metrics: Metrics) -> Sequence[float]:
    """The fixed horizons that were measured on their own, in hours."""
    return sorted({measure.horizon_hours for measure in metrics.measures if measure.horizon_hours is not None})
