"""What another tool exported is attacked as a study is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from audited import table
from clean import admissions
from tables import export, survival

from sequela.audit import Audit, audit_table, audit_table_file
from sequela.audit.separation import Separation
from sequela.audit.table import _first_event, _of_each, _one_each
from sequela.audit.table_file import examples
from sequela.errors import LeakError, RecordsError


def found(frame: pl.DataFrame, **keys: Any) -> Audit:
    return audit_table(frame, **{"subject": "pid", "time": "day", "split": "part", "label": "died", **keys})


def named(audit: Audit, severity: str | None = None) -> set[tuple[str, str | None]]:
    return {(one.finding, one.column) for one in audit.findings if severity in (None, one.severity)}


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_table_is_let_be(seed: int) -> None:
    assert not [one for one in found(export(seed=seed)).findings if one.severity != "note"]
    assert not [one for one in found(export(60, seed=seed), time=None, split=None).findings if one.severity != "note"]
    assert not audit_table(survival(seed=seed), subject="pid", label="years").findings


def test_a_table_without_numbers_is_attacked_all_the_same() -> None:
    words = export().select("pid", "day", "died", "sex", where=pl.lit("home"))
    assert not found(words, split=None).findings
    told = words.with_columns(where=pl.when(pl.col("died") == 1).then(pl.lit("morgue")).otherwise(pl.lit("home")))
    assert named(found(told, split=None), "certain") == {("equals_outcome", "where")}


def test_a_leak_of_a_table_stops_without_speaking_of_a_study() -> None:
    audit = found(export().with_columns(status=pl.col("died") + 1))
    with pytest.raises(LeakError, match="equals_outcome") as stopped:
        audit.stop_at_leaks()
    assert "accept" not in str(stopped.value)


def test_a_year_of_admission_is_no_time_ahead_but_the_day_of_discharge_is() -> None:
    tables = admissions(seed=8)
    rows = table(tables, "visits").join(table(tables, "people").drop("birth"), on="id")
    rows = rows.join(table(tables, "outcome").select("id", "died"), on="id")
    assert {one.severity for one in audit_table(rows, subject="id", time="day", label="died").findings} <= {"note"}
    told = rows.with_columns(discharged=pl.col("day").max().over("id").floor() + 1)
    found = named(audit_table(told, subject="id", time="day", label="died"), "certain")
    assert found == {("length_of_record", "discharged")}


def test_people_in_several_parts_are_found() -> None:
    rows = export()
    shuffled = rows.with_columns(part=pl.Series(np.random.default_rng(1).choice(["train", "test"], len(rows))))
    assert ("people_overlap", None) in named(found(shuffled), "certain")


def test_parts_that_follow_each_other_in_time_are_a_note() -> None:
    rows = export().with_columns(part=pl.when(pl.col("day") < 30).then(pl.lit("train")).otherwise(pl.lit("test")))
    assert ("people_overlap", None) in named(found(rows), "note")


@pytest.mark.parametrize(
    ("first", "others", "severity"),
    [
        (["train", "train", "test", "test"], ["train", "train", "test", "test"], "note"),
        (["train", "test", "train", "test"], ["train", "test", "train", "test"], "certain"),  # side by side in time
        (["train", "train", "test", "test"], ["test", "test", "train", "train"], "certain"),
        (["train", "train", "test", "test"], ["train", "train", "train", "train"], "note"),
    ],
)
def test_parts_follow_each_other_where_all_that_stand_in_both_have_them_in_one_order(
    first: list[str], others: list[str], severity: str
) -> None:
    rows = pl.DataFrame(
        {"pid": np.repeat(np.arange(40), 4), "day": np.tile([1, 5, 9, 15], 40), "died": np.repeat(np.arange(40) % 2, 4)}
    ).with_columns(part=pl.Series([*first * 20, *others * 20]))
    assert ("people_overlap", None) in named(found(rows), severity)


def test_copies_under_another_id_are_found() -> None:
    rows = export().with_columns(part=pl.when(pl.col("pid") < 1100).then(pl.lit("train")).otherwise(pl.lit("test")))
    long = pl.len().over("pid") > 2  # two rows may agree by chance
    again = rows.filter(long & (pl.col("pid") < 1030)).with_columns(pl.col("pid") + 5000, part=pl.lit("test"))
    [copied] = [one for one in found(pl.concat([rows, again])).findings if one.finding == "copied_history"]
    assert copied.severity == "certain"
    assert copied.evidence.startswith(
        f"The rows of {2 * again['pid'].n_unique()} people stand under other ids in another part"
    )


@pytest.mark.parametrize(("copies", "words"), [(5, "Fewer than 11 rows are"), (6, "12 rows are")])
def test_single_rows_in_two_parts_are_found(copies: int, words: str) -> None:
    random = np.random.default_rng(3)
    rows = export().with_columns(
        *[pl.Series(f"x{k}", np.round(random.normal(0, 1, len(export())), 4)) for k in range(9)]
    )
    again = rows[: 20 * copies : 20].with_columns(
        pid=pl.Series(np.arange(9000, 9000 + copies)),
        part=pl.when(pl.col("part") == "train").then(pl.lit("held_out")).otherwise(pl.lit("train")),
    )
    audit = found(pl.concat([rows, again.select(rows.columns)]))
    [copied] = [one for one in audit.findings if one.finding == "copied_rows"]
    assert copied.severity == "certain"
    assert copied.evidence.startswith(words)


@pytest.mark.parametrize(
    ("column", "expression", "finding"),
    [
        ("status", pl.col("died") + 1, "equals_outcome"),
        (
            "destination",
            pl.when(pl.col("died") == 1).then(pl.lit("morgue")).otherwise(pl.lit("home")),
            "equals_outcome",
        ),
        ("score", pl.col("marker") + 9 * pl.col("died"), "predicts_outcome_alone"),
        ("until", pl.col("day").max().over("pid") * 24 + 5, "length_of_record"),
        ("rows_in_all", pl.len().over("pid").cast(pl.Float64), "length_of_record"),
        ("seen", pl.col("age") + pl.col("day").max().over("pid") / 365.25, "length_of_record"),
        ("remaining", pl.col("day").max().over("pid") - pl.col("day"), "length_of_record"),
    ],
)
def test_columns_that_tell_what_lies_ahead_are_found(column: str, expression: pl.Expr, finding: str) -> None:
    rows = export(seed=4)
    if column == "seen":  # only years apart does an age tell them
        rows = rows.with_columns(pl.col("day") * 50)
    assert (finding, column) in named(found(rows.with_columns(expression.alias(column))), "certain")


@pytest.mark.parametrize("leak", [False, True])
def test_people_who_enter_later_may_be_older(leak: bool) -> None:
    random = np.random.default_rng(6)
    born, entered = random.uniform(1930, 1985, 300), random.uniform(2005, 2016, 300)
    years = random.exponential(3, 300)
    rows = pl.DataFrame(
        {
            "pid": np.arange(300),
            "year": np.round(entered, 3),
            "age": np.round(entered - born + leak * years, 1),
            "ends": np.round(entered + years, 3),
        }
    )
    audit = audit_table(rows, subject="pid", label="ends", time="year")
    assert named(audit, "likely") == ({("age_at_outcome", "age")} if leak else set())


def test_one_persons_rows_may_be_the_same_in_parts_that_follow_each_other() -> None:
    random = np.random.default_rng(4)
    rows = export().select("pid", "day", "died")
    genes = pl.DataFrame({"pid": rows["pid"].unique().sort()}).with_columns(
        pl.Series(f"gene{k}", np.round(random.normal(0, 1, 300), 4)) for k in range(20)
    )
    rows = rows.join(genes, on="pid").with_columns(
        part=pl.when(pl.col("day") < 30).then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    assert {one.severity for one in found(rows).findings} == {"note"}


def test_columns_of_lists_and_labels_that_are_spans_are_read() -> None:
    rows = export().with_columns(embedding=pl.concat_list("age", "marker"), died=pl.duration(days=pl.col("died")))
    assert not [one for one in found(rows).findings if one.severity != "note"]
    some = rows.with_columns(embedding=pl.when(pl.col("died") > pl.duration(hours=1)).then("embedding"))
    assert named(found(some), "certain") == {("equals_outcome", "embedding")}


def test_an_id_of_a_file_is_its_persons_only_where_it_is_written_alike(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{number:{width}},{number % 2},{part}" for number in range(1, 60)
            for width, part in (("03", "train"), ("", "test"))]  # fmt: skip
    path.write_text("\n".join(["pid,died,part", *rows]))
    assert not audit_table_file(path, subject="pid", label="died", split="part").findings
    with pytest.raises(RecordsError, match="no such column"):
        audit_table_file(path, subject="person", label="died")


def test_the_end_of_follow_up_is_suspected() -> None:
    random = np.random.default_rng(5)
    rows = export(seed=5)
    after = dict(zip(rows["pid"].unique().sort(), np.round(random.exponential(5, 300), 1), strict=True))
    end = rows.with_columns(futime=pl.col("day").max().over("pid") + pl.col("pid").replace_strict(after))
    assert ("length_of_record", "futime") in named(found(end), "likely")


def test_a_label_that_is_a_number_is_found_in_other_units_and_in_an_age() -> None:
    rows = survival(seed=6)
    leaky = rows.with_columns(days=(pl.col("years") * 365.25).round(), age_seen=pl.col("age") + pl.col("years"))
    assert {("equals_outcome", "days"), ("outcome_time", "age_seen")} <= named(
        audit_table(leaky, subject="pid", label="years"), "certain"
    )
    wrong = rows.with_columns(days=pl.when(pl.col("pid") < 3).then(0.0).otherwise(pl.col("years") * 365.25).round())
    [told] = audit_table(wrong, subject="pid", label="years").findings
    assert told.evidence == (
        "It is the label times 365.25, but for rounding: in all but fewer than 11 of the rows of 300 people."
    )
    alone = rows.with_columns(age=pl.col("age") + pl.col("years"))
    assert named(audit_table(alone, subject="pid", label="years"), "likely") == {("age_at_outcome", "age")}


def test_an_end_to_which_a_label_counts_down_is_a_time_ahead() -> None:
    rows = export(seed=7)
    end = rows.with_columns(until=pl.col("day").max().over("pid") + pl.col("age").first().over("pid") / 10)
    frame = end.with_columns(left=pl.col("until") - pl.col("day"), ends=pl.col("until").round(1) + 7)
    audit = audit_table(frame.drop("until"), subject="pid", label="left", time="day")
    [told] = [one for one in audit.findings if one.column == "ends"]
    assert told.finding == "outcome_time"
    assert told.evidence.startswith("It is the time plus the label 'left', plus a constant, but for rounding")


def test_of_each_person_are_told_the_one_number_the_span_and_when_the_label_turns() -> None:
    rows = examples(
        pl.DataFrame(
            {"pid": [0, 0, 1, 1, 2], "day": [3, 1, 1, 3, 2], "died": [1, 0, 1, 1, 0], "x": [1, 1, 1, 2, None]}
        ),
        {"subject": "pid", "label": "died", "time": "day", "split": None},
        "t",
    )
    np.testing.assert_array_equal(_one_each(rows.columns[0].number, rows), [1, np.nan, np.nan])
    np.testing.assert_array_equal(_first_event(rows), [3, np.nan, np.nan])
    np.testing.assert_array_equal(np.stack(_of_each(rows)[1:]), [[1, 1, 2], [3, 3, 2], [2, 2, 1]])


def test_a_label_of_few_people_is_told_by_no_column() -> None:
    rows = survival(19)
    many = pl.concat([rows.with_columns(pl.col("years") + visit) for visit in range(3)])
    leaky = many.with_columns(days=pl.col("years") * 365.25)
    assert not named(audit_table(leaky, subject="pid", label="years"), "certain")


@pytest.mark.parametrize(
    ("label", "read"),
    [
        (["dead", None, "alive", " "], [1.0, 0.0]),
        (["Yes", "no", "no"], [1.0, 0.0, 0.0]),
        (["other", "control"], [1.0, 0.0]),
        (["case", "other"], [1.0, 0.0]),
        (["b", "a"], [1.0, 0.0]),
        ([7, 3, None, 7], [1.0, 0.0, 1.0]),
        ([True, False], [1.0, 0.0]),
    ],
)
def test_of_two_labels_one_is_the_event_and_rows_without_one_are_left_out(label: list[Any], read: list[float]) -> None:
    frame = pl.DataFrame({"pid": range(len(label)), "died": label, "x": [float("inf"), 1.0, 2.0, 3.0][: len(label)]})
    rows = examples(frame, {"subject": "pid", "label": "died", "time": None, "split": None}, "t")
    assert rows.binary
    assert rows.label.tolist() == read
    [x] = rows.columns
    assert x.present.tolist() == [False, *[True] * (len(read) - 1)]
    np.testing.assert_array_equal(np.isnan(x.number), ~x.present)


def test_a_column_that_names_the_part_is_found() -> None:
    rows = export().with_columns(
        source=pl.when(pl.col("part") == "train").then(pl.lit("a.csv")).otherwise(pl.lit("b.csv"))
    )
    assert ("differs_by_split", "source") in named(found(rows), "likely")


@pytest.mark.parametrize(
    ("rows", "apart", "finding"),
    [(11, 9.0, {("differs_by_split", "site")}), (10, 9.0, set()), (150, 2.33, set())],  # 2.33: AUROC 0.95
)
def test_numbers_tell_the_parts_where_they_part_eleven_rows_of_each(rows: int, apart: float, finding: set[Any]) -> None:
    there = np.arange(300) < rows
    site = np.random.default_rng(0).normal(size=300) + apart * there
    frame = pl.DataFrame({"pid": np.arange(300), "died": np.arange(300) % 2, "site": site, "part": there.astype(int)})
    assert named(found(frame, time=None)) == finding
    words = frame.with_columns(site=pl.when(pl.Series(there)).then(pl.lit("a")).otherwise(pl.lit("b")))
    assert bool(named(found(words, time=None))) == (rows > 10)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_says_the_same_as_its_frame(tmp_path: Path, ending: str) -> None:
    frame = export().with_columns(status=pl.col("died") + 1)
    path = tmp_path / f"table.{ending}"
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    audit = audit_table_file(path, subject="pid", label="died", time="day", split="part")
    assert named(audit) == named(found(frame))
    assert audit.findings[0].table == path.name


@pytest.mark.parametrize(
    ("change", "keys", "words"),
    [
        ({}, {"label": "dead"}, "Did you mean 'died'"),
        ({}, {"subject": "died"}, "named for two things"),
        ({"pid": pl.lit(None, pl.Int64)}, {}, "the id is missing"),
        ({"pid": pl.when(pl.int_range(pl.len()) != 2).then("pid")}, {}, "row 3"),
        ({"died": pl.lit(1)}, {}, "all rows have the same label"),
        ({"died": pl.col("sex") + pl.col("age").cast(pl.String)}, {}, "more than two words"),
        ({"died": pl.lit(None, pl.Int64)}, {}, "no row has a label"),
        ({"day": pl.col("sex")}, {}, "neither numbers nor ISO 8601"),
        ({"day": pl.lit(None, pl.Float64)}, {}, "the time is missing"),
        ({"day": pl.lit(float("inf"))}, {}, "the time is infinite"),
        ({"died": pl.concat_list("died")}, {}, "its cells hold lists"),
        ({"pid": pl.struct("pid")}, {}, "its cells hold lists"),
        ({"part": pl.lit("train")}, {}, "2 to 20 parts"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(change: dict[str, pl.Expr], keys: dict[str, str], words: str) -> None:
    with pytest.raises(RecordsError, match=words):
        found(export(30).with_columns(**change), **keys)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no such file"):
        audit_table_file(tmp_path / "none.csv", subject="pid", label="died")
    (tmp_path / "noise.parquet").write_bytes(b"noise")
    with pytest.raises(RecordsError, match="cannot be read"):
        audit_table_file(tmp_path / "noise.parquet", subject="pid", label="died")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(RecordsError, match="cannot be read"):
        audit_table_file(tmp_path / "empty.csv", subject="pid", label="died")
    (tmp_path / "bare.csv").write_text("pid,died\n")
    with pytest.raises(RecordsError, match="no rows"):
        audit_table_file(tmp_path / "bare.csv", subject="pid", label="died")


@pytest.mark.parametrize("affected", [10, 11, 12, 13, 14])
def test_how_often_chance_does_as_well_is_never_told_too_low(affected: int) -> None:
    died = np.arange(60) < affected
    score = np.random.default_rng(1).uniform(size=60) + 2 * died
    frame = pl.DataFrame({"id": range(60), "died": died.astype(int), "score": score})
    [finding] = [one for one in audit_table(frame, subject="id", label="died").findings if one.column == "score"]
    told = re.search(r"in at most ([\d.]+) of 100 such samples", finding.evidence)
    chance = Separation(auroc=1.0, with_outcome=affected, without=60 - affected).by_chance(0.95)
    assert told
    assert 100 * chance <= float(told[1]) <= 100 * chance + 0.1
