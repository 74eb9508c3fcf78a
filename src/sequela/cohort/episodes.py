"""Episodes, and the prediction times within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows, Timeline, known_time, last_at_or_before, offsets_by_person
from sequela.cohort.denials import refuse_denials
from sequela.cohort.settings import EVERY_RECORD, FIRST_RECORD, LAST_RECORD, CodeSettings, QuestionSettings
from sequela.errors import CohortError
from sequela.records.durations import parse_duration
from sequela.records.words import nearest

TOO_FEW_RECORDS = "fewer records than min_records"
NEVER_ASKED = "no record of an input, no episode, or no time in it at which the question is asked"
AFTER_NOW = "the prediction time lies after the last record or `now`"
BEYOND_EPISODE = "the prediction time lies after the end of its episode"
NO_OTHER = np.iinfo(np.int64).max
_LARGEST_GRID = 200_000_000


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Spans [start, stop) that a question is asked in, no stop before its start; microseconds.

    Where the study sets no end, the span ends with a record (the person's last, or the last before the next episode):
    `open_ended` spans hold that record, and prediction times that the study names by a duration may lie after it, but
    not in the next episode.
    """

    person: Rows  # [E]
    start: Rows  # [E]
    stop: Rows  # [E]
    open_ended: NDArray[np.bool_]  # [E]
    following: Rows  # [E] when the person's next episode begins, NO_OTHER where there is none


def find_episodes(
    events: pl.DataFrame, timeline: Timeline, question: QuestionSettings, *, live: bool = False
) -> Episodes:
    """Return the episodes of all people, sorted by person and start.

    Args:
        events: contract 1.
        timeline: what became known.
        question: `from` and `to` of the study.
        live: True where the records are those of a few people so far: nobody may have been admitted or discharged yet.

    Raises:
        CohortError: where no record of a study has a code that begins or ends an episode.
    """
    person, start = _openings(events, timeline, question, live=live)
    following = np.full(len(start), NO_OTHER)
    same = person[1:] == person[:-1]
    following[:-1][same] = start[1:][same]
    last_row = timeline.known_until(person, following - 1) - 1
    seen = last_row >= timeline.step_offsets[person]
    last_record = np.where(seen, timeline.step_time[last_row] if len(timeline.step_time) else 0, start)
    last_record = np.maximum(last_record, start)
    if question.to == LAST_RECORD:
        stop, ended = last_record, np.zeros(len(start), dtype=bool)
    elif isinstance(question.to, str):
        stop, ended = start + parse_duration(question.to), np.ones(len(start), dtype=bool)
    else:
        closing_person, closing_time = _matches(events, question.to, "to", live=live)
        closed, ended = _first_after(closing_person, closing_time, person, start)
        ended &= closed <= following
        stop = np.where(ended, closed, last_record)
    return Episodes(person=person, start=start, stop=stop, open_ended=~ended, following=following)


def _openings(events: pl.DataFrame, timeline: Timeline, question: QuestionSettings, *, live: bool) -> tuple[Rows, Rows]:
    if isinstance(question.from_, CodeSettings):
        return _matches(events, question.from_, "from", live=live)
    if question.from_ == FIRST_RECORD:
        person = np.flatnonzero(np.diff(timeline.step_offsets) > 0)
        return person, timeline.step_time[timeline.step_offsets[person]]
    # Time 0 comes for everybody: who has no record yet is asked with nothing known.
    return np.arange(timeline.people), np.zeros(timeline.people, dtype=np.int64)


def _matches(events: pl.DataFrame, wanted: CodeSettings, key: str, *, live: bool) -> tuple[Rows, Rows]:
    """Return person and known time of every event whose code begins so; each instant once."""
    starts = pl.any_horizontal([pl.col("code").str.starts_with(prefix) for prefix in wanted.prefixes])
    matched = events.filter(pl.col("time").is_not_null() & starts)
    if not live:
        keep = "Keep only the records in which it happened, in a table of layout 'long'"
        refuse_denials(matched, key, wanted.prefixes[0], of_numbers=keep, of_words=keep)
    found = matched.select("subject_id", known_time().alias("known")).unique().sort("subject_id", "known")
    if found.is_empty() and not live:
        codes = ", ".join(f"'{prefix}'" for prefix in wanted.prefixes)
        guess = nearest(wanted.prefixes[0], events["code"].unique())
        raise CohortError(f"No record has a code that begins with {codes}: check `from` and `to` in [question].{guess}")
    return found["subject_id"].to_numpy(), found["known"].cast(pl.Datetime("us")).to_physical().to_numpy()


