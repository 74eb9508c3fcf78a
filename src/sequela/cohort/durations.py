"""Durations as a study writes them: "90s" "6h" "14d" "1y"."""

from __future__ import annotations

import re

MICROSECONDS_PER_HOUR = 3_600_000_000
_MICROSECONDS = {
    "s": 1_000_000,
    "min": 60_000_000,
    "h": MICROSECONDS_PER_HOUR,
    "d": 24 * MICROSECONDS_PER_HOUR,
    "w": 7 * 24 * MICROSECONDS_PER_HOUR,
    "mo": round(30.4375 * 24 * MICROSECONDS_PER_HOUR),
    "y": round(365.25 * 24 * MICROSECONDS_PER_HOUR),
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w|mo|y)")
_LONGEST = 1000 * _MICROSECONDS["y"]


def parse_duration(text: str) -> int:
    """Return a duration in microseconds.

    Args:
        text: a positive number and a unit: s, min, h, d, w, mo (30.4375 days) or y (365.25 days).

    Raises:
        ValueError: where the text is no such duration, is zero, negative or longer than a thousand years.

    Example:
        >>> parse_duration("6h") // MICROSECONDS_PER_HOUR
        6
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f'"{text}" is not a positive number with a unit (s, min, h, d, w, mo, y), such as "6h" or "14d"'
        )
    microseconds = round(float(match[1]) * _MICROSECONDS[match[2]])
    if not 0 < microseconds <= _LONGEST:
        raise ValueError(f'"{text}" is not longer than zero and at most a thousand years')
    return microseconds
