"""`curves.json`: what the figures draw, aggregated over enough people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.cohort import ForecastQuestion, Labels
from sequela.evaluate import error_by, hexagons, supported_range
from sequela.study.material import HeldOut, Material

Floats = NDArray[np.float64]
_FEWEST_PEOPLE = 11
_BANDS = 8
_HOURS = {"hours": 1.0, "days": 24.0, "years": 24 * 365.25}


def forecast_curves(material: Material, unseen: HeldOut, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each target the hexagons of predicted against observed, and the error by gap and by history."""
    drawn = ["network", *([metrics["best_baseline"]] if metrics["best_baseline"] else [])]
    question = material.settings.question
    assert isinstance(question, ForecastQuestion)
    return [_of_target(material, unseen, drawn, k, target) for k, target in enumerate(question.targets)]


def _of_target(material: Material, unseen: HeldOut, drawn: list[str], k: int, target: str) -> dict[str, Any]:
    labels, asked = material.cohort.labels, material.cohort.asked
    assert isinstance(labels, Labels)
    observed = labels.value[unseen.prediction][:, :, k]
    known = ~np.isnan(observed)
    person = np.repeat(asked.person[unseen.prediction][:, None], known.shape[1], axis=1)[known]
    enough = max(_FEWEST_PEOPLE, material.settings.prepare.min_people)
    found: dict[str, Any] = {"target": target, "unit": material.evidence.unit_of(target), "hexagons": None}
    found |= {"error_by_gap": [], "gap_unit": "hours", "error_by_history": []}
    if len(np.unique(person)) < enough:
        return found
    error = {model: (unseen.predicted[model][:, :, k] - observed)[known] for model in drawn}
    cells = hexagons(observed[known], unseen.predicted["network"][:, :, k][known], person, min_people=enough)
    both = np.concatenate([observed[known], unseen.predicted["network"][:, :, k][known]])
    low, high = supported_range(both, np.concatenate([person, person]), enough)
    found["hexagons"] = {
        "size_x": cells.width,
        "cells": [
            {"x": x, "y": y, "predictions": count} for x, y, count in zip(cells.x, cells.y, cells.count, strict=True)
        ],
        "hidden_predictions": cells.not_shown,
        "low": low,
        "high": high,
    }
    hours = labels.hours[unseen.prediction][:, :, k][known]
    unit = _readable_unit(hours)
    found["gap_unit"] = unit
    found["error_by_gap"] = _bands(hours / _HOURS[unit], error, person, enough)
    records = np.repeat(asked.records[unseen.prediction][:, None], known.shape[1], axis=1)[known]
    found["error_by_history"] = _bands(records.astype(np.float64), error, person, enough)
    return found


def _readable_unit(hours: Floats) -> str:
    middle = float(np.median(hours))
    return "hours" if middle < 72 else "days" if middle < 24 * 730 else "years"


def _bands(x: Floats, error: dict[str, Floats], person: NDArray[np.int64], enough: int) -> list[dict[str, Any]]:
    by_model = {model: error_by(x, miss, person, _BANDS, min_people=enough) for model, miss in error.items()}
    return [
        {
            "low": band.low,
            "high": band.high,
            "people": band.people,
            "predictions": band.predictions,
            "models": {
                model: {"rmse": bands[place].rmse, "mae": bands[place].mae} for model, bands in by_model.items()
            },
        }
        for place, band in enumerate(by_model["network"])
    ]
