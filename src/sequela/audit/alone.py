"""Columns that tell the outcome of a risk alone: by being it, by being there, or by their value."""

from __future__ import annotations

import math

import numpy as np

from sequela.audit.columns import Column
from sequela.audit.finding import Finding, Severity
from sequela.audit.separation import FEWEST, HONEST, purity, rates_of_others, separation
from sequela.audit.series import Flags, Floats
from sequela.audit.words import FEW, people, share
from sequela.cohort.asof import Rows

_MOST_LEVELS = 30
_SAME = 0.995  # share of people at which a column is the outcome
_RARER = 0.8  # and of those whose outcome is the rarer one: of a rare outcome "nobody has it" is right for nearly all
_DROP = "Remove the column from the inputs."


def told_alone(column: Column, label: Floats, person: Rows) -> Finding | None:
    """Return the surest way in which a column tells the outcome; None where an honest column could do as well.

    Args:
        column: at R predictions.
        label: [R] 0 or 1.
        person: [R].
    """
    levels = values_as_levels(column)
    found = [
        _is_the_outcome(column, levels, label, person),
        _only_with(column, levels, label, person),
        _too_well(column, levels, label, person),
    ]
    sure = [one for one in found if one is not None]
    return min(sure, key=lambda one: one.severity != "certain") if sure else None


def values_as_levels(column: Column) -> Rows | None:
    """Return the distinct values as numbers, -1 where there is none [R]; None where there are many."""
    if column.levels:
        return column.level
    seen = column.present & ~np.isnan(column.number)
    if not seen.any():
        return np.where(column.present, 0, -1)
    values, place = np.unique(column.number[seen], return_inverse=True)
    if len(values) > _MOST_LEVELS:
        return None
    level = np.full(len(seen), -1)
    level[seen] = place
    return level


def _is_the_outcome(column: Column, levels: Rows | None, label: Floats, person: Rows) -> Finding | None:
    """A column whose few values are each borne with the outcome only, or without it only."""
    if levels is None or len(kinds := np.unique(levels)) < 2 or len(kinds) > _MOST_LEVELS:
        return None
    right = (rates_of_others(levels, label, person) >= 0.5) == (label == 1)
    wrong = len(np.unique(person[~right]))
    everybody, affected, others = (len(np.unique(person[rows])) for rows in (label >= 0, label == 1, label == 0))
    fewer = min(affected, others)
    if everybody - wrong < _SAME * everybody or fewer - wrong < _RARER * fewer or fewer < FEWEST:
        return None
    severity: Severity = "certain" if fewer > FEW else "likely"
    told = share(everybody - wrong, everybody)
    return Finding(
        finding="equals_outcome",
        severity=severity,
        table=column.table,
        column=column.name,
        evidence=f"Its {len(kinds)} values (none counts as one) stand for the outcome: they tell it of {told} of "
        f"{people(everybody)}.",
        remedy=_DROP,
    )


def _only_with(column: Column, levels: Rows | None, label: Floats, person: Rows) -> Finding | None:
    """A column, or a level of it, that is seen of people with the outcome only."""
    marks: list[tuple[str, Flags]] = [("a record of it", column.present)]
    if levels is not None:
        often = [kind for kind in np.unique(levels[levels >= 0]) if (levels == kind).sum() > FEW]
        marks += [("one of its values", levels == kind) for kind in often] if len(often) <= 200 else []
    for words, mark in marks:
        pure = purity(mark, label, person)
        if (severity := pure.severity) is not None:
            return Finding(
                finding="only_with_outcome",
                severity=severity,
                table=column.table,
                column=column.name,
                evidence=f"Of {people(pure.marked)} with {words} by the prediction time, "
                f"{share(pure.always, pure.marked)} have the outcome afterwards; of everybody {100 * pure.base:.0f} %.",
                remedy="Find out when it is written down. What is recorded because of the outcome needs a time of "
                f"availability, or is no input. {_DROP}",
            )
    return None


def _too_well(column: Column, levels: Rows | None, label: Floats, person: Rows) -> Finding | None:
    """A column whose values rank people better than honest ones do."""
    number = ~np.isnan(column.number)
    tries: list[tuple[str, Flags, Floats]] = [
        ("Its last number", number, column.number),
        ("Whether there is a record of it", np.ones(len(label), dtype=bool), column.present.astype(np.float64)),
    ]
    if levels is not None:
        tries.append(("Its last value", np.ones(len(label), dtype=bool), rates_of_others(levels, label, person)))
    best = None
    for words, rows, score in tries:
        found = separation(label[rows], score[rows], person[rows])
        if found is None or found.severity is None or (best is not None and best[1].auroc >= found.auroc):
            continue
        best = (words, found)
    if best is None:
        return None
    words, found = best
    severity, chance = found.severity, 100 * found.by_chance(HONEST)
    assert severity is not None
    return Finding(
        finding="predicts_outcome_alone",
        severity=severity,
        table=column.table,
        column=column.name,
        evidence=f"{words} alone has an AUROC of {found.auroc:.3f} ({people(found.with_outcome)} with the outcome, "
        f"{people(found.without)} without). A column of true AUROC {HONEST} does as well in at most "
        f"{math.ceil(10 * chance) / 10:g} of 100 such samples.",
        remedy=f"Find out how it comes about and when it is known. If it is made from the outcome: {_DROP.lower()}",
    )
