"""What it would take to change the conclusion: the measure when every value that was not measured is shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sequela.cohort import HELD_OUT
from sequela.evaluate import Estimate, Resamples, auroc, bootstrap_interval, bootstrap_metric
from sequela.evaluate.verdict import decimals, spoken
from sequela.predict import finished, outputs
from sequela.study.material import Fit, Floats, Material
from sequela.study.watch import Watch

SHIFTS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # standard deviations of the training values
_METRIC = {"risk": "auroc", "forecast": "rmse"}


def missing_sensitivity(
    material: Material, fits: Sequence[Fit], metrics: dict[str, Any], watch: Watch
) -> dict[str, Any] | None:
    """Return the network's headline measure by shift for `curves.json`; None where the study does not ask for it.

    A forecast is judged by its first target, over all horizons.
    """
    settings = material.settings
    if not settings.evaluate.missing_sensitivity:
        return None
    watch.stage("Shifting what was not measured")
    metric = _METRIC[settings.question.kind]
    headline = metrics["models"]["network"][metric]
    if headline["value"] is None:  # too few to say
        found = [(shift, Estimate(None, reason=headline["reason"])) for shift in SHIFTS]
    else:
        found = _by_shift(material, fits, metric, watch)
    return {
        "metric": metric,
        "points": [{"shift": shift, **point.as_dict()} for shift, point in found],
        "verdict": _verdict(metric, found, metrics),
    }


def _by_shift(material: Material, fits: Sequence[Fit], metric: str, watch: Watch) -> list[tuple[float, Estimate]]:
    """Return each shift with the network's measure on held-out people."""
    rows = [np.flatnonzero(fit.split.part == HELD_OUT) for fit in fits]
    labels = np.concatenate([_first(material.labels[row]) for row in rows])
    person = np.concatenate([material.cohort.asked.person[row] for row in rows])
    resamples = Resamples(person, material.settings.evaluate.bootstrap, material.settings.train.seed)
    found: list[tuple[float, Estimate]] = []
    for number, shift in enumerate(SHIFTS, start=1):
        said = [_first(_shifted(material, fit, row, shift)) for fit, row in zip(fits, rows, strict=True)]
        found.append((shift, _measured(metric, labels, np.concatenate(said), person, resamples)))
        watch.counting(number, len(SHIFTS))
    return found


def _shifted(material: Material, fit: Fit, rows: np.ndarray[Any, np.dtype[np.int64]], shift: float) -> Floats:
    cohort = material.cohort
    sequences = cohort.sequences.take(rows)
    raw = outputs(
        fit.bundle, cohort.timeline, material.evidence.facts, sequences, imputed_shift=shift, only_network=True
    )
    return finished(fit.bundle, raw).predicted["network"]


def _first(values: Floats) -> Floats:
    """Return risks [Q], or the first target [Q, horizons]."""
    return values if values.ndim == 1 else values[:, :, 0]


def _measured(metric: str, labels: Floats, said: Floats, person: Any, resamples: Resamples) -> Estimate:
    if metric == "auroc":
        return bootstrap_metric(lambda weight: auroc(labels, said, weight), person, resamples=resamples)
    known = ~np.isnan(labels)
    whose = np.broadcast_to(person[:, None], known.shape)[known]
    return bootstrap_interval((said - labels)[known] ** 2, whose, resamples=resamples, root=True)


def _verdict(metric: str, found: list[tuple[float, Estimate]], metrics: dict[str, Any]) -> str:
    """Return in a sentence whether a shift moves the network across its best baseline."""
    best = metrics["best_baseline"]
    values = {shift: point.value for shift, point in found if point.value is not None}
    if 0.0 not in values:
        return f"There is no verdict: {found[0][1].reason or 'the measure cannot be computed'}."
    name = "AUROC" if metric == "auroc" else "RMSE"
    places = 3 if metric == "auroc" else decimals(values[0.0])
    low, high = (f"{end:.{places}f}" for end in (min(values.values()), max(values.values())))
    spread = f"Shifting by -2 to +2 standard deviations moves the network's {name} between {low} and {high}"
    other = metrics["models"].get(best, {}).get(metric, {}).get("value") if best else None
    if other is None:
        return f"{spread}."
    sign = 1 if metric == "auroc" else -1
    ahead = {shift: sign * (value - other) > 0 for shift, value in values.items()}
    changed = [shift for shift in sorted(values, key=abs) if ahead[shift] != ahead[0.0]]
    against = f"the best baseline, {spoken(best)} ({other:.{places}f})"
    if not changed:
        return f"{spread}: it stays on the same side of {against}."
    return f"{spread}: a shift of {changed[0]:+g} standard deviations takes it to the other side of {against}."
