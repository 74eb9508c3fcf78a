"""The question, asked of all people at once: who, when, from which history, and what followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import (
    Sequences,
    Timeline,
    build_timeline,
    last_at_or_before,
    offsets_by_person,
    one_each,
    one_pass,
)
from sequela.cohort.episodes import (
    TOO_FEW_RECORDS,
    Asked,
    Episodes,
    find_episodes,
    last_of_each,
    prediction_times,
)
from sequela.cohort.label_table import LabelTable
from sequela.cohort.labels import Labels, check_targets, forecast_labels
from sequela.cohort.occurrences import Seen
from sequela.cohort.risk_labels import Labelled, RiskLabels, at_risk, with_labels_of_table, with_risk_labels
from sequela.cohort.risk_settings import RiskQuestion
from sequela.cohort.settings import ForecastQuestion, QuestionSettings
from sequela.errors import CohortError
from sequela.records import Clock
from sequela.records.durations import parse_duration
from sequela.records.written import WrittenColumn

NO_TARGET = {True: "no next record of a target", False: "no measurement of a target near the horizon"}
NOT_BEGUN = "no episode had begun by the prediction time"


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """R predictions with the histories that they may see and, unless asked live, what followed.

    `notes` counts what a reader should know of the labels: remark -> predictions, people.
    """

    timeline: Timeline
    asked: Asked
    sequences: Sequences
    labels: Labels | RiskLabels | None
    asked_before_labels: int  # prediction times, those without a label included
    notes: dict[str, tuple[int, int]] = field(default_factory=dict)


def ask(
    events: pl.DataFrame,
    people: int,
    question: QuestionSettings,
    *,
    outcomes: pl.DataFrame | None = None,
    label_table: LabelTable | None = None,
    clock: Clock | None = None,
    written: Mapping[str, WrittenColumn] | None = None,
    alone: bool = False,
) -> Cohort:
    """Return the labelled predictions of a study.

    Args:
        events: contract 1, implausible values and the outcome's columns (`set_apart`) already taken out.
        people: number of people in the records.
        question: the study's question.
        outcomes: contract 1 rows of outcome tables, and the outcome's columns.
        label_table: of a risk with `labels`, the table that it names.
        clock: how the study tells the time, against which times of an outcome's columns are checked.
        written: by code, the outcome's columns row by row, so that refusals name rows.
        alone: each prediction gets a sequence of its own (see `histories`).

    Raises:
        CohortError: where the target or the outcome is unknown or nobody is left; the message counts the reasons.
    """
    if isinstance(question, ForecastQuestion):
        check_targets(events, question.targets)
    timeline = build_timeline(events, people)
    episodes = find_episodes(events, timeline, question)
    if label_table is not None:
        asked = _asked_by_table(label_table, episodes, timeline, question)
    else:
        asked = prediction_times(episodes, timeline, question)
    before = len(asked.time)
    seen = Seen(
        events=events,
        outcomes=events.clear() if outcomes is None else outcomes,
        people=people,
        clock=clock,
        written=written or {},
    )
    if isinstance(question, ForecastQuestion):
        found = _with_forecast_labels(asked, seen, question)
    elif label_table is not None:
        found = with_labels_of_table(asked, seen, label_table)
    else:
        assert isinstance(question, RiskQuestion)
        found = with_risk_labels(asked, episodes, seen, question)
    _refuse_nobody(found.asked, question, timeline)
    if isinstance(found.labels, RiskLabels):
        _refuse_one_outcome(found.asked, found.labels)
    return Cohort(
        timeline=timeline,
        asked=found.asked,
        sequences=histories(timeline, found.asked, question, alone=alone),
        labels=found.labels,
        asked_before_labels=before,
        notes=found.notes,
    )


def _with_forecast_labels(asked: Asked, seen: Seen, question: ForecastQuestion) -> Labelled:
    labels = forecast_labels(seen.events, asked, question, seen.people)
    labelled: NDArray[np.bool_] = np.asarray(~np.isnan(labels.value).all(axis=(1, 2)))
    left = asked.take(labelled, NO_TARGET[question.horizons == ["next record"]])
    return Labelled(asked=left, labels=labels.take(labelled), notes={})


def _refuse_nobody(asked: Asked, question: QuestionSettings, timeline: Timeline) -> None:
    if not len(asked.time) and not len(timeline.step_time):
        raise CohortError(
            "No value of an input has a time, and static facts are no records, so nothing says when to ask. Give their "
            "table a `time`, such as a column of zeros with `time_unit`."
        )
    if not len(asked.time):
        keys = "`horizon`" if isinstance(question, ForecastQuestion) else "`outcome`, `follow_up`"
        raise CohortError(
            f"The question leaves no prediction at all ({_reasons(asked) or 'no episode was found'}). "
            f"Look at `from`, `to`, `at`, {keys} and `min_records` in [question]."
        )


def _refuse_one_outcome(asked: Asked, labels: RiskLabels) -> None:
    for value, what in ((1.0, "no prediction that is left is"), (0.0, "every prediction that is left is")):
        if not (labels.value == value).any():
            raise CohortError(
                f"There is nothing to learn of the outcome: {what} followed by it"
                f"{' (left out: ' * bool(asked.excluded)}{_reasons(asked)}{')' * bool(asked.excluded)}. "
                "Look at `outcome`, `at`, `from` and `follow_up` in [question]."
            )


def _reasons(asked: Asked) -> str:
    """Return why predictions were left out, and how many; people of whom nothing could be asked have none to count."""
    counts = ((reason, predictions) for reason, (predictions, _) in asked.excluded.items())
    return "; ".join(f"{reason}: {predictions:,}" if predictions else reason for reason, predictions in counts)


def _asked_by_table(table: LabelTable, episodes: Episodes, timeline: Timeline, question: QuestionSettings) -> Asked:
    """Return exactly the times of the table, each in the last episode that had begun by then."""
    offsets = offsets_by_person(episodes.person, timeline.people)
    episode = last_at_or_before(offsets, episodes.start, table.person, table.time)
    begun = episode >= offsets[table.person]
    start = np.where(begun, episodes.start[episode] if len(episodes.start) else 0, table.time)
    asked = Asked(
        person=table.person,
        episode_start=start,
        time=table.time,
        records=timeline.known_until(table.person, table.time) - timeline.step_offsets[table.person],
        excluded=dict(table.excluded),
    )
    asked = asked.take(begun, NOT_BEGUN)
    return asked.take(asked.records >= question.min_records, TOO_FEW_RECORDS)


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
        question: the study's question; its target need not have been measured. Of a risk that happens once, nobody is
            asked who is known to have had it; with `labels`, `at` says when.
        now: the instant that it is, UTC.
        alone: each prediction gets a sequence of its own (see `histories`).
        last_only: only the last prediction time of each person.
    """
    instant = None if now is None else int(pl.Series([now], dtype=pl.Datetime("us")).to_physical()[0])
    timeline = build_timeline(events, people)
    episodes = find_episodes(events, timeline, question, live=True)
    asked = prediction_times(episodes, timeline, question, now=instant, live=True)
    if isinstance(question, RiskQuestion):
        asked = at_risk(asked, events, question, people)
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
