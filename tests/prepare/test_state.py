"""A fitted preparation whose numbers do not go together is refused; of a whole bundle, tests/bundle tells."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sequela.prepare import PreparedState
from sequela.prepare.quantile import QuantileScale
from sequela.prepare.smearing import Smearing

GAP: dict[str, Any] = {"missing": "last", "typical_gap_hours": 1.0}
X = {"kind": "number", "code": "x", "center": 0.0, "spread": 1.0, "fill": 0.0, "usual": None, **GAP}
WARD = {"kind": "category", "code": "ward", "levels": ["A"], "shares": [0.5, 0.5], **GAP}
TARGET = {"code": "x", "transform": {"kind": "yeo_johnson", "shape": 2.0}, "center": 0.0, "spread": 1.0}
WHOLE: dict[str, Any] = {
    "features": [X, WARD],
    "static": [],
    "targets": [TARGET],
    "min_people": 1,
    "knn": {"means": [0.0], "spreads": [1.0], "centroids": [[None]]},
    "words": [{"code": "fall"}],
}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"words": [{"code": "fall"}, {"code": "fall"}]}, "stands there twice"),
        ({"features": [X, WARD | {"shares": [0.5]}]}, "one share for each level"),
        ({"features": [X, WARD | {"shares": [0.5, 0.3, 0.2]}]}, "one share for each level"),
        ({"features": [X, X | {"code": "y"}]}, "as many variables as there are numbers"),
        ({"features": [WARD]}, "as many variables as there are numbers"),
        ({"targets": [TARGET | {"transform": {"kind": "yeo_johnson", "shape": 2.1}}]}, "between 0 and 2"),
    ],
    ids=str,
)
def test_a_state_that_cannot_be_is_refused(keys: dict[str, Any], says: str) -> None:
    PreparedState.model_validate(WHOLE)
    with pytest.raises(ValidationError, match=says):
        PreparedState.model_validate(WHOLE | keys)


@pytest.mark.parametrize("shares", [[0.2, 0.9, 0.8], [0.0, 0.5, 0.8]])
def test_ranks_that_fall_or_begin_at_nothing_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValidationError):
        QuantileScale(knots=[1.0, 2.0, 3.0], shares=shares)


@pytest.mark.parametrize("shares", [[0.5, 0.4], [0.6, 0.5]])
def test_shares_of_residuals_that_are_no_whole_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValidationError, match="together they are 1"):
        Smearing(residuals=[0.0, 1.0], shares=shares)
