"""Which variables the study's network needs: what it loses on held-out people when one is exchanged between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from sequela.baselines import KnownStatistics, WindowStatistics, known_statistics, statistics_with_other
from sequela.bundle import Bundle
from sequela.cohort import HELD_OUT, Sequences, Timeline, build_timeline
from sequela.cohort.ask import histories
from sequela.cohort.episodes import Asked
from sequela.explain import HeldOut, Histories, ImportanceSettings, variable_importance
from sequela.predict import finished, outputs
from sequela.prepare import PreparedState
from sequela.records.durations import MICROSECONDS_PER_HOUR
from sequela.study.material import Fit, Floats, Material, Numbers
from sequela.study.watch import Watch

_METRIC = {"risk": "auroc", "forecast": "rmse"}
_MOST_HISTORIES = 100_000  # predicted in all: a minute or two
_DAY, _YEAR = 24.0, 24 * 365.25
_EDGES = ((6.0, _DAY), (_DAY, 7 * _DAY), (30 * _DAY, 180 * _DAY), (_YEAR, 3 * _YEAR))
_OFTEN, _EPOCHS = 0.75, 14  # three of four histories are at most so many times the longer span


def importance(material: Material, fits: Sequence[Fit], watch: Watch) -> dict[str, Any] | None:
    """Return the importance of variables for `curves.json`; None where the study does not ask for it.

    With folds it is that of the first one: its network, on the people that it did not see.
    """
    settings = material.settings
    if not settings.evaluate.importance:
        return None
    watch.stage("Measuring what each variable is worth")
    fit = fits[0]
    rows = np.flatnonzero(fit.split.part == HELD_OUT)
    labels = material.labels[rows]
    held_out = HeldOut(
        events=material.evidence.events,
        facts=material.evidence.facts,
        asked=_taken(material.cohort.asked, rows),
        labels=labels if labels.ndim == 1 else labels[:, :, 0],
    )
    codes, static = _variables(fit.bundle.prepared, material)
    found = variable_importance(
        held_out,
        HistoriesNetwork(fit.bundle),
        codes=codes,
        static=static,
        metric=_METRIC[settings.question.kind],
        settings=ImportanceSettings(
            resamples=settings.evaluate.bootstrap,
            seed=settings.train.seed,
            edges_hours=_edges(material, rows),
            most_histories=_MOST_HISTORIES,
        ),
        progress=watch.counting,
    )
    return found.to_dict()


def _edges(material: Material, rows: Numbers) -> tuple[float, float]:
    """Return where spans before a prediction meet, in hours: of days of intensive care, of months, or of years."""
    sequences = material.cohort.sequences.take(rows)
    seen = sequences.read >= 0
    first = sequences.first[sequences.sequence[seen]]
    step_time = material.cohort.timeline.step_time
    hours = (sequences.read_time[seen] - step_time[first]) / MICROSECONDS_PER_HOUR
    longest = float(np.quantile(hours, _OFTEN)) if len(hours) else 0.0
    return next(edges for edges in _EDGES if longest <= _EPOCHS * edges[1] or edges == _EDGES[-1])


def _taken(asked: Asked, rows: Numbers) -> Asked:
    return replace(
        asked,
        person=asked.person[rows],
        episode_start=asked.episode_start[rows],
        time=asked.time[rows],
        records=asked.records[rows],
    )


class HistoriesNetwork:
    """What the network says of histories in the end: risks [R], or forecasts of the first target [R, horizons].

    Statistics that its wide part sees are told once for histories as they are; of an exchanged code alone anew.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._known: dict[Histories, KnownStatistics] = {}

    def __call__(self, given: Histories) -> Floats:
        """Return it in the order of the predictions; histories as they are come before any exchange of theirs."""
        bundle = self._bundle
        timeline = build_timeline(given.events, given.people)
        sequences = histories(timeline, given.asked, bundle.study.question, alone=bundle.study.own_sequences)
        statistics = self._statistics(given, timeline, sequences) if bundle.study.model.wide else None
        raw = outputs(bundle, timeline, given.facts, sequences, only_network=True, statistics=statistics)
        said = finished(bundle, raw).predicted["network"]
        return said if said.ndim == 1 else said[:, :, 0]

    def _statistics(self, given: Histories, timeline: Timeline, sequences: Sequences) -> WindowStatistics:
        seen = (self._bundle.study.question.kind, timeline, given.facts, self._bundle.prepared, sequences)
        exchanged = given.exchanged
        if exchanged is None:
            self._known[given] = known_statistics(*seen)
            return self._known[given].statistics
        return statistics_with_other(
            self._known[exchanged.unchanged].take(exchanged.predictions), exchanged.code, *seen
        )


def _variables(prepared: PreparedState, material: Material) -> tuple[list[str], list[str]]:
    """Return the codes that have a series, and those of static facts."""
    codes = [feature.code for feature in prepared.features] + [word.code for word in prepared.words]
    timed = set(material.evidence.events.filter(pl.col("time").is_not_null())["code"].unique())
    return [code for code in dict.fromkeys(codes) if code in timed], [fact.code for fact in prepared.static]
