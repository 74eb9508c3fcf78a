"""Values that look like another unit: mmol/L among mg/dL, Fahrenheit among Celsius, shares among percents.

Two signs, each for a unit in which the quantity also comes:

- *Among others.* At least one value in a hundred lies outside the usual range and inside it once converted; most of
  what lies outside is explained so, and the median of the converted ones is typical. (A glucose of 30 mg/dL would be
  540 mg/dL if it were mmol/L: inside the usual range, but a group of such values would not be typical. So
  hypoglycaemia is none.)
- *The whole code.* Nine values in ten lie on one side of the typical range, inside the usual one once converted, and
  their median is typical then.

Where the usual ranges of two units overlap, a minority in the other unit cannot be told: kilograms among pounds,
bilirubin or urea in either unit, CRP in mg/dL. What sticks out may still be told; the share is then too low.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sequela.prepare.default_limits import to_usual
from sequela.prepare.quantities import Quantity, quantity_of
from sequela.prepare.rules import Floats, Mask
from sequela.prepare.units import Linear, step_between, unit_named

_LEAST_SHARE = 0.01
_LEAST_VALUES = 11
_MOST_EXPLAINED = 0.5
_WHOLE = 0.9


@dataclass(frozen=True, kw_only=True)
class UnitSuspicion:
    """A code of which a share of values looks like another unit."""

    code: str
    suspected_unit: str
    share: float  # of the code's values
    conversion: str  # to write into [prepare] units


def suspect_units(values: Mapping[str, Floats], units: Mapping[str, str | None] | None = None) -> list[UnitSuspicion]:
    """Return the codes whose values look like another unit, the most likely unit of each.

    Args:
        values: numbers by code, as they stand in the records; those missing (NaN) say nothing.
        units: the unit of each code where the records state one; else the usual one is expected.

    Example:
        >>> mixed = {"glucose": np.array([110.0] * 80 + [6.0] * 20)}
        >>> [(found.suspected_unit, found.share) for found in suspect_units(mixed)]
        [('mmol/L', 0.2)]
    """
    found = [_suspicion(code, numbers, (units or {}).get(code)) for code, numbers in values.items()]
    return [suspicion for suspicion in found if suspicion]


def _suspicion(code: str, values: Floats, stated: str | None) -> UnitSuspicion | None:
    quantity, known = quantity_of(code), values[~np.isnan(values)]
    if quantity is None or len(known) < _LEAST_VALUES:
        return None
    expected = unit_named(stated) or quantity.unit
    way = to_usual(quantity, expected)
    if way is None:
        return None
    others = [unit for unit in (quantity.unit, *quantity.other_units) if unit != expected]
    shares = {unit: _share_in(known, way, to_usual(quantity, unit), quantity) for unit in others}
    unit = max(shares, key=shares.__getitem__, default=None)
    if unit is None or shares[unit] == 0 or step_between(unit, expected, quantity.name) is None:
        return None
    return UnitSuspicion(code=code, suspected_unit=unit, share=shares[unit], conversion=f"{unit} -> {expected}")


def _share_in(values: Floats, expected: Linear, suspected: Linear | None, quantity: Quantity) -> float:
    """Return the share of values that look like the suspected unit, 0 where too few do."""
    if suspected is None:
        return 0.0
    here, there = (way.factor * values + way.offset for way in (expected, suspected))
    return max(_share_among(here, there, quantity), _share_of_whole(here, there, quantity))


def _share_among(here: Floats, there: Floats, quantity: Quantity) -> float:
    outside = ~_within(here, quantity.usual)
    explained = outside & _within(there, quantity.usual)
    count, share = int(explained.sum()), float(explained.mean())
    if count < _LEAST_VALUES or share < _LEAST_SHARE or count < _MOST_EXPLAINED * outside.sum():
        return 0.0
    return share if _within(float(np.median(there[explained])), quantity.typical) else 0.0


def _share_of_whole(here: Floats, there: Floats, quantity: Quantity) -> float:
    low, high = quantity.typical
    aside = max(float((here < low).mean()), float((here > high).mean()))
    inside = float(_within(there, quantity.usual).mean())
    typical = bool(_within(float(np.median(there)), quantity.typical))
    return inside if typical and aside >= _WHOLE and inside >= _WHOLE else 0.0


def _within(values: Floats | float, span: tuple[float, float]) -> Mask:
    return np.asarray((values >= span[0]) & (values <= span[1]))
