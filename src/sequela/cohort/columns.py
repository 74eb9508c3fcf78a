"""Columns of outcomes: whether something happened to a person, and when, as tables write it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows
from sequela.cohort.labels import common_codes
from sequela.cohort.risk_settings import OutcomeSettings
from sequela.cohort.settings import QuestionSettings
from sequela.errors import CohortError
from sequela.records import Clock
from sequela.records.durations import MICROSECONDS, TimeUnit
from sequela.records.times import iso_instants

_LARGEST_SPAN = 2.0**62  # microseconds, 146,000 years; a window added to it still is an Int64
_WORDS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


def set_apart(
    events: pl.DataFrame, outcomes: pl.DataFrame | None, question: QuestionSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events without the columns of the outcome and its follow-up, and the outcomes with them.

    Past values of a code that an outcome thresholds stay: what was known of them may be seen. So may earlier events of
    a code that can happen again. Where it cannot, who had it is asked no more, so no input ever holds it.

    Args:
        events: contract 1.
        outcomes: contract 1 rows of outcome tables; None where there are none.
        question: its `columns_apart` are taken out.
    """
    is_apart = pl.col("code").is_in(question.columns_apart)
    before = events.clear() if outcomes is None else outcomes.select(events.columns)
    if not question.columns_apart:
        return events, before
    apart = [rows.with_columns(_as_written()) for rows in (before, events.filter(is_apart))]
    return events.filter(~is_apart), pl.concat(apart)


def _as_written() -> pl.Expr:
    """The shortest decimal of a Float32 is the number as the table had it: 1.095, not 1.09500002."""
    return pl.col("numeric_value").cast(pl.String).cast(pl.Float64)


