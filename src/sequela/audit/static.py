"""Static columns: facts that cannot have been known from the start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from sequela.audit.finding import Finding, Severity
from sequela.audit.relation import FEWEST, HOLDS, KINDS, same
from sequela.audit.series import Floats, Series
from sequela.audit.words import people, share
from sequela.cohort.facts import Facts
from sequela.prepare.quantities import quantity_of
from sequela.records import Clock

_UNCHANGING = ("body height", "age")
_FIXED = re.compile(r"sex|gender|male|race|ethnic|birth|height|blood.?(?:group|type)|genotype|icu.?type", re.IGNORECASE)
_CAN_CHANGE = re.compile(
    r"weight|bmi|body.?mass|waist|smok|alcohol|diagnos|comorbid|charlson|score|stage|grade|status|medic|drug|dose|"
    r"pressure|rate|marital|insurance|income|diabet|hypertens|creatin|glucose|chol",
    re.IGNORECASE,
)
_AT_THE_END = re.compile(
    r"discharge|dispos|length.?of.?stay|(?:^|[^a-z])los(?:$|[^a-z])|died|death|deceas|expire|mortal|surviv|futime|"
    r"follow.?up|readmi|censor|outcome",
    re.IGNORECASE,
)
_REMEDY = "Give it the time at which it was measured (a table of layout visits or long), or leave it out."


def later_values(
    series: Sequence[Series], facts: Facts, first_asked: Floats, table_of: Mapping[str, str]
) -> list[Finding]:
    """Return static numbers that are what a code was measured to be later: its last, mean, lowest or highest value.

    Args:
        series: of all codes.
        facts: static facts.
        first_asked: [P] the first prediction of each person, microseconds, infinite where there is none.
        table_of: the table of each code.
    """
    found: dict[str, Finding] = {}
    for one in series:
        if np.isnan(one.number).all() or not facts.numbers:
            continue
        first, _ = one.of_each("first", len(first_asked))
        for words, value, when in _summaries(one, len(first_asked)):
            told = ~np.isnan(value) & ~same(value, first) & (when > first_asked)
            for name, fact in facts.numbers.items():
                both = told & ~np.isnan(fact)
                if name in found or both.sum() < FEWEST or len(np.unique(value[both])) < KINDS:
                    continue
                equal = int(same(fact[both], value[both]).sum())
                if equal >= HOLDS * both.sum():
                    found[name] = Finding(
                        finding="later_value_as_fact",
                        severity="certain",
                        table=table_of.get(name),
                        column=name,
                        evidence=f"It is the {words} of '{one.code}', measured after the first prediction, for "
                        f"{share(equal, int(both.sum()))} of {people(int(both.sum()))} in whom that differs from the "
                        "first value.",
                        remedy=_REMEDY,
                    )
    return list(found.values())


def _summaries(one: Series, count: int) -> Iterable[tuple[str, Floats, Floats]]:
    """Yield summaries of all numbers of each person [P] and the instant from which they are known."""
    rows = ~np.isnan(one.number)
    table = pl.DataFrame({"person": one.person[rows], "time": one.time[rows], "number": one.number[rows]})
    whole = table.sort("person", "time").group_by("person").agg(
        pl.col("number").last().alias("last value"),
        pl.col("number").mean().alias("mean"),
        pl.col("number").min().alias("lowest value"),
        pl.col("number").max().alias("highest value"),
        pl.len().cast(pl.Float64).alias("number of records"),
        pl.col("time").last().cast(pl.Float64),
    )  # fmt: skip
    person, when = whole["person"].to_numpy(), np.full(count, -np.inf)
    when[person] = whole["time"].to_numpy()
    for words in ("last value", "mean", "lowest value", "highest value", "number of records"):
        value = np.full(count, np.nan)
        value[person] = whole[words].to_numpy()
        yield words, value, when


def undated(facts: Facts, events: pl.DataFrame, clock: Clock, table_of: Mapping[str, str]) -> list[Finding]:
    """Return static columns that can change, where nothing says that they were measured before the records."""
    early, everybody = _before_origin(events)
    return [
        one
        for name in [*facts.numbers, *facts.categories]
        if (one := _undated(name, clock.calendar, early, everybody, table_of.get(name))) is not None
    ]


def _before_origin(events: pl.DataFrame) -> tuple[int, int]:
    """Return how many people have records before time 0, and how many have records at all."""
    timed = events.filter(pl.col("time").is_not_null() & ~pl.col("code").str.starts_with("MEDS_BIRTH"))
    before = timed.filter(pl.col("time").cast(pl.Int64) < 0)
    return before["subject_id"].n_unique(), timed["subject_id"].n_unique()


def _undated(name: str, calendar: bool, early: int, everybody: int, table: str | None) -> Finding | None:
    quantity = quantity_of(name)
    fixed = quantity.name in _UNCHANGING if quantity is not None else _FIXED.search(name) is not None
    end = _AT_THE_END.search(name) is not None
    changes = quantity is not None or _CAN_CHANGE.search(name) is not None
    precede = early > 0 and not calendar
    if not end and (fixed or not (changes or precede)):
        return None
    severity: Severity = "likely" if end or (changes and (calendar or precede)) else "note"
    return Finding(
        finding="static_after_records",
        severity=severity,
        table=table,
        column=name,
        evidence=" ".join([_what(end, changes), _when(calendar, early, everybody)]),
        remedy=_REMEDY,
    )


def _what(end: bool, changes: bool) -> str:
    if end:
        return "By its name it is known at the end only, and the study takes it as known from the start."
    can = "It can change, and" if changes else "It may change, and"
    return f"{can} the study takes it as known from the start."


def _when(calendar: bool, early: int, everybody: int) -> str:
    if calendar:
        return "Nothing says when it was measured."
    if not early:
        return "No record precedes the origin, time 0; nothing says that it was not measured later."
    whom = f"{share(early, everybody)} of {people(everybody)}"
    return f"Records of {whom} precede the origin, time 0, and it was measured then or later."
