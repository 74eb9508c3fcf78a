"""What the common vital signs and laboratory values are called, in which unit they usually come, and what is possible.

`quantities.csv` holds a row for each. Its columns:

    loinc                    codes of the LOINC catalogue, for any specimen and method that share unit and limits
    names                    short names, in any case; those of PhysioNet 2012, MIMIC, eICU, ricu and CLIF among them
    unit                     the usual unit, in UCUM
    low, high                beyond these it is a typing error or a failed device; ">0": and not zero
    usual_low, usual_high    about 99 % of patients' values lie between, on wards and in intensive care
    typical_low, typical_high    the median of a group of patients lies between
    other_units              in which it comes too
    source                   of low and high

Sources: mimic-code, Johnson and others (2018), doi:10.1093/jamia/ocx084, concepts/measurement; MIMIC-III benchmarks,
Harutyunyan and others (2019), doi:10.1038/s41597-019-0103-9, resources/variable_ranges.csv (outlier low and high;
"valid": valid low and high), as in MIMIC-Extract, Wang and others (2020), doi:10.1145/3368555.3384469; ricu, Bennett
and others (2023), doi:10.1093/gigascience/giad041, concept-dict; CLIF, Rojas and others (2025),
doi:10.1007/s00134-025-07848-7, clifpy/schemas/outlier_config.yaml; NCD-RisC,
github.com/NCD-RisC/Data-cleaning-protocol; Phoenix, Sanchez-Pinto and others (2024), doi:10.1001/jama.2024.0196. The
usual and typical ranges are ours: they say which unit, never what is wrong.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_TABLE = Path(__file__).with_name("quantities.csv")
_LOINC = re.compile(r"(?:^|LOINC\W{1,2})(\d{1,5}-\d)(?:$|//)", re.IGNORECASE)
_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A vital sign or laboratory value, and its ranges in the usual unit, ends included."""

    name: str
    loinc: tuple[str, ...]
    names: tuple[str, ...]
    unit: str
    possible: tuple[float, float]
    usual: tuple[float, float]
    typical: tuple[float, float]
    other_units: tuple[str, ...]
    source: str


def quantity_of(code: str) -> Quantity | None:
    """Return what a code measures, told by its LOINC code or its short name; None where that is not known.

    Example:
        >>> quantity_of("LOINC//8480-6").name, quantity_of("NISysABP").name, quantity_of("x1")
        ('systolic blood pressure', 'systolic blood pressure', None)
    """
    catalogue = _LOINC.search(code)
    if catalogue:
        return _by_key().get(catalogue.group(1))
    return _by_key().get(re.sub(r"[\s.-]+", "_", code.strip().casefold()))


@cache
def quantities() -> tuple[Quantity, ...]:
    """Return all rows of the table."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(_quantity(row) for row in csv.DictReader(lines))


@cache
def _by_key() -> dict[str, Quantity]:
    return {key: quantity for quantity in quantities() for key in (*quantity.loinc, *quantity.names)}


def _quantity(row: dict[str, str]) -> Quantity:
    return Quantity(
        name=row["quantity"],
        loinc=tuple(row["loinc"].split()),
        names=tuple(row["names"].split()),
        unit=row["unit"],
        possible=(_ABOVE_ZERO if row["low"] == ">0" else float(row["low"]), float(row["high"])),
        usual=(float(row["usual_low"]), float(row["usual_high"])),
        typical=(float(row["typical_low"]), float(row["typical_high"])),
        other_units=tuple(row["other_units"].split()),
        source=row["source"],
    )
