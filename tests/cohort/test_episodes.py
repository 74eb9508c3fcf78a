from __future__ import annotations

import pytest
from asking import asked, events_of, spans, times

from sequela.cohort import episodes
from sequela.cohort.episodes import AFTER_NOW, BEYOND_EPISODE, NEVER_ASKED, TOO_FEW_RECORDS, last_of_each
from sequela.errors import CohortError

ONE = events_of((0, 2, "x", 1.0), (0, 5, "x", 2.0), (0, 30, "y", 3.0))
TWO_STAYS = events_of(
    *((0, hour, "x", 1.0) for hour in (-3, 1, 4, 9, 20, 24)),
    *((0, 0, "ADMISSION//ward"), (0, 8, "DISCHARGE"), (0, 20, "ADMISSION//icu")),
)


def test_an_episode_lasts_from_the_first_to_the_last_record() -> None:
    assert spans(ONE) == [(0, 2.0, 30.0, True)]


def test_an_episode_from_the_origin_begins_at_time_zero_whatever_lies_before() -> None:
    early = events_of((0, -5, "x", 1.0), (0, 7, "x", 1.0))
    assert spans(early, **{"from": "origin", "to": "6h"}) == [(0, 0.0, 6.0, False)]
    assert times(early, **{"from": "origin"}) == [(0, 0.0, 7.0)]
    assert spans(early[:1], **{"from": "origin"}) == [(0, 0.0, 0.0, True)]


def test_each_match_of_a_code_by_prefix_opens_an_episode_until_the_next() -> None:
    assert spans(TWO_STAYS, **{"from": {"code": "ADM"}}) == [(0, 0.0, 9.0, True), (0, 20.0, 24.0, True)]
    found = [time for _, _, time in times(TWO_STAYS, **{"from": {"code": "ADM"}})]
    assert found == [0.0, 1.0, 4.0, 8.0, 9.0, 20.0, 24.0]  # admissions and discharges are records too


def test_a_code_that_closes_leaves_the_rest_open() -> None:
    found = spans(TWO_STAYS, **{"from": {"code": "ADM"}, "to": {"code": ["DIS", "MEDS_DEATH"]}})
    assert found == [(0, 0.0, 8.0, False), (0, 20.0, 24.0, True)]


def test_the_end_of_an_episode_is_outside_of_it() -> None:
    assert [t for *_, t in times(ONE, to="3h")] == [2.0]
    assert [t for *_, t in times(ONE, to="3h", at="every 1h")] == [3.0, 4.0]


def test_an_event_opens_an_episode_when_it_is_known() -> None:
    late = events_of((0, 0, "ADMISSION", None, 3), (0, 1, "x", 1.0), (0, 4, "x", 1.0))
    assert times(late, **{"from": {"code": "ADMISSION"}}) == [(0, 3.0, 3.0), (0, 3.0, 4.0)]


def test_a_code_that_no_record_of_a_study_has_is_refused_and_of_new_people_is_not() -> None:
    for key in ("from", "to"):
        with pytest.raises(CohortError, match="begins with 'NOWHERE'"):
            asked(ONE, **{key: {"code": "NOWHERE"}})
    late = events_of((0, 0, "ADMISSION", None), (0, 1, "x", 1.0))
    with pytest.raises(CohortError, match=r"Did you mean 'ADMISSION'\?"):
        asked(late, **{"from": {"code": "ADMISION"}})
    assert len(asked(ONE, live=True, **{"from": {"code": "NOWHERE"}}).time) == 0
    assert len(asked(ONE, live=True, to={"code": "NOWHERE"}).time) == 3


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("every record", [2, 5, 30]),
        ("first record", [2]),
        ("last record", [30]),
        ("4h", [6]),
        (["1h", "48h"], [3, 50]),
        ("every 7h", [9, 16, 23, 30]),
    ],
)
def test_prediction_times_are_those_that_at_names(at: str | list[str], expected: list[float]) -> None:
    assert [t for *_, t in times(ONE, at=at)] == expected


def test_too_many_times_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "_LARGEST_GRID", 28)
    assert len(times(ONE, at="every 1h")) == 28
    with pytest.raises(CohortError, match="asks for 56 prediction times, more than 28"):
        times(ONE, at="every 30min")


