from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from asking import HOUR, events_of, people_of
from risking import NOTHING, ask_risk, excluded, labels_of, risk, said, values_at

from sequela.cohort import OutcomeSettings, ask_live, set_apart
from sequela.cohort.asof import NEVER
from sequela.cohort.occurrences import Seen, what_happened
from sequela.cohort.risk_labels import (
    AFTER_EPISODE,
    AFTER_FOLLOW_UP,
    ANY_VALUE,
    HAD_IT,
    INCOMPLETE,
    NOT_DATED,
    NOT_KNOWN,
    NOT_MEASURED,
    OTHER_LEVEL,
)
from sequela.errors import CohortError
from sequela.records import Clock

DAY = 24.0
# Two people watched for 40 h; the first has an event at 10 h and at 30 h.
WATCHED = events_of(
    *((p, hour, "y", 1.0) for p in (0, 1) for hour in (0, 4, 6, 10, 12, 30, 40)), (0, 10, "FALL//bed"), (0, 30, "FALL")
)
FALL = {"code": "FALL", "within": "6h"}


def hours(**keys: Any) -> dict[float, float]:
    return values_at(ask_risk(WATCHED, **keys))


# A code within a horizon.


def test_an_event_counts_strictly_after_the_time_and_to_the_end_of_the_window() -> None:
    found = ask_risk(WATCHED, outcome=FALL, at=["1h", "4h", "9h"])
    assert values_at(found) == {1.0: 0.0, 4.0: 1.0, 9.0: 1.0}  # 4 h + 6 h = 10 h, its end included
    assert labels_of(found).event_hours[:3].tolist()[1:] == [6.0, 1.0]


def test_who_had_the_event_is_asked_no_more_from_its_instant_on() -> None:
    found = ask_risk(WATCHED, outcome=FALL)
    assert sorted(values_at(found)) == [0.0, 4.0, 6.0]
    assert excluded(found, HAD_IT) == 4  # at 10, 12, 30 and 40 h


def test_what_can_happen_again_is_asked_again() -> None:
    found = hours(outcome={**FALL, "recurrent": True})
    assert found == {0.0: 0.0, 4.0: 1.0, 6.0: 1.0, 10.0: 0.0, 12.0: 0.0, 30.0: 0.0}


def test_an_event_that_was_known_late_happened_when_it_happened() -> None:
    late = events_of((0, 0, "y", 1.0), (0, 4, "FALL", None, 20), (0, 5, "y", 1.0), (0, 40, "y", 1.0), (1, 0, "y", 1.0))
    found = ask_risk(pl.concat([late, events_of((1, 40, "y", 1.0))]), outcome=FALL)
    assert values_at(found) == {0.0: 1.0}
    assert labels_of(found).known[0] == 20 * HOUR
    assert labels_of(found).event_hours[0] == 4.0
    assert excluded(found, HAD_IT) == 3  # at 5, at 20, when the fall became known, and at 40 hours


def test_an_event_is_known_from_the_first_of_its_records_on_and_a_fact_of_its_name_is_none() -> None:
    more = events_of((0, 10, "FALL//ward", None, 25), (1, None, "FALL_risk", 1.0))
    found = ask_risk(pl.concat([more, WATCHED]), outcome=FALL, at="9h")
    assert said(found) == [(0, 9.0, 1.0), (1, 9.0, 0.0)]
    assert labels_of(found).known.tolist() == [10 * HOUR, 15 * HOUR]


def test_several_codes_are_one_outcome() -> None:
    both = pl.concat([WATCHED, events_of((1, 8, "FRACTURE"))])
    found = ask_risk(both, outcome={"code": ["FALL", "FRAC"], "within": "6h"}, at=["1h", "4h"])
    assert said(found) == [(0, 1.0, 0.0), (0, 4.0, 1.0), (1, 1.0, 0.0), (1, 4.0, 1.0)]


def test_a_code_in_an_outcome_table_counts_as_well() -> None:
    inputs, outcomes = WATCHED.filter(pl.col("code") == "y"), WATCHED.filter(pl.col("code") != "y")
    assert said(ask_risk(inputs, outcomes, outcome=FALL)) == said(ask_risk(WATCHED, outcome=FALL))


