"""Units of numeric times, and durations such as "6h" or "14d"."""

from __future__ import annotations

import re
from typing import Literal

TimeUnit = Literal["seconds", "minutes", "hours", "days", "months", "years"]
MICROSECONDS: dict[TimeUnit, int] = {
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
    "months": 2_629_800_000_000,
    "years": 31_557_600_000_000,
}
MICROSECONDS_PER_HOUR = MICROSECONDS["hours"]
_DURATION_UNITS: dict[str, TimeUnit] = {
    "s": "seconds",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "mo": "months",
    "y": "years",
}
_LONGEST = 1000 * MICROSECONDS["years"]


def duration(text: str) -> tuple[int, TimeUnit]:
    """Microseconds of a duration such as "6h" or "14d", and its unit.

    Raises:
        ValueError: no such duration, or not positive.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d|w|mo|y)\s*", text)
    if found is None:
        raise ValueError("expected a duration such as '90s', '30min', '6h', '14d', '2w', '3mo' or '1y'")
    amount, sign = float(found[1]) * (7 if found[2] == "w" else 1), found[2].replace("w", "d")
    unit = _DURATION_UNITS[sign]
    span = round(amount * MICROSECONDS[unit])
    if not 0 < span <= _LONGEST:
        raise ValueError("expected a duration longer than nothing and at most a thousand years")
    return span, unit


def parse_duration(text: str) -> int:
    """Microseconds of a duration such as "6h" or "14d".

    Raises:
        ValueError: no such duration, or not positive.

    Example:
        >>> parse_duration("6h") // MICROSECONDS_PER_HOUR
        6
    """
    return duration(text)[0]
