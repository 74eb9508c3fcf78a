"""Law 4 as functions that raise AssertionError: what went in comes out, or is counted under a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from cohorts import Case
from laws import Rows

from sequela.cohort import SPLIT_NAMES, Timeline, build_timeline, make_splits
from sequela.cohort.ask import NO_TARGET
from sequela.cohort.episodes import BEYOND_EPISODE, NEVER_ASKED, TOO_FEW_RECORDS, Episodes, find_episodes
from sequela.cohort.risk_labels import HAD_IT, INCOMPLETE, NOT_DATED, NOT_KNOWN
from sequela.records.durations import parse_duration
from sequela.study.material import Material
from sequela.study.profile import reading
from sequela.study.story import split_request

# Reasons that say how something was read, where nothing was left out.
_KEPT = "no time of availability|superseded|available before|spaces around|of categories"


def check_rows_are_counted(case: Case, material: Material) -> None:
    """Cells (of a long table rows) = events + what was merged or left out, for each table."""
    records = material.records
    out = records.counts.filter(~pl.col("reason").str.contains(_KEPT))
    for table, summary in zip(material.settings.records, records.tables, strict=True):
        frame = case.frames[table.name]
        wide = 1 if table.layout == "long" else len(frame.columns) - (3 if table.time else 1)
        of_table = out.filter(pl.col("table") == table.name)
        whole_rows = int(of_table.filter(pl.col("code").is_null())["rows"].sum())
        cells = int(of_table.filter(pl.col("code").is_not_null())["rows"].sum())
        kept = records.outcomes if table.role == "outcome" else records.events
        events = kept.filter(pl.col("code").is_in(summary.codes)).height
        assert summary.rows == len(frame)
        assert len(frame) * wide == events + cells + whole_rows * wide, f"{table.name}: a cell is lost or made"


def check_values_are_counted(material: Material) -> None:
    """Events = cells of the timeline + implausible + stale ones + static facts, as the profile tells them."""
    events, seen, cohort = material.records.events, material.evidence, material.cohort
    made = seen.events.filter(pl.col("code").is_in(list(material.cleaning.derived))).height
    timeless = seen.events.filter(pl.col("time").is_null()).height
    births = seen.events.filter(pl.col("code").str.starts_with("MEDS_BIRTH")).height
    told = {row["reason"]: row["rows"] for row in reading(material)["counts"] if row["table"] == "all"}
    implausible = sum(seen.implausible_by_code.values())
    assert events.height + made == seen.events.height + implausible, "a value is neither kept nor counted"
    timeline = build_timeline(seen.events, seen.people)
    cells = len(timeline.cell_time)
    assert seen.events.height - timeless - births == cells + sum(told.values()), "a value is neither seen nor counted"
    assert cells == timeline.cell_offsets[-1]
    if material.settings.prepare.grid == "none":
        assert len(cohort.timeline.cell_time) == cells


def check_prediction_times_are_counted(material: Material) -> None:
    """Candidate times = predictions + excluded ones; people read = people predicted + people with a reason."""
    cohort, question = material.cohort, material.settings.question
    timeline = build_timeline(material.evidence.events, material.evidence.people)
    episodes = find_episodes(material.evidence.events, timeline, question)
    candidates, asked = _candidates(material, timeline, episodes), cohort.asked
    excluded = {reason: count for reason, (count, _) in asked.excluded.items()}
    no_target = {*NO_TARGET.values(), NOT_KNOWN, NOT_DATED, HAD_IT, INCOMPLETE}
    assert set(excluded) <= {NEVER_ASKED, BEYOND_EPISODE, TOO_FEW_RECORDS, *no_target}
    assert cohort.asked_before_labels == len(asked.time) + sum(excluded.get(reason, 0) for reason in no_target)
    assert len(candidates) == len(asked.time) + sum(excluded.values()), "a prediction time is lost"
    people = material.evidence.people
    never = asked.excluded.get(NEVER_ASKED, (0, 0))[1]
    assert people == never + len(np.unique(candidates)), "a person is lost"
    some = sum(count for _, count in asked.excluded.values())
    assert people - len(np.unique(asked.person)) <= some, "a person without a prediction has no reason"


def _candidates(material: Material, timeline: Timeline, episodes: Episodes) -> Rows:
    """Return whose each prediction time would be, before any is excluded, found one episode at a time."""
    question = material.settings.question
    found: list[int] = []
    for person, start, stop, is_open in zip(
        episodes.person, episodes.start, episodes.stop, episodes.open_ended, strict=True
    ):
        steps = timeline.step_time[timeline.step_offsets[person] : timeline.step_offsets[person + 1]]
        inside = steps[(steps >= start) & ((steps <= stop) if is_open else (steps < stop))]
        if question.at == "every record":
            count = len(inside)
        elif question.at in ("first record", "last record"):
            count = min(len(inside), 1)
        elif isinstance(question.at, str) and question.at.startswith("every "):
            every = parse_duration(question.at.removeprefix("every "))
            times = np.arange(start + every, stop + 1, every)
            count = len(times if is_open else times[times < stop])
        else:
            count = 1 if isinstance(question.at, str) else len(question.at)
        found += [int(person)] * count
    return np.array(found, dtype=np.int64)


def check_split_is_counted(material: Material, folder: Path) -> None:
    """Predictions = those of the three parts + those left out of the split, whose reasons are counted."""
    settings = material.settings.split
    for split in make_splits(split_request(material), settings, folder):
        parts = [int((split.part == part).sum()) for part in range(len(SPLIT_NAMES))]
        left_out = sum(predictions for predictions, _ in split.excluded.values())
        assert len(material.cohort.asked.time) == sum(parts) + left_out, "a prediction is in no part, uncounted"
        gone = material.cohort.asked.person[split.part < 0]
        assert len(np.unique(gone)) == sum(people for predictions, people in split.excluded.values() if predictions)