@pytest.mark.parametrize(
    ("values", "remedy"),
    [((0.0, 1.0, 0.0), "above = 0"), ((0.0, 250.0, 0.5), "above = 0")]
    + [((word, "yes", word), 'code = "tube", positive = "yes"') for word in ("no", " No ", "FALSE", "0_no", "absent")],
)
def test_a_code_with_records_that_say_no_is_refused(values: tuple[Any, ...], remedy: str) -> None:
    flags = events_of(*((0, hour, "tube", value) for hour, value in zip((0, 6, 9), values, strict=True)))
    with pytest.raises(CohortError, match=f"outcome: 'tube' .*{remedy}"):
        ask_risk(flags, outcome={"code": "tube", "within": "4h"})
    watched = pl.concat([flags, WATCHED])
    with pytest.raises(CohortError, match=r"follow_up: 'tube' .*Keep only the records"):
        ask_risk(watched, outcome=FALL, follow_up={"code": "tube"})
    for key in ("from", "to"):
        with pytest.raises(CohortError, match=f"{key}: 'tube' .*Keep only the records"):
            ask_risk(watched, outcome=FALL, **{key: {"code": "tube"}})


@pytest.mark.parametrize(("values", "notes"), [(("good", "poor"), {ANY_VALUE: (1, 1)}), (("good", "good"), {})])
def test_events_of_different_values_are_noted(values: tuple[str, str], notes: dict[str, tuple[int, int]]) -> None:
    first, second = values
    states = events_of((0, 0, "y", 1.0), (0, 6, "state", first), (0, 9, "state", second))
    found = ask_risk(states, outcome={"code": "state", "within": "4h"}, at=["1h", "3h"])
    assert found.notes == notes


def test_a_threshold_tells_records_that_say_no_apart() -> None:
    flags = events_of((0, 0, "tube", 0.0), (0, 6, "tube", 1.0), (0, 9, "tube", 0.0))
    found = ask_risk(flags, outcome={"code": "tube", "above": 0, "within": "4h"}, at=["1h", "3h"])
    assert values_at(found) == {1.0: 0.0, 3.0: 1.0}


@pytest.mark.parametrize(
    ("values", "event"), [(("no", "yes", "perhaps"), "yes"), ((0.1, 1.1, 2.1), 1.1), (("no", " yes", "maybe"), "yes ")]
)
def test_one_value_of_a_code_may_be_the_event(values: tuple[Any, Any, Any], event: Any) -> None:
    no, yes, other = values
    told = events_of(
        *((0, hour, "pain", value) for hour, value in ((0, no), (6, yes), (8, no))),
        *((1, hour, "pain", value) for hour, value in ((0, no), (7, other), (20, no))),
        (0, 12, "y", 1.0),
        (1, 5, "pain killer", 1.0),
    )
    keys: dict[str, Any] = {"at": ["3h", "7h"]}
    outcome = {"code": "pain", "positive": event, "within": "4h"}
    found = ask_risk(told, outcome=outcome, **keys)
    assert said(found) == [(0, 3.0, 1.0), (1, 3.0, 0.0), (1, 7.0, 0.0)]
    assert excluded(found, HAD_IT) == 1
    assert found.notes == {NOT_MEASURED: (1, 1), OTHER_LEVEL: (2, 1)}
    again = ask_risk(told, outcome={**outcome, "recurrent": True}, **keys)
    assert said(again) == [(0, 3.0, 1.0), (0, 7.0, 0.0), (1, 3.0, 0.0), (1, 7.0, 0.0)]
    live = ask_live(told.filter(pl.col("time").cast(int) <= 6 * HOUR), 2, risk(outcome=outcome, at="every 3h"))
    assert live.asked.person.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("value", "event", "words"),
    [("Yes", "yes", "another spelling"), ("?", "yes", "not known"), ("no", "si", "nobody has the value")],
)
def test_a_code_whose_values_leave_the_event_unclear_is_refused(value: str, event: str, words: str) -> None:
    told = events_of((0, 0, "pain", value), (0, 6, "pain", "yes"), (0, 9, "pain", "no"))
    with pytest.raises(CohortError, match=f"outcome: .*'pain'.*{words}|outcome: {words} of `positive` in 'pain'"):
        ask_risk(told, outcome={"code": "pain", "positive": event, "within": "4h"})


def test_a_code_that_nobody_has_is_refused() -> None:
    with pytest.raises(CohortError, match="begins with 'NOTHING'"):
        ask_risk(WATCHED, outcome={"code": "NOTHING", "within": "1h"})


def test_an_outcome_that_follows_nothing_or_everything_is_refused_with_the_reasons() -> None:
    with pytest.raises(CohortError, match=f"no prediction that is left.*{HAD_IT}"):
        ask_risk(WATCHED, outcome=FALL, at=["1h", "20h"])
    with pytest.raises(CohortError, match="every prediction"):
        ask_risk(WATCHED.filter(pl.col("subject_id") == 0), outcome=FALL, at="4h")


# A threshold.

