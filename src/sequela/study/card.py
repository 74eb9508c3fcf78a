"""The card of a bundle: what the model is for, on whom it learned, how well it did. It is made to leave the house."""

from __future__ import annotations

from typing import Any

import numpy as np

from sequela.cohort import HELD_OUT, Split
from sequela.report.formats import Metrics
from sequela.report.performance import performance, verdict_outside
from sequela.study.kinds import kind_of
from sequela.study.material import Fit, Floats, Material
from sequela.study.profile import split_counts


def card(material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the card; nothing in it tells a count of 1 to 10."""
    counts, told = split_counts(material, fits), Metrics.model_validate(metrics)
    people, predictions = counts["people"]["held_out"], _judged(material.labels, [fit.split for fit in fits])
    return {
        "format": 1,
        "name": material.settings.name,
        "intended_use": (
            f"{kind_of(material).intended_use(material)} "
            "Not for decisions about single patients without a study of its own at the place of use."
        ),
        "data": {what: _coarse(by_split) for what, by_split in counts.items()},
        "performance": performance(
            told,
            people=people,
            predictions=predictions,
            thresholds=material.settings.evaluate.thresholds,
        ),
        "best_baseline": metrics["best_baseline"],
        "verdict": verdict_outside(told, people=people, predictions=predictions),
        "performance_is_of": "this network" if len(fits) == 1 else "networks of the folds; this one was fitted on all",
    }


def _judged(labels: Floats, splits: list[Split]) -> int:
    """Return the held-out predictions; of a forecast the held-out values of its first target."""
    held_out = labels[np.any([split.part == HELD_OUT for split in splits], axis=0)]
    return len(held_out) if held_out.ndim == 1 else int((~np.isnan(held_out[:, :, 0])).sum())


def _coarse(counts: dict[str, int]) -> dict[str, int | str]:
    """Return the counts; 1 to 10 are not told."""
    return {name: "fewer than 11" if 0 < count < 11 else count for name, count in counts.items()}
