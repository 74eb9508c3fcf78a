"""Values that nobody has are taken out, and those that somebody may have stay."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from sequela.prepare.plausible import without_implausible
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
