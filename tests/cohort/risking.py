"""Short ways to ask for risks."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from asking import HOUR, events_of, people_of

from sequela.cohort import Cohort, RiskLabels, RiskQuestion, ask, set_apart

NOTHING = events_of()


def risk(**keys: Any) -> RiskQuestion:
    return RiskQuestion.model_validate(keys)


def ask_risk(events: pl.DataFrame, outcomes: pl.DataFrame = NOTHING, **keys: Any) -> Cohort:
    """Return the cohort of a risk question; columns of the outcome may stand in either table."""
    question = risk(**keys)
    people = max(people_of(events), people_of(outcomes) if len(outcomes) else 0)
    events, outcomes = set_apart(events, outcomes, question)
    return ask(events, people, question, outcomes=outcomes)


def labels_of(cohort: Cohort) -> RiskLabels:
    assert isinstance(cohort.labels, RiskLabels)
    return cohort.labels


def said(cohort: Cohort) -> list[tuple[int, float, float]]:
    """Return (person, prediction hour, label)."""
    columns = (cohort.asked.person, cohort.asked.time / HOUR, labels_of(cohort).value)
    return list(zip(*(np.asarray(column).tolist() for column in columns), strict=True))


def values_at(cohort: Cohort, person: int = 0) -> dict[float, float]:
    return {time: value for who, time, value in said(cohort) if who == person}


def excluded(cohort: Cohort, reason: str) -> int:
    return cohort.asked.excluded.get(reason, (0, 0))[0]
