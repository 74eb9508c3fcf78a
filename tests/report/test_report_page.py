"""The page as a whole: what it holds, what it must never hold, and that it is always the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from report_pages import Nesting, captioned_figures, figures_of, page_of, standing_alone, text_of
from run_folders import read_json, write_json

import sequela.report
from sequela.report import write_report
from sequela.report.words import decimals_for, fixed

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "folds": {"folds": 5, "losing": True},
    "several": {"targets": ("sbp", "dbp"), "horizons": (6, 24, 72)},
    "few": {"few": True},
    "alone": {"baselines": ()},
    "individuals": {"individuals": True, "units": {"sbp": None}},
}


def test_the_public_names_are_these() -> None:
    assert sorted(sequela.report.__all__) == ["results_table", "write_report"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_page_stands_alone(run_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    standing_alone(page_of(run_folder(**kind)))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_figure_has_a_title_a_description_and_units(
    run_folder: Callable[..., Path], kind: dict[str, Any]
) -> None:
    unit = "(in the target's unit)" if "units" in kind else "(mmHg)"
    for figure in captioned_figures(page_of(run_folder(**kind))):
        title, description = figure.find("title"), figure.find("desc")
        assert title is not None
        assert description is not None
        assert title.text
        assert description.text
        assert figure.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        words = " ".join(text.text or "" for text in figure.iter("text"))
        assert "Epoch" in words or unit in words, title.text


def test_the_same_run_gives_the_same_bytes(run_folder: Callable[..., Path]) -> None:
    run = run_folder(individuals=True)
    first = page_of(run)
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True, "lines.linewidth": 9}):
        assert page_of(run) == first


def test_the_first_screen_holds_verdict_and_numbers(run_folder: Callable[..., Path]) -> None:
    box = text_of(page_of(run_folder())).split("What was asked")[0]
    assert "The network forecasts the next systolic pressure with a smaller error" in box
    for number in (
        "17.41 mmHg [16.50, 18.32]",
        "17.87 mmHg [16.96, 18.78]",
        "−0.45 mmHg [−0.64, −0.25] network better",
    ):
        assert number in box
    assert "Best baseline: linear (ridge)" in box


def test_the_checklist_of_a_forecast_says_what_does_not_apply_and_what_is_not_judged(
    run_folder: Callable[..., Path],
) -> None:
    page = page_of(run_folder())
    found = text_of(page.split('id="checklist"')[1].split("</section>")[0])
    assert "13 Class imbalance. Methods against class imbalance, and recalibration after them – It does not" in found
    assert "1 does not apply" in found
    assert "23a Model performance." in found
    assert found.count("This version does not judge a forecast by subgroups of people.") == 2
    assert "Results , in part Nothing was recalibrated" in found
    assert "TRIPOD+AI items 12e, 12f, 23a, 24" in text_of(page.split('id="results"')[1])


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-7])
def test_errors_in_a_small_unit_do_not_read_as_zero(run_folder: Callable[..., Path], size: float) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    for row in [*metrics["measures"], *metrics["comparisons"], *metrics["models"]["network"].values()]:
        row |= {key: size * row[key] for key in ("value", "difference", "low", "high") if key in row}
    write_json(run / "metrics.json", metrics)
    page = page_of(run)
    results = re.search(r'<section id="results">.*?<figure>', page, re.DOTALL)
    assert results is not None
    for words in (text_of(page).split("What was asked")[0], text_of(results[0])):
        numbers = re.findall(r"(?<![\d.,])\d+\.\d+(?![\d.,])", words.split("Root mean")[0].split("run of")[-1])
        assert all(float(number) for number in numbers)
        assert fixed(17.412 * size, decimals_for([20.937 * size])) in words


def test_a_decided_difference_does_not_read_as_zero(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    for row in metrics["comparisons"]:
        row |= {"difference": -0.004, "low": -0.007, "high": -0.001, "outcome": "better"}
    write_json(run / "metrics.json", metrics)
    text = text_of(page_of(run))
    assert "−0.004 mmHg [−0.007, −0.001] network better" in text
    assert "−0.004 [−0.007, −0.001] network better" in text


def test_a_network_that_loses_is_said_to_lose(run_folder: Callable[..., Path]) -> None:
    text = text_of(page_of(run_folder(losing=True)))
    assert "does not earn its place" in text
    assert "+0.31 mmHg [0.12, 0.51] network worse" in text


def test_all_sections_are_there(run_folder: Callable[..., Path]) -> None:
    text = text_of(page_of(run_folder()))
    for words in (
        "At every record of a person, from the first record to the last, forecast the next record's sbp from this and",
        "A recurrent network (LSTM), 1 layer of 64 hidden units, trained on squared error.",
        "95 % bootstrap intervals over people (500 resamples) with the fitted model held fixed",
        "The forecast speaks of visits that happened",
        "Cells of fewer than 11 people are not drawn, which hides 799 predictions",
        "predictions equal 90.0 90.8 [89.4, 92.2]",
        "several values at one instant averaged visits sbp <11",
        "To be filled in by the authors",
        "batch_size = 32",
        "torch 2.13.0",
        "40 to 300 37 yes",
        "bmi is no input",
    ):
        assert words in text, words
    assert "No audit was carried out in this run." in text


def test_audit_findings_are_not_passed_over(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    write_json(run / "audit.json", {"format": 1, "findings": [], "done": False})
    assert "No audit was carried out in this run." in page_of(run)
    write_json(run / "audit.json", {"format": 1, "findings": [], "done": True})
    assert "Nothing was found that speaks against the study." in page_of(run)
    finding = {"finding": "equals_outcome_time", "severity": "certain", "table": "a", "column": "b", "accepted": "so"}
    found = [finding, {"finding": "stamped_at_prediction", "severity": "note", "evidence": "7 people are so."}]
    write_json(run / "audit.json", {"format": 1, "findings": found[::-1], "done": True})
    text = text_of(page_of(run))
    assert "Certain equals outcome time a, b so Note stamped at prediction" in text
    assert "fewer than 11 people are so." in text


def test_several_targets_and_horizons_have_figures_and_rows_each(run_folder: Callable[..., Path]) -> None:
    page = page_of(run_folder(**KINDS["several"]))
    assert len(figures_of(page)) == 1 + 2 * 4
    text = text_of(page)
    assert "forecast sbp and dbp 6 hours, 24 hours and 72 hours later" in text
    assert "Error of dbp by horizon" in text
    assert "3 days Network" in text


def test_importance_says_of_which_target_and_of_whom_it_is(run_folder: Callable[..., Path]) -> None:
    run = run_folder(targets=("sbp", "dbp"), folds=5)
    estimate = {"value": 0.9, "low": 0.5, "high": 1.2, "reason": None}
    points = [{"shift": shift, **estimate} for shift in (-1.0, 0.0, 1.0)]
    curves = read_json(run / "curves.json") | {
        "importance": {"metric": "rmse", "people": 375, "predictions": 2500, "repeats": 3,
                       "variables": [{"name": "dbp", **estimate}]},
        "missing_sensitivity": {"metric": "rmse", "points": points, "verdict": None},
    }  # fmt: skip
    write_json(run / "curves.json", curves)
    text = text_of(page_of(run))
    assert "Rise of RMSE of sbp when a variable is another person's" in text
    assert "(375 people of the first fold, 3 times)" in text
    assert "RMSE of sbp in held-out people against the shift" in text


def test_tuning_people_set_intervals_only_where_there_are_any(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    assert "stop training, choose, set intervals 1,874" in text_of(page_of(run))
    study = (run / "study.toml").read_text(encoding="utf-8").replace("interval = 0.9", 'interval = "none"')
    (run / "study.toml").write_text(study, encoding="utf-8")
    assert "stop training, choose 1,874" in text_of(page_of(run))


def test_folds_have_a_line_each(run_folder: Callable[..., Path]) -> None:
    text = text_of(page_of(run_folder(folds=5)))
    assert "The 5 networks were trained for 31 to 43 epochs" in text
    assert "Fold 5: 43 epochs" in text


def test_missing_numbers_are_dashes_with_their_reason(run_folder: Callable[..., Path]) -> None:
    text = text_of(page_of(run_folder(few=True)))
    assert "Network 17.41 – 13.41 –" in text
    assert "– fewer than 10 held-out people" in text
    assert "Not drawn: no cell holds 11 people or more." in text
    assert not re.search(r"\b(nan|none|null|inf)\b", text.split("Study and versions")[0].replace("none had", ""), re.I)


def test_a_study_without_baselines_says_why(run_folder: Callable[..., Path]) -> None:
    page = page_of(run_folder(baselines=()))
    assert (
        "No baseline stands beside the network; the study's reason: a test of the training loop &lt;alone&gt;" in page
    )


def test_nan_in_a_file_reads_as_missing(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    for row in [*metrics["measures"], *metrics["comparisons"], *metrics["models"]["network"].values()]:
        row.update(low=float("nan"), high=float("nan"), reason="no resamples")
    write_json(run / "metrics.json", metrics)
    text = text_of(page_of(run))
    assert "nan" not in text.lower().split("study and versions")[0]
    assert "– no resamples" in text


@pytest.mark.parametrize(
    "hostile", ['<script>alert("x")</script>', "</svg></style>$x_{", "a -->]]> & ' \" {{ 7*7 }} \\"]
)
def test_hostile_names_stay_text(run_folder: Callable[..., Path], hostile: str) -> None:
    run = run_folder(name=hostile, targets=(hostile,), units={hostile: hostile}, individuals=True)
    page = page_of(run)
    assert "<script" not in page
    heading = re.search(r"<h1>(.*?)</h1>", page)
    assert heading is not None
    assert unescape(heading[1]) == hostile
    read = Nesting(page)
    assert len(read.ids) == len(set(read.ids))
    titles = [figure.findtext("title") or "" for figure in figures_of(page)]
    assert sum(hostile in title for title in titles) == len(titles) - 1


@pytest.mark.parametrize("name", ["a\x0bb\x1f", "line\nbreak\tand tab", "\ufffe", "收缩压", "systolic_pressure_" * 20])
def test_names_that_no_figure_can_hold_as_they_are_are_drawn_all_the_same(
    run_folder: Callable[..., Path], name: str
) -> None:
    page = page_of(run_folder(targets=(name,), individuals=True))
    drawn = [text.text or "" for figure in figures_of(page) for text in figure.iter("text")]
    assert max(map(len, drawn)) < 100
    assert len(figures_of(page)) == 6
    if name.isprintable():
        assert sum(name in (figure.findtext("title") or "") for figure in figures_of(page)) == 5


def test_individuals_are_drawn_only_where_asked_and_the_page_says_so(run_folder: Callable[..., Path]) -> None:
    run = run_folder(individuals=True)
    page = page_of(run)
    head = text_of(page).split("What was asked")[0]
    assert "This page shows single people." in head
    assert "Person F" in page
    assert "Person G" not in page
    assert "secret" not in page
    assert "Each pair stands at its horizon" not in text_of(page)
    study = (run / "study.toml").read_text(encoding="utf-8")
    (run / "study.toml").write_text(study.replace('horizon = "next record"', 'horizon = ["90d"]'), encoding="utf-8")
    assert "Each pair stands at its horizon" in text_of(page_of(run))
    study = study.replace("individuals = true", "individuals = false")
    (run / "study.toml").write_text(study, encoding="utf-8")
    (run / "predictions.parquet").write_bytes(b"not read")
    page = page_of(run)
    assert "Person A" not in page
    assert "single people" not in page


def test_an_old_report_is_replaced_and_nothing_else_is_left(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    before = {path.name for path in run.iterdir()}
    (run / "report.html").write_text("old", encoding="utf-8")
    page = write_report(run)
    assert page == run / "report.html"
    assert {path.name for path in run.iterdir()} == before | {"report.html"}
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_coverage_does_not_tell_how_few_lie_outside(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    curves = read_json(run / "curves.json")
    bands = curves["targets"][0]["error_by_history"]
    exact = 1 - 7 / sum(band["predictions"] for band in bands)
    rows = [row for row in metrics["measures"] if row["metric"] == "coverage"]
    for row in [*rows, metrics["models"]["network"]["coverage"]]:
        row.update(value=exact, low=exact - 0.0004, high=exact + 0.0004)
    write_json(run / "metrics.json", metrics)
    found = re.search(r'<section id="intervals".*?</section>', page_of(run), re.DOTALL)
    assert found is not None
    shown = text_of(found[0])
    assert f" {100 * exact:.1f} [" not in shown
    assert "over 99.9 –" in shown
    assert "Shares are coarse where" in shown


@pytest.mark.parametrize(("tuning", "words"), [(1874, "tuning people"), (0, "folds of training people")])
def test_the_page_says_who_chose_the_best_baseline(run_folder: Callable[..., Path], tuning: int, words: str) -> None:
    run = run_folder()
    metrics = read_json(run / "metrics.json")
    metrics["data"]["people"]["tuning"] = tuning
    write_json(run / "metrics.json", metrics)
    assert f"the best baseline, chosen {'on' if tuning else 'by'} {words}." in text_of(page_of(run))


def test_tables_that_are_wider_than_a_telephone_scroll_by_themselves(run_folder: Callable[..., Path]) -> None:
    page = page_of(run_folder())
    assert page.count("<table") == len(re.findall(r'<div class="table[^>]* tabindex="0">\s*<table', page))
    assert page.count("<figure>") == len(re.findall(r'<div class="drawing"[^>]* tabindex="0"><svg', page))


def test_of_very_many_variables_most_are_folded_and_reasons_stand_once(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    profile = read_json(run / "profile.json")
    rare = profile["variables"][0] | {"used": False, "people": 12, "reason": "fewer than 30 training people have it"}
    profile["variables"] = [rare | {"code": f"rare {number}"} for number in range(1200)] + profile["variables"]
    write_json(run / "profile.json", profile)
    data = page_of(run).split('id="data"')[1].split('id="split"')[0]
    assert "1,200 variables are no input: fewer than 30 training people have it." in data
    assert "rare" not in data.split("Variables</caption>")[1].split("</tr>")[1]
    assert [part.count("rare ") > 0 for part in data.split("<details>")] == [True, True]
    assert data.count("rare ") == 1200


def test_a_baseline_as_good_as_the_network_stands_at_the_top(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    box = text_of(page_of(run)).split("What was asked")[0]
    assert "Network less" not in box
    metrics = read_json(run / "metrics.json")
    for pair in metrics["comparisons"]:
        if pair["against"] != metrics["best_baseline"] and pair["metric"] == "rmse":
            pair["outcome"] = "no_difference"
    write_json(run / "metrics.json", metrics)
    assert "Network less" in text_of(page_of(run)).split("What was asked")[0]


@pytest.mark.parametrize(
    ("by", "folds", "words"),
    [
        ("subject", 1, "The study asked for 70 %, 15 % and 15 % to train, tune and be held out."),
        ("subject", 3, "Of those who are not held out, the study asked for 82.4 % to train and 17.6 % to tune."),
        ("file", 1, None),
    ],
)
def test_the_shares_of_the_split_are_those_in_force(
    run_folder: Callable[..., Path], by: str, folds: int, words: str | None
) -> None:
    run = run_folder(folds=folds)
    profile = read_json(run / "profile.json")
    profile["split"].update(by=by, fractions=[0.7, 0.15, 0.15])
    write_json(run / "profile.json", profile)
    shown = text_of(page_of(run)).replace("\N{NO-BREAK SPACE}", " ")
    assert words in shown if words else "the study asked for" not in shown.lower()
