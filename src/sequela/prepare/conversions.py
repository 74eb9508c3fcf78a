"""Conversions as a study writes them, and what they make of the records.

Written as `"mmol/L -> mg/dL"`; with several sources as `"mmol/L, g/L -> mg/dL"`; with a factor of one's own, for
analytes that the table does not know, as `"nmol/L -> ng/mL * 0.4"` or with an offset as `"A -> B * 1.8 + 32"`. A
semicolon parts sources with factors of their own: `"nmol/L -> ng/mL * 0.4; ug/L -> ng/mL"`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from sequela.errors import StudyError
from sequela.prepare.quantities import quantity_of
from sequela.prepare.units import SPELLINGS, UNITS, Linear, step_between, unit_named
from sequela.records.words import nearest

_AMOUNT_WRITTEN = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_WRITTEN = re.compile(
    r"(?P<sources>[^>]+?)\s*->\s*(?P<target>(?:[^*]|(?<=\d)\*(?=\d))+?)"  # a star between digits is a unit's: 10*9/L
    rf"(?:\s*\*\s*(?P<factor>[+-]?{_AMOUNT_WRITTEN})(?:\s*(?P<offset>[+-]\s*{_AMOUNT_WRITTEN}))?)?"
)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How the values of a code come to its unit, by the unit that they state."""

    code: str
    target: str
    steps: dict[str, Linear]  # by source unit, as the study writes it


def parse_conversion(text: str, code: str) -> Conversion | None:
    """Return what `units` of a study says about a code, None where it only names the unit for the reader.

    Raises:
        StudyError: where the way is not known, or is another for one source than for the next.
    """
    if "->" not in text:
        return None
    steps: dict[str, Linear] = {}
    targets = []
    for part in text.split(";"):
        target, found = _part(part.strip(), code, text)
        targets.append(target)
        before = {unit_named(source) or source for source in steps}
        for source in found:
            if (unit_named(source) or source) in before:
                raise StudyError(f"[prepare] units of '{code}': '{source}' is converted twice. Write one way of it.")
        steps |= found
    if len({unit_named(target) or target for target in targets}) > 1:
        raise StudyError(
            f"[prepare] units of '{code}': there are several units to convert to, {', '.join(dict.fromkeys(targets))}. "
            "Write one and the same in each part."
        )
    return Conversion(code=code, target=targets[0], steps=steps)


def conversions_of(units: Mapping[str, str]) -> dict[str, Conversion]:
    """Return the conversions that `units` of a study asks for, by code.

    Raises:
        StudyError: where one cannot be.
    """
    parsed = {code: parse_conversion(text, code) for code, text in units.items()}
    return {code: conversion for code, conversion in parsed.items() if conversion is not None}


def _part(part: str, code: str, text: str) -> tuple[str, dict[str, Linear]]:
    """Return the target of one part of a conversion, and the way from each of its sources."""
    written = _WRITTEN.fullmatch(part)
    if not written:
        raise StudyError(
            f"[prepare] units of '{code}': expected a conversion such as \"mmol/L -> mg/dL\", or with a factor of your "
            f'own "nmol/L -> ng/mL * 0.4", got "{text}". Write it so.'
        )
    sources = list(dict.fromkeys(source.strip() for source in written["sources"].split(",")))
    target = written["target"].strip()
    if written["factor"] is None:
        return target, {source: _known_step(source, target, code) for source in sources}
    own = Linear(float(written["factor"]), float((written["offset"] or "0").replace(" ", "")))
    if own.factor == 0 or not math.isfinite(own.factor + own.offset):
        raise StudyError(
            f"[prepare] units of '{code}': a factor of 0 or without end leaves nothing of the values. Write another."
        )
    _refuse_one_factor_for_several_units(sources, written["factor"], target, code)
    return target, dict.fromkeys(sources, own)


