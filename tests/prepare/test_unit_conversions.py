from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from preparing import events_of

from sequela.cohort import build_timeline
from sequela.errors import StudyError
from sequela.prepare import Cleaning
from sequela.prepare.conversions import converted, parse_conversion
from sequela.prepare.units import step_between, unit_named

# Factors of the SI conversion table of the AMA Manual of Style, as journals print them.
PRINTED = {
    ("glucose", "mg/dL", "mmol/L"): 0.0555,
    ("creatinine", "mg/dL", "umol/L"): 88.4,
    ("bilirubin", "mg/dL", "umol/L"): 17.1,
    ("direct bilirubin", "mg/dL", "umol/L"): 17.1,
    ("indirect bilirubin", "mg/dL", "umol/L"): 17.1,
    ("cholesterol", "mg/dL", "mmol/L"): 0.0259,
    ("HDL cholesterol", "mg/dL", "mmol/L"): 0.0259,
    ("LDL cholesterol", "mg/dL", "mmol/L"): 0.0259,
    ("triglycerides", "mg/dL", "mmol/L"): 0.0113,
    ("urea", "mg/dL", "mmol/L"): 0.1665,
    ("urea nitrogen", "mg/dL", "mmol/L"): 0.357,
    ("calcium", "mg/dL", "mmol/L"): 0.25,
    ("ionised calcium", "mg/dL", "mmol/L"): 0.25,
    ("ionised calcium", "meq/L", "mmol/L"): 0.5,
    ("magnesium", "mg/dL", "mmol/L"): 0.411,
    ("phosphate", "mg/dL", "mmol/L"): 0.323,
    ("lactate", "mg/dL", "mmol/L"): 0.111,
    ("haemoglobin", "g/dL", "mmol/L"): 0.6206,
    ("haemoglobin", "g/dL", "g/L"): 10.0,
    ("albumin", "g/dL", "g/L"): 10.0,
    ("sodium", "meq/L", "mmol/L"): 1.0,
    ("sodium", "mg/dL", "mmol/L"): 0.435,
    ("potassium", "mg/dL", "mmol/L"): 0.2558,
    ("chloride", "mg/dL", "mmol/L"): 0.2821,
    ("lactate", "meq/L", "mmol/L"): 1.0,
    ("anion gap", "meq/L", "mmol/L"): 1.0,
    ("bicarbonate", "meq/L", "mmol/L"): 1.0,
    ("troponin T", "ng/mL", "ng/L"): 1000.0,
    ("alanine aminotransferase", "U/L", "ukat/L"): 0.0167,
    ("partial pressure of oxygen", "mm[Hg]", "kPa"): 0.133,
}


@pytest.mark.parametrize(("quantity", "source", "target"), list(PRINTED))
def test_factors_are_those_that_journals_print(quantity: str, source: str, target: str) -> None:
    step, back = step_between(source, target, quantity), step_between(target, source, quantity)
    assert step is not None
    assert back is not None
    assert step.factor == pytest.approx(PRINTED[quantity, source, target], rel=5e-3)
    assert step.offset == 0
    assert back.factor == pytest.approx(1 / step.factor)


@pytest.mark.parametrize(
    "same",
    [
        *("1 g/L = 0.1 g/dL = 100 mg/dL = 1000 mg/L = 1000 ug/mL = 100000 ug/dL = 1000000 ug/L",),
        *("1 ug/L = 1 ng/mL = 100 ng/dL = 1000 ng/L = 1000 pg/mL", "1 mol/L = 1000 mmol/L = 1000000 umol/L"),
        *("1 umol/L = 1000 nmol/L = 1000000 pmol/L", "1 kPa = 10 mbar = 7.50062 mm[Hg] = 10.1972 cm[H2O]"),
        *("1 1 = 100 %", "1 m = 100 cm = 1000 mm", "1 [ft_i] = 12 [in_i] = 30.48 cm"),
        *(
            "1 [lb_av] = 16 [oz_av] = 0.453592 kg = 453.592 g",
            "1 L = 1000 mL",
            "1 U/L = 0.0166667 ukat/L = 16.6667 nkat/L",
        ),
        "1 10*12/L = 1 10*6/uL = 1000 10*9/L = 1000 10*3/uL = 1000000 10*6/L = 1000000 /uL",
    ],
)
def test_units_of_one_kind_have_their_sizes(same: str) -> None:
    (one, unit), *others = ((float(part.split()[0]), part.split()[1]) for part in same.split(" = "))
    for amount, other in others:
        step = step_between(unit, other, None)
        assert step is not None
        assert step.factor * one == pytest.approx(amount, rel=1e-5)


