from __future__ import annotations

import pytest

from sequela.prepare.default_limits import default_limits
from sequela.prepare.quantities import quantities, quantity_of
from sequela.prepare.units import step_between, unit_named

PHYSIONET_2012 = (
    "ALP ALT AST Age Albumin BUN Bilirubin Cholesterol Creatinine DiasABP FiO2 GCS Glucose HCO3 HCT HR Height K "
    "Lactate MAP Mg NIDiasABP NIMAP NISysABP Na PaCO2 PaO2 Platelets RespRate SaO2 SysABP Temp TroponinI TroponinT "
    "Urine WBC Weight pH"
)
EVERYDAY = (
    "sbp dbp hr temp spo2 resp_rate glucose hba1c chol ldl hdl trig crea potassium sodium weight height bmi wbc hgb "
    "hct plt bili alb alt ast lactate troponin_t INR pao2 paco2 fio2 gcs"
)


def test_the_table_is_large_sourced_and_without_contradictions() -> None:
    assert len(quantities()) >= 70
    keys = [key for quantity in quantities() for key in (*quantity.names, *quantity.loinc)]
    assert len(keys) == len(set(keys))
    for quantity in quantities():
        assert len(quantity.source) > 3, quantity.name
        low, high = quantity.possible
        assert low <= quantity.usual[0] + 1e-9 < quantity.usual[1] <= high, quantity.name
        assert quantity.usual[0] <= quantity.typical[0] < quantity.typical[1] <= quantity.usual[1], quantity.name


def test_every_other_unit_has_a_way_to_the_usual_one() -> None:
    for quantity in quantities():
        for unit in quantity.other_units:
            assert unit_named(unit) == unit
            assert step_between(unit, quantity.unit, quantity.name) is not None, (quantity.name, unit)


def test_loinc_numbers_carry_their_check_digit() -> None:
    for quantity in quantities():
        for code in quantity.loinc:
            assert _mod_10(code.split("-")[0]) == int(code.split("-")[1]), (quantity.name, code)


def _mod_10(digits: str) -> int:
    """LOINC Users' Guide, appendix on check digits: Luhn's."""
    odd, even = digits[::-1][::2], digits[::-1][1::2]
    total = sum(sum(int(d) for d in str(int(digit) * 2)) for digit in odd) + sum(int(digit) for digit in even)
    return (10 - total % 10) % 10


@pytest.mark.parametrize("code", [*PHYSIONET_2012.split(), *EVERYDAY.split()])
def test_common_names_are_known_in_any_case(code: str) -> None:
    assert quantity_of(code) is not None
    assert quantity_of(code) is quantity_of(code.upper()) is quantity_of(code.lower())


@pytest.mark.parametrize("code", [" heart_rate", "Heart Rate", "heart-rate", "heart.rate "])
def test_names_are_known_however_their_words_are_parted(code: str) -> None:
    assert quantity_of(code) is quantity_of("HR") is not None


@pytest.mark.parametrize(
    "code", ["8480-6", "LOINC//8480-6", "LOINC/8480-6", "loinc:8480-6", "LOINC//8480-6//mmHg", "sbp"]
)
def test_loinc_codes_are_known_however_they_are_written(code: str) -> None:
    found = quantity_of(code)
    assert found is not None
    assert found.name == "systolic blood pressure"


@pytest.mark.parametrize(
    "code", ["mood", "LOINC//99999-9", "ICD10//I10", "", "DRUG//8480-6x", "8480-67", "LAB//50912//mg/dL"]
)
def test_other_codes_are_not_guessed(code: str) -> None:
    assert quantity_of(code) is None


def within(limits: tuple[float, float], value: float) -> bool:
    return limits[0] <= value <= limits[1]


def test_typing_errors_lie_outside_and_the_sickest_patients_inside() -> None:
    limits = default_limits(["sbp", "pH", "Temp", "glucose", "alkaline", "HR"], {"Temp": "Cel", "glucose": "mg/dL"})
    outside = {"sbp": [13682, 0], "pH": [735], "Temp": [0, 98.6], "HR": [0]}
    inside = {
        "sbp": [40, 300],
        "pH": [6.7, 7.8],
        "Temp": [27, 42],
        "glucose": [10, 1500],
        "alkaline": [13862],
        "HR": [20, 290],
    }
    for code, values in outside.items():
        assert not any(within(limits[code], value) for value in values), code
    for code, values in inside.items():
        assert all(within(limits[code], value) for value in values), code


def test_limits_are_in_the_stated_unit() -> None:
    limits = default_limits(["glucose", "Temp"], {"glucose": "mmol/L", "Temp": "F"})
    assert limits["glucose"][1] == pytest.approx(2200 / 18.0156)
    assert limits["Temp"] == (pytest.approx(26 * 1.8 + 32), pytest.approx(45 * 1.8 + 32))


def test_without_a_stated_unit_no_unit_in_which_it_comes_is_taken_out() -> None:
    for stated in (None, "furlongs"):
        limits = default_limits(["creatinine", "fio2", "height"], {"creatinine": stated})
        assert all(within(limits["height"], value) for value in (1.5, 60, 170))
        assert all(within(limits["creatinine"], value) for value in (0.6, 80, 900))
        assert all(within(limits["fio2"], value) for value in (0.21, 1.0, 21, 100))
    other = default_limits(["glucose", "pH"], {"glucose": "mmHg", "pH": "%"})
    assert other == default_limits(["glucose", "pH"])
    assert all(within(other["glucose"], value) for value in (0.6, 10, 1500))


def test_unknown_codes_have_no_limits() -> None:
    assert default_limits(["mood", "note"]) == {}