def _refuse_one_factor_for_several_units(sources: list[str], factor: str, target: str, code: str) -> None:
    """Refuse one factor for sources that are known to be of different size; two spellings of one unit share it."""
    known = {source: unit for source in sources if (unit := unit_named(source)) is not None}
    first = next(iter(known), None)
    for source, unit in known.items():
        if first is not None and UNITS[unit] != UNITS[known[first]]:
            raise StudyError(
                f"[prepare] units of '{code}': one factor cannot be that of {first} and of {source}. Write each with "
                f'its own: "{first} -> {target} * {factor}; {source} -> {target} * 1.5".'
            )


def _known_step(source: str, target: str, code: str) -> Linear:
    units = [unit_named(source), unit_named(target)]
    for written, unit in zip((source, target), units, strict=True):
        if unit is None:
            raise StudyError(
                f"[prepare] units of '{code}': the unit '{written}' is not known."
                f"{nearest(written.casefold(), SPELLINGS)} Or write "
                f'the factor: "{source} -> {target} * 1.5".'
            )
    quantity = quantity_of(code)
    step = step_between(str(units[0]), str(units[1]), quantity.name if quantity else None)
    if step is None:
        raise StudyError(
            f"[prepare] units of '{code}': there is no known way from {source} to {target} for this code. Write the "
            f'factor of the analyte: "{source} -> {target} * 1.5".'
        )
    return step


def converted(events: pl.DataFrame, conversions: Mapping[str, Conversion]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events in the units that the study asks for, and how many values of each code and unit were converted.

    A value that states the target's unit stays. One that states no unit is in the source's, as the study says; with
    several sources that cannot be, and it is refused.

    Args:
        events: contract 1.
        conversions: by code.

    Returns:
        Events with `numeric_value` and `unit` of the target; and code, unit (as stated), values, converted.

    Raises:
        StudyError: where a value states a unit that is neither, or none where it must.
    """
    asked = events.filter(pl.col("code").is_in(list(conversions)) & pl.col("numeric_value").is_not_null())
    stated = asked.group_by("code", "unit").agg(pl.len().cast(pl.Int64).alias("values")).sort("code", "unit")
    rows = [_stated_step(conversions[code], unit) for code, unit, _ in stated.iter_rows()]
    table = stated.with_columns(
        pl.Series("factor", [step.factor for step in rows], dtype=pl.Float64),
        pl.Series("offset", [step.offset for step in rows], dtype=pl.Float64),
        pl.Series("target", [conversions[code].target for code in stated["code"]], dtype=pl.String),
    )
    joined = events.join(table, on=["code", "unit"], how="left", nulls_equal=True, maintain_order="left")
    number = pl.col("numeric_value").cast(pl.Float64) * pl.col("factor") + pl.col("offset")
    # A factor of 1 leaves a value's bits as they are, and so does a code that the study does not name.
    number = number.cast(pl.Float32).fill_null(pl.col("numeric_value"))
    told = joined.with_columns(number.alias("numeric_value"), pl.coalesce("target", "unit").alias("unit"))
    changed = (pl.col("factor") != 1) | (pl.col("offset") != 0)
    return told.select(events.columns), table.select("code", "unit", "values", changed.alias("converted"))


def _stated_step(conversion: Conversion, unit: str | None) -> Linear:
    """Return the way from the unit that values state."""
    steps = {(unit_named(source) or source): step for source, step in conversion.steps.items()}
    if unit is None and len(steps) == 1:
        return next(iter(steps.values()))
    name = unit_named(unit) or unit
    if name in steps:
        return steps[name]
    if name is not None and name == (unit_named(conversion.target) or conversion.target):
        return Linear(1.0)
    written = ", ".join(conversion.steps)
    says = "state no unit" if unit is None else "state another unit"
    raise StudyError(
        f"[prepare] units of '{conversion.code}': the study converts {written} to {conversion.target}, and some values "
        f'{says}. Name every unit that the records state, such as "{written}, OTHER -> {conversion.target}".'
    )