def test_temperatures_and_glycated_haemoglobin_have_an_offset() -> None:
    celsius = step_between("[degF]", "Cel", "body temperature")
    assert celsius is not None
    assert celsius.factor * 98.6 + celsius.offset == pytest.approx(37.0)
    for source, value in (("Cel", 37.0), ("K", 310.15)):
        fahrenheit = step_between(source, "[degF]", None)
        assert fahrenheit is not None
        assert fahrenheit.factor * value + fahrenheit.offset == pytest.approx(98.6)
    percent = step_between("mmol/mol", "%", "glycated haemoglobin")
    assert percent is not None
    assert percent.factor * 53 + percent.offset == pytest.approx(7.0, abs=0.01)
    back = step_between("%", "mmol/mol", "glycated haemoglobin")
    assert back is not None
    assert back.factor * 7.0 + back.offset == pytest.approx(53, abs=0.1)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        *(("mg/dl", "mg/dL"), ("MG/DL", "mg/dL"), ("µmol/L", "umol/L"), ("μmol/l", "umol/L"), ("° F", "[degF]")),
        *(("mmHg", "mm[Hg]"), ("mm Hg", "mm[Hg]"), ("K/uL", "10*3/uL"), ("IU/L", "U/L"), ("mEq/L", "meq/L")),
        *(("mcg/L", "ug/L"), ("mcg/dL", "ug/dL"), ("mcg/mL", "ug/mL")),
        *(("kg", "kg"), ("lbs", "[lb_av]"), ("fraction", "1"), ("percent", "%"), ("stone", None)),
    ],
)
def test_units_are_known_however_they_are_written(written: str, unit: str | None) -> None:
    assert unit_named(written) == unit


def test_a_plain_unit_is_a_name_for_the_reader() -> None:
    assert parse_conversion("mmHg", "sbp") is None


def test_a_factor_of_ones_own_goes_where_the_table_does_not() -> None:
    own = parse_conversion("nmol/L -> ng/mL * 0.4", "vitamin_d")
    assert own is not None
    assert (own.target, own.steps["nmol/L"].factor) == ("ng/mL", 0.4)
    both = parse_conversion("A -> B * 1.8 + 32", "x")
    assert both is not None
    assert (both.steps["A"].factor, both.steps["A"].offset) == (1.8, 32.0)


def test_each_source_may_have_a_factor_of_its_own() -> None:
    found = parse_conversion("nmol/L, nmol/liter -> ng/mL * 0.4; ug/L -> ng/ml", "vitamin_d")
    assert found is not None
    assert found.target == "ng/mL"
    assert {source: step.factor for source, step in found.steps.items()} == {
        "nmol/L": 0.4,
        "nmol/liter": 0.4,
        "ug/L": pytest.approx(1.0),
    }
    table = events(("vitamin_d", 50.0, "nmol/L"), ("vitamin_d", 20.0, "ug/l"), ("vitamin_d", 30.0, "ng/mL"))
    told, _ = converted(table, {"vitamin_d": found})
    assert told["numeric_value"].to_list() == pytest.approx([20.0, 20.0, 30.0])


def test_one_factor_serves_two_spellings_or_units_of_one_size() -> None:
    for sources in ("mmol/L, MMOL/l, mmol per L", "10*9/L, 10*3/uL, K/mm3", "mg/L, ug/mL"):
        found = parse_conversion(f"{sources} -> B * 2", "x")
        assert found is not None
        assert {step.factor for step in found.steps.values()} == {2.0}


