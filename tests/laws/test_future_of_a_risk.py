"""Law 1 for questions of risk, on what a model is given: whoever is asked at t sees the same whatever follows t."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from cohorts import Case, Frames, cases, day_of, future_noise, risks
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sequela.cohort import Cohort, RiskLabels, RiskQuestion, ask, ask_live, known_by
from sequela.cohort.risk_labels import HAD_IT
from sequela.errors import CohortError
from sequela.records import Records, TableSettings, read_records


def records_of(case: Case, frames: Frames) -> Records:
    tables = [TableSettings.model_validate(table) for table in case.document["records"]]
    return read_records(tables, Path(), frames=case.tables(frames))


def seen_by(cohort: Cohort, records: Records, r: int) -> Any:
    """Return what prediction r is given: the source's ids, its times, and every cell that it may see."""
    timeline, sequences = cohort.timeline, cohort.sequences
    first, read = sequences.first[sequences.sequence[r]], sequences.read[r]
    span = slice(timeline.cell_offsets[first], timeline.cell_offsets[read + 1]) if read >= 0 else slice(0, 0)
    steps = timeline.step_time[first : read + 1].tolist() if read >= 0 else []
    cells = [
        (timeline.variables[variable], number, timeline.levels[level] if level >= 0 else None, time)
        for variable, number, level, time in zip(
            timeline.cell_variable[span].tolist(),
            timeline.cell_number[span].astype(np.float64).round(6).astype(str).tolist(),
            timeline.cell_level[span].tolist(),
            timeline.cell_time[span].tolist(),
            strict=True,
        )
    ]
    return steps, cells, int(sequences.start_time[sequences.sequence[r]])


def keys_of(cohort: Cohort, records: Records) -> dict[tuple[Any, int, int], int]:
    ids = records.subjects.sort("subject_id")["source_id"]
    asked = cohort.asked
    columns = (ids.gather(asked.person), asked.episode_start, asked.time)
    return {
        key: r
        for r, key in enumerate(
            zip(
                *(column.to_list() if isinstance(column, pl.Series) else column.tolist() for column in columns),
                strict=True,
            )
        )
    }


@settings(max_examples=40)
@given(cases(), st.data(), st.integers(0, 2**32 - 1))
def test_whatever_follows_a_prediction_it_is_given_the_same(case: Case, data: st.DataObject, seed: int) -> None:
    question = RiskQuestion.model_validate(data.draw(risks(calendar=case.calendar)))
    generator, records = np.random.default_rng(seed), records_of(case, case.frames)
    try:
        cohort = ask(records.events, len(records.subjects), question, clock=records.clock)
    except CohortError:
        assume(False)
    found = keys_of(cohort, records)
    for key in [list(found)[place] for place in generator.permutation(len(found))[:2]]:
        before = seen_by(cohort, records, found[key])
        noisy = records_of(case, future_noise(generator, case.frames, day_of(key[2], calendar=case.calendar)))
        then = pl.Series([key[2]]).cast(pl.Datetime("us"))[0]
        live = ask_live(known_by(noisy.events, then), len(noisy.subjects), question, now=then)
        again = keys_of(live, noisy)
        if key in again:
            assert seen_by(live, noisy, again[key]) == before
        else:
            assert may_be_left_out(live, question), f"{key} is not asked at its time"


def may_be_left_out(live: Cohort, question: RiskQuestion) -> bool:
    """Say whether a correction took an event back, or the end of a course decides the times."""
    return HAD_IT in live.asked.excluded or question.at == "last record" or question.at == "every 6h"


@settings(max_examples=40)
@given(cases(), st.data())
def test_labels_are_of_those_who_are_asked(case: Case, data: st.DataObject) -> None:
    question = RiskQuestion.model_validate(data.draw(risks(calendar=case.calendar)))
    records = records_of(case, case.frames)
    try:
        cohort = ask(records.events, len(records.subjects), question, clock=records.clock)
    except CohortError:
        assume(False)
    assert isinstance(cohort.labels, RiskLabels)
    left_out = sum(predictions for predictions, _ in cohort.asked.excluded.values())
    assert set(cohort.labels.value) == {0.0, 1.0}
    assert len(cohort.labels.value) == len(cohort.asked.time) == len(cohort.sequences.read)
    assert len(cohort.asked.time) <= cohort.asked_before_labels <= len(cohort.asked.time) + left_out
