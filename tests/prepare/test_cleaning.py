"""What is done to records before anything is asked: what a study resolves to, and what a bundle may hold of it."""

from __future__ import annotations

from typing import Any

import pytest
from preparing import events_of
from pydantic import ValidationError

from sequela.prepare import Cleaning, PrepareSettings, cleaning_of


def test_a_study_resolves_to_limits_in_the_stated_unit_conversions_and_formulas() -> None:
    settings = PrepareSettings(
        plausible={"sbp": [40, 300], "*": "default", "hr": "none"},
        units={"glucose": "mmol/L -> mg/dL", "sbp": "mmHg"},
        derived={"index": "hr / sbp"},
    )
    found = cleaning_of(settings, ["sbp", "glucose", "hr", "mood"], {"glucose": "mmol/L"})
    assert found.limits == {"glucose": [pytest.approx(0, abs=1), pytest.approx(2200 / 18.0156)], "sbp": [40, 300]}
    assert (found.conversions, found.derived) == ({"glucose": "mmol/L -> mg/dL"}, {"index": "hr / sbp"})


def test_formulas_take_plausible_values() -> None:
    clean = Cleaning(limits={"a": [0, 10]}, derived={"new": "a + b"})
    found = clean.applied(events_of((0, 0, "a", 2.0), (0, 0, "b", 1.0), (0, 1, "a", 99.0))).events
    assert found.select("code", "numeric_value").rows() == [("a", 2), ("b", 1), ("new", 3)]


@pytest.mark.parametrize(
    "keys",
    [
        *({"limits": {"x": ends}} for ends in ([5, 5], [6, 5], [5], [1, 2, 3])),
        *({"derived": {"x": "a/b"}}, {"conversions": {"x": "furlong -> mm"}}),
    ],
    ids=str,
)
def test_what_cannot_be_applied_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Cleaning(**keys)
