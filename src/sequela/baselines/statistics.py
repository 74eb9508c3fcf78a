"""Which statistics of the records the simple models of each kind of question are given."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from sequela.baselines.spans import span_statistics
from sequela.baselines.windows import WindowStatistics, window_statistics
from sequela.cohort.asof import Sequences, Timeline, build_timeline, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare.state import PreparedState
from sequela.records.events import SCHEMA

Kind = Literal["forecast", "risk"]
_STATISTICS = {"forecast": window_statistics, "risk": span_statistics}


def statistics_of(
    kind: Kind, timeline: Timeline, facts: Facts, state: PreparedState, sequences: Sequences
) -> WindowStatistics:
    """Return running statistics for a forecast, those of the whole history, the last day and hours for a risk.

    Args:
        kind: of the question.
        timeline: what became known.
        facts: static facts.
        state: fitted preparation; it says which codes and levels there are.
        sequences: the R predictions and what they read.
    """
    return _STATISTICS[kind](timeline, facts, state, sequences)


def statistics_width(kind: Kind, state: PreparedState) -> int:
    """Return how many columns these statistics have: those of nobody."""
    nobody = np.zeros(0, dtype=np.int64)
    nothing = pl.DataFrame(schema=SCHEMA)
    timeline = build_timeline(nothing, 0)
    sequences = one_pass(timeline, person=nobody, episode_start=nobody, time=nobody)
    return int(statistics_of(kind, timeline, static_facts(nothing, 0), state, sequences).matrix.shape[1])
