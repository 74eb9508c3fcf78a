"""When the event of an outcome happened to each person, and until when each was watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows, known_time, last_at_or_before, offsets_by_person
from sequela.cohort.columns import (
    NamedColumn,
    as_written,
    column_day_ends,
    column_times,
    column_values,
    is_positive,
    of_other_level,
    refuse_unclear_values,
    rows_of,
    with_outcomes,
)
from sequela.cohort.denials import refuse_denials
from sequela.cohort.risk_settings import FollowUpSettings, OutcomeSettings
from sequela.errors import CohortError
from sequela.records import Clock
from sequela.records.times import INSTANT, end_of_day
from sequela.records.written import WrittenColumn

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the records hold, as labels may look at it.

    Attributes:
        events: contract 1, implausible values and the outcome's columns taken out.
        outcomes: contract 1 rows of outcome tables, and the outcome's columns.
        people: number of people.
        clock: how the study tells the time; None where that is not to be checked.
        written: by code, the outcome's columns row by row, so that refusals name rows.
    """

    events: pl.DataFrame
    outcomes: pl.DataFrame
    people: int
    clock: Clock | None
    written: Mapping[str, WrittenColumn] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Occurrences:
    """The instants at which an event happened to P people, sorted by person and time; microseconds."""

    offsets: Rows  # [P+1]
    time: Rows  # [K] when it happened
    known: Rows  # [K] when that was known

    def last_at_or_before(self, person: Rows, time: Rows) -> Rows:
        """Return the row of the last occurrence at or before each (person, time), -1 where there is none."""
        row = last_at_or_before(self.offsets, self.time, person, time)
        return np.where(row >= self.offsets[person], row, -1)

    def first_after(self, person: Rows, time: Rows) -> Rows:
        """Return the row of the first occurrence strictly after each (person, time), -1 where there is none."""
        row = last_at_or_before(self.offsets, self.time, person, time) + 1
        return np.where(row < self.offsets[person + 1], row, -1)


@dataclass(frozen=True, kw_only=True)
class Happened:
    """An outcome with a time: when it happened, and of whom that cannot be said."""

    occurrences: Occurrences
    not_known: Flags  # [P] no value says whether it happened
    not_dated: Flags  # [P] it happened, and nothing says when
    other_level: Flags  # [P] a value that is neither `positive` nor the most common other one
    day_end: Rows  # [P] the end of its day where the first one has a date only, else NEVER; of no meaning without one
    measured: Occurrences | None = None  # all values, where values of a code or of visits decide
    values_differ: bool = False  # records of a code that are events hold different values


def what_happened(seen: Seen, outcome: OutcomeSettings) -> Happened:
    """Return when the event of an outcome with a time, a code or a column, happened.

    Raises:
        InputError: where no record has the code or the column, or its values cannot be read as an event.
    """
    if outcome.column is not None:
        return _of_column(seen, outcome)
    nobody = np.zeros(seen.people, dtype=bool)
    rows = _of_code(with_outcomes(seen.events, seen.outcomes), outcome)
    _refuse_no_record(rows, outcome)
    if not outcome.values_decide:
        _refuse_denials(rows, outcome)
    if outcome.positive is not None:
        refuse_unclear_values(rows, outcome)
    found = _events_among(rows, outcome, seen.people)
    return Happened(
        occurrences=found,
        not_known=nobody,
        not_dated=nobody,
        other_level=nobody if outcome.positive is None else of_other_level(rows, outcome, seen.people),
        day_end=_day_end_of_first(found, seen),
        measured=_sorted(rows, seen.people) if outcome.values_decide else None,
        values_differ=not outcome.values_decide and _values_differ(rows),
    )


def _values_differ(rows: pl.DataFrame) -> bool:
    """Whether records of one code hold different values."""
    number, text = (pl.col(name).drop_nulls().n_unique() for name in ("numeric_value", "text_value"))
    return bool(rows.group_by("code").agg(differ=(number > 1) | (text > 1))["differ"].any())


def occurrences_of_code(events: pl.DataFrame, outcome: OutcomeSettings, people: int) -> Occurrences:
    """Return the events of a code as far as the records go; nobody need have had one."""
    return _events_among(_of_code(events, outcome), outcome, people)


