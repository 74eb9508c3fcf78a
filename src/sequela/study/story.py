"""One study file -> the whole story, once."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.bundle import Bundle, write_bundle
from sequela.cohort import HELD_OUT, TUNING, Split, SplitRequest, ask, final_split, make_splits
from sequela.cohort.labels import horizon_hours
from sequela.errors import RunError, StudyError
from sequela.evaluate import Asked, Resamples, forecast_measures, verdict
from sequela.predict import Evidence, evidence
from sequela.records import read_records
from sequela.report import write_report
from sequela.study.curves import curves
from sequela.study.environment import environment
from sequela.study.fit import Fit, Material, fit_split
from sequela.study.predictions import predictions_table
from sequela.study.profile import profile, split_counts
from sequela.study.settings import StudySettings, read_study_file, resolved
from sequela.study.watch import Watch
from sequela.study.write import write_json

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study file that was read, and the folder that its paths are relative to."""

    settings: StudySettings
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run."""

    folder: Path
    metrics: dict[str, Any]

    @property
    def report(self) -> Path:
        """Return the path of the report."""
        return self.folder / "report.html"


def read_study(path: str | Path, changes: dict[str, Any] | None = None) -> Study:
    """Return a study.

    Args:
        path: of the study file.
        changes: values by dotted key, such as {"train.seed": 1}, that replace those of the file.

    Raises:
        StudyError: where the file holds something that cannot be; the message names the key.
    """
    path = Path(path)
    return Study(settings=read_study_file(path, changes), folder=path.parent)


def gather(study: Study, watch: Watch | None = None) -> Material:
    """Return the records and the predictions of a study, before anything is split or fitted.

    Raises:
        RecordsError: where a table cannot be read.
        CohortError: where nobody is left.
    """
    watch = watch or Watch()
    settings = study.settings
    watch.stage("Reading the records")
    records = read_records(settings.records, study.folder)
    settings.prepare.check_codes(records.events["code"].unique())
    seen = evidence(records, settings.prepare.limits, units=settings.prepare.units)
    _check_plausible_targets(seen, settings)
    watch.stage("Asking the question")
    cohort = ask(seen.events, seen.people, settings.question, alone=settings.model.bidirectional)
    return Material(settings=settings, records=records, evidence=seen, cohort=cohort)


def _check_plausible_targets(seen: Evidence, settings: StudySettings) -> None:
    left = set(seen.events["code"].unique())
    for target in settings.question.targets:
        if target in seen.implausible_by_code and target not in left:
            raise StudyError(
                f"[prepare] plausible: every value of '{target}', the target, lies outside its range. "
                "Check the range, and whether it is in the unit of the table."
            )


def split_request(material: Material) -> SplitRequest:
    """Return what the split may look at."""
    asked, labels = material.cohort.asked, material.cohort.labels
    assert labels is not None
    subjects = material.records.subjects.sort("subject_id")
    return SplitRequest(
        person=asked.person,
        time=asked.time,
        label_known=labels.known,
        source_id=[str(source_id) for source_id in subjects["source_id"]],
        appearance=subjects["appearance"].to_numpy(),
    )


def divide(study: Study, material: Material) -> list[Split]:
    """Return the split of each fold, and last the one that the bundle is fitted on (without folds, the same one).

    Raises:
        CohortError: where a part that is needed is empty.
        RecordsError: where the split file cannot be read.
    """
    request = split_request(material)
    splits = make_splits(request, study.settings.split, study.folder)
    everyone = final_split(request, study.settings.split) if len(splits) > 1 else splits[0]
    check_tuning([*splits, everyone], study.settings)
    return [*splits, everyone]


def run(
    study: Study,
    out: str | Path | None = None,
    *,
    force: bool = False,
    watch: Watch | None = None,
    command: str = "sequela.run",
) -> Run:
    """Carry out a study and write its run folder.

    Args:
        study: as read by `read_study`.
        out: the run folder; default `runs/<name>-<time>`.
        force: replace a run folder that exists.
        watch: is told how far the run is.
        command: what started the run, for `environment.json`.

    Raises:
        InputError: for a wrong input, before anything is written.
        RunError: where the folder exists.
    """
    watch = watch or Watch()
    began, started = time.monotonic(), datetime.now(UTC)
    folder = Path(out) if out is not None else Path("runs") / _folder_name(study.settings.name, started)
    check_folder(folder, force=force)
    material = gather(study, watch)
    *splits, everyone = divide(study, material)
    folded = len(splits) > 1
    fits = [
        fit_split(material, split, watch=watch, number=number, fits=len(splits) + folded)
        for number, split in enumerate(splits, start=1)
    ]
    final = fits[0]
    if folded:
        final = fit_split(material, everyone, watch=watch, number=len(splits) + 1, fits=len(splits) + 1)
    watch.stage("Judging on held-out people")
    metrics = judge(material, fits)
    watch.stage("Writing the run folder")
    facts = environment(
        seed=study.settings.train.seed, started=started, seconds=time.monotonic() - began, command=command
    )
    _write(folder, material, fits, final, metrics, facts, force=force)
    return Run(folder=folder, metrics=metrics)


def _folder_name(name: str, started: datetime) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "study"
    return f"{words[:60]}-{started:%Y%m%d-%H%M%S}"


def check_tuning(splits: list[Split], settings: StudySettings) -> None:
    """Refuse a split without tuning people where something is to be learned from them.

    Raises:
        StudyError: with the remedy.
    """
    if all((split.part == TUNING).any() for split in splits):
        return
    where = f'[split] by = "{settings.split.by}" leaves nobody in tuning'
    if settings.train.patience > 0:
        raise StudyError(f"{where}, so nothing can end training. Give it people, or set patience = 0 in [train].")
    if settings.model.interval != "none":
        raise StudyError(f'{where} to measure intervals on. Give it people, or set interval = "none" in [model].')


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a run folder that exists (with `force`: one that is no run folder), or that could not be written.

    Raises:
        RunError: with the remedy.
    """
    if not folder.exists() and not folder.is_symlink():
        above = next(parent for parent in folder.absolute().parents if parent.exists() or parent.is_symlink())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise RunError(f"{folder}: nothing can be written to {above}. Choose another --out.")
        return
    if not force:
        raise RunError(f"{folder}: there is such a folder already. Choose another --out, or replace it with --force.")
    is_run = folder.is_dir() and ((folder / "metrics.json").is_file() or not any(folder.iterdir()))
    if folder.is_symlink() or not is_run:
        raise RunError(f"{folder}: it is no run folder, so --force does not replace it. Choose another --out.")


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out predictions of all folds, one after the other."""

    prediction: NDArray[np.int64]  # [Q] number of the prediction in the cohort
    predicted: dict[str, Floats]  # model -> [Q, horizons, targets]
    lower: Floats
    upper: Floats


def held_out(fits: list[Fit]) -> HeldOut:
    """Return what each model said of the people that its fit did not see."""
    rows = [np.flatnonzero(fit.split.part == HELD_OUT) for fit in fits]
    return HeldOut(
        prediction=np.concatenate(rows),
        predicted={
            model: np.concatenate([fit.predicted[model][row] for fit, row in zip(fits, rows, strict=True)])
            for model in fits[0].predicted
        },
        lower=np.concatenate([fit.lower[row] for fit, row in zip(fits, rows, strict=True)]),
        upper=np.concatenate([fit.upper[row] for fit, row in zip(fits, rows, strict=True)]),
    )


def judge(material: Material, fits: list[Fit]) -> dict[str, Any]:
    """Return `metrics.json`: every model on the same held-out predictions, and the verdict."""
    settings, unseen = material.settings, held_out(fits)
    labels, person = material.labels[unseen.prediction], material.cohort.asked.person[unseen.prediction]
    observed = ~np.isnan(labels)
    measures = forecast_measures(
        Asked(
            target=labels,
            observed=observed,
            person=person,
            horizon_hours=horizon_hours(settings.question),
            targets=settings.question.targets,
        ),
        unseen.predicted,
        band=None if settings.model.interval == "none" else (unseen.lower, unseen.upper),
        resamples=Resamples(person, settings.evaluate.bootstrap, settings.train.seed),
    )
    best = _best_baseline(fits)
    return {
        "format": 1,
        "question": "forecast",
        "target": settings.question.targets,
        "units": {code: material.evidence.unit_of(code) for code in settings.question.targets},
        "data": split_counts(material, fits),
        "models": measures.models,
        "measures": measures.measures,
        "comparisons": measures.comparisons,
        "best_baseline": best,
        "verdict": verdict(
            measures.models,
            measures.comparisons,
            best_baseline=best,
            people=len(np.unique(person[observed[:, :, 0].any(axis=1)])),
            unit=material.evidence.unit_of(settings.question.targets[0]),
            reason=settings.evaluate.reason,
        ),
    }


def _best_baseline(fits: list[Fit]) -> str | None:
    names = list(fits[0].baselines.selection_rmse)
    return min(names, key=lambda name: sum(f.baselines.selection_rmse[name] ** 2 for f in fits)) if names else None


def _card(material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the card of the bundle: what it is for, what it learned from, how well it did."""
    settings = material.settings
    return {
        "format": 1,
        "name": settings.name,
        "intended_use": (
            f"Forecasts of {', '.join(settings.question.targets)} for people like those of the study. "
            "Not for decisions about single patients without a study of its own at the place of use."
        ),
        "data": {what: _coarse(counts) for what, counts in split_counts(material, fits).items()},
        "performance": {name: metrics["models"]["network"][name] for name in metrics["models"]["network"]},
        "best_baseline": metrics["best_baseline"],
        "verdict": metrics["verdict"],
        "performance_is_of": "this network" if len(fits) == 1 else "networks of the folds; this one was fitted on all",
    }


