"""What every fit of a study starts from, and what one comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.baselines import WindowStatistics
from sequela.bundle import Bundle, BundledClock, BundledStudy
from sequela.cohort import HELD_OUT, Cohort, Sequences, Split, Timeline
from sequela.predict import Evidence
from sequela.prepare import Cleaning
from sequela.records import Records, TableSettings
from sequela.study.settings import StudySettings
from sequela.train import History

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What every fit of a study starts from."""

    settings: StudySettings
    records: Records
    evidence: Evidence
    cleaning: Cleaning
    cohort: Cohort  # as asked: statistics, flags and the audit see every instant
    timeline: Timeline  # what networks see: on the grid of the preparation, where it has one
    sequences: Sequences

    @property
    def labels(self) -> Floats:
        """Return the labels: of a forecast [R, horizons, targets], of a risk [R]."""
        assert self.cohort.labels is not None
        return self.cohort.labels.value


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """What the network must beat, fitted."""

    predict: Mapping[str, Callable[[WindowStatistics], Floats]]
    first: Mapping[str, Callable[[WindowStatistics], Floats]]  # before tuning people taught any: to ask about them
    selection: dict[str, float]  # loss on people that it was not fitted on; lower is better
    selection_total: dict[str, float]  # the same summed over their labels, so that folds can be added up
    search: dict[str, Any] = field(default_factory=dict)  # settings that were tried


NO_BASELINES = Baselines(predict={}, first={}, selection={}, selection_total={})


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted bundle and what every model says of all R predictions."""

    split: Split
    bundle: Bundle
    histories: list[History]  # one a member
    parameters: int  # of one member
    warning: str | None
    unused: dict[str, str]  # codes that are no input -> reason
    selection: dict[str, float]  # baseline -> loss on people that it was not fitted on; lower is better
    selection_total: dict[str, float]  # baseline -> the same summed over their labels
    search: dict[str, Any] = field(default_factory=dict)  # baseline -> settings that were tried
    predicted: dict[str, Floats]  # model -> as the labels: what the final model says, also of those who taught it
    of_tuning: dict[str, Floats]  # model -> as the labels of tuning people: said of them before it was fitted on them,
    # and before recalibration. Whoever judges or chooses on tuning people uses these
    before: dict[str, Floats] = field(default_factory=dict)  # model -> before recalibration, where there is one
    not_recalibrated: dict[str, str] = field(default_factory=dict)  # model -> why no map could be learned
    lower: Floats | None = None  # of the network's intervals, where the question has them
    upper: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out predictions of all folds, one after the other."""

    prediction: Numbers  # [Q] number of the prediction in the cohort
    predicted: dict[str, Floats]  # model -> [Q, ...]
    before: dict[str, Floats]
    lower: Floats | None
    upper: Floats | None


def held_out(fits: list[Fit]) -> HeldOut:
    """Return what each model said of the people that its fit did not see."""
    rows = [np.flatnonzero(fit.split.part == HELD_OUT) for fit in fits]

    def unseen(of_fits: list[Floats | None]) -> Floats | None:
        known = [values for values in of_fits if values is not None]
        if len(known) < len(fits):
            return None
        return np.concatenate([values[row] for values, row in zip(known, rows, strict=True)])

    def by_model(of_fits: list[dict[str, Floats]]) -> dict[str, Floats]:
        joined = {model: unseen([values.get(model) for values in of_fits]) for model in of_fits[0]}
        return {model: values for model, values in joined.items() if values is not None}

    return HeldOut(
        prediction=np.concatenate(rows),
        predicted=by_model([fit.predicted for fit in fits]),
        before=by_model([fit.before for fit in fits]),
        lower=unseen([fit.lower for fit in fits]),
        upper=unseen([fit.upper for fit in fits]),
    )


def best_baseline(fits: list[Fit]) -> str | None:
    """Return the baseline with the smallest loss on people that it was not fitted on, over the labels of all folds.

    None where nobody could judge any. A fold in which nobody had a label to judge by leaves the choice to the others.
    """
    totals = {name: sum(fit.selection_total[name] for fit in fits) for name in fits[0].selection_total}
    judged = [name for name in totals if np.isfinite(totals[name]) and any(name in fit.selection for fit in fits)]
    return min(judged, key=totals.__getitem__) if judged else None


def bundled_study(material: Material) -> BundledStudy:
    """Return what the bundle keeps of the study."""
    settings, clock = material.settings, material.records.clock
    return BundledStudy(
        name=settings.name,
        clock=BundledClock(
            calendar=clock.calendar, unit=clock.unit, time_zone=clock.time_zone, day_resolution=clock.day_resolution
        ),
        records=_tables_of_predictions(settings),
        kinds=material.evidence.kinds,
        question=settings.question,
        cleaning=material.cleaning,
        own_sequences=material.settings.own_sequences,
        model=settings.model,
        units=settings.prepare.unit_names | material.evidence.units_by_code,
    )


def _tables_of_predictions(settings: StudySettings) -> list[TableSettings]:
    """Return the tables that new people need: no outcome tables and no columns of the outcome, which is to come."""
    apart = set(settings.question.columns_apart)
    tables = [_without_columns(table, apart) for table in settings.records if table.role == "input"]
    return [table for table in tables if table.columns != [] or table.layout == "long"]


def _without_columns(table: TableSettings, apart: set[str]) -> TableSettings:
    """Return a table that asks for no column of the outcome under any key."""
    if table.layout == "long":
        return table

    def left(columns: list[str]) -> list[str]:
        return [column for column in columns if table.rename.get(column, column) not in apart]

    return table.model_copy(
        update={
            "columns": None if table.columns is None else left(table.columns),
            "categorical": left(table.categorical),
            "rename": {column: table.rename[column] for column in left(list(table.rename))},
        }
    )
