"""The laws that every study keeps, as functions that raise AssertionError where a law is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from cohorts import Case, Frames, day_of, future_noise
from numpy.typing import NDArray

from sequela import _native
from sequela.baselines import (
    Examples,
    HybridModel,
    Stacked,
    WindowStatistics,
    fit_forecast_baselines,
    fit_hybrid,
    fit_risk_baselines,
    statistics_of,
)
from sequela.bundle import AfterState, Bundle, IntervalState, network_for
from sequela.cohort import RiskQuestion, Sequences, Timeline, build_timeline
from sequela.cohort.ask import histories
from sequela.cohort.episodes import Asked, find_episodes, prediction_times
from sequela.evaluate import fit_recalibration
from sequela.predict import Evidence, evidence, mean_of_members, member_outputs, outputs, say
from sequela.prepare import PreparedState, fit_preparation, fit_smearing, flag_words, on_grid
from sequela.prepare.rows import RowPreparation, prepare_static
from sequela.records import Records, read_records
from sequela.study.kinds import kind_of
from sequela.study.material import Material, bundled_study
from sequela.study.settings import StudySettings, parse_study
from sequela.study.story import Study, asked_of

Rows = NDArray[np.int64]
Key = tuple[str, int, int]  # the source's id, when the episode began, when it is asked
Sight = dict[str, Any]  # all that a prediction rests on, and what is said
Simple = Mapping[str, Callable[[WindowStatistics], NDArray[np.float64]]]  # baselines

ROWS = ("values", "observed", "gap_hours", "hours", "provenance")
BITS_HOLD = "set" in _native.info()  # the engine names its instruction set; without it torch's LSTM does the work


def same_bits(one: Any, other: Any) -> bool:
    """Say whether two arrays have the same type, shape and bytes."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def same_network_output(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Say whether a network said the same twice while other people stood beside.

    With the native engine that is: the same bits. Torch's own LSTM multiplies all histories of a batch in one matrix
    product, whose summation order, and so the last bits, change with the size of the batch: there 1e-6 relative.
    """
    if BITS_HOLD:
        return same_bits(one, other)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-6, atol=1e-6))


@dataclass(frozen=True)
class Ready:
    """A case with everything fitted that predicts: a network of random weights and all baselines."""

    case: Case
    material: Material
    bundle: Bundle
    baselines: Simple

    @property
    def settings(self) -> StudySettings:
        return self.material.settings

    def read(self, frames: Frames) -> Records:
        """Return other records, read as the bundle reads them."""
        return read_records(
            self.settings.records, Path(), frames=self.case.tables(frames), kinds=self.bundle.study.kinds
        )

    def keys(self, limit: int, generator: np.random.Generator) -> list[Key]:
        """Return some prediction times of the study, with a label or without."""
        asked = all_times(self.settings, self.material.evidence)
        chosen = generator.permutation(len(asked.time))[:limit]
        return keys_of(self.material.records, asked, chosen)


def settings_of(case: Case) -> StudySettings:
    return parse_study(case.document, "study.toml")


def material_of(case: Case, frames: Frames | None = None) -> Material:
    """Return what a run gathers before it splits: records, evidence, labelled predictions."""
    settings = settings_of(case)
    records = read_records(settings.records, Path(), frames=case.tables(frames))
    return asked_of(Study(settings=settings, folder=Path()), records)


def fitted_state(material: Material, predictions: Rows) -> PreparedState:
    """Return what preparation learns from these predictions."""
    return fit_preparation(
        material.timeline,
        material.evidence.facts,
        material.sequences.take(predictions),
        kind_of(material).target_labels(material, predictions),
        material.settings.prepare,
        as_asked=(material.cohort.timeline, material.cohort.sequences.take(predictions)),
    )[0]


def ready(case: Case, frames: Frames | None = None, *, boosting: bool = True) -> Ready:
    """Fit a case on the predictions of every other person; the weights of the network are those that it begins with.

    Raises:
        CohortError: where the drawn study leaves nobody.
    """
    material = material_of(case, frames)
    cohort, settings = material.cohort, material.settings
    training = np.flatnonzero(cohort.asked.person % 2 == cohort.asked.person[0] % 2)
    tuning = np.setdiff1d(np.arange(len(cohort.asked.person)), training)
    state = fitted_state(material, training)
    study = bundled_study(material)
    torch.manual_seed(3)
    bundle = Bundle(study=study, prepared=state, network=network_for(study, state), after=None, card={})
    statistics = statistics_of(
        settings.question.kind, cohort.timeline, material.evidence.facts, state, cohort.sequences
    )
    examples = Examples(statistics=statistics, labels=material.labels, person=cohort.asked.person)
    bundle = _with_smearing(material, bundle, examples, training)
    judges = tuning if len(tuning) else training
    if settings.model.hybrid:
        bundle = replace(bundle, trees=_trees(material, bundle, examples, training, judges))
    bundle = replace(bundle, after=_after(material, bundle, judges))
    return Ready(case, material, bundle, _baselines(settings, examples, training, tuning, boosting=boosting))


def _with_smearing(material: Material, bundle: Bundle, examples: Examples, training: Rows) -> Bundle:
    """Return the bundle with what brings bent targets back as means; a risk has none."""
    cohort, labels, person = material.cohort, material.labels[training], examples.person[training]
    each = member_outputs(bundle, cohort.timeline, material.evidence.facts, cohort.sequences, examples.statistics)
    return replace(bundle, prepared=fit_smearing(each.mean(axis=0)[training], labels, bundle.prepared, person=person))


def _trees(material: Material, bundle: Bundle, examples: Examples, training: Rows, judges: Rows) -> HybridModel:
    """Return trees that branch: every training prediction counts a dozen times."""
    cohort = material.cohort
    each = member_outputs(bundle, cohort.timeline, material.evidence.facts, cohort.sequences, examples.statistics)
    mean = mean_of_members(bundle, each, cohort.timeline, cohort.sequences)
    parts = [Stacked(examples=examples.take(rows), outputs=mean[rows]) for rows in (np.tile(training, 12), judges)]
    return fit_hybrid(*parts, kind=material.settings.question.kind, seed=0, threads=1, min_people=11).final


def _after(material: Material, bundle: Bundle, judges: Rows) -> AfterState | None:
    """Return intervals of 1.5 on either side of a forecast, or the recalibration of risks that the study asks for."""
    settings, cohort = material.settings, material.cohort
    if not isinstance(settings.question, RiskQuestion):
        shape = (len(settings.question.horizons), len(settings.question.targets))
        return AfterState(interval=IntervalState(level=0.9, half_width=np.full(shape, 1.5).tolist()))
    kind, labels, person = settings.model.recalibrate, material.labels[judges], cohort.asked.person[judges]
    if kind == "none":
        return None
    said = outputs(bundle, cohort.timeline, material.evidence.facts, cohort.sequences)
    maps = {model: fit_recalibration(kind, risk[judges], labels, person, min_people=1) for model, risk in said.items()}
    return AfterState(recalibration=maps)


def _baselines(settings: StudySettings, examples: Examples, training: Rows, tuning: Rows, *, boosting: bool) -> Simple:
    names = [name for name in settings.baselines if boosting or name != "gradient_boosting"]
    judge = examples.take(tuning) if len(tuning) else None
    if isinstance(settings.question, RiskQuestion):
        return fit_risk_baselines(names, examples.take(training), judge, seed=0, threads=1, trials=1).predict
    return fit_forecast_baselines(names, examples.take(training), judge, seed=0, threads=1, trials=1).predict


def all_times(settings: StudySettings, seen: Evidence, now: int | None = None) -> Asked:
    """Return all prediction times of a study or, at an instant, those that can be answered then."""
    timeline = build_timeline(seen.events, seen.people)
    live = now is not None
    episodes = find_episodes(seen.events, timeline, settings.question, **({"live": True} if live else {}))
    return prediction_times(episodes, timeline, settings.question, now=now, live=live)


def keys_of(records: Records, asked: Asked, chosen: Rows | None = None) -> list[Key]:
    names = records.subjects.sort("subject_id")["source_id"].cast(pl.String).to_list()
    rows = range(len(asked.time)) if chosen is None else chosen.tolist()
    return [(names[asked.person[r]], int(asked.episode_start[r]), int(asked.time[r])) for r in rows]


def sights(fitted: Ready, records: Records, wanted: list[Key], now: int | None = None) -> list[Sight]:
    """Return all that the wanted predictions rest on, and what every model says.

    They are asked beside all other predictions of the records, so that a history may go on after them.
    """
    settings = fitted.settings
    instant = None if now is None else pl.Series([now]).cast(pl.Datetime("us"))[0]
    seen = evidence(records, settings.question, fitted.material.cleaning, now=instant)
    timeline = build_timeline(seen.events, seen.people)
    asked = all_times(settings, seen, now)
    numbers = {str(name): number for number, name in records.subjects.select("subject_id", "source_id").iter_rows()}
    person = np.array([numbers[name] for name, _, _ in wanted], dtype=np.int64)
    start = np.array([begin for _, begin, _ in wanted], dtype=np.int64)
    time = np.array([at for _, _, at in wanted], dtype=np.int64)
    together = Asked(
        person=np.concatenate([person, asked.person]),
        episode_start=np.concatenate([start, asked.episode_start]),
        time=np.concatenate([time, asked.time]),
        records=np.zeros(0, dtype=np.int64),
        excluded={},
    )
    sequences = histories(timeline, together, settings.question, alone=settings.own_sequences)
    until = timeline.known_until(person, time)
    found = _inputs(fitted, timeline, seen, sequences, len(wanted))
    for number, sight in enumerate(found):
        sight["records"] = np.array(until[number] - timeline.step_offsets[person[number]])
    return found


def _inputs(fitted: Ready, timeline: Timeline, seen: Evidence, sequences: Sequences, count: int) -> list[Sight]:
    state = fitted.bundle.prepared
    clocked, steps = on_grid(timeline, sequences, state.grid)
    rows = RowPreparation(clocked, state).rows(steps, np.arange(len(steps.person)), provenance=True)
    begin = np.cumsum(steps.lengths) - steps.lengths
    static = prepare_static(seen.facts, state, sequences, np.arange(len(sequences.person)))
    statistics = statistics_of(fitted.settings.question.kind, timeline, seen.facts, state, sequences)
    flags = flag_words(timeline, seen.facts, state, sequences, seen.implausible)
    said = say(fitted.bundle, timeline, seen.facts, sequences)
    simple = {name: predict(statistics) for name, predict in fitted.baselines.items()}
    lag = steps.read_lag_hours(clocked)
    found: list[Sight] = []
    for r in range(count):
        s = steps.sequence[r]
        read = steps.read[r]
        span = slice(begin[s], begin[s] + (read - steps.first[s] + 1 if read >= 0 else 0))
        found.append(
            {f"row {name}": getattr(rows, name)[span] for name in ROWS}
            | {"static": static[s], "lag": lag[r], "statistics": statistics.matrix[r]}
            | {"last target": statistics.last_target[r], "mean target": statistics.mean_target[r]}
            | {"flags": np.array(flags[r])}
            | {f"said by {name}": predicted[r] for name, predicted in said.predicted.items()}
            | {f"before, {name}": predicted[r] for name, predicted in said.before.items()}
            | {name: predicted[r] for name, predicted in simple.items()}
        )
    return found


def assert_same_sight(one: Sight, other: Sight, where: str) -> None:
    assert one.keys() == other.keys()
    for name in one:
        same = same_network_output if name.startswith(("said", "before")) else same_bits
        assert same(one[name], other[name]), f"{where}: {name} moved"


def depends_on_what_follows(settings: StudySettings) -> bool:
    """Say whether the study asks at times that only the end of a course decides, so that they may come and go."""
    question = settings.question
    on_a_grid = question.at == "every 6h"
    return question.at == "last record" or (on_a_grid and question.to != "5d")


def check_future_cannot_be_seen(fitted: Ready, seed: int, predictions: int = 2) -> None:
    """Law 1: noise over all that becomes known after a prediction time moves no bit at that time."""
    generator = np.random.default_rng(seed)
    case, settings = fitted.case, fitted.settings
    for key in fitted.keys(predictions, generator):
        (before,) = sights(fitted, fitted.material.records, [key])
        day = day_of(key[2], calendar=case.calendar)
        records = fitted.read(future_noise(generator, case.frames, day))
        seen = evidence(records, settings.question, fitted.material.cleaning)
        if not depends_on_what_follows(settings):
            assert key in keys_of(records, all_times(settings, seen)), f"{key} is no longer asked"
        (after,) = sights(fitted, records, [key])
        assert_same_sight(before, after, f"the study, {key}")
        at_its_time = pl.Series([key[2]]).cast(pl.Datetime("us"))[0]
        known = evidence(records, settings.question, fitted.material.cleaning, now=at_its_time)
        then = all_times(settings, known, key[2])
        assert key in keys_of(records, then), f"{key} is not asked at its time"
        (live,) = sights(fitted, records, [key], now=key[2])
        assert_same_sight(before, live, f"at its time, {key}")
