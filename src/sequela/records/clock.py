"""The study's own way to write an instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import overload

import polars as pl

from sequela.errors import InputError
from sequela.records.durations import MICROSECONDS, TimeUnit
from sequela.records.times import EARLIEST, EPOCH, INSTANT, LATEST, iso_instants


@dataclass(frozen=True)
class Clock:
    """How the study writes times: as dates, or as numbers of a unit counted from the origin.

    Args:
        calendar: True: dates in UTC. False: numbers.
        unit: of numeric times, from the first timed table.
        time_zone: of dates that carry none, from the first timed table.
        day_resolution: every stamp of the study is a date only, so that a day's records are known on that day.
    """

    calendar: bool = False
    unit: TimeUnit = "days"
    time_zone: str = "UTC"
    day_resolution: bool = False

    @overload
    def to_source(self, column: pl.Expr) -> pl.Expr: ...
    @overload
    def to_source(self, column: pl.Series) -> pl.Series: ...
    def to_source(self, column: pl.Expr | pl.Series) -> pl.Expr | pl.Series:
        """Instants as the study writes them: Float64 in its unit, or Datetime in UTC."""
        if self.calendar:
            return column.cast(INSTANT).dt.replace_time_zone("UTC")
        if isinstance(column, pl.Expr):
            return column.map_batches(self.to_source, return_dtype=pl.Float64, is_elementwise=True)
        # Polars divides by a constant through its reciprocal, one bit off: 0.1 days would come back as 0.0999...
        number = column.cast(INSTANT).to_physical().cast(pl.Float64).to_numpy() / MICROSECONDS[self.unit]
        return pl.Series(column.name, number, dtype=pl.Float64, nan_to_null=True)

    def parse(self, time: str | float) -> datetime:
        """The instant (UTC, without a zone) that a user writes; a date only is its midnight.

        Raises:
            InputError: no number where the study counts, or one too large; no ISO 8601 time where it has a calendar.
        """
        if self.calendar:
            found = iso_instants(pl.Series("time", [str(time).strip()]), self.time_zone)["time"][0]
            if not isinstance(found, datetime):
                raise InputError("The time is not in ISO 8601. Write it such as 2024-05-31 or 2024-05-31T14:30:00Z.")
            return found
        try:
            span = round(float(time) * MICROSECONDS[self.unit])
        except (ValueError, OverflowError, TypeError):
            raise InputError(
                f"The time is no number. This study counts in {self.unit}: write a number of them."
            ) from None
        if not EARLIEST <= span <= LATEST:
            raise InputError(f"The time is too large for a number of {self.unit}. Check it.")
        return EPOCH + timedelta(microseconds=span)
