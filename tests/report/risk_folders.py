"""Complete, made-up run folders of a risk: simulated people, judged by `sequela.evaluate`; the rest by hand."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from run_folders import environment, write_json

from sequela.evaluate import Resamples, RiskAsked, fit_recalibration, risk_curves, risk_measures, risk_verdict

Floats = NDArray[np.float64]
THRESHOLDS = (0.1, 0.2)
WINDOWS = ("last 6 h", "6-24 h before", "more than 24 h before")

STUDY = """name = "Death in intensive care"

[[records]]
name = "stays"
source = "{source}"
path = "stays"
role = "input"
layout = "long"

[[records]]
name = "outcomes"
source = "csv"
path = "outcomes.csv"
role = "outcome"
layout = "static"
subject = "id"

[question]
kind = "risk"
from = "origin"
to = "last record"
at = {at}
history = "all"
min_records = 0
outcome = {outcome}
follow_up = "last record"
incomplete = "exclude"

[split]
by = "subject"
fractions = [0.7, 0.15, 0.15]
folds = 1
seed = 0

[prepare]
plausible = "default"
missing = "last"
scale = "standard"

[model]
cell = "gru"
inputs = ["values", "observed", "gaps"]
hidden = 32
readout = ["last", "mean"]
members = {members}
hybrid = {hybrid}
recalibrate = "{recalibrate}"
interval = 0.9

[train]
epochs = 12
patience = 10
seed = 0

[evaluate]
at = "same"
baselines = {baselines}
{reason}bootstrap = 100
subgroups = {subgroups}
thresholds = {thresholds}
missing_sensitivity = {sensitivity}

[report]
individuals = false
"""


def write_risk_run(
    folder: Path,
    *,
    people: int = 900,
    prevalence: float = 0.2,
    landmarks: tuple[float, ...] = (),
    subgroups: bool = True,
    hybrid: bool = False,
    members: int = 1,
    recalibrate: str = "platt",
    baselines: tuple[str, ...] = ("logistic", "gradient_boosting"),
    thresholds: tuple[float, ...] = THRESHOLDS,
    explained: bool = True,
    audit: bool = True,
    preparation: bool = True,
) -> Path:
    """Write a run folder of a risk as `sequela run` leaves it, without the report.

    Args:
        folder: created here.
        people: held out.
        prevalence: share of predictions with the event.
        landmarks: prediction times in hours; none means one prediction a person.
        subgroups: whether results are told apart by sex, one level of which few people have.
        hybrid: whether a hybrid stands beside the network.
        members: of the ensemble.
        recalibrate: platt, isotonic or none.
        baselines: beside the network.
        thresholds: at which somebody is alerted.
        explained: whether importance and missing sensitivity were measured.
        audit: whether the audit was carried out; it then holds a finding of each kind.
        preparation: whether the profile says what preparation did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcome = '{ column = "died", recurrent = false }'
    if landmarks:
        outcome = '{ code = "MAP", below = 65.0, within = "6h", recurrent = false }'
    study = STUDY.format(
        source="physionet2012" if not landmarks else "csv", outcome=outcome, members=members,
        at=[f"{hours:g}h" for hours in landmarks] or '"48h"', hybrid=str(hybrid).lower(), recalibrate=recalibrate,
        baselines='"default"' if baselines else "[]", reason="" if baselines else 'reason = "a test <alone>"\n',
        subgroups='["sex"]' if subgroups else "[]", thresholds=list(thresholds), sensitivity=str(explained).lower(),
    )  # fmt: skip
    (folder / "study.toml").write_text(study, encoding="utf-8")
    metrics, curves = _judged(people, prevalence, landmarks, subgroups, hybrid, recalibrate, baselines, thresholds)
    extra = {"importance": _importance(), "missing_sensitivity": _sensitivity()} if explained else {}
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "curves.json", {"format": 1, "risk": curves, **extra})
    write_json(folder / "history.json", _history(members))
    write_json(folder / "profile.json", _profile(metrics, preparation=preparation))
    write_json(folder / "environment.json", environment())
    if audit:
        write_json(folder / "audit.json", _audit())
    return folder


