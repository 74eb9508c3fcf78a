"""A handful of events on their way to rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sequela.batch import PROVENANCE
from sequela.cohort import Sequences, Timeline, build_timeline, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation
from sequela.prepare.rows import PreparedRows, RowPreparation

HOUR = 3_600_000_000


def events_of(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return contract 1 from (person, hour, code, value, hour from which it is known); the last may be left out."""
    full = [(*row, *[None] * (5 - len(row))) for row in rows]
    table = [
        (
            *(person, None if hour is None else round(hour * HOUR), code),
            *(None if isinstance(value, str) else value, value if isinstance(value, str) else None, None),
            None if known is None else round(known * HOUR),
        )
        for person, hour, code, value, known in full
    ]
    schema: dict[str, Any] = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    schema |= {"text_value": pl.String, "unit": pl.String, "available_time": pl.Int64}
    frame = pl.DataFrame(table, schema=schema, orient="row")
    return frame.with_columns(pl.col("time", "available_time").cast(pl.Datetime("us")))


class Course:
    """The records of a few people, each with one prediction after all of them."""

    def __init__(self, *rows: tuple[Any, ...], people: int | None = None) -> None:
        events = events_of(*rows)
        self.people = int(events["subject_id"].max()) + 1 if people is None else people  # type: ignore[arg-type]
        self.timeline: Timeline = build_timeline(events, self.people)
        self.facts: Facts = static_facts(events, self.people)
        person = np.arange(self.people)
        start = self.timeline.step_time[np.minimum(self.timeline.step_offsets[:-1], len(self.timeline.step_time) - 1)]
        self.sequences: Sequences = one_pass(
            self.timeline, person=person, episode_start=start, time=np.full(self.people, 10**6 * HOUR)
        )

    def fit(self, **keys: Any) -> PreparedState:
        return self.fit_with_reasons(**keys)[0]

    def fit_with_reasons(self, **keys: Any) -> tuple[PreparedState, dict[str, str]]:
        settings = PrepareSettings(**{"min_people": 1, **keys})
        labels = np.append([1.0, 3.0], np.full(self.people, np.nan))[: self.people]
        return fit_preparation(self.timeline, self.facts, self.sequences, {"x": labels}, settings)

    def rows(self, state: PreparedState) -> PreparedRows:
        return RowPreparation(self.timeline, state).rows(self.sequences, np.arange(self.people))


def prepared(course: Course, state: PreparedState, person: int = 0) -> PreparedRows:
    return RowPreparation(course.timeline, state).rows(course.sequences, np.array([person]), provenance=True)


def sources(rows: PreparedRows, column: int) -> list[str]:
    assert rows.provenance is not None
    return [PROVENANCE[place] for place in rows.provenance[:, column]]
