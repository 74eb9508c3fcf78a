"""Runs beside each other on the same people, as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from sequela.report.formats import Comparison, Estimate, Piece
from sequela.report.privacy import guarded, rounded, shown_count
from sequela.report.risk_terminal import DECIMALS, difference_above_interval, number_above_interval, plain_table
from sequela.report.words import DASH, decimals_for, metric_name, model_name, threshold_in_words, unbroken

_Column = tuple[str, float | None]  # metric, threshold
_MOST_COLUMNS = 4


class Counts(Piece):
    """People and their predictions."""

    people: int
    predictions: int


class ComparedRun(Piece):
    """One of the runs."""

    name: str
    folder: str = ""
    models: list[str] = []
    best_baseline: str | None = None
    held_out: Counts


class ComparedRow(Estimate):
    """A metric of one model of one run, on the people whom all runs have held out."""

    run: str
    model: str
    metric: str
    threshold: float | None = None
    target: str | None = None
    people: int | None = None


class ComparedDifference(Comparison):
    """A paired difference of two models of two runs."""

    run: str
    against_model: str


class Compared(Piece):
    """What `compare_runs` gives."""

    question: str
    target: list[str]
    runs: list[ComparedRun]
    common: Counts
    events: int | None = None
    metrics: list[str]
    thresholds: list[float] = []
    rows: list[ComparedRow] = []
    differences: list[ComparedDifference] = []
    notes: list[str] = []


def comparison_tables(found: Mapping[str, Any]) -> list[Table]:
    """The numbers of each run on the people that they share, and the paired differences.

    Args:
        found: what `compare_runs` gives.
    """
    compared = Compared.model_validate(found)
    targets: Sequence[str | None] = [None]
    if compared.question == "forecast" and len(compared.target) > 1:
        targets = compared.target
    tables = [_numbers(compared, target, part) for target in targets for part in _parts(compared.rows)]
    gaps = [_differences(compared, target, part) for target in targets for part in _parts(compared.differences)]
    (gaps or tables)[0].caption = Text(_caption(compared))  # under the widest: a caption is as wide as its table
    return tables + gaps


def _parts(rows: Sequence[ComparedRow] | Sequence[ComparedDifference]) -> list[Sequence[_Column]]:
    """The metrics, those with a threshold once for each, in parts that fit a terminal."""
    columns = list(dict.fromkeys((row.metric, row.threshold) for row in rows))
    return [columns[first : first + _MOST_COLUMNS] for first in range(0, len(columns), _MOST_COLUMNS)]


def _heading(metric: str, threshold: float | None) -> str:
    return metric_name(metric) + (f" at {threshold_in_words(threshold)}" if threshold is not None else "")


def _decimals(compared: Compared, target: str | None) -> int:
    """Three decimals, or as many as errors in a small unit need."""
    if compared.question == "risk":
        return DECIMALS
    return max(DECIMALS, decimals_for(row.value for row in compared.rows if target in (None, row.target)))


def _title(compared: Compared, target: str | None) -> str:
    shared = compared.common
    people = shown_count(shared.people, beside=[run.held_out.people for run in compared.runs])
    predictions = shown_count(shared.predictions, beside=[run.held_out.predictions for run in compared.runs])
    events = "" if compared.events is None else f", {_events(compared, compared.events)} with the event"
    whom = f"{predictions} held-out predictions of {people} people{events}, common to all runs"
    if target is None:
        return f"{', '.join(compared.target)}: {whom}"
    of_target = max((row.people or 0 for row in compared.rows if row.target == target), default=0)
    return f"{target}: {shown_count(of_target, beside=[shared.people])} people. Of all targets {whom}"


def _events(compared: Compared, events: int) -> str:
    """How many had the event; coarse beside those of a run's own report, which has more predictions."""
    is_all = all(run.held_out.predictions == compared.common.predictions for run in compared.runs)
    return shown_count(events) if is_all else rounded(events)


def _numbers(compared: Compared, target: str | None, columns: Sequence[_Column]) -> Table:
    table = plain_table(_title(compared, target), "* best baseline of its run.")
    table.padding = (0, 1, 0, 0)
    for heading in ("Run", "Model", *(_heading(*column) for column in columns)):
        table.add_column(heading, overflow="fold")
    decimals = _decimals(compared, target)
    for run in compared.runs:
        for place, model in enumerate(run.models):
            style = "bold" if model == "network" else ""
            name = model_name(model) + (" *" if model == run.best_baseline else "")
            found = [_row(compared, run.name, model, *column, target) for column in columns]
            cells = [number_above_interval(one, decimals=decimals) for one in found]
            table.add_row(Text(run.name if not place else "", style="bold"), Text(name, style=style), *cells)
    return table


def _row(
    compared: Compared, run: str, model: str, metric: str, threshold: float | None, target: str | None
) -> Estimate:
    asked = (run, model, metric, threshold)
    for row in compared.rows:
        if (row.run, row.model, row.metric, row.threshold) == asked and target in (None, row.target):
            return row
    return Estimate()


def _differences(compared: Compared, target: str | None, columns: Sequence[_Column]) -> Table:
    table = plain_table("Paired differences on the same people [95 % interval]", "")
    table.padding = (0, 1, 0, 0)
    for heading in ("Difference", *(_heading(*column) for column in columns)):
        table.add_column(heading, overflow="fold")
    decimals = _decimals(compared, target)
    pairs = dict.fromkeys((one.run, one.model, one.against, one.against_model) for one in compared.differences)
    for pair in pairs:
        run, model, against, against_model = pair
        name = Text(f"{run}: {model_name(model).lower()}\nless {against}: {model_name(against_model).lower()}")
        found = [_difference(compared, pair, *column, target) for column in columns]
        cells = [difference_above_interval(one, decimals=decimals) for one in found]
        table.add_row(name, *cells)
    return table


def _difference(
    compared: Compared, pair: tuple[str, str, str, str], metric: str, threshold: float | None, target: str | None
) -> ComparedDifference | None:
    for one in compared.differences:
        if (one.run, one.model, one.against, one.against_model) == pair and (one.metric, one.threshold) == (
            metric, threshold,
        ) and target in (None, one.target):  # fmt: skip
            return one
    return None


def _caption(compared: Compared) -> str:
    lines = ["Difference: the first model less the second, both as they give their numbers out."]
    reasons = {row.reason for row in compared.rows if row.low is None and row.reason}
    reasons |= {one.reason for one in compared.differences if one.low is None and one.reason}
    lines += [f"{DASH} {guarded(reason)}" for reason in sorted(reasons)]
    return "\n".join([*lines, *(unbroken(guarded(note)) for note in compared.notes)])