@lru_cache
def _judged(
    people: int,
    prevalence: float,
    landmarks: tuple[float, ...],
    subgroups: bool,
    hybrid: bool,
    recalibrate: str,
    baselines: tuple[str, ...],
    thresholds: tuple[float, ...],
) -> tuple[dict[str, Any], dict[str, Any]]:
    random = np.random.default_rng(7)
    times = max(1, len(landmarks))
    person = np.repeat(np.arange(people), times)
    hours = np.tile(np.array(landmarks or (48.0,)), people)
    frailty = np.repeat(random.normal(0, 1.2, people), times) + random.normal(0, 0.5, people * times)
    truth = _logistic(np.log(prevalence / (1 - prevalence)) - 0.6 + frailty)
    target = (random.random(len(truth)) < truth).astype(np.float64)
    names = ["network", *(["hybrid"] * hybrid), *baselines]
    noise = {"network": 0.8, "hybrid": 0.6, "logistic": 1.3, "gradient_boosting": 1.0}
    predicted = {
        name: _logistic(1.3 * (np.log(truth / (1 - truth)) + random.normal(0, noise[name], len(truth))) + 0.3)
        for name in names
    }
    asked = RiskAsked(
        target=target, person=person, outcome="MAP below 65" if landmarks else "died",
        at_hours=hours, horizon_hours=6.0 if landmarks else None,
    )  # fmt: skip
    after = {}
    if recalibrate != "none":
        after = {
            name: fit_recalibration(recalibrate, risk, target, person, min_people=11).apply(risk)  # type: ignore[arg-type]
            for name, risk in predicted.items()
        }
    sex: list[str | None] = ["female" if one % 2 else "male" for one in person.tolist()]
    sex = [None if one < 4 else level for one, level in zip(person.tolist(), sex, strict=True)]
    resamples = Resamples(person, 100, 1)
    found = risk_measures(
        asked, predicted, recalibrated=after, resamples=resamples, thresholds=thresholds,
        subgroups={"sex": sex} if subgroups else None,
    )  # fmt: skip
    best = "gradient_boosting" if baselines else None
    drawn = [name for name in ("network", "hybrid", best) if name in predicted]
    curves = risk_curves(
        asked, {name: predicted[name] for name in drawn},
        recalibrated={name: after[name] for name in drawn if name in after},
        recalibration=dict.fromkeys(after, recalibrate), resamples=resamples, thresholds=thresholds,
    )  # fmt: skip
    verdict = risk_verdict(
        found.models, found.comparisons, best_baseline=best, people=people,
        reason=None if baselines else "a test <alone>",
    )  # fmt: skip
    counts = {"train": 5 * people, "tuning": people, "held_out": people}
    metrics = {
        "format": 1, "question": "risk", "target": [asked.outcome], "units": {},
        "data": {"people": counts, "predictions": {name: count * times for name, count in counts.items()}},
        "models": found.models, "measures": found.measures, "comparisons": found.comparisons,
        "best_baseline": best, "verdict": verdict,
    }  # fmt: skip
    return metrics, curves


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _history(members: int) -> dict[str, Any]:
    trial = {"settings": {"num_leaves": 31, "learning_rate": 0.05}, "trees": 120, "log_loss": 0.31}
    search = {"gradient_boosting": {"space": {}, "judged_by": "log_loss", "judge": "tuning people", "chosen": 0,
                                    "fitted_on": "training and tuning people",
                                    "trials": [trial, trial]}}  # fmt: skip
    fits = [
        {
            "fold": 0, "member": member, "best_epoch": 9, "stopped": "all epochs", "search": search,
            "selection_log_loss": {"gradient_boosting": 0.31},
            "epochs": [{"epoch": epoch, "train_loss": 0.3 + 0.4 / (epoch + member), "tuning_loss": 0.35 + 0.3 / epoch,
                        "seconds": 0.4} for epoch in range(1, 13)],
        }
        for member in range(members)
    ]  # fmt: skip
    return {"format": 1, "loss": "cross_entropy", "fits": fits}


def _profile(metrics: dict[str, Any], *, preparation: bool) -> dict[str, Any]:
    people, predictions = metrics["data"]["people"], metrics["data"]["predictions"]
    total, asked = sum(people.values()), sum(predictions.values())
    events = round(0.17 * asked)
    variable = {"kind": "number", "unit": None, "people": total, "implausible": 0, "plausible": None, "used": True,
                "reason": None}  # fmt: skip
    return {
        "format": 1, "name": "Death in intensive care", "clock": {"calendar": False, "unit": "hours"},
        "tables": [{"name": "stays", "file": "set-a.tar.xz", "layout": "long", "rows": 40 * total, "people": total}],
        "people": {"read": total + 40, "asked": total + 20, "predicted": total},
        "events": 40 * total, "instants": 30 * total,
        "counts": [{"table": "stays", "reason": "several values at one instant averaged", "code": code, "rows": rows}
                   for code, rows in (("HR", 120), ("MAP", 3), ("Temp", 44), ("pH", 15), ("Na", 12))],
        "variables": [
            variable | {"code": "HR", "unit": "/min", "values": 26 * total, "missing_share": 0.13,
                        "implausible": 214, "plausible": [10.0, 300.0]},
            variable | {"code": "pH", "values": 4 * total, "missing_share": 0.86, "implausible": 6,
                        "plausible": [6.5, 8.0]},
            variable | {"code": "Age", "kind": "static number", "values": total, "missing_share": 0.0},
        ],
        "exclusions": [
            {"reason": "the outcome had happened already, so not at risk any more", "predictions": 97, "people": 61},
            {"reason": "follow-up ends before the outcome's window does, without an event", "predictions": 6,
             "people": 6},
        ],
        "asked": {"predictions": asked + 103, "without_target_share": 103 / (asked + 103), "nothing_seen": 4,
                  "outcome": metrics["target"][0], "events": events, "people_with_event": events // 2,
                  "event_hours_quartiles": [2.0, 31.0, 80.0],
                  "notes": [{"note": "the event lies after the end of follow-up, and counts", "predictions": 14,
                             "people": 12}]},
        "split": {"by": "subject", "fractions": [0.7, 0.15, 0.15], "people": people, "predictions": predictions,
                  "events": {"train": events - 300, "tuning": 180, "held_out": 120}, "folds": 1},
        "network": {"parameters": 15246, "cell": "gru", "hidden": [32], "predictions_train": predictions["train"],
                    "people_train": people["train"], "warning": None},
        "preparation": _preparation() if preparation else None,
    }  # fmt: skip


