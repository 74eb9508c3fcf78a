"""Labels of a risk: whether the outcome follows a prediction time, and who cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, last_at_or_before, offsets_by_person
from sequela.cohort.columns import column_values, of_other_level, rows_of
from sequela.cohort.episodes import NO_OTHER, Asked, Episodes
from sequela.cohort.label_table import LabelTable
from sequela.cohort.labels import Labels
from sequela.cohort.occurrences import Happened, Seen, follow_up, last_times, occurrences_of_code, what_happened
from sequela.cohort.risk_settings import OutcomeSettings, RiskQuestion
from sequela.cohort.settings import CodeSettings
from sequela.errors import CohortError
from sequela.records.durations import MICROSECONDS_PER_HOUR, parse_duration
from sequela.records.times import INSTANT, end_of_day

NOT_KNOWN = "whether the outcome happened is not known"
NOT_DATED = "the outcome happened, and nothing says when"
HAD_IT = "the outcome had happened already, so not at risk any more"
HAD_IT_TODAY = "the outcome's date, from its midnight on, is the day of the prediction, so not at risk any more"
INCOMPLETE = "follow-up ends before the outcome's window does, without an event"
AFTER_FOLLOW_UP = "the event lies after the end of follow-up, and counts"
AFTER_EPISODE = "the event lies after the end of its episode on the same day, and counts"
ANY_VALUE = "the event is a record of a code that holds different values, and counts whatever its value"
NOT_MEASURED = "the outcome has no value in the window, which counts as no event"
OTHER_LEVEL = "the outcome has a third value, neither `positive` nor the most common other one: no event"
_REASONS = (NOT_KNOWN, NOT_DATED, HAD_IT, HAD_IT_TODAY, INCOMPLETE)

Flags = NDArray[np.bool_]
Counts = dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class RiskLabels:
    """Whether the outcome follows each of R prediction times."""

    value: NDArray[np.float64]  # [R] 1 it does, 0 it does not, NaN it cannot be said
    known: Rows  # [R] when that was known, microseconds
    event_hours: NDArray[np.float64]  # [R] from the prediction time to the event, NaN without one or without its time

    def take(self, kept: Flags) -> RiskLabels:
        """Return the labels of the predictions that are kept."""
        return RiskLabels(value=self.value[kept], known=self.known[kept], event_hours=self.event_hours[kept])


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The predictions that can be labelled, their labels, and what a reader should know of these."""

    asked: Asked  # what was left out stands in `excluded`
    labels: Labels | RiskLabels
    notes: Counts  # remark -> predictions, people


def with_risk_labels(asked: Asked, episodes: Episodes, seen: Seen, question: RiskQuestion) -> Labelled:
    """Return the predictions that can be labelled, with their labels.

    An event counts strictly after the prediction time and at or before the end of its window. Without an event the
    label is 0 where follow-up covers the window, or where `incomplete` says so.

    Args:
        asked: when the question is asked.
        episodes: of all people.
        seen: what the records hold.
        question: the outcome, follow-up and what to do with incomplete windows.

    Raises:
        CohortError: where the outcome cannot be read from the records.
    """
    assert question.outcome is not None
    if question.outcome.has_time:
        labels, reason, notes = _in_time(asked, episodes, seen, question, question.outcome)
    else:
        labels, reason, notes = _of_the_episode(asked, episodes, seen, question.outcome)
    kept = reason < 0
    for number, words in enumerate(_REASONS):
        asked, reason = asked.take(reason != number, words), reason[reason != number]
    return Labelled(asked=asked, labels=labels.take(kept), notes=notes)


def with_labels_of_table(asked: Asked, seen: Seen, table: LabelTable) -> Labelled:
    """Return the predictions of a table with its labels. When these became known it does not say: once records end."""
    place = {key: number for number, key in enumerate(zip(table.person.tolist(), table.time.tolist(), strict=True))}
    row = np.array([place[key] for key in zip(asked.person.tolist(), asked.time.tolist(), strict=True)], dtype=np.int64)
    known = np.maximum(asked.time, last_times(seen.events, seen.people)[asked.person])
    labels = RiskLabels(value=table.value[row], known=known, event_hours=np.full(len(row), np.nan))
    return Labelled(asked=asked, labels=labels, notes={})


def at_risk(asked: Asked, events: pl.DataFrame, question: RiskQuestion, people: int) -> Asked:
    """Return the predictions, asked live, of whom no record so far says that the outcome has happened."""
    outcome = question.outcome
    if outcome is None or outcome.column is not None or outcome.recurrent:
        return asked
    happened = occurrences_of_code(events, outcome, people)
    return asked.take(happened.last_at_or_before(asked.person, asked.time) < 0, HAD_IT)


def _of_the_episode(
    asked: Asked, episodes: Episodes, seen: Seen, outcome: OutcomeSettings
) -> tuple[RiskLabels, Rows, Counts]:
    """Every prediction of an episode has the label of its person, known once the records end."""
    _refuse_several_episodes(asked, str(outcome.column))
    column = str(outcome.column)
    rows = rows_of(seen.outcomes, column, key="outcome")
    value = column_values(rows, outcome, seen.people, seen.written.get(column))
    of_each = value[asked.person]
    end = episodes.stop[_episode_of(asked, episodes, seen.people)]
    known = np.maximum(np.maximum(asked.time, end), last_times(seen.events, seen.people)[asked.person])
    labels = RiskLabels(value=of_each, known=known, event_hours=np.full(len(of_each), np.nan))
    other = of_other_level(rows, outcome, seen.people)[asked.person]
    notes = {OTHER_LEVEL: _count(asked, other)} if other.any() else {}
    return labels, np.where(np.isnan(of_each), _REASONS.index(NOT_KNOWN), -1), notes


