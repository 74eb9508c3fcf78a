"""One study file -> the whole story, once."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from sequela.audit import Audit, audit_study
from sequela.cohort import (
    TUNING,
    ForecastQuestion,
    LabelTable,
    RiskQuestion,
    Split,
    SplitRequest,
    ask,
    final_split,
    make_splits,
    read_label_table,
)
from sequela.cohort.columns import check_time_of_outcome
from sequela.cohort.settings import ORIGIN
from sequela.errors import StudyError
from sequela.predict import Evidence, check_units, evidence
from sequela.prepare import Cleaning, check_grid, cleaning_of, on_grid
from sequela.prepare.units import unit_named
from sequela.prepare.use import check_use, held_by_code
from sequela.records import Records, read_records
from sequela.study.card import card
from sequela.study.environment import environment
from sequela.study.fit import check_split, fit_split
from sequela.study.folder import RunContent, check_folder, write_run
from sequela.study.importance import importance
from sequela.study.kinds import kind_of
from sequela.study.material import Fit, Material
from sequela.study.predictions import predictions_table
from sequela.study.profile import profile, split_counts
from sequela.study.sensitivity import missing_sensitivity
from sequela.study.settings import StudySettings, read_study_file, resolved
from sequela.study.subgroups import check_subgroups
from sequela.study.watch import Watch


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
    check_grid(study.settings.prepare, study.settings.question)
    watch.stage("Reading the records")
    records = read_records(study.settings.records, study.folder, apart=study.settings.question.columns_apart)
    return asked_of(study, records, watch)


def asked_of(study: Study, records: Records, watch: Watch | None = None) -> Material:
    """Return the predictions of a study on records that were read.

    Raises:
        StudyError: where the study names a code that the records do not have.
        CohortError: where nobody is left.
    """
    settings = study.settings
    _check_origin(records, settings)
    is_measured = pl.col("time").is_not_null() & pl.col("numeric_value").is_not_null()
    settings.prepare.check_codes(records.events["code"].unique(), records.events.filter(is_measured)["code"].unique())
    check_use(settings.prepare, held_by_code(records.events, settings.prepare.derived))
    cleaning = _cleaning(records, settings)
    seen = evidence(records, settings.question, cleaning, units=settings.prepare.unit_names)
    _check_plausible_targets(seen, settings)
    _check_time_of_outcome(seen, records, settings)
    if watch is not None:
        watch.stage("Asking the question")
    cohort = ask(
        seen.events,
        seen.people,
        settings.question,
        outcomes=seen.outcomes,
        label_table=_label_table(study, records),
        clock=records.clock,
        written=seen.written,
        alone=settings.own_sequences,
    )
    timeline, sequences = on_grid(cohort.timeline, cohort.sequences, settings.prepare.grid_state)
    material = Material(
        settings=settings,
        records=records,
        evidence=seen,
        cleaning=cleaning,
        cohort=cohort,
        timeline=timeline,
        sequences=sequences,
    )
    check_subgroups(material)
    return material


def _check_origin(records: Records, settings: StudySettings) -> None:
    if settings.question.from_ == ORIGIN and records.clock.calendar:
        raise StudyError(
            '[question] from = "origin" is time 0 of numeric times, and the times of these records are dates. '
            'Write from = "first record", or an event such as { code = "HOSPITAL_ADMISSION" }.'
        )


def _cleaning(records: Records, settings: StudySettings) -> Cleaning:
    """Return what is done to the records, once every code has one unit."""
    codes = records.events["code"].unique().to_list()
    plain = cleaning_of(settings.prepare, [], {})
    events = plain.in_units(records.events)[0]
    check_units(events, {})
    found = events.filter(pl.col("unit").is_not_null()).group_by("code").agg(pl.col("unit").first())
    stated, named = dict(found.iter_rows()), settings.prepare.unit_names
    for code, name in named.items():
        if None not in (units := {unit_named(stated.get(code)), unit_named(name)}) and len(units) > 1:
            raise StudyError(
                f"[prepare] units: '{code}' is named {name}, and its values state another unit. A name converts "
                f'nothing: write a conversion, such as {code} = "OTHER -> {name}", or the unit that they state.'
            )
    return cleaning_of(settings.prepare, codes, stated | named)


def _label_table(study: Study, records: Records) -> LabelTable | None:
    question = study.settings.question
    if not isinstance(question, RiskQuestion) or question.labels is None:
        return None
    return read_label_table(study.folder / question.labels, records.subjects, records.clock)


def _check_plausible_targets(seen: Evidence, settings: StudySettings) -> None:
    left = set(seen.events["code"].unique())
    question = settings.question
    for target in question.targets if isinstance(question, ForecastQuestion) else ():
        if target in seen.implausible_by_code and target not in left:
            raise StudyError(
                f"[prepare] plausible: every value of '{target}', the target, lies outside its range. "
                "Check the range, and whether it is in the unit of the table."
            )


def _check_time_of_outcome(seen: Evidence, records: Records, settings: StudySettings) -> None:
    question = settings.question
    if isinstance(question, RiskQuestion) and question.outcome is not None:
        tables = [(table, read.codes) for table, read in zip(settings.records, records.tables, strict=True)]
        check_time_of_outcome(seen.outcomes, question.outcome, tables)


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
        source_split=material.records.source_split,
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


def attack(material: Material, splits: list[Split], watch: Watch | None = None) -> Audit:
    """Return what the audit finds against a study, before anything is trained; nothing is stopped yet.

    Args:
        material: as gathered.
        splits: of each fold.
        watch: is told.
    """
    (watch or Watch()).stage("Auditing")
    settings = material.settings
    return audit_study(
        records=material.records,
        evidence=material.evidence,
        cohort=material.cohort,
        splits=splits,
        question=settings.question,
        split_by=settings.split,
        settings=settings.audit,
    )


def rehearse(material: Material, splits: list[Split], watch: Watch | None = None) -> None:
    """Refuse what a run would refuse before it trains.

    Args:
        material: as gathered.
        splits: as divided.
        watch: is told.

    Raises:
        InputError: where training or tuning people cannot teach what the study asks, or no network can be built.
    """
    different = splits if len(splits) > 2 else splits[:1]  # without folds, the last one is the first
    for number, split in enumerate(different, start=1):
        check_split(material, split, watch=watch or Watch(), number=number, fits=len(different))


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
        LeakError: where the audit finds a certain leak that the study does not accept.
        RunError: where the folder exists.
    """
    watch = watch or Watch()
    began, started = time.monotonic(), datetime.now(UTC)
    folder = Path(out) if out is not None else _free_folder(study.settings.name, started)
    check_folder(folder, force=force)
    material = gather(study, watch)
    *splits, everyone = divide(study, material)
    checked = attack(material, splits, watch)
    checked.stop_at_leaks()
    folded = len(splits) > 1
    fits = [
        fit_split(material, split, watch=watch, number=number, fits=len(splits) + folded)
        for number, split in enumerate(splits, start=1)
    ]
    final = fits[0]
    if folded:
        count = len(splits) + 1
        final = fit_split(material, everyone, watch=watch, number=count, fits=count, compared=False)
    watch.stage("Judging on held-out people")
    metrics = judge(material, fits, watch)
    drawn = kind_of(material).curves(material, fits, metrics) | {
        "importance": importance(material, fits, watch),
        "missing_sensitivity": missing_sensitivity(material, fits, metrics, watch),
    }
    watch.stage("Writing the run folder")
    facts = environment(
        seed=study.settings.train.seed, started=started, seconds=time.monotonic() - began, command=command
    )
    content = RunContent(
        study=resolved(study.settings),
        documents={
            "metrics": metrics,
            "history": _history(material, fits),
            "profile": profile(material, fits, final),
            "audit": checked.document(),
            "curves": {"format": 1, **drawn},
            "environment": facts,
        },
        predictions=predictions_table(material, fits),
        bundle=replace(final.bundle, card=card(material, fits, metrics)),
    )
    if out is None:
        folder = _free_folder(study.settings.name, started)  # another run may have begun in the same second
    write_run(folder, content, force=force)
    return Run(folder=folder, metrics=metrics)