def _coarse(counts: dict[str, int]) -> dict[str, int | str]:
    """Return the counts; 1 to 10 are not told, since a bundle is made to leave the house."""
    return {name: "fewer than 11" if 0 < count < 11 else count for name, count in counts.items()}


def _write(
    folder: Path,
    material: Material,
    fits: list[Fit],
    final: Fit,
    metrics: dict[str, Any],
    facts: dict[str, Any],
    *,
    force: bool,
) -> None:
    """Write everything to a temporary folder beside the run folder, then rename it.

    Raises:
        RunError: where the disk does not take it; nothing is left of it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise RunError(f"{folder}: it cannot be written ({error.strerror}). Choose another --out.") from error
    try:
        temporary.chmod(0o755)
        (temporary / "study.toml").write_text(resolved(material.settings), encoding="utf-8")
        write_json(temporary / "metrics.json", metrics)
        write_json(temporary / "history.json", _history(material, fits))
        write_json(temporary / "profile.json", profile(material, fits, final))
        write_json(temporary / "audit.json", {"format": 1, "findings": [], "done": False})
        write_json(temporary / "curves.json", {"format": 1, "targets": curves(material, held_out(fits), metrics)})
        write_json(temporary / "environment.json", facts)
        predictions_table(material, fits).write_parquet(temporary / "predictions.parquet")
        bundle: Bundle = replace(final.bundle, card=_card(material, fits, metrics))
        write_bundle(bundle, temporary / "bundle")
        write_report(temporary)
        _put(temporary, folder, force=force)
    except OSError as error:
        raise RunError(
            f"{folder}: it cannot be written ({error.strerror}). Make room on the disk, or choose another --out."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, folder: Path, *, force: bool) -> None:
    """Rename the finished folder to its place; the one that stood there goes only once the new one is there."""
    check_folder(folder, force=force)
    if not folder.exists():
        temporary.rename(folder)
        return
    old = temporary.with_name(f"{temporary.name}.old")
    folder.rename(old)
    try:
        temporary.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _history(material: Material, fits: list[Fit]) -> dict[str, Any]:
    loss = material.settings.model.loss
    return {
        "format": 1,
        "loss": "squared" if loss == "auto" else loss,
        "fits": [
            {
                "fold": fit.split.fold,
                "best_epoch": fit.history.best_epoch,
                "stopped": fit.history.stopped,
                "epochs": [vars(epoch) for epoch in fit.history.epochs],
                "selection_rmse": fit.baselines.selection_rmse,
            }
            for fit in fits
        ],
    }