def _preparation() -> dict[str, Any]:
    variable = {"kind": "number", "carry_limit_hours": None, "transform": "none", "scale": "standard",
                "aggregate": "mean", "outliers": None}  # fmt: skip
    return {
        "steps": 96_000, "grid": "1h",
        "order": ["plausibility and units", "outliers", "transform", "scale", "missing values"],
        "variables": [
            variable | {"code": "HR", "missing_before": 0.13, "missing_after": 0.01, "missing": "last",
                        "provenance": {"measured": 83_520, "carried": 11_520, "mean": 960},
                        "outliers": {"rule": "hampel", "action": "flag", "touched": 1_204, "people": 640},
                        "without_logarithm": 17},
            variable | {"code": "pH", "missing_before": 0.86, "missing_after": 6 / 96_000, "missing": "decay",
                        "carry_limit_hours": 24.0,
                        "provenance": {"measured": 13_440, "decay": 82_554, "nothing": 6},
                        "outliers": {"rule": "iqr", "action": "clip", "touched": 5, "people": 4},
                        "without_logarithm": 3},
        ],
        "events": {"words": 31, "cells": 12_345, "codes_left_out": 12},
        "units": [{"code": "Temp", "share": 0.031, "suggests": "degF", "conversion": "degF -> degC"}],
    }  # fmt: skip


def _importance() -> dict[str, Any]:
    def estimate(value: float | None, spread: float = 0.004) -> dict[str, Any]:
        if value is None:
            return {"value": None, "low": None, "high": None, "reason": "fewer than 11 held-out people have a value"}
        return {"value": value, "low": value - spread, "high": value + spread, "reason": None}

    variables = [
        {"name": name, "kind": "series", **estimate(loss),
         "windows": [estimate(None if loss < 0.002 and place == 2 else loss * share)
                     for place, share in enumerate((0.6, 0.3, 0.1))]}
        for name, loss in (("GCS", 0.062), ("BUN", 0.031), ("Urine", 0.019), ("HR", 0.006), ("Mg", 0.001),
                           ("Na", -0.0004))
    ]  # fmt: skip
    variables.insert(3, {"name": "Age", "kind": "static", **estimate(0.011), "windows": []})
    variables.append({"name": "TroponinI", "kind": "series", **estimate(None), "windows": []})
    return {"metric": "auroc", "baseline": 0.83, "people": 900, "predictions": 900, "repeats": 3, "resamples": 100,
            "level": 0.95, "windows": [{"from_hours": 0, "to_hours": 6, "label": label} for label in WINDOWS],
            "variables": variables, "left_out": {"not among the 60 most widespread": 4}}  # fmt: skip


def _sensitivity() -> dict[str, Any]:
    points = [
        {"shift": shift, "value": 0.83 - 0.012 * shift**2, "low": 0.79 - 0.012 * shift**2,
         "high": 0.87 - 0.012 * shift**2}
        for shift in (-2.0, -1.0, 0.0, 1.0, 2.0)
    ]  # fmt: skip
    verdict = "A shift of 1 standard deviation moves AUROC by at most 0.012: the conclusion does not change."
    return {"metric": "auroc", "points": points, "verdict": verdict}


def _audit() -> dict[str, Any]:
    def finding(name: str, severity: str, **more: Any) -> dict[str, Any]:
        given = {
            "finding": name,
            "severity": severity,
            "table": "stays",
            "column": None,
            "accepted": None,
            "evidence": "Of the values, 99.2 % equal the time of the outcome.",
            "remedy": "Leave the column out.",
        }
        return given | more  # fmt: skip

    return {
        "format": 1, "done": True,
        "findings": [
            finding("stamped_at_prediction", "note", evidence="Of the values, 4.1 % are stamped at the very time."),
            finding("predicts_alone", "likely", column="SAPS", evidence="7 people have it; its AUROC is 0.97."),
            finding("equals_outcome_time", "certain", column="LOS", accepted="The stay's length is known <later>."),
        ],
    }  # fmt: skip