def _of_code(events: pl.DataFrame, outcome: OutcomeSettings) -> pl.DataFrame:
    """Return the records of an outcome's code: where values decide those with one, the last version of each."""
    dated = events.lazy().filter(pl.col("time").is_not_null())
    columns = ["subject_id", "code", "time", "numeric_value", "text_value"]
    if not outcome.values_decide:
        return dated.filter(_begins(outcome.codes)).select(*columns, known=known_time()).collect()
    has_value = pl.col("numeric_value").is_not_null()
    if not outcome.has_threshold:
        has_value |= pl.col("text_value").is_not_null()
    return (
        dated.filter(pl.col("code").is_in(outcome.codes) & has_value)
        .select(*columns, known=known_time())
        .with_columns(*([] if outcome.has_threshold else [as_written()]))
        .sort("subject_id", "code", "time", "known", "numeric_value", "text_value")
        .unique(["subject_id", "code", "time"], keep="last", maintain_order=True)
        .collect()
    )


def _events_among(rows: pl.DataFrame, outcome: OutcomeSettings, people: int) -> Occurrences:
    if outcome.has_threshold:
        rows = rows.filter(_beyond(outcome))
    elif outcome.positive is not None:
        rows = rows.filter(is_positive(rows, outcome))
    return _sorted(rows, people)


