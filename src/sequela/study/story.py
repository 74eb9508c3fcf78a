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
from sequela.predict import Evidence, check_units, evidence
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
    check_units(records.events, {})
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