def _refuse_several_episodes(asked: Asked, column: str) -> None:
    starts = np.unique(np.stack([asked.person, asked.episode_start]), axis=1)
    if (starts[0][1:] == starts[0][:-1]).any():
        raise CohortError(
            f"[question] outcome: a person has several episodes, and '{column}' does not say in which it happened. "
            "Name its `time`, or a code as the outcome, or let each person have one episode."
        )


def _in_time(
    asked: Asked, episodes: Episodes, seen: Seen, question: RiskQuestion, outcome: OutcomeSettings
) -> tuple[RiskLabels, Rows, Counts]:
    happened = what_happened(seen, outcome)
    watched = follow_up(seen, question.follow_up)
    until = watched.reaches(asked.person, asked.time)
    window = _windows(asked, episodes, question, seen)
    covered = np.where(window.closed, True, until >= window.end)
    row = happened.occurrences.first_after(asked.person, asked.time)
    when, learned = _at(happened.occurrences.time, row), _at(happened.occurrences.known, row)
    event = (row >= 0) & (when <= window.end)

    reason = np.full(len(row), -1)
    if question.incomplete == "exclude":
        reason[~event & ~covered] = _REASONS.index(INCOMPLETE)
    if not outcome.recurrent:
        last = happened.occurrences.last_at_or_before(asked.person, asked.time)
        reason[last >= 0] = _REASONS.index(HAD_IT)
        today = (last >= 0) & (asked.time <= happened.day_end[asked.person])
        reason[today & (asked.time > _at(happened.occurrences.time, last))] = _REASONS.index(HAD_IT_TODAY)
    reason[happened.not_dated[asked.person]] = _REASONS.index(NOT_DATED)
    reason[happened.not_known[asked.person]] = _REASONS.index(NOT_KNOWN)
    end = np.where(covered, window.end, np.maximum(np.minimum(until, window.end), asked.time))
    labels = RiskLabels(
        value=event.astype(np.float64),
        known=np.where(event, learned, end),
        event_hours=np.where(event, (when - asked.time) / MICROSECONDS_PER_HOUR, np.nan),
    )
    counted = event & (reason < 0)
    notes = {
        AFTER_FOLLOW_UP: counted & ~window.closed & (when > until),
        AFTER_EPISODE: counted & (when > window.stop),
        ANY_VALUE: counted & happened.values_differ,
        NOT_MEASURED: _not_measured(happened, asked, window) & ~event & (reason < 0),
        OTHER_LEVEL: happened.other_level[asked.person] & ~event & (reason < 0),
    }
    return labels, reason, {words: _count(asked, rows) for words, rows in notes.items() if rows.any()}


def _not_measured(happened: Happened, asked: Asked, window: _Windows) -> Flags:
    """Return in whose window nothing says yes or no [R]; nobody's, where no visits do."""
    if happened.measured is None:
        return np.zeros(len(asked.time), dtype=bool)
    row = happened.measured.first_after(asked.person, asked.time)
    return np.asarray((row < 0) | (_at(happened.measured.time, row) > window.end))


def _at(times: Rows, row: Rows) -> Rows:
    return times[row] if len(times) else np.zeros(len(row), dtype=np.int64)


def _count(asked: Asked, rows: Flags) -> tuple[int, int]:
    return int(rows.sum()), len(np.unique(asked.person[rows]))


@dataclass(frozen=True, kw_only=True)
class _Windows:
    """Until when an event counts for each of R predictions; microseconds, the end included."""

    end: Rows
    stop: Rows  # the end of the episode where that is the window's, NO_OTHER elsewhere
    closed: Flags  # an event of `to` ended the episode, so that it was seen to its end


def _windows(asked: Asked, episodes: Episodes, question: RiskQuestion, seen: Seen) -> _Windows:
    """Return the windows: `within` after the prediction time, or else to the end of the episode.

    An episode that an event closed lasts to the end of that day in the study's time zone: deaths and discharges are
    often stamped with a day only, or one of them is. One that nothing closed reaches to the person's next episode: no
    event before that is none within it, whenever it ended; where there is no next one, only an event can be told.
    """
    assert question.outcome is not None
    within = question.outcome.within
    if within is not None:
        nothing = np.zeros(len(asked.time), dtype=bool)
        elsewhere = np.full(len(asked.time), NO_OTHER)
        return _Windows(end=asked.time + parse_duration(within), stop=elsewhere, closed=nothing)
    episode = _episode_of(asked, episodes, seen.people)
    stop, following = episodes.stop[episode], episodes.following[episode]
    if not isinstance(question.to, CodeSettings):
        return _Windows(end=stop, stop=stop, closed=np.zeros(len(stop), dtype=bool))
    closed = ~episodes.open_ended[episode]
    zone = seen.clock.time_zone if seen.clock is not None and seen.clock.calendar else "UTC"
    day_end = end_of_day(pl.Series(stop).cast(INSTANT), zone).to_physical().to_numpy()
    end = np.where(closed, np.maximum(stop, np.minimum(day_end, following - 1)), following - 1)
    return _Windows(end=end, stop=np.where(closed, stop, NO_OTHER), closed=closed)


def _episode_of(asked: Asked, episodes: Episodes, people: int) -> Rows:
    """Return the number of the episode of each prediction [R]."""
    offsets = offsets_by_person(episodes.person, people)
    return last_at_or_before(offsets, episodes.start, asked.person, asked.episode_start)
