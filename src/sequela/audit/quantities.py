"""What columns are compared with: quantities of people that lie ahead of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from sequela.audit.relation import FEWEST, HOLDS, KINDS
from sequela.audit.series import Floats, Series
from sequela.audit.words import FEW
from sequela.cohort import Cohort, FollowUpSettings, Question, RiskQuestion
from sequela.cohort.asof import known_time
from sequela.cohort.facts import AGE, Facts
from sequela.records.durations import MICROSECONDS

_DAY = MICROSECONDS["days"]
_MANY = 50  # people


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """A quantity of each person that nobody knows at the prediction time.

    Attributes:
        finding: the name under which a column that holds it is reported.
        words: what it is.
        value: [P] NaN where unknown.
        instant: [P] when it comes to be known, microseconds, NaN where nothing says so: values that were measured
            then or later may hold it honestly.
        years: how long its unit is; None where that is not known, or it may be no time at all.
    """

    finding: str
    words: str
    value: Floats
    instant: Floats
    years: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A column as one number a person: a fact, or the first number of a code, with the time it was measured.

    `days` is NaN for a fact. `lasting`: a fact, or a code with the same number at every record of a person.
    """

    name: str
    value: Floats  # [P]
    days: Floats  # [P]
    lasting: bool = False


def measured_of(series: Sequence[Series], facts: Facts, people: int) -> list[Measured]:
    """Return every numeric input as one number a person, those that most people have first; at most 200."""
    nothing = np.full(people, np.nan)
    found = [Measured(name=name, value=value, days=nothing, lasting=True) for name, value in facts.numbers.items()]
    if facts.birth is not None:
        found.append(Measured(name=AGE, value=-facts.birth / MICROSECONDS["years"], days=nothing))
    for one in series:
        if not np.isnan(one.number).all():
            value, when = one.of_each("first", people)
            days = np.where(np.isnan(value), np.nan, when / _DAY)
            found.append(Measured(name=one.code, value=value, days=days, lasting=_never_changes(one)))
    told = [one for one in found if _distinct(one.value) >= 2]
    return sorted(told, key=lambda one: -int((~np.isnan(one.value)).sum()))[:200]


def _never_changes(one: Series) -> bool:
    """True where a code stands several times in many people, and with one number in nearly each of them."""
    rows = ~np.isnan(one.number)
    _, start, often = np.unique(one.person[rows], return_index=True, return_counts=True)
    number = one.number[rows]
    same = np.minimum.reduceat(number, start) == np.maximum.reduceat(number, start)
    repeated = often > 1
    return bool(repeated.sum() >= _MANY and same[repeated].mean() >= HOLDS)


def _distinct(value: Floats) -> int:
    return len(np.unique(value[~np.isnan(value)]))


def outcome_columns(outcomes: pl.DataFrame, people: int) -> dict[str, Floats]:
    """Return the numeric columns of outcome tables, and those set apart, of people who have one value [P]."""
    found = {}
    for (code,), rows in outcomes.filter(pl.col("numeric_value").is_not_null()).group_by("code", maintain_order=True):
        one = rows.group_by("subject_id").agg(pl.col("numeric_value").first(), n=pl.col("numeric_value").n_unique())
        kept = one.filter(pl.col("n") == 1)
        value = np.full(people, np.nan)
        value[kept["subject_id"].to_numpy()] = kept["numeric_value"].cast(pl.Float64).to_numpy()
        found[str(code)] = value
    return dict(sorted(found.items()))


def times_ahead(
    events: pl.DataFrame, columns: dict[str, Floats], cohort: Cohort, question: Question, when: Floats
) -> list[Ahead]:
    """Return the times of the outcome, and how long and how often each person is seen in all."""
    people, times = cohort.timeline.people, _columns_of_time(question)
    nothing = np.full(people, np.nan)
    first, last, instants = span(events, people)
    found = [
        Ahead(
            finding="outcome_time",
            words=f"'{name}' of the outcome",
            value=value,
            instant=nothing,
            years=times.get(name),
        )
        for name, value in columns.items()
        if _distinct(value) >= KINDS
    ]
    asked_first = np.full(people, np.inf)
    np.minimum.at(asked_first, cohort.asked.person, cohort.asked.time.astype(np.float64))
    for words, start in (
        ("", 0.0),
        (" since the first record", first),
        (" since the first prediction", np.where(np.isinf(asked_first), np.nan, asked_first)),  # nobody asks some
    ):
        found.append(
            Ahead(
                finding="outcome_time",
                words=f"the time of the outcome{words}",
                value=(when - start) / _DAY,
                instant=when,
                years=_DAY / MICROSECONDS["years"],
            )
        )
    for words, start in (("the time of the last record", 0.0), ("the time from the first record to the last", first)):
        lies_ahead = np.where(last > asked_first, last, np.nan)
        found.append(
            Ahead(finding="length_of_record", words=words, value=(lies_ahead - start) / _DAY, instant=lies_ahead)
        )
    often = np.where(np.isnan(last) | (last <= asked_first), np.nan, instants)
    found.append(Ahead(finding="length_of_record", words="the number of records in all", value=often, instant=last))
    return [one for one in found if (~np.isnan(one.value)).sum() >= max(FEWEST, FEW)]


def _columns_of_time(question: Question) -> dict[str, float]:
    """Return the columns that the study says are times of the outcome or the end of follow-up, and their unit in years.

    A column of dates has none.
    """
    if not isinstance(question, RiskQuestion):
        return {}
    named = [] if question.outcome is None else [(question.outcome.time, question.outcome.time_unit)]
    if isinstance(question.follow_up, FollowUpSettings):
        named.append((question.follow_up.column, question.follow_up.time_unit))
    return {
        name: MICROSECONDS[unit] / MICROSECONDS["years"]
        for name, unit in named
        if name is not None and unit is not None
    }


def span(events: pl.DataFrame, people: int) -> tuple[Floats, Floats, Floats]:
    """Return the first and the last instant of each person and the number of distinct ones [P]."""
    timed = events.lazy().filter(pl.col("time").is_not_null() & ~pl.col("code").str.starts_with("MEDS_BIRTH"))
    known = timed.select("subject_id", known=known_time().cast(pl.Int64)).group_by("subject_id")
    rows = known.agg(
        pl.col("known").min().alias("first"), pl.col("known").max().alias("last"), n=pl.col("known").n_unique()
    )
    table = rows.collect()
    spans = np.full((3, people), np.nan)
    spans[:, table["subject_id"].to_numpy()] = table.select("first", "last", "n").cast(pl.Float64).to_numpy().T
    return spans[0], spans[1], spans[2]
