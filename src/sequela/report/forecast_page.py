"""What the page of a forecast shows beside what all pages show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from sequela.evaluate.measures import OWN_MODELS
from sequela.report import data, figures, question, tables, trajectories, tripod
from sequela.report.curve_formats import TargetCurves
from sequela.report.files import RunFiles
from sequela.report.formats import Metrics
from sequela.report.headline import Number
from sequela.report.privacy import guarded, shown_count
from sequela.report.results import comparison_with, estimate_of, horizons_of, model_order
from sequela.report.words import (
    HOURS,
    after_number,
    decimals_for,
    decimals_that_tell,
    fixed,
    interval,
    listed,
    model_name,
    outcome_of,
    plain,
    signed,
    unbroken,
)

TEMPLATE = "forecast.html"
_SECTIONS = [("results", "Results"), ("scatter", "Predicted and observed"), ("where", "Where it errs"),
             ("intervals", "Intervals")]  # fmt: skip


@dataclass(frozen=True)
class TargetView:
    """What the page shows of one target."""

    name: str
    unit: str | None
    headline: list[Number]
    results: tables.TableView
    hybrid: tables.TableView | None
    further: tables.TableView
    by_horizon: tables.TableView | None
    models_figure: Markup | None
    scatter: Markup | None
    hidden: str
    gap_figure: Markup | None
    history_figure: Markup | None
    courses: Markup | None


def view(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """What the templates of a forecast need.

    Raises:
        RunError: `predictions.parquet` is needed and missing.
    """
    profile, metrics = run.profile, run.metrics
    asked = run.study.get("question", {})
    fixed_horizon = not question.speaks_of_visits(asked)
    targets = [_target(run, place, totals.held_out) for place in range(len(metrics.target))]
    nominal = run.setting("model", "interval")
    units = {one.name: one.unit for one in targets}
    has_intervals = isinstance(nominal, int | float) and not isinstance(nominal, bool)
    return {
        "verdict": unbroken(guarded(metrics.verdict)),
        "results_contents": _SECTIONS + [("courses", "Courses of single people")] * run.individuals,
        "targets": targets,
        "question": question.question_in_words(asked, metrics.target),
        "question_notes": question.question_notes(asked),
        "after_exclusions": [
            data.next_record_sentence(profile, target=listed(metrics.target, last="or"), fixed_horizon=fixed_horizon),
            None if fixed_horizon else data.horizon_sentence(profile),
        ],
        "coverage": tables.coverage(metrics, units=units, nominal=float(nominal), values=_values(run))
        if has_intervals
        else None,
        "nominal": f"{plain(100 * float(nominal))}\N{NO-BREAK SPACE}%" if has_intervals else None,
        "fixed_horizon": fixed_horizon,
        **tripod.checklist_view(tripod.Known(forecast=True, intervals=has_intervals), dict(_SECTIONS)),
    }


def _values(run: RunFiles) -> dict[str, int]:
    """How many values of each target were forecast: as the figures tell, or at most."""
    most = run.profile.split.predictions.held_out * max(1, len(horizons_of(run.metrics)))
    bands = {one.target: sum(band.predictions for band in one.error_by_history) for one in run.curves.targets}
    return {target: bands.get(target) or most for target in run.metrics.target}


def _target(run: RunFiles, place: int, held_out: int) -> TargetView:
    metrics, target = run.metrics, run.metrics.target[place]
    curves = next((one for one in run.curves.targets if one.target == target), TargetCurves(target=target))
    unit = curves.unit or next((one.unit for one in run.profile.variables if one.code == target), None)
    best = metrics.best_baseline
    name = f"target-{place + 1}"
    shared: dict[str, Any] = {"target": target, "unit": unit, "best_baseline": best}
    hidden = figures.shown_cells(curves.hexagons)[1] if curves.hexagons is not None else 0
    return TargetView(
        name=target,
        unit=unit,
        headline=_headline(run, target, unit),
        results=tables.results(metrics, target=target, unit=unit),
        hybrid=tables.hybrid_differences(metrics, target=target),
        further=tables.further_results(metrics, target=target, unit=unit),
        by_horizon=tables.by_horizon(metrics, target=target, held_out=held_out),
        models_figure=figures.error_by_model(
            {model: estimate_of(metrics, model, "rmse", target) for model in model_order(metrics, target)},
            name=f"{name}-models",
            **shared,
        ),
        scatter=figures.predicted_against_observed(curves.hexagons, name=f"{name}-scatter", target=target, unit=unit),
        hidden=shown_count(hidden),
        gap_figure=figures.error_by_band(
            curves.error_by_gap,
            name=f"{name}-gap",
            title=f"Error of {target} by time to the measurement",
            axis=f"Time from the forecast to the measurement ({curves.gap_unit})",
            **shared,
        ),
        history_figure=figures.error_by_band(
            curves.error_by_history,
            name=f"{name}-history",
            title=f"Error of {target} by length of history",
            axis="Length of history (records up to the forecast)",
            whole=True,
            **shared,
        ),
        courses=_courses(run, name=f"{name}-courses", target=target, unit=unit),
    )


def _headline(run: RunFiles, target: str, unit: str | None) -> list[Number]:
    """The numbers of the study's own models, the best baseline's, and the differences."""
    metrics, best = run.metrics, run.metrics.best_baseline
    own = [model for model in OWN_MODELS if model in metrics.models]
    shown = {model: estimate_of(metrics, model, "rmse", target) for model in [*own, *([best] if best else [])]}
    pairs = {model: comparison_with(metrics, best, "rmse", target, model=model) for model in own} if best else {}
    decimals = decimals_for(one.value for one in shown.values())
    decimals = decimals_that_tell(pairs.values(), min(2, decimals) if decimals < 4 else decimals)  # 4 and more: below 1
    tail = after_number(unit)
    numbers = [
        Number(
            model_name(model) if model in own else f"Best baseline: {model_name(model).lower()}",
            fixed(one.value, decimals), tail, interval(one.low, one.high, decimals), "",
        )
        for model, one in shown.items()
    ]  # fmt: skip
    numbers += [
        Number(
            "Difference" if len(own) == 1 else f"{model_name(model)} less baseline",
            signed(pair.difference, decimals), tail, interval(pair.low, pair.high, decimals),
            outcome_of(pair) or guarded(pair.reason or ""),
        )
        for model, pair in pairs.items()
        if pair is not None
    ]  # fmt: skip
    if best and (pair := pairs["network"]) is not None and pair.outcome == "better":
        numbers += _rival(metrics, target, best, tail=tail, decimals=decimals)
    return numbers


def _rival(metrics: Metrics, target: str, best: str, *, tail: str, decimals: int) -> list[Number]:
    """The strongest other baseline that the network does not beat though it beats the best by tuning people."""
    for other in model_order(metrics, target):
        pair = comparison_with(metrics, other, "rmse", target)
        if other == best or pair is None or pair.low is None or pair.outcome in (None, "better"):
            continue
        one, decimals = estimate_of(metrics, other, "rmse", target), decimals_that_tell([pair], decimals)
        bounds, gap = interval(one.low, one.high, decimals), interval(pair.low, pair.high, decimals)
        return [
            Number(model_name(other), fixed(one.value, decimals), tail, bounds, ""),
            Number(f"Network less {model_name(other).lower()}", signed(pair.difference, decimals), tail, gap,
                   outcome_of(pair)),
        ]  # fmt: skip
    return []


def _courses(run: RunFiles, *, name: str, target: str, unit: str | None) -> Markup | None:
    if not run.individuals:
        return None
    clock = run.profile.clock
    time_unit = clock.unit if not clock.calendar and clock.unit in HOURS else "days"
    courses = trajectories.read_courses(run.folder, target=target, unit=time_unit)
    return trajectories.courses_figure(courses, name=name, target=target, unit=unit, time_unit=time_unit)
