"""Columns that tell the next value of a target beyond what its own past tells."""

from __future__ import annotations

import numpy as np

from sequela.audit.columns import Column
from sequela.audit.finding import Finding, Severity
from sequela.audit.relation import FEWEST, HOLDS, KINDS, same
from sequela.audit.series import Flags, Floats
from sequela.audit.words import people, share
from sequela.cohort.asof import Rows

_REMEDY = "Remove the column from the inputs, or find out when it is known and give it that time."
_LIKELY, _CERTAIN = 0.95, 0.99  # share of what the own past leaves open that a column tells


def told_ahead(column: Column, label: Floats, past: Floats, person: Rows) -> Finding | None:
    """Return whether a column holds the future value of a target; None where an honest one could do as well.

    Args:
        column: at R predictions; not the target.
        label: [R] the value to come, NaN where there is none.
        past: [R, 2] the target's last known value and the one before, NaN where there is none.
        person: [R].
    """
    told = ~np.isnan(label) & ~np.isnan(column.number)
    for rows in (told & column.fresh, told):  # what is carried on from earlier hides what a fresh value tells
        found = _is_the_label(column, label, past, person, rows) or _explains(column, label, past, person, rows)
        if found is not None:
            return found
    return None


def _is_the_label(column: Column, label: Floats, past: Floats, person: Rows, rows: Flags) -> Finding | None:
    news = rows & ~np.nan_to_num(same(label, past[:, 0]), nan=0).astype(bool)
    who = len(np.unique(person[news]))
    if who < FEWEST or len(np.unique(label[news])) < KINDS:
        return None
    equal = same(column.number[news], label[news])
    if equal.mean() < HOLDS:
        return None
    return Finding(
        finding="equals_outcome",
        severity="certain",
        table=column.table,
        column=column.name,
        evidence=f"It is the value to come, in {share(int(equal.sum()), len(equal))} of {len(equal):,} predictions "
        f"({people(who)}) in which that differs from the last one.",
        remedy=_REMEDY,
    )


def _explains(column: Column, label: Floats, past: Floats, person: Rows, rows: Flags) -> Finding | None:
    rows = rows & ~np.isnan(past[:, 0])
    who = len(np.unique(person[rows]))
    if who < FEWEST or rows.sum() < 2 * FEWEST:
        return None
    before = np.where(np.isnan(past[rows, 1]), past[rows, 0], past[rows, 1])
    own = np.column_stack([np.ones(rows.sum()), past[rows, 0], before])
    own, value, number = (_within_most(each) for each in (own, label[rows], column.number[rows]))
    left, also = _residual(own, value), _residual(own, number)
    if np.var(left) <= 1e-6 * np.var(value) or np.var(also) <= 1e-9 * np.var(number):
        return None
    told = float((left @ also) ** 2 / ((left @ left) * (also @ also)))
    if told < _LIKELY:
        return None
    severity: Severity = "certain" if told >= _CERTAIN else "likely"
    return Finding(
        finding="predicts_outcome_alone",
        severity=severity,
        table=column.table,
        column=column.name,
        evidence=f"Of what the target's own past leaves open of the value to come, it tells {100 * told:.1f} % "
        f"({int(rows.sum()):,} predictions of {people(who)}).",
        remedy=_REMEDY,
    )


def _within_most(values: Floats) -> Floats:
    """Return values with the outermost hundredth at each end drawn in: a typing error is not to decide."""
    low, high = np.percentile(values, (1, 99), axis=0)
    return np.clip(values, low, high)


def _residual(own: Floats, value: Floats) -> Floats:
    coefficient, *_ = np.linalg.lstsq(own, value, rcond=None)
    return np.asarray(value - own @ coefficient)
