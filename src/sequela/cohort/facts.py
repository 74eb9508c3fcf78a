"""Static facts: what cannot change about a person, known from the start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows

BIRTH = "MEDS_BIRTH"
AGE = "age at the start"
STATED = "stated"  # the category of a fact that is a code alone, such as GENDER//F
MICROSECONDS_PER_YEAR = 365.25 * 24 * 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of P people by code; a birth is kept as its instant, so that an age can be told at any time."""

    numbers: dict[str, NDArray[np.float64]]  # [P], NaN where unknown
    categories: dict[str, list[str | None]]  # [P], None where unknown
    birth: NDArray[np.float64] | None  # [P] microseconds, NaN where unknown; None where the records hold no birth

    def age_years(self, person: Rows, time: Rows) -> NDArray[np.float64]:
        """Return the age of each person at each time in years, NaN where the birth is unknown [R]."""
        if self.birth is None:
            return np.full(len(person), np.nan)
        return np.asarray((time - self.birth[person]) / MICROSECONDS_PER_YEAR, dtype=np.float64)


def static_facts(events: pl.DataFrame, people: int) -> Facts:
    """Return the facts of all people, from the events without a time and from births.

    A code without any value, as MEDS writes a sex, is a category of those of whom it is stated.
    """
    births = (
        events.filter(pl.col("code").str.starts_with(BIRTH) & pl.col("time").is_not_null())
        .group_by("subject_id", maintain_order=True)
        .agg(pl.col("time").min())
    )
    timeless = events.filter(pl.col("time").is_null()).sort("code", "subject_id")
    numbers: dict[str, NDArray[np.float64]] = {}
    categories: dict[str, list[str | None]] = {}
    for (code,), rows in timeless.group_by("code", maintain_order=True):
        person = rows["subject_id"].to_numpy()
        if rows["numeric_value"].is_not_null().any():
            numbers[str(code)] = np.full(people, np.nan)
            numbers[str(code)][person] = rows["numeric_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        else:
            texts = np.full(people, None, dtype=object)
            is_said = not rows["text_value"].is_not_null().any()
            texts[person] = STATED if is_said else rows["text_value"].to_numpy()
            categories[str(code)] = texts.tolist()
    birth = None
    if len(births):
        birth = np.full(people, np.nan)
        birth[births["subject_id"].to_numpy()] = births["time"].cast(pl.Datetime("us")).to_physical().to_numpy()
    return Facts(numbers=numbers, categories=categories, birth=birth)
