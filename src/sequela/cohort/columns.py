"""Columns of outcomes: whether something happened to a person, and when, as tables write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows
from sequela.cohort.labels import common_codes
from sequela.cohort.risk_settings import OutcomeSettings
from sequela.cohort.settings import QuestionSettings
from sequela.errors import CohortError, InputError
from sequela.records import Clock, TableSettings
from sequela.records.durations import MICROSECONDS, TimeUnit
from sequela.records.times import INSTANT, iso_instants
from sequela.records.values import NOT_KNOWN, are_dates_in_one
from sequela.records.written import WrittenColumn

Flags = NDArray[np.bool_]
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")

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
    apart = [rows.with_columns(as_written()) for rows in (before, events.filter(is_apart))]
    return events.filter(~is_apart), pl.concat(apart)


def as_written() -> pl.Expr:
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
        there = "Check its name, and that `columns` of its table lists it"
        if not outcomes.is_empty():
            there += f"; outcome tables give {common_codes(outcomes)}"
        raise CohortError(f"[question] {key}: no table has a column '{column}' with a value. {there}.")
    return rows


def check_time_of_outcome(
    outcomes: pl.DataFrame, outcome: OutcomeSettings, tables: Iterable[tuple[TableSettings, Collection[str]]]
) -> None:
    """Refuse a `time` of an outcome that is no column, or a `time_unit` that contradicts the table's own.

    Args:
        outcomes: as `set_apart` returns them.
        outcome: its column, time and unit.
        tables: the settings of each table, and the table's codes.

    Raises:
        CohortError: where `time` is neither the column that dates the rows of the outcome's table nor one with values,
            with the columns that there are; where it is the former and counts in another unit.
    """
    own = next((table for table, codes in tables if outcome.column in codes), None)
    if outcome.time is None or own is None:
        return
    if own.time != outcome.time:
        rows_of(outcomes, outcome.time, key="outcome.time")
    elif outcome.time_unit not in (None, own.time_unit) and outcome.time not in outcomes["code"].unique():
        are = "dates" if own.time_unit is None else f"numbers of {own.time_unit}"
        raise CohortError(
            f"[question] outcome.time_unit: it is \"{outcome.time_unit}\", and '{outcome.time}' is the time of table "
            f"'{own.name}', whose times are {are}. Remove `time_unit` from `outcome`, or mend that of the table."
        )


@dataclass(frozen=True, kw_only=True)
class NamedColumn:
    """A column of an outcome as the study names it, and as a table wrote it where that is at hand."""

    key: str  # of [question]
    column: str
    written: WrittenColumn | None = None

    def refusal(self, problem: str, remedy: str, faulty: Flags | None = None) -> InputError:
        """Return an error that names the file and the rows where they are at hand, else the column.

        Args:
            problem: what is wrong with IT, the column, such as "IT holds numbers".
            remedy: what to do.
            faulty: the rows at fault, of what the table wrote; None: the column as a whole is.
        """
        if self.written is None:
            name = f"'{self.column}'"
            return CohortError(f"[question] {self.key}: {problem.replace('IT', name, 1)}. {remedy}.")
        rows = None if faulty is None else pl.Series(faulty)
        return self.written.refusal(f"[question] {self.key}: {problem.replace('IT', 'this column', 1)}", remedy, rows)

    def time_zone(self, clock: Clock | None) -> str:
        """Return the zone of times that carry none: that of the table, or else of the study."""
        if self.written is not None:
            return self.written.table.time_zone
        return "UTC" if clock is None else clock.time_zone

    def unplaced(self) -> NamedColumn:
        """Return the column without what a table wrote: of rows that were merged, numbers of rows mean nothing."""
        return replace(self, written=None)


def column_values(
    rows: pl.DataFrame, outcome: OutcomeSettings, people: int | None, written: WrittenColumn | None = None
) -> NDArray[np.float64]:
    """Return 1 where it happened, 0 where it did not, NaN where nothing says so.

    Args:
        rows: of the outcome's column (`rows_of`).
        outcome: its column and `positive`.
        people: the number of people, of each of whom one value is returned; None: a value for each row.
        written: the column as its table wrote it, so that refusals name rows.

    Raises:
        InputError: where the values are others than 0 and 1, true and false, or a person has two.
    """
    of = NamedColumn(key="outcome", column=str(outcome.column), written=written)
    remedy = "Write one for each person, or name the column's `time`"
    if outcome.time is not None:
        remedy = "Write one for each person, or give its table that `time`, so that each row has its own"
    if written is not None:
        said = _claims(written.values, outcome, of)
        if people is not None:
            _refuse_several(written.values, said, of, remedy)
    value = _claims(rows, outcome, of.unplaced())
    if people is None:
        return value
    _refuse_several(rows, value, of.unplaced(), remedy)
    found = np.full(people, np.nan)
    found[rows["subject_id"].to_numpy()] = value
    return found


def _refuse_several(rows: pl.DataFrame, value: NDArray[Any], of: NamedColumn, remedy: str) -> None:
    """Refuse two values of one person that differ."""
    both = pl.DataFrame({"person": rows["subject_id"], "value": value})
    differ = both.select(pl.col("value").min().over("person") < pl.col("value").max().over("person")).to_series()
    if differ.any():
        raise of.refusal("a person has several values of IT, and they differ", remedy, differ.to_numpy())


def _claims(rows: pl.DataFrame, outcome: OutcomeSettings, of: NamedColumn) -> NDArray[np.float64]:
    number, text = rows["numeric_value"].to_numpy(), rows["text_value"].fill_null("").str.strip_chars()
    _refuse_not_known(text, outcome, of)
    if outcome.positive is not None:
        return _named_level(number, text, outcome, of)
    words = text.str.to_lowercase().replace_strict(_WORDS, default=None, return_dtype=pl.Float64).to_numpy()
    value = np.where(np.isnan(number), words, number).astype(np.float64)
    other = ~np.isin(value, (0.0, 1.0))
    if other.any():
        example = f'outcome = {{ column = "{outcome.column}", positive = "dead" }}'
        problem = "IT holds values other than 0 and 1, or true and false"
        raise of.refusal(problem, f"Say which one is the event, such as {example}", other)
    return value


def is_positive(rows: pl.DataFrame, outcome: OutcomeSettings) -> Flags:
    """Return whether each record of a code has the value that is the event."""
    return _has_level(rows["numeric_value"].to_numpy(), rows["text_value"].fill_null("").str.strip_chars(), outcome)


def refuse_unclear_values(rows: pl.DataFrame, outcome: OutcomeSettings) -> None:
    """Refuse records of a code of which none has the value that is the event, or that do not say clearly who has it."""
    _claims(rows, outcome, NamedColumn(key="outcome", column=" or ".join(outcome.codes)))


def _has_level(number: NDArray[np.float64], text: pl.Series, outcome: OutcomeSettings) -> Flags:
    event = outcome.positive
    return np.asarray((text == event.strip()).to_numpy() if isinstance(event, str) else number == event)


def _named_level(
    number: NDArray[np.float64], text: pl.Series, outcome: OutcomeSettings, of: NamedColumn
) -> NDArray[np.float64]:
    event, found = outcome.positive, _has_level(number, text, outcome)
    if not found.any():
        problem = "nobody has the value of `positive` in IT"
        raise of.refusal(problem, "Check how it is written: text in quotation marks, a number without")
    if isinstance(event, str):
        alike = (_plain(text) == _plain_word(event)).to_numpy() & ~found
        if alike.any():
            problem = f'IT holds positive = "{event}" in another spelling, which would be no event'
            raise of.refusal(problem, "Write the event in one way, that of `positive`", alike)
    return np.asarray(found, dtype=np.float64)


def _refuse_not_known(text: pl.Series, outcome: OutcomeSettings, of: NamedColumn) -> None:
    """Refuse words for "not known", which would be no event; "-" beside "+" is none of them."""
    event = str(outcome.positive)
    words = NOT_KNOWN - {_plain_word(event)} - ({"-", "--"} if "+" in event else set())
    unsaid = _plain(text).is_in(sorted(words))
    if unsaid.any():
        remedy = "Add the word to `na` of the table, or write what it means"
        raise of.refusal('IT holds a word for "not known", such as "unknown" or "?"', remedy, unsaid.to_numpy())


def _plain(text: pl.Series) -> pl.Series:
    """Return texts without what makes one level look like another: capitals, spaces, other forms of letters, ".0"."""
    levels = text.unique()
    return text.replace_strict(levels, [_plain_word(level) for level in levels], return_dtype=pl.String)


def _plain_word(word: str) -> str:
    folded = " ".join(unicodedata.normalize("NFKC", word).casefold().split())
    return str(Decimal(folded).normalize()) if _NUMBER.fullmatch(folded) else folded


def of_other_level(rows: pl.DataFrame, outcome: OutcomeSettings, people: int) -> Flags:
    """Return whose value is neither `positive` nor the most common other one [P]; each counts as no event."""
    found = np.zeros(people, dtype=bool)
    level = pl.coalesce(pl.col("numeric_value").cast(pl.String), pl.col("text_value").str.strip_chars())
    value = _claims(rows, outcome, NamedColumn(key="outcome", column=str(outcome.column)))
    others = rows.select("subject_id", level=level).filter(pl.Series(value == 0))
    counts = others["level"].value_counts().sort(["count", "level"], descending=[True, False])
    if len(counts) > 1:
        found[others.filter(pl.col("level") != counts["level"][0])["subject_id"].to_numpy()] = True
    return found


def column_times(
    outcomes: pl.DataFrame, of: NamedColumn, unit: TimeUnit | None, people: int, clock: Clock | None
) -> Rows:
    """Return the instant that a column holds for each person [P], microseconds; NEVER where it holds none.

    A time without a zone is of its table's.

    Raises:
        InputError: where it is neither a number with a unit nor an ISO 8601 time, or a person has two.
    """
    rows = rows_of(outcomes, of.column, key=of.key)
    zone = of.time_zone(clock)
    if of.written is not None:
        values = of.written.values
        _refuse_several(values, _instants(values, of, unit, clock, zone), of, "Write one")
    instants = _instants(rows, of.unplaced(), unit, clock, zone)
    _refuse_several(rows, instants, of.unplaced(), "Write one")
    time = np.full(people, NEVER)
    time[rows["subject_id"].to_numpy()] = instants
    return time


def column_day_ends(outcomes: pl.DataFrame, of: NamedColumn, people: int, clock: Clock | None) -> Rows:
    """Return the end of the day of each person whose time in the column is a date only [P], NEVER of all others."""
    found = np.full(people, NEVER)
    rows = rows_of(outcomes, of.column, key=of.key).filter(pl.col("text_value").is_not_null())
    ends = iso_instants(rows["text_value"].str.strip_chars(), of.time_zone(clock))["day_end"]
    some = ends.is_not_null()
    found[rows["subject_id"].filter(some).to_numpy()] = ends.filter(some).cast(INSTANT).to_physical().to_numpy()
    return found


def _instants(rows: pl.DataFrame, of: NamedColumn, unit: TimeUnit | None, clock: Clock | None, time_zone: str) -> Rows:
    number = rows["numeric_value"]
    numbers = number.is_not_null().all()
    if clock is not None and clock.calendar == numbers:
        here, there = ("numbers", "dates") if numbers else ("dates or texts", "numbers")
        raise of.refusal(f"IT holds {here}, and the times of the records are {there}", f"Write {there}")
    if numbers and are_dates_in_one(number):
        raise of.refusal("IT holds dates that are written as one number, such as 20240531", "Write them as 2024-05-31")
    if numbers and unit is None:
        raise of.refusal("IT holds numbers", "Say of what: write `time_unit`")
    if numbers and unit is not None:
        span = np.rint(number.to_numpy() * MICROSECONDS[unit])
        large = np.abs(span) > _LARGEST_SPAN
        if large.any():
            raise of.refusal(f"IT holds numbers too large for times in {unit}", "Correct them, or `time_unit`", large)
        return np.asarray(span, dtype=np.int64)
    if unit is not None:
        raise of.refusal("IT holds texts, and `time_unit` is for numbers", "Remove `time_unit`")
    instants = iso_instants(rows["text_value"].str.strip_chars(), time_zone)["time"]
    if instants.null_count():
        none = instants.is_null().to_numpy()
        raise of.refusal("IT holds texts that are no times in ISO 8601", "Write them such as 2024-05-31", none)
    return instants.cast(INSTANT).to_physical().to_numpy()
