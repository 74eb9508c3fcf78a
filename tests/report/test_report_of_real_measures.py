"""What `sequela.evaluate` computes is what the report shows: one horizon, two targets, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from report_pages import figures_of, page_of, text_of
from run_folders import read_json, write_json
from test_report_terminal import printed

from sequela.evaluate import Asked, Resamples, error_by, forecast_measures, hexagons, verdict
from sequela.report.formats import Metrics
from sequela.report.results import comparison_with
from sequela.report.words import fixed


def test_numbers_of_evaluate_reach_the_page(run_folder: Callable[..., Path]) -> None:
    random = np.random.default_rng(11)
    person = np.repeat(np.arange(150), 8)
    truth = random.normal([130.0, 80.0], 15, (1200, 1, 2))
    forecasts = {
        name: truth + random.normal(0, spread, truth.shape) for name, spread in (("network", 9), ("linear", 11))
    }
    asked = Asked(truth, np.ones(truth.shape, dtype=bool), person, [6.0], ["sbp", "dbp"])
    band = (forecasts["network"] - 15, forecasts["network"] + 15)
    found = forecast_measures(asked, forecasts, band=band, resamples=Resamples(person, 100, seed=1))
    sentence = verdict(found.models, found.comparisons, best_baseline="linear", people=150, unit="mmHg")

    run = run_folder(targets=("sbp", "dbp"), horizons=(6,), baselines=("linear",))
    metrics = read_json(run / "metrics.json")
    metrics |= {
        "models": found.models,
        "measures": found.measures,
        "comparisons": found.comparisons,
        "verdict": sentence,
    }
    write_json(run / "metrics.json", metrics)
    curves = read_json(run / "curves.json")
    for place, target in enumerate(curves["targets"]):
        cells = hexagons(truth[:, 0, place], forecasts["network"][:, 0, place], person, gridsize=20)
        target["hexagons"] = {
            "size_x": cells.width,
            "cells": [
                {"x": x, "y": y, "predictions": count}
                for x, y, count in zip(cells.x, cells.y, cells.count, strict=True)
            ],
            "hidden_predictions": cells.not_shown,
        }
        errors = {name: (guess - truth)[:, 0, place] for name, guess in forecasts.items()}
        bands = {name: error_by(person % 7 + 1, error, person, bins=4) for name, error in errors.items()}
        target["error_by_history"] = [
            {"low": own.low, "high": own.high, "people": own.people, "predictions": own.predictions,
             "models": {"network": {"rmse": own.rmse}, "linear": {"rmse": other.rmse}}}
            for own, other in zip(bands["network"], bands["linear"], strict=True)
        ]  # fmt: skip
    write_json(run / "curves.json", curves)

    page = page_of(run)
    text, table = text_of(page), printed(run)
    assert sentence.replace("\N{NO-BREAK SPACE}", " ") in text
    assert len(figures_of(page)) == 9
    for row in found.measures:
        if row["metric"] == "rmse" and row["weighting"] == "predictions":
            assert f" {fixed(row['value'], 2)} [" in text, row
            assert fixed(row["value"], 2) in table
    assert "sbp predictions equal 90.0" in text
    assert "dbp people equal 90.0" in text
    assert "1 or more" not in text
    assert "up to" in text


def test_the_difference_to_a_hybrid_is_told_from_the_networks_side(run_folder: Callable[..., Path]) -> None:
    metrics = read_json(run_folder(targets=("sbp", "dbp")) / "metrics.json")
    bounds = {"difference": 0.4, "low": 0.1, "high": 0.7, "outcome": "worse", "reason": None}
    pair = {"model": "hybrid", "against": "network", "metric": "rmse", "target": "dbp", **bounds}
    found = comparison_with(Metrics.model_validate(metrics | {"comparisons": [pair]}), "hybrid", "rmse", "dbp")
    assert found is not None
    assert (found.difference, found.low, found.high, found.outcome) == (-0.4, -0.7, -0.1, "better")
    assert comparison_with(Metrics.model_validate(metrics | {"comparisons": [pair]}), "hybrid", "rmse", "sbp") is None


def test_a_hybrid_stands_beside_the_baselines_with_its_own_differences(run_folder: Callable[..., Path]) -> None:
    run = run_folder(targets=("sbp", "dbp"))
    metrics = read_json(run / "metrics.json")
    metrics["models"]["hybrid"] = metrics["models"]["network"]
    for rows in (metrics["measures"], metrics["comparisons"]):
        rows += [row | {"model": "hybrid"} for row in rows if row["model"] == "network"]
    for pair in metrics["comparisons"]:
        if pair["model"] == "hybrid" and pair["against"] == metrics["best_baseline"]:
            pair |= {"difference": 0.31, "low": 0.12, "high": 0.55, "outcome": "worse"}
    write_json(run / "metrics.json", metrics)
    text = text_of(page_of(run))
    assert text.split("What was asked")[0].count("Hybrid less baseline +0.31 mmHg [0.12, 0.55] hybrid worse") == 2
    assert "Linear (ridge) ★ +0.31 [" in text.split("The hybrid's error of dbp")[1]
