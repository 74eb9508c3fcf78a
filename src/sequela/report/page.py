"""The page: everything a run holds, arranged for a reader who was not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sequela.errors import RunError
from sequela.report import data, figures, question, tables, trajectories
from sequela.report.files import REMEDY, RunFiles
from sequela.report.formats import Fit, TargetCurves
from sequela.report.privacy import guarded, shown_count
from sequela.report.results import comparison_with, estimate_of, model_order
from sequela.report.words import (
    CELLS,
    HOURS,
    LOSSES,
    OUTCOMES,
    after_number,
    decimals_for,
    fixed,
    interval,
    listed,
    model_name,
    plain,
    signed,
    span,
    unbroken,
)

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Number:
    """A headline number: its heading, value, interval, and a word on it."""

    heading: str
    value: str
    unit: str
    interval: str
    word: str


@dataclass(frozen=True)
class TargetView:
    """What the page shows of one target."""

    name: str
    unit: str | None
    headline: list[Number]
    results: tables.TableView
    further: tables.TableView
    by_horizon: tables.TableView | None
    models_figure: Markup | None
    scatter: Markup | None
    hidden: str
    gap_figure: Markup | None
    history_figure: Markup | None
    courses: Markup | None


def rendered(run: RunFiles) -> str:
    """The page as HTML.

    Raises:
        RunError: the study names no target, or `predictions.parquet` is needed and missing.
    """
    if not run.metrics.target:
        raise RunError(f"{run.folder / 'metrics.json'}: names no target. {REMEDY}.")
    profile, metrics = run.profile, run.metrics
    asked = run.study.get("question", {})
    totals = data.totals_of(profile)
    what = listed(metrics.target)
    fixed_horizon = not question.speaks_of_visits(asked)
    targets = [_target(run, place, totals.held_out) for place in range(len(metrics.target))]
    nominal = run.setting("model", "interval")
    units = {view.name: view.unit for view in targets}
    has_intervals = isinstance(nominal, int | float) and not isinstance(nominal, bool)
    return _TEMPLATES.get_template("page.html").render(
        title=profile.name,
        run=run,
        environment=run.environment,
        verdict=unbroken(guarded(metrics.verdict)),
        what=what,
        targets=targets,
        best=model_name(metrics.best_baseline) if metrics.best_baseline else None,
        no_baselines_reason=str(run.setting("evaluate", "reason", "") or ""),
        question=question.question_in_words(asked, metrics.target),
        question_notes=question.question_notes(asked),
        totals=totals,
        events=shown_count(profile.events),
        instants=shown_count(profile.instants),
        sources=data.sources(profile, totals),
        variables=data.variables(profile, totals),
        left_out=data.left_out(profile),
        exclusions=data.exclusions(profile, totals),
        nothing_seen=shown_count(profile.asked.nothing_seen) if profile.asked.nothing_seen else None,
        next_record=data.next_record_sentence(profile, target=what, fixed_horizon=fixed_horizon),
        horizon=None if fixed_horizon else data.horizon_sentence(profile),
        split=data.split(profile, totals),
        split_words=question.split_in_words(profile.split.by, profile.split.folds),
        fractions=question.percentages(profile.split.fractions) if profile.split.fractions else None,
        network=_network(run, totals),
        preparation=question.preparation_in_words(
            run.study.get("prepare", {}), run.setting("model", "inputs", ["values", "observed", "gaps"])
        ),
        curves=figures.training_curves(run.history.fits, name="training", loss=_loss(run)),
        several_folds=len(run.history.fits) > 1,
        coverage=tables.coverage(metrics, units=units, nominal=float(nominal)) if has_intervals else None,
        nominal=f"{plain(100 * float(nominal))}\N{NO-BREAK SPACE}%" if has_intervals else None,
        findings=len(run.audit.findings) if run.audit is not None else 0,
        fixed_horizon=fixed_horizon,
        versions=_versions(run),
    )


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
    """The network's number, the best baseline's, and the difference."""
    metrics, best = run.metrics, run.metrics.best_baseline
    own = estimate_of(metrics, "network", "rmse", target)
    other = estimate_of(metrics, best, "rmse", target) if best else None
    decimals = min(2, decimals_for([own.value, other.value if other else None]))
    tail = after_number(unit)
    numbers = [Number("Network", fixed(own.value, decimals), tail, interval(own.low, own.high, decimals), "")]
    if best and other:
        numbers.append(
            Number(
                f"Best baseline: {model_name(best).lower()}",
                fixed(other.value, decimals),
                tail,
                interval(other.low, other.high, decimals),
                "",
            )
        )
        pair = comparison_with(metrics, best, "rmse", target)
        if pair is not None:
            numbers.append(
                Number(
                    "Difference",
                    signed(pair.difference, decimals),
                    tail,
                    interval(pair.low, pair.high, decimals),
                    OUTCOMES[pair.outcome] if pair.outcome and pair.low is not None else guarded(pair.reason or ""),
                )
            )
    return numbers


def _courses(run: RunFiles, *, name: str, target: str, unit: str | None) -> Markup | None:
    if not run.individuals:
        return None
    clock = run.profile.clock
    time_unit = clock.unit if not clock.calendar and clock.unit in HOURS else "days"
    courses = trajectories.read_courses(run.folder, target=target, unit=time_unit)
    return trajectories.courses_figure(courses, name=name, target=target, unit=unit, time_unit=time_unit)


def _network(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """The network's shape and size, and how its training ended."""
    network, split = run.profile.network, run.profile.split
    hidden = network.hidden
    shape = f"{len(hidden)} layer{'s' * (len(hidden) > 1)} of {listed([plain(units) for units in hidden])} hidden units"
    people = totals.split_people[0]
    if network.people_train != split.people.train:
        people = shown_count(network.people_train, beside=totals.people)
    predictions = totals.split_predictions[0]
    if network.predictions_train != split.predictions.train:
        predictions = shown_count(network.predictions_train, beside=totals.predictions)
    return {
        "cell": CELLS.get(network.cell, network.cell),
        "shape": shape,
        "parameters": f"{network.parameters:,}",
        "people": people,
        "predictions": predictions,
        "ratio": plain(float(f"{network.parameters / network.predictions_train:.2g}"))
        if predictions.replace(",", "").isdigit() and network.predictions_train
        else None,
        "warning": guarded(network.warning) if network.warning else None,
        "loss": _loss(run),
        "training": _training(run.history.fits),
        "interrupted": any(fit.stopped == "interrupted" for fit in run.history.fits),
    }


