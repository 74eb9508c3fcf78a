from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from asking import HOUR, events_of

from sequela.cohort import Timeline, build_timeline, known_by, one_each, one_pass

EVENTS = events_of(
    *((0, 1, "x", 1.0), (0, 2, "x", 2.0, 6), (0, 4, "x", 4.0), (0, 4, "x", 4.5, 8), (0, 5, "y", "a", 8)),
    *((0, 7, "x", 7.0, 3), (1, 3, "x", 3.0), (1, None, "sex", "f"), (2, 0, "ADMISSION")),
)


def cells(timeline: Timeline) -> list[tuple[int, float, str, float, float]]:
    """Return person, hour known, code, number and hour measured of each cell."""
    step = timeline.step_of_cell
    return [
        (
            *(int(timeline.person_of_step[step[m]]), timeline.step_time[step[m]] / HOUR),
            timeline.variables[timeline.cell_variable[m]][0],
            *(float(timeline.cell_number[m]), timeline.cell_time[m] / HOUR),
        )
        for m in range(len(step))
    ]


def test_steps_are_the_distinct_instants_at_which_something_became_known() -> None:
    timeline = build_timeline(EVENTS, 3)
    assert (timeline.step_time / HOUR).tolist() == [1, 4, 6, 7, 8, 3, 0]
    assert timeline.step_offsets.tolist() == [0, 5, 6, 7]


def test_what_comes_without_a_value_is_a_cell_and_a_birth_is_not() -> None:
    events = events_of((0, 1, "DIAGNOSIS//I10"), (0, 1, "x", 1.0), (0, -99, "MEDS_BIRTH"), (0, 2, "drug", "2 mg", 1))
    found = build_timeline(events, 1)
    assert found.variables == (("DIAGNOSIS//I10", False), ("drug", True), ("x", False))
    assert [cell[:3] for cell in cells(found)] == [(0, 1, "DIAGNOSIS//I10"), (0, 1, "x"), (0, 2, "drug")]
    assert np.isnan(found.cell_number).tolist() == [True, False, True]
    assert found.cell_level.tolist() == [-1, -1, 0]


def test_at_one_instant_a_number_stands_before_none() -> None:
    both = events_of((0, 1, "dose"), (0, 1, "dose", 5.0))
    for events in (both, both[::-1]):
        assert build_timeline(events, 1).cell_number.tolist() == [5.0]


def test_a_late_value_older_than_one_known_is_no_cell_and_is_counted() -> None:
    timeline = build_timeline(EVENTS, 3)
    assert timeline.stale == 2  # the 2 h value known at 6 h, and the correction at 8 h of a value replaced at 7 h
    assert [cell[:4] for cell in cells(timeline) if cell[2] == "x"] == [
        (0, 1, "x", 1.0),
        (0, 4, "x", 4.0),
        (0, 7, "x", 7.0),
        (1, 3, "x", 3.0),
    ]


def test_a_late_value_is_no_cell_in_whatever_order_the_rows_stand() -> None:
    by_news = events_of((0, 5, "x", 5.0), (0, 3, "x", 3.0, 6))
    for events in (by_news, by_news[::-1]):
        timeline = build_timeline(events, 1)
        assert (len(timeline.step_time), len(timeline.cell_time), timeline.stale) == (2, 1, 1)


def test_a_number_with_a_text_is_a_number() -> None:
    timeline = build_timeline(events_of((0, 1, "x", 1.0)).with_columns(text_value=pl.lit("high")), 1)
    assert (timeline.variables, timeline.levels) == ((("x", False),), ())
    assert timeline.cell_level.tolist() == [-1]


def test_a_correction_of_the_last_value_becomes_the_last() -> None:
    timeline = build_timeline(events_of((0, 4, "x", 4.0), (0, 4, "x", 4.5, 8)), 1)
    assert [cell[3:] for cell in cells(timeline)] == [(4.0, 4.0), (4.5, 4.0)]
    assert timeline.stale == 0


def test_of_several_values_that_become_known_together_the_newest_stands() -> None:
    timeline = build_timeline(events_of((0, 1, "x", 1.0, 9), (0, 2, "x", 2.0, 9), (0, 2, "y", 5.0, 9)), 1)
    assert [(cell[2], cell[3]) for cell in cells(timeline)] == [("x", 2.0), ("y", 5.0)]
    assert timeline.stale == 1


