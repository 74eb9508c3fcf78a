"""Cells to numbers and categories, and what is merged or left out on the way."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import polars as pl
import pytest
from small_tables import reasons, table

from sequela.errors import RecordsError
from sequela.records import SeriesSettings, read_records
from sequela.records.missing_codes import FAR_AWAY, MAY_BE_MISSING
from sequela.records.read import ALIKE_CODE, IN_CAPITALS
from sequela.records.series_names import NAMED_OTHERWISE
from sequela.records.values import AMONG_CATEGORIES, LEADING_ZEROS


def values(records: Any) -> list[tuple[Any, ...]]:
    return records.events.select("code", "numeric_value", "text_value").rows()


def test_columns_mostly_text_are_categories_cell_by_cell(read: Any) -> None:
    records = read("id,day,grade\n1,0,I\n1,1,II\n1,2,3.0\n")
    assert values(records) == [("grade", None, "I"), ("grade", None, "II"), ("grade", None, "3.0")]
    assert reasons(records) == {("number in a column of categories, read as one of them", "grade"): 1}
    assert not reasons(read("id,day,grade\n1,0,I\n1,1,II\n1,2,3.0\n", categorical=["grade"]))


def test_texts_like_numbers_in_groups_may_be_categories(read: Any) -> None:
    for text in ("1.2.3", "12 13", "1234 567"):
        assert values(read(f'id,day,x\n1,0,"{text}"\n')) == [("x", None, text)]
    assert values(read('id,day,x\n1,0,"1,234.5"\n', categorical=["x"])) == [("x", None, "1,234.5")]


@pytest.mark.parametrize(
    "cells",
    [
        ["350", "1.718", "4.711"],  # two cells are chance
        ["350", "1.718", "4.711", "12.009", "0.718"],
        ["350.0", "1.718", "4.711", "12.009"],
        ["35", "1.718", "4.711", "12.009"],
        ["1350", "1.718", "4.711", "12.009"],
    ],
)
def test_three_decimals_are_no_thousands_where_other_cells_say_so(read: Any, cells: list[str]) -> None:
    found = read("id,day,x\n" + "".join(f"1,{day},{cell}\n" for day, cell in enumerate(cells)))
    assert [row[1] for row in values(found)] == pytest.approx([float(cell) for cell in cells])


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ([-99, 3.5, -99, 8], 2),
        ([999, 120, 999, 333], 2),
        ([-9, -9, 99, 99, 0, 33], 4),
        ([-1, 170, -1], 2),
        ([-1, 0, 1, -1], 0),
        ([-99, -3, -99, 8], 0),
        ([999, 999, 334], 0),
        ([-2147483648, 5, -2147483648], 2),
        ([2147483648, 2147483648, 5], 2),
        ([-99, 3, 5], 0),
        ([999, 999], 0),
    ],
)
def test_numbers_that_may_mean_not_measured_are_counted_and_kept(read: Any, cells: list[float], rows: int) -> None:
    records = read("id,day,x\n" + "".join(f"1,{day},{cell}\n" for day, cell in enumerate(cells)))
    assert [row[1] for row in values(records)] == cells
    assert reasons(records) == ({(MAY_BE_MISSING, "x"): rows} if rows else {})


def test_a_column_that_counts_the_rows_is_read_where_it_is_listed_or_alone_or_does_not_quite(read: Any) -> None:
    header, rows = "id,day,x,y\n", [f"7,{row},{row},\n" for row in range(20)]
    assert len(values(read(header + "".join(rows), columns=["x"]))) == 20
    assert len(values(read("id,day,x\n" + "".join(row.replace(",\n", "\n") for row in rows)))) == 20
    assert len(values(read(header + "".join(rows[:19])))) == 19
    assert len(values(read(header + "".join([*rows[:19], "7,30,20,\n"])))) == 20


def test_times_that_may_mean_not_known_are_counted(read: Any) -> None:
    assert reasons(read("id,day,x\n1,-99,1\n1,0,2\n2,-99,3\n2,7,4\n")) == {(MAY_BE_MISSING, "day"): 2}


@pytest.mark.parametrize(
    ("days", "rows"),
    [
        ("1900-01-01 1900-01-01 2019-05-01", 2),
        ("2019-05-01 2099-12-31T23:59 2099-12-31 1753-01-01 1753-01-01", 4),
        ("1900-01-01 2019-05-01", 0),
        ("2010-01-01 2010-01-01 2019-05-01", 0),
        ("1900-05-01 1900-05-01 2019-05-01", 0),
        ("2020-01-01 2020-01-01", 0),
        (" ".join(["2019-05-01"] * 40 + ["2091-05-01", "2092-05-01"]), 2),
        (" ".join(["2019-05-01"] * 30 + ["2091-05-01", "2092-05-01"]), 0),
    ],
)
def test_times_far_from_all_others_are_counted(read: Any, days: str, rows: int) -> None:
    visits = read("id,at,x\n" + "".join(f"{who},{day},1\n" for who, day in enumerate(days.split())), time="at")
    born = "id,birth,x\n" + "".join(f"{who},{day[:10]},1\n" for who, day in enumerate(days.split()))
    births = read(born, layout="static", rename={"birth": "MEDS_BIRTH"})
    assert reasons(visits) == ({(FAR_AWAY, "at"): rows} if rows else {})
    assert reasons(births) == ({(FAR_AWAY, "MEDS_BIRTH"): rows} if rows else {})


def test_numbers_with_leading_zeros_are_counted(read: Any) -> None:
    text = "id,day,dx,x\n1,0,0389,0.5\n1,1,389,0\n"
    assert reasons(read(text)) == {(LEADING_ZEROS, "dx"): 1}
    assert reasons(read(text, categorical=["dx"])) == {}


def test_codes_that_differ_in_capitals_only_are_counted(tmp_path: Any) -> None:
    frames = {
        "t": pl.DataFrame({"id": [1, 1], "day": [0, 1], "code": ["K", "crp"], "numeric_value": [4.1, 3.0]}),
        "u": pl.DataFrame({"id": [1, 1], "day": [0, 1], "k": [4.0, None]}),
    }
    records = read_records([table(layout="long"), table(name="u")], tmp_path, frames=frames)
    assert reasons(records) == {(ALIKE_CODE, "K"): 1, (ALIKE_CODE, "k"): 1, ("empty cell", "k"): 1}


def test_ids_that_differ_in_capitals_only_are_counted(read: Any) -> None:
    records = read("id,day,x\nP1,0,1\np1,1,2\nP2,0,3\nP2,1,4\n")
    assert len(records.subjects) == 3
    assert reasons(records) == {(IN_CAPITALS, None): 2}


def test_texts_like_limits_may_be_categories(read: Any) -> None:
    for text in ("<b", "5-6", "<5-6", "a<5", "<2020-01-01", "<inf"):
        assert values(read(f'id,day,x\n1,0,"{text}"\n')) == [("x", None, text)]
    ages = "id,day,x\n1,0,<18\n1,1,18-65\n1,2,>65\n"
    assert [row[2] for row in values(read(ages, categorical=["x"]))] == ["<18", "18-65", ">65"]
    assert values(read("id,day,x\n1,0,<5\n1,1,<5\n1,2,7\n", na=["<5"])) == [("x", 7.0, None)]


def test_numbers_that_are_a_part_of_a_name_are_categories(read: Any) -> None:
    for names in (["1 - mild", "2 - moderate"], ["T1", "T2"], ["1+", "neg"], ["18-30", "31-45"], ["1:40", "1:80"]):
        text = "id,day,x\n" + "".join(f"1,{day},{name}\n" for day, name in enumerate(names))
        assert [row[2] for row in values(read(text))] == names
    grades = "id,day,x\n1,0,1+\n1,1,2+\n1,2,2A\n"
    assert [row[2] for row in values(read(grades, categorical=["x"]))] == ["1+", "2+", "2A"]


def test_categorical_numbers_have_one_spelling(read: Any, read_parquet: Any) -> None:
    text = "id,day,g\n1,0,3\n1,1,3.0\n1,2,2.50\n1,3,007\n1,4,-1\n"
    spelled = [row[2] for row in values(read(text, categorical=["g"]))]
    assert spelled == ["3", "3", "2.5", "007", "-1"]
    frame = pl.DataFrame({"id": [1, 1, 1], "day": [0, 1, 2], "g": [3.0, 2.5, None]})
    for kind in (pl.Float64, pl.Float32):
        tenths = frame.with_columns(g=pl.Series([2.3, 3.0, -0.0], dtype=kind))
        assert [row[2] for row in values(read_parquet(tenths, categorical=["g"]))] == ["2.3", "3", "0"]
    assert [row[2] for row in values(read_parquet(frame.cast({"g": pl.Decimal(6, 2)}), categorical=["g"]))] == [
        "3",
        "2.5",
    ]
    assert [row[2] for row in values(read("id;day;g\n1;0;2,50\n", categorical=["g"], delimiter=";", decimal=","))] == [
        "2.5"
    ]


def test_codes_of_more_digits_than_a_double_holds_stay_apart(read: Any, read_parquet: Any) -> None:
    codes = [999000011000000103, 999000011000000106, -9007199254740993]
    rows = "".join(f"1,{day},{code}\n" for day, code in enumerate(codes))
    keys: dict[str, Any] = {"categorical": ["dx"]}
    written = [str(code) for code in codes]
    assert [row[2] for row in values(read("id,day,dx\n" + rows, **keys))] == written
    frame = pl.DataFrame({"id": [1, 1, 1], "day": [0, 1, 2], "dx": codes})
    assert [row[2] for row in values(read_parquet(frame, **keys))] == written


@pytest.mark.parametrize(
    ("column", "number", "text"),
    [
        (pl.Series([True]), None, "true"),
        (pl.Series([Decimal("1.5")]), 1.5, None),
        (pl.Series([7], dtype=pl.UInt64), 7.0, None),
        (pl.Series(["a"], dtype=pl.Categorical), None, "a"),
        (pl.Series(["5"], dtype=pl.Enum(["5"])), None, "5"),
        (pl.Series([0.5], dtype=pl.Float32), 0.5, None),
        (pl.Series([" 5 "]), 5.0, None),
    ],
    ids=str,
)
def test_types_of_a_frame(read_parquet: Any, column: pl.Series, number: float | None, text: str | None) -> None:
    assert values(read_parquet(pl.DataFrame({"id": [1], "day": [0], "x": column}))) == [("x", number, text)]


def test_numbers_that_are_typed_as_categories_are_categories_of_an_input(tmp_path: Any) -> None:
    stages = pl.Series("x", ["1", "3"], dtype=pl.Categorical)
    frame = pl.DataFrame({"id": [1, 1], "day": [0, 1]}).with_columns(stages)
    records = read_records([table()], tmp_path, frames={"t": frame})
    assert values(records) == [("x", None, "1"), ("x", None, "3")]
    assert reasons(records) == {(AMONG_CATEGORIES, "x"): 2}
    settled = read_records([table()], tmp_path, frames={"t": frame}, kinds={"x": "number"})
    assert values(settled) == [("x", 1.0, None), ("x", 3.0, None)]
    apart = read_records([table()], tmp_path, frames={"t": frame}, apart=["x"])
    assert apart.outcomes["numeric_value"].to_list() == [1.0, 3.0]
    keys: dict[str, Any] = {"layout": "series", "series": SeriesSettings(code="x")}
    readings = pl.DataFrame([pl.Series("id", [1, 2]), stages.alias("r1"), stages.alias("r2")])
    series = read_records([table(**keys)], tmp_path, frames={"t": readings})
    assert [row[2] for row in values(series)] == ["1", "1", "3", "3"]


def test_a_number_that_means_missing_is_one_however_it_is_written(read: Any, read_parquet: Any) -> None:
    na = ["", "-99.9"]
    assert values(read("id,day,x\n1,0,-99.90\n1,1,-99.9\n1,2,99.9\n1,3, -9.99e1\n", na=na)) == [
        ("x", pytest.approx(99.9), None)
    ]
    long = {"layout": "long", "delimiter": ";", "decimal": ",", "na": ["-99"]}
    assert values(read("id;day;code;numeric_value\n1;0;x;-99,0\n1;1;x;5,5\n", **long)) == [("x", 5.5, None)]
    for kind in (pl.Float32, pl.Float64):
        frame = pl.DataFrame({"id": [1, 1], "day": [0, 1], "x": pl.Series([-99.9, 5.5], dtype=kind)})
        assert values(read_parquet(frame, na=na)) == [("x", 5.5, None)]


def test_missing_is_counted_by_code_and_reason(read: Any, read_parquet: Any) -> None:
    records = read("id,day,a,b,c\n1,0,1,,x\n1,1,NA,,y\n1,2, ,,NA\n")
    assert reasons(records) == {("empty cell", "a"): 2, ("no value at all", "b"): 3, ("empty cell", "c"): 1}
    frame = pl.DataFrame({"id": [1, 1, 1], "day": [0, 1, 2], "a": [1.0, float("nan"), None]})
    assert reasons(read_parquet(frame)) == {("not a number (NaN), read as missing", "a"): 1, ("empty cell", "a"): 1}


def test_words_for_missing_hold_for_numbers_of_any_source(read: Any, read_parquet: Any) -> None:
    keys: dict[str, Any] = {"na": ["-9"]}
    assert read("id,day,a\n1,0,-9\n1,1,5\n", **keys).events.height == 1
    assert read_parquet(pl.DataFrame({"id": [1, 1], "day": [0, 1], "a": [-9, 5]}), **keys).events.height == 1


def test_several_numbers_at_one_instant_are_averaged(read: Any) -> None:
    records = read("id,day,a,b\n1,0,1,x\n1,0,2,y\n1,0,6,y\n2,0,5,x\n")
    assert values(records) == [("a", 3.0, None), ("b", None, "y"), ("a", 5.0, None), ("b", None, "x")]
    assert reasons(records) == {
        ("several values at one instant averaged", "a"): 2,
        ("several texts at one instant, the most frequent kept", "b"): 2,
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_merged_values_do_not_depend_on_the_order_of_rows(read: Any, order: tuple[int, ...]) -> None:
    rows = ["1,0,1e30,z\n", "1,0,-1e30,a\n", "1,0,1,k\n", "1,0,3,b\n"]
    records = read("id,day,number,text\n" + "".join(rows[place] for place in order))
    # Summed in sorted order, -1e30 swallows the small ones; in another order they would survive.
    assert values(records) == [("number", 0.0, None), ("text", None, "a")]


def test_numbers_are_averaged_before_they_are_rounded(read: Any) -> None:
    records = read("id,day,a\n1,0,16777217\n1,0,16777219\n")
    assert records.events["numeric_value"].to_list() == [16777218.0]


def test_units_at_one_instant_are_kept_apart(read: Any) -> None:
    text = "id,day,code,numeric_value,unit\n1,0,glu,90,mg/dL\n1,0,glu,5,mmol/L\n1,0,glu,100,mg/dL\n"
    events = read(text, layout="long").events
    assert events.select("numeric_value", "unit").rows() == [(95.0, "mg/dL"), (5.0, "mmol/L")]


def test_long_rows_without_value_are_events_or_empty_cells(read: Any) -> None:
    text = "id,day,code,numeric_value\n1,0,visit,\n1,1,sbp,\n1,2,sbp,120\n1,0,visit,\n1,5,visit,NA\n"
    records = read(text, layout="long")
    assert values(records) == [("visit", None, None), ("sbp", 120.0, None), ("visit", None, None)]
    assert reasons(records) == {("empty cell", "sbp"): 1, ("duplicate row", None): 1}


def test_long_without_columns_of_values_is_plain_events(read: Any) -> None:
    assert values(read("id,day,code\n1,0,visit\n", layout="long")) == [("visit", None, None)]
    records = read("id,day,code,ward\n1,0,visit,7\n", layout="long", columns=[])
    assert values(records) == [("visit", None, None)]
    assert reasons(records) == {("column 'ward' is not read in layout long", None): 1}


def test_codes_whose_values_are_all_text_are_categories(read: Any) -> None:
    text = "id,day,code,v\n1,0,sbp,120\n1,0,smoker,yes\n1,1,smoker,no\n1,1,grade,3.0\n1,2,grade,x\n"
    records = read(text, layout="long", value="v", categorical=["grade"])
    assert values(records) == [
        ("sbp", 120.0, None),
        ("smoker", None, "yes"),
        ("grade", None, "3"),
        ("smoker", None, "no"),
        ("grade", None, "x"),
    ]


def test_numbers_and_texts_stand_side_by_side(read: Any) -> None:
    text = "id,day,code,numeric_value,text_value\n1,0,hb,12,low\n1,1,hb,,clotted\n1,2,note,,fine\n"
    assert values(read(text, layout="long")) == [("hb", 12.0, "low"), ("hb", None, "clotted"), ("note", None, "fine")]


def test_renaming_codes(read: Any) -> None:
    text = "id,day,code,numeric_value\n1,0,NIBP,120\n1,0,ABP,130\n1,1,hr,60\n"
    records = read(text, layout="long", rename={"NIBP": "sbp", "ABP": "sbp", "gone": "g"})
    assert values(records) == [("sbp", 125.0, None), ("hr", 60.0, None)]
    assert reasons(records)["code named in `rename` that does not occur", "gone"] == 1
    assert values(read("id,day,a\n1,0,5\n", rename={"a": "sbp"})) == [("sbp", 5.0, None)]


def test_codes_that_are_renamed_to_one_have_values_of_one_kind(read: Any, tmp_path: Any) -> None:
    keys: dict[str, Any] = {"layout": "long", "rename": {"NIBP": "sbp", "ABP": "sbp"}}
    head = "id,day,code,numeric_value\n"
    with pytest.raises(RecordsError, match="rows 2, 4: expected numbers as in the other rows of the same code"):
        read(head + "1,0,NIBP,120\n1,0,ABP,high\n1,0,hr,60\n1,1,ABP,low\n", **keys)
    assert values(read(head + "1,0,NIBP,120\n1,1,ABP,high\n", categorical=["NIBP"], **keys)) == [
        ("sbp", None, "120"),
        ("sbp", None, "high"),
    ]
    empty = read(head + "1,0,NIBP,120\n1,0,ABP,\n", **keys)
    assert values(empty) == [("sbp", 120.0, None)]
    assert reasons(empty) == {("empty cell", "sbp"): 1}
    frame = pl.DataFrame({"id": [1], "day": [0], "code": ["NIBP"], "numeric_value": ["high"]})
    with pytest.raises(RecordsError, match="row 1: expected numbers"):
        read_records([table(**keys)], tmp_path, frames={"t": frame}, kinds={"sbp": "number"})


def test_an_earlier_reading_settles_what_a_code_is(tmp_path: Any) -> None:
    frame = pl.DataFrame({"id": ["1"], "day": ["0"], "grade": ["3"]})
    told = read_records([table()], tmp_path, frames={"t": frame}, kinds={"grade": "text"})
    assert values(told) == [("grade", None, "3")]
    long = pl.DataFrame({"id": ["1"], "day": ["0"], "code": ["grade"], "numeric_value": ["3"]})
    told = read_records([table(layout="long")], tmp_path, frames={"t": long}, kinds={"grade": "text"})
    assert values(told) == [("grade", None, "3")]


def test_a_column_that_an_earlier_reading_did_not_know_refuses_nothing(tmp_path: Any) -> None:
    for cells in (["120 mmHg", "80 mmHg"], ["<5", "<5"], ["2020-01-05", "2020-01-06"], ["1", "?"]):
        frame = pl.DataFrame({"id": ["1", "1"], "day": ["0", "1"], "sbp": ["120", "130"], "new": cells})
        told = read_records([table()], tmp_path, frames={"t": frame}, kinds={"sbp": "number"}).events
        assert told.filter(code="new")["text_value"].to_list() == cells
        assert told.filter(code="sbp")["numeric_value"].to_list() == [120, 130]


def test_an_empty_cell_of_one_person_alone_is_no_event(tmp_path: Any) -> None:
    rows = {"id": [1, 1, 2, 2], "day": [0, 1, 0, 1], "code": ["sbp", "visit", "sbp", "visit"]}
    both = pl.DataFrame(rows | {"numeric_value": [None, None, 120.0, None]})
    alone = both.filter(pl.col("id") == 1)
    whole = read_records([table(layout="long")], tmp_path, frames={"t": both})
    told = read_records([table(layout="long")], tmp_path, frames={"t": alone}, kinds={"sbp": "number"})
    for records in (whole, told):
        assert records.events.filter(pl.col("subject_id") == 0)["code"].to_list() == ["visit"]
        assert reasons(records) == {("empty cell", "sbp"): 1}


@pytest.mark.parametrize("layout", ["visits", "long"])
def test_true_and_false_are_texts_and_no_numbers(tmp_path: Any, layout: str) -> None:
    wide = pl.DataFrame({"id": [1, 1], "day": [0, 1], "smoker": [True, False]})
    long = wide.rename({"smoker": "numeric_value"}).with_columns(code=pl.lit("smoker"))
    frames = {"t": wide if layout == "visits" else long}
    assert values(read_records([table(layout=layout)], tmp_path, frames=frames)) == [
        ("smoker", None, "true"),
        ("smoker", None, "false"),
    ]
    with pytest.raises(RecordsError, match="rows 1, 2: expected numbers"):
        read_records([table(layout=layout)], tmp_path, frames=frames, kinds={"smoker": "number"})


def test_a_series_is_of_one_kind(read: Any) -> None:
    settings = SeriesSettings(code="state", every="1d")
    records = read("id,r1,r2\n1,1,up\n2,down,up\n", layout="series", series=settings)
    assert values(records) == [
        ("state", None, "1"),
        ("state", None, "up"),
        ("state", None, "down"),
        ("state", None, "up"),
    ]


@pytest.mark.parametrize(
    ("names", "every", "others"),
    [
        ("day0,day7,day14", "1w", []),
        ("month1,month2,month3", "30d", []),
        ("0min,15min,30min", "15min", []),
        ("hr1,hr2,hr3", "1d", []),
        ("2019-11,2019-12,2020-01", "1mo", []),
        ("12/28/2019,01/04/2020,01/11/2020", "1w", []),
        ("r2,r4,next,r8", "1d", ["next"]),
        ("age,wk1,wk2,wk3", "7d", ["age"]),
        ("first,second,third", "1d", []),
    ],
)
def test_readings_named_otherwise_than_the_others_are_counted(
    read: Any, names: str, every: str, others: list[str]
) -> None:
    readings = ",".join("1" for _ in names.split(","))
    records = read(f"id,{names}\n1,{readings}\n", layout="series", series=SeriesSettings(code="sbp", every=every))
    assert reasons(records) == {(NAMED_OTHERWISE, name): 1 for name in others}


def test_ids_are_numbers_only_where_all_are(tmp_path: Any) -> None:
    visits = pl.DataFrame({"id": [10, 9], "day": [0, 0], "sbp": [1, 2]})
    for ids, expected in ((["9", "11"], [9, 10, 11]), (["007", "9"], ["007", "10", "9"])):
        facts = pl.DataFrame({"id": ids, "sex": ["f", "m"]})
        frames = {"t": visits, "facts": facts}
        records = read_records([table(), table(name="facts", layout="static")], tmp_path, frames=frames)
        assert records.subjects["source_id"].to_list() == expected


def test_spaces_around_ids_are_counted(read: Any) -> None:
    records = read("id,day,a\n x1,0,1\nx1,1,1\n")
    assert records.subjects["source_id"].to_list() == ["x1"]
    assert reasons(records) == {("id with spaces around it, read without them", None): 1}


def test_people_are_numbered_by_id_and_appear_in_the_order_of_rows(read: Any) -> None:
    records = read("id,day,a\n9,0,1\n10,5,1\n9,1,1\n-3,0,1\n")
    assert records.subjects.rows() == [(0, -3, 2), (1, 9, 0), (2, 10, 1)]


def test_quoted_fields_hold_newlines_and_delimiters(read: Any) -> None:
    records = read('id,day,"no\nte"\n1,0,"a\nb"\n1,1,"c, ""d"""\n')
    assert values(records) == [("no\nte", None, "a\nb"), ("no\nte", None, 'c, "d"')]


def test_blank_lines_are_counted(read: Any) -> None:
    assert reasons(read("id,day,a\n\n1,0,1\n\r\n1,1,1\n\n")) == {("blank line", None): 3}


def test_a_person_without_any_value_is_still_a_person(read: Any) -> None:
    records = read("id,day,a\n1,0,\n2,0,1\n")
    assert records.subjects.height == 2
    assert records.tables[0].people == records.tables[0].rows == 2
    assert records.tables[0].codes == ("a",)
