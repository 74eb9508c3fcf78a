"""What preparation did to the steps that training predictions see: counts for `profile.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.batch import PROVENANCE
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.prepare.measured import limited
from sequela.prepare.rows import RowPreparation
from sequela.prepare.seen import SeenCells, count_people
from sequela.prepare.settings import PrepareSettings, rule_for
from sequela.prepare.state import CategoryState, NumberState, PreparedState
from sequela.prepare.transforms import without_log
from sequela.prepare.unit_suspicion import UnitSuspicion, suspect_units
from sequela.prepare.words import Words

ORDER = ("plausibility and units", "outliers", "transform", "scale", "missing values")
_STANDS_IN = ("mean", "zero", "nothing")  # nothing of the person is in such a cell
_CELLS_AT_ONCE = 1 << 24


def preparation_summary(
    timeline: Timeline,
    sequences: Sequences,
    state: PreparedState,
    settings: PrepareSettings,
    unused: Mapping[str, str],
    suspicions: Iterable[UnitSuspicion] = (),
) -> dict[str, Any]:
    """Return what was missing, what stands there instead and what stood out, by variable.

    Counts are over the steps of the longest history that a training prediction has of each episode. They may be of a
    few people: who shows them, masks them.

    Args:
        timeline: what became known, on the grid where there is one.
        sequences: what training predictions see.
        state: fitted preparation.
        settings: `[prepare]` of the study.
        unused: codes that are no input -> reason.
        suspicions: codes whose values look like another unit (`suspected_units`).
    """
    longest = _longest(sequences)
    steps = int(sequences.lengths[longest].sum())
    cells = SeenCells(timeline, sequences.take(_last_reads(sequences, longest)), clocked=state.grid is not None)
    times_seen = _times_seen(timeline, sequences, longest)
    sources = _sources(RowPreparation(timeline, state), sequences, longest)
    words = Words(timeline, state).word(cells.cell) if state.words else np.zeros(0, dtype=np.int64)
    return {
        "steps": steps,
        "grid": None if settings.grid == "none" else settings.grid,
        "order": list(ORDER),
        "variables": [
            _variable(cells, feature, sources[:, begin], _measured(cells, feature, times_seen), settings)
            for feature, begin in zip(state.features, state.first_columns, strict=True)
        ],
        "events": {
            "words": len(state.words),
            "cells": int((words >= 0).sum()),
            "codes_left_out": len(unused),
        },
        "units": [
            {
                "code": found.code,
                "share": found.share,
                "suggests": found.suspected_unit,
                "conversion": found.conversion,
            }
            for found in suspicions
        ],
    }


def suspected_units(events: pl.DataFrame, units: Mapping[str, str | None]) -> list[UnitSuspicion]:
    """Return the codes whose values look like another unit.

    Args:
        events: contract 1, before implausible values are taken out.
        units: the one unit of each code, where the records or the study state one.
    """
    numbers = events.filter(pl.col("numeric_value").is_not_null()).select("code", "numeric_value")
    by_code = numbers.partition_by("code", as_dict=True, include_key=False)
    values = {str(code): rows["numeric_value"].cast(pl.Float64).to_numpy() for (code,), rows in by_code.items()}
    return suspect_units(dict(sorted(values.items())), units)


def _longest(sequences: Sequences) -> Rows:
    """Return for each episode of a person its longest sequence."""
    order = np.lexsort((sequences.lengths, sequences.episode_start, sequences.person))
    person, start = sequences.person[order], sequences.episode_start[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (person[1:] != person[:-1]) | (start[1:] != start[:-1])
    return order[last]


def _last_reads(sequences: Sequences, chosen: Rows) -> Rows:
    """Return the predictions that read the last rows of the chosen sequences."""
    is_chosen = np.zeros(len(sequences.person), dtype=bool)
    is_chosen[chosen] = True
    return np.flatnonzero(is_chosen[sequences.sequence])


def _times_seen(timeline: Timeline, sequences: Sequences, chosen: Rows) -> Rows:
    """Return in how many of the chosen sequences each cell stands [M]: those of several episodes may overlap."""
    change = np.zeros(len(timeline.step_time) + 1, dtype=np.int64)
    np.add.at(change, sequences.first[chosen], 1)
    np.add.at(change, sequences.stop[chosen], -1)
    return np.repeat(np.cumsum(change)[:-1], np.diff(timeline.cell_offsets))


def _measured(cells: SeenCells, feature: NumberState | CategoryState, times_seen: Rows) -> int:
    """Return at how many steps a feature was measured."""
    cell = cells.cell[cells.of(_variable_of(cells, feature))]
    is_value = (cells.timeline.cell_level[cell] >= 0) | ~np.isnan(cells.timeline.cell_number[cell])
    return int(times_seen[cell[is_value]].sum())


def _variable_of(cells: SeenCells, feature: NumberState | CategoryState) -> int:
    return cells.timeline.variables.index((feature.code, isinstance(feature, CategoryState)))


def _sources(preparation: RowPreparation, sequences: Sequences, chosen: Rows) -> NDArray[np.int64]:
    """Return how many cells of each column come from where [places in PROVENANCE, F]."""
    columns = len(preparation.columns.center)
    total = np.zeros((len(PROVENANCE), columns), dtype=np.int64)
    rows_at_once = max(1, _CELLS_AT_ONCE // max(columns, 1))
    ends = np.cumsum(sequences.lengths[chosen])
    for part in np.split(chosen, np.flatnonzero(np.diff(ends // rows_at_once)) + 1):
        provenance = preparation.rows(sequences, part, provenance=True).provenance
        assert provenance is not None
        total += np.stack([(provenance == place).sum(axis=0) for place in range(len(PROVENANCE))])
    return total


def _variable(
    cells: SeenCells, feature: NumberState | CategoryState, sources: Rows, measured: int, settings: PrepareSettings
) -> dict[str, Any]:
    is_number, steps = isinstance(feature, NumberState), int(sources.sum())
    stands_in = sum(int(sources[PROVENANCE.index(name)]) for name in _STANDS_IN)
    return {
        "code": feature.code,
        "kind": feature.kind,
        "missing_before": _share(steps - measured, steps),
        "missing_after": _share(stands_in, steps),
        "missing": feature.missing,
        "carry_limit_hours": feature.carry_limit_hours,
        "transform": rule_for(settings.transform, feature.code, "none") if is_number else "none",
        "scale": rule_for(settings.scale, feature.code, "standard") if is_number else "none",
        "aggregate": rule_for(settings.aggregate, feature.code, "mean") if settings.grid != "none" else None,
        "provenance": {name: int(count) for name, count in zip(PROVENANCE, sources, strict=True) if count},
        "outliers": _outliers(cells, feature) if isinstance(feature, NumberState) else None,
        "without_logarithm": _without_logarithm(cells, feature) if isinstance(feature, NumberState) else None,
    }


def _without_logarithm(cells: SeenCells, feature: NumberState) -> int | None:
    """Return how many values of zero or below count as not measured; None where no logarithm is taken."""
    if feature.transform.kind != "log":
        return None
    return without_log(limited(feature, cells.column(_variable_of(cells, feature)))[0])


def _outliers(cells: SeenCells, feature: NumberState) -> dict[str, Any] | None:
    if feature.outliers is None:
        return None
    variable = _variable_of(cells, feature)
    touched = limited(feature, cells.column(variable))[1]
    person = cells.numbers(variable)[1][touched]
    rule = feature.outliers.rule
    return {
        "rule": rule,
        "action": feature.outlier_action,
        "touched": int(touched.sum()),
        "people": count_people(person),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
