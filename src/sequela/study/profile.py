"""`profile.json`: who and what was read, what was left out and why, and how it was divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sequela.cohort import HELD_OUT, SPLIT_NAMES, TRAIN, Timeline
from sequela.cohort.facts import AGE
from sequela.prepare import preparation_summary, suspected_units
from sequela.prepare.derived import not_finite
from sequela.prepare.units import SEVERAL_UNITS
from sequela.study.kinds import kind_of
from sequela.study.material import Fit, Material


def split_counts(material: Material, fits: list[Fit]) -> dict[str, dict[str, int]]:
    """Return people and predictions of each split. With folds: those held out once; train and tuning of the first."""
    person = material.cohort.asked.person
    people, predictions = {}, {}
    for part, name in enumerate(SPLIT_NAMES):
        chosen = fits[0].split.part == part
        if part == HELD_OUT:
            chosen = np.any([fit.split.part == part for fit in fits], axis=0)
        people[name] = len(np.unique(person[chosen]))
        predictions[name] = int(chosen.sum())
    return {"people": people, "predictions": predictions}


def _events(material: Material, fits: list[Fit]) -> dict[str, dict[str, int]]:
    """Return the predictions of each split that the outcome followed; nothing for a forecast."""
    if material.settings.question.kind != "risk":
        return {}
    found = {}
    for part, name in enumerate(SPLIT_NAMES):
        chosen = fits[0].split.part == part
        if part == HELD_OUT:
            chosen = np.any([fit.split.part == part for fit in fits], axis=0)
        found[name] = int(material.labels[chosen].sum())
    return {"events": found}


def profile(material: Material, fits: list[Fit], final: Fit) -> dict[str, Any]:
    """Return the profile of a run."""
    settings, cohort = material.settings, material.cohort
    excluded = dict(cohort.asked.excluded)
    for fit in fits[:1]:
        excluded |= fit.split.excluded
    counts = split_counts(material, fits)
    return {
        **reading(material),
        "variables": _variables(material, final.unused),
        "exclusions": exclusions(excluded),
        "preparation": _preparation(material, final),
        "asked": kind_of(material).asked(material),
        "split": {
            "by": settings.split.by,
            "fractions": settings.split.fractions,
            "folds": settings.split.folds,
            **counts,
            **_events(material, fits),
        },
        "network": {
            "parameters": fits[0].parameters,
            "cell": settings.model.cell,
            "hidden": settings.model.hidden_sizes,
            "predictions_train": counts["predictions"]["train"],
            "people_train": counts["people"]["train"],
            "warning": fits[0].warning,
        },
    }


def _preparation(material: Material, fit: Fit) -> dict[str, Any]:
    """Return what preparation did to what training predictions of a fit see."""
    events = material.cleaning.in_units(material.records.events)[0]
    units = material.evidence.units_by_code | material.settings.prepare.unit_names
    return preparation_summary(
        material.timeline,
        material.sequences.take(np.flatnonzero(fit.split.part == TRAIN)),
        fit.bundle.prepared,
        material.settings.prepare,
        fit.unused,
        suspected_units(events, units),
    )


def reading(material: Material) -> dict[str, Any]:
    """Return what a profile says of the records alone."""
    records, cohort = material.records, material.cohort
    counts = [*records.counts.to_dicts(), *_averaged(material), *_stale(material), *_not_finite(material)]
    return {
        "format": 1,
        "name": material.settings.name,
        "clock": {"calendar": records.clock.calendar, "unit": records.clock.unit},
        "tables": [
            {
                "name": summary.name,
                "file": ", ".join(summary.files),
                "layout": table.layout,
                "rows": summary.rows,
                "people": summary.people,
            }
            for table, summary in zip(material.settings.records, records.tables, strict=True)
        ],
        "people": {
            "read": len(records.subjects),
            "asked": len(np.union1d(np.flatnonzero(np.diff(cohort.timeline.step_offsets) > 0), cohort.asked.person)),
            "predicted": len(np.unique(cohort.asked.person)),
        },
        "events": len(records.events),
        "instants": len(cohort.timeline.step_time),
        "counts": counts,
    }


def _averaged(material: Material) -> list[dict[str, Any]]:
    table_of = {code: table.name for table in material.records.tables for code in table.codes}
    return [
        {"table": table_of[code], "reason": SEVERAL_UNITS, "code": code, "rows": rows}
        for code, rows in material.evidence.averaged.items()
    ]


def _stale(material: Material) -> list[dict[str, Any]]:
    stale = material.cohort.timeline.stale
    reason = "value older than one already known: its instant counts, the value does not"
    return [{"table": "all", "reason": reason, "code": None, "rows": stale}] if stale else []


def _not_finite(material: Material) -> list[dict[str, Any]]:
    reason = "no finite number (a division by 0), nothing was derived"
    return [
        {"table": "derived codes", "reason": reason, "code": code, "rows": instants}
        for code, instants in not_finite(material.evidence.events, material.cleaning.derived).items()
    ]


def exclusions(excluded: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """Return excluded predictions under their reasons."""
    return [
        {"reason": reason, "predictions": predictions, "people": people}
        for reason, (predictions, people) in excluded.items()
    ]


def _steps_with(timeline: Timeline) -> dict[str, int]:
    """Return by code at how many steps it has a value: what came late and was older than what was known has none."""
    codes = list(dict.fromkeys(code for code, _ in timeline.variables))
    number = {code: place for place, code in enumerate(codes)}
    place = np.array([number[code] for code, _ in timeline.variables], dtype=np.int64)
    valued = np.flatnonzero((timeline.cell_level >= 0) | ~np.isnan(timeline.cell_number))
    code, step = place[timeline.cell_variable[valued]], timeline.step_of_cell[valued]
    again = (np.diff(code, prepend=-1) == 0) & (np.diff(step, prepend=-1) == 0)  # a number and a text of one code
    return dict(zip(codes, np.bincount(code[~again], minlength=len(codes)).tolist(), strict=True))


def _variables(material: Material, unused: dict[str, str]) -> list[dict[str, Any]]:
    """Return each code: how many have it, at what share of steps it is missing, what was implausible."""
    evidence = material.evidence
    steps = len(material.cohort.timeline.step_time)
    table = (
        evidence.events.filter(pl.col("numeric_value").is_not_null() | pl.col("text_value").is_not_null())
        .group_by("code")
        .agg(
            static=pl.col("time").is_null().all(),
            number=pl.col("numeric_value").is_not_null().any(),
            people=pl.col("subject_id").n_unique(),
            values=pl.len(),
        )
        .sort("static", "code")
    )
    implausible = evidence.implausible_by_code
    measured = _steps_with(material.cohort.timeline)
    found = []
    for row in table.iter_rows(named=True):
        kind = ("static " if row["static"] else "") + ("number" if row["number"] else "category")
        there, total = (row["people"], evidence.people) if row["static"] else (measured.get(row["code"], 0), steps)
        found.append(
            {
                "code": row["code"],
                "kind": kind,
                "unit": evidence.unit_of(row["code"]),
                "people": row["people"],
                "values": row["values"],
                "missing_share": 1 - there / total if total else None,
                "implausible": implausible.get(row["code"], 0),
                "plausible": material.cleaning.limits.get(row["code"]),
                "used": row["code"] not in unused,
                "reason": unused.get(row["code"]),
            }
        )
    if evidence.facts.birth is not None:
        known = int((~np.isnan(evidence.facts.birth)).sum())
        found.append(
            {
                "code": AGE,
                "kind": "static number",
                "unit": "years",
                "people": known,
                "values": known,
                "missing_share": 1 - known / evidence.people,
                "implausible": 0,
                "plausible": None,
                "used": AGE not in unused,
                "reason": unused.get(AGE),
            }
        )
    return found
