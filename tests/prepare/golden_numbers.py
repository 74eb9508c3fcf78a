"""Reads the golden numbers of the rules; missing ones are NaN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sequela.prepare.rules import Column

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden").joinpath("rules.json").read_text("utf-8"))


def numbers(part: str, name: str) -> np.ndarray:
    return np.array(GOLDEN[part][name], dtype=np.float64)


def one_person(values: np.ndarray, hours: np.ndarray | None = None) -> Column:
    count = len(values)
    hours = np.arange(count, dtype=np.float64) if hours is None else hours
    return Column(values=values, begin=np.zeros(count, dtype=np.int64), hours=hours)
