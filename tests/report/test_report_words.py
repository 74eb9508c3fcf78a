"""Numbers, durations and questions in words."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from sequela.report import figures, privacy, question, risk_question, words
from sequela.report.words import aligned, decimals_for, duration, fixed, hours_in_words, listed, signed


@pytest.mark.parametrize(
    "module", [figures, privacy, question, risk_question, words], ids=lambda module: module.__name__
)
def test_examples_in_docstrings_hold(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_numbers_have_true_minus_signs_and_no_negative_zero() -> None:
    assert [fixed(value, 2) for value in (-1.5, -0.001, 12345.678, float("nan"))] == ["−1.50", "0.00", "12,345.68", "–"]
    assert [signed(value, 1) for value in (0.25, -0.25, 0.0, None)] == ["+0.2", "−0.2", "0.0", "–"]


def test_decimals_follow_the_largest_number() -> None:
    assert [decimals_for([value]) for value in (0.0123, 1.5, 17.4, 303.2, 5_000.0, 0.0)] == [4, 3, 2, 1, 0, 3]
    assert [decimals_for([value]) for value in (0.00584, 5.84e-7, 1e-300)] == [5, 9, 12]
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
         "At 1 year and 3 years after the first record, forecast sbp 1 year later from all records until then."),
    ],
)  # fmt: skip
def test_a_question_reads_as_a_sentence(asked: dict[str, Any], sentence: str) -> None:
    assert question.question_in_words(asked, ["sbp"]) == sentence


@pytest.mark.parametrize(
    ("asked", "sentence", "facts"),
    [
        ({"at": "every 6h", "outcome": {"code": "MAP", "below": 65.0, "within": "1h", "recurrent": True}},
         ("Every 6 hours, from the first record to the last, state the risk of \"x\" within 1 hour, from all records "
         "until then."),
         {"At risk": "everybody who is asked, also after an event: it can happen again",
          "Outcome": "a value of MAP below 65; its past values are inputs, later ones are not"}),
        ({"from": {"code": "ADMISSION"}, "to": {"code": "DISCHARGE"}, "at": "48h", "incomplete": "no event",
          "outcome": {"code": "MEDS_DEATH"}, "follow_up": {"code": "LOST"}},
         ("At 48 hours after each ADMISSION, state the risk of \"x\" before the episode ends, from all records until "
         "then."),
         {"Follow-up": "until the next LOST",
          "Incomplete follow-up": "whose follow-up ends within the horizon without an event counts as without an event",
          "Time horizon": "from the moment of the prediction to the end of the episode: the next DISCHARGE"}),
        ({"at": "last record", "history": "48h", "min_records": 3, "follow_up": {"column": "seen"},
          "outcome": {"column": "out", "time": "days", "positive": 2, "within": "1y"}},
         ("At the last record of a person, state the risk of \"x\" within 1 year, from the records of the last 48 "
          "hours."),
         {"Outcome": "the column out (the value 2), dated by the column days; it is never an input",
          "Asked": "at the last record of a person, once a person has 3 records",
          "Follow-up": "until the time in the column seen"}),
        ({"labels": "labels.parquet"},
         "At each time of the table of labels, state the risk of its label, from all records until then.", {}),
    ],
)  # fmt: skip
def test_a_question_of_risk_reads_as_a_sentence(asked: dict[str, Any], sentence: str, facts: dict[str, str]) -> None:
    assert risk_question.risk_in_words(asked, "x") == sentence
    assert facts.items() <= dict(risk_question.risk_facts(asked, "x")).items()


def test_a_report_says_of_zero_that_it_is_of_the_variables_own_unit() -> None:
    """0 mL, not 0 after scaling, which would be the mean: docs/decisions/zero_in_the_codes_unit.md."""
    words = question.preparation_in_words({"missing": "zero"}, ["values"])
    assert "zero, in the variable's own unit, stands in" in words


def test_who_was_divided_and_asked_is_told_as_the_study_does_it() -> None:
    assert "a person may stand on both sides" in question.split_in_words("time", 1)
    assert "every model was trained 3 times, each time without one fold" in question.split_in_words("subject", 3)
    notes = question.question_notes({"min_records": 0})
    assert notes[1:] == ["A forecast is made also of people of whom nothing is known yet."]
