"""What a study says of ranges, scores and amounts, and how it is refused."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from small_study import study_document

from sequela.errors import StudyError
from sequela.prepare import PrepareSettings
from sequela.prepare.clinical import ClinicalSettings
from sequela.study.settings import parse_study, resolved

RISK: dict[str, Any] = {
    "question": {"kind": "risk", "outcome": {"code": "sbp", "above": 150, "within": "30d"}},
    "evaluate.baselines": ["logistic"],
}


def refusal(clinical: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(StudyError) as refused:
        parse_study(study_document(RISK | {"prepare.clinical": clinical} | changes), "study.toml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("clinical", "said"),
    [
        ({"reference": {"sbp": [140, 90]}}, "the range of 'sbp' is upside down: write it as [lowest, highest]"),
        ({"reference": {"sbp": [90, 90]}}, "the range of 'sbp' is upside down"),
        ({"reference": {"sbp": ["none", "none"]}}, "the range of 'sbp' has no end"),
        ({"scores": {"s": {"parts": {}}}}, "a table"),
        ({"scores": {"s": {"parts": {"sbp": {}}}}}, "a part needs points"),
        ({"scores": {"s": {"window": "soon", "parts": {"sbp": {"below": [[90, 1]]}}}}}, '"soon" is no time'),
        ({"scores": {"s": {"parts": {"sbp": {"under": [[90, 1]]}}}}}, "Known here: at_least, below, of."),
        ({"scores": {"s": {"sbp": {"below": [[90, 1]]}}}}, "Known here: parts, window."),
        ({"amounts": ["sbp - dbp / sbp"]}, "is no amount"),
        ({"amounts": ["sbp", "sbp"]}, "names the same thing twice"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(clinical: dict[str, Any], said: str) -> None:
    assert said in refusal(clinical)


def test_a_forecast_has_no_use_for_them() -> None:
    document = study_document({"prepare.clinical": {"amounts": ["sbp"]}})
    with pytest.raises(StudyError, match=r"prepare.clinical is for a risk"):
        parse_study(document, "study.toml")


@pytest.mark.parametrize(
    ("clinical", "key"),
    [
        ({"reference": {"spb": [90, 140]}}, "reference"),
        ({"scores": {"s": {"parts": {"spb": {"below": [[90, 1]]}}}}}, "scores.s"),
        ({"amounts": ["sbp / spb"]}, "amounts"),
    ],
)
def test_a_code_that_no_record_has_is_refused_with_the_nearest(clinical: dict[str, Any], key: str) -> None:
    with pytest.raises(StudyError, match=rf"\[prepare.clinical\] {key}: no record has the code 'spb'.*'sbp'"):
        PrepareSettings(clinical=ClinicalSettings.model_validate(clinical)).check_codes(["sbp", "dbp"])


def test_the_resolved_study_reads_back_as_the_same() -> None:
    clinical = {
        "reference": {"sbp": [90, 140], "dbp": ["none", 90]},
        "scores": {"s": {"parts": {"sbp": {"below": [[90, 1]], "at_least": [[150, 2.5]]}}}},
        "amounts": ["sbp / dbp"],
    }
    study = parse_study(study_document(RISK | {"prepare.clinical": clinical}), "study.toml")
    assert parse_study(tomllib.loads(resolved(study)), "study.toml") == study