PRESSURE = events_of(
    *((0, hour, "MAP", value) for hour, value in ((0, 80.0), (2, 65.0), (5, 64.0), (9, 90.0), (20, 80.0))),
    (0, 3, "MAP_cuff", 40.0),
    (1, 0, "MAP", 80.0),
    (1, 20, "MAP", 80.0),
)
LOW = {"code": "MAP", "below": 65, "within": "3h"}


def test_a_threshold_counts_values_strictly_beyond_it_of_the_whole_code() -> None:
    found = values_at(ask_risk(PRESSURE, outcome=LOW, at=["1h", "2h", "3h", "4h", "5h", "9h"]))
    assert found == {1.0: 0.0, 2.0: 1.0, 3.0: 1.0, 4.0: 1.0}
    again = ask_risk(PRESSURE, outcome={**LOW, "recurrent": True}, at=["4h", "5h", "9h"])
    assert values_at(again) == {4.0: 1.0, 5.0: 0.0, 9.0: 0.0}
    assert again.notes == {NOT_MEASURED: (5, 2)}  # all three of the person who was measured at 0 and 20 hours only


@pytest.mark.parametrize("bound", [{"above": 7.3}, {"below": 7.1}])
def test_a_threshold_is_read_as_the_values_are(bound: dict[str, float]) -> None:
    (written,) = bound.values()
    beyond = written + (0.1 if "above" in bound else -0.1)
    tenths = events_of((0, 0, "ph", 7.2), (0, 1, "ph", written), (0, 2, "ph", beyond), (0, 9, "ph", 7.2))
    keys: dict[str, Any] = {"at": ["30min", "90min"]}
    found = ask_risk(tenths, outcome={"code": "ph", "within": "1h", **bound}, **keys)
    assert values_at(found) == {0.5: 0.0, 1.5: 1.0}  # Float32 rounds 7.3 up and 7.1 down: neither is beyond itself


def test_values_of_several_codes_at_one_instant_are_all_looked_at() -> None:
    for low, other in (("MAP", "ART"), ("ART", "MAP")):
        events = events_of((0, 0, low, 80.0), (0, 0, other, 80.0), (0, 9, low, 60.0), (0, 9, other, 80.0), (0, 20, "y"))
        found = ask_risk(events, outcome={"code": ["MAP", "ART"], "below": 65, "within": "4h"}, at=["2h", "6h"])
        assert values_at(found) == {2.0: 0.0, 6.0: 1.0}


def test_of_versions_that_were_known_together_the_highest_decides() -> None:
    both = events_of((0, 0, "MAP", 80.0), (0, 5, "MAP", 60.0), (0, 5, "MAP", 70.0), (0, 9, "MAP", 60.0), (0, 20, "y"))
    for events in (both, both[::-1]):
        assert values_at(ask_risk(events, outcome=LOW, at=["3h", "7h"])) == {3.0: 0.0, 7.0: 1.0}


def test_the_last_version_of_a_value_decides() -> None:
    corrected = events_of(
        *((0, 0, "MAP", 80.0), (0, 2, "MAP", 60.0), (0, 2, "MAP", 70.0, 8), (0, 20, "MAP", 80.0)),
        *((1, 0, "MAP", 80.0), (1, 2, "MAP", 70.0), (1, 2, "MAP", 60.0, 8), (1, 20, "MAP", 80.0)),
        (1, 2, "MAP", None, 9),  # no value, so no version of it
    )
    found = ask_risk(corrected, outcome=LOW, at="1h")
    assert said(found) == [(0, 1.0, 0.0), (1, 1.0, 1.0)]
    assert labels_of(found).known.tolist() == [4 * HOUR, 8 * HOUR]


# Follow-up.


def test_a_window_beyond_follow_up_is_incomplete_unless_the_event_came() -> None:
    keys: dict[str, Any] = {"outcome": {**FALL, "recurrent": True}, "at": ["25h", "34h", "36h", "45h"]}
    found = ask_risk(WATCHED, **keys)  # watched to 40 h, where the window of 34 h ends
    assert said(found) == [(0, 25.0, 1.0), (0, 34.0, 0.0), (1, 25.0, 0.0), (1, 34.0, 0.0)]
    assert found.asked.excluded[INCOMPLETE] == (4, 2)
    counted = ask_risk(WATCHED, incomplete="no event", **keys)
    assert list(values_at(counted).values()) == [1.0, 0.0, 0.0, 0.0]
    assert (labels_of(counted).known / HOUR).tolist() == [30, 40, 40, 45, 31, 40, 40, 45]


