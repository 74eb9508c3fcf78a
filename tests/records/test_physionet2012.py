"""Stays of PhysioNet's 2012 challenge: read in place, hours since admission, and refused without quoting a cell."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from small_tables import reasons, tar_of, zip_of

from sequela.errors import RecordsError
from sequela.records import Clock, Records, TableSettings, read_records

HEADER = "Time,Parameter,Value\n"
FIRST = HEADER + "00:00,RecordID,11\n00:00,Age,54\n00:00,Gender,0\n00:00,Height,-1\n00:00,ICUType,4\n"
FIRST += "00:00,Weight,-1\n00:07,HR,73\n01:30,Weight,70.5\n47:59,HR,-1\n"
SECOND = HEADER + "00:00,RecordID,12\n00:00,Age,30\n00:00,Gender,-1\n00:00,Height,170.2\n00:00,ICUType,2\n"
SECOND += "00:00,Weight,81\n"
FILES = {"set/11.txt": FIRST.encode(), "set/12.txt": SECOND.encode()}


def settings(path: str | list[str] = "set", **keys: Any) -> TableSettings:
    return TableSettings(name="stays", source="physionet2012", path=path, **keys)


def read(folder: Path, path: str | list[str] = "set", **keys: Any) -> Records:
    return read_records([settings(path, **keys)], folder)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_hours_count_from_admission_and_descriptors_are_static_facts(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    records = read(tmp_path)
    assert records.clock == Clock(calendar=False, unit="hours")
    rows = records.events.with_columns(records.clock.to_source(pl.col("time"))).drop("unit", "available_time").rows()
    assert rows == [
        (0, None, "Age", 54.0, None),
        (0, None, "Gender", None, "0"),
        (0, None, "ICUType", None, "4"),
        (0, 7 / 60, "HR", 73.0, None),
        (0, 1.5, "Weight", 70.5, None),
        (0, 48 - 1 / 60, "HR", -1.0, None),
        (1, None, "Age", 30.0, None),
        (1, None, "Height", pytest.approx(170.2), None),
        (1, None, "ICUType", None, "2"),
        (1, 0.0, "Weight", 81.0, None),
    ]


def test_minus_one_is_missing_where_the_challenge_says_so_and_counted(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    found = reasons(read(tmp_path))
    words = "-1, which stands for missing here"
    assert found == {(words, "Gender"): 1, (words, "Height"): 1, (words, "Weight"): 1}


def test_a_stay_with_nothing_measured_is_a_person(tmp_path: Path) -> None:
    bare = HEADER + "00:00,RecordID,13\n00:00,Height,-1\n"
    write(tmp_path, FILES | {"set/13.txt": bare.encode()})
    records = read(tmp_path)
    assert records.subjects["source_id"].to_list() == [11, 12, 13]
    assert set(records.events["subject_id"]) == {0, 1}


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz", "zip"])
def test_archives_are_read_in_place(kind: str, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / "archive").write_bytes(zip_of(FILES) if kind == "zip" else tar_of(FILES, kind))
    before = sorted(tmp_path.rglob("*"))
    assert_frame_equal(read(tmp_path, "archive").events, read(tmp_path).events, check_exact=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_archives_and_files_may_be_mixed(tmp_path: Path) -> None:
    third = SECOND.replace("RecordID,12", "RecordID,13").encode()
    write(tmp_path, {"one/deep/11.txt": FIRST.encode(), "13.txt": third})
    (tmp_path / "two.tar.xz").write_bytes(tar_of({"set/12.txt": SECOND.encode()}, "xz"))
    records = read(tmp_path, ["one", "two.tar.xz", "13.txt"])
    assert records.subjects["source_id"].to_list() == [11, 12, 13]
    assert records.tables[0].files == ("one", "two.tar.xz", "13.txt")
    assert (records.tables[0].rows, records.tables[0].people) == (21, 3)


def test_files_that_are_no_stays_are_counted(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"set/Outcomes-a.txt": b"RecordID\n", "set/._11.txt": b"\x00", "set/README": b""})
    words = "file that is none of a stay (NUMBER.txt), not read"
    assert reasons(read(tmp_path))[(words, None)] == 3


def test_one_stay_read_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / "again.zip").write_bytes(zip_of({"set/11.txt": FIRST.encode()}))
    twice = read(tmp_path, ["set", "again.zip"])
    assert_frame_equal(twice.events, read(tmp_path).events, check_exact=True)
    assert reasons(twice)[("duplicate row", None)] == 6


def test_two_versions_of_one_stay_are_refused(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / "again.zip").write_bytes(zip_of({"set/11.txt": FIRST.replace("HR,73", "HR,74").encode()}))
    with pytest.raises(
        RecordsError, match=r"^again\.zip/set/11\.txt: this stay has other rows in 'set/11\.txt'\. Keep"
    ):
        read(tmp_path, ["set", "again.zip"])


@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.rstrip(b"\n"),
        lambda text: b"\n" + text.replace(b"\n", b"\n\n"),
        lambda text: text.replace(b",", b" , "),
    ],
    ids=["byte-order mark", "CRLF", "CR", "no last newline", "blank lines", "spaces"],
)
def test_ways_to_write_a_file_change_nothing(written: Callable[[bytes], bytes], tmp_path: Path) -> None:
    write(tmp_path, FILES)
    plain = read(tmp_path)
    write(tmp_path, {name: written(text) for name, text in FILES.items()})
    assert_frame_equal(read(tmp_path).events, plain.events, check_exact=True)


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    write(tmp_path, {"set/11.txt": b"\n" + FIRST.replace("\n", "\n\n").encode()})
    assert reasons(read(tmp_path))[("blank line", None)] == 1 + FIRST.count("\n")


def test_a_code_may_be_renamed_and_a_number_may_be_a_category(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    records = read(tmp_path, rename={"Gender": "sex", "HR": "heart_rate"}, categorical=["HR"])
    first = records.events.filter(pl.col("subject_id") == 0)
    assert first.filter(pl.col("code") == "sex")["text_value"].to_list() == ["0"]
    assert first.filter(pl.col("code") == "heart_rate")["text_value"].to_list() == ["73", "-1"]
    assert ("-1, which stands for missing here", "sex") in reasons(records)


def test_a_frame_may_hold_numbers_of_hours(tmp_path: Path) -> None:
    frame = pl.DataFrame({"RecordID": [7, 7], "Time": [0.0, 1.5], "Parameter": ["Age", "HR"], "Value": [50, 80]})
    records = read_records([settings()], tmp_path, frames={"stays": frame})
    assert records.events["time"].to_list() == [None, datetime(1970, 1, 1, 1, 30)]


def test_a_new_stay_is_read_as_the_bundle_knows_its_codes(tmp_path: Path) -> None:
    write(tmp_path, {"11.txt": FIRST.encode()})
    kinds = {"Gender": "text", "ICUType": "text", "HR": "number", "Lactate": "number"}
    live = read_records([settings("11.txt")], tmp_path, kinds=kinds)  # type: ignore[arg-type]
    assert_frame_equal(live.events, read(tmp_path, "11.txt").events, check_exact=True)


def test_a_resolved_study_is_read_again() -> None:
    given = settings(rename={"HR": "heart_rate"})
    assert TableSettings.model_validate(given.model_dump()) == given


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"subject": "id"}, "columns of its own: remove `subject`"),
        ({"time": "t"}, "columns of its own: remove `time`"),
        ({"time_unit": "days"}, "columns of its own: remove `time_unit`"),
        ({"layout": "visits"}, "layout of its own: remove `layout`"),
        ({"columns": ["HR"]}, "no use for `columns`"),
        ({"available": "t"}, "no use for `available`"),
        ({"delimiter": ";"}, "no use for `delimiter`"),
        ({"encoding": "latin-1"}, "no use for `encoding`"),
        ({"role": "outcome"}, "outcomes in a table of their own"),
    ],
)
def test_keys_that_make_no_sense_are_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**keys)


STAY = HEADER + "00:00,RecordID,4711\n"
REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["set/4711.txt: ", "first line is not Time,Parameter,Value"]),
    "another header": ("Time;Parameter;Value\n", ["set/4711.txt: ", "first line"]),
    "no RecordID": (HEADER + "00:00,Age,5\n", ["set/4711.txt: ", "no row 00:00,RecordID"]),
    "header only": (HEADER, ["set/4711.txt: ", "no row 00:00,RecordID"]),
    "RecordID of another": (HEADER + "00:00,Age,5\n00:00,RecordID,99\n", ["column 'Value', row 2:", "in its name"]),
    "RecordID empty": (HEADER + "00:00,RecordID,\n", ["column 'Value', row 1:", "in its name"]),
    "short line": (STAY + "00:07,HR\n", ["set/4711.txt, row 2:", "three fields"]),
    "long line": (STAY + "00:07,HR,1,2\n", ["set/4711.txt, row 2:", "three fields"]),
    "short and long line": (STAY + "00:07,HR\n00:07,HR,1,2\n", ["set/4711.txt, rows 2, 3:", "three fields"]),
    "long and short line": (STAY + "00:07,HR,1,2\n00:07,HR\n", ["set/4711.txt, rows 2, 3:", "three fields"]),
    "text as value": (STAY + "00:07,HR,SECRET\n", ["column 'Value', row 2:", "numbers"]),
    "quoted value": (STAY + '00:07,HR,"80"\n', ["column 'Value', row 2:", "numbers"]),
    "infinite value": (STAY + "00:07,HR,inf\n", ["column 'Value', row 2:", "finite"]),
    "text as time": (STAY + "SECRET,HR,80\n", ["column 'Time', row 2:", "such as 07:30"]),
    "minute 60": (STAY + "00:60,HR,80\n", ["column 'Time', row 2:", "such as 07:30"]),
    "negative time": (STAY + "-01:30,HR,80\n", ["column 'Time', row 2:"]),
    "decimal hours": (STAY + "1.5,HR,80\n", ["column 'Time', row 2:"]),
    "missing time": (STAY + ",HR,80\n", ["column 'Time', row 2:", "missing"]),
    "missing code": (STAY + "00:07,,80\n", ["column 'Parameter', row 2:", "missing"]),
    "a fact later": (STAY + "00:07,Age,80\n", ["column 'Parameter', row 2:", "00:00"]),
    "a fact twice": (STAY + "00:00,Age,80\n00:00,Age,81\n", ["column 'Value', rows 2, 3:", "twice"]),
    "another encoding": (STAY.encode() + b"00:07,\xff,80\n", ["set/4711.txt: line 3 ", "utf-8"]),
}


@pytest.mark.parametrize("case", list(REFUSED))
@pytest.mark.parametrize("archived", [False, True], ids=["folder", "archive"])
def test_a_stay_that_cannot_be_read_is_refused_by_file_and_row(case: str, archived: bool, tmp_path: Path) -> None:
    content, says = REFUSED[case]
    files = FILES | {"set/4711.txt": content.encode() if isinstance(content, str) else content}
    write(tmp_path, files)
    (tmp_path / "set.tar.gz").write_bytes(tar_of(files, "gz"))
    with pytest.raises(RecordsError) as caught:
        read(tmp_path, "set.tar.gz" if archived else "set")
    message = str(caught.value)
    assert message.startswith("set.tar.gz/set/4711.txt" if archived else "set/4711.txt")
    for words in says:
        assert words in message
    said = message.replace("4711.txt", "")
    assert not any(cell in said for cell in ("SECRET", "4711", "99", "80", "81"))
    assert message.endswith(".")


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    whole, plain, packed = tar_of(FILES, "xz"), tar_of(FILES), zip_of(FILES)
    large = tarfile.TarInfo("set/11.txt")
    large.size = 1 << 40
    write(
        tmp_path,
        {
            "cut.tar.xz": whole[:-40],
            "cut.tar": tar_of(FILES)[:1700],
            "cut_between.tar": tar_of(FILES)[:1536],
            "header.tar": plain[:1600] + b"\xff" + plain[1601:],
            "sum.tar.gz": tar_of(FILES, "gz")[:-8] + bytes(8),
            "cut.tar.bz2": tar_of(FILES, "bz2")[:-10],
            "cut.tar.gz": tar_of(FILES, "gz")[:-30],
            "cut.zip": packed[:-30],
            "wrong.zip": packed[:60] + b"\x00" * 30 + packed[90:],
            "text.txt": b"SECRET",
            "nothing.tar": b"",
            "none.tar": tar_of({}),
            "large.tar": large.tobuf(),
            "zeros.tar.gz": gzip.compress(bytes(1 << 20)) * 100,
            "other/a.csv": b"SECRET",
        },
    )
    (tmp_path / "empty").mkdir()
    for path, says in (
        ("gone.tar.xz", "no such file or folder"),
        ("cut.tar.xz", "cut off"),
        ("cut.tar", "cut off"),
        ("cut_between.tar", "cut off"),
        ("header.tar", "cut off"),
        ("sum.tar.gz", "cut off"),
        ("cut.tar.bz2", "cut off"),
        ("cut.tar.gz", "cut off"),
        ("cut.zip", "cut off"),
        ("wrong.zip", "cut off"),
        ("text.txt", "neither a folder nor an archive"),
        ("nothing.tar", "neither a folder nor an archive"),
        ("none.tar", "no file of a stay"),
        ("large.tar", "larger than 64 MiB"),
        ("zeros.tar.gz", "unpacks to more than 200 times its size"),
        ("other", "no file of a stay"),
        ("empty", "no file of a stay"),
    ):
        with pytest.raises(RecordsError, match=says) as caught:
            read(tmp_path, path)
        assert str(caught.value).startswith(path)
        assert "SECRET" not in str(caught.value)


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("set/11.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    (tmp_path / "link.tar").write_bytes(buffer.getvalue())
    with pytest.raises(RecordsError, match="no file of a stay"):
        read(tmp_path, "link.tar")


def test_a_password_is_said_to_be_in_the_way(tmp_path: Path) -> None:
    data = bytearray(zip_of(FILES))
    for place in [at for at in range(len(data)) if data[at : at + 4] == b"PK\x01\x02"]:
        data[place + 8] |= 1
    for place in [at for at in range(len(data)) if data[at : at + 4] == b"PK\x03\x04"]:
        data[place + 6] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    with pytest.raises(RecordsError, match="locked by a password"):
        read(tmp_path, "locked.zip")
    assert zipfile.is_zipfile(tmp_path / "locked.zip")
