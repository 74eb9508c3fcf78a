"""A bundle and records become predictions: the one way, for study, command line and service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sequela.bundle import Bundle, read_bundle
from sequela.cohort import ForecastQuestion, Sequences, Timeline, ask_live, known_by
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import Facts, static_facts
from sequela.cohort.labels import horizon_hours
from sequela.errors import InputError
from sequela.prepare import Collation, flag_words, without_implausible
from sequela.records import Records, TableSettings, read_records
from sequela.records.values import Kind

_ROWS_AT_ONCE = 1 << 15
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Checked records as predictions see them: implausible values taken out, static facts apart."""

    events: pl.DataFrame
    facts: Facts
    people: int
    implausible: pl.DataFrame  # subject_id, known, code of each value that was taken out
    units: Mapping[str, str]  # by code, as the study names them

    @property
    def kinds(self) -> dict[str, Kind]:
        """Return for each code with values whether they are numbers or text."""
        valued = pl.col("numeric_value").is_not_null() | pl.col("text_value").is_not_null()
        kinds = self.events.filter(valued).group_by("code").agg(pl.col("numeric_value").is_not_null().any())
        return {code: "number" if number else "text" for code, number in kinds.sort("code").iter_rows()}

    def unit_of(self, code: str) -> str | None:
        """Return the unit that the study names for a code, or else the first of the records; None where none is."""
        if code in self.units:
            return self.units[code]
        units = self.events.filter(pl.col("code") == code)["unit"].drop_nulls()
        return str(units[0]) if len(units) else None

    @property
    def units_by_code(self) -> dict[str, str]:
        """Return the unit of each code that has one in the records."""
        named = self.events.filter(pl.col("unit").is_not_null()).group_by("code").agg(pl.col("unit").first())
        return dict(named.sort("code").iter_rows())

    @property
    def implausible_by_code(self) -> dict[str, int]:
        """Return how many values of each code were taken out."""
        return dict(self.implausible.group_by("code").len().sort("code").iter_rows())


