"""Right calls: help, check, run, predict and report, as a user types them."""

from __future__ import annotations

import io
import os
import shutil
from importlib import metadata
from pathlib import Path

import polars as pl
import pytest
from command_line import in_a_process, in_process, listing
from rich.console import Console
from small_study import SECRET, patients_csv, visits_csv, write_study

import sequela
from sequela.terminal import TerminalWatch
from sequela.train import Progress

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["predict", "--help"], ["check", "--help"]])
def test_help_is_shown_and_is_no_error(words: list[str], tmp_path: Path, capfd: Capture) -> None:
    answer = in_process(words, tmp_path, capfd)
    assert answer.code == 0
    assert "Usage:" in answer.out
    assert answer.err == ""


def test_help_says_how_to_begin(tmp_path: Path, capfd: Capture) -> None:
    shown = " ".join(in_process([], tmp_path, capfd).out.split())
    assert "`sequela example icu-risk`, then `sequela run icu-risk/study.toml`" in shown


def test_the_version_is_told_without_a_command(tmp_path: Path, capfd: Capture) -> None:
    answer = in_process(["--version"], tmp_path, capfd)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"sequela {metadata.version('sequela')}\n"


def test_examples_are_listed(tmp_path: Path, capfd: Capture) -> None:
    answer = in_process(["example"], tmp_path, capfd)
    assert answer.code == 0
    assert "blood-pressure-series" in answer.out


def test_a_study_is_run_and_predicts_from_the_command_line(tmp_path: Path) -> None:
    write_study(tmp_path, id_prefix=SECRET)
    ran = in_a_process(
        ["run", "study.toml", "--out", "run", "--set", "train.epochs=3", "--set", "name=Another"], tmp_path
    )
    assert ran.code == 0, ran.err
    assert "Report: run/report.html" in ran.out
    assert "persistence" in ran.out
    assert SECRET not in ran.out + ran.err
    assert "try a smaller `hidden` in [model]." in ran.err  # brackets are no markup
    assert "Epoch 3 of 3: loss " in ran.err
    assert 'name = "Another"' in (tmp_path / "run" / "study.toml").read_text()
    words = ["predict", "run/bundle", "patients=patients.csv", "visits=visits.csv", "--at", "last"]
    printed = in_a_process(words, tmp_path)
    assert printed.code == 0, printed.err
    table = pl.read_csv(io.StringIO(printed.out))
    assert table["subject_id"].n_unique() == len(table) == 60


def test_predictions_are_written_as_csv_or_parquet(finished: Path, tmp_path: Path, capfd: Capture) -> None:
    shutil.copytree(finished, tmp_path / "f")
    words = ["predict", "run/bundle", "visits.csv", "patients.csv", "--now", "60"]
    for name in ("out.csv", "out.parquet"):
        answer = in_process([*words, "--out", name], tmp_path / "f", capfd)
        assert (answer.code, answer.out) == (0, ""), answer.err
    table, parquet = pl.read_csv(tmp_path / "f" / "out.csv"), pl.read_parquet(tmp_path / "f" / "out.parquet")
    assert table["predicted"].to_list() == pytest.approx(parquet["predicted"].to_list())
    assert table["prediction_time"].max() <= 60
    assert [path.name for path in (tmp_path / "f").iterdir() if path.name.startswith(".")] == []


