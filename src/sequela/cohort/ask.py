"""The question, asked of all people at once: who, when, from which history, and what followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Sequences, Timeline, build_timeline, one_each, one_pass
from sequela.cohort.episodes import Asked, find_episodes, last_of_each, prediction_times
from sequela.cohort.labels import Labels, check_targets, forecast_labels
from sequela.cohort.settings import QuestionSettings
from sequela.errors import CohortError
from sequela.records.durations import parse_duration

NO_TARGET = {True: "no next record of a target", False: "no measurement of a target near the horizon"}


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """R predictions with the histories that they may see and, unless asked live, what followed."""

    timeline: Timeline
    asked: Asked
    sequences: Sequences
    labels: Labels | None
    asked_before_labels: int  # prediction times, those without a label included


def ask(events: pl.DataFrame, people: int, question: QuestionSettings, *, alone: bool = False) -> Cohort:
    """Return the labelled predictions of a study.

    Args:
        events: contract 1, implausible values already taken out.
        people: number of people in the records.
        question: the study's question.
        alone: each prediction gets a sequence of its own (see `histories`).

    Raises:
        CohortError: where the target is unknown or nobody is left; the message counts the reasons.
    """
    check_targets(events, question.targets)
    timeline = build_timeline(events, people)
    asked = prediction_times(find_episodes(events, timeline, question), timeline, question)
    before = len(asked.time)
    labels = forecast_labels(events, asked, question, people)
    labelled: NDArray[np.bool_] = np.asarray(~np.isnan(labels.value).all(axis=(1, 2)))
    asked = asked.take(labelled, NO_TARGET[question.horizons == ["next record"]])
    if not len(asked.time):
        reasons = "; ".join(f"{reason}: {count[0]:,}" for reason, count in asked.excluded.items())
        raise CohortError(
            f"The question leaves no prediction at all ({reasons or 'no episode was found'}). "
            "Look at `from`, `to`, `at`, `horizon` and `min_records` in [question]."
        )
    return Cohort(
        timeline=timeline,
        asked=asked,
        sequences=histories(timeline, asked, question, alone=alone),
        labels=labels.take(labelled),
        asked_before_labels=before,
    )


def ask_live(
    events: pl.DataFrame,
    people: int,
    question: QuestionSettings,
    *,
    now: datetime | None = None,
    alone: bool = False,
    last_only: bool = False,
) -> Cohort:
    """Return the predictions that can be made up to `now` (default: each person's last record).

    Args:
        events: contract 1, already cut at `now` (`known_by`).
        people: number of people in the records.
        question: the study's question; its target need not have been measured.
        now: the instant that it is, UTC.
        alone: each prediction gets a sequence of its own (see `histories`).
        last_only: only the last prediction time of each person.
    """
    instant = None if now is None else int(pl.Series([now], dtype=pl.Datetime("us")).to_physical()[0])
    timeline = build_timeline(events, people)
    episodes = find_episodes(events, timeline, question, live=True)
    asked = prediction_times(episodes, timeline, question, now=instant, live=True)
    if last_only:
        asked = last_of_each(asked)
    return Cohort(
        timeline=timeline,
        asked=asked,
        sequences=histories(timeline, asked, question, alone=alone),
        labels=None,
        asked_before_labels=len(asked.time),
    )


def histories(timeline: Timeline, asked: Asked, question: QuestionSettings, *, alone: bool = False) -> Sequences:
    """Return what each prediction may see: one pass for many where all of the past is seen, else one cut each.

    Args:
        timeline: what became known.
        asked: the predictions.
        question: `history` of the study.
        alone: one cut sequence for each prediction all the same (a bidirectional network needs it).
    """
    if question.history == "all" and not alone:
        return one_pass(timeline, person=asked.person, episode_start=asked.episode_start, time=asked.time)
    history = None if question.history == "all" else parse_duration(question.history)
    return one_each(timeline, person=asked.person, episode_start=asked.episode_start, time=asked.time, history=history)
