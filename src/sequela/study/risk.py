"""What a study does for a risk: its labels, recalibration, baselines, measures and figures."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl

from sequela.baselines import Examples, fit_risk_baselines
from sequela.baselines.examples import Told
from sequela.bundle import AfterState
from sequela.cohort import RiskLabels, RiskQuestion
from sequela.errors import CohortError
from sequela.evaluate import Resamples, RiskAsked, fit_recalibration, risk_curves, risk_measures, risk_verdict
from sequela.evaluate.curves import MIN_PEOPLE
from sequela.evaluate.measures import OWN_MODELS
from sequela.models import Network, RiskNetwork
from sequela.prepare import PreparedState, ScaledTargets, risk_targets
from sequela.records.durations import MICROSECONDS_PER_HOUR
from sequela.study.material import Baselines, Fit, Floats, Material, Numbers, best_baseline, held_out
from sequela.study.subgroups import levels_of

DEFAULT_LOSS = "cross_entropy"
SELECTED_BY = "selection_log_loss"


def question_of(material: Material) -> RiskQuestion:
    """Return the study's question."""
    question = material.settings.question
    assert isinstance(question, RiskQuestion)
    return question


def check_labels(material: Material, training: Numbers, tuning: Numbers) -> None:
    """Refuse a split whose training people all have the outcome, or none of whom has it.

    With class weights also one whose tuning people could not even recalibrate risks that are right.

    Raises:
        CohortError: with the remedy.
    """
    share = material.labels[training].mean()
    if share in (0.0, 1.0):
        who = "No training person has" if share == 0 else "Every training person has"
        raise CohortError(
            f"{who} the outcome '{question_of(material).name}', so nothing can be learned of it. "
            "Change the split or its seed, or look at `outcome` in [question]."
        )
    if material.settings.model.loss == "weighted_cross_entropy":
        _recalibrated(material, "isotonic", {"network": material.labels[tuning]}, tuning)


def target_labels(material: Material, training: Numbers) -> dict[str, Floats]:
    """Return nothing: an outcome is not scaled."""
    return {}


def targets(material: Material, prepared: PreparedState, predictions: Numbers) -> ScaledTargets:
    """Return the outcomes of the predictions."""
    return risk_targets(material.labels[predictions])


def begin(network: Network, material: Material, training: Numbers) -> None:
    """Let training begin where everybody's risk is the prevalence of the training people."""
    assert isinstance(network, RiskNetwork)
    network.begin_at(float(material.labels[training].mean()), material.settings.model.loss)


def after_training(material: Material, of_tuning: dict[str, Floats], tuning: Numbers) -> AfterState | None:
    """Return how each model is recalibrated, learned on what it said of tuning people before they taught it.

    Raises:
        CohortError: where risks of class weights, which are too high without it, cannot be recalibrated.
    """
    kind = material.settings.model.recalibrate
    return None if kind == "none" else _recalibrated(material, kind, of_tuning, tuning)


def _recalibrated(
    material: Material, kind: Literal["platt", "isotonic"], of_tuning: dict[str, Floats], tuning: Numbers
) -> AfterState:
    labels, person = material.labels[tuning], material.cohort.asked.person[tuning]
    enough = material.settings.prepare.min_people
    after = AfterState(
        recalibration={
            name: fit_recalibration(kind, risk, labels, person, min_people=enough) for name, risk in of_tuning.items()
        }
    )
    reason = after.not_recalibrated.get("network")
    if reason is not None and material.settings.model.loss == "weighted_cross_entropy":
        raise CohortError(
            'loss = "weighted_cross_entropy" gives risks that are too high by design, and tuning people could not '
            f'recalibrate them: {reason}. Write loss = "cross_entropy", or give tuning more people.'
        )
    return after


def fit_baselines(
    material: Material, training: Examples, tuning: Examples | None, *, threads: int, told: Told
) -> Baselines:
    """Return what the network must beat, fitted; `told` is told which."""
    fitted = fit_risk_baselines(
        material.settings.baselines,
        training,
        tuning,
        seed=material.settings.train.seed,
        threads=threads,
        trials=material.settings.evaluate.trials,
        again=material.settings.train.refit,
        told=told,
    )
    losses, labels = fitted.selection_log_loss, fitted.judging_labels
    return Baselines(
        predict=fitted.predict,
        first=fitted.first,
        selection={name: loss for name, loss in losses.items() if np.isfinite(loss)},
        selection_total={name: labels * loss if labels else 0.0 for name, loss in losses.items()},
        search={name: search.to_dict() for name, search in fitted.searches.items()},
    )