def _free_folder(name: str, started: datetime) -> Path:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "study"
    folder = first = Path("runs") / f"{words[:60]}-{started:%Y%m%d-%H%M%S}"
    number = 1
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder


def check_tuning(splits: list[Split], settings: StudySettings) -> None:
    """Refuse a split without tuning people where something is to be learned from them.

    Raises:
        StudyError: with the remedy.
    """
    if all((split.part == TUNING).any() for split in splits):
        return
    for asks, what, remedy in settings.needs_of_tuning:
        if asks:
            raise StudyError(
                f'[split] by = "{settings.split.by}" leaves nobody in tuning {what}. Give it people, or set {remedy}.'
            )


def judge(material: Material, fits: list[Fit], watch: Watch) -> dict[str, Any]:
    """Return `metrics.json`: every model on the same held-out predictions, and the verdict."""
    question = material.settings.question
    return {
        "format": 1,
        "question": question.kind,
        "data": split_counts(material, fits),
        **kind_of(material).judge(material, fits, watch.part),
    }


def _history(material: Material, fits: list[Fit]) -> dict[str, Any]:
    kind, loss = kind_of(material), material.settings.model.loss
    return {
        "format": 1,
        "loss": kind.DEFAULT_LOSS if loss == "auto" else loss,
        "fits": [
            {
                "fold": fit.split.fold,
                "member": member,
                "best_epoch": history.best_epoch,
                "stopped": history.stopped,
                "epochs": [vars(epoch) for epoch in history.epochs],
                kind.SELECTED_BY: fit.selection,
                "search": fit.search,
            }
            for fit in fits
            for member, history in enumerate(fit.histories)
        ],
    }
