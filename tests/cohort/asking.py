"""Short ways to ask questions of a handful of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sequela.cohort import ForecastQuestion, build_timeline
from sequela.cohort.episodes import Asked, Episodes, find_episodes, prediction_times

HOUR = 3_600_000_000


def events_of(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return contract 1 from (person, hour, code, value, hour from which it is known); the last two may be left out."""
    full = [(*row, *[None] * (5 - len(row))) for row in rows]
    instants = pl.Datetime("us")

    def at(hour: float | None) -> int | None:
        return None if hour is None else round(hour * HOUR)

    return pl.DataFrame(
        [
            (
                *(person, at(hour), code),
                *(
                    None if isinstance(value, str) else value,
                    value if isinstance(value, str) else None,
                    None,
                    at(known),
                ),
            )
            for person, hour, code, value, known in full
        ],
        schema={"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
        | {"text_value": pl.String, "unit": pl.String, "available_time": pl.Int64},
        orient="row",
    ).with_columns(pl.col("time", "available_time").cast(instants))


def question(**keys: Any) -> ForecastQuestion:
    return ForecastQuestion.model_validate({"target": "x", **keys})


def people_of(events: pl.DataFrame) -> int:
    return int(events["subject_id"].max()) + 1  # type: ignore[arg-type]


def spans(events: pl.DataFrame, **keys: Any) -> list[tuple[int, float, float, bool]]:
    """Return the episodes as (person, start, stop, open-ended), in hours."""
    found: Episodes = find_episodes(events, build_timeline(events, people_of(events)), question(**keys))
    columns = (found.person, found.start / HOUR, found.stop / HOUR, found.open_ended)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def asked(events: pl.DataFrame, *, now: float | None = None, live: bool = False, **keys: Any) -> Asked:
    timeline = build_timeline(events, people_of(events))
    episodes = find_episodes(events, timeline, question(**keys), live=live)
    instant = None if now is None else round(now * HOUR)
    return prediction_times(episodes, timeline, question(**keys), now=instant, live=live)


def times(events: pl.DataFrame, **keys: Any) -> list[tuple[int, float, float]]:
    """Return prediction times as (person, episode start, time), in hours."""
    found = asked(events, **keys)
    columns = (found.person, found.episode_start / HOUR, found.time / HOUR)
    return list(zip(*(np.asarray(column).tolist() for column in columns), strict=True))