@pytest.fixture(scope="module")
def open_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run whose tables are read with whatever columns they have; never written to."""
    folder = tmp_path_factory.mktemp("open")
    study = write_study(folder, {"records.0.columns": None}, id_prefix=SECRET)
    sequela.run(sequela.read_study(study), folder / "run")
    return folder


def renamed(folder: Path, to: Path, **headers: str) -> list[str]:
    """Write both tables with other headers; return the call that predicts from them."""
    for table, header in headers.items():
        first, rest = (folder / f"{table}.csv").read_text().split("\n", 1)
        assert first != header
        (to / f"{table}.csv").write_text(f"{header}\n{rest}")
    paths = [str((to if table in headers else folder) / f"{table}.csv") for table in ("visits", "patients")]
    return ["predict", str(folder / "run" / "bundle"), *paths, "--out", "out.csv"]


def test_a_renamed_column_is_told_and_predictions_are_made(open_study: Path, tmp_path: Path, capfd: Capture) -> None:
    whole = in_process([*renamed(open_study, tmp_path), "--at", "last"], tmp_path, capfd)
    assert (whole.code, whole.err) == (0, "")
    (tmp_path / "out.csv").unlink()
    answer = in_process(renamed(open_study, tmp_path, visits="id,day,sbp,DBP,unit"), tmp_path, capfd)
    assert answer.code == 0
    assert answer.err == (
        "Warning: 2 of 5 inputs have no value in these records: dbp (perhaps 'DBP'), ward. Predictions take them as "
        "never measured. 2 columns or codes are unknown to the bundle and not read: 'DBP', 'unit'. Where they stand "
        "for an input, write the study's name.\n"
    )
    assert pl.read_csv(tmp_path / "out.csv")["flags"].str.contains("missing: dbp, ward").all()


def test_records_without_a_single_input_are_refused(open_study: Path, tmp_path: Path, capfd: Capture) -> None:
    words = renamed(open_study, tmp_path, visits="id,day,a,b,c", patients="id,d,e")
    answer = in_process(words, tmp_path, capfd)
    assert answer.code == 2
    assert answer.error == (
        "visits.csv, patients.csv: none of the bundle's inputs has a value in these records, so predictions would be "
        "made of nothing. The inputs are dbp, sbp, ward, height, sex. Name the columns as the study's tables do; here "
        "there are 'a', 'b', 'c', 'd', 'e'."
    )
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_predictions_that_cannot_be_written_leave_nothing(finished: Path, name: str) -> None:
    before = listing(finished)
    answer = in_a_process(
        ["predict", "run/bundle", "visits.csv", "patients.csv", "--out", name], finished, largest=2000
    )
    assert answer.code == 2
    assert answer.error == f"--out {name}: it cannot be written (File too large). Choose another place."
    assert listing(finished) == before


def test_a_run_that_cannot_be_written_leaves_nothing(finished: Path) -> None:
    before = listing(finished)
    answer = in_a_process(["run", "study.toml", "--out", "another"], finished, largest=14_000)
    assert answer.code == 2
    assert "another: it cannot be written (File too large)" in answer.err
    assert listing(finished) == before


def test_letters_that_the_terminal_cannot_show_stop_nothing(finished: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path, {"records.0.rename": {"dbp": "druck µ"}})
    checked = in_a_process(["check", study.name], tmp_path, PYTHONIOENCODING="ascii")
    assert checked.code == 0, checked.err
    assert r"druck \xb5" in checked.out
    (tmp_path / "visits.csv").write_text(visits_csv(id_prefix="µ"), encoding="utf-8")
    (tmp_path / "patients.csv").write_text(patients_csv(id_prefix="µ"), encoding="utf-8")
    words = ["predict", str(finished / "run" / "bundle"), "visits.csv", "patients.csv", "--at", "last"]
    told = in_a_process(words, tmp_path, PYTHONIOENCODING="ascii")
    assert told.code == 0, told.err
    assert pl.read_csv(io.StringIO(told.out))["subject_id"].str.starts_with("µ").all()


def test_python_without_docstrings_is_refused(tmp_path: Path) -> None:
    answer = in_a_process(["check", "study.toml"], tmp_path, PYTHONOPTIMIZE="2")
    assert answer.code == 2
    assert answer.error.endswith("Leave -OO or PYTHONOPTIMIZE=2 out.")


def test_names_out_of_tables_do_not_steer_the_terminal(tmp_path: Path, capfd: Capture) -> None:
    study = write_study(tmp_path, {"records.0.rename": {"dbp": "\x1b[1m\u202e"}})
    checked = in_process(["check", study.name], tmp_path, capfd)
    assert checked.code == 0, checked.err
    assert r"\x1b[1m\u202e" in checked.out
    assert not {"\x1b", "\u202e"} & set(checked.out + checked.err)


def test_a_reader_who_has_seen_enough_is_no_fault(finished: Path) -> None:
    for words in (["check", "study.toml"], ["predict", "run/bundle", "visits.csv", "patients.csv"]):
        read, write = os.pipe()
        os.close(read)
        answer = in_a_process(words, finished, out=write)
        os.close(write)
        assert answer.code == 0, answer.err
        assert "fault" not in answer.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_standard_output_that_is_full_is_no_fault_of_ours(finished: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        answer = in_a_process(["check", "study.toml"], finished, out=full)
    assert answer.code == 2
    assert answer.error == "the output cannot be written (No space left on device). Make room on the disk."


def test_check_reads_and_trains_nothing(finished: Path, capfd: Capture) -> None:
    before = listing(finished)
    answer = in_process(["check", "study.toml"], finished, capfd)
    assert answer.code == 0, answer.err
    assert "visits.csv" in answer.out
    assert "asked, with a label" in answer.out
    assert SECRET not in answer.out + answer.err
    assert listing(finished) == before


def test_check_shows_what_is_there_and_refuses_what_a_run_would(tmp_path: Path, capfd: Capture) -> None:
    write_study(tmp_path, {"prepare.min_people": 500})
    answer = in_process(["check", "study.toml"], tmp_path, capfd)
    assert answer.code == 2
    assert "visits.csv" in answer.out
    assert "min_people = 500" in answer.error


def test_check_tells_of_every_prediction_and_how_many_the_outcome_followed(tmp_path: Path, capfd: Capture) -> None:
    write_study(tmp_path, {"split.by": "time"})
    answer = in_process(["check", "study.toml"], tmp_path, capfd)
    rows = {cells[1]: cells[2] for line in answer.out.splitlines() if len(cells := line.split("│")) == 5}
    counts = {name.strip(): int(count.replace(",", "")) for name, count in rows.items() if count.strip().isdigit()}
    parts = sum(counts[part] for part in ("train", "tuning", "held_out"))
    assert counts["asked, with a label"] == parts + counts["the label became known after the training cut"]
    assert "followed by the event" not in answer.out
    outcome = {"code": "sbp", "above": 135, "within": "90d", "recurrent": True}
    risk = {"kind": "risk", "outcome": outcome, "incomplete": "no event"}
    write_study(tmp_path, {"question": risk, "evaluate": {"baselines": ["logistic"]}})
    answer = in_process(["check", "study.toml"], tmp_path, capfd)
    assert answer.code == 0, answer.err
    assert "of these, followed by the event" in answer.out
    assert "of these: the outcome has no value" in answer.out


def test_check_counts_empty_cells_in_one_line_a_table(tmp_path: Path, capfd: Capture) -> None:
    write_study(tmp_path, {"records.0.columns": None})
    header, *rows = (tmp_path / "visits.csv").read_text().splitlines()
    names = ("v", "w", "x", "y")
    cells = ["," * len(names) if place < 20 else ",1,1,1,1" for place in range(len(rows))]
    wide = [f"{row}{more}" for row, more in zip(rows, cells, strict=True)]
    (tmp_path / "visits.csv").write_text("\n".join([f"{header},{','.join(names)}", *wide]) + "\n")
    empty = 4 * 20 + sum(row.split(",")[3] == "" for row in rows)
    answer = in_process(["check", "study.toml"], tmp_path, capfd)
    lines = [line for line in answer.out.splitlines() if "empty cell" in line]
    assert len(lines) == 1, answer.out
    assert "dbp, v, w and 2 more" in lines[0]
    assert f" {empty} " in lines[0]


def test_a_report_is_written_again(finished: Path, tmp_path: Path, capfd: Capture) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    answer = in_process(["report", "run"], tmp_path, capfd)
    assert (answer.code, answer.out) == (0, "Report: run/report.html\n")
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("fault", [ZeroDivisionError, pl.exceptions.PanicException])
def test_a_fault_of_ours_shows_its_kind_and_no_message(
    fault: type[BaseException], finished: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def broken(*given: object) -> None:
        raise fault(SECRET)

    monkeypatch.setattr("sequela.predict.load_bundle", broken)
    answer = in_process(["predict", "run/bundle", "visits.csv", "patients.csv"], finished, capfd)
    assert answer.code == 1
    assert fault.__name__ in answer.err
    assert "--debug" in answer.err
    assert SECRET not in answer.err
    assert "Traceback" in in_process(["--debug", "predict", "run/bundle", "visits.csv"], finished, capfd).err


def test_a_refusal_shows_where_it_was_raised_only_with_debug(finished: Path, capfd: Capture) -> None:
    assert "Traceback" not in in_process(["run", "nowhere.toml"], finished, capfd).err
    answer = in_process(["run", "nowhere.toml", "--debug"], finished, capfd)
    assert answer.code == 2
    assert "Traceback" in answer.err


def test_an_interruption_before_training_writes_nothing(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def pressed(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sequela.study.story.read_records", pressed)
    before = listing(finished)
    answer = in_process(["run", "study.toml", "--out", "another"], finished, capfd)
    assert answer.code == 130
    assert "Interrupted; nothing half-written is left." in answer.err
    assert listing(finished) == before


def test_a_long_stage_names_its_parts_beside_the_running_time_and_in_a_log_on_lines() -> None:
    for is_terminal in (True, False):
        shown = io.StringIO()
        with TerminalWatch(Console(file=shown, force_terminal=is_terminal, width=120)) as watch:
            watch.stage("Fitting the baselines")
            watch.part("settings [2 of 8]")
        for words in ("Fitting the baselines ...", "settings [2 of 8]", "0:00:00" if is_terminal else "- settings"):
            assert words in shown.getvalue()


def test_in_a_log_a_sentence_is_one_line() -> None:
    shown, words = io.StringIO(), "The network has 60,406 parameters: " + 20 * "look at [model] and "
    with TerminalWatch(Console(file=shown, width=80)) as watch:
        watch.note(words)
        watch.warn(words)
    assert shown.getvalue() == f"{words}\nWarning: {words}\n"


def test_training_is_shown_as_a_bar_on_a_terminal() -> None:
    shown = io.StringIO()
    with TerminalWatch(Console(file=shown, force_terminal=True, width=120)) as watch:
        watch.stage("Reading [the records]")
        for batch in (1, 2):
            watch.training(Progress(epoch=1, epochs=1, batch=batch, batches=2, train_loss=0.5, tuning_loss=0.25), 2, 4)
        watch.trained("all epochs")
        watch.warn("look at [model]")
    assert "Reading [the records] ..." in shown.getvalue()
    assert "look at [model]" in shown.getvalue()
    assert "Training, fit 2 of 4" in shown.getvalue()
    assert "epoch 1: loss 0.5000, tuning 0.2500" in shown.getvalue()
    assert "All epochs are done." in shown.getvalue()
