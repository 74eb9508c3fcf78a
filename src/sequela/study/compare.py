"""Several runs side by side: the same held-out people, the same predictions, paired differences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.errors import RunError
from sequela.evaluate import Resamples, RiskAsked, bootstrap_interval, paired_difference
from sequela.evaluate.measures import OWN_MODELS
from sequela.evaluate.risk import RiskBlock, RiskScores
from sequela.report.privacy import rounded

Floats = NDArray[np.float64]
Content = dict[str, Any]

KEYS = ("subject_id", "episode_start", "prediction_time", "code", "horizon_hours")
"""What makes a prediction of one run that of another: whom, when, of what, how far ahead."""

RISK_METRICS = ("auroc", "auprc", "brier", "calibration_slope", "ici", "net_benefit")
FORECAST_METRICS = {"rmse": True, "mae": False}  # and whether the mean is of squares, under a root
_UNORDERED = ("calibration_slope",)  # its best value is 1: a difference says neither better nor worse
_AGAIN = "Run the study again (`sequela run STUDY`), or put back the file that the run wrote"


def compare_runs(
    folders: Sequence[str | Path], *, resamples: int = 500, seed: int = 0, thresholds: Sequence[float] = ()
) -> Content:
    """Compare runs on the held-out predictions that all of them made.

    The first run is what the others are measured against. Each run brings its network, its hybrid and its best
    baseline, where it has them, with what they gave out in the end.

    Args:
        folders: two run folders or more.
        resamples: of people, for the 95 % intervals.
        seed: of the resamples.
        thresholds: of risk, for net benefit; by default the one of the first run's headline.

    Returns:
        `question`, `target`, `runs` (what each brings), `common` (people and predictions), `metrics`, `rows` (every
        model on the common predictions), `differences` (every model of a later run minus the first run's, paired),
        `notes`.

    Raises:
        RunError: fewer than two folders, a file that is missing or damaged, questions or targets that differ, no
            prediction in common.
    """
    runs = _read_all(folders)
    _check_questions(runs)
    common, notes = _in_common(runs)
    models = {(run.name, model): _predicted(run, model, common) for run in runs for model in run.models}
    people = common["subject_id"].unique()
    found: Content = {
        "format": 1,
        "question": runs[0].question,
        "target": runs[0].target,
        "runs": [run.summary() for run in runs],
        "common": {"people": len(people), "predictions": len(common)},
        "notes": notes,
    }
    draws = Resamples(common["subject_id"].to_numpy(), resamples, seed)
    judge = _judge_risk if runs[0].question == "risk" else _judge_forecast
    return found | judge(runs, common, models, draws, tuple(thresholds))


_Model = tuple[str, str]  # run, and model in it


@dataclass(frozen=True)
class _Run:
    """What a run folder says of its held-out people."""

    name: str
    folder: Path
    metrics: Content
    time_unit: str | None  # of numeric times
    predictions: pl.DataFrame

    @property
    def question(self) -> str:
        return str(self.metrics["question"])

    @property
    def target(self) -> list[str]:
        return list(self.metrics["target"])

    @property
    def models(self) -> list[str]:
        """Network, hybrid and best baseline, as far as the run has them."""
        present = set(self.predictions["model"].unique())
        wanted = [*OWN_MODELS, str(self.metrics.get("best_baseline"))]
        return [model for model in wanted if model in present]

    def of_model(self, model: str) -> pl.DataFrame:
        """The rows of one model: each prediction once."""
        return self.predictions.filter(pl.col("model") == model)

    def first_model(self) -> pl.DataFrame:
        """The rows of the network, or of what stands for it."""
        return self.of_model(self.models[0])

    def summary(self) -> Content:
        rows = self.first_model()
        return {
            "name": self.name,
            "folder": str(self.folder),
            "models": self.models,
            "best_baseline": self.metrics.get("best_baseline"),
            "held_out": {"people": rows["subject_id"].n_unique(), "predictions": len(rows)},
        }


def _read_all(folders: Sequence[str | Path]) -> list[_Run]:
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise RunError("A comparison needs at least two run folders. Name them one after the other.")
    short = [path.resolve().name for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise RunError("The same run folder was named twice. Name each once.")
    return [_read(path, name) for path, name in zip(paths, names, strict=True)]


def _read(folder: Path, name: str) -> _Run:
    if not folder.is_dir():
        raise RunError(f"{folder}: expected a run folder, found none. Name a folder that `sequela run` wrote.")
    metrics = _metrics(folder / "metrics.json")
    clock = _document(folder / "profile.json").get("clock", {})
    run = _Run(
        name, folder, metrics, clock.get("unit"), _predictions(folder / "predictions.parquet", metrics["question"])
    )
    if not run.models:
        raise RunError(f"{folder}: predictions.parquet holds no held-out prediction of a model of the run. {_AGAIN}.")
    brought = run.predictions.filter(pl.col("model").is_in(run.models))
    if brought.select("model", *KEYS).is_duplicated().any():
        raise RunError(f"{folder}: predictions.parquet holds a held-out prediction twice. {_AGAIN}.")
    return run


def _metrics(path: Path) -> Content:
    content = _document(path)
    is_whole = {"question", "target", "models"} <= set(content) and isinstance(content["target"], list)
    if not is_whole:
        raise RunError(f"{path}: expected the measures of a run, got something else. {_AGAIN}.")
    return content


def _document(path: Path) -> Content:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file. {_AGAIN}.") from None
    except (OSError, ValueError, RecursionError):
        raise RunError(f"{path}: the file cannot be read as JSON. {_AGAIN}.") from None
    if not isinstance(content, dict) or content.get("format") != 1:
        raise RunError(f"{path}: expected a file of a run in format 1, got something else. {_AGAIN}.")
    return content


def _predictions(path: Path, question: str) -> pl.DataFrame:
    try:
        table = pl.scan_parquet(path, glob=False).filter(pl.col("split") == "held_out").collect()
        if "horizon_hours" not in table.columns:  # of a risk, which has one horizon
            table = table.with_columns(horizon_hours=0.0)
        missing = sorted({*KEYS, "model", "target", "predicted"} - set(table.columns))
        if missing:
            raise RunError(f"{path}: expected the columns of a run's predictions, '{missing[0]}' is missing. {_AGAIN}.")
        table = table.with_columns(
            pl.col("subject_id", "code").cast(pl.String),
            pl.col("horizon_hours").cast(pl.Float64).round(6),
            pl.col("target", "predicted").cast(pl.Float64),
            *(_clock(table, key) for key in ("episode_start", "prediction_time")),
        ).filter(pl.col("target").is_not_null() & pl.col("predicted").is_not_null())
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file. {_AGAIN}.") from None
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise RunError(f"{path}: the file cannot be read as predictions of a run. {_AGAIN}.") from None
    can_be = pl.col("target", "predicted").is_finite()
    if question == "risk":
        can_be = pl.col("target").is_in([0.0, 1.0]) & pl.col("predicted").is_between(0, 1)
    if not table.select(pl.all_horizontal(can_be, pl.col(KEYS).is_not_null()).all()).item():
        raise RunError(f"{path}: it holds targets or predictions that no run gives out. {_AGAIN}.")
    return table


def _clock(table: pl.DataFrame, key: str) -> pl.Expr:
    """A date in microseconds, or a number rounded far below a second, as text."""
    if table[key].dtype.is_temporal():
        return pl.col(key).cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.String)
    return pl.col(key).cast(pl.Float64).round(9).cast(pl.String)


def _check_questions(runs: Sequence[_Run]) -> None:
    """Refuse runs that ask something else than the first.

    Raises:
        RunError: with what each asks.
    """
    first = runs[0]
    if first.question not in ("forecast", "risk"):
        raise RunError(f"{first.folder}: runs of the kind '{first.question}' cannot be compared in this version.")
    for run in runs[1:]:
        if run.question != first.question:
            raise RunError(
                f"{run.folder} asks for a {run.question}, {first.folder} for a {first.question}. "
                "Compare runs of the same question."
            )
        if sorted(run.target) != sorted(first.target):
            raise RunError(
                f"{run.folder} is about {_listed(run.target)}, {first.folder} about {_listed(first.target)}. "
                "Compare runs of the same target."
            )
        if run.time_unit != first.time_unit:
            raise RunError(
                f"{run.folder} counts time in {run.time_unit or 'dates'}, {first.folder} in "
                f"{first.time_unit or 'dates'}. Run one of them with the other's tables."
            )
        units, others = (
            {code: each.metrics.get("units", {}).get(code) for code in first.target} for each in (run, first)
        )
        if any(units[code] and others[code] and units[code] != others[code] for code in first.target):
            raise RunError(
                f"{run.folder} and {first.folder} measure the target in other units. Bring them to one unit."
            )


def _in_common(runs: Sequence[_Run]) -> tuple[pl.DataFrame, list[str]]:
    """Return the predictions that all runs made of people that all held out, and what a reader must know of them.

    Raises:
        RunError: there are none, or what came differs.
    """
    common = runs[0].first_model().select(*KEYS, "target")
    for run in runs[1:]:
        other = run.first_model().select(*KEYS, pl.col("target").alias("other"))
        common = common.join(other, on=KEYS, how="inner", maintain_order="left")
        differs = (common["target"] - common["other"]).abs() > 1e-6 * common["target"].abs()  # in whatever unit
        if differs.any():
            raise RunError(
                f"{run.folder} and {runs[0].folder}: what came differs in {_count(int(differs.sum()))} of "
                f"{_count(len(common))} common predictions. Compare runs on the same tables, outcome and units."
            )
        common = common.drop("other")
    for made in (run.of_model(model) for run in runs for model in run.models[1:]):
        common = common.join(made, on=KEYS, how="semi", maintain_order="left")
    if not len(common):
        raise RunError(
            "No held-out prediction is common to the runs, so nothing can be paired. Give them the same [split] "
            "(seed and fractions, or a file), and the same prediction times."
        )
    return common.sort(KEYS), _notes(runs, common)


def _notes(runs: Sequence[_Run], common: pl.DataFrame) -> list[str]:
    notes = []
    shared = {"people": common["subject_id"].n_unique(), "predictions": len(common)}
    held = [run.summary()["held_out"] for run in runs]
    tell_few = any(_is_few(n) or _is_few(each[what] - n) for each in held for what, n in shared.items())
    count = rounded if tell_few else _count  # exact ones could be taken from each other, or from a run's own report
    for run, each in zip(runs, held, strict=True):
        gone = {what: each[what] - n for what, n in shared.items()}
        if gone["predictions"]:
            who = f", among them all predictions of {count(gone['people'])} people" if gone["people"] else ""
            whole = "" if tell_few else f"{count(each['predictions'])} "
            notes.append(
                f"{run.name}: {count(gone['predictions'])} of its {whole}held-out predictions are not common to all "
                f"runs and are left out{who}."
            )
    notes.append("Intervals hold the fitted models fixed: they speak of other people, not of another training.")
    return notes


def _predicted(run: _Run, model: str, common: pl.DataFrame) -> Floats:
    """Return what a model said, in the order of the common predictions."""
    made = run.of_model(model).select(*KEYS, "predicted")
    joined = common.join(made, on=KEYS, how="left", maintain_order="left")
    return joined["predicted"].to_numpy().astype(np.float64)


def _pairs(runs: Sequence[_Run]) -> list[tuple[_Model, _Model]]:
    """Each own model of a later run, and the same of the first run, or its first model."""
    first = runs[0]
    return [
        ((run.name, model), (first.name, model if model in first.models else first.models[0]))
        for run in runs[1:]
        for model in run.models
        if model in OWN_MODELS
    ]


def _judge_risk(
    runs: Sequence[_Run],
    common: pl.DataFrame,
    models: Mapping[_Model, Floats],
    draws: Resamples,
    thresholds: tuple[float, ...],
) -> Content:
    thresholds = thresholds or _headline_threshold(runs[0])
    asked = RiskAsked(common["target"].to_numpy(), common["subject_id"].to_numpy(), outcome=runs[0].target[0])
    label = {model: (" ".join(model), False) for model in models}
    risks = {label[model]: risk for model, risk in models.items()}
    scores = RiskScores(asked, risks, RiskBlock(np.arange(len(common))), draws, thresholds)
    keys = [(metric, None) for metric in RISK_METRICS if metric != "net_benefit"]
    every = [*keys, *(("net_benefit", threshold) for threshold in thresholds)]
    return {
        "metrics": [metric for metric in RISK_METRICS if metric != "net_benefit" or thresholds],
        "thresholds": list(thresholds),
        "events": scores.events,
        "rows": [
            _row(model, key, None, scores.people, scores.estimate(label[model], key).as_dict())
            for model in models
            for key in every
        ],
        "differences": [
            _difference(pair, key, None, scores.difference(label[pair[0]], label[pair[1]], key))
            for pair in _pairs(runs)
            for key in every
            if key[0] not in _UNORDERED
        ],
    }


def _headline_threshold(run: _Run) -> tuple[float, ...]:
    """The threshold of the first run's headline; none where it has none."""
    found = [row["threshold"] for row in run.metrics.get("measures", []) if row["metric"] == "net_benefit"]
    return tuple(found[:1])


def _judge_forecast(
    runs: Sequence[_Run],
    common: pl.DataFrame,
    models: Mapping[_Model, Floats],
    draws: Resamples,
    thresholds: tuple[float, ...],
) -> Content:
    rows, differences = [], []
    for code in runs[0].target:
        mine = (common["code"] == code).to_numpy()
        person = common["subject_id"].to_numpy()[mine]
        error = {model: (said - common["target"].to_numpy())[mine] for model, said in models.items()}
        people = len(np.unique(person))
        for metric, root in FORECAST_METRICS.items():
            loss = {model: each**2 if root else np.abs(each) for model, each in error.items()}
            for model, each in loss.items():
                found = bootstrap_interval(each, person, resamples=draws, root=root).as_dict()
                rows.append(_row(model, (metric, None), code, people, found))
            for pair in _pairs(runs):
                gap = paired_difference(loss[pair[0]], loss[pair[1]], person, resamples=draws, root=root).as_dict()
                differences.append(_difference(pair, (metric, None), code, gap))
    return {
        "metrics": list(FORECAST_METRICS),
        "thresholds": list(thresholds),
        "events": None,
        "rows": rows,
        "differences": differences,
    }


def _row(model: _Model, key: tuple[str, float | None], code: str | None, people: int, found: Content) -> Content:
    return {
        "run": model[0],
        "model": model[1],
        "metric": key[0],
        "threshold": key[1],
        "target": code,
        **found,
        "people": people,
    }


def _difference(pair: tuple[_Model, _Model], key: tuple[str, float | None], code: str | None, gap: Content) -> Content:
    return {
        "run": pair[0][0],
        "model": pair[0][1],
        "against": pair[1][0],
        "against_model": pair[1][1],
        "metric": key[0],
        "threshold": key[1],
        "target": code,
        **gap,
    }


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _is_few(number: int) -> bool:
    return 0 < number < 11


def _count(number: int) -> str:
    return "fewer than 11" if _is_few(number) else f"{number:,}"