def test_a_code_ends_follow_up_at_its_next_record_and_else_the_last_record_does() -> None:
    ended = pl.concat([WATCHED, events_of((1, 8, "LEFT"), (1, 26, "LEFT"))])
    keys: dict[str, Any] = {"outcome": {**FALL, "recurrent": True}, "follow_up": {"code": "LEFT"}}
    found = ask_risk(ended, at=["1h", "4h", "12h", "25h", "27h"], **keys)
    assert values_at(found, 1) == {1.0: 0.0, 12.0: 0.0, 27.0: 0.0}
    assert values_at(found, 0) == {1.0: 0.0, 4.0: 1.0, 12.0: 0.0, 25.0: 1.0, 27.0: 1.0}


def test_the_end_of_follow_up_may_stand_in_an_outcome_table_whose_other_rows_watch_nobody() -> None:
    outcomes = events_of((1, 60, "LEFT"), (1, None, "LEFT_handed", 1.0), (0, 99, "WORK"))
    keys: dict[str, Any] = {"outcome": {**FALL, "recurrent": True}, "follow_up": {"code": "LEFT"}}
    found = ask_risk(WATCHED, outcomes, at=["25h", "36h"], **keys)
    assert said(found) == [(0, 25.0, 1.0), (1, 25.0, 0.0), (1, 36.0, 0.0)]
    assert found.asked.excluded == {INCOMPLETE: (1, 1)}


def test_a_column_says_until_when_each_was_watched() -> None:
    until = events_of((0, None, "left", 12.0), (1, None, "left", 30.0))
    keys: dict[str, Any] = {"follow_up": {"column": "left", "time_unit": "hours"}, "at": ["4h", "20h", "25h"]}
    found = ask_risk(WATCHED, until, outcome={**FALL, "recurrent": True}, **keys)
    assert said(found) == [(0, 4.0, 1.0), (0, 25.0, 1.0), (1, 4.0, 0.0), (1, 20.0, 0.0)]
    assert found.notes == {AFTER_FOLLOW_UP: (1, 1)}  # the fall at 30 h, seen though nobody watched
    assert ask_risk(WATCHED, until, outcome=FALL, **keys).notes == {}  # at 25 h the first is not asked any more
    to_the_fall = until.with_columns(numeric_value=pl.lit(30.0, pl.Float32))
    assert ask_risk(WATCHED, to_the_fall, outcome={**FALL, "recurrent": True}, **keys).notes == {}


def test_a_number_of_the_follow_up_column_is_the_nearest_microsecond() -> None:
    until = events_of((0, None, "left", 0.35), (1, None, "left", 0.35))  # 0.35 days are 8.4 h, but for binary rounding
    keys: dict[str, Any] = {"follow_up": {"column": "left", "time_unit": "days"}, "at": ["2.4h", "6h"]}
    found = ask_risk(WATCHED, until, outcome=FALL, **keys)
    assert said(found) == [(0, 2.4, 0.0), (0, 6.0, 1.0), (1, 2.4, 0.0)]


def test_an_end_of_follow_up_that_is_a_date_written_as_one_number_is_refused() -> None:
    ends = events_of(*((p, None, "until", 20240510.0 + 2 * p) for p in (0, 1, 2)))
    with pytest.raises(CohortError, match=r"follow_up: 'until' holds dates .* Write them as 2024-05-31"):
        ask_risk(WATCHED, ends, outcome=FALL, follow_up={"column": "until", "time_unit": "days"})


def test_who_has_no_value_of_the_follow_up_column_has_no_complete_window() -> None:
    until = events_of((0, None, "left", 40.0))
    found = ask_risk(WATCHED, until, outcome=FALL, at=["1h", "4h"], follow_up={"column": "left", "time_unit": "hours"})
    assert said(found) == [(0, 1.0, 0.0), (0, 4.0, 1.0)]
    assert found.asked.excluded == {INCOMPLETE: (2, 1)}


# Within an episode.

STAYS = events_of(
    *((p, hour, "y", 1.0) for p in (0, 1, 2, 3) for hour in (1, 4, 9)),
    *((p, 0, "ADMISSION") for p in (0, 1, 2, 3)),
    *((p, 10, "DISCHARGE") for p in (0, 1, 2)),
    (0, 10, "DEATH"),
    (1, 20, "DEATH"),
    (2, 30, "DEATH"),
)
STAY: dict[str, Any] = {"from": {"code": "ADMISSION"}, "to": {"code": "DISCHARGE"}, "outcome": {"code": "DEATH"}}