def _first_after(closing_person: Rows, closing_time: Rows, person: Rows, start: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """Return for each (person, start) the person's first closing time strictly after it, and whether there is one."""
    if not len(closing_time):
        return np.zeros_like(start), np.zeros(len(start), dtype=bool)
    people = int(max(closing_person.max(initial=-1), person.max(initial=-1))) + 1
    offsets = offsets_by_person(closing_person, people)
    low = last_at_or_before(offsets, closing_time, person, start) + 1
    found = low < offsets[person + 1]
    return np.where(found, closing_time[np.minimum(low, len(closing_time) - 1)], 0), found


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The R prediction times of a question, sorted by person, episode and time; microseconds."""

    person: Rows  # [R]
    episode_start: Rows  # [R]
    time: Rows  # [R]
    records: Rows  # [R] distinct instants known at or before the time
    excluded: dict[str, tuple[int, int]]  # reason -> predictions, people

    def take(self, kept: NDArray[np.bool_], reason: str) -> Asked:
        """Return the predictions that are kept; the others are counted under the reason."""
        gone = self.person[~kept]
        excluded = dict(self.excluded)
        if len(gone):
            excluded[reason] = (len(gone), len(np.unique(gone)))
        return Asked(
            person=self.person[kept],
            episode_start=self.episode_start[kept],
            time=self.time[kept],
            records=self.records[kept],
            excluded=excluded,
        )


def prediction_times(
    episodes: Episodes, timeline: Timeline, question: QuestionSettings, *, now: int | None = None, live: bool = False
) -> Asked:
    """Return when the question is asked.

    Args:
        episodes: the spans it is asked in.
        timeline: what became known; already cut at `now` where there is one.
        question: `at` and `min_records` of the study.
        now: the instant that it is, microseconds; a person's last episode, if it has no end yet, reaches until then.
        live: True where nothing is known of what follows: no time after `now`, or without one after the person's last
            record, is asked.
    """
    stop = episodes.stop
    if now is not None:
        goes_on = episodes.open_ended & (episodes.following == NO_OTHER)
        stop = np.where(goes_on, np.maximum(now, stop), stop)
    if question.at in (EVERY_RECORD, FIRST_RECORD, LAST_RECORD):
        episode, time = _at_records(episodes, stop, timeline, question.at)
    elif isinstance(question.at, str) and question.at.startswith("every "):
        episode, time = _on_a_grid(episodes, stop, parse_duration(question.at.removeprefix("every ")))
    else:
        after = np.array(sorted(parse_duration(at) for at in _listed(question.at)), dtype=np.int64)
        episode = np.repeat(np.arange(len(stop)), len(after))
        time = (episodes.start[:, None] + after).reshape(-1)
    person = episodes.person[episode]
    until = timeline.known_until(person, time)
    asked = Asked(
        person=person,
        episode_start=episodes.start[episode],
        time=time,
        records=until - timeline.step_offsets[person],
        excluded={NEVER_ASKED: (0, never)} if (never := timeline.people - len(np.unique(person))) else {},
    )
    end = np.where(episodes.open_ended, episodes.following, stop)[episode]
    asked = asked.take(asked.time < end, BEYOND_EPISODE)
    if live:
        asked = asked.take(asked.time <= _latest(timeline, asked.person, now), AFTER_NOW)
    return asked.take(asked.records >= question.min_records, TOO_FEW_RECORDS)


def _latest(timeline: Timeline, person: Rows, now: int | None) -> Rows:
    """Return `now`, or when the last record of each person became known."""
    if now is not None:
        return np.full(len(person), now)
    last = timeline.step_offsets[person + 1] - 1
    some = last >= timeline.step_offsets[person]
    latest = np.full(len(person), NEVER)
    latest[some] = timeline.step_time[last[some]]
    return latest


def last_of_each(asked: Asked) -> Asked:
    """Return the last prediction time of each person; earlier ones are not asked for, so they are not counted."""
    order = np.lexsort((asked.episode_start, asked.time, asked.person))
    last = order[np.append(asked.person[order][1:] != asked.person[order][:-1], len(order) > 0)[: len(order)]]
    return Asked(
        person=asked.person[last],
        episode_start=asked.episode_start[last],
        time=asked.time[last],
        records=asked.records[last],
        excluded=asked.excluded,
    )


def _listed(at: str | list[str]) -> list[str]:
    return [at] if isinstance(at, str) else at


def _at_records(episodes: Episodes, stop: Rows, timeline: Timeline, at: str) -> tuple[Rows, Rows]:
    first = timeline.known_until(episodes.person, episodes.start - 1)
    last = timeline.known_until(episodes.person, np.where(episodes.open_ended, stop, stop - 1))
    count = last - first
    if at == FIRST_RECORD:
        count = np.minimum(count, 1)
    elif at == LAST_RECORD:
        first, count = last - 1, np.minimum(count, 1)
    episode = np.repeat(np.arange(len(count)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return episode, timeline.step_time[row]


def _on_a_grid(episodes: Episodes, stop: Rows, every: int) -> tuple[Rows, Rows]:
    """Return the times start + k * every with k = 1, 2, ... that lie within the episodes."""
    inside = np.where(episodes.open_ended, stop - episodes.start, stop - episodes.start - 1)
    count = inside // every
    if count.sum() > _LARGEST_GRID:
        raise CohortError(
            f"`at` asks for {count.sum():,} prediction times, more than {_LARGEST_GRID:,}: take a longer step."
        )
    episode = np.repeat(np.arange(len(count)), count)
    k = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + 1
    return episode, episodes.start[episode] + k * every
