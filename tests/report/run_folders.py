"""Complete, made-up run folders of every kind that the report must draw."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

BASELINES = ("persistence", "mean", "linear", "gradient_boosting")

STUDY = """name = {name}

[[records]]
name = "visits"
source = "csv"
path = "visits.csv"
role = "input"
layout = "visits"
subject = "id"
time = "days"
time_unit = "days"

[[records]]
name = "patients"
source = "csv"
path = "patients.csv"
role = "input"
layout = "static"
subject = "id"

[question]
kind = "forecast"
target = {target}
from = "first record"
to = "last record"
at = "every record"
horizon = {horizon}
tolerance = "auto"
history = "all"
min_records = 1

[split]
by = "subject"
fractions = [0.7, 0.15, 0.15]
folds = {folds}
seed = 0

[prepare]
plausible = {{ sbp = [40, 300] }}
missing = "last"
scale = "standard"
min_people = 11

[model]
cell = "lstm"
inputs = ["values", "observed", "gaps"]
hidden = [64]
layers = 1
interval = 0.9

[train]
epochs = 100
batch_size = 32
learning_rate = 0.001
patience = 10
seed = 0

[evaluate]
at = "same"
baselines = {baselines}
{reason}bootstrap = 500

[report]
individuals = {individuals}
"""


def write_run(
    folder: Path,
    *,
    name: str = "Next systolic pressure",
    targets: tuple[str, ...] = ("sbp",),
    units: dict[str, str | None] | None = None,
    horizons: tuple[float, ...] = (),
    folds: int = 1,
    losing: bool = False,
    few: bool = False,
    baselines: tuple[str, ...] = BASELINES,
    individuals: bool = False,
) -> Path:
    """Write a run folder as `sequela run` leaves it, without the report.

    Args:
        folder: created here.
        name: of the study.
        targets: codes that were forecast.
        units: unit of each target; mmHg where not given.
        horizons: fixed horizons in hours; none means the next record.
        folds: of the cross-validation.
        losing: the best baseline is better than the network.
        few: too few held-out people for intervals and figures.
        baselines: beside the network.
        individuals: whether the study allows courses of single people.
    """
    folder.mkdir(parents=True, exist_ok=True)
    units = dict.fromkeys(targets, "mmHg") | (units or {})
    horizon = json.dumps([f"{hours:g}h" for hours in horizons] if horizons else "next record")
    study = STUDY.format(
        name=json.dumps(name, ensure_ascii=False),
        target=json.dumps(list(targets) if len(targets) > 1 else targets[0], ensure_ascii=False),
        horizon=horizon,
        folds=folds,
        baselines=json.dumps("default" if baselines else []),
        reason="" if baselines else 'reason = "a test of the training loop <alone>"\n',
        individuals=str(individuals).lower(),
    )
    (folder / "study.toml").write_text(study, encoding="utf-8")
    write_json(folder / "metrics.json", _metrics(targets, horizons, losing=losing, few=few, baselines=baselines))
    write_json(folder / "history.json", _history(folds))
    write_json(folder / "profile.json", _profile(name, targets, units, folds=folds, few=few, horizons=horizons))
    write_json(folder / "curves.json", _curves(targets, units, few=few, baselines=baselines))
    write_json(folder / "environment.json", environment())
    if individuals:
        _predictions(targets).write_parquet(folder / "predictions.parquet")
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _estimate(value: float, spread: float, *, few: bool) -> dict[str, float | None]:
    if few:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": value - spread, "high": value + spread}


def _metrics(
    targets: tuple[str, ...], horizons: tuple[float, ...], *, losing: bool, few: bool, baselines: tuple[str, ...]
) -> dict[str, Any]:
    errors = {"network": 17.412, "persistence": 20.937, "mean": 18.284, "linear": 17.103 if losing else 17.866}
    errors["gradient_boosting"] = 17.233 if losing else 17.978
    names = ["network", *baselines]
    reason = "fewer than 10 held-out people" if few else None
    models = {
        model: {
            "rmse": _estimate(errors[model], 0.91, few=few),
            "mae": _estimate(errors[model] * 0.77, 0.62, few=few),
            "mse": _estimate(errors[model] ** 2, 31.4, few=few),
        }
        for model in names
    }
    models["network"]["coverage"] = _estimate(0.908, 0.014, few=few)
    models["network"]["width"] = _estimate(56.31, 0.0, few=few)
    measures = []
    for place, target in enumerate(targets):
        for weighting, factor in (("predictions", 1.0), ("people", 1.04)):
            for horizon in (None, *horizons):
                longer = factor * (1 - 0.3 * place) * (1 + 0.05 * math.log1p((horizon or 0) / 6))
                for model in names:
                    error = errors[model] * longer
                    found = {"rmse": (error, 0.91), "mae": (error * 0.77, 0.62), "mse": (error**2, 31.4)}
                    if model == "network":
                        found |= {"coverage": (0.908 / factor**0.5, 0.014), "width": (56.31 * factor, 0.31)}
                    for metric, (value, spread) in found.items():
                        estimate = _estimate(value, spread, few=few)
                        base = dict.fromkeys(("cause", "at", "subgroup", "threshold", "events"))
                        measures.append(
                            base | {"model": model, "metric": metric, "target": target, "horizon_hours": horizon,
                             "recalibrated": False, "weighting": weighting,
                             "people": 7 if few else 1874 - 4 * bool(horizon), "reason": reason, **estimate}
                        )  # fmt: skip
    comparisons = []
    for target in targets:
        for model in baselines:
            difference = errors["network"] - errors[model]
            outcome = (
                "no_difference"
                if few
                else "better"
                if difference < -0.2
                else "worse"
                if difference > 0.2
                else "no_difference"
            )
            comparisons.append(
                {"model": "network", "against": model, "metric": "rmse", "target": target, "difference": difference,
                 "low": None if few else difference - 0.19, "high": None if few else difference + 0.2,
                 "outcome": outcome, "reason": reason}
            )  # fmt: skip
    verdicts = {
        "won": "The network forecasts the next systolic pressure with a smaller error than the best baseline, linear "
        "(ridge): 17.41 against 17.87 mmHg, a difference of −0.45 mmHg (95 % interval −0.64 to −0.25).",
        "lost": "The network does not earn its place: linear (ridge), the best baseline, errs less (17.10 against "
        "17.41 mmHg; difference +0.31, 95 % interval 0.12 to 0.51).",
        "few": "There are only 7 held-out people, too few to say whether the network earns its place.",
        "alone": "No baseline stands beside the network, so this run cannot say whether it earns its place.",
    }
    verdict = verdicts["few" if few else "alone" if not baselines else "lost" if losing else "won"]
    return {
        "format": 1, "question": "forecast", "target": list(targets),
        "data": {"people": {"train": 8746, "tuning": 1874, "held_out": 1874},
                 "predictions": {"train": 61234, "tuning": 13012, "held_out": 12876}},
        "models": models, "measures": measures, "comparisons": comparisons,
        "best_baseline": "linear" if "linear" in baselines else None, "verdict": verdict,
    }  # fmt: skip


def _history(folds: int) -> dict[str, Any]:
    fits = []
    for fold in range(folds):
        epochs = []
        for epoch in range(1, 32 + 3 * fold):
            wobble = 0.006 * math.sin(epoch * (2.1 + 0.3 * fold))
            train = 0.62 + 0.38 * math.exp(-epoch / 6) - 0.001 * epoch
            tuning = 0.655 + 0.34 * math.exp(-epoch / 5.5) + 0.00006 * epoch**2 + wobble
            epochs.append({"epoch": epoch, "train_loss": train, "tuning_loss": tuning, "seconds": 0.4})
        best = min(epochs, key=lambda one: one["tuning_loss"])["epoch"]
        fits.append({"fold": fold, "best_epoch": best, "stopped": "patience", "epochs": epochs})
    return {"format": 1, "loss": "squared", "fits": fits}


def _variable(code: str, unit: str | None, rows: int, share: float, people: int, **more: Any) -> dict[str, Any]:
    base = {"code": code, "kind": "number", "unit": unit, "people": people, "values": round(rows * (1 - share)),
            "missing_share": share, "implausible": 0, "plausible": None, "used": True, "reason": None}  # fmt: skip
    return base | more


def _profile(
    name: str,
    targets: tuple[str, ...],
    units: dict[str, str | None],
    *,
    folds: int,
    few: bool,
    horizons: tuple[float, ...],
) -> dict[str, Any]:
    people = {"train": 34, "tuning": 8, "held_out": 7} if few else {"train": 8746, "tuning": 1874, "held_out": 1874}
    predictions = (
        {"train": 210, "tuning": 52, "held_out": 9} if few else {"train": 61234, "tuning": 13012, "held_out": 12876}
    )
    total, made = sum(people.values()), sum(predictions.values())
    read = total + 6 if few else 17549
    rows = 40 * read if few else 98_211
    out = round(0.16 * made)
    variables = [
        _variable(target, units[target], rows, 0.032, total, implausible=37, plausible=[40, 300]) for target in targets
    ]
    variables += [
        _variable("dbp", "mmHg", rows, 0.034, total - 3, implausible=3, plausible=[20, 200]),
        _variable("chol", "mg/dL", rows, 0.712, round(0.88 * total)),
        _variable("hdl", None, rows, 0.784, round(0.79 * total)),
        _variable("smoking", None, rows, 0.9, total // 2, kind="category"),
        _variable(
            "bmi", "kg/m2", rows, 0.941, 8, values=12, used=False, reason="measured in fewer than min_people people"
        ),
        _variable("sex", None, rows, 0.0, read, kind="static category", values=read),
        _variable("birth", "years", rows, 5 / read, read - 5, kind="static number", values=read - 5),
    ]
    return {
        "format": 1, "name": name, "clock": {"calendar": False, "unit": "days"},
        "tables": [
            {"name": "visits", "file": "visits.csv", "layout": "visits", "rows": rows, "people": read - 3},
            {"name": "patients", "file": "patients.csv", "layout": "static", "rows": read, "people": read},
        ],
        "people": {"read": read, "asked": total + 5, "predicted": total},
        "events": 2 * rows, "instants": rows - 7,
        "counts": [
            {"table": "visits", "reason": "several values at one instant averaged", "code": "sbp", "rows": 3},
            {"table": "visits", "reason": "row repeated", "code": None, "rows": 41},
            {"table": "patients", "reason": "person without any record", "code": None, "rows": 0},
        ],
        "variables": variables,
        "exclusions": [
            {"reason": "no next record", "predictions": out, "people": total - 4},
            {"reason": "fewer records than min_records", "predictions": 7, "people": 4},
        ],
        "asked": {"predictions": made + out + 7, "without_target_share": out / (made + out + 7), "nothing_seen": 214,
                  "horizon_hours_quartiles": None if horizons else [24 * 92.0, 24 * 203.0, 24 * 401.0]},
        "split": {"by": "subject", "fractions": [0.7, 0.15, 0.15], "people": people, "predictions": predictions,
                  "folds": folds},
        "network": {"parameters": 21_313, "cell": "lstm", "hidden": [64], "predictions_train": predictions["train"],
                    "people_train": people["train"],
                    "warning": "The network has 101 parameters a training prediction; it may learn people by heart."
                    if few else None},
    }  # fmt: skip


def _curves(
    targets: tuple[str, ...], units: dict[str, str | None], *, few: bool, baselines: tuple[str, ...]
) -> dict[str, Any]:
    gaps = [(None, 30), (30, 90), (90, 180), (180, 365), (365, 730), (730, None)]
    lengths = [(None, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, None)]
    names = ["network", *baselines]

    def bands(limits: list[tuple[int | None, int | None]], slope: float) -> list[dict[str, Any]]:
        return [
            {"low": low, "high": high, "people": 6 if few else 900 - 90 * place, "predictions": 2900 - 311 * place,
             "models": {model: {"rmse": 17 + slope * place + row / 3, "mae": 12} for row, model in enumerate(names)}}
            for place, (low, high) in enumerate(limits)
        ]  # fmt: skip

    return {
        "format": 1,
        "targets": [
            {"target": target, "unit": units[target], "hexagons": None if few else _hexagons(), "gap_unit": "days",
             "error_by_gap": bands(gaps, 0.45), "error_by_history": bands(lengths, -0.3)}
            for target in targets
        ],
    }  # fmt: skip


def _hexagons() -> dict[str, Any]:
    random = np.random.default_rng(5)
    predicted = random.normal(131, 11, 12_876)
    observed = predicted + random.normal(0, 17, 12_876)
    width, height = 5.0, 5.0 * math.sqrt(3)
    counts: dict[tuple[float, float], int] = {}
    for x, y in zip(predicted, observed, strict=True):
        first = (round(x / width) * width, round(y / height) * height)
        second = ((math.floor(x / width) + 0.5) * width, (math.floor(y / height) + 0.5) * height)
        near = min(first, second, key=lambda at: (at[0] - x) ** 2 + 3 * (at[1] - y) ** 2)
        counts[near] = counts.get(near, 0) + 1
    cells = [{"x": x, "y": y, "predictions": count} for (x, y), count in sorted(counts.items()) if count >= 14]
    hidden = 12_876 - sum(cell["predictions"] for cell in cells)
    return {"size_x": width, "size_y": height, "cells": cells, "hidden_predictions": hidden, "low": 80, "high": 190}


def environment() -> dict[str, Any]:
    return {
        "format": 1, "sequela": "0.1.0", "python": "3.11.7", "platform": "Linux-6.1-x86_64",
        "packages": {"torch": "2.13.0", "polars": "2.1.0", "numpy": "2.4.6"}, "threads": 2,
        "native": {"version": "0.1.0", "instructions": "avx2"}, "seed": 0, "started": "2026-11-22T09:30:00Z",
        "seconds": 143.4, "command": "sequela run study.toml",
    }  # fmt: skip


def _predictions(targets: tuple[str, ...]) -> pl.DataFrame:
    random = np.random.default_rng(3)
    rows = []
    for person in range(40):
        days = np.cumsum(random.integers(40, 400, int(random.integers(2, 14)))).tolist()
        level = random.normal(132, 12)
        for target in targets:
            for before, after in pairwise(days):
                value = level + random.normal(0, 14)
                for model in ("network", "linear"):
                    guess = level + random.normal(0, 5)
                    rows.append(
                        {"subject_id": f"secret-{person:03d}", "episode_start": float(days[0]),
                         "prediction_time": float(before),
                         "split": "held_out" if person % 2 else "train", "fold": 0, "model": model, "code": target,
                         "flags": "", "horizon_hours": 24.0 * (after - before), "target": value, "predicted": guess,
                         "lower": guess - 28 if model == "network" else None,
                         "upper": guess + 28 if model == "network" else None}
                    )  # fmt: skip
    return pl.DataFrame(rows)