def test_a_death_within_a_stay_is_one_to_the_end_of_the_day_on_which_it_ends() -> None:
    found = ask_risk(STAYS, at="2h", **STAY)
    assert said(found) == [(0, 2.0, 1.0), (1, 2.0, 1.0), (2, 2.0, 0.0)]
    assert found.notes == {AFTER_EPISODE: (1, 1)}
    assert found.asked.excluded == {INCOMPLETE: (1, 1)}  # of the fourth nobody knows how the stay ended
    assert labels_of(found).known.tolist() == [10 * HOUR, 20 * HOUR, 24 * HOUR - 1]
    is_death = pl.col("code") == "DEATH"
    apart = ask_risk(STAYS.filter(~is_death), STAYS.filter(is_death), at="2h", **STAY)
    assert (said(apart), apart.notes) == (said(found), found.notes)


@pytest.mark.parametrize(
    ("clock", "labels"),
    [
        (Clock(calendar=True), [1.0, 1.0, 0.0]),
        (Clock(calendar=True, time_zone="Asia/Tokyo"), [1.0, 0.0, 0.0]),  # the day ends at 15 h
        (Clock(time_zone="Asia/Tokyo"), [1.0, 1.0, 0.0]),  # numbers know no zone
    ],
)
def test_the_day_on_which_a_stay_ends_is_that_of_the_time_zone(clock: Clock, labels: list[float]) -> None:
    from sequela.cohort import ask

    found = ask(STAYS, 4, risk(at="2h", **STAY), clock=clock)
    assert [label for _, _, label in said(found)] == labels


def test_a_stay_that_an_event_closed_was_watched_to_its_end_though_nothing_follows() -> None:
    found = ask_risk(STAYS.filter((pl.col("subject_id") != 2) | (pl.col("code") != "DEATH")), at="2h", **STAY)
    assert said(found)[-1] == (2, 2.0, 0.0)


@pytest.mark.parametrize("admitted", [15, 20])
def test_a_death_on_the_day_of_a_readmission_belongs_to_the_later_stay(admitted: int) -> None:
    again = pl.concat([STAYS, events_of((1, admitted, "ADMISSION"), (1, 22, "DISCHARGE"))])
    found = said(ask_risk(again, at=["30min", "1h"], **STAY))
    assert [row[1:] for row in found if row[0] == 1][:2] == [(0.5, 0.0), (1.0, 0.0)]
    assert ((1, 16.0, 1.0) in found) == (admitted == 15)


def test_a_death_at_the_instant_of_a_transfer_belongs_to_the_stay_that_it_ends() -> None:
    moved = pl.concat([STAYS, events_of((0, 10, "ADMISSION"), (0, 11, "DISCHARGE"))])
    assert said(ask_risk(moved, at="2h", **STAY))[0] == (0, 2.0, 1.0)


def test_an_episode_that_nothing_closed_counts_an_event_before_the_next_one() -> None:
    unclosed = pl.concat([STAYS, events_of((3, 50, "DEATH"))])
    assert (3, 2.0, 1.0) in said(ask_risk(unclosed, at="2h", **STAY))
    is_death = pl.col("code") == "DEATH"
    apart = ask_risk(unclosed.filter(~is_death), unclosed.filter(is_death), at="2h", **STAY)
    assert (3, 2.0, 1.0) in said(apart)
    assert apart.notes == {AFTER_FOLLOW_UP: (1, 1), AFTER_EPISODE: (1, 1)}  # of the fourth, and of the second


def test_an_episode_that_nothing_closed_had_no_event_where_none_came_before_the_next_one() -> None:
    unclosed = pl.concat([STAYS, events_of((3, 50, "ADMISSION"), (3, 50, "DEATH"), (3, 52, "DISCHARGE"))])
    assert said(ask_risk(unclosed, at="2h", **STAY))[3] == (3, 2.0, 0.0)


def test_a_span_that_is_named_ends_to_the_instant() -> None:
    watched = pl.concat([STAYS, events_of(*((p, 60, "y", 1.0) for p in (0, 1, 2, 3)))])
    found = ask_risk(watched, at="2h", **{**STAY, "to": "20h"})
    assert [value for *_, value in said(found)] == [1.0, 1.0, 0.0, 0.0]
    shorter = ask_risk(watched, at="2h", **{**STAY, "to": "19h"})
    assert [value for *_, value in said(shorter)] == [1.0, 0.0, 0.0, 0.0]
    assert ask_risk(STAYS, at="2h", **{**STAY, "to": "20h"}).asked.excluded == {INCOMPLETE: (1, 1)}


def test_of_episodes_that_overlap_each_has_its_own_window() -> None:
    twice = pl.concat([STAYS, events_of((3, 5, "ADMISSION"), (3, 12, "DEATH"))])
    found = said(ask_risk(twice, at="6h", **{**STAY, "to": "10h"}))
    assert [row for row in found if row[0] == 3] == [(3, 6.0, 0.0), (3, 11.0, 1.0)]


