"""[model]: what is refused, and the remedy that the refusal names."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sequela.models import ModelSettings


@pytest.mark.parametrize("readout", ["mean", ["mean"], ["last", "max", "attention"]])
def test_one_readout_or_several(readout: Any) -> None:
    assert ModelSettings(readout=readout).readout == ([readout] if isinstance(readout, str) else readout)


def test_class_weights_go_with_recalibration() -> None:
    assert ModelSettings(loss="weighted_cross_entropy", recalibrate="platt").loss == "weighted_cross_entropy"
    with pytest.raises(ValidationError, match='set `recalibrate` to "platt" or "isotonic"'):
        ModelSettings(loss="weighted_cross_entropy")


@pytest.mark.parametrize(
    ("keys", "remedy"),
    [
        ({"readout": []}, "at least 1"),
        ({"readout": ["last", "last"]}, "once or not at all"),
        ({"readout": "median"}, "'attention'"),
        ({"members": 0}, "greater than or equal to 1"),
        ({"members": 2.0}, "integer"),
        ({"hybrid": "yes"}, "boolean"),
        ({"recalibrate": "beta"}, "'isotonic'"),
        ({"inputs": ["values", "provenance", "provenance"]}, '"provenance"'),
        ({"inputs": ["provenance"]}, 'write "values"'),
        ({"loss": "hinge"}, "'cross_entropy'"),
    ],
)
def test_what_makes_no_network_is_refused(keys: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        ModelSettings(**keys)
