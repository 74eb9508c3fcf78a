"""The few numbers that stand at the top of the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A headline number: its heading, value, interval, and a word on it."""

    heading: str
    value: str
    unit: str
    interval: str
    word: str