# Columns.

OUTCOMES = events_of((0, None, "died", 1.0), (1, None, "died", 0.0), (0, None, "sofa", 8.0), (1, None, "sofa", 2.0))


def test_an_outcome_without_a_time_gives_one_prediction_at_the_last_record() -> None:
    found = ask_risk(WATCHED, OUTCOMES, outcome={"column": "died"})
    assert said(found) == [(0, 40.0, 1.0), (1, 40.0, 0.0)]
    assert np.isnan(labels_of(found).event_hours).all()


def test_asked_at_several_times_an_outcome_without_a_time_is_repeated() -> None:
    found = ask_risk(WATCHED, OUTCOMES, outcome={"column": "died"}, at="every 20h")
    assert said(found) == [(0, 20.0, 1.0), (0, 40.0, 1.0), (1, 20.0, 0.0), (1, 40.0, 0.0)]
    assert set(labels_of(found).known) == {40 * HOUR}
    assert set(labels_of(ask_risk(WATCHED, OUTCOMES, outcome={"column": "died"}, at="2h", to="4h")).known) == {
        40 * HOUR
    }
    assert set(labels_of(ask_risk(WATCHED, OUTCOMES, outcome={"column": "died"}, at="2h", to="50h")).known) == {
        50 * HOUR
    }
    assert found.sequences.lengths.tolist() == [7, 7]  # one pass serves both times


def test_whose_outcome_is_missing_is_counted() -> None:
    third = pl.concat([WATCHED, events_of((2, 5, "y", 1.0))])
    found = ask_risk(third, pl.concat([OUTCOMES, events_of((2, None, "died"))]), outcome={"column": "died"})
    assert found.asked.excluded == {NOT_KNOWN: (1, 1)}


def test_an_outcome_of_a_person_with_several_episodes_needs_a_time() -> None:
    stays = events_of(
        (0, 0, "ADMISSION"), (0, 1, "y", 1.0), (0, 9, "ADMISSION"), (0, 10, "y", 1.0), (1, 0, "ADMISSION")
    )
    with pytest.raises(CohortError, match="several episodes"):
        ask_risk(stays, OUTCOMES, outcome={"column": "died"}, **{"from": {"code": "ADMISSION"}})


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        (("true", "false"), {}),
        (("True", "0"), {}),
        (("dead", "alive"), {"positive": " dead "}),
        (("missing", "seen"), {"positive": "missing"}),
        ((2.0, 1.0), {"positive": 2}),
    ],
)
def test_an_outcome_is_true_or_false_or_a_named_level(values: tuple[Any, Any], keys: dict[str, Any]) -> None:
    outcomes = events_of((0, None, "died", values[0]), (1, None, "died", values[1]))
    found = ask_risk(WATCHED, outcomes, outcome={"column": "died", **keys})
    assert [value for *_, value in said(found)] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "keys", "words"),
    [
        ([(0, None, "died", 2.0)], {}, "other than 0 and 1.*positive"),
        ([(0, None, "died", "dead")], {}, "other than 0 and 1.*positive"),
        ([(0, None, "died", "dead")], {"positive": "Dead"}, "nobody has the value of `positive`"),
        ([(0, 1, "died", 1.0), (0, 2, "died", 0.0)], {}, "several values of 'died'"),
        ([(p, None, "dies", 1.0) for p in range(11)], {}, "no table has a column 'died'.*'dies'"),
        ([(p, None, "dies", 1.0) for p in range(10)], {}, "no table has a column 'died'.*too rare to be listed"),
        ([], {}, "no table has a column 'died'.*`columns` of its table"),
    ],
)
def test_an_outcome_of_other_values_is_refused(rows: list[Any], keys: dict[str, Any], words: str) -> None:
    with pytest.raises(CohortError, match=words):
        ask_risk(WATCHED, events_of(*rows), outcome={"column": "died", **keys})


DATED = events_of((0, None, "left", 1.0), (0, None, "day", 1.25), (1, None, "left", 0.0), (1, None, "day", 1.5))
LEFT = {"column": "left", "time": "day", "time_unit": "days", "within": "6h"}


def test_an_outcome_with_a_time_is_one_within_the_window_until_it_happened() -> None:
    found = ask_risk(WATCHED, DATED, outcome=LEFT, at=["12h", "24h", "30h", "36h"])  # the first left at 30 h
    assert values_at(found) == {12.0: 0.0, 24.0: 1.0}
    assert values_at(found, 1) == {12.0: 0.0, 24.0: 0.0, 30.0: 0.0}
    assert found.asked.excluded == {HAD_IT: (2, 1), INCOMPLETE: (1, 1)}