def evidence(
    records: Records,
    limits: dict[str, list[float]],
    *,
    units: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Evidence:
    """Return what the records say, as far as it is known at `now`, once implausible values are out."""
    known = records.events if now is None else known_by(records.events, now)
    events, implausible = without_implausible(known, limits)
    people = len(records.subjects)
    return Evidence(
        events=events, facts=static_facts(events, people), people=people, implausible=implausible, units=units or {}
    )


def check_units(events: pl.DataFrame, expected: Mapping[str, str]) -> None:
    """Refuse a code whose values come in more than one unit, or in another than the study's: a mean of both is wrong.

    Raises:
        InputError: with the code; a unit is a cell, and is not shown.
    """
    named = events.lazy().filter(pl.col("unit").is_not_null()).select("code", "unit").unique().collect()
    for code, units in named.group_by("code").agg("unit").sort("code").iter_rows():
        if len(units) > 1:
            raise InputError(
                f"The values of '{code}' come in {len(units)} units. Convert them to one before, or give each unit a "
                "code of its own."
            )
        if code in expected and units[0] != expected[code]:
            raise InputError(f"The values of '{code}' come in another unit than the study's. Convert them before.")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecasts of R predictions in each target's unit."""

    predicted: Floats  # [R, horizons, targets]
    lower: Floats  # [R, horizons, targets], NaN where there is no interval
    upper: Floats  # [R, horizons, targets]


def forecast(bundle: Bundle, timeline: Timeline, facts: Facts, sequences: Sequences) -> Forecast:
    """Return the forecasts of all predictions that read these sequences, in their order."""
    shape = (len(sequences.read), len(bundle.study.question.horizons), len(bundle.prepared.targets))
    scaled = np.zeros(shape)
    collation = Collation(timeline, facts, bundle.prepared, sequences)
    bundle.network.eval()
    with torch.no_grad():
        for batch, prediction in collation.batches_of_rows(_ROWS_AT_ONCE):
            scaled[prediction] = bundle.network(batch).numpy()
    center = np.array([target.center for target in bundle.prepared.targets])
    spread = np.array([target.spread for target in bundle.prepared.targets])
    predicted = scaled * spread + center
    half = half_widths(bundle, shape)
    return Forecast(predicted=predicted, lower=predicted - half, upper=predicted + half)


def half_widths(bundle: Bundle, shape: tuple[int, ...]) -> Floats:
    """Return the half-width of each interval [horizons, targets], NaN where there is none."""
    if bundle.after is None:
        return np.full(shape[1:], np.nan)
    table = bundle.after.interval.half_width
    return np.array([[np.nan if width is None else width for width in row] for row in table])


@dataclass(frozen=True, kw_only=True)
class LivePredictions:
    """Predictions as a user reads them, and what was left out under which reason (predictions, people)."""

    table: pl.DataFrame
    excluded: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Predictor:
    """A loaded bundle, ready for records."""

    bundle: Bundle

    @property
    def tables(self) -> list[str]:
        """Return the names of the study's tables, in its order."""
        return [table.name for table in self.bundle.study.records]

    def predict(
        self,
        frames: Mapping[str, pl.DataFrame] | Sequence[pl.DataFrame] | pl.DataFrame,
        *,
        now: str | float | None = None,
        at: str | None = None,
    ) -> pl.DataFrame:
        """Return predictions for new records, one row for each prediction time, horizon and target.

        Args:
            frames: one table for each table of the study, by name or in the study's order, with that table's columns;
                of a study with one table, that table.
            now: the instant that it is, as the study writes times; later records are not looked at. None: each
                person's last record.
            at: "last" for the last prediction time of each person only.

        Raises:
            InputError: where a table is missing or cannot be read as the study's.
        """
        tables = [frames] if isinstance(frames, pl.DataFrame) else frames
        named = tables if isinstance(tables, Mapping) else self._in_order(tables)
        self._check_names(named)
        return self._predict(self._read(self.bundle.study.records, named), now, at).table

    def predict_files(
        self, paths: Mapping[str, Path], *, now: str | float | None = None, at: str | None = None
    ) -> LivePredictions:
        """Return predictions for new records in files, by the name of the study's table.

        Raises:
            InputError: where a table is missing or cannot be read as the study's.
        """
        self._check_names(paths)
        tables = [table.model_copy(update={"path": str(paths[table.name])}) for table in self.bundle.study.records]
        return self._predict(self._read(tables), now, at)

    def _read(self, tables: list[TableSettings], frames: Mapping[str, pl.DataFrame] | None = None) -> Records:
        study = self.bundle.study
        return read_records(tables, Path(), frames=frames, kinds=study.kinds, day_resolution=study.clock.day_resolution)

    def _in_order(self, frames: Sequence[pl.DataFrame]) -> dict[str, pl.DataFrame]:
        if len(frames) != len(self.tables):
            raise InputError(
                f"{len(frames)} tables are given, but the study has {len(self.tables)}: {', '.join(self.tables)}."
            )
        return dict(zip(self.tables, frames, strict=True))

    def _check_names(self, given: Mapping[str, object]) -> None:
        for name in self.tables:
            if name not in given:
                raise InputError(f"The table '{name}' is missing. The study's tables are {', '.join(self.tables)}.")
        for name in given:
            if name not in self.tables:
                raise InputError(f"The study has no table '{name}'. Its tables are {', '.join(self.tables)}.")

    def _predict(self, records: Records, now: str | float | None, at: str | None) -> LivePredictions:
        _check_clock(self.bundle, records)
        if at not in (None, "last"):
            raise InputError(f'`at` is "last" or is left out; it cannot be "{at}".')
        study = self.bundle.study
        instant = None if now is None else records.clock.parse(now)
        check_units(records.events, study.units)
        seen = evidence(records, study.plausible, now=instant)
        cohort = ask_live(
            seen.events,
            seen.people,
            study.question,
            now=instant,
            alone=study.model.bidirectional,
            last_only=at == "last",
        )
        forecasts = forecast(self.bundle, cohort.timeline, seen.facts, cohort.sequences)
        flags = flag_words(cohort.timeline, seen.facts, self.bundle.prepared, cohort.sequences, seen.implausible)
        table = forecast_table(study.question, records, cohort.asked, forecasts, flags)
        return LivePredictions(table=table, excluded=cohort.asked.excluded)


def load_bundle(path: str | Path) -> Predictor:
    """Return a bundle that predicts.

    Args:
        path: the folder `bundle` of a run.

    Raises:
        BundleError: where the folder is no bundle, or is damaged.
    """
    return Predictor(read_bundle(Path(path)))


def _check_clock(bundle: Bundle, records: Records) -> None:
    clock = bundle.study.clock
    if records.clock.calendar != clock.calendar:
        kind = "dates" if clock.calendar else f"numbers of {clock.unit}"
        raise InputError(
            f"The study tells times as {kind}, but these records do not. Write their times as the study's."
        )


def forecast_table(
    question: ForecastQuestion, records: Records, asked: Asked, forecasts: Forecast, flags: list[str]
) -> pl.DataFrame:
    """Return forecasts as a table with the source's own ids and times, one row a prediction, horizon and target."""
    shape = forecasts.predicted.shape
    each = shape[1] * shape[2]
    row = np.repeat(np.arange(shape[0]), each)
    hours = np.array([np.nan if hours is None else hours for hours in horizon_hours(question)])
    instants = pl.DataFrame({"episode_start": asked.episode_start[row], "prediction_time": asked.time[row]})
    ids = records.subjects.sort("subject_id")["source_id"]
    return pl.DataFrame(
        {
            "subject_id": ids.gather(asked.person[row]),
            **{
                name: records.clock.to_source(instants[name].cast(pl.Datetime("us")))
                for name in ("episode_start", "prediction_time")
            },
            "code": pl.Series(question.targets * (shape[0] * shape[1]), dtype=pl.String),
            "flags": pl.Series(flags, dtype=pl.String).gather(row),
            "horizon_hours": pl.Series(np.tile(np.repeat(hours, shape[2]), shape[0])).fill_nan(None),
            "predicted": forecasts.predicted.reshape(-1),
            "lower": pl.Series(forecasts.lower.reshape(-1)).fill_nan(None),
            "upper": pl.Series(forecasts.upper.reshape(-1)).fill_nan(None),
        }
    )