def _begins(prefixes: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal([pl.col("code").str.starts_with(prefix) for prefix in prefixes])


def _beyond(outcome: OutcomeSettings) -> pl.Expr:
    """A bound is rounded as the values are, so that a value that is written as the bound is not beyond it."""
    value = pl.col("numeric_value")
    if outcome.above is not None:
        return value > pl.lit(outcome.above, dtype=pl.Float32)
    return value < pl.lit(outcome.below, dtype=pl.Float32)


def _refuse_no_record(found: pl.DataFrame, outcome: OutcomeSettings) -> None:
    if found.is_empty():
        codes = ", ".join(f"'{code}'" for code in outcome.codes)
        which = (
            f"has a {'number' if outcome.has_threshold else 'value'} with a time of the code {codes}; with `above`, "
            "`below` or `positive` it is the whole code"
            if outcome.values_decide
            else f"with a time has a code that begins with {codes}"
        )
        raise CohortError(f"[question] outcome: no record {which}. Check `code`.")


def _refuse_denials(found: pl.DataFrame, outcome: OutcomeSettings) -> None:
    form = f'outcome = {{ code = "{outcome.codes[0]}", positive = "yes" }}'
    refuse_denials(
        found,
        "outcome",
        outcome.name,
        of_numbers="Write above = 0 beside `code`",
        of_words=f"Say which value is the event, such as {form}",
    )


def _of_column(seen: Seen, outcome: OutcomeSettings) -> Happened:
    people, column, time_column = seen.people, str(outcome.column), str(outcome.time)
    rows = rows_of(seen.outcomes, column, key="outcome")
    own_time = time_column not in set(seen.outcomes["code"].unique()) and rows["time"].is_not_null().any()
    if own_time:  # `time` names the column that dates the rows of the table
        return _dated_by_rows(rows, outcome, seen)
    value = column_values(rows, outcome, people, seen.written.get(column))
    when = NamedColumn(key="outcome.time", column=time_column, written=seen.written.get(time_column))
    time = column_times(seen.outcomes, when, outcome.time_unit, people, seen.clock)
    happened = value == 1
    dated = happened & (time != NEVER)
    person = np.flatnonzero(dated)
    return Happened(
        occurrences=Occurrences(offsets=offsets_by_person(person, people), time=time[person], known=time[person]),
        not_known=np.isnan(value),
        not_dated=happened & ~dated,
        other_level=of_other_level(rows, outcome, people),
        day_end=column_day_ends(seen.outcomes, when, people, seen.clock),
    )


def _dated_by_rows(rows: pl.DataFrame, outcome: OutcomeSettings, seen: Seen) -> Happened:
    people = seen.people
    happened = column_values(rows, outcome, None, seen.written.get(str(outcome.column)))
    said = rows.with_columns(known=known_time(), happened=pl.Series(happened)).filter(pl.col("time").is_not_null())
    found = said.filter(pl.col("happened") == 1)
    is_diary = len(said) >= 2 * said["subject_id"].n_unique() and (said["happened"] == 0).any()
    not_known = np.ones(people, dtype=bool)
    not_known[rows["subject_id"].to_numpy()[~np.isnan(happened)]] = False
    not_dated = np.zeros(people, dtype=bool)
    not_dated[rows["subject_id"].to_numpy()[(happened == 1) & rows["time"].is_null().to_numpy()]] = True
    not_dated[found["subject_id"].to_numpy()] = False
    occurrences = _sorted(found, people)
    return Happened(
        occurrences=occurrences,
        not_known=not_known,
        not_dated=not_dated,
        other_level=of_other_level(rows, outcome, people),
        day_end=_day_end_of_first(occurrences, seen),
        measured=_sorted(said, people) if is_diary else None,
    )


def _day_end_of_first(occurrences: Occurrences, seen: Seen) -> Rows:
    """Return the end of the day of each person's first occurrence that is a date only, so known at that end [P]."""
    found = np.full(seen.people, NEVER)
    if seen.clock is None or not seen.clock.calendar or not len(occurrences.time):
        return found
    some = np.diff(occurrences.offsets) > 0
    first = occurrences.offsets[:-1][some]
    ends = end_of_day(pl.Series(occurrences.time[first]).cast(INSTANT), seen.clock.time_zone).to_physical().to_numpy()
    found[some] = np.where(occurrences.known[first] == ends, ends, NEVER)
    return found


def _sorted(found: pl.DataFrame, people: int) -> Occurrences:
    one = found.group_by("subject_id", "time").agg(pl.col("known").min()).sort("subject_id", "time")
    return Occurrences(
        offsets=offsets_by_person(one["subject_id"].to_numpy(), people),
        time=_microseconds(one["time"]),
        known=_microseconds(one["known"]),
    )


def _microseconds(times: pl.Series) -> Rows:
    return times.cast(pl.Datetime("us")).to_physical().to_numpy()


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """Until when each person was watched: the next end after a time, else the last instant; microseconds."""

    until: Rows  # [P], NEVER where nothing says
    ends: Occurrences | None

    def reaches(self, person: Rows, time: Rows) -> Rows:
        """Return until when each person was watched from each time on [R]."""
        until = self.until[person]
        if self.ends is None or not len(self.ends.time):
            return until
        row = self.ends.first_after(person, time)
        return np.where(row >= 0, self.ends.time[row], until)


def follow_up(seen: Seen, settings: str | FollowUpSettings) -> FollowUp:
    """Return until when people were watched.

    "last record" is the last time that any record of an input carries. A code ends it at its first record after the
    prediction time, and nobody's who has none: there the last record stands. A column says it for each person.
    """
    if isinstance(settings, str):
        return FollowUp(until=last_times(seen.events, seen.people), ends=None)
    if settings.column is not None:
        of = NamedColumn(key="follow_up", column=settings.column, written=seen.written.get(settings.column))
        until = column_times(seen.outcomes, of, settings.time_unit, seen.people, seen.clock)
        return FollowUp(until=until, ends=None)
    everything = with_outcomes(seen.events, seen.outcomes)
    assert settings.codes is not None
    found = everything.filter(pl.col("time").is_not_null() & _begins(settings.codes.prefixes))
    if found.is_empty():
        codes = ", ".join(f"'{code}'" for code in settings.codes.prefixes)
        raise CohortError(f"[question] follow_up: no record has a code that begins with {codes}. Check `code`.")
    keep = "Keep only the records in which it happened, in a table of layout 'long'"
    refuse_denials(found, "follow_up", settings.codes.prefixes[0], of_numbers=keep, of_words=keep)
    ends = _sorted(found.select("subject_id", "time", known=known_time()), seen.people)
    return FollowUp(until=last_times(seen.events, seen.people), ends=ends)


def last_times(events: pl.DataFrame, people: int) -> Rows:
    """Return the last time that a record of each person carries [P], NEVER of one without."""
    last = events.lazy().filter(pl.col("time").is_not_null()).group_by("subject_id").agg(pl.col("time").max()).collect()
    until = np.full(people, NEVER)
    until[last["subject_id"].to_numpy()] = _microseconds(last["time"])
    return until
