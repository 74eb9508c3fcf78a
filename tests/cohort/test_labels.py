from __future__ import annotations

import numpy as np
import pytest
from asking import HOUR, asked, events_of, people_of, question

from sequela.cohort import ask
from sequela.cohort.ask import NO_TARGET
from sequela.cohort.labels import Labels, forecast_labels
from sequela.errors import CohortError

SERIES = events_of((0, 0, "y", 0.0), (0, 4, "x", 4.0), (0, 6, "x", 6.0), (0, 10, "x", 10.0), (0, 30, "x", 30.0))


def labels(events: object = SERIES, **keys: object) -> Labels:
    return forecast_labels(events, asked(events, **keys), question(**keys), people_of(events))  # type: ignore[arg-type]


def test_the_next_record_is_the_first_strictly_later_measurement() -> None:
    found = labels()
    assert found.value[:, 0, 0].tolist()[:4] == [4.0, 6.0, 10.0, 30.0]
    assert np.isnan(found.value[4, 0, 0])
    assert found.hours[:4, 0, 0].tolist() == [4.0, 2.0, 4.0, 20.0]


@pytest.mark.parametrize(
    ("horizon", "tolerance", "expected"),
    [
        ("4h", "auto", 4.0),
        ("5h", "auto", 4.0),  # 4 and 6 are equally near: the earlier
        ("8h", "auto", 6.0),  # 6 and 10 lie at the tolerance of 2 h: the earlier
        ("8h", "1h", None),
        ("20h", "auto", None),
        ("20h", "10h", 10.0),  # 10 and 30 are equally near
        ("21h", "10h", 30.0),
        ("1h", "90d", 4.0),  # never at or before the prediction time
    ],
)
def test_a_duration_takes_the_nearest_measurement_within_the_tolerance(
    horizon: str, tolerance: str, expected: float | None
) -> None:
    value = labels(horizon=horizon, tolerance=tolerance, at="first record").value[0, 0, 0]
    assert np.isnan(value) if expected is None else value == expected


def test_a_value_measured_before_and_known_after_the_time_is_no_label() -> None:
    late = events_of((0, 1, "x", 1.0), (0, 2, "x", 2.0, 9), (0, 3, "y", 0.0), (0, 8, "x", 8.0))
    found = labels(late)
    assert asked(late).time.tolist() == [1 * HOUR, 3 * HOUR, 8 * HOUR, 9 * HOUR]
    assert found.value[:2, 0, 0].tolist() == [2.0, 8.0]
    assert found.known[:2].tolist() == [9 * HOUR, 8 * HOUR]


def test_the_last_correction_of_a_label_counts_and_says_when_it_was_known() -> None:
    corrected = events_of((0, 1, "x", 1.0), (0, 5, "x", 5.0), (0, 5, "x", 5.5, 20))
    found = labels(corrected)
    assert found.value[0, 0, 0] == 5.5
    assert found.known[0] == 20 * HOUR


def test_several_horizons_and_targets_stand_in_their_order() -> None:
    both = events_of((0, 0, "x", 0.0), (0, 2, "x", 2.0), (0, 4, "z", 4.0))
    value = labels(both, target=["x", "z"], horizon=["2h", "4h"], at="first record").value[0]
    assert np.array_equal(value, [[2.0, np.nan], [np.nan, 4.0]], equal_nan=True)


def test_predictions_without_a_label_are_excluded_and_counted() -> None:
    cohort = ask(SERIES, 1, question())
    assert cohort.asked_before_labels == 5
    assert cohort.asked.excluded == {NO_TARGET[True]: (1, 1)}


def test_a_question_that_leaves_nobody_says_why() -> None:
    with pytest.raises(CohortError, match="fewer records than min_records: 5"):
        ask(SERIES, 1, question(min_records=9))


@pytest.mark.parametrize(("target", "words"), [("z", "no record has the code"), ("sex", "nothing to forecast")])
def test_a_target_without_numbers_in_time_is_refused(target: str, words: str) -> None:
    with pytest.raises(CohortError, match=words):
        ask(events_of((0, 1, "x", 1.0), (0, None, "sex", "f")), 1, question(target=target))
