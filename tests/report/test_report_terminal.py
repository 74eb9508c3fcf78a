"""The table at the end of `sequela run`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from run_folders import read_json
from test_report_page import KINDS

from sequela.report import results_table


def printed(run: Path) -> str:
    console = Console(file=io.StringIO(), width=100, no_color=True)
    console.print(results_table(read_json(run / "metrics.json")))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_table_fits_a_hundred_columns(run_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    text = printed(run_folder(**kind))
    assert "…" not in text
    assert "Network" in text


def test_the_network_comes_first_and_the_best_baseline_is_marked(run_folder: Callable[..., Path]) -> None:
    lines = [line.rstrip() for line in printed(run_folder(losing=True)).splitlines()]
    assert lines[2].startswith("Network            17.41 [16.50, 18.32]  13.41 [12.79, 14.03]")
    assert lines[3].startswith("Linear (ridge) *   17.10 [16.19, 18.01]")
    assert lines[3].endswith("+0.31 [ 0.12,  0.51] worse")
    assert lines[4].endswith("+0.18 [−0.01,  0.38] unclear")
    assert lines[6].startswith("Persistence")
    assert lines[6].endswith("better")


def test_missing_intervals_are_explained(run_folder: Callable[..., Path]) -> None:
    text = printed(run_folder(few=True))
    assert "– fewer than 10 held-out people" in " ".join(text.split())
    assert "unclear" not in text


def test_markup_in_names_is_not_obeyed(run_folder: Callable[..., Path]) -> None:
    assert "[red]x[/red]" in printed(run_folder(targets=("[red]x[/red]",)))


def test_wide_numbers_still_fit(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    for row in metrics["measures"]:
        for key in ("value", "low", "high"):
            row[key] *= 1000
    for row in metrics["comparisons"]:
        for key in ("difference", "low", "high"):
            row[key] *= 1000
    console = Console(file=io.StringIO(), width=100)
    console.print(results_table(metrics))
    assert isinstance(console.file, io.StringIO)
    assert "…" not in console.file.getvalue()
