"""Columns that hold a time that lies ahead: that of the outcome, or that of the last record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from sequela.audit.finding import Finding
from sequela.audit.quantities import Ahead, Measured
from sequela.audit.relation import FEWEST, HOLDS, KINDS, Relation, grain, pair_relations, relation, same
from sequela.audit.series import Floats, Series
from sequela.audit.words import people, share
from sequela.records.durations import MICROSECONDS

_DAY, _YEAR_DAYS = MICROSECONDS["days"], 365.25
_ONCE_IN_100 = 2.33  # standard errors
_AS_WELL = 0.98  # two relations of a rounded number may hold for a few people more or less
_AGE = re.compile(r"(?:^|[^a-z])(?:age|alter|edad|years?_?old)(?:$|[^a-z])", re.IGNORECASE)


def repeats(measured: Sequence[Measured], columns: Mapping[str, Floats], table_of: Mapping[str, str]) -> list[Finding]:
    """Return inputs whose numbers are those of a column of an outcome table, person by person."""
    found = []
    for one in measured:
        for name, value in columns.items():
            both = ~np.isnan(one.value) & ~np.isnan(value)
            if both.sum() < FEWEST:
                continue
            equal = int(same(one.value[both], value[both]).sum())
            if equal >= _needed(value[both]) * both.sum():
                found.append(
                    Finding(
                        finding="equals_outcome_table",
                        severity="certain",
                        table=table_of.get(one.name),
                        column=one.name,
                        evidence=f"It is '{name}', which the study keeps apart as an outcome's, for "
                        f"{share(equal, int(both.sum()))} of {people(int(both.sum()))}.",
                        remedy="Remove the column from the inputs. Where it is known from the start, as a sex is, it "
                        "is no outcome: name in `columns` of the outcome's table only what is.",
                    )
                )
                break
    return found


def _needed(value: Floats) -> float:
    """Return the share of people of whom two columns must agree, which is more where there are few values."""
    kinds, counts = np.unique(value, return_counts=True)
    if len(kinds) >= KINDS and counts.max() <= 0.5 * len(value):
        return HOLDS
    return 1.0 if len(value) - counts.max() >= FEWEST else np.inf


def holds_time_ahead(
    measured: Sequence[Measured], ahead: Sequence[Ahead], known: Sequence[Floats], table_of: Mapping[str, str]
) -> list[Finding]:
    """Return inputs that are a time ahead, plus a constant or plus (or minus) another input.

    Args:
        measured: columns as one number a person.
        ahead: what lies ahead.
        known: [P] times that are known with the facts, such as that of the first record, in days: an age or a year at
            admission goes with the end of a short stay too.
        table_of: the table of each code.
    """
    found: dict[str, Finding] = {}
    for what in ahead:
        alone: set[str] = set()
        for one in measured:
            value = _unless_known(one, what)
            held = relation(value, what.value, grain(one.value))
            if held is not None and not _goes_with(_own_times(known, one), value, grain(one.value), held):
                alone.add(one.name)
                found.setdefault(one.name, _finding(one.name, what, held, None, table_of))
        rest = [one for one in measured if one.name not in alone and one.name not in found]
        values = np.array([_unless_known(one, what) for one in rest]).reshape(len(rest), len(what.value))
        for pair in pair_relations(values, what.value):
            of, other = rest[pair.of], rest[pair.other]
            combined = values[pair.of] + (-1 if pair.minus else 1) * values[pair.other]
            own, blur = _own_times(known, of, other), grain(of.value) + grain(other.value)
            if of.name in found or other.name in found or _goes_with(own, combined, blur, pair.relation):
                continue
            sign = "plus" if pair.minus else "minus"
            found[of.name] = _finding(of.name, what, pair.relation, f"{sign} '{other.name}'", table_of)
    return list(found.values())


def _unless_known(one: Measured, what: Ahead) -> Floats:
    """Return the column of people who have the quantity, without those of whom it was known when it was measured."""
    known = one.days * _DAY >= what.instant
    return np.where(known | np.isnan(what.value), np.nan, one.value)


def _own_times(known: Sequence[Floats], *columns: Measured) -> list[Floats]:
    """Return the times at which columns were measured; of facts, those that are known with them."""
    return [time for one in columns for time in (known if np.isnan(one.days).all() else [one.days])]


def _goes_with(times: Sequence[Floats], value: Floats, blur: float, held: Relation) -> bool:
    """True where a quantity goes with one of its own times as well as with what lies ahead, but for a few people."""
    own = [relation(value, time, blur) for time in times]
    return any(one is not None and one.holding >= _AS_WELL * held.holding for one in own)


def _finding(name: str, what: Ahead, held: Relation, other: str | None, table_of: Mapping[str, str]) -> Finding:
    times = "" if abs(abs(held.slope) - 1) < 1e-9 else f" times {abs(held.slope):.6g}"
    signed = "minus " if held.slope < 0 else ""
    parts = [f"{signed}{what.words}{times}", *([other] if other else [])]
    parts += ["plus a constant"] if held.constant else []
    remedy = "Remove the column, or make it from what is known at the prediction time"
    return Finding(
        finding=what.finding,
        severity="certain",
        table=table_of.get(name),
        column=name,
        evidence=f"It is {', '.join(parts)}, but for rounding: for {share(held.holding, held.people)} of "
        f"{people(held.people)} who have both.",
        remedy=f"{remedy}: an age, say, from the birth." if other else f"{remedy}.",
    )


def beyond_the_last(
    measured: Sequence[Measured], begin: Floats, last: Floats, table_of: Mapping[str, str]
) -> tuple[list[Finding], list[Ahead]]:
    """Return what never changes, is never below the last time of a person, and goes with it: ends of follow-up.

    Args:
        measured: columns as one number a person.
        begin, last: [P] the first and the last time of each person, in the unit of the columns.
        table_of: the table of each code.
    """
    found, ends = [], []
    for one in [one for one in measured if one.lasting]:
        for start in (0.0, begin):
            both = ~np.isnan(one.value) & ~np.isnan(last) & (last > begin)
            value, seen = one.value[both], (last - start)[both]
            if both.sum() < 50 or len(np.unique(value)) < KINDS or len(np.unique(seen)) < KINDS:
                continue
            above = int((value >= seen - grain(value)).sum())
            with np.errstate(invalid="ignore"):
                together = float(np.corrcoef(np.argsort(np.argsort(value)), np.argsort(np.argsort(seen)))[0, 1])
            if above < 0.99 * both.sum() or not together >= 0.6 or np.median(value) > 3 * np.median(seen):
                continue
            found.append(
                Finding(
                    finding="length_of_record",
                    severity="likely",
                    table=table_of.get(one.name),
                    column=one.name,
                    evidence=f"It is never below the last time of a person (of {share(above, int(both.sum()))} of "
                    f"{people(int(both.sum()))}) and goes with it, rank correlation {together:.2f}: so does the end of "
                    "follow-up, or the time of the outcome.",
                    remedy="Remove it where it is known at the end only.",
                )
            )
            nothing = np.full(len(one.value), np.nan)
            ends.append(Ahead(finding="outcome_time", words=f"'{one.name}'", value=one.value, instant=nothing))
            break
    return found, ends


def counts_down(series: Sequence[Series], table_of: Mapping[str, str], count: int) -> list[Finding]:
    """Return codes whose numbers fall by the time that passes, from person to person to another end."""
    found = []
    for one in series:
        first, began = one.of_each("first", count)
        last, ended = one.of_each("last", count)
        passed = (ended - began) / _DAY
        some = ~np.isnan(first) & (passed > 0) & (first != last)
        if some.sum() < FEWEST:
            continue
        slope = (last - first)[some] / passed[some]
        middle = float(np.median(slope))
        at_zero = first - middle * began / _DAY
        slack = 2 * grain(one.number) / np.maximum(passed[some], 1e-9)
        alike = (np.abs(slope - middle) <= np.maximum(0.01 * abs(middle), slack)) & (slack < 0.2 * abs(middle))
        if middle < 0 and alike.mean() >= HOLDS and len(np.unique(np.round(at_zero[some], 6))) >= KINDS:
            found.append(
                Finding(
                    finding="counts_down",
                    severity="likely",
                    table=table_of.get(one.code),
                    column=one.code,
                    evidence=f"It falls by {abs(middle):.4g} a day, for {share(int(alike.sum()), int(some.sum()))} of "
                    f"{people(int(some.sum()))}, towards another end for each.",
                    remedy="Remove it where that end is not known beforehand.",
                )
            )
    return found


def age_at_outcome(
    measured: Sequence[Measured], ahead: Sequence[Ahead], begin: Floats, table_of: Mapping[str, str]
) -> list[Finding]:
    """Return columns called an age that are higher where the outcome comes later, by about a year a year.

    Older people have outcomes sooner, if anything. Where the years to the outcome were added to an age and the age at
    entry is gone, nothing else is left to see. People who enter later may be older: what goes with the first record,
    `begin` [P], does not count.
    """
    times = [what for what in ahead if what.years is not None]
    found = []
    for one in measured:
        if _AGE.search(one.name) is None:
            continue
        rising = [rise for what in times if (rise := _rise(one.value, what, begin)) is not None]
        if not rising:
            continue
        what, correlation, slope, count = max(rising, key=lambda rise: rise[1] * rise[3] ** 0.5)
        found.append(
            Finding(
                finding="age_at_outcome",
                severity="likely",
                table=table_of.get(one.name),
                column=one.name,
                evidence=f"It is higher where {what.words} is later, by {slope:.2f} years a year (correlation "
                f"{correlation:+.2f} among {people(count)}; chance does as much once in 100 times). So does an age at "
                "entry to which the years to the outcome were added.",
                remedy="Find out at which instant the age is. Give the birth, from which the age at each time follows.",
            )
        )
    return found


def _rise(age: Floats, what: Ahead, begin: Floats) -> tuple[Ahead, float, float, int] | None:
    """Return how an age rises with a time: correlation, years a year and people; None where it does not."""
    both = ~np.isnan(age) & ~np.isnan(what.value) & ~np.isnan(begin)
    count = int(both.sum())
    if count < 50 or what.years is None:
        return None
    years, ages = (_apart_from(begin[both], each[both]) for each in (what.value * what.years, age))
    if np.std(years) <= 1e-6 * np.std(what.value[both] * what.years) or np.std(ages) <= 1e-6 * np.std(age[both]):
        return None
    correlation = float(np.corrcoef(ages, years)[0, 1])
    slope = correlation * float(np.std(ages) / np.std(years))
    score = np.arctanh(min(correlation, 1 - 1e-9)) * np.sqrt(count - 3)
    return (what, correlation, slope, count) if score > _ONCE_IN_100 and 0.15 <= slope <= 1.5 else None


def _apart_from(begin: Floats, value: Floats) -> Floats:
    """Return what a straight line through the time of the beginning leaves of a quantity."""
    centred, rest = begin - begin.mean(), value - value.mean()
    square = float(centred @ centred)
    return np.asarray(rest - centred * (centred @ rest / square)) if square else rest
