"""Labels of a forecast: the value that follows a prediction time, and when it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, known_time, last_at_or_before, offsets_by_person
from sequela.cohort.episodes import Asked
from sequela.cohort.settings import NEXT_RECORD, ForecastQuestion
from sequela.errors import CohortError
from sequela.records.durations import MICROSECONDS_PER_HOUR, parse_duration

_FEW_PEOPLE, _CODES_SHOWN = 10, 12


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Targets of R predictions at each horizon, in the target's own unit; NaN where nothing was measured."""

    value: NDArray[np.float64]  # [R, horizons, targets]
    hours: NDArray[np.float64]  # [R, horizons, targets] from the prediction time to the measurement
    known: Rows  # [R] when the last of the labels became known, microseconds; the prediction time where there is none

    def take(self, kept: NDArray[np.bool_]) -> Labels:
        """Return the labels of the predictions that are kept."""
        return Labels(value=self.value[kept], hours=self.hours[kept], known=self.known[kept])


def horizon_hours(question: ForecastQuestion) -> list[float | None]:
    """Return the horizons in hours; None for the next record."""
    return [None if text == NEXT_RECORD else parse_duration(text) / MICROSECONDS_PER_HOUR for text in question.horizons]


def forecast_labels(events: pl.DataFrame, asked: Asked, question: ForecastQuestion, people: int) -> Labels:
    """Return what was measured strictly after each prediction time; somebody has a value of each target.

    "next record" takes the first later instant at which the target was measured; a duration h takes the measurement
    nearest to t + h (the earlier of two that are equally near) no further from it than `tolerance`. Where a value was
    corrected, the last version counts.
    """
    shape = (len(asked.time), len(question.horizons), len(question.targets))
    value, hours = np.full(shape, np.nan), np.full(shape, np.nan)
    known = asked.time.copy()
    for k, target in enumerate(question.targets):
        series = _measurements(events, target, people)
        for j, horizon in enumerate(question.horizons):
            row = series.following(asked, horizon, question.tolerance)
            found = row >= 0
            value[found, j, k] = series.value[row[found]]
            hours[found, j, k] = (series.time[row[found]] - asked.time[found]) / MICROSECONDS_PER_HOUR
            known[found] = np.maximum(known[found], series.known[row[found]])
    return Labels(value=value, hours=hours, known=known)


@dataclass(frozen=True, kw_only=True)
class _Series:
    offsets: Rows
    time: Rows
    known: Rows
    value: NDArray[np.float64]

    def following(self, asked: Asked, horizon: str, tolerance: str) -> Rows:
        """Return the row that answers each prediction, -1 where there is none."""
        after = last_at_or_before(self.offsets, self.time, asked.person, asked.time) + 1
        end = self.offsets[asked.person + 1]
        if horizon == NEXT_RECORD:
            return np.where(after < end, after, -1)
        ahead = parse_duration(horizon)
        allowed = ahead // 4 if tolerance == "auto" else parse_duration(tolerance)
        wanted = asked.time + ahead
        later = last_at_or_before(self.offsets, self.time, asked.person, wanted) + 1
        distance_later = self._distance(later, later < end, wanted)
        distance_earlier = self._distance(later - 1, later - 1 >= after, wanted)
        best = np.where(distance_earlier <= distance_later, later - 1, later)
        return np.where(np.minimum(distance_earlier, distance_later) <= allowed, best, -1)

    def _distance(self, row: Rows, exists: NDArray[np.bool_], wanted: Rows) -> Rows:
        near = np.abs(self.time[np.clip(row, 0, len(self.time) - 1)] - wanted)
        return np.where(exists, near, np.iinfo(np.int64).max)


def _measurements(events: pl.DataFrame, target: str, people: int) -> _Series:
    measured = (
        events.lazy()
        .filter((pl.col("code") == target) & pl.col("time").is_not_null() & pl.col("numeric_value").is_not_null())
        .select("subject_id", "time", known_time().alias("known"), "numeric_value")
        .sort("subject_id", "time", "known", "numeric_value")
        .unique(["subject_id", "time"], keep="last", maintain_order=True)
        .collect()
    )
    return _Series(
        offsets=offsets_by_person(measured["subject_id"].to_numpy(), people),
        time=measured["time"].cast(pl.Datetime("us")).to_physical().to_numpy(),
        known=measured["known"].cast(pl.Datetime("us")).to_physical().to_numpy(),
        value=measured["numeric_value"].cast(pl.Float64).to_numpy(),
    )


def check_targets(events: pl.DataFrame, targets: Sequence[str]) -> None:
    """Refuse a target that is no code of the records, or holds no numbers with a time."""
    for target in targets:
        rows = events.filter(pl.col("code") == target)
        if rows.is_empty():
            raise CohortError(
                f"[question] target: no record has the code '{target}'. Write one of: {common_codes(events)}."
            )
        if rows.filter(pl.col("time").is_not_null() & pl.col("numeric_value").is_not_null()).is_empty():
            raise CohortError(
                f"[question] target: '{target}' has no number with a time, so there is nothing to forecast. "
                "A forecast needs a measured number; a static fact or a category cannot be one."
            )


def common_codes(events: pl.DataFrame) -> str:
    """Return the first codes that enough people have: where a wrong column is read as codes, each is somebody's."""
    people = events.group_by("code").agg(pl.col("subject_id").n_unique()).filter(pl.col("subject_id") > _FEW_PEOPLE)
    listed = [f"'{code}'" for code in people["code"].sort()[:_CODES_SHOWN]]
    return ", ".join(listed) if listed else "they are too rare to be listed here"
