"""What a study says of a code on which it cannot act is refused, with what the code holds."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from preparing import events_of
from pydantic import ValidationError

from sequela.errors import StudyError
from sequela.prepare import PrepareSettings
from sequela.prepare.use import check_use, held_by_code

EVENTS = events_of(
    *((0, 0, "crp", 5.0), (0, 0, "ward", "A"), (0, None, "height", 170.0), (0, None, "sex", "f")),
    *((0, 1, "fall", None), (0, 2, "culture", 1.0), (0, 3, "culture", "growth")),
)
CLINICAL = {"parts": {"ward": {"below": [[1, 1]]}}}


def check(**keys: Any) -> None:
    settings = PrepareSettings(**keys)
    check_use(settings, held_by_code(EVENTS, settings.derived))


def test_what_the_records_hold_is_told_by_code() -> None:
    held = held_by_code(EVENTS, ["ratio"])
    assert held == {
        "crp": {"numbers"},
        "ward": {"categories"},
        "height": {"a number without a time"},
        "sex": {"a category without a time"},
        "fall": {"no values"},
        "culture": {"numbers", "categories"},
        "ratio": {"numbers"},
    }
    told = EVENTS.head(1).with_columns(text_value=pl.lit("high"))  # a number with a remark
    assert held_by_code(told) == {"crp": {"numbers"}}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"transform": {"ward": "log"}},
            r"transform: 'ward' holds categories, and this acts on numbers\. Remove 'ward'",
        ),
        ({"scale": {"ward": "robust"}}, "scale: 'ward' holds categories, .* numbers or a number without a time"),
        ({"scale": {"sex": "robust"}}, "scale: 'sex' holds a category without a time"),
        ({"outliers": {"fall": "iqr"}}, "outliers: 'fall' holds no values"),
        ({"outliers": {"height": "iqr"}}, "outliers: 'height' holds a number without a time"),
        ({"missing": {"height": "mean"}}, "missing: 'height'"),
        ({"missing": {"fall": "zero"}}, "missing: 'fall'"),
        ({"carry_limit": {"sex": "1d"}}, "carry_limit: 'sex'"),
        ({"plausible": {"ward": [1, 2]}}, "plausible: 'ward' holds categories"),
        ({"plausible": {"crp": "default", "ward": "default"}}, "plausible: 'ward' holds categories"),
        ({"plausible": {"culture": "default"}}, "the built-in table has no limits for 'culture'"),
        ({"units": {"ward": "mg/dL"}}, "units: 'ward' holds categories"),
        ({"grid": "1h", "aggregate": {"ward": "max"}}, "aggregate: 'ward' holds categories"),
        ({"carry_limit": {"crp": "1d"}, "missing": "linear"}, "carry_limit: of 'crp' a last value is carried, as"),
        ({"clinical": {"reference": {"ward": [1, 2]}}}, "reference: 'ward' holds categories"),
        ({"clinical": {"scores": {"one": CLINICAL}}}, "scores.one: 'ward' holds categories"),
        ({"clinical": {"amounts": ["height"]}}, "amounts: 'height' holds a number without a time"),
        ({"clinical": {"amounts": ["crp / sex"]}}, "amounts: 'sex' holds a category without a time"),
    ],
    ids=str,
)
def test_what_cannot_act_is_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        check(**keys)


def test_a_limit_is_refused_where_no_code_at_all_carries_a_value() -> None:
    numbers = held_by_code(events_of((0, 0, "crp", 5.0), (0, None, "sex", "f")))
    with pytest.raises(StudyError, match="of no code a last value is carried"):
        check_use(PrepareSettings(carry_limit="1d", missing="regression"), numbers)
    check(carry_limit="1d", missing="regression")  # of categories that means "last"
    two = held_by_code(events_of((0, 0, "crp", 5.0), (0, 0, "hr", 70.0)))
    with pytest.raises(StudyError, match="of no code a last value is carried"):
        check_use(PrepareSettings(carry_limit={"crp": "none", "*": "1d"}, missing={"crp": "last", "*": "linear"}), two)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"plausible": {"crp": [5, 5]}}, "limits of 'crp' are upside down"),
        ({"plausible": {"*": [0, 5]}}, "cannot be one range for every code"),
        ({"transform": "logit"}, 'no transform "logit"'),
        ({"aggregate": "max"}, "`aggregate` goes with a `grid`"),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PrepareSettings(**keys)


def test_the_unit_of_a_code_is_what_it_is_converted_to() -> None:
    units = {"glucose": "mmol/L -> mg/dL", "sbp": "mmHg"}
    assert PrepareSettings(units=units).unit_names == {"glucose": "mg/dL", "sbp": "mmHg"}


@pytest.mark.parametrize(
    "keys",
    [
        {"transform": {"ward": "none", "crp": "log"}, "scale": {"sex": "standard", "height": "robust"}},
        {"transform": "log", "scale": "robust", "outliers": "iqr", "missing": "linear", "carry_limit": "none"},
        {"transform": {"culture": "log", "*": "none"}, "missing": {"ward": "knn"}, "carry_limit": {"ward": "1d"}},
        {"plausible": {"height": [1, 300], "ward": "none", "crp": "default"}, "units": {"height": "cm"}},
        {"grid": "1h", "aggregate": {"ward": "last", "*": "max"}, "derived": {"both": "crp + culture"}},
        {"derived": {"both": "crp + culture"}, "transform": {"both": "log"}, "outliers": {"both": "iqr"}},
        {"clinical": {"reference": {"crp": [0, 5]}, "amounts": ["crp / height"]}},
        {"missing": {"culture": "linear"}, "carry_limit": {"culture": "1d"}},  # its categories are carried
    ],
    ids=str,
)
def test_what_acts_or_asks_for_nothing_is_not_refused(keys: dict[str, Any]) -> None:
    check(**keys)
