"""The audit of a study, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sequela.audit.alone import told_alone
from sequela.audit.columns import Column, column_at, fact_columns, sampled
from sequela.audit.finding import Audit, Finding, concluded
from sequela.audit.forecast_alone import told_ahead
from sequela.audit.levels import spellings
from sequela.audit.outcome_time import age_at_outcome, beyond_the_last, counts_down, holds_time_ahead, repeats
from sequela.audit.people import copies, overlap
from sequela.audit.quantities import measured_of, outcome_columns, span, times_ahead
from sequela.audit.series import Floats, Series, series_of
from sequela.audit.settings import AuditSettings
from sequela.audit.static import later_values, undated
from sequela.audit.timing import at_prediction, availability, happened_at, only_after
from sequela.cohort import Cohort, ForecastQuestion, Question, RiskLabels, RiskQuestion, Split, SplitSettings
from sequela.cohort.asof import Rows
from sequela.predict import Evidence
from sequela.records import Clock, Records
from sequela.records.durations import MICROSECONDS


def audit_study(
    *,
    records: Records,
    evidence: Evidence,
    cohort: Cohort,
    splits: Sequence[Split],
    question: Question,
    split_by: SplitSettings,
    settings: AuditSettings | None = None,
) -> Audit:
    """Return what speaks against a study; `Audit.stop_at_leaks` stops where something is certain.

    Args:
        records: as read, before the outcome's columns are set apart.
        evidence: what models may see, and the outcomes apart.
        cohort: the labelled predictions.
        splits: of each fold.
        question: the study's question.
        split_by: how people were divided.
        settings: what the study accepts.
    """
    table_of = {code: table.name for table in records.tables for code in table.codes}
    series = list(series_of(evidence.events))
    asked, count = cohort.asked, evidence.people
    when = happened_at(evidence, question, records.clock)
    found = [
        *overlap(asked.person, splits, split_by),
        *copies(evidence.events, asked.person, splits, count),
        *_of_columns(series, evidence, cohort, question, table_of),
        *_of_times(series, evidence, cohort, question, records.clock, when, table_of),
        *only_after(series, when, question, table_of),
        *spellings(series, evidence.facts, table_of),
        *undated(evidence.facts, evidence.events, records.clock, table_of),
        *at_prediction(evidence.events, series, cohort, question),
        *availability(records),
    ]
    return concluded(found, (settings or AuditSettings()).accept)


def _of_columns(
    series: Sequence[Series], evidence: Evidence, cohort: Cohort, question: Question, table_of: Mapping[str, str]
) -> list[Finding]:
    """Return inputs that tell the outcome alone."""
    labels = cohort.labels
    assert labels is not None
    risk = isinstance(labels, RiskLabels)
    rows = sampled(labels.value if risk else np.zeros(len(cohort.asked.time)))
    person, time = cohort.asked.person[rows], cohort.asked.time[rows]

    def columns() -> Iterator[Column]:
        yield from fact_columns(evidence.facts, person, time, table_of)
        for one in series:
            yield column_at(one, person, time, cohort.timeline, table_of.get(one.code))

    if risk:
        found = [told_alone(column, labels.value[rows], person) for column in columns()]
        return [one for one in found if one is not None]
    assert isinstance(question, ForecastQuestion)
    by_code = {one.code: one for one in series}
    ahead = []
    for column in columns():
        for k, target in enumerate(question.targets):
            if column.name == target or target not in by_code:
                continue
            past = _own_past(by_code[target], person, time, evidence.people)
            ahead += [told_ahead(column, labels.value[rows, j, k], past, person) for j in range(labels.value.shape[1])]
    return [one for one in ahead if one is not None]


def _own_past(series: Series, person: Rows, time: Rows, count: int) -> Floats:
    """Return the last known number of a target and the one before [R, 2]."""
    row = series.last_known(person, time, count)
    before = np.maximum(row - 1, 0)
    has_before = (row > 0) & (series.person[before] == person)
    return np.column_stack(
        [np.where(row >= 0, series.number[row], np.nan), np.where(has_before, series.number[before], np.nan)]
    )


def _begin_and_last(evidence: Evidence, count: int, clock: Clock) -> tuple[Floats, Floats]:
    """Return the first and the last instant of each person [P] in the study's unit; days of a calendar."""
    first, last, _ = span(evidence.events, count)
    unit = MICROSECONDS["days" if clock.calendar else clock.unit]
    return first / unit, last / unit


def _of_times(
    series: Sequence[Series],
    evidence: Evidence,
    cohort: Cohort,
    question: Question,
    clock: Clock,
    when: Floats,
    table_of: Mapping[str, str],
) -> list[Finding]:
    """Return inputs that hold a time or a value that lies ahead."""
    count = evidence.people
    columns = outcome_columns(evidence.outcomes, count)
    measured = measured_of(series, evidence.facts, count)
    ahead = times_ahead(evidence.events, columns, cohort, question, when)
    first_asked = np.full(count, np.inf)
    np.minimum.at(first_asked, cohort.asked.person, cohort.asked.time.astype(np.float64))
    label = question.outcome.column if isinstance(question, RiskQuestion) and question.outcome is not None else None
    again = repeats(measured, {name: value for name, value in columns.items() if name != label}, table_of)
    rest = [one for one in measured if one.name not in {finding.column for finding in again}]
    first_record, _, _ = span(evidence.events, count)
    asked = np.where(np.isinf(first_asked), np.nan, first_asked)
    known = [first_record / MICROSECONDS["days"], asked / MICROSECONDS["days"]]
    times = holds_time_ahead(rest, ahead, known, table_of)
    rest = [one for one in rest if one.name not in {finding.column for finding in times}]
    return [
        *again,
        *times,
        *age_at_outcome(rest, ahead, first_record, table_of),
        *beyond_the_last(rest, *_begin_and_last(evidence, count, clock), table_of)[0],
        *counts_down(series, table_of, count),
        *later_values(series, evidence.facts, first_asked, table_of),
    ]
