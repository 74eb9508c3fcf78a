"""Ctrl-C ends training, not the study: the best weights so far are judged, and the run says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_study import write_study

from sequela.study import Watch
from sequela.train import Progress

# A parent that ignores Ctrl-C (a shell's background job) hands that down; the command must not depend on it.
LISTENING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, '-m', 'sequela', *sys.argv[1:]])"
)


class Interrupting(Watch):
    """Presses Ctrl-C in an epoch, and keeps what it is told."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.ended = epoch, []

    def training(self, progress: Progress, fit: int, fits: int) -> None:
        if progress.epoch == self.epoch and progress.batch == 2:
            raise KeyboardInterrupt

    def trained(self, stopped: str) -> None:
        self.ended.append(stopped)


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_training_is_judged_and_reported(run_study: Any, epoch: int) -> None:
    watch = Interrupting(epoch)
    run = run_study({"train.epochs": 50}, watch=watch)
    (fit,) = json.loads((run.folder / "history.json").read_text())["fits"]
    assert (fit["stopped"], len(fit["epochs"])) == ("interrupted", epoch - 1)
    assert watch.ended == ["interrupted"]
    assert "nterrupted" in run.report.read_text()
    table = pl.read_parquet(run.folder / "predictions.parquet").filter(model="network")
    assert table["predicted"].is_finite().all()
    assert run.metrics["models"]["network"]["rmse"]["value"] > 0


def test_with_folds_each_training_ends_by_its_own_interruption(run_study: Any) -> None:
    watch = Interrupting(2)
    run = run_study({"train.epochs": 50, "split.folds": 2}, watch=watch)
    assert watch.ended == ["interrupted"] * 3
    assert {fit["stopped"] for fit in json.loads((run.folder / "history.json").read_text())["fits"]} == {"interrupted"}


def test_a_signal_to_the_real_command_ends_training_and_the_run_is_written(tmp_path: Path) -> None:
    write_study(tmp_path, {"train.epochs": 1_000_000, "train.patience": 0})
    words = [sys.executable, "-c", LISTENING, "run", "study.toml", "--out", "run"]
    environment = os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if "Epoch 1 of" in line:
                break
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=60)
    assert command.returncode == 0, err
    assert "Interrupted: the best weights so far are kept and judged." in err
    assert "Report: run/report.html" in out
    (fit,) = json.loads((tmp_path / "run" / "history.json").read_text())["fits"]
    assert fit["stopped"] == "interrupted"
    assert len(fit["epochs"]) < 1_000_000


def test_a_command_that_is_told_to_end_takes_away_what_is_half_written(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"train.epochs": 1_000_000, "train.patience": 0})
    before = sorted(tmp_path.iterdir())
    words = [sys.executable, "-m", "sequela", "run", study.name, "--out", "run"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if "Epoch 1 of" in line:
                break
        command.terminate()
        command.communicate(timeout=60)
    assert command.returncode == 143  # and no longer -15: what is on its way out is cleared
    assert sorted(tmp_path.iterdir()) == before
