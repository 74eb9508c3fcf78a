"""Which variables the study's network needs: what it loses on held-out people when one is exchanged between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from sequela.bundle import Bundle
from sequela.cohort import HELD_OUT, build_timeline
from sequela.cohort.ask import histories
from sequela.cohort.episodes import Asked
from sequela.explain import HeldOut, Histories, ImportanceSettings, variable_importance
from sequela.predict import outputs
from sequela.prepare import PreparedState
from sequela.study.material import Fit, Floats, Material
from sequela.study.watch import Watch

_METRIC = {"risk": "auroc", "forecast": "rmse"}
_MOST_HISTORIES = 100_000  # predicted in all: a minute or two


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
        lambda given: _predicted(fit.bundle, given),
        codes=codes,
        static=static,
        metric=_METRIC[settings.question.kind],
        settings=ImportanceSettings(
            resamples=settings.evaluate.bootstrap, seed=settings.train.seed, most_histories=_MOST_HISTORIES
        ),
        progress=watch.counting,
    )
    return found.to_dict()


def _taken(asked: Asked, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Asked:
    return replace(
        asked,
        person=asked.person[rows],
        episode_start=asked.episode_start[rows],
        time=asked.time[rows],
        records=asked.records[rows],
    )


def _predicted(bundle: Bundle, given: Histories) -> Floats:
    """Return what the network says of histories: risks [R], or forecasts of the first target [R, horizons]."""
    timeline = build_timeline(given.events, given.people)
    sequences = histories(timeline, given.asked, bundle.study.question, alone=bundle.study.own_sequences)
    said = outputs(bundle, timeline, given.facts, sequences, only_network=True)["network"]
    return said if said.ndim == 1 else said[:, :, 0]


def _variables(prepared: PreparedState, material: Material) -> tuple[list[str], list[str]]:
    """Return the codes that have a series, and those of static facts."""
    codes = [feature.code for feature in prepared.features] + [word.code for word in prepared.words]
    timed = set(material.evidence.events.filter(pl.col("time").is_not_null())["code"].unique())
    return [code for code in dict.fromkeys(codes) if code in timed], [fact.code for fact in prepared.static]
