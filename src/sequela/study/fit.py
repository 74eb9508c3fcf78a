"""One split of a cohort: preparation, networks, training and baselines, judged by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from sequela.baselines import Examples, FittedBaselines, fit_hybrid, people_folds, window_statistics
from sequela.bundle import Bundle, member_for
from sequela.cohort import TRAIN, TUNING, Split
from sequela.models import Ensemble, parameter_count
from sequela.predict import after, member_outputs, outputs, statistics_of
from sequela.prepare import Collation, PreparedState, fit_preparation
from sequela.study.kinds import kind_of
from sequela.study.material import Fit, Floats, Material, Numbers, bundled_study
from sequela.study.watch import Watch
from sequela.train import History, threads_for_step, train

_WORTH_SHARING = 20_000_000  # numbers in a table of statistics; below, threads wait for each other more than they help


@dataclass(frozen=True, kw_only=True)
class _Fitting:
    """What the parts of one fit share."""

    material: Material
    training: Numbers
    tuning: Numbers
    prepared: PreparedState
    watch: Watch
    words: str  # which of several fits this is, for who watches; empty for one


def fit_split(material: Material, split: Split, *, watch: Watch, number: int, fits: int) -> Fit:
    """Return what training and tuning people taught, and what each model then says of everybody."""
    kind, settings = kind_of(material), material.settings
    training, tuning = np.flatnonzero(split.part == TRAIN), np.flatnonzero(split.part == TUNING)
    kind.check_labels(material, training)
    prepared, unused = fit_preparation(
        material.cohort.timeline,
        material.evidence.facts,
        material.cohort.sequences.take(training),
        kind.target_labels(material, training),
        settings.prepare,
    )
    words = f" (fit {number} of {fits})" if fits > 1 else ""
    fitting = _Fitting(
        material=material, training=training, tuning=tuning, prepared=prepared, watch=watch, words=words
    )
