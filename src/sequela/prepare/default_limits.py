"""Limits that no living person's value crosses, for `plausible = "default"`.

Where a code's unit is stated, the limits are in it. Where it is not, they span all units in which the quantity comes:
a column in mmol/L must not be taken out because the table is in mg/dL. `suspect_units` tells which unit it may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sequela.prepare.quantities import Quantity, quantity_of
from sequela.prepare.units import Linear, step_between, unit_named


def default_limits(
    codes: Iterable[str], units: Mapping[str, str | None] | None = None
) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest possible value of those codes that the table knows, both included.

    Args:
        codes: of the records.
        units: the one unit of each code, where the records or the study state one.

    Example:
        >>> default_limits(["Temp", "mood"], {"Temp": "°C"})
        {'Temp': (26.0, 45.0)}
    """
    known = {code: quantity_of(code) for code in codes}
    return {code: _limits(quantity, (units or {}).get(code)) for code, quantity in known.items() if quantity}


def to_usual(quantity: Quantity, unit: str) -> Linear | None:
    """Return the way from a unit in UCUM to the quantity's usual one."""
    return _step(unit, quantity.unit, quantity.name)


def _limits(quantity: Quantity, stated: str | None) -> tuple[float, float]:
    unit = unit_named(stated)
    way = None if unit is None else _step(quantity.unit, unit, quantity.name)
    units = (quantity.unit, *quantity.other_units)
    ways = [way] if way else [w for other in units if (w := _step(quantity.unit, other, quantity.name))]
    ends = [way.factor * end + way.offset for way in ways for end in quantity.possible]
    return min(ends), max(ends)


def _step(source: str, target: str, quantity: str) -> Linear | None:
    if source == target:
        return Linear(1.0)
    if unit_named(source) is None or unit_named(target) is None:
        return None
    return step_between(source, target, quantity)