def test_an_outcome_whose_value_or_time_is_missing_is_counted() -> None:
    some = pl.concat([DATED.head(3), events_of((2, None, "left", 1.0), (3, None, "day", 1.0))])
    people = pl.concat([WATCHED, events_of((2, 0, "y", 1.0), (3, 0, "y", 1.0))])
    found = ask_risk(people, some, outcome=LEFT, at="24h")
    assert found.asked.excluded == {NOT_DATED: (1, 1), NOT_KNOWN: (1, 1)}


def test_a_time_is_read_as_the_table_wrote_it() -> None:
    outcomes = events_of((0, None, "left", 1.0), (0, None, "year", 1.095), (1, None, "left", 0.0))
    at = 1.095 * 365.25 * 24
    years = events_of(
        (0, 0, "y", 1.0), (0, at, "y", 1.0), (0, 2 * at, "y", 1.0), (1, 0, "y", 1.0), (1, 9 * at, "y", 1.0)
    )
    found = ask_risk(years, outcomes, outcome={"column": "left", "time": "year", "time_unit": "years", "within": "2y"})
    assert values_at(found) == {0.0: 1.0}  # the record at 1.095 years is no record before the event


def test_a_time_in_seconds_has_all_its_digits() -> None:
    at = 90_000_001  # single precision knows 90,000,000 and 90,000,008
    watched = events_of(*((0, (at + ahead) / 3600, "y", 1.0) for ahead in (-2, 0, 2, 40)))
    outcomes = events_of((0, None, "left", 1.0)).cast({"numeric_value": pl.Float64})
    outcomes = pl.concat([outcomes, outcomes.with_columns(code=pl.lit("s"), numeric_value=pl.lit(float(at + 1)))])
    left = {"column": "left", "time": "s", "time_unit": "seconds", "within": "1s"}
    found = ask_risk(watched, outcomes, outcome=left)
    assert list(values_at(found).values()) == [0.0, 1.0]
    assert found.asked.excluded == {HAD_IT: (2, 1)}


def test_rows_of_an_outcome_table_may_carry_their_own_time() -> None:
    rows = events_of((0, 3, "left", 0.0), (0, 30, "left", 1.0), (1, 3, "left", 0.0))
    found = ask_risk(WATCHED, rows, outcome={"column": "left", "time": "when", "within": "6h"}, at=["12h", "24h"])
    assert values_at(found) == {12.0: 0.0, 24.0: 1.0}
    assert values_at(found, 1) == {12.0: 0.0, 24.0: 0.0}


def test_windows_without_a_visit_are_noted_where_visits_say_yes_or_no() -> None:
    rows = events_of(*((p, hour, "left", float(p < 1 and hour == 30)) for p in (0, 1) for hour in (3, 9, 30)))
    found = ask_risk(WATCHED, rows, outcome={"column": "left", "time": "when", "within": "6h"}, at=["1h", "12h", "24h"])
    assert values_at(found) == {1.0: 0.0, 12.0: 0.0, 24.0: 1.0}
    assert found.notes == {NOT_MEASURED: (2, 2)}


FOUR = pl.concat([WATCHED, events_of(*((p, hour, "y", 1.0) for p in (2, 3) for hour in (0, 40)))])


def test_of_rows_with_their_own_time_an_event_without_one_is_one_that_nothing_dates() -> None:
    rows = events_of(
        *((0, None, "left", 1.0), (0, 12, "left", 0.0), (1, None, "left", 1.0), (1, 30, "left", 1.0)),
        (2, None, "left", 0.0),
    )
    found = ask_risk(FOUR, rows, outcome={"column": "left", "time": "when", "within": "6h"}, at=["12h", "24h"])
    assert said(found) == [(1, 12.0, 0.0), (1, 24.0, 1.0), (2, 12.0, 0.0), (2, 24.0, 0.0)]
    assert found.asked.excluded == {NOT_DATED: (2, 1), NOT_KNOWN: (2, 1)}


def test_of_rows_with_their_own_time_a_third_value_is_noted_too() -> None:
    fates = enumerate(["dead", "alive", "alive", "moved"])
    rows = events_of(*((p, 30, "fate", what) for p, what in fates), (0, 12, "fate", "moved"))
    outcome = {"column": "fate", "time": "when", "positive": "dead", "within": "6h"}
    found = ask_risk(FOUR, rows, outcome=outcome, at=["12h", "24h", "36h"])  # at 36 h too late
    assert [value for *_, value in said(found)] == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert found.notes == {OTHER_LEVEL: (3, 2)}


