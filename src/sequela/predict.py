"""A bundle and records become predictions: the one way, for study, command line and service."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sequela.baselines import WindowStatistics, statistics_of
from sequela.bundle import Bundle, members_of, output_shape, read_bundle
from sequela.cohort import ForecastQuestion, Question, RiskQuestion, Sequences, Timeline, ask_live, known_by, set_apart
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import Facts, static_facts
from sequela.cohort.labels import horizon_hours
from sequela.errors import InputError, RecordsError, StudyError
from sequela.models import ModelSettings, mean_logit, risk_of
from sequela.prepare import (
    Cleaning,
    Collation,
    PreparedState,
    flag_words,
    last_known_targets,
    needs_last_target,
    on_grid,
    unscale_targets,
)
from sequela.prepare.presence import Presence, presence
from sequela.prepare.units import unit_named
from sequela.records import DEATH_PREFIX, Clock, Records, TableSettings, read_records
from sequela.records.values import Kind
from sequela.records.written import WrittenColumn

_ROWS_AT_ONCE = 1 << 15
_FEW = 10  # smaller numbers of people are not told
_NO_COINCIDENCE = 11  # people who all lack every input, where one may have nothing but codes that are rare
_NAMES_A_KEY = re.compile(r"`| = |\[prepare\]")
_NO_KEYS = "Keys are those of the bundle's study and stay as they are: write the records as its tables are written."
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Checked records as predictions see them: implausible values taken out, static facts and outcomes apart."""

    events: pl.DataFrame
    outcomes: pl.DataFrame  # rows of outcome tables, and the outcome's columns
    facts: Facts
    people: int
    implausible: pl.DataFrame  # subject_id, known, code of each value that was taken out
    averaged: Mapping[str, int]  # by code, how many values were stated in another unit than one at their instant
    units: Mapping[str, str]  # by code, as the study names them
    written: Mapping[str, WrittenColumn]  # by code, the outcome's columns row by row

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
    question: Question,
    cleaning: Cleaning,
    *,
    units: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Evidence:
    """Return what the records say as far as it is known at `now`, cleaned.

    Args:
        records: as read.
        question: the columns of its outcome are set apart.
        cleaning: conversions, limits and derived codes of the study.
        units: by code, as the study names them.
        now: the instant that it is, UTC; None: all is known.
    """
    inputs, outcomes = set_apart(records.events, records.outcomes, question)
    clean = cleaning.applied(inputs if now is None else known_by(inputs, now))
    people = len(records.subjects)
    return Evidence(
        events=clean.events,
        outcomes=outcomes,
        facts=static_facts(clean.events, people),
        people=people,
        implausible=clean.implausible,
        averaged=clean.averaged,
        units=units or {},
        written=records.written,
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
        if code in expected and not _is_one_unit(units[0], expected[code]):
            raise InputError(f"The values of '{code}' come in another unit than the study's. Convert them before.")


def _is_one_unit(one: str, other: str) -> bool:
    return one == other or (unit_named(one) is not None and unit_named(one) == unit_named(other))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What models say of R predictions: forecasts [R, horizons, targets] in each target's unit, or risks [R].

    Where risks are recalibrated, `predicted` is after that and `before` before; else `before` is empty.
    """

    predicted: dict[str, Floats]  # model -> forecasts or risks
    before: dict[str, Floats] = field(default_factory=dict)
    lower: Floats | None = None  # of the network's forecasts, NaN where there is no interval
    upper: Floats | None = None


def say(bundle: Bundle, timeline: Timeline, facts: Facts, sequences: Sequences) -> Said:
    """Return what the bundle says of all predictions that read these sequences, in their order.

    Args:
        bundle: of the study.
        timeline: what became known.
        facts: static facts.
        sequences: R predictions and what they read.

    Raises:
        InputError: where a prediction is no finite number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        raw = _finite(outputs(bundle, timeline, facts, sequences))
        said = finished(bundle, raw)
        _finite(said.predicted)
    return said


def _finite(found: dict[str, Floats]) -> dict[str, Floats]:
    """Return what models say; refuse what is no number.

    Raises:
        InputError: the numbers of a bundle are checked one by one, and some may still not go together.
    """
    if not all(np.isfinite(values).all() for values in found.values()):
        raise InputError(
            "Some predictions are no finite numbers: values in the records are far beyond those that the bundle was "
            "fitted on, or the bundle is damaged or was changed by hand. Check the units, or copy the bundle again "
            "from its run folder."
        )
    return found


def outputs(
    bundle: Bundle,
    timeline: Timeline,
    facts: Facts,
    sequences: Sequences,
    *,
    imputed_shift: float = 0.0,
    only_network: bool = False,
    statistics: WindowStatistics | None = None,
) -> dict[str, Floats]:
    """Return what the network says, and the hybrid where there is one, before intervals and recalibration.

    Args:
        bundle: of the study.
        timeline: what became known.
        facts: static facts.
        sequences: R predictions and what they read.
        imputed_shift: standard deviations that are added to every number that was not measured.
        only_network: the hybrid is not asked.
        statistics: of the R predictions, where they are known already.
    """
    trees = None if only_network else bundle.trees
    if statistics is None and (trees is not None or bundle.study.model.wide):
        statistics = statistics_of(bundle.study.question.kind, timeline, facts, bundle.prepared, sequences)
    each = member_outputs(bundle, timeline, facts, sequences, statistics, imputed_shift=imputed_shift)
    mean = mean_of_members(bundle, each, timeline, sequences)
    said = {"network": as_said(bundle, mean)}
    if trees is not None and statistics is not None:
        said["hybrid"] = trees.predict(statistics, mean)
    return said


def member_outputs(
    bundle: Bundle,
    timeline: Timeline,
    facts: Facts,
    sequences: Sequences,
    statistics: WindowStatistics | None,
    *,
    imputed_shift: float = 0.0,
) -> Floats:
    """Return the output of each member of the network [members, R, ...]: scaled forecasts, or logits of risks.

    Args:
        bundle: of the study.
        timeline: what became known.
        facts: static facts.
        sequences: R predictions and what they read.
        statistics: of the R predictions, where the network has a wide part.
        imputed_shift: standard deviations that are added to every number that was not measured.
    """
    members = members_of(bundle.network)
    bundle.network.eval()
    on_clock, on_steps = on_grid(timeline, sequences, bundle.prepared.grid)
    collation = Collation(
        on_clock,
        facts,
        bundle.prepared,
        on_steps,
        imputed_shift=imputed_shift,
        provenance=bundle.study.model.sees_provenance,
        summary=summary_for(bundle.study.model, statistics),
        once=True,
    )
    found = np.zeros((len(members), len(sequences.read), *output_shape(bundle.study)))
    with torch.no_grad():
        for batch, prediction in collation.batches_of_rows(_ROWS_AT_ONCE):
            for number, member in enumerate(members):
                found[number, prediction] = member(batch).numpy()
    return found


def summary_for(model: ModelSettings, statistics: WindowStatistics | None) -> NDArray[np.floating] | None:
    """Return the statistics that a network's wide part sees [R, J]; None for a network without one."""
    return statistics.matrix if model.wide and statistics is not None else None


def mean_of_members(bundle: Bundle, each: Floats, timeline: Timeline, sequences: Sequences) -> Floats:
    """Return what members say together: forecasts in the targets' units, or the logits of mean risks.

    Args:
        bundle: of the study.
        each: [members, R, ...] their outputs.
        timeline: what became known.
        sequences: the R predictions and what they read.
    """
    if isinstance(bundle.study.question, RiskQuestion):
        logits = torch.from_numpy(each)
        return np.asarray((logits[0] if len(logits) == 1 else mean_logit(logits)).numpy())
    prepared = bundle.prepared
    return unscale_targets(each.mean(axis=0), prepared, last_targets(prepared, timeline, sequences))


def last_targets(prepared: PreparedState, timeline: Timeline, sequences: Sequences) -> Floats | None:
    """Return the last known values of the targets [R, targets], where a target is learned as a difference from it."""
    if not needs_last_target(prepared):
        return None
    return last_known_targets(timeline, sequences, [target.code for target in prepared.targets])


def as_said(bundle: Bundle, mean: Floats) -> Floats:
    """Return the mean of members as a user reads it: forecasts as they are, logits as risks."""
    if isinstance(bundle.study.question, RiskQuestion):
        return np.asarray(risk_of(torch.from_numpy(mean)).numpy())
    return mean


def finished(bundle: Bundle, raw: dict[str, Floats]) -> Said:
    """Return outputs with what tuning people taught after training: recalibration of risks, intervals of forecasts."""
    if isinstance(bundle.study.question, RiskQuestion):
        maps = bundle.after.recalibration if bundle.after is not None else {}
        after = {model: maps[model].apply(risk) if model in maps else risk for model, risk in raw.items()}
        return Said(predicted=after, before={model: raw[model] for model in maps if model in raw})
    half = half_widths(bundle, raw["network"].shape)
    return Said(predicted=raw, lower=raw["network"] - half, upper=raw["network"] + half)


def half_widths(bundle: Bundle, shape: tuple[int, ...]) -> Floats:
    """Return the half-width of each interval [horizons, targets], NaN where there is none."""
    if bundle.after is None or bundle.after.interval is None:
        return np.full(shape[1:], np.nan)
    table = bundle.after.interval.half_width
    return np.array([[np.nan if width is None else width for width in row] for row in table])


@dataclass(frozen=True, kw_only=True)
class LivePredictions:
    """Predictions as a user reads them, and what was left out under which reason (predictions, people).

    `note` says which inputs no record has and which codes the bundle does not know; None where there are none.
    """

    table: pl.DataFrame
    excluded: dict[str, tuple[int, int]]
    note: str | None = None

    @property
    def left_out(self) -> list[str]:
        """Return what was not predicted, in a sentence for each reason; counts of 1 to 10 are not told."""
        return [
            f"Not predicted, {reason}: {_told(predictions)} prediction times of {_told(people)} people."
            for reason, (predictions, people) in self.excluded.items()
        ]


def _told(count: int) -> str:
    return f"{count:,}" if count > _FEW else f"fewer than {_FEW + 1}"


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

        Warns:
            UserWarning: where inputs of the bundle have no value in any record, or codes are unknown to it; and of how
                many predictions were left out, for each reason.

        Raises:
            InputError: where a table is missing, is no Polars DataFrame or cannot be read as the study's, or where the
                records have none of the bundle's inputs.
        """
        tables: Any = frames if isinstance(frames, Mapping | list | tuple) else [frames]
        _check_frames(tables.values() if isinstance(tables, Mapping) else tables)
        named = tables if isinstance(tables, Mapping) else self._in_order(tables)
        self._check_names(named)
        with _keys_are_the_study_s():
            found = self._predict(self._read(self.bundle.study.records, named), now, at)
        for words in [found.note, *found.left_out]:
            if words is not None:
                warnings.warn(words, UserWarning, stacklevel=2)
        return found.table

    def predict_files(
        self, paths: Mapping[str, Path], *, now: str | float | None = None, at: str | None = None
    ) -> LivePredictions:
        """Return predictions for new records in files, by the name of the study's table, and a note about them.

        Raises:
            InputError: where a table is missing or cannot be read as the study's, or where the records have none of
                the bundle's inputs.
        """
        self._check_names(paths)
        tables = [table.model_copy(update={"path": str(paths[table.name])}) for table in self.bundle.study.records]
        with _keys_are_the_study_s():
            return self._predict(self._read(tables), now, at)

    def _read(self, tables: list[TableSettings], frames: Mapping[str, pl.DataFrame] | None = None) -> Records:
        study = self.bundle.study
        records = read_records(
            tables,
            Path(),
            frames=frames,
            kinds=study.kinds,
            day_resolution=study.clock.day_resolution,
            apart=study.question.columns_apart,
        )
        _check_clock(self.bundle, records)
        # The study's first timed table may hold an outcome alone, and is not among these.
        return replace(records, clock=Clock(**study.clock.model_dump()))

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
        there = _presence(self.bundle, records)
        unread = _unread_columns(self.bundle, records, there)
        if not there.has_any and (
            _people_with(records, unread) > 0 or _people_with(records, there.strange) >= _NO_COINCIDENCE
        ):
            raise _made_of_nothing(self.bundle, records, there)
        if unread:
            records = replace(records, events=records.events.filter(~pl.col("code").is_in(unread)))
        if at not in (None, "last"):
            raise InputError(f'`at` is "last" or is left out; it cannot be "{at}".')
        study = self.bundle.study
        instant = None if now is None else records.clock.parse(now)
        check_units(study.cleaning.in_units(records.events)[0], study.units)
        seen = evidence(records, study.question, study.cleaning, now=instant)
        cohort = ask_live(
            seen.events,
            seen.people,
            study.question,
            now=instant,
            alone=study.own_sequences,
            last_only=at == "last",
        )
        said = say(self.bundle, cohort.timeline, seen.facts, cohort.sequences)
        flags = flag_words(cohort.timeline, seen.facts, self.bundle.prepared, cohort.sequences, seen.implausible)
        table = said_table(study.question, records, cohort.asked, said, flags)
        if self.bundle.trees is None:
            table = table.drop("model")
        return LivePredictions(table=table, excluded=cohort.asked.excluded, note=there.note)


def load_bundle(path: str | Path) -> Predictor:
    """Return a bundle that predicts.

    Args:
        path: the folder `bundle` of a run.

    Raises:
        BundleError: where the folder is no bundle, or is damaged.
    """
    return Predictor(read_bundle(Path(path)))


@contextmanager
def _keys_are_the_study_s() -> Iterator[None]:
    """Say of a refusal whose remedy is a key of a study file that it is none here."""
    try:
        yield
    except (RecordsError, StudyError) as error:
        if _NAMES_A_KEY.search(str(error)):
            error.args = (f"{error} {_NO_KEYS}",)
        raise


def _check_frames(given: Iterable[object]) -> None:
    for table in given:
        if not isinstance(table, pl.DataFrame):
            kind = f"{type(table).__module__.partition('.')[0]}.{type(table).__name__}"
            raise InputError(
                f"A table is given as {kind}, and not as a polars.DataFrame. Convert it, such as by polars.from_pandas "
                "or `collect`; files go to `predict_files`."
            )


def _check_clock(bundle: Bundle, records: Records) -> None:
    clock = bundle.study.clock
    is_timed = any(table.first_time is not None for table in records.tables)
    if is_timed and records.clock.calendar != clock.calendar:
        kind = "dates" if clock.calendar else f"numbers of {clock.unit}"
        raise InputError(
            f"The study tells times as {kind}, but these records do not. Write their times as the study's."
        )


def _presence(bundle: Bundle, records: Records) -> Presence:
    """Return which inputs all records have, those after `now` included: it is asked how they are named."""
    study = bundle.study
    inputs, _ = set_apart(records.events, records.outcomes, study.question)
    return presence(
        inputs,
        bundle.prepared,
        known=study.kinds,
        prefixes=(DEATH_PREFIX, *study.question.code_prefixes),
        derived=study.cleaning.derived,
        may_name=all(table.layout != "long" for table in study.records),
    )


def _people_with(records: Records, codes: Collection[str]) -> int:
    """Return how many people have any of the codes at a time."""
    rows = records.events.filter(pl.col("code").is_in(codes) & pl.col("time").is_not_null())
    return rows["subject_id"].n_unique()


def _unread_columns(bundle: Bundle, records: Records, there: Presence) -> set[str]:
    """Return the columns that neither the bundle nor its study knows: no step comes of them.

    Codes of a long table, which are what patients have, stay: in the study, too, rare ones were steps.
    """
    tables = zip(bundle.study.records, records.tables, strict=True)
    columns = {code for table, read in tables if table.layout != "long" for code in read.codes}
    return columns.intersection(there.strange)


def _made_of_nothing(bundle: Bundle, records: Records, there: Presence) -> RecordsError:
    """Return the refusal; it names columns, but no code of a long table, which may be another column's cells."""
    coded = [f"'{table.code}'" for table in bundle.study.records if table.layout == "long"]
    if coded:
        remedy = f"Write the codes in column {', '.join(dict.fromkeys(coded))} as the study's tables do"
    else:
        here = f"; here there are {there.strange_in_words}" if there.strange else ""
        remedy = f"Name the columns as the study's tables do{here}"
    return RecordsError(
        ", ".join(file for table in records.tables for file in table.files),
        "none of the bundle's inputs has a value in these records, so predictions would be made of nothing. The inputs "
        f"are {there.inputs_in_words}",
        remedy,
    )


def said_table(question: Question, records: Records, asked: Asked, said: Said, flags: list[str]) -> pl.DataFrame:
    """Return what models say as a table with the source's own ids and times, one row a model, prediction and output."""
    who = _who_and_when(records, asked, flags)
    parts = []
    for model in said.predicted:
        named = who.with_columns(model=pl.lit(model))
        if isinstance(question, RiskQuestion):
            of_model = named.with_columns(code=pl.lit(question.name), predicted=pl.Series(said.predicted[model]))
        else:
            of_model = _forecasts(question, named, said, model)
        parts.append(of_model)
    first = ("subject_id", "episode_start", "prediction_time", "model", "code", "flags")
    return pl.concat(parts).select(*first, pl.exclude(*first))


def _who_and_when(records: Records, asked: Asked, flags: list[str]) -> pl.DataFrame:
    ids = records.subjects.sort("subject_id")["source_id"]
    times = {"episode_start": asked.episode_start, "prediction_time": asked.time}
    written = {
        name: records.clock.to_source(pl.Series(instants).cast(pl.Datetime("us"))) for name, instants in times.items()
    }
    return pl.DataFrame({"subject_id": ids.gather(asked.person), **written, "flags": pl.Series(flags, dtype=pl.String)})


def _forecasts(question: ForecastQuestion, who: pl.DataFrame, said: Said, model: str) -> pl.DataFrame:
    """Return the forecasts of one model, one row a prediction, horizon and target; intervals are the network's."""
    shape = said.predicted[model].shape
    hours = np.array([np.nan if hours is None else hours for hours in horizon_hours(question)])
    has_band = model == "network" and said.lower is not None and said.upper is not None
    nothing = np.full(shape, np.nan)
    band = {"lower": said.lower, "upper": said.upper} if has_band else {"lower": nothing, "upper": nothing}
    return who[np.repeat(np.arange(shape[0]), shape[1] * shape[2])].with_columns(
        code=pl.Series(question.targets * (shape[0] * shape[1]), dtype=pl.String),
        horizon_hours=pl.Series(np.tile(np.repeat(hours, shape[2]), shape[0])).fill_nan(None),
        predicted=pl.Series(said.predicted[model].reshape(-1)),
        **{name: pl.Series(np.asarray(bound).reshape(-1)).fill_nan(None) for name, bound in band.items()},
    )
