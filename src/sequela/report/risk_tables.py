"""Tables of a risk: discrimination, calibration, comparisons, thresholds, prediction times and subgroups."""

from __future__ import annotations

from collections.abc import Sequence

from sequela.report.formats import Estimate, Metrics
from sequela.report.results import headline_of, model_order
from sequela.report.tables import Column, TableView, reasons
from sequela.report.words import DASH, fixed, interval, metric_name, model_name

DECIMALS = 3
BASELINES = {
    "logistic": "logistic regression is a ridge-penalised logistic regression on window statistics of the same records",
    "gradient_boosting": "gradient boosting is LightGBM on the same window statistics, tuned on tuning people",
    "hybrid": "the hybrid is gradient boosting that sees the network's output beside the window statistics",
}
MOVES = {"better": "better", "no_difference": "no clear difference", "worse": "worse"}
_SOME = "where there are fewer than 10 held-out people, or fewer than 5 predictions with or without the event"


def names_of(metrics: Metrics, models: Sequence[str]) -> list[str]:
    """The models as rows name them; the best baseline bears a star."""
    return [model_name(model) + (" ★" if model == metrics.best_baseline else "") for model in models]


def stacked(estimate: Estimate | None, decimals: int = DECIMALS) -> str:
    """A number and its interval on the line below."""
    if estimate is None:
        return DASH
    bounds = interval(estimate.low, estimate.high, decimals)
    return fixed(estimate.value, decimals) + (f"\n{bounds}" if bounds else "")


def _own(metrics: Metrics, models: Sequence[str]) -> frozenset[int]:
    return frozenset(place for place, model in enumerate(models) if model == "network")


def results(metrics: Metrics, *, threshold: float | None) -> TableView:
    """What each model gives out in the end: discrimination, overall accuracy, calibration, benefit."""
    models = model_order(metrics)
    columns = ["auroc", "auprc", "brier", "scaled_brier", "calibration_slope", "ici", "net_benefit"]
    columns = columns[: None if threshold is not None else -1]
    cells = [[headline_of(metrics, model, metric) for metric in columns] for model in models]
    headings = [metric_name(metric) for metric in columns]
    if threshold is not None:
        headings[-1] = f"Net benefit at {percent(threshold)}"
    notes = ["Each number stands above its 95 % interval."]
    if metrics.best_baseline is not None:
        notes.append("★ the best baseline, chosen on tuning people.")
    explained = [BASELINES[model] for model in models if model in BASELINES]
    if explained:
        notes.append(f"{'; '.join(explained)}.".capitalize().replace("lightgbm", "LightGBM"))
    return TableView(
        caption=f"Risk of {metrics.target[0]} in held-out people, as each model gives it out",
        columns=[Column("Model"), *(Column(heading, "stacked") for heading in headings)],
        rows=[
            [name, *(stacked(one, 4 if metric in ("brier", "net_benefit") else DECIMALS) for metric, one in row)]
            for name, row in zip(
                names_of(metrics, models), ([*zip(columns, row, strict=True)] for row in cells), strict=True
            )
        ],
        notes=[*notes, *reasons([one for row in cells for one in row])],
        strong=_own(metrics, models),
    )


def percent(share: float) -> str:
    """A risk in per cent, without needless decimals."""
    return f"{100 * share:.4g}\N{NO-BREAK SPACE}%"
