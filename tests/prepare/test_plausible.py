"""Values that nobody has are taken out, and those that somebody may have stay."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from sequela.prepare.plausible import plausible_limits, single, without_implausible
from sequela.prepare.settings import PrepareSettings
from sequela.records.events import SCHEMA


@pytest.mark.parametrize(("low", "high"), [(6.8, 7.8), (0.7, 12.3), (-0.1, 0.1), (40, 300)])
def test_a_value_that_is_written_as_a_limit_is_plausible(low: float, high: float) -> None:
    rows = [
        {"subject_id": 0, "time": datetime(1970, 1, 1), "code": "ph", "numeric_value": value}
        for value in (low, high, low - 0.1, high + 0.1)
    ]
    kept, taken_out = without_implausible(pl.DataFrame(rows, schema=SCHEMA), {"ph": [low, high]})
    assert kept["numeric_value"].to_list() == pytest.approx([low, high])
    assert len(taken_out) == 2


@pytest.mark.parametrize(
    ("code", "unit"), [("HR", None), ("glucose", None), ("glucose", "mg/dL"), ("glucose", "mmol/L"), ("sbp", "kPa")]
)
def test_a_zero_lies_below_a_limit_above_zero(code: str, unit: str | None) -> None:
    low, high = plausible_limits(PrepareSettings(plausible="default"), [code], {code: unit})[code]
    assert low > 0
    rows = [
        {"subject_id": 0, "time": datetime(1970, 1, 1), "code": code, "numeric_value": value} for value in (0, 5, high)
    ]
    kept, taken_out = without_implausible(pl.DataFrame(rows, schema=SCHEMA), {code: [low, high]})
    assert kept["numeric_value"].to_list() == pytest.approx([5, high])
    assert len(taken_out) == 1


@pytest.mark.parametrize("limit", [5e-324, -5e-324, 0.0, 0.7, 1e-30, -3.0])
def test_a_limit_in_single_precision_stands_where_it_stood(limit: float) -> None:
    found = single(limit)
    assert np.sign(found) == np.sign(limit)
    assert float(found) == pytest.approx(limit, rel=1e-7, abs=1.2e-38)
