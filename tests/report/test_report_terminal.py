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
from test_report_risk import KINDS as RISK_KINDS

from sequela.report import results_table
from sequela.report.comparison import comparison_tables


def printed(run: Path, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True)
    console.print(results_table(read_json(run / "metrics.json")))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_table_fits_a_hundred_columns(run_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    text = printed(run_folder(**kind))
    assert "…" not in text
    assert "Network" in text


@pytest.mark.parametrize("width", [80, 64])
def test_on_a_narrow_terminal_the_ends_of_intervals_are_whole(risk_folder: Callable[..., Path], width: int) -> None:
    run = risk_folder(hybrid=True, explained=False)
    text = printed(run, width)
    assert "…" not in text
    shown = read_json(run / "metrics.json")["models"]["network"]
    for metric in ("auroc", "auprc", "brier", "calibration_slope"):
        assert f"[{shown[metric]['low']:.3f}," in text
        assert f"{shown[metric]['high']:.3f}]" in text


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


@pytest.mark.parametrize("kind", RISK_KINDS.values(), ids=RISK_KINDS)
def test_the_table_of_a_risk_fits_a_hundred_columns(risk_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    text = printed(risk_folder(**kind))
    assert "…" not in text
    assert all(word in text for word in ("Network", "AUROC", "AUPRC", "Brier", "Slope"))


def test_a_difference_is_the_network_less_the_row_also_for_the_hybrid(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(hybrid=True)
    pair = next(
        row for row in read_json(run / "metrics.json")["comparisons"]
        if (row["model"], row["against"], row["metric"]) == ("hybrid", "network", "auroc")
    )  # fmt: skip
    line = next(line for line in printed(run).splitlines() if line.startswith("Hybrid"))
    assert f"{-pair['difference']:+.3f}".replace("-", "−") in line
    assert "Gradient boosting *" in printed(run)


def test_few_people_are_explained_in_the_terminal(risk_folder: Callable[..., Path]) -> None:
    assert "– too few to say" in " ".join(printed(risk_folder(people=12)).split())


COMPARED: dict[str, Any] = {
    "format": 1, "question": "risk", "target": ["died"],
    "runs": [
        {"name": name, "folder": name, "models": ["network", "logistic"], "best_baseline": "logistic",
         "held_out": {"people": 600, "predictions": 700}}
        for name in ("a", "[red]b[/red]")
    ],
    "common": {"people": 500, "predictions": 512}, "events": 81, "metrics": ["auroc", "net_benefit"],
    "thresholds": [0.1, 0.2],
    "rows": [
        {"run": name, "model": model, "metric": metric, "threshold": threshold, "target": None, "value": 0.81,
         "low": None if model == "logistic" else 0.7, "high": None if model == "logistic" else 0.9,
         "reason": "no interval" if model == "logistic" else None, "people": 500}
        for name in ("a", "[red]b[/red]") for model in ("network", "logistic")
        for metric, threshold in (("auroc", None), ("net_benefit", 0.1), ("net_benefit", 0.2))
    ],
    "differences": [
        {"run": "[red]b[/red]", "model": "network", "against": "a", "against_model": "network", "metric": metric,
         "threshold": threshold, "target": None, "difference": -0.02, "low": -0.05, "high": -0.01, "outcome": "worse",
         "reason": None}
        for metric, threshold in (("auroc", None), ("net_benefit", 0.1), ("net_benefit", 0.2))
    ],
    "notes": ["7 people are in one run only"],
}  # fmt: skip


def shown(compared: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=100, no_color=True)
    for table in comparison_tables(compared):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_runs_stand_beside_each_other() -> None:
    text = shown(COMPARED)
    assert "…" not in text
    for words in (
        "512 held-out predictions of 500 people, about 100 with the event, common to all runs",
        "Net benefit at 20 %",
        "a",
        "[red]b[/red]",
        "Logistic regression *",
        "−0.020 worse",
        "– no interval",
        "fewer than 11 people are in one run only",
        "less a: network",
    ):
        assert words in " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split()), words


def test_few_who_are_not_common_are_not_left_to_subtraction_from_a_report() -> None:
    runs = [run | {"held_out": {"people": 504, "predictions": 520}} for run in COMPARED["runs"]]
    text = " ".join(shown({**COMPARED, "runs": runs}).split())
    assert "all but <11 of 520 held-out predictions of all but <11 of 504 people, about 100 with the event" in text
    runs = [run | {"held_out": COMPARED["common"]} for run in COMPARED["runs"]]
    text = " ".join(shown({**COMPARED, "runs": runs}).split())
    assert "512 held-out predictions of 500 people, 81 with the event" in text


def test_runs_of_several_targets_have_a_table_each() -> None:
    rows = [{**row, "target": target, "metric": "rmse", "threshold": None, "people": people}
            for target, people in (("sbp", 500), ("dbp", 433))
            for row in COMPARED["rows"] if row["metric"] == "auroc"]  # fmt: skip
    text = shown({**COMPARED, "question": "forecast", "target": ["sbp", "dbp"], "metrics": ["rmse"], "thresholds": [],
                  "events": None, "rows": rows, "differences": []})  # fmt: skip
    assert text.index("sbp:") < text.index("dbp:")
    assert text.count("RMSE") == 2
    assert "dbp: 433 people. Of all targets 512 held-out predictions of 500 people" in " ".join(text.split())


def test_errors_in_a_small_unit_stand_beside_each_other_with_their_digits() -> None:
    rows = [{**row, "target": "x", "metric": "rmse", "value": 5.84e-6, "low": 5.1e-6, "high": 6.1e-6}
            for row in COMPARED["rows"] if row["metric"] == "auroc"]  # fmt: skip
    gap = {**COMPARED["differences"][0], "target": "x", "metric": "rmse", "difference": -4e-7, "low": -6e-7,
           "high": -2e-7, "outcome": "better"}  # fmt: skip
    text = shown({**COMPARED, "question": "forecast", "target": ["x"], "metrics": ["rmse"], "thresholds": [],
                  "events": None, "rows": rows, "differences": [gap]})  # fmt: skip
    for words in ("0.00000584", "[0.00000510, 0.00000610]", "−0.00000040 better"):
        assert words in text