@pytest.mark.parametrize(
    "text", ["A -> B * 1e-3", "A -> B * 1.0E-3", "A->B*.001", "A -> B * 1e-3 + 0", "A -> B * +1e-3"]
)
def test_a_factor_is_written_as_numbers_are(text: str) -> None:
    found = parse_conversion(text, "x")
    assert found is not None
    assert (found.target, found.steps["A"].factor, found.steps["A"].offset) == ("B", 0.001, 0.0)


def test_a_unit_with_a_star_is_converted_to() -> None:
    known = parse_conversion("/uL -> 10*9/L", "platelets")
    own = parse_conversion("{cells} -> 10*9/L * 2", "platelets")
    assert known is not None
    assert own is not None
    assert (known.target, known.steps["/uL"].factor) == ("10*9/L", pytest.approx(1e-3))
    assert (own.target, own.steps["{cells}"].factor) == ("10*9/L", 2.0)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("mmol/L -> mg/dL", "mystery", r"no known way from mmol/L to mg/dL for this code.*factor of the analyte"),
        ("mmol/L -> mg/dl", "alt", "no known way"),
        ("mmol/L -> kPa", "glucose", "no known way"),
        ("mmol/l. -> mg/dL", "glucose", r"'mmol/l.' is not known. Did you mean 'mmol/l'\?"),
        ("-> mg/dL", "glucose", "expected a conversion such as"),
        ("mmol/L -> mg/dL * x", "glucose", "expected"),
        ("mmol/L -> mg/dL * 0", "glucose", "leaves nothing"),
        ("mmol/L -> mg/dL * 1e999", "glucose", "leaves nothing"),
        ("mmol/L -> mg/dL * 2 * 3", "glucose", "expected a conversion such as"),
        ("mmol/L, g/L -> mg/dL * 18", "glucose", r"one factor .* of mmol/L and of g/L\..*\* 18; g/L -> mg/dL \* 1\.5"),
        ("A, kPa, mmHg -> B * 2", "x", "one factor cannot be that of kPa and of mmHg"),
        ("mmol/L -> mg/dL; g/L -> g/dL", "glucose", "several units to convert to, mg/dL, g/dL"),
        ("mmol/L -> mg/dL; MMOL/L -> mg/dL * 2", "glucose", "'MMOL/L' is converted twice"),
        ("MMOL/L -> mg/dL; mmol/L -> mg/dL * 2", "glucose", "'mmol/L' is converted twice"),
        ("mmol/L -> mg/dL;", "glucose", "expected a conversion such as"),
    ],
)
def test_a_way_that_is_not_known_is_refused_with_the_remedy(text: str, code: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        parse_conversion(text, code)


def events(*rows: tuple[str, float, str | None]) -> pl.DataFrame:
    table = events_of(*((0, hour, code, value) for hour, (code, value, _) in enumerate(rows)))
    return table.with_columns(pl.Series("unit", [unit for *_, unit in rows], dtype=pl.String))


def conversion(text: str, code: str = "glucose") -> dict[str, object]:
    found = parse_conversion(text, code)
    assert found is not None
    return {code: found}


def test_rows_are_converted_by_the_unit_that_they_state_and_counted() -> None:
    table = events(
        ("glucose", 5.0, "mmol/L"), ("glucose", 90.0, "mg/dL"), ("glucose", 6.0, "MMOL/L"), ("hr", 70.0, "bpm")
    )
    found, counted = converted(table, conversion("mmol/L -> mg/dL"))  # type: ignore[arg-type]
    assert found["numeric_value"].to_list() == pytest.approx([90.078, 90.0, 108.094, 70.0], rel=1e-5)
    assert found["unit"].to_list() == ["mg/dL", "mg/dL", "mg/dL", "bpm"]
    assert found.schema == table.schema
    assert counted.filter("converted")["values"].sum() == 2
    assert counted["values"].sum() == 3
    warm, counted = converted(events(("Temp", 310.15, "K")), conversion("K, F -> Cel", "Temp"))  # type: ignore[arg-type]
    assert warm["numeric_value"].to_list() == pytest.approx([37.0])
    assert counted["converted"].all()


def test_rows_without_a_unit_are_in_the_source_unit() -> None:
    found, _ = converted(events(("glucose", 5.0, None)), conversion("mmol/L -> mg/dL"))  # type: ignore[arg-type]
    assert found["numeric_value"].to_list() == pytest.approx([90.078], rel=1e-5)
    note = events(("glucose", 5.0, None)).with_columns(numeric_value=pl.lit(None, dtype=pl.Float32))
    assert converted(note, conversion("mmol/L, g/L -> mg/dL"))[0].equals(note)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="state no unit"):
        converted(events(("glucose", 5.0, None)), conversion("mmol/L, g/L -> mg/dL"))  # type: ignore[arg-type]


