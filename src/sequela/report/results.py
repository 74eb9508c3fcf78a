"""Finding a number among those of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sequela.report.formats import Comparison, Estimate, Measure, Metrics

Weighting = Literal["predictions", "people"]


def model_order(metrics: Metrics, target: str | None = None) -> list[str]:
    """The models as rows: network, hybrid, then baselines from the smallest error to the largest."""

    def place(model: str) -> tuple[int, float, str]:
        own = {"network": 0, "hybrid": 1}.get(model, 2)
        error = estimate_of(metrics, model, "rmse", target).value
        return own, float("inf") if error is None or own < 2 else error, model

    return sorted(metrics.models, key=place)


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
        return metrics.models.get(model, {}).get(metric, Estimate())
    return Estimate()


def comparison_with(metrics: Metrics, against: str, metric: str, target: str | None) -> Comparison | None:
    """The paired difference of the network to another model, for this target where it is told apart."""
    found = [
        comparison
        for comparison in metrics.comparisons
        if comparison.model == "network"
        and comparison.against == against
        and comparison.metric == metric
        and (comparison.target == target or (comparison.target is None and len(metrics.target) <= 1))
    ]
    return found[0] if found else None


def horizons_of(metrics: Metrics) -> Sequence[float]:
    """The fixed horizons that were measured on their own, in hours."""
    return sorted({measure.horizon_hours for measure in metrics.measures if measure.horizon_hours is not None})
