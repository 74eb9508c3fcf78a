"""The laws that every study keeps, as functions that raise AssertionError where a law is broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from cohorts import Case, Frames, day_of, future_noise
from numpy.typing import NDArray

from sequela import _native
from sequela.baselines import Examples, FittedBaselines, fit_forecast_baselines, window_statistics
from sequela.bundle import AfterState, Bundle, IntervalState, network_for
from sequela.cohort import Sequences, Timeline, ask, build_timeline
from sequela.cohort.ask import histories
from sequela.cohort.episodes import Asked, find_episodes, prediction_times
from sequela.predict import Evidence, evidence, say
from sequela.prepare import PreparedState, fit_preparation, flag_words
from sequela.prepare.rows import RowPreparation, prepare_static
from sequela.records import Records, read_records
from sequela.study.material import Material, bundled_study
from sequela.study.settings import StudySettings, parse_study

Rows = NDArray[np.int64]
Key = tuple[str, int, int]  # the source's id, when the episode began, when it is asked
Sight = dict[str, Any]  # all that a prediction rests on, and what is said

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
    baselines: FittedBaselines

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
        asked = asked_of(self.settings, self.material.evidence)
        chosen = generator.permutation(len(asked.time))[:limit]
        return keys_of(self.material.records, asked, chosen)


def settings_of(case: Case) -> StudySettings:
    return parse_study(case.document, "study.toml")


def material_of(case: Case, frames: Frames | None = None) -> Material:
    """Return what a run gathers before it splits: records, evidence, labelled predictions."""
    settings = settings_of(case)
    records = read_records(settings.records, Path(), frames=case.tables(frames))
    seen = evidence(records, settings.question, settings.prepare.limits)
    cohort = ask(seen.events, seen.people, settings.question, alone=settings.model.bidirectional)
    return Material(settings=settings, records=records, evidence=seen, cohort=cohort)


def fitted_state(material: Material, predictions: Rows) -> PreparedState:
    """Return what preparation learns from these predictions."""
    targets = material.settings.question.targets
    labels = material.labels[predictions]
    return fit_preparation(
        material.cohort.timeline,
        material.evidence.facts,
        material.cohort.sequences.take(predictions),
        {code: labels[:, :, k].reshape(-1) for k, code in enumerate(targets)},
        material.settings.prepare,
    )[0]


def ready(case: Case, frames: Frames | None = None, *, boosting: bool = True) -> Ready:
    """Fit a case on the predictions of every other person.

    Raises:
        CohortError: where the drawn study leaves nobody.
    """
    material = material_of(case, frames)
    person = material.cohort.asked.person
    training = np.flatnonzero(person % 2 == person[0] % 2)
    state = fitted_state(material, training)
    torch.manual_seed(3)
    study = bundled_study(material)
    network = network_for(study, state)
    shape = (len(material.settings.question.horizons), len(state.targets))
    interval = IntervalState(level=0.9, half_width=np.full(shape, 1.5).tolist())
    bundle = Bundle(study=study, prepared=state, network=network, after=AfterState(interval=interval), card={})
    statistics = window_statistics(material.cohort.timeline, material.evidence.facts, state, material.cohort.sequences)
    examples = Examples(statistics=statistics, labels=material.labels, person=person)
    names = [name for name in material.settings.baselines if boosting or name != "gradient_boosting"]
    chosen = np.isin(np.arange(len(person)), training)
    tuning = examples.take(~chosen) if not chosen.all() else None
    baselines = fit_forecast_baselines(names, examples.take(chosen), tuning, seed=0, threads=1)
    return Ready(case, material, bundle, baselines)


def asked_of(settings: StudySettings, seen: Evidence, now: int | None = None) -> Asked:
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
    seen = evidence(records, settings.question, settings.prepare.limits, now=instant)
    timeline = build_timeline(seen.events, seen.people)
    asked = asked_of(settings, seen, now)
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
    alone = settings.model.bidirectional
    sequences = histories(timeline, together, settings.question, alone=alone)
    until = timeline.known_until(person, time)
    found = _inputs(fitted, timeline, seen, sequences, len(wanted))
    for number, sight in enumerate(found):
        sight["records"] = np.array(until[number] - timeline.step_offsets[person[number]])
    return found


def _inputs(fitted: Ready, timeline: Timeline, seen: Evidence, sequences: Sequences, count: int) -> list[Sight]:
    state = fitted.bundle.prepared
    rows = RowPreparation(timeline, state).rows(sequences, np.arange(len(sequences.person)))
    begin = np.cumsum(sequences.lengths) - sequences.lengths
    static = prepare_static(seen.facts, state, sequences, np.arange(len(sequences.person)))
    statistics = window_statistics(timeline, seen.facts, state, sequences)
    flags = flag_words(timeline, seen.facts, state, sequences, seen.implausible)
    said = say(fitted.bundle, timeline, seen.facts, sequences)
    simple = {name: predict(statistics) for name, predict in fitted.baselines.predict.items()}
    lag = sequences.read_lag_hours(timeline)
    found: list[Sight] = []
    for r in range(count):
        s = sequences.sequence[r]
        read = sequences.read[r]
        span = slice(begin[s], begin[s] + (read - sequences.first[s] + 1 if read >= 0 else 0))
        found.append(
            {f"row {name}": getattr(rows, name)[span] for name in ("values", "observed", "gap_hours", "hours")}
            | {"static": static[s], "lag": lag[r], "statistics": statistics.matrix[r]}
            | {"last target": statistics.last_target[r], "mean target": statistics.mean_target[r]}
            | {"flags": np.array(flags[r]), "network": said.predicted["network"][r]}
            | {name: predicted[r] for name, predicted in simple.items()}
        )
    return found


def assert_same_sight(one: Sight, other: Sight, where: str) -> None:
    assert one.keys() == other.keys()
    for name in one:
        same = same_network_output if name == "network" else same_bits
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
        seen = evidence(records, settings.question, settings.prepare.limits)
        if not depends_on_what_follows(settings):
            assert key in keys_of(records, asked_of(settings, seen)), f"{key} is no longer asked"
        (after,) = sights(fitted, records, [key])
        assert_same_sight(before, after, f"the study, {key}")
        at_its_time = pl.Series([key[2]]).cast(pl.Datetime("us"))[0]
        then = asked_of(settings, evidence(records, settings.prepare.limits, now=at_its_time), key[2])
        assert key in keys_of(records, then), f"{key} is not asked at its time"
        (live,) = sights(fitted, records, [key], now=key[2])
        assert_same_sight(before, live, f"at its time, {key}")
