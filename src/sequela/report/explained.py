"""Which variables a model uses, and what rests on values that were filled in: for every kind of question."""

from __future__ import annotations

from typing import Any

from sequela.report.estimate_figures import (
    MOST_VARIABLES,
    change_in_words,
    importance_bars,
    importance_map,
    loss_decimals,
    missing_line,
)
from sequela.report.files import RunFiles
from sequela.report.privacy import guarded, is_exact, shown_count
from sequela.report.risk_groups import crowd_of
from sequela.report.tables import Column, TableView
from sequela.report.words import DASH, counted, fixed, interval, metric_name, unbroken


def explained(run: RunFiles) -> dict[str, Any]:
    """What the templates of importance and of missing sensitivity need."""
    importance, sensitivity = run.curves.importance, run.curves.missing_sensitivity
    held_out = run.profile.split.people.held_out
    of_first = f" of {run.metrics.target[0]}" if len(run.metrics.target) > 1 else ""
    unit = run.metrics.units.get(run.metrics.target[0])
    return {
        "importance": importance,
        "importance_bars": importance and importance_bars(importance, name="importance-bars", unit=unit),
        "importance_map": importance and importance_map(importance, name="importance-map", unit=unit),
        "importance_table": _importance_table(run),
        "importance_people": importance and _whom(importance.people, held_out, folds=run.profile.split.folds),
        "tells_few_events": run.metrics.question == "risk" and crowd_of(run).has_few,
        "importance_change": importance and change_in_words(importance.metric) + of_first,
        "most_variables": MOST_VARIABLES,
        "has_sensitivity": sensitivity is not None,
        "sensitivity": sensitivity and missing_line(sensitivity, name="missing-shift", unit=unit),
        "sensitivity_verdict": unbroken(guarded(sensitivity.verdict)) if sensitivity and sensitivity.verdict else None,
        "sensitivity_metric": sensitivity and metric_name(sensitivity.metric) + of_first,
    }


def _whom(people: int, held_out: int, *, folds: int) -> str:
    """Between how many a variable was exchanged.

    Example:
        >>> _whom(392, 800, folds=1), _whom(800, 800, folds=1), _whom(160, 800, folds=5)
        ('392 of the 800 people', '800 people', '160 people of the first fold')
    """
    shown = shown_count(people, beside=[held_out])
    if folds > 1:
        return f"{shown} people of the first fold"
    return f"{shown} of the {held_out:,} people" if is_exact(shown) and people < held_out else f"{shown} people"


def _importance_table(run: RunFiles) -> TableView | None:
    """Every variable that was exchanged, with its loss; None where importance was not measured."""
    importance = run.curves.importance
    if importance is None or not importance.variables:
        return None
    left = [
        f"{counted(count, 'variable was', 'variables were')} not judged: {reason}."
        for reason, count in importance.left_out.items()
    ]
    decimals = loss_decimals(importance)
    unsure = dict.fromkeys(one.reason for one in importance.variables if one.value is None and one.reason)
    return TableView(
        caption="Importance of every variable",
        columns=[Column("Variable"), Column("Kind"), Column(change_in_words(importance.metric), "number"),
                 Column("95 % interval", "interval")],
        rows=[
            [one.name, "fact" if one.kind == "static" else "series", fixed(one.value, decimals),
             interval(one.low, one.high, decimals) or DASH]
            for one in importance.variables
        ],
        notes=[*left, *(f"{DASH} {guarded(reason)}" for reason in unsure if reason)],
    )  # fmt: skip
