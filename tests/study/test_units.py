"""A mean of values in two units is a wrong number that looks right."""

from __future__ import annotations

import polars as pl
import pytest

from sequela.errors import InputError
from sequela.predict import check_units


def events(*units: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"code": ["glucose"] * len(units), "unit": units}, schema={"code": pl.String, "unit": pl.String}
    )


def test_one_unit_or_none_is_well() -> None:
    check_units(events("mg/dL", None, "mg/dL"), {})
    check_units(events(None, None), {"glucose": "mg/dL"})
    check_units(events("mg/dL"), {"glucose": "mg/dL"})
    check_units(events("MG/DL"), {"glucose": "mg/dL"})


def test_two_units_of_one_code_are_refused() -> None:
    with pytest.raises(InputError, match=r"'glucose' come in 2 units\. Convert"):
        check_units(events("mg/dL", "mmol/L"), {})


@pytest.mark.parametrize(("stated", "expected"), [("mmol/L", "mg/dL"), ("furlong", "mile")])
def test_another_unit_than_the_study_had_is_refused(stated: str, expected: str) -> None:
    with pytest.raises(InputError, match="another unit than the study's"):
        check_units(events(stated), {"glucose": expected})
