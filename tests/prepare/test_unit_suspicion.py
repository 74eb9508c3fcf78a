from __future__ import annotations

import numpy as np
import pytest
from preparing import events_of

from sequela.prepare import suspected_units
from sequela.prepare.conversions import parse_conversion
from sequela.prepare.unit_suspicion import UnitSuspicion, suspect_units
from sequela.prepare.units import Linear

# Log-normal values as wards have them: median and spread (of the logarithm).
WARD = {
    "glucose": (130, 0.35),
    "creatinine": (1.1, 0.6),
    "hgb": (10.5, 0.2),
    "chol": (180, 0.3),
    "Temp": (37.0, 0.015),
    "PaO2": (110, 0.5),
    "PaCO2": (40, 0.2),
    "SpO2": (97, 0.01),
    "fio2": (0.45, 0.3),
    "height": (170, 0.06),
    "hba1c": (6.5, 0.2),
    "albumin": (3.0, 0.2),
    "calcium": (8.5, 0.08),
    "bili": (0.9, 1.0),
    "weight": (80, 0.25),
    "lactate": (2.0, 0.6),
    "BUN": (20, 0.6),
    "crp": (30, 1.5),
    "mg": (2.0, 0.15),
    "trig": (130, 0.5),
    "hct": (31, 0.18),
}
OTHER_UNIT = {
    "glucose": ("mmol/L", 1 / 18.0156),
    "creatinine": ("umol/L", 88.4),
    "hgb": ("g/L", 10.0),
    "chol": ("mmol/L", 1 / 38.665),
    "PaO2": ("kPa", 0.1333),
    "PaCO2": ("kPa", 0.1333),
    "SpO2": ("1", 0.01),
    "fio2": ("%", 100.0),
    "height": ("m", 0.01),
    "albumin": ("g/L", 10.0),
    "calcium": ("mmol/L", 0.2495),
    "hct": ("1", 0.01),
}


def ward(code: str, count: int = 2000) -> np.ndarray:
    median, spread = WARD[code]
    return median * np.exp(np.random.default_rng(11).normal(0, spread, count))


def way_of(found: UnitSuspicion) -> Linear:
    """What the conversion does that a study is told to write."""
    conversion = parse_conversion(found.conversion, found.code)
    assert conversion is not None
    return conversion.steps[found.suspected_unit]


@pytest.mark.parametrize("code", list(WARD))
def test_clean_values_raise_no_suspicion(code: str) -> None:
    assert suspect_units({code: ward(code)}) == []


@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("code", list(OTHER_UNIT))
def test_values_in_another_unit_are_found_with_their_share_and_the_conversion(code: str, share: float) -> None:
    unit, factor = OTHER_UNIT[code]
    values = ward(code)
    other = np.arange(len(values)) < share * len(values)
    (found,) = suspect_units({code: np.append(np.where(other, values * factor, values), np.nan)})
    assert (found.code, found.suspected_unit) == (code, unit)
    assert found.share == pytest.approx(share, rel=0.15)
    assert way_of(found).factor == pytest.approx(1 / factor, rel=2e-3)


def test_fahrenheit_among_celsius_comes_back_with_its_offset() -> None:
    values = np.concatenate([ward("Temp"), ward("Temp", 100) * 1.8 + 32])
    (found,) = suspect_units({"Temp": values})
    assert found.suspected_unit == "[degF]"
    assert way_of(found).factor * 98.6 + way_of(found).offset == pytest.approx(37.0)


def test_a_whole_code_in_pounds_is_told() -> None:
    (found,) = suspect_units({"weight": np.append(ward("weight") * 2.2046, np.nan)})
    assert found.suspected_unit == "[lb_av]"
    assert found.share > 0.9


def test_where_units_overlap_a_minority_is_told_only_as_far_as_it_sticks_out() -> None:
    few = np.concatenate([ward("weight"), ward("weight", 200) * 2.2046])  # 180 is a weight in kilograms too
    assert sum(found.share for found in suspect_units({"weight": few})) < 200 / 2200
    urea = np.concatenate([ward("BUN"), ward("BUN", 200) / 2.8014])  # 7 is a urea nitrogen in either unit
    assert suspect_units({"BUN": urea}) == []


def test_true_extremes_are_no_other_unit() -> None:
    low = np.concatenate(
        [ward("glucose"), np.random.default_rng(1).uniform(18, 34, 100)]
    )  # severe hypoglycaemia: 30 mmol/L would be 540
    assert suspect_units({"glucose": low}) == []
    dialysis = 6.0 * np.exp(np.random.default_rng(1).normal(0, 0.4, 500))
    assert suspect_units({"creatinine": dialysis}) == []
    assert suspect_units({"glucose": np.full(50, 30.0), "hgb": np.full(50, 9.0)}) == []  # 9 g/dL, or 9 mmol/L


def test_a_group_is_told_where_it_explains_most_of_what_sticks_out() -> None:
    usual, other, nothing = np.full(400, 110.0), np.full(40, 6.0), np.full(60, 5000.0)
    assert len(suspect_units({"glucose": np.concatenate([usual, other, nothing[:30]])})) == 1
    assert suspect_units({"glucose": np.concatenate([usual, other, nothing])}) == []
    assert suspect_units({"glucose": np.concatenate([usual, other[:10]])}) == []  # ten are too few to say
    assert suspect_units({"weight": np.repeat([180.0, 900.0], [70, 30])}) == []  # 900 pounds are nobody's either


def test_the_unit_that_the_records_state_is_the_expected_one() -> None:
    values = ward("glucose") / 18.0156
    assert suspect_units({"glucose": values}, {"glucose": "mmol/L"}) == []
    mixed = np.concatenate([values, ward("glucose", 300)])
    (found,) = suspect_units({"glucose": mixed}, {"glucose": "mmol/L"})
    assert found.conversion == "mg/dL -> mmol/L"


def test_of_records_the_numbers_are_looked_at_and_the_units_that_are_stated() -> None:
    rows = [(0, h, "glucose", float(value)) for h, value in enumerate(ward("glucose", 50) / 18.0156)]
    events = events_of(*rows, *((0, h, "glucose", "low") for h in range(50)))
    (found,) = suspected_units(events, {})
    assert found.conversion == "mmol/L -> mg/dL"
    assert suspected_units(events, {"glucose": "mmol/L"}) == []


def test_few_values_unknown_codes_and_missing_values_say_nothing() -> None:
    assert suspect_units({"glucose": np.full(10, 5.0), "mood": ward("glucose"), "hr": np.full(99, np.nan)}) == []
    assert suspect_units({"glucose": np.array([])}) == []
    assert len(suspect_units({"glucose": np.full(11, 5.0)})) == 1
