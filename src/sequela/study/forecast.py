"""What a study does for a forecast: its labels, intervals, baselines, measures and figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sequela.baselines import Examples, fit_forecast_baselines
from sequela.baselines.examples import Told
from sequela.baselines.forecast import GRADIENT_BOOSTING
from sequela.bundle import AfterState, IntervalState
from sequela.cohort import ForecastQuestion
from sequela.cohort.labels import Labels, horizon_hours
from sequela.errors import CohortError
from sequela.evaluate import Asked, Resamples, conformal_half_width, forecast_measures, verdict
from sequela.models import Network
from sequela.prepare import PreparedState, ScaledTargets, last_known_targets, needs_last_target, scale_targets
from sequela.study.curves import forecast_curves
from sequela.study.material import Baselines, Fit, Floats, Material, Numbers, best_baseline, held_out

DEFAULT_LOSS = "squared"
SELECTED_BY = "selection_rmse"


def question_of(material: Material) -> ForecastQuestion:
    """Return the study's question."""
    question = material.settings.question
    assert isinstance(question, ForecastQuestion)
    return question


def _labels(material: Material) -> Labels:
    labels = material.cohort.labels
    assert isinstance(labels, Labels)
    return labels


def check_labels(material: Material, training: Numbers, tuning: Numbers) -> None:
    """Refuse a split whose training people have no label of some target at some horizon.

    Raises:
        CohortError: with the remedy.
    """
    del tuning  # without residuals there are no intervals, and nothing is wrong
    nobody = np.isnan(material.labels[training]).all(axis=0)
    question = question_of(material)
    for j, k in np.argwhere(nobody)[:1]:
        raise CohortError(
            f"No training person has a label of '{question.targets[k]}' at the horizon \"{question.horizons[j]}\". "
            "Leave that horizon or target out, or widen `tolerance` in [question]."
        )


def target_labels(material: Material, training: Numbers) -> dict[str, Floats]:
    """Return the labels that preparation scales, by target."""
    labels = material.labels[training]
    return {code: labels[:, :, k].reshape(-1) for k, code in enumerate(question_of(material).targets)}


def targets(material: Material, prepared: PreparedState, predictions: Numbers) -> ScaledTargets:
    """Return the labels of the predictions as a network learns them."""
    last = None
    if needs_last_target(prepared):
        sequences = material.cohort.sequences.take(predictions)
        last = last_known_targets(material.cohort.timeline, sequences, question_of(material).targets)
    return scale_targets(material.labels[predictions], prepared, last)


def begin(network: Network, material: Material, training: Numbers) -> None:
    """Leave the network as it is: scaled targets have the mean 0."""


def after_training(material: Material, of_tuning: dict[str, Floats], tuning: Numbers) -> AfterState | None:
    """Return the half-widths of the network's intervals, from the residuals of tuning people."""
    level = material.settings.model.interval
    if level == "none":
        return None
    labels, person = material.labels[tuning], material.cohort.asked.person[tuning]
    residuals = labels - of_tuning["network"]
    known = ~np.isnan(labels)
    half_width = [
        [
            conformal_half_width(residuals[known[:, j, k], j, k], person[known[:, j, k]], level).value
            for k in range(labels.shape[2])
        ]
        for j in range(labels.shape[1])
    ]
    return AfterState(interval=IntervalState(level=level, half_width=half_width))


def fit_baselines(
    material: Material, training: Examples, tuning: Examples | None, *, threads: int, told: Told
) -> Baselines:
    """Return what the network must beat, fitted; `told` is told which."""
    fitted = fit_forecast_baselines(
        material.settings.baselines,
        training,
        tuning,
        seed=material.settings.train.seed,
        threads=threads,
        trials=material.settings.evaluate.trials,
        told=told,
    )
    rmse, labels = fitted.selection_rmse, fitted.judging_labels
    return Baselines(
        predict=fitted.predict,
        first=fitted.predict,
        selection={name: loss for name, loss in rmse.items() if np.isfinite(loss)},
        selection_total={name: labels * loss**2 if labels else 0.0 for name, loss in rmse.items()},
        search={
            GRADIENT_BOOSTING + _output_in_words(question_of(material), *output): search.to_dict()
            for output, search in fitted.searches.items()
        },
    )


def _output_in_words(question: ForecastQuestion, horizon: int, target: int) -> str:
    """Return which of several outputs is meant, after a colon; nothing for a single one."""
    words = [question.targets[target]] * (len(question.targets) > 1)
    words += [question.horizons[horizon]] * (len(question.horizons) > 1)
    return ": " + ", ".join(words) if words else ""


def judge(material: Material, fits: list[Fit], told: Told) -> dict[str, Any]:
    """Return the measures of `metrics.json`: every model on the same held-out predictions, and the verdict."""
    del told  # this is quick
    settings, unseen, question = material.settings, held_out(fits), question_of(material)
    labels, person = material.labels[unseen.prediction], material.cohort.asked.person[unseen.prediction]
    observed = ~np.isnan(labels)
    measures = forecast_measures(
        Asked(
            target=labels,
            observed=observed,
            person=person,
            horizon_hours=horizon_hours(question),
            targets=question.targets,
        ),
        unseen.predicted,
        band=None if unseen.lower is None or unseen.upper is None else (unseen.lower, unseen.upper),
        resamples=Resamples(person, settings.evaluate.bootstrap, settings.train.seed),
    )
    best = best_baseline(fits)
    return {
        "target": question.targets,
        "units": {code: material.evidence.unit_of(code) for code in question.targets},
        "models": measures.models,
        "measures": measures.measures,
        "comparisons": measures.comparisons,
        "best_baseline": best,
        "verdict": ("" if len(question.targets) == 1 else f"{question.targets[0]}: ")
        + verdict(
            measures.models,
            measures.comparisons,
            best_baseline=best,
            people=len(np.unique(person[observed[:, :, 0].any(axis=1)])),
            unit=material.evidence.unit_of(question.targets[0]),
            reason=settings.evaluate.reason,
        ),
    }


def curves(material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what the figures draw."""
    return {"targets": forecast_curves(material, held_out(fits), metrics)}


def asked(material: Material) -> dict[str, Any]:
    """Return what `profile.json` says of the question."""
    cohort, hours = material.cohort, _labels(material).hours
    return {
        "predictions": cohort.asked_before_labels,
        "without_target_share": 1 - len(cohort.asked.time) / cohort.asked_before_labels,
        "nothing_seen": int((cohort.sequences.read < 0).sum()),
        "horizon_hours_quartiles": np.quantile(hours[~np.isnan(hours)], [0.25, 0.5, 0.75]).tolist(),
    }


def with_labels(table: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Return a table of forecasts of all predictions with what was measured as `target`.

    `horizon_hours` is the study's horizon, or for the next record the hours until it.
    """
    labels = _labels(material)
    return table.with_columns(
        target=pl.Series(labels.value.reshape(-1)).fill_nan(None),
        horizon_hours=pl.coalesce("horizon_hours", pl.Series(labels.hours.reshape(-1))),
    )


def intended_use(material: Material) -> str:
    """Return what the bundle's card says that it is for."""
    return f"Forecasts of {', '.join(question_of(material).targets)} for people like those of the study."