def judge(material: Material, fits: list[Fit], told: Told) -> dict[str, Any]:
    """Return the measures of `metrics.json`: every model on the same held-out predictions, and the verdict."""
    settings, unseen = material.settings, held_out(fits)
    asked = _asked(material, unseen.prediction)
    left = _not_recalibrated(fits)
    measures = risk_measures(
        asked,
        {model: unseen.before.get(model, risk) for model, risk in unseen.predicted.items()},
        recalibrated={model: unseen.predicted[model] for model in unseen.before if model not in left},
        resamples=Resamples(asked.person, settings.evaluate.bootstrap, settings.train.seed),
        thresholds=settings.evaluate.thresholds,
        subgroups=levels_of(material, unseen.prediction),
        told=told,
    )
    best = best_baseline(fits)
    return {
        "target": [question_of(material).name],
        "units": {},
        "models": measures.models,
        "measures": measures.measures,
        "comparisons": measures.comparisons,
        "best_baseline": best,
        "not_recalibrated": left,
        "verdict": risk_verdict(
            measures.models,
            measures.comparisons,
            best_baseline=best,
            people=len(np.unique(asked.person)),
            reason=settings.evaluate.reason,
        ),
    }


def _not_recalibrated(fits: list[Fit]) -> dict[str, str]:
    """Return why no fold could learn a map, by model for which that is so."""
    return {
        model: reason
        for model, reason in fits[0].not_recalibrated.items()
        if all(model in fit.not_recalibrated for fit in fits)
    }


def _asked(material: Material, predictions: Numbers) -> RiskAsked:
    asked, question = material.cohort.asked, question_of(material)
    hours = (asked.time - asked.episode_start)[predictions] / MICROSECONDS_PER_HOUR
    return RiskAsked(
        target=material.labels[predictions],
        person=asked.person[predictions],
        outcome=question.name,
        at_hours=None if question.reads_at_records else hours,
        horizon_hours=question.within_hours,
    )


def curves(material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what the figures draw."""
    unseen, settings = held_out(fits), material.settings
    asked = _asked(material, unseen.prediction)
    drawn = [name for name in (*OWN_MODELS, metrics["best_baseline"]) if name in unseen.predicted]
    mapped = [model for model in drawn if model in unseen.before and model not in metrics["not_recalibrated"]]
    return {
        "risk": risk_curves(
            asked,
            {model: unseen.before.get(model, unseen.predicted[model]) for model in drawn},
            recalibrated={model: unseen.predicted[model] for model in mapped},
            recalibration=dict.fromkeys(mapped, settings.model.recalibrate),
            resamples=Resamples(asked.person, settings.evaluate.bootstrap, settings.train.seed),
            thresholds=settings.evaluate.thresholds,
            min_people=max(MIN_PEOPLE, settings.prepare.min_people),
        )
    }


def asked(material: Material) -> dict[str, Any]:
    """Return what `profile.json` says of the question."""
    cohort = material.cohort
    labels = cohort.labels
    assert isinstance(labels, RiskLabels)
    hours = labels.event_hours[~np.isnan(labels.event_hours)]
    return {
        "predictions": cohort.asked_before_labels,
        "without_target_share": 1 - len(cohort.asked.time) / cohort.asked_before_labels,
        "nothing_seen": int((cohort.sequences.read < 0).sum()),
        "outcome": question_of(material).name,
        "events": int(labels.value.sum()),
        "people_with_event": len(np.unique(cohort.asked.person[labels.value == 1])),
        "event_hours_quartiles": np.quantile(hours, [0.25, 0.5, 0.75]).tolist() if len(hours) else None,
        "notes": [
            {"note": note, "predictions": predictions, "people": people}
            for note, (predictions, people) in cohort.notes.items()
        ],
    }


def with_labels(table: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Return a table of risks of all predictions with the outcome as `target`."""
    return table.with_columns(target=pl.Series(material.labels))


def intended_use(material: Material) -> str:
    """Return what the bundle's card says that it is for."""
    return f"Risks of {question_of(material).name} for people like those of the study."
