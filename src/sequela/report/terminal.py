"""The results as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from sequela.report.formats import Estimate, Metrics
from sequela.report.privacy import guarded
from sequela.report.results import chosen_in_words, comparison_with, estimate_of, model_order, without_best
from sequela.report.risk_terminal import COLOURS, WORDS, plain_table, risk_table
from sequela.report.words import (
    DASH,
    MINUS,
    aligned,
    decimals_for,
    decimals_that_tell,
    fixed,
    interval,
    metric_name,
    model_name,
    signed,
)

_METRICS = ("rmse", "mae")


def results_table(metrics: Mapping[str, Any]) -> Table:
    """The content of `metrics.json` as a table that fits 100 columns.

    Models are rows, the network first; the best baseline is marked with a star. Each number stands with its 95 %
    bootstrap interval over people. The last column is the paired difference of RMSE or AUROC, network minus the row's
    model.

    Args:
        metrics: what `metrics.json` holds.
    """
    numbers = Metrics.model_validate(metrics)
    if numbers.question == "risk":
        return risk_table(numbers)
    table = plain_table(_title(numbers), _caption(numbers))
    table.add_column("Model", no_wrap=True)
    for metric in _METRICS:
        table.add_column(metric_name(metric), overflow="fold")
    table.add_column(f"RMSE, network {MINUS} this", overflow="fold")
    for target in numbers.target:
        if len(numbers.target) > 1:
            table.add_row(Text(target, style="bold"))
        _add_target(table, numbers, target)
    return table


def _add_target(table: Table, numbers: Metrics, target: str) -> None:
    models = model_order(numbers, target)
    columns = [
        _with_intervals([estimate_of(numbers, model, metric, target) for model in models]) for metric in _METRICS
    ]
    differences = _differences(numbers, target, models)
    for place, model in enumerate(models):
        is_best = model == numbers.best_baseline
        name = model_name(model) + (" *" if is_best else "")
        style = "bold" if model == "network" else ""
        table.add_row(
            Text(name, style=style), *(Text(column[place], style=style) for column in columns), differences[place]
        )


def _with_intervals(estimates: list[Estimate]) -> list[str]:
    decimals = decimals_for(estimate.value for estimate in estimates)
    values = [fixed(estimate.value, decimals) for estimate in estimates]
    brackets = aligned([interval(estimate.low, estimate.high, decimals) for estimate in estimates], pad=" ")
    width = max(map(len, values), default=0)
    return [f"{value.rjust(width)} {bracket}".rstrip() for value, bracket in zip(values, brackets, strict=True)]


def _differences(numbers: Metrics, target: str, models: list[str]) -> list[Text]:
    found = [comparison_with(numbers, model, "rmse", target) for model in models]
    decimals = decimals_for(estimate_of(numbers, model, "rmse", target).value for model in models)
    decimals = decimals_that_tell(found, decimals)
    brackets = aligned([interval(one.low, one.high, decimals) if one else "" for one in found], pad=" ")
    values = [signed(one.difference, decimals) if one else "" for one in found]
    width = max(map(len, values), default=0)
    texts = []
    for one, value, bracket in zip(found, values, brackets, strict=True):
        if one is None:
            texts.append(Text(""))
            continue
        text = Text(f"{value.rjust(width)} {bracket} ")
        decided = one.outcome if one.low is not None else None
        text.append(WORDS[decided] if decided else DASH, style=COLOURS.get(decided or "", ""))
        texts.append(text)
    return texts


def _title(numbers: Metrics) -> str:
    first = numbers.target[0]
    unit = numbers.units.get(first) or f"the unit of {first}"
    whose = f"{first}, in {unit}" if len(numbers.target) == 1 else "all targets, each in its own unit"
    return f"Error in held-out people: {whose} [95 % interval]"


def _caption(numbers: Metrics) -> str:
    lines = [f"* best baseline, {chosen_in_words(numbers)}. Last column: below zero the network errs less."]
    if numbers.best_baseline is None:
        lines = [f"{without_best(numbers)}."]
    shown = [(model, target) for target in numbers.target for model in numbers.models]
    estimates = [estimate_of(numbers, model, metric, target) for model, target in shown for metric in _METRICS]
    pairs = [comparison_with(numbers, model, "rmse", target) for model, target in shown]
    missing = [one.reason for one in estimates if one.low is None]
    missing += [pair.reason for pair in pairs if pair and pair.low is None]
    reasons = {guarded(reason) for reason in missing if reason}
    return "\n".join([*lines, *(f"{DASH} {reason}" for reason in sorted(reasons))])
