"""Codes made of two others at the record level: a ratio, a difference, or whichever of two was measured.

A derived value becomes known when either of its parts does, from the last known value of each: nothing later is looked
at. It is a record like any other, so that networks, statistics, gaps and importance treat it as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import polars as pl

from sequela.cohort.asof import known_time
from sequela.errors import StudyError
from sequela.prepare.units import unit_named
from sequela.records.words import nearest

_FORMULA = re.compile(r"\s*(?P<left>.+?)\s+(?P<sign>[-+*/|])\s+(?P<right>.+?)\s*")
_LEFT, _RIGHT = pl.col("left"), pl.col("right")
_SIGNS = {"+": _LEFT + _RIGHT, "-": _LEFT - _RIGHT, "*": _LEFT * _RIGHT, "/": _LEFT / _RIGHT}
_OR = "|"
Parts = tuple[str, str, str]  # left code, sign, right code


def parse_formula(text: str) -> Parts:
    """Return the two codes of a formula and the sign between them.

    Raises:
        ValueError: with what a formula looks like.

    Example:
        >>> parse_formula("HR / SysABP")
        ('HR', '/', 'SysABP')
    """
    found = _FORMULA.fullmatch(text)
    if found is None:
        raise ValueError(
            f'"{text}" is no formula: write two codes with + - * / or | (whichever was measured) between them and '
            'spaces around it, such as "HR / SysABP"'
        )
    return found["left"], found["sign"], found["right"]


def check_formulas(formulas: Mapping[str, str], codes: Iterable[str], measured: Iterable[str]) -> None:
    """Refuse formulas of codes that the records do not have, or never measure, and names that they have.

    Args:
        formulas: by the new code.
        codes: of the records.
        measured: those that have a number with a time.

    Raises:
        StudyError: with the nearest code that there is.
    """
    known, able = set(codes), set(measured)
    for name, formula in formulas.items():
        if name in known:
            raise StudyError(f"[prepare] derived: the records have a code '{name}' already. Give it another name.")
        left, _, right = parse_formula(formula)
        for code in (left, right):
            if code not in known:
                remedy = nearest(code, known) or ' Write two codes of the records, such as "sbp - dbp".'
                raise StudyError(f"[prepare] derived: '{name}' needs '{code}', no such code.{remedy}")
            if code not in able:
                raise StudyError(
                    f"[prepare] derived: '{name}' needs '{code}', which has no number with a time: a static "
                    "fact or a category is none. Name codes that are measured."
                )
        known.add(name)
        able.add(name)


def with_derived(events: pl.DataFrame, formulas: Mapping[str, str]) -> pl.DataFrame:
    """Return the events with those that the formulas make of them; a formula may use the ones above it.

    Args:
        events: contract 1, implausible values already taken out.
        formulas: by the new code.

    Raises:
        StudyError: where two codes that become one come in two units.
    """
    for name, formula in formulas.items():
        made = _derived(events, name, parse_formula(formula))
        events = pl.concat([events, made.select(events.columns)])
    by_person = ("subject_id", known_time(), "time", "code")
    return events.sort(*by_person, nulls_last=False, maintain_order=True) if formulas else events


def not_finite(events: pl.DataFrame, formulas: Mapping[str, str]) -> dict[str, int]:
    """Return by new code at how many instants the formula gives no finite number, as 1 / 0, and so nothing was made.

    Args:
        events: with those that the formulas made (`with_derived`).
        formulas: by the new code.
    """
    found = {}
    for name, formula in formulas.items():
        left, sign, right = parse_formula(formula)
        if sign != _OR:
            found[name] = int(
                (~_computed(_timed(events, left, right), left, sign, right)["numeric_value"].is_finite()).sum()
            )
    return {name: instants for name, instants in found.items() if instants}


def _timed(events: pl.DataFrame, *codes: str) -> pl.DataFrame:
    is_measured = pl.col("time").is_not_null() & pl.col("numeric_value").is_not_null()
    return events.filter(pl.col("code").is_in(codes) & is_measured)


def _derived(events: pl.DataFrame, name: str, parts: Parts) -> pl.DataFrame:
    left, sign, right = parts
    timed = _timed(events, left, right)
    if sign == _OR:
        units = {unit_named(unit) or unit for unit in timed["unit"].drop_nulls().unique()}
        if len(units) > 1:
            raise StudyError(
                f"[prepare] derived: '{name}' takes the values of '{left}' and '{right}' as one code, and they come in "
                f'{len(units)} units. Convert one of the two in [prepare] `units`, such as "kPa -> mmHg".'
            )
        return _either(timed, left).with_columns(code=pl.lit(name))
    made = _computed(timed, left, sign, right).filter(pl.col("numeric_value").is_finite())
    return made.select(
        "subject_id",
        pl.col("known").alias("time"),
        pl.lit(name).alias("code"),
        "numeric_value",
        *(pl.lit(None, dtype=events.schema[column]).alias(column) for column in ("text_value", "unit")),
        pl.lit(None, dtype=events.schema["available_time"]).alias("available_time"),
    )


def _computed(timed: pl.DataFrame, left: str, sign: str, right: str) -> pl.DataFrame:
    """Return what two codes give whenever one of them becomes known; null before both are."""
    # Of two values of one instant (a code that came in two units) the highest stands, as in a timeline.
    measured = timed.sort("subject_id", known_time(), "time", "numeric_value")
    newest = pl.col("time").cum_max().over("subject_id", "code")
    measured = measured.filter(pl.col("time") >= newest)  # a late value that is older than the last one is never it
    both = measured.group_by("subject_id", known_time().alias("known"), maintain_order=True).agg(
        left=pl.col("numeric_value").filter(pl.col("code") == left).last(),
        right=pl.col("numeric_value").filter(pl.col("code") == right).last(),
    )
    carried = both.with_columns(pl.col("left", "right").forward_fill().over("subject_id"))
    return carried.with_columns(numeric_value=_SIGNS[sign].cast(pl.Float32))


def _either(timed: pl.DataFrame, left: str) -> pl.DataFrame:
    """Return the values of two codes as one; of the right one not where the left one of that time was known by then."""
    first = pl.col("code") == left
    since = known_time().filter(first).min().over("subject_id", "time")
    return timed.filter(first | since.is_null() | (since > known_time()))