def test_values_in_two_units_at_one_instant_are_one_cell_whatever_the_order_of_rows() -> None:
    two = events_of((0, 1, "x", 1.0), (0, 1, "x", 18.0))
    one, other = build_timeline(two, 1), build_timeline(two[::-1], 1)
    assert cells(one) == cells(other)
    assert [cell[3] for cell in cells(one)] == [18.0]
    assert one.stale == 1


def test_known_until_counts_what_is_known_at_the_instant_itself() -> None:
    timeline = build_timeline(EVENTS, 3)
    person, hours = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 1, 5, 99, 3, 9])
    assert timeline.known_until(person, hours * HOUR).tolist() == [0, 1, 2, 5, 6, 7]


def test_known_by_keeps_facts_and_what_was_known() -> None:
    at = datetime(1970, 1, 1) + timedelta(hours=4)
    assert len(known_by(EVENTS, at)) == 5


def test_a_birth_is_known_from_the_start_whatever_its_stamp_says() -> None:
    born = events_of((0, 1, "MEDS_BIRTH", None, 23), (0, 2, "x", 1.0))
    at = datetime(1970, 1, 1) + timedelta(hours=4)
    assert len(known_by(born, at)) == 2


def test_one_pass_serves_all_predictions_of_an_episode_and_none_reads_ahead() -> None:
    timeline = build_timeline(EVENTS, 3)
    keys = {"person": np.array([0, 0, 1]), "episode_start": np.array([1, 1, 3]) * HOUR}
    found = one_pass(timeline, **keys, time=np.array([0, 5, 3]) * HOUR)
    assert found.read.tolist() == [-1, 1, 5]
    assert found.sequence.tolist() == [0, 0, 1]
    assert found.stop.tolist() == [2, 6]
    assert found.read_lag_hours(timeline).tolist() == [0.0, 1.0, 0.0]


def test_one_pass_reaches_to_the_last_of_its_predictions_in_any_order() -> None:
    timeline = build_timeline(EVENTS, 3)
    keys = {"person": np.array([0, 0]), "episode_start": np.array([1, 1]) * HOUR}
    found = one_pass(timeline, **keys, time=np.array([5, 0]) * HOUR)
    assert found.stop.tolist() == [2]
    assert found.read.tolist() == [1, -1]


def test_a_window_leaves_out_what_was_known_when_it_began() -> None:
    timeline = build_timeline(EVENTS, 3)
    keys = {"person": np.array([0, 0]), "episode_start": np.array([1, 1]) * HOUR, "time": np.array([7, 99]) * HOUR}
    found = one_each(timeline, **keys, history=3 * HOUR)
    assert timeline.step_time[found.first[0] : found.stop[0]].tolist() == [6 * HOUR, 7 * HOUR]
    assert found.lengths.tolist() == [2, 0]
    assert found.read.tolist() == [3, -1]
    assert found.start_time.tolist() == [4 * HOUR, 96 * HOUR]


def test_taking_predictions_cuts_their_sequences_after_the_last_read() -> None:
    timeline = build_timeline(EVENTS, 3)
    keys = {"person": np.array([0, 0, 1]), "episode_start": np.array([1, 1, 3]) * HOUR}
    found = one_pass(timeline, **keys, time=np.array([4, 99, 3]) * HOUR).take(np.array([2, 0]))
    assert found.person.tolist() == [0, 1]
    assert found.stop.tolist() == [2, 6]
    assert found.sequence.tolist() == [1, 0]
    both = one_pass(timeline, **keys, time=np.array([4, 99, 3]) * HOUR).take(np.array([1, 0]))
    assert both.stop.tolist() == [5]


def test_runs_hold_every_sequence_and_every_prediction_once() -> None:
    timeline = build_timeline(EVENTS, 3)
    keys = {"person": np.array([1, 0, 2, 0]), "episode_start": np.array([3, 1, 0, 1]) * HOUR}
    found = one_pass(timeline, **keys, time=np.array([3, 5, 0, 9]) * HOUR)
    for rows, runs in ((1, [([0], [1, 3]), ([1], [0]), ([2], [2])]), (9, [([0, 1, 2], [1, 3, 0, 2])])):
        assert [(run.tolist(), predictions.tolist()) for run, predictions in found.runs(rows)] == runs