def test_the_day_of_an_outcome_is_that_of_its_first_event() -> None:
    day, next_day = DAY - 1 / HOUR, 2 * DAY - 1 / HOUR  # dates only are known at the end of their day
    events = events_of(
        (0, 0, "D", None, day), (0, DAY, "D", None, next_day), (1, 5, "D"), (1, DAY, "D", None, next_day)
    )
    seen = Seen(events=events, outcomes=NOTHING, people=3, clock=Clock(calendar=True))
    found = what_happened(seen, OutcomeSettings(code="D", within="1d"))
    assert found.day_end.tolist() == [24 * HOUR - 1, NEVER, NEVER]


@pytest.mark.parametrize(
    ("cell", "keys", "clock", "words"),
    [
        (1.0, {}, Clock(), "write `time_unit`"),
        (1.0, {"time_unit": "days"}, Clock(calendar=True), "the times of the records are dates"),
        ("2024-01-01", {}, Clock(), "the times of the records are numbers"),
        ("2024-01-01", {"time_unit": "days"}, Clock(calendar=True), "Remove `time_unit`"),
        ("in May", {}, Clock(calendar=True), "ISO 8601"),
        (6e7, {"time_unit": "days"}, Clock(), "too large for times in days"),
    ],
)
def test_a_time_of_an_outcome_is_refused_where_it_is_none(cell: Any, keys: Any, clock: Clock, words: str) -> None:
    from sequela.cohort import ask

    outcomes = events_of((0, None, "left", 1.0), (0, None, "day", cell), (1, None, "left", 0.0))
    question = risk(outcome={"column": "left", "time": "day", "within": "6h", **keys})
    with pytest.raises(CohortError, match=words):
        ask(WATCHED, 2, question, outcomes=outcomes, clock=clock)


@pytest.mark.parametrize(
    ("clock", "labels"),
    [
        (Clock(calendar=True), {12.0: 0.0, 18.0: 0.0, 24.0: 1.0}),
        (Clock(calendar=True, time_zone="Asia/Tokyo"), {12.0: 0.0, 18.0: 1.0}),
    ],
)
def test_dates_of_an_outcome_are_read_in_the_time_zone_of_the_study(clock: Clock, labels: dict[float, float]) -> None:
    from sequela.cohort import ask

    outcomes = events_of((0, None, "left", 1.0), (0, None, "day", "1970-01-02T06:00"), (1, None, "left", 0.0))
    question = risk(outcome={"column": "left", "time": "day", "within": "6h"}, at=["12h", "18h", "24h"])
    assert values_at(ask(WATCHED, 2, question, outcomes=outcomes, clock=clock)) == labels


# Inputs and live use.


def test_columns_of_the_outcome_leave_the_inputs_and_a_thresholded_code_stays() -> None:
    together = pl.concat([WATCHED, DATED])
    events, outcomes = set_apart(together, None, risk(outcome=LEFT, follow_up={"column": "day"}))
    assert set(outcomes["code"]) == {"left", "day"}
    assert not set(events["code"]) & {"left", "day"}
    stays, nothing = set_apart(PRESSURE, None, risk(outcome=LOW))
    assert stays.equals(PRESSURE)
    assert nothing.is_empty()


def test_people_without_a_record_are_asked_from_the_origin_with_nothing_seen() -> None:
    some = pl.concat([WATCHED, events_of((2, None, "sex", "f"))])
    outcomes = pl.concat([OUTCOMES, events_of((2, None, "died", 1.0))])
    found = ask_risk(some, outcomes, outcome={"column": "died"}, at="48h", min_records=0, **{"from": "origin"})
    assert said(found)[-1] == (2, 48.0, 1.0)
    assert found.sequences.read[-1] == -1
    assert found.asked.excluded == {}


def test_who_is_known_to_have_had_it_is_not_asked_live() -> None:
    found = ask_live(WATCHED, people_of(WATCHED), risk(outcome=FALL))
    assert (found.asked.time[found.asked.person == 0] / HOUR).tolist() == [0.0, 4.0, 6.0]
    assert found.asked.excluded == {HAD_IT: (4, 1)}
    again = ask_live(WATCHED, people_of(WATCHED), risk(outcome={**FALL, "recurrent": True}))
    assert len(again.asked.time) == 14


def test_live_the_outcome_need_not_be_in_the_records() -> None:
    quiet = WATCHED.filter(pl.col("code") == "y")
    for outcome in (FALL, {"code": "MAP", "below": 65, "within": "1h"}, {"column": "died"}):
        assert ask_live(quiet, 2, risk(outcome=outcome, at="last record")).asked.excluded == {}