def with_outcomes(events: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the events of inputs and of outcome tables, as contract 1 has them."""
    return pl.concat([events, outcomes.select(events.columns).cast({"numeric_value": pl.Float32})])


def rows_of(outcomes: pl.DataFrame, column: str, *, key: str) -> pl.DataFrame:
    """Return the rows of a column that has a value.

    Raises:
        CohortError: where no table has the column.
    """
    valued = pl.col("numeric_value").is_not_null() | pl.col("text_value").is_not_null()
    rows = outcomes.filter((pl.col("code") == column) & valued)
    if rows.is_empty():
        there = 'Give its table the role "outcome"'
        if not outcomes.is_empty():
            there = f"Write one of the columns of outcome tables: {common_codes(outcomes)}"
        raise CohortError(f"[question] {key}: no table has a column '{column}' with a value. {there}.")
    return rows


def check_time_of_outcome(
    outcomes: pl.DataFrame, outcome: OutcomeSettings, tables: Iterable[tuple[str | None, Collection[str]]]
) -> None:
    """Refuse a `time` of an outcome that is neither the column that dates the rows of its table nor one with values.

    Args:
        outcomes: as `set_apart` returns them.
        outcome: its column and time.
        tables: the column that dates the rows of each table, None where there is none, and the table's codes.

    Raises:
        CohortError: with the columns that there are.
    """
    dating = [time for time, codes in tables if outcome.column in codes]
    if outcome.time is not None and dating and outcome.time not in dating:
        rows_of(outcomes, outcome.time, key="outcome.time")


def column_values(rows: pl.DataFrame, outcome: OutcomeSettings, people: int | None) -> NDArray[np.float64]:
    """Return 1 where it happened, 0 where it did not, NaN where nothing says so.

    Args:
        rows: of the outcome's column (`rows_of`).
        outcome: its column and `positive`.
        people: the number of people, of each of whom one value is returned; None: a value for each row.

    Raises:
        CohortError: where the values are others than 0 and 1, true and false, or a person has two.
    """
    value = _claims(rows, outcome)
    if people is None:
        return value
    person = rows["subject_id"].to_numpy()
    low, high = np.full(people, np.inf), np.full(people, -np.inf)
    np.minimum.at(low, person, value)
    np.maximum.at(high, person, value)
    if (low < high).any():
        raise CohortError(
            f"[question] outcome: a person has several values of '{outcome.column}', and they differ. Write one for "
            "each person, or name the column's `time`."
        )
    return np.where(np.isinf(low), np.nan, low)


def _claims(rows: pl.DataFrame, outcome: OutcomeSettings) -> NDArray[np.float64]:
    number, text = rows["numeric_value"].to_numpy(), rows["text_value"].fill_null("").str.strip_chars()
    if outcome.positive is not None:
        return _named_level(number, text, outcome)
    words = text.str.to_lowercase().replace_strict(_WORDS, default=None, return_dtype=pl.Float64).to_numpy()
    value = np.where(np.isnan(number), words, number).astype(np.float64)
    if not np.isin(value, (0.0, 1.0)).all():
        raise CohortError(
            f"[question] outcome: '{outcome.column}' holds values other than 0 and 1, or true and false. Say which "
            f'one is the event, such as outcome = {{ column = "{outcome.column}", positive = "dead" }}.'
        )
    return value


def _named_level(number: NDArray[np.float64], text: pl.Series, outcome: OutcomeSettings) -> NDArray[np.float64]:
    if isinstance(outcome.positive, str):
        found = (text == outcome.positive.strip()).to_numpy()
    else:
        found = number == outcome.positive
    if not found.any():
        raise CohortError(
            f"[question] outcome: nobody has the value of `positive` in '{outcome.column}'. Check how it is written: "
            "text in quotation marks, a number without."
        )
    return np.asarray(found, dtype=np.float64)


def column_times(
    outcomes: pl.DataFrame, column: str, unit: TimeUnit | None, people: int, clock: Clock | None, *, key: str
) -> Rows:
    """Return the instant that a column holds for each person [P], microseconds; NEVER where it holds none.

    Raises:
        CohortError: where it is neither a number with a unit nor an ISO 8601 time, or a person has two.
    """
    rows = rows_of(outcomes, column, key=key)
    instants = _instants(rows, column, unit, clock, key)
    person = rows["subject_id"].to_numpy()
    time, latest = np.full(people, np.iinfo(np.int64).max), np.full(people, NEVER)
    np.minimum.at(time, person, instants)
    np.maximum.at(latest, person, instants)
    if (time < latest).any():
        raise CohortError(f"[question] {key}: a person has several values of '{column}', and they differ. Write one.")
    return latest


def _instants(rows: pl.DataFrame, column: str, unit: TimeUnit | None, clock: Clock | None, key: str) -> Rows:
    numbers = rows["numeric_value"].is_not_null().all()
    if clock is not None and clock.calendar == numbers:
        here, there = ("numbers", "dates") if numbers else ("dates or texts", "numbers")
        raise _refused(key, column, f"holds {here}, and the times of the records are {there}", f"Write {there}")
    if numbers and unit is None:
        raise _refused(key, column, "holds numbers", "Say of what: write `time_unit`")
    if numbers and unit is not None:
        span = np.rint(rows["numeric_value"].to_numpy() * MICROSECONDS[unit])
        if (np.abs(span) > _LARGEST_SPAN).any():
            raise _refused(key, column, f"holds numbers too large for times in {unit}", "Correct them, or `time_unit`")
        return np.asarray(span, dtype=np.int64)
    if unit is not None:
        raise _refused(key, column, "holds texts, and `time_unit` is for numbers", "Remove `time_unit`")
    instants = iso_instants(rows["text_value"].str.strip_chars(), "UTC" if clock is None else clock.time_zone)["time"]
    if instants.null_count():
        raise _refused(key, column, "holds texts that are no times in ISO 8601", "Write them such as 2024-05-31")
    return instants.cast(pl.Datetime("us")).to_physical().to_numpy()


def _refused(key: str, column: str, problem: str, remedy: str) -> CohortError:
    return CohortError(f"[question] {key}: '{column}' {problem}. {remedy}.")