def test_rows_of_a_third_unit_are_refused_and_can_be_named() -> None:
    table = events(("glucose", 5.0, "mmol/L"), ("glucose", 0.9, "g/L"))
    with pytest.raises(StudyError, match="state another unit"):
        converted(table, conversion("mmol/L -> mg/dL"))  # type: ignore[arg-type]
    found, _ = converted(table, conversion("mmol/L, g/L -> mg/dL"))  # type: ignore[arg-type]
    assert found["numeric_value"].to_list() == pytest.approx([90.078, 90.0], rel=1e-5)


def test_values_that_are_not_converted_keep_their_bits_and_their_order() -> None:
    random = np.random.default_rng(0)
    rows = [("glucose" if n % 3 else "hr", float(np.float32(random.normal())), "mg/dL") for n in range(50)]
    table = events(*rows)
    found, _ = converted(table, conversion("mmol/L -> mg/dL"))  # type: ignore[arg-type]
    assert found.drop("unit").equals(table.drop("unit"))
    empty, counted = converted(table.clear(), conversion("mmol/L -> mg/dL"))  # type: ignore[arg-type]
    assert empty.height == counted.height == 0


def test_values_of_one_instant_in_several_units_become_their_mean_and_are_counted() -> None:
    rows = [
        *((0, 0, "glucose", 5.0, "mmol/L"), (0, 0, "glucose", 110.0, "mg/dL"), (0, 1, "glucose", 6.0, "mmol/L")),
        *((0, 1, "hr", 70.0, None), (0, 1, "hr", 80.0, "bpm"), (1, 0, "glucose", 90.0, "mg/dL")),
        *((0, None, "height", 1.6, None), (0, None, "height", 1.8, "m"), (1, 2, "culture", 3.0, None)),
        (1, 2, "culture", "growth", None),
    ]
    table = events_of(*(row[:4] for row in rows)).with_columns(unit=pl.Series([row[4] for row in rows]))
    clean = Cleaning(conversions={"glucose": "mmol/L -> mg/dL"}, limits={"glucose": [0.0, 105.0]}).applied(table)
    found = clean.events.select("subject_id", "code", "numeric_value", "unit").rows()
    assert found == [
        (0, "glucose", pytest.approx((90.078 + 110) / 2), "mg/dL"),
        (0, "hr", 75.0, "bpm"),
        (1, "glucose", 90.0, "mg/dL"),
        (0, "height", pytest.approx(1.7), "m"),
        *((1, "culture", 3.0, None), (1, "culture", None, None)),
    ]
    assert clean.averaged == {"glucose": 1, "height": 1, "hr": 1}
    assert len(clean.implausible) == 1  # 6 mmol/L
    assert build_timeline(clean.events, 2).stale == 0


def test_values_that_became_known_apart_stay_apart() -> None:
    table = events_of((0, 0, "hr", 70.0), (0, 0, "hr", 80.0, 2)).with_columns(unit=pl.Series(["bpm", None]))
    clean = Cleaning().applied(table)
    assert (len(clean.events), clean.averaged) == (2, {})
