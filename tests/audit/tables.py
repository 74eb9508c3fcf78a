"""Tables as other tools export them: rows of visits with a label and a part of the split."""

from __future__ import annotations

import numpy as np
import polars as pl


def export(people: int = 300, *, seed: int = 0) -> pl.DataFrame:
    """Some rows a person, a split by person, a label of the person that a marker foretells somewhat."""
    random = np.random.default_rng(seed)
    rows = random.integers(2, 7, people)
    person = np.repeat(np.arange(people), rows)
    died = (random.random(people) < 0.25).astype(int)
    part = np.array(["train", "tuning", "held_out"])[random.choice(3, people, p=[0.6, 0.2, 0.2])]
    day = np.round(np.concatenate([np.sort(random.exponential(30, count)) for count in rows]), 1)
    size = len(person)
    return pl.DataFrame(
        {
            "pid": person + 1000,
            "day": day,
            "part": part[person],
            "died": died[person],
            "age": np.round(random.normal(60, 11, people), 1)[person],
            "sex": np.array(["f", "m"])[random.integers(0, 2, people)][person],
            "marker": np.round(random.normal(0, 1, size) + died[person], 3),
            "sbp": np.round(random.normal(125, 15, size)),
            "creatinine": np.round(np.exp(random.normal(0, 0.4, size)), 2),
        }
    )


def survival(people: int = 300, *, seed: int = 0) -> pl.DataFrame:
    """One row a person: the years to an event as the label, and an age that the older have fewer years with."""
    random = np.random.default_rng(seed)
    age = np.round(random.normal(50, 10.5, people), 3)
    years = np.round(random.exponential(6, people) * np.exp(-0.02 * (age - 50)) + 0.1, 3)
    marker = np.round(random.normal(0, 1, people) - 0.2 * years, 3)
    return pl.DataFrame({"pid": np.arange(people), "years": years, "age": age, "marker": marker})
