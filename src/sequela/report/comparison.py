"""Runs side by side in the terminal: what `sequela compare` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from sequela.report.privacy import guarded, shown_count
from sequela.report.words import DASH, MINUS, aligned, decimals_for, fixed, interval, metric_name, model_name, signed

_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "ici": "ICI",
    "net_benefit": "Net benefit",
}
_COLOURS = {"better": "green", "worse": "red"}
_WORDS = {"better": "better", "no_difference": "unclear", "worse": "worse"}


def comparison_tables(found: Mapping[str, Any]) -> list[Table]:
    """The content of `compare_runs` as tables: every model on the common predictions, then the paired differences.

    Args:
        found: what `compare_runs` returned.
    """
    targets = list(dict.fromkeys(row["target"] for row in found["rows"]))
    tables = [_values(found, target) for target in targets] + [_differences(found, target) for target in targets]
    tables[-1].caption = Text("\n".join(_caption(found)))
    return tables


def _values(found: Mapping[str, Any], target: str | None) -> Table:
    """Models as rows, metrics as columns."""
    people, predictions = (shown_count(found["common"][what]) for what in ("people", "predictions"))
    about = f"{', '.join(found['target'])}" if target is None else target
    table = _table(f"{about}: {predictions} held-out predictions of {people} people, common to all runs")
    table.add_column("Run")
    table.add_column("Model", no_wrap=True)
    rows = [row for row in found["rows"] if row["target"] == target]
    models = list(dict.fromkeys((row["run"], row["model"]) for row in rows))
    columns = []
    for metric, threshold in _metrics(rows):
        table.add_column(_name(metric, threshold), overflow="fold")
        mine = {
            (row["run"], row["model"]): row for row in rows if (row["metric"], row["threshold"]) == (metric, threshold)
        }
        columns.append(_cells([mine[model] for model in models], "value"))
    for place, (run, model) in enumerate(models):
        table.add_row(Text(run), Text(model_name(model)), *(Text(column[place]) for column in columns))
    return table


def _differences(found: Mapping[str, Any], target: str | None) -> Table:
    """One row for each paired difference."""
    table = _table("Paired differences [95 % interval over people]" + (f": {target}" if target else ""))
    for name in ("Run", "Model", "Against", "Metric", "Difference", ""):
        table.add_column(name)
    rows = [row for row in found["differences"] if row["target"] == target]
    for pair in dict.fromkeys(_pair(row) for row in rows):
        mine = [row for row in rows if _pair(row) == pair]
        for row in mine:
            decimals = decimals_for([row["difference"], row["low"], row["high"]])
            gap = f"{signed(row['difference'], decimals)} {interval(row['low'], row['high'], decimals)}"
            decided = _WORDS[row["outcome"]] if row["low"] is not None else DASH
            table.add_row(
                Text(row["run"]), Text(model_name(row["model"])),
                Text(f"{row['against']} {model_name(row['against_model'])}"),
                Text(_name(row["metric"], row["threshold"])), Text(gap),
                Text(decided, style=_COLOURS.get(row["outcome"], "")),
            )  # fmt: skip
    return table


def _pair(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["run"], row["model"], row["against"]


def _caption(found: Mapping[str, Any]) -> list[str]:
    reasons = {row["reason"] for row in [*found["rows"], *found["differences"]] if row["reason"]}
    return [
        f"Differences: run {MINUS} against, on the same predictions of the same people.",
        *found["notes"],
        *(f"{DASH} {guarded(reason)}" for reason in sorted(reasons)),
    ]


def _metrics(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float | None]]:
    return list(dict.fromkeys((row["metric"], row["threshold"]) for row in rows))


def _name(metric: str, threshold: float | None) -> str:
    name = _NAMES.get(metric, metric_name(metric))
    return name if threshold is None else f"{name} at {threshold:g}"


def _cells(rows: Sequence[Mapping[str, Any]], what: str) -> list[str]:
    decimals = decimals_for(row[what] for row in rows)
    brackets = aligned([interval(row["low"], row["high"], decimals) for row in rows], pad=" ")
    values = [fixed(row[what], decimals) for row in rows]
    width = max(map(len, values), default=0)
    return [f"{value.rjust(width)} {bracket}".rstrip() for value, bracket in zip(values, brackets, strict=True)]


def _table(title: str) -> Table:
    return Table(
        title=Text(title), title_justify="left", title_style="bold", caption_justify="left", caption_style="dim",
        header_style="bold", pad_edge=False, box=None, padding=(0, 1),
    )  # fmt: skip
