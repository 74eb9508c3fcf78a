"""One split of a cohort: preparation, network, training and baselines, judged by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sequela.baselines import Examples, FittedBaselines, fit_forecast_baselines, window_statistics
from sequela.bundle import AfterState, Bundle, BundledClock, BundledStudy, IntervalState, network_for
from sequela.cohort import TRAIN, TUNING, Cohort, Split
from sequela.errors import CohortError
from sequela.evaluate import conformal_half_width
from sequela.models import ModelSettings, parameter_count
from sequela.predict import Evidence, forecast
from sequela.prepare import Collation, PreparedState, fit_preparation, scale_targets
from sequela.records import Records
from sequela.study.settings import StudySettings
from sequela.study.watch import Watch
from sequela.train import History, threads_for_step, train

Floats = NDArray[np.float64]
_WORTH_SHARING = 20_000_000  # numbers in a table of statistics; below, threads wait for each other more than they help


@dataclass(frozen=True, kw_only=True)
class Material:
    """What every fit of a study starts from."""

    settings: StudySettings
    records: Records
    evidence: Evidence
    cohort: Cohort

    @property
    def labels(self) -> Floats:
        """Return the labels [R, horizons, targets]."""
        assert self.cohort.labels is not None
        return self.cohort.labels.value


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted bundle and the forecasts of every model for all R predictions."""

    split: Split
    bundle: Bundle
    history: History
    parameters: int
    warning: str | None
    unused: dict[str, str]  # codes that are no input -> reason
    baselines: FittedBaselines
    predicted: dict[str, Floats]  # model -> [R, horizons, targets]
    lower: Floats
    upper: Floats


def fit_split(material: Material, split: Split, *, watch: Watch, number: int, fits: int) -> Fit:
    """Return what training and tuning people taught, and what each model then says of everybody."""
    cohort, settings = material.cohort, material.settings
    training, tuning = np.flatnonzero(split.part == TRAIN), np.flatnonzero(split.part == TUNING)
    _check_labels(material, training)
    prepared, unused = fit_preparation(
        cohort.timeline,
        material.evidence.facts,
        cohort.sequences.take(training),
        {code: material.labels[training][:, :, k].reshape(-1) for k, code in enumerate(settings.question.targets)},
        settings.prepare,
    )
    study = bundled_study(material)
    torch.manual_seed(settings.train.seed)
    network = network_for(study, prepared)
    parameters = parameter_count(network)
    people = len(np.unique(cohort.asked.person[training]))
    warning = _size_warning(parameters, len(training))
    watch.note(
        f"{people:,} people and {len(training):,} predictions to train on, {parameters:,} parameters to fit"
        + (f" (fit {number} of {fits})" if fits > 1 else "")
    )
    if warning:
        watch.warn(warning)
    examples = _collation(material, prepared, training)
    with threads_for_step(parameters, examples.mean_length * settings.train.batch_size):
        history = train(
            network,
            examples,
            _collation(material, prepared, tuning) if len(tuning) else None,
            settings.train,
            loss=_loss(settings.model),
            watch=lambda progress: watch.training(progress, number, fits),
        )
    watch.trained(history.stopped)
    bundle = Bundle(study=study, prepared=prepared, network=network, after=None, card={})
    bundle = _with_intervals(bundle, material, tuning)
    forecasts = forecast(bundle, cohort.timeline, material.evidence.facts, cohort.sequences)
    watch.stage("Fitting the baselines" + (f" (fit {number} of {fits})" if fits > 1 else ""))
    baselines, predicted = _baselines(material, prepared, training, tuning)
    return Fit(
        split=split,
        bundle=bundle,
        history=history,
        parameters=parameters,
        warning=warning,
        unused=unused,
        baselines=baselines,
        predicted={"network": forecasts.predicted, **predicted},
        lower=forecasts.lower,
        upper=forecasts.upper,
    )


def bundled_study(material: Material) -> BundledStudy:
    """Return what the bundle keeps of the study."""
    settings, clock = material.settings, material.records.clock
    return BundledStudy(
        name=settings.name,
        clock=BundledClock(
            calendar=clock.calendar, unit=clock.unit, time_zone=clock.time_zone, day_resolution=clock.day_resolution
        ),
        records=settings.records,
        kinds=material.evidence.kinds,
        question=settings.question,
        plausible=settings.prepare.limits,
        model=settings.model,
        units=material.evidence.units_by_code,
    )


def _loss(model: ModelSettings) -> str:
    return "squared" if model.loss == "auto" else model.loss


def _size_warning(parameters: int, predictions: int) -> str | None:
    if parameters <= predictions:
        return None
    return (
        f"The network has {parameters:,} parameters for {predictions:,} training predictions. A network this large for "
        "its data may learn it by heart: look at the tuning loss, and try a smaller `hidden` in [model]."
    )


def _check_labels(material: Material, training: NDArray[np.int64]) -> None:
    nobody = np.isnan(material.labels[training]).all(axis=0)
    for j, k in np.argwhere(nobody)[:1]:
        question = material.settings.question
        raise CohortError(
            f"No training person has a label of '{question.targets[k]}' at the horizon \"{question.horizons[j]}\". "
            "Leave that horizon or target out, or widen `tolerance` in [question]."
        )


def _collation(material: Material, prepared: PreparedState, predictions: NDArray[np.int64]) -> Collation:
    return Collation(
        material.cohort.timeline,
        material.evidence.facts,
        prepared,
        material.cohort.sequences.take(predictions),
        scale_targets(material.labels[predictions], prepared),
    )


def _with_intervals(bundle: Bundle, material: Material, tuning: NDArray[np.int64]) -> Bundle:
    """Return the bundle with the half-widths of its intervals, from the residuals of tuning people."""
    level = material.settings.model.interval
    if level == "none":
        return bundle
    cohort = material.cohort
    labels, person = material.labels[tuning], cohort.asked.person[tuning]
    sequences = cohort.sequences.take(tuning)
    residuals = labels - forecast(bundle, cohort.timeline, material.evidence.facts, sequences).predicted
    known = ~np.isnan(labels)
    half_width = [
        [
            conformal_half_width(residuals[known[:, j, k], j, k], person[known[:, j, k]], level).value
            for k in range(labels.shape[2])
        ]
        for j in range(labels.shape[1])
    ]
    after = AfterState(interval=IntervalState(level=level, half_width=half_width))
    return Bundle(study=bundle.study, prepared=bundle.prepared, network=bundle.network, after=after, card=bundle.card)


def _baselines(
    material: Material, prepared: PreparedState, training: NDArray[np.int64], tuning: NDArray[np.int64]
) -> tuple[FittedBaselines, dict[str, Floats]]:
    cohort = material.cohort
    statistics = window_statistics(cohort.timeline, material.evidence.facts, prepared, cohort.sequences)
    everyone = Examples(statistics=statistics, labels=material.labels, person=cohort.asked.person)
    chosen = np.zeros((2, len(cohort.asked.person)), dtype=bool)
    chosen[0, training] = chosen[1, tuning] = True
    fitted = fit_forecast_baselines(
        material.settings.evaluate.names,
        everyone.take(chosen[0]),
        everyone.take(chosen[1]) if len(tuning) else None,
        seed=material.settings.train.seed,
        threads=1 if statistics.matrix.size < _WORTH_SHARING else torch.get_num_threads(),
    )
    return fitted, {name: predict(statistics) for name, predict in fitted.predict.items()}
