"""What would follow from acting at each threshold, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sequela.evaluate.measures import OWN_MODELS
from sequela.report.formats import Measure, Metrics
from sequela.report.privacy import FEW
from sequela.report.results import block_of, found_in
from sequela.report.risk_groups import Crowd, Groups, Told, benefit_range, coarse_benefit, groups_at, spread, told_at
from sequela.report.risk_tables import coarse_share, stacked
from sequela.report.tables import Column, TableView
from sequela.report.words import DASH, model_name, threshold_in_words


def thresholds(metrics: Metrics, crowd: Crowd, *, at: Sequence[float]) -> TableView | None:
    """What would follow from acting at each threshold: own models, the best baseline, and treating all."""
    rows = block_of(metrics)
    models = [model for model in (*OWN_MODELS, metrics.best_baseline) if model in metrics.models]
    if not at or crowd.has_few:
        return None
    body: list[list[str]] = []
    strong = set()
    told = {model: told_at(rows, str(model), at, crowd) for model in models}
    for threshold in at:
        for place, model in enumerate(models):
            if model == "network":
                strong.add(len(body))
            body.append([threshold_in_words(threshold) if not place else "", model_name(str(model)),
                         *_acting(rows, str(model), threshold, crowd, told[model].get(threshold))])  # fmt: skip
        everybody = found_in(rows, "treat_all", "net_benefit", threshold=threshold)
        if everybody is not None:
            body.append(["", model_name("treat_all"), "100", "100", "0", DASH, DASH, stacked(everybody, 4)])
    notes = [
        "Alerts: of 100 predictions, those with a risk at or above the threshold.",
        "PPV: share of alerts that were followed by the event. NPV: share without an alert who stayed free of it.",
        "Net benefit: true alerts for each prediction, less false alerts weighted by the odds of the threshold.",
        "Treating nobody has the net benefit 0.",
    ]
    hidden = [one for each in told.values() for one in each.values() if one is None or not one.is_exact]
    if any(one is not None for one in hidden):
        notes.append(
            f"A range stands where one of the four groups behind a number has {FEW} predictions: from the least to "
            "the most that it may be."
        )
    if None in hidden:
        notes.append(f"Shares are coarse where {FEW} predictions lie between two thresholds.")
    return TableView(
        caption="If one acted at these risks (%, as given out)",
        columns=[Column("Threshold"), Column("Model"), *(Column(heading, "stacked") for heading in (
            "Alerts of 100", "Sensitivity", "Specificity", "PPV", "NPV", "Net benefit"))],
        rows=body,
        notes=notes,
        strong=frozenset(strong),
    )  # fmt: skip


def _acting(rows: Sequence[Measure], model: str, threshold: float, crowd: Crowd, told: Told | None) -> list[str]:
    """Alerts, sensitivity, specificity, predictive values and net benefit, as they may be told."""
    found = {
        metric: found_in(rows, model, metric, threshold=threshold)
        for metric in ("alerts_per_100", "sensitivity", "specificity", "ppv", "npv")
    }
    benefit = found_in(rows, model, "net_benefit", threshold=threshold)
    groups = groups_at(rows, model, threshold, crowd)
    if groups is None:
        return [*[DASH] * 5, stacked(benefit, 4)]
    if told is None:
        return _coarsely(groups, found, benefit)
    scales = {"alerts_per_100": 1.0}
    exact = [stacked(one, 1, times=scales.get(metric, 100.0)) for metric, one in found.items()]
    if told.is_exact:
        return [*exact, stacked(benefit, 4)]
    shares = told.shares()
    cells = [
        DASH if found[metric] is None else text if low == high else spread((100 * low, 100 * high), 1)
        for (metric, (low, high)), text in zip(shares.items(), exact, strict=True)
    ]
    return [*cells, "\n".join(filter(None, benefit_range(told, benefit, threshold)))]


def _coarsely(groups: Groups, found: Mapping[str, Measure | None], benefit: Measure | None) -> list[str]:
    """The same where few predictions lie between this threshold and another."""
    events, free = groups.true_alerts + groups.missed, groups.false_alerts + groups.quiet
    bases = {
        "alerts_per_100": events + free,
        "sensitivity": events,
        "specificity": free,
        "ppv": groups.alerts,
        "npv": events + free - groups.alerts,
    }
    shares = {metric: None if one is None else one.value for metric, one in found.items()}
    shares["alerts_per_100"] = groups.alerts / (events + free)
    return [*(coarse_share(shares[metric], of) for metric, of in bases.items()), coarse_benefit(benefit, events + free)]
