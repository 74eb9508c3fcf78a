"""A run folder that lacks something is refused by name, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from run_folders import read_json, write_json

from sequela.errors import RunError
from sequela.report import write_report

FILES = ("study.toml", "metrics.json", "history.json", "profile.json", "curves.json", "environment.json")
JSON = FILES[1:]


def refused(run: Path, *names: str) -> None:
    before = {path.name for path in run.iterdir()}
    with pytest.raises(RunError) as caught:
        write_report(run)
    message = str(caught.value)
    assert all(name in message for name in names), message
    assert "\n" not in message
    assert message.endswith(".")
    assert {path.name for path in run.iterdir()} == before


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(run_folder: Callable[..., Path], name: str) -> None:
    run = run_folder()
    (run / name).unlink()
    refused(run, name, "lacks", "sequela run")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe\x00", b"][", b"[" * 100_000], ids=["cut", "binary", "wrong", "deep"]
)
def test_a_damaged_file_is_named(run_folder: Callable[..., Path], name: str, content: bytes) -> None:
    run = run_folder()
    (run / name).write_bytes(content)
    refused(run, name, "sequela run")


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("content", [{}, {"format": 2}, {"format": 1}, [1], None], ids=str)
def test_another_format_or_an_empty_file_is_refused(
    run_folder: Callable[..., Path], name: str, content: object
) -> None:
    run = run_folder()
    write_json(run / name, content)
    refused(run, name)


def test_the_place_of_the_damage_is_named_but_not_its_content(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    profile = read_json(run / "profile.json")
    profile["variables"][1]["people"] = "Mrs Smith"
    write_json(run / "profile.json", profile)
    refused(run, "profile.json", "variables.1.people")
    with pytest.raises(RunError) as caught:
        write_report(run)
    assert "Smith" not in str(caught.value)


def test_a_sign_that_no_text_can_have_is_refused(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    text = (run / "profile.json").read_text()
    (run / "profile.json").write_text(text.replace('"name": "', '"name": "\\ud800', 1))
    refused(run, "report.html", "no text can have")


def test_a_damaged_audit_is_refused_though_none_is_needed(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    (run / "audit.json").write_text("{", encoding="utf-8")
    refused(run, "audit.json")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a run folder"):
        write_report(tmp_path / "nothing")


def test_a_study_whose_groups_are_no_tables_is_refused(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    (run / "study.toml").write_text("question = 3\n", encoding="utf-8")
    refused(run, "study.toml", "[question]")


def test_individuals_need_their_predictions(run_folder: Callable[..., Path]) -> None:
    run = run_folder(individuals=True)
    frame = pl.read_parquet(run / "predictions.parquet")
    frame.drop("lower", "upper").write_parquet(run / "predictions.parquet")
    refused(run, "predictions.parquet", "lower, upper")
    (run / "predictions.parquet").write_bytes(b"PAR1")
    refused(run, "predictions.parquet", "damaged")
    (run / "predictions.parquet").unlink()
    refused(run, "predictions.parquet", "lacks")


def test_a_page_that_cannot_be_written_leaves_no_trace(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    (run / "report.html").mkdir()
    refused(run, "report.html", "cannot be written")
