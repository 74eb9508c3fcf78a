"""Numbers, durations and questions in words."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from sequela.report import figures, privacy, question, words
from sequela.report.words import aligned, decimals_for, duration, fixed, hours_in_words, listed, signed


@pytest.mark.parametrize("module", [figures, privacy, question, words], ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_numbers_have_true_minus_signs_and_no_negative_zero() -> None:
    assert [fixed(value, 2) for value in (-1.5, -0.001, 12345.678, float("nan"))] == ["−1.50", "0.00", "12,345.68", "–"]
    assert [signed(value, 1) for value in (0.25, -0.25, 0.0, None)] == ["+0.2", "−0.2", "0.0", "–"]


def test_decimals_follow_the_largest_number() -> None:
    assert [decimals_for([value]) for value in (0.0123, 1.5, 17.4, 303.2, 5_000.0, 0.0)] == [4, 3, 2, 1, 0, 3]
    assert decimals_for([None]) == 3


def test_intervals_stand_under_each_other() -> None:
    assert aligned(["[9.1, 10.2]", "", "[11.0, 12.1]"], pad=" ") == ["[ 9.1, 10.2]", "", "[11.0, 12.1]"]


def test_lists_and_durations() -> None:
    assert [listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [duration(text) for text in ("90s", "1d", "2.5h", "whenever")] == [
        "90 seconds",
        "1 day",
        "2.5 hours",
        "whenever",
    ]
    assert [hours_in_words(hours) for hours in (0.5, 24, 8766)] == ["30 minutes", "24 hours", "1 year"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, ("At every record of a person, from the first record to the last, forecast the next record's sbp from "
             "this and all earlier records.")),
        ({"from": "origin", "to": "96h", "at": "every 6h", "horizon": ["6h", "1d"], "history": "48h"},
         ("Every 6 hours, from time 0 to 96 hours later, forecast sbp 6 hours and 1 day later from the records of the "
         "last 48 hours.")),
        ({"from": {"code": "ADMISSION"}, "to": {"code": ["DISCHARGE", "DEATH"]}, "at": "last record"},
         ("At the last record of a person, from each ADMISSION to the next DISCHARGE or DEATH, forecast the next "
         "record's sbp from this and all earlier records.")),
        ({"at": ["1y", "3y"], "horizon": "1y"},
         "At 1 year and 3 years after the first record, forecast sbp 1 year later from this and all earlier records."),
    ],
)  # fmt: skip
def test_a_question_reads_as_a_sentence(asked: dict[str, Any], sentence: str) -> None:
    assert question.question_in_words(asked, ["sbp"]) == sentence
