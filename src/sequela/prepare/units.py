"""Units, and the way from one to another: target = factor * source + offset.

A concentration by mass and one by amount differ by the molar mass, so only a known analyte is converted between them;
masses are those of PubChem. Urea nitrogen counts its nitrogen, phosphate its phosphorus, triglycerides are triolein,
and haemoglobin is the monomer, as in the SI conversion table of the AMA Manual of Style,
doi:10.1093/jama/9780190246556.001.0001. Glycated haemoglobin: NGSP % = 0.09148 IFCC + 2.152, Hoelzel and others
(2004), doi:10.1373/clinchem.2003.024802.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from sequela.cohort.asof import known_time

SEVERAL_UNITS = "several values at one instant, in several units, averaged"
_MASS, _AMOUNT, _CHARGE = "mass concentration", "amount concentration", "charge concentration"

# Unit in UCUM: what it measures, and how it becomes the base unit: factor, offset.
UNITS: dict[str, tuple[str, float, float]] = {
    **{
        unit: (_MASS, factor, 0.0)
        for unit, factor in {
            "g/L": 1.0,
            "g/dL": 10.0,
            "mg/dL": 1e-2,
            "mg/L": 1e-3,
            "ug/mL": 1e-3,
            "ug/dL": 1e-5,
            "ug/L": 1e-6,
            "ng/mL": 1e-6,
            "ng/dL": 1e-8,
            "ng/L": 1e-9,
            "pg/mL": 1e-9,
        }.items()
    },
    **{
        unit: (_AMOUNT, factor, 0.0)
        for unit, factor in {"mol/L": 1.0, "mmol/L": 1e-3, "umol/L": 1e-6, "nmol/L": 1e-9, "pmol/L": 1e-12}.items()
    },
    "meq/L": (_CHARGE, 1e-3, 0.0),
    "mm[Hg]": ("pressure", 133.322387415, 0.0),
    "kPa": ("pressure", 1000.0, 0.0),
    "cm[H2O]": ("pressure", 98.0665, 0.0),
    "mbar": ("pressure", 100.0, 0.0),
    "Cel": ("temperature", 1.0, 0.0),
    "[degF]": ("temperature", 5 / 9, -160 / 9),
    "K": ("temperature", 1.0, -273.15),
    "1": ("share", 1.0, 0.0),
    "%": ("share", 0.01, 0.0),
    "m": ("length", 1.0, 0.0),
    "cm": ("length", 0.01, 0.0),
    "mm": ("length", 0.001, 0.0),
    "[in_i]": ("length", 0.0254, 0.0),
    "[ft_i]": ("length", 0.3048, 0.0),
    "kg": ("mass", 1.0, 0.0),
    "g": ("mass", 0.001, 0.0),
    "[lb_av]": ("mass", 0.45359237, 0.0),
    "[oz_av]": ("mass", 0.028349523125, 0.0),
    "L": ("volume", 1.0, 0.0),
    "mL": ("volume", 0.001, 0.0),
    "U/L": ("catalytic concentration", 1.0, 0.0),
    "ukat/L": ("catalytic concentration", 60.0, 0.0),
    "nkat/L": ("catalytic concentration", 0.06, 0.0),
    "10*12/L": ("count", 1e12, 0.0),
    "10*6/uL": ("count", 1e12, 0.0),
    "10*9/L": ("count", 1e9, 0.0),
    "10*3/uL": ("count", 1e9, 0.0),
    "10*6/L": ("count", 1e6, 0.0),
    "/uL": ("count", 1e6, 0.0),
    "/min": ("rate", 1.0, 0.0),
    "mmol/mol": ("glycated haemoglobin", 1.0, 0.0),
}

# How units are written elsewhere, without case, spaces and degree signs.
SPELLINGS = {unit.casefold(): unit for unit in UNITS} | {
    spelling: unit
    for unit, spellings in {
        "Cel": "c degc celsius",
        "[degF]": "f degf fahrenheit",
        "mm[Hg]": "mmhg torr",
        "cm[H2O]": "cmh2o",
        "mbar": "hpa",
        "%": "percent pct %sat.",
        "1": "fraction {fraction} ratio",
        "[in_i]": "in inch inches",
        "[ft_i]": "ft feet",
        "[lb_av]": "lb lbs pound pounds",
        "[oz_av]": "oz",
        "ug/dL": "mcg/dl",
        "ug/L": "mcg/l",
        "ug/mL": "mcg/ml",
        "g/dL": "gm/dl",
        "U/L": "iu/l units/l",
        "/min": "bpm insp/min breaths/min",
        "10*3/uL": "k/ul x10e3/ul 10^3/ul thou/ul",
        "10*9/L": "10^9/l x10^9/l 10e9/l",
        "10*6/uL": "m/ul 10^6/ul",
        "10*12/L": "10^12/l",
        "mL": "cc",
    }.items()
    for spelling in spellings.split()
}

_GRAMS_A_MOLE = {
    "glucose": 180.156,
    "urea nitrogen": 28.014,
    "urea": 60.056,
    "creatinine": 113.12,
    "bilirubin": 584.66,
    "direct bilirubin": 584.66,
    "indirect bilirubin": 584.66,
    "cholesterol": 386.65,
    "HDL cholesterol": 386.65,
    "LDL cholesterol": 386.65,
    "triglycerides": 885.45,
    "calcium": 40.078,
    "ionised calcium": 40.078,
    "magnesium": 24.305,
    "phosphate": 30.974,
    "sodium": 22.990,
    "potassium": 39.098,
    "chloride": 35.45,
    "lactate": 90.08,
    "haemoglobin": 16114.5,
}
_CHARGES = {
    **dict.fromkeys(("sodium", "potassium", "chloride", "bicarbonate", "total carbon dioxide", "base excess"), 1.0),
    **dict.fromkeys(("anion gap", "lactate"), 1.0),
    **dict.fromkeys(("calcium", "ionised calcium", "magnesium"), 2.0),
}


@dataclass(frozen=True)
class Linear:
    """target = factor * source + offset."""

    factor: float
    offset: float = 0.0


def unit_named(text: str | None) -> str | None:
    """Return the unit in UCUM, however it is written; None where it is not known.

    Example:
        >>> unit_named("MG/DL"), unit_named("°F"), unit_named("µmol/l"), unit_named("furlong")
        ('mg/dL', '[degF]', 'umol/L', None)
    """
    if text is None:
        return None
    plain = text.replace("µ", "u").replace("μ", "u").replace("°", "deg").casefold()
    return SPELLINGS.get(re.sub(r"\s+", "", plain))


def step_between(source: str, target: str, quantity: str | None) -> Linear | None:
    """Return the way between two units in UCUM, None where there is none or where the analyte must be known.

    Args:
        source: unit.
        target: unit.
        quantity: what is measured, a name of the table of quantities.

    Example:
        >>> round(step_between("mmol/L", "mg/dL", "glucose").factor, 4)
        18.0156
    """
    if quantity == "glycated haemoglobin" and {source, target} == {"%", "mmol/mol"}:
        return Linear(0.09148, 2.152) if target == "%" else Linear(1 / 0.09148, -2.152 / 0.09148)
    (kind, factor, offset), (target_kind, target_factor, target_offset) = UNITS[source], UNITS[target]
    bridge = 1.0 if kind == target_kind else _bridge(kind, target_kind, quantity)
    if bridge is None:
        return None
    return Linear(factor * bridge / target_factor, (offset * bridge - target_offset) / target_factor)


def _bridge(kind: str, target_kind: str, quantity: str | None) -> float | None:
    """Return target base units in one base unit of another kind of concentration."""
    in_moles = {_AMOUNT: 1.0, _MASS: _GRAMS_A_MOLE.get(quantity or ""), _CHARGE: _CHARGES.get(quantity or "")}
    one, other = in_moles.get(kind), in_moles.get(target_kind)
    return None if one is None or other is None else other / one


def several_units(events: pl.DataFrame) -> list[str]:
    """Return the codes whose values state more than one unit, none at all counting as one."""
    if events["unit"].null_count() == len(events):
        return []
    units = events.lazy().group_by("code").agg(pl.col("unit").n_unique()).collect()
    return units.filter(pl.col("unit") > 1)["code"].sort().to_list()


def averaged_over_units(events: pl.DataFrame, codes: Collection[str]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the events with one value of a code at an instant, the mean of those that were stated in several units.

    Records keep values of several units apart until they are in one.

    Args:
        events: contract 1, converted.
        codes: whose values were stated in several units.

    Returns:
        The events; and by code how many values went into the mean of others.
    """
    if not codes:
        return events, {}
    keys = ["subject_id", "code", "time", "known"]
    given = events.with_row_index("row").with_columns(known=known_time())
    is_one_of_several = pl.col("code").is_in(codes) & pl.struct(keys).is_duplicated()
    several = given.filter(is_one_of_several)
    if several.is_empty():
        return events, {}
    one = several.group_by(keys, maintain_order=True).agg(
        pl.col("row").first(),
        pl.col("numeric_value").cast(pl.Float64).mean().cast(pl.Float32),
        pl.col("text_value").drop_nulls().mode().sort().first(),
        pl.col("unit").drop_nulls().first(),
        pl.col("available_time").max(),
    )
    merged = pl.concat([given.filter(~is_one_of_several), one.select(given.columns)]).sort("row")
    left = several.group_by("code").len("rows").join(one.group_by("code").len("left"), on="code").sort("code")
    return merged.select(events.columns), {code: rows - kept for code, rows, kept in left.iter_rows()}
