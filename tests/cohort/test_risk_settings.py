from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sequela.cohort import ForecastQuestion, Question, RiskQuestion

QUESTION: TypeAdapter[ForecastQuestion | RiskQuestion] = TypeAdapter(Question)
DEATH = {"code": "MEDS_DEATH", "within": "1y"}


def asked(**keys: Any) -> RiskQuestion:
    found = QUESTION.validate_python({"kind": "risk", **keys})
    assert isinstance(found, RiskQuestion)
    return found


def test_the_kind_decides_which_question_it_is() -> None:
    assert isinstance(QUESTION.validate_python({"kind": "forecast", "target": "sbp"}), ForecastQuestion)
    assert asked(outcome=DEATH).kind == "risk"


def test_a_question_reads_back_as_it_was_written() -> None:
    for keys in ({"outcome": DEATH}, {"outcome": {"column": "died"}}, {"labels": "labels.parquet"}):
        question = asked(**keys)
        written = question.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert QUESTION.validate_python(written) == question


@pytest.mark.parametrize(
    ("outcome", "at"),
    [
        ({"column": "died"}, "last record"),
        ({"column": "died", "time": "day", "time_unit": "days", "within": "1y"}, "every record"),
        (DEATH, "every record"),
    ],
)
def test_an_outcome_without_a_time_is_asked_once_an_episode(outcome: Any, at: str) -> None:
    assert asked(outcome=outcome).at == at
    assert asked(outcome=outcome, at="every 6h").at == "every 6h"


@pytest.mark.parametrize(
    ("outcome", "name", "hours"),
    [
        ({"code": "MAP", "below": 65, "within": "1h"}, "MAP below 65", 1.0),
        ({"code": ["A", "B"], "within": "2d"}, "A or B", 48.0),
        ({"code": "headache", "positive": "yes", "within": "1d"}, "headache is yes", 24.0),
        ({"column": "died"}, "died", None),
    ],
)
def test_an_outcome_has_a_name_and_a_reach(outcome: Any, name: str, hours: float | None) -> None:
    question = asked(outcome=outcome)
    assert (question.name, question.within_hours) == (name, hours)


def test_columns_that_are_no_inputs_are_named_once() -> None:
    outcome = {"column": "status", "time": "years", "time_unit": "years", "within": "5y"}
    assert asked(outcome=outcome, follow_up={"column": "years"}).columns_apart == ["status", "years"]
    assert asked(outcome=outcome, follow_up={"column": "left"}).columns_apart == ["status", "years", "left"]
    assert asked(outcome=DEATH).columns_apart == []
    assert ForecastQuestion(target="sbp").columns_apart == []


def test_a_question_looks_for_the_codes_of_its_episodes_its_outcome_and_its_follow_up() -> None:
    keys = {"from": {"code": "ADM"}, "to": {"code": ["DIS", "DEATH"]}, "follow_up": {"code": "LEFT"}}
    assert asked(outcome={"code": ["A", "B"]}, **keys).code_prefixes == ["ADM", "DIS", "DEATH", "A", "B", "LEFT"]
    assert ForecastQuestion(target="sbp").code_prefixes == []


def test_one_record_must_be_known_unless_the_study_says_otherwise() -> None:
    assert ForecastQuestion(target="sbp").min_records == asked(outcome=DEATH).min_records == 1


def test_prediction_times_of_a_table_of_labels_are_no_records() -> None:
    assert all(asked(outcome=DEATH, at=f"{which} record").reads_at_records for which in ("every", "first", "last"))
    assert not asked(outcome=DEATH, at="24h").reads_at_records
    assert not asked(labels="labels.parquet").reads_at_records


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "either `outcome`.*or `labels`"),
        ({"outcome": DEATH, "labels": "x.csv"}, "either `outcome`.*or `labels`"),
        ({"outcome": {}}, "either `column` or `code`"),
        ({"outcome": {"code": "A", "column": "b"}}, "either `column` or `code`"),
        ({"outcome": {"column": "b", "below": 3}}, "`below` goes with an outcome's `code`"),
        ({"outcome": {"code": "A", "time": "b", "within": "1h"}}, "`time` goes with an outcome's `column`"),
        ({"outcome": {"code": "A", "positive": "yes", "above": 5, "within": "1h"}}, "keep one"),
        ({"outcome": {"code": "A", "above": 5, "below": 3, "within": "1h"}}, "keep one"),
        ({"outcome": {"code": "A", "within": "soon"}}, '`within` cannot be "soon"'),
        ({"outcome": {"code": "A"}}, "write `within`.*or an end of the episode in `to`"),
        ({"outcome": {"column": "b", "within": "1y"}}, "name the column with its `time`"),
        ({"outcome": {"column": "b", "time": "b", "within": "1y"}}, "name two columns.*column of 0 and 1"),
        ({"outcome": {"column": "b", "time_unit": "days"}}, "`time_unit` is that of `time`"),
        ({"outcome": {"column": "b", "recurrent": True}}, "remove `recurrent`"),
        ({"outcome": {"column": "b"}, "incomplete": "no event"}, "need an outcome with a `time`"),
        ({"outcome": {"column": "b"}, "follow_up": {"column": "c"}}, "need an outcome with a `time`"),
        ({"outcome": DEATH, "follow_up": {}}, 'is "last record", { code'),
        ({"outcome": DEATH, "follow_up": {"code": "A", "time_unit": "days"}}, "goes with the `column`"),
        ({"labels": "x.csv", "at": "24h"}, "remove `at`"),
        ({"labels": "x.csv", "incomplete": "no event"}, "remove `incomplete`"),
        ({"outcome": DEATH, "target": "sbp"}, '`target` goes with kind = "forecast"'),
        ({"outcome": DEATH, "at": ["6h", "6h"]}, "names the same thing twice"),
        ({"outcome": DEATH, "from": "birth"}, "`from` must be"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        asked(**keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"horizon": ["next record", "6h"]}, '"next record" beside durations'),
        ({"horizon": ["24h", "1d"]}, "`horizon` lists one span twice"),
        ({"at": ["1d", "24h"]}, "`at` lists one span twice"),
    ],
)
def test_spans_that_cannot_stand_together_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ForecastQuestion(target="sbp", **keys)


@pytest.mark.parametrize("key", ["outcome", "labels", "follow_up", "incomplete"])
def test_a_forecast_says_which_keys_are_of_a_risk(key: str) -> None:
    with pytest.raises(ValidationError, match=f'`{key}` goes with kind = "risk"'):
        QUESTION.validate_python({"kind": "forecast", "target": "sbp", key: "x"})