def _training(fits: list[Fit]) -> str:
    """How long training went on, and which weights were kept."""
    if not fits:
        return ""
    lengths, kept = [len(fit.epochs) for fit in fits], [fit.best_epoch for fit in fits if fit.best_epoch is not None]
    if len(fits) > 1:
        text = f"The {len(fits)} networks were trained for {_range(lengths)} epochs"
        return f"{text}; of each, the weights of its best epoch were kept ({_range(kept)})." if kept else f"{text}."
    why = {
        "patience": "Training stopped because the tuning loss no longer fell",
        "all epochs": "Training ran all epochs of the study",
        "interrupted": "Training was interrupted by hand",
    }.get(fits[0].stopped, f"Training ended ({fits[0].stopped})")
    text = f"{why}, after {lengths[0]} epoch{'s' * (lengths[0] != 1)}"
    return f"{text}; the weights of epoch {kept[0]} were kept." if kept else f"{text}."


def _range(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _loss(run: RunFiles) -> str:
    return LOSSES.get(run.history.loss, run.history.loss.replace("_", " "))


def _versions(run: RunFiles) -> list[tuple[str, str]]:
    environment = run.environment
    rows = [("Sequela", environment.sequela), ("Python", environment.python), ("Platform", environment.platform)]
    rows += sorted(environment.packages.items())
    rows += [("Native module", native)] if (native := _flat(environment.native)) else []
    rows += [("Threads", str(environment.threads))] if environment.threads is not None else []
    rows += [("Seed", str(environment.seed))] if environment.seed is not None else []
    rows += [("Started", environment.started)] if environment.started else []
    rows += [("Took", span(environment.seconds))] if environment.seconds is not None else []
    rows += [("Command", environment.command)] if environment.command else []
    return rows


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(inner) for inner in value)
    return "" if value is None else str(value)
