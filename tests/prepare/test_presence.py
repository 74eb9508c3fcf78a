"""What new records lack of a bundle's inputs, and what they have that it does not know, is said in one note."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from sequela.prepare.presence import Presence, presence
from sequela.prepare.state import (
    NumberState,
    PreparedState,
    StaticCategoryState,
    StaticNumberState,
    WordState,
)

SCHEMA = {"time": pl.Int64, "code": pl.Categorical, "numeric_value": pl.Float64, "text_value": pl.String}


def number(code: str) -> NumberState:
    return NumberState(code=code, center=0, spread=1, fill=0, missing="last", typical_gap_hours=1, usual=None)


STATE = PreparedState(
    features=[number("heart_rate"), number("sbp")],
    static=[
        StaticNumberState(code="age at the start", center=50, spread=10, fill=50),
        StaticCategoryState(code="sex", levels=["f", "m"]),
    ],
    targets=[],
    words=[WordState(code="rare drug"), WordState(code="ward", level="A")],
    min_people=10,
)
WHOLE = [(1, "heart_rate", 80.0), (2, "sbp", 120.0), (None, "sex", "f"), (-9, "MEDS_BIRTH", None)]


def found(rows: list[tuple[int | None, str, float | str | None]], **more: Any) -> Presence:
    values = [(t, c, v if isinstance(v, float) else None, v if isinstance(v, str) else None) for t, c, v in rows]
    return presence(pl.DataFrame(values, schema=SCHEMA, orient="row"), more.pop("state", STATE), **more)


def test_records_with_every_input_get_no_note() -> None:
    whole = found(WHOLE)
    assert (whole.absent, whole.strange, whole.has_any, whole.note) == ((), (), True, None)


@pytest.mark.parametrize("written", ["Heart_Rate", "heartrate", "heart rate"])
def test_a_renamed_input_is_named_with_what_is_like_it(written: str) -> None:
    renamed = found([(1, written, 80.0), *WHOLE[1:]])
    assert renamed.absent == ("heart_rate",)
    assert renamed.strange == (written,)
    assert renamed.note == (
        f"1 of 4 inputs has no value in these records: heart_rate (perhaps '{written}'). Predictions take it as never "
        f"measured. 1 column or code is unknown to the bundle and not read: '{written}'. Where it stands for an input, "
        "write the study's name."
    )


def test_an_input_without_a_value_is_as_good_as_none() -> None:
    assert found([(1, "heart_rate", None), *WHOLE[1:]]).absent == ("heart_rate",)
    assert found([(None, "heart_rate", 80.0), *WHOLE[1:]]).absent == ("heart_rate",)
    assert found([*WHOLE[:2], (3, "sex", "f"), WHOLE[3]]).absent == ("sex",)
    assert found(WHOLE[:3]).absent == ("age at the start",)


def test_what_is_merely_absent_is_told_in_one_sentence() -> None:
    assert found(WHOLE[:1]).note == (
        "3 of 4 inputs have no value in these records: sbp, age at the start, sex. Predictions take them as never "
        "measured."
    )


def test_long_lists_are_cut() -> None:
    note = found([*WHOLE, *((5, f"new {place:04}", 1.0) for place in range(1000))]).note
    assert note is not None
    assert "1,000 columns or codes are unknown to the bundle and not read: 'new 0000'" in note
    assert note.endswith("'new 0007' and 992 more.")


def test_what_the_study_knows_is_not_strange() -> None:
    rows = [*WHOLE, (3, "rare drug", None), (3, "ward", "B"), (4, "height", 170.0), (5, "ADMIT//ER", None)]
    assert found(rows, known={"height"}, prefixes=["ADMIT"]).note is None
    assert found(rows).strange == ("ADMIT//ER", "height")


def test_a_derived_input_is_there_where_its_parts_are() -> None:
    state = STATE.model_copy(update={"features": [number("index"), number("either")]})
    derived = {"index": "heart_rate / sbp", "either": "heart_rate | sbp"}
    assert found(WHOLE, state=state, derived=derived).note is None
    assert found(WHOLE[1:], state=state, derived=derived).absent == ("index",)
    assert found(WHOLE[2:], state=state, derived=derived).absent == ("index", "either")


def test_records_have_an_input_where_there_is_one_of_any_kind() -> None:
    for row in (*WHOLE, (1, "rare drug", None)):
        assert found([row]).has_any
    assert not found([(1, "hr", 80.0), (1, "height", 170.0)], known={"height"}).has_any


def test_codes_that_are_cells_are_counted_and_not_named() -> None:
    note = found([(1, "C50 breast cancer", 1.0), (1, "sbp ", 120.0), WHOLE[0]], may_name=False).note
    assert note is not None
    assert "2 columns or codes are unknown to the bundle and no input." in note
    assert "cancer" not in note
    assert "sbp '" not in note
