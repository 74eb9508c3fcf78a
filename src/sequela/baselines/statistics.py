"""Which statistics of the records the simple models of each kind of question are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from sequela.baselines.spans import span_statistics
from sequela.baselines.windows import WindowStatistics, window_statistics
from sequela.cohort.asof import Rows, Sequences, Timeline, build_timeline, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare.clinical import ClinicalSettings, amount_codes
from sequela.prepare.state import PreparedState
from sequela.records.events import SCHEMA

Kind = Literal["forecast", "risk"]
_STATISTICS = {"forecast": window_statistics, "risk": span_statistics}


def statistics_of(
    kind: Kind, timeline: Timeline, facts: Facts, state: PreparedState, sequences: Sequences
) -> WindowStatistics:
    """Return running statistics for a forecast, those of the whole history, the last day and hours for a risk.

    Values that stand out are taken out or moved where the study says so.

    Args:
        kind: of the question.
        timeline: what became known.
        facts: static facts.
        state: fitted preparation; it says which codes and levels there are.
        sequences: the R predictions and what they read.
    """
    return _STATISTICS[kind](timeline, facts, state, sequences)


@dataclass(frozen=True, kw_only=True)
class KnownStatistics:
    """Statistics of R predictions, and since when each history counts: what others that are like them start from."""

    statistics: WindowStatistics
    start_time: Rows  # [R]

    def take(self, chosen: Rows) -> KnownStatistics:
        """Return the rows that are chosen."""
        return KnownStatistics(statistics=self.statistics.take(chosen), start_time=self.start_time[chosen])


def known_statistics(
    kind: Kind, timeline: Timeline, facts: Facts, state: PreparedState, sequences: Sequences
) -> KnownStatistics:
    """Return what `statistics_of` returns, for `statistics_with_other` to start from."""
    statistics = statistics_of(kind, timeline, facts, state, sequences)
    return KnownStatistics(statistics=statistics, start_time=sequences.start_time[sequences.sequence])


def statistics_with_other(
    known: KnownStatistics,
    code: str,
    kind: Kind,
    timeline: Timeline,
    facts: Facts,
    state: PreparedState,
    sequences: Sequences,
) -> WindowStatistics:
    """Return what `statistics_of` returns, to the bit, from less work: only what a code touches is told anew.

    Args:
        known: of the same predictions at the same times, whose records and facts were the same but for the code's.
        code: whose records, or whose fact, are others.
        kind: of the question.
        timeline: what became known.
        facts: static facts.
        state: fitted preparation.
        sequences: the R predictions and what they read.
    """
    names, place = known.statistics.names, {name: number for number, name in enumerate(known.statistics.names)}
    began_as_before = np.array_equal(known.start_time, sequences.start_time[sequences.sequence])
    touched = _touched(state, code, clinical_as_before=began_as_before)
    if len(place) < len(names):  # two columns of one name
        return statistics_of(kind, timeline, facts, state, sequences)
    anew = _STATISTICS[kind](timeline, facts, touched, sequences)
    matrix = known.statistics.matrix.copy()
    there = [number for number, name in enumerate(anew.names) if name in place]
    matrix[:, [place[anew.names[number]] for number in there]] = anew.matrix[:, there]
    last_target, mean_target = known.statistics.last_target.copy(), known.statistics.mean_target.copy()
    targets = state.targets[: last_target.shape[1]]  # those of a risk are none
    of_target = [k for k, target in enumerate(targets) if target.code == code]
    last_target[:, of_target], mean_target[:, of_target] = anew.last_target, anew.mean_target
    return WindowStatistics(matrix=matrix, names=names, last_target=last_target, mean_target=mean_target)


def _touched(state: PreparedState, code: str, *, clinical_as_before: bool) -> PreparedState:
    """Return the part of a state whose statistics look at a code, and where histories begin elsewhere at that too."""
    clinical = _clinical_of(state.clinical, code) if clinical_as_before else state.clinical
    return state.model_copy(
        update={
            "features": [feature for feature in state.features if feature.code == code],
            "words": [word for word in state.words if word.code == code],
            "targets": [target for target in state.targets if target.code == code],
            "clinical": clinical,
        }
    )


def _clinical_of(settings: ClinicalSettings, code: str) -> ClinicalSettings:
    return ClinicalSettings(
        reference=settings.reference if code in settings.reference else {},
        scores={name: score for name, score in settings.scores.items() if code in score.parts},
        amounts=[text for text in settings.amounts if code in amount_codes(text)],
    )


def statistics_width(kind: Kind, state: PreparedState) -> int:
    """Return how many columns these statistics have: those of nobody."""
    nobody = np.zeros(0, dtype=np.int64)
    nothing = pl.DataFrame(schema=SCHEMA)
    timeline = build_timeline(nothing, 0)
    sequences = one_pass(timeline, person=nobody, episode_start=nobody, time=nobody)
    return int(statistics_of(kind, timeline, static_facts(nothing, 0), state, sequences).matrix.shape[1])