def test_the_last_time_of_a_person_may_lie_in_an_earlier_episode() -> None:
    stays = events_of((0, 0, "ADM"), (0, 3, "ADM"))
    found = asked(stays, live=True, now=8, to="12h", at="every 4h", **{"from": {"code": "ADM"}})
    assert (found.time / 3.6e9).tolist() == [4.0, 8.0, 7.0]
    assert (last_of_each(found).time / 3.6e9).tolist() == [8.0]


def test_what_is_known_late_is_a_record_when_it_is_known() -> None:
    late = events_of((0, 1, "x", 1.0), (0, 2, "y", 1.0, 6))
    assert [t for *_, t in times(late)] == [1.0, 6.0]


def test_a_named_time_lies_neither_after_the_end_nor_in_the_next_episode_and_is_counted() -> None:
    found = asked(TWO_STAYS, at=["2h", "22h"], **{"from": {"code": "ADM"}})
    assert found.excluded == {BEYOND_EPISODE: (1, 1)}
    assert asked(ONE, at="4h", to="3h").excluded == {BEYOND_EPISODE: (1, 1)}


@pytest.mark.parametrize(("fewest", "left"), [(0, 4), (1, 3), (2, 2), (3, 0)])
def test_min_records_counts_distinct_instants_up_to_the_time(fewest: int, left: int) -> None:
    twice = events_of((0, 2, "x", 1.0), (0, 2, "y", 1.0), (0, 5, "x", 1.0))
    found = asked(twice, at=["1h", "2h", "5h", "9h"], min_records=fewest, **{"from": "origin"})
    assert len(found.time) == left
    assert found.excluded == ({TOO_FEW_RECORDS: (4 - left, 1)} if left < 4 else {})


def test_people_who_are_never_asked_are_counted() -> None:
    some = events_of((0, 0, "ADMISSION"), (0, 1, "x", 1.0), (1, 1, "x", 1.0), (2, None, "sex", "f"))
    assert asked(some, **{"from": {"code": "ADMISSION"}}).excluded == {NEVER_ASKED: (0, 2)}


def test_now_carries_only_the_last_open_episode_on() -> None:
    keys = {"from": {"code": "ADM"}}
    inside = [(start, time) for _, start, time in times(TWO_STAYS, live=True, now=30, at="every 3h", **keys)]
    assert inside == [(0.0, 3.0), (0.0, 6.0), (0.0, 9.0), (20.0, 23.0), (20.0, 26.0), (20.0, 29.0)]
    assert times(TWO_STAYS, live=True, now=30, **keys) == times(TWO_STAYS, **keys)


def test_nothing_is_asked_after_now_even_where_the_episode_has_a_fixed_end() -> None:
    found = asked(ONE, live=True, now=10, to="96h", at="every 6h")
    assert (found.time / 3.6e9).tolist() == [8.0]
    assert found.excluded == {AFTER_NOW: (14, 1)}
    assert (asked(ONE, live=True, to="96h", at="every 6h").time / 3.6e9).tolist() == [8.0, 14.0, 20.0, 26.0]


def test_a_time_between_the_last_record_of_a_stay_and_the_next_stay_is_asked_live_too() -> None:
    keys = {"from": {"code": "ADM"}, "at": "15h"}
    assert times(TWO_STAYS, **keys)[0] == (0, 0.0, 15.0)
    assert times(TWO_STAYS, live=True, **keys) == [(0, 0.0, 15.0)]


def test_from_the_origin_a_person_without_a_record_yet_is_asked_with_nothing_known() -> None:
    later = events_of((0, 2, "x", 1.0), (1, 50, "x", 1.0), (1, 60, "x", 1.0))
    keys = {"from": "origin", "at": "12h", "min_records": 0}
    assert (1, 0.0, 12.0) in times(later, **keys)
    known = events_of((0, 2, "x", 1.0), (1, None, "sex", "f"))
    assert (1, 0.0, 12.0) in times(known, live=True, now=12, **keys)


def test_live_nobody_is_asked_before_their_origin_or_after_records_that_they_have_not() -> None:
    known = events_of((0, 20, "x", 1.0), (1, None, "sex", "f"))
    keys = {"from": "origin", "min_records": 0}
    found = asked(known, live=True, at="12h", **keys)
    assert (found.person.tolist(), found.excluded) == ([0], {AFTER_NOW: (1, 1)})
    assert times(known[1:], live=True, now=-3, at="every 1h", **keys) == []
