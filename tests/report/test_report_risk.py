"""The page of a risk: that it holds what a reviewer asks for, survives what is missing, and tells no small count."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from report_pages import Nesting, captioned_figures, figures_of, page_of, standing_alone, text_of
from run_folders import read_json, write_json

from sequela.report import results_table, tripod

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {"landmarks": (6.0, 12.0, 24.0), "hybrid": True, "members": 3, "recalibrate": "isotonic"},
    "few": {"people": 12},
    "few events": {"people": 120, "prevalence": 0.14},
    "bare": {
        "baselines": (), "recalibrate": "none", "subgroups": False, "thresholds": (), "explained": False,
        "audit": False, "preparation": False,
    },
}  # fmt: skip

SECTIONS = ("asked", "data", "split", "preparation", "audit", "network", "results", "discrimination", "calibration",
            "benefit", "distribution", "subgroups", "limits", "checklist", "study")  # fmt: skip


def section(page: str, name: str) -> str:
    """The text of one section."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return text_of(found[0])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_page_stands_alone_and_has_every_section(risk_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    page = page_of(risk_folder(**kind))
    read = standing_alone(page)
    assert set(SECTIONS) <= set(read.ids)
    shown = text_of(page).split("The study, with every default")[0]
    assert not re.search(r"\b(nan|None|null|inf)\b", shown)


CLINICAL = """
[prepare.derived]
shock_index = "HR / SBP"
pressure = "SBP | cuff"

[prepare.clinical]
amounts = ["Urine / Weight"]

[prepare.clinical.reference]
HR = [60, 100]
Lactate = ["none", 2.5]
GCS = [14, "none"]

[prepare.clinical.scores.organs]
window = "12h"

[prepare.clinical.scores.organs.parts]
GCS = { below = [[6, 4], [10, 3]], at_least = [[14, -1]] }
Urine = { of = "sum", below = [[200, 4]] }
"""


def test_what_a_study_declares_of_values_stands_in_words(risk_folder: Callable[..., Path]) -> None:
    folder = risk_folder(hybrid=True)
    assert "study declares" not in section(page_of(folder), "preparation")
    study = (folder / "study.toml").read_text(encoding="utf-8")
    (folder / "study.toml").write_text(study.replace("[model]\n", f"{CLINICAL}\n[model]\n"), encoding="utf-8")
    shown = section(page_of(folder), "preparation")
    for words in (
        "Beside the records the baselines and the hybrid can see what the study declares",
        "amounts an hour of Urine / Weight",
        "shock_index HR / SBP",
        "whichever was measured",
        "HR 60 to 100",
        "Lactate at most 2.5",
        "GCS at least 14",
        "Points of the score organs",
        "GCS lowest and highest below 6: 4; below 10: 3; 14 or more: −1",
        "Urine sum below 200: 4",
        "In the last 12 hours",
    ):
        assert words in shown, words


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_figure_has_a_title_a_description_and_no_picture(
    risk_folder: Callable[..., Path], kind: dict[str, Any]
) -> None:
    page = page_of(risk_folder(**kind))
    figures = captioned_figures(page)
    for figure in figures:
        assert figure.findtext("title")
        assert len(figure.findtext("desc") or "") > 20
    known = {element.get("id") for figure in figures for element in figure.iter()}
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= known


def test_the_same_run_gives_the_same_bytes(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    assert page_of(run) == page_of(run)


def test_the_first_screen_holds_verdict_and_numbers(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(hybrid=True)
    box = text_of(page_of(run)).split("What was asked")[0]
    metrics = read_json(run / "metrics.json")
    assert metrics["verdict"].replace("-0", "−0") in box
    for model in ("network", "hybrid", "gradient_boosting"):
        assert f"{metrics['models'][model]['auroc']['value']:.3f}" in box
    for words in ("Hybrid less baseline", "Hybrid, calibration slope", "Hybrid, net benefit at 10 %"):
        assert words in box


@pytest.mark.parametrize(("outcome", "is_named"), [("better", False), ("no_difference", True)])
def test_a_baseline_as_good_as_the_network_stands_at_the_top(
    risk_folder: Callable[..., Path], outcome: str, is_named: bool
) -> None:
    run = risk_folder(explained=False, audit=False, preparation=False)
    metrics = read_json(run / "metrics.json")
    for pair in metrics["comparisons"]:
        pair["outcome"] = outcome if pair["against"] == "logistic" else "better"
    write_json(run / "metrics.json", metrics)
    box = text_of(page_of(run)).split("What was asked")[0]
    assert ("Network less logistic regression" in box) is is_named


def test_the_outcome_stands_in_quotes_in_the_heading_of_results(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    assert 'Risk of "died" in held-out people, as each model gives it out' in unescape(page_of(run))
    title = results_table(read_json(run / "metrics.json")).title
    assert str(title) == 'Risk of "died" in held-out people [95 % interval]'


def test_who_was_asked_what_is_said_in_words(risk_folder: Callable[..., Path]) -> None:
    asked = unescape(section(page_of(risk_folder()), "asked"))
    assert 'At 48 hours after admission, state the risk of "died" in this episode' in asked
    assert "Time horizon the whole episode" in asked
    assert "Follow-up" not in asked
    asked = unescape(section(page_of(risk_folder(landmarks=(6.0, 24.0))), "asked"))
    assert 'At 6 hours and 24 hours after time 0, state the risk of "MAP below 65" within 6 hours' in asked
    assert "At risk until the first event: who has had it is not asked any more" in asked
    assert "Follow-up until a person's last record" in asked
    run = risk_folder()
    study = (
        (run / "study.toml").read_text(encoding="utf-8").replace('to = "last record"', 'to = { code = "DISCHARGE" }')
    )
    study = re.sub(r"outcome = .*", 'outcome = { code = "died" }', study)
    (run / "study.toml").write_text(study, encoding="utf-8")
    asked = unescape(section(page_of(run), "asked"))
    assert "to the end of the episode: the next DISCHARGE" in asked
    assert "Outcome a record of died Time" in asked
    assert "Incomplete follow-up predictions whose follow-up ends within the horizon" in asked


def test_exclusions_and_events_are_counted(risk_folder: Callable[..., Path]) -> None:
    data = section(page_of(risk_folder()), "data")
    assert "the outcome had happened already, so not at risk any more 93 to 102 61" in data
    assert "follow-up ends before the outcome's window does, without an event <11 <11" in data
    assert "1,071 Predictions followed by the event" in data or "Predictions followed by the event 1,071" in data
    assert "At 14 predictions of 12 people the event lies after the end of follow-up, and counts." in data


def test_numbers_before_and_after_recalibration_stand_beside_each_other(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    found = section(page_of(run), "calibration")
    assert "Every model was recalibrated by Platt scaling" in found
    for recalibrated, word in ((False, "Network before"), (True, "after")):
        row = next(
            row for row in read_json(run / "metrics.json")["measures"]
            if (row["model"], row["metric"], row["recalibrated"], row["subgroup"], row["weighting"])
            == ("network", "calibration_slope", recalibrated, None, "predictions")
        )  # fmt: skip
        assert re.search(rf"{word}.*?{row['value']:.3f}", found)
    assert "After recalibration (Platt)" in page_of(run)
    page = page_of(risk_folder(recalibrate="none"))
    assert "The study recalibrates nothing" in section(page, "calibration")
    assert "Recalibration before" not in text_of(page)


@pytest.mark.parametrize("loss", ["cross_entropy", "weighted_cross_entropy"])
def test_the_page_says_how_often_people_were_drawn_and_whether_classes_count_alike(
    risk_folder: Callable[..., Path], loss: str
) -> None:
    run = risk_folder(explained=False, audit=False, preparation=False)
    write_json(run / "history.json", read_json(run / "history.json") | {"loss": loss})
    page = page_of(run)
    assert "over people (100 resamples) with the fitted model held fixed" in section(page, "results")
    assert ("none was weighted or drawn more often" in section(page, "network")) == (loss == "cross_entropy")


@pytest.mark.parametrize("refit", [True, False])
def test_the_page_says_whether_tuning_people_helped_to_train(risk_folder: Callable[..., Path], refit: bool) -> None:
    folder = risk_folder(hybrid=True, members=3)
    study = folder / "study.toml"
    document = tomllib.loads(study.read_text())
    document.setdefault("train", {})["refit"] = refit
    study.write_text(tomli_w.dumps(document))
    page = page_of(folder)
    assert ("stop training, choose, recalibrate; then help to train" in text_of(page)) is refit
    assert ("every model was trained again on training and tuning people" in section(page, "network")) is refit
    assert ("what it said of them before they helped to train it" in section(page, "calibration")) is refit
    assert "Then fitted on" in section(page, "network")


def test_acting_at_each_threshold_is_spelt_out(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    found = section(page_of(run), "benefit")
    rows = {
        (row["metric"], row["threshold"]): row["value"]
        for row in read_json(run / "metrics.json")["measures"]
        if row["model"] == "network" and row["recalibrated"] and not row["subgroup"] and row["weighting"] == "people"
    }
    for threshold in (0.1, 0.2):
        for metric in ("sensitivity", "specificity", "ppv", "npv"):
            assert f" {100 * rows[metric, threshold]:.1f} " in found, metric
        assert f" {rows['alerts_per_100', threshold]:.1f} " in found
        assert f" {rows['net_benefit', threshold]:.4f} " in found
    assert "Treat all 100 100 0" in found


def test_prediction_times_and_subgroups_have_rows(risk_folder: Callable[..., Path]) -> None:
    page = page_of(risk_folder(**KINDS["everything"]))
    assert "6h 900" in section(page, "when")
    assert "those of all times are taken together" in section(page, "results")
    found = section(page, "subgroups")
    assert "not known <11" in found
    assert "too few to say too few to say too few to say" in found
    page = page_of(risk_folder(subgroups=False))
    assert "The study names no subgroups" in section(page, "subgroups")
    assert "taken together" not in section(page, "results")
    assert 'id="when"' not in page


def test_preparation_audit_importance_and_sensitivity_are_shown(risk_folder: Callable[..., Path]) -> None:
    page = page_of(risk_folder())
    found = section(page, "preparation")
    for words in (
        "HR 10 to 300 /min 214",
        "pH 6.5 to 8 – <11",
        "Temp 3.1 % degF degF -> degC",
        "HR Hampel, over time kept, and flagged to the network 1,204 640",
        "pH quartiles (IQR) clipped to the limit <11 <11",
        "last value 1.0 87.0 12.0 1.0",
        "no logarithm, count as not measured: HR 17 and pH <11.",
    ):
        assert words in found.replace("&gt;", ">"), words
    found = section(page, "audit")
    assert "Certain equals outcome time stays, LOS" in found
    assert found.index("Certain") < found.index("Likely") < found.index("Note stamped")
    found = section(page, "importance")
    assert "GCS series 0.0620 [0.0580, 0.0660]" in found
    assert "more than 24 h before" in found
    assert "fewer than 11 held-out people have a value" in found
    assert "the conclusion does not change" in section(page, "missing")


@pytest.mark.parametrize(("kind", "serves"), [("none", "stop training, choose"), ("platt", "choose, recalibrate")])
def test_tuning_people_serve_to_what_the_study_does(risk_folder: Callable[..., Path], kind: str, serves: str) -> None:
    found = section(page_of(risk_folder(recalibrate=kind)), "split")
    assert f"{serves} 900 " in found


def test_one_thing_is_not_several(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    profile, curves, history = (read_json(run / f"{name}.json") for name in ("profile", "curves", "history"))
    profile["preparation"]["events"] |= {"words": 1, "codes_left_out": 1}
    profile["network"]["hidden"] = [1]
    curves["importance"]["left_out"] = {"not among the 60 most widespread": 1}
    history["fits"][0]["epochs"] = history["fits"][0]["epochs"][:1]
    for name, content in (("profile", profile), ("curves", curves), ("history", history)):
        write_json(run / f"{name}.json", content)
    page = page_of(run)
    text = text_of(page)
    for words in ("1 code or category as a word, 12,345 times", "1 rarer one is no input", "1 layer of 1 hidden unit,",
                  "1 variable was not judged: not among", "1 epoch; training loss"):  # fmt: skip
        assert words in text or words in page, words


def test_the_checklist_holds_all_items_and_links_to_sections(risk_folder: Callable[..., Path]) -> None:
    items = tripod.checklist(tripod.Known(recalibrated=True, subgroups=True))
    assert len(items) == 52
    assert sorted({int(re.sub(r"\D", "", item.number)) for item in items}) == list(range(1, 28))
    found = section(page_of(risk_folder()), "checklist")
    assert found.count("The author must fill this in.") == sum(item.status == tripod.AUTHORS for item in items)
    assert "6a Participants. Setting, number and location of centres – The author must fill this in." in found
    found = section(page_of(risk_folder(recalibrate="none", subgroups=False)), "checklist")
    assert "The study recalibrates nothing; say so, or why." in found
    assert "The study names no subgroups" in found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_page_counts_one_to_ten_people(risk_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    text = text_of(page_of(risk_folder(**kind))).split("The study, with every default")[0]
    small = r"(?<![\d.,<–\[−-])\b(?:[1-9]|10)\b(?![\d.,]*\d)(?! %)"
    assert not re.search(rf"{small} (?:[a-z-]+ ){{0,2}}(?:people|persons?|patients?)\b",
                         text.replace("fewer than 10", ""))  # fmt: skip


def test_a_threshold_is_written_as_it_was_given_and_a_rare_outcome_is_not_zero(
    risk_folder: Callable[..., Path],
) -> None:
    run = risk_folder(thresholds=(0.0125, 0.2))
    metrics, curves = read_json(run / "metrics.json"), read_json(run / "curves.json")
    for row in metrics["measures"]:
        if row["metric"] in ("observed_risk", "predicted_risk") and row["value"] is not None:
            row["value"] = 0.0004
    curves["risk"]["prevalence"] = 0.0004
    write_json(run / "metrics.json", metrics)
    write_json(run / "curves.json", curves)
    page = page_of(run)
    assert "Net benefit at 1.25 %" in section(page, "results")
    assert " 1.25 % Network" in section(page, "benefit")
    assert "the event followed 0.04 % of the predictions" in text_of(page)
    assert "Network before 0.04 " in section(page, "calibration")


def test_few_events_are_not_told_by_other_numbers(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(**KINDS["few events"])
    metrics = read_json(run / "metrics.json")
    row = next(row for row in metrics["measures"] if row["metric"] == "observed_risk" and row["subgroup"] is None)
    assert 5 <= row["events"] <= 10
    page = page_of(run)
    assert "Scaled Brier" not in section(page, "results")
    assert "Calibration in the large" not in section(page, "calibration")
    assert "is not shown: fewer than 11 predictions" in section(page, "benefit")
    assert f"{100 * row['value']:.1f} %" not in text_of(page)
    # AUROC is a count of pairs, and a rare event's Brier score nearly its share.
    results = section(page, "results").split("Paired")[0]
    assert "Brier score" not in results + section(page, "calibration")
    assert not re.search(r"0\.\d{3}", page.split("<nav")[0].split("calibration slope")[0])
    assert not re.search(r"AUROC; larger is better: Network: 0\.\d{3}", page)
    assert all("Not shown: fewer than 11" in section(page, name) for name in ("importance", "missing"))


def test_few_without_the_event_are_not_left_to_subtraction(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    profile, metrics = read_json(run / "profile.json"), read_json(run / "metrics.json")
    split = profile["split"]
    split["events"]["held_out"] = split["predictions"]["held_out"] - 4
    profile["asked"]["events"] = sum(split["events"].values())
    write_json(run / "profile.json", profile)
    for row in metrics["measures"]:
        if row["subgroup"] and row["subgroup"]["level"] == "female":
            row["events"] = row["people"] - 4
            row["value"] = row["events"] / row["people"] if row["metric"] == "observed_risk" else row["value"]
    write_json(run / "metrics.json", metrics)
    page = page_of(run)
    held_out = split["events"]["held_out"]
    assert f" {held_out} " not in section(page, "split")
    assert section(page, "split").count("not shown") == 2
    female = next(row for row in metrics["measures"] if row["subgroup"] and row["subgroup"]["level"] == "female")
    assert f" {female['events']} " not in section(page, "subgroups")


def test_few_without_a_note_are_not_left_to_subtraction(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    profile = read_json(run / "profile.json")
    asked, total = profile["asked"], sum(profile["split"]["predictions"].values())
    unmeasured = total - asked["events"] - 4
    asked["notes"] = [{"note": "no value stood in the window", "predictions": unmeasured, "people": 200}]
    write_json(run / "profile.json", profile)
    data = section(page_of(run), "data")
    assert (
        f"At all but &lt;11 of {unmeasured + 4:,} predictions" in data or f"all but <11 of {unmeasured + 4:,}" in data
    )


def test_few_events_at_one_time_are_not_left_to_subtraction(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(landmarks=(6.0, 12.0, 24.0))
    metrics = read_json(run / "metrics.json")
    events = {row["at"]: row["events"] for row in metrics["measures"] if row["at"]} | {"24h": 5}
    for row in metrics["measures"]:
        row["events"] = events.get(row["at"], row["events"])
    write_json(run / "metrics.json", metrics)
    found = section(page_of(run), "when")
    assert found.split("Where 1 to 10")[0].count("not shown") == 3
    assert not any(f" {count} " in found for count in events.values())


def test_few_who_left_between_two_times_are_not_left_to_subtraction(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(landmarks=(6.0, 12.0, 24.0))
    metrics, profile = read_json(run / "metrics.json"), read_json(run / "profile.json")
    people = {"6h": 900, "12h": 860, "24h": 856}
    for row in metrics["measures"]:
        row["people"] = people.get(row["at"], row["people"])
    profile["split"]["predictions"]["held_out"] = sum(people.values())
    write_json(run / "metrics.json", metrics)
    write_json(run / "profile.json", profile)
    found = section(page_of(run), "when")
    assert "6h about 900" in found
    assert not any(f" {count} " in found or f"of {count}" in found for count in (860, 856))


def test_few_times_at_which_nobody_was_asked_are_not_left_to_division(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder(landmarks=(6.0, 12.0, 24.0))
    profile = read_json(run / "profile.json")
    exact = f"{profile['split']['predictions']['train']:,}"
    assert f"{exact} " in section(page_of(run), "split")
    profile["split"]["predictions"]["train"] -= 4
    profile["asked"]["predictions"] = sum(profile["split"]["predictions"].values())
    profile["network"] |= {
        "predictions_train": 13_496,
        "warning": "It has 9 parameters for 13,496 training predictions.",
    }
    write_json(run / "profile.json", profile)
    text = text_of(page_of(run).split('id="results"')[0])
    assert "13,496" not in text
    assert "Training fit the preparation and the models 4,500 about 13,500" in text
    assert "for about 13,500 training predictions" in text
    assert f"{profile['asked']['predictions']:,}" not in text


@pytest.mark.parametrize("people", [40, 18])
def test_pairs_of_a_small_group_do_not_tell_how_few_had_the_event(
    risk_folder: Callable[..., Path], people: int
) -> None:
    run = risk_folder()
    metrics = read_json(run / "metrics.json")
    of_group = [row for row in metrics["measures"] if row["subgroup"] and row["subgroup"]["level"] == "female"]
    pages = set()
    for events, pairs in ((6, 0.8137), (7, 0.8114)):
        for row in of_group:
            row |= {"people": people, "events": events}
            if row["metric"] in ("auroc", "auprc", "observed_risk"):
                row["value"] = events / people if row["metric"] == "observed_risk" else pairs
        write_json(run / "metrics.json", metrics)
        page = page_of(run)
        pages.add(re.search(r'<section id="subgroups">.*?</section>', page, re.DOTALL)[0])  # type: ignore[index]
        assert ("0.81 [" in section(page, "subgroups")) == (people == 40)
    assert len(pages) == 1, "drawn and written alike"


@pytest.mark.parametrize("what", ["band", "line of the baseline"])
def test_axes_of_calibration_hold_all_that_is_drawn(risk_folder: Callable[..., Path], what: str) -> None:
    run = risk_folder()
    curves = read_json(run / "curves.json")
    for one in curves["risk"]["models"]:
        for part in (one["before"], one["after"]):
            part["groups"] = []
            part["curve"] = {key: [share / 10 for share in part["curve"][key]] for key in part["curve"]}
    drawn = curves["risk"]["models"][0 if what == "band" else -1]["after"]["curve"]
    drawn["high" if what == "band" else "predicted"][-1] = 0.93
    write_json(run / "curves.json", curves)
    figure = next(one for one in figures_of(page_of(run)) if "calibration-network" in str(one.attrib))
    ends = [float(one.text) for one in figure.iter() if (one.text or "").strip().isdigit()]
    assert max(ends) >= 93, ends


def _with_groups(run: Path, model: str, threshold: float, *, missed: int, false_alerts: int) -> dict[str, Any]:
    """Make a model miss so many at a threshold, and alert falsely so often; return its net benefit there."""
    metrics, price = read_json(run / "metrics.json"), threshold / (1 - threshold)
    rows = {
        row["metric"]: row for row in metrics["measures"]
        if row["model"] == model and row["threshold"] == threshold and row["recalibrated"]
        and row["subgroup"] is None and row["weighting"] == "predictions"
    }  # fmt: skip
    events, free = rows["sensitivity"]["events"], rows["sensitivity"]["people"] - rows["sensitivity"]["events"]
    rows["sensitivity"]["value"] = (events - missed) / events
    rows["specificity"]["value"] = (free - false_alerts) / free
    alerts = events - missed + false_alerts
    rows["ppv"]["value"], rows["alerts_per_100"]["value"] = (events - missed) / alerts, 100 * alerts / (events + free)
    rows["npv"]["value"] = (free - false_alerts) / (events + free - alerts)
    found: dict[str, Any] = rows["net_benefit"]
    for one in (found, metrics["models"][model]["net_benefit"]):
        one["value"] = (events - missed - price * false_alerts) / (events + free)
        one["low"], one["high"] = one["value"] - 0.02, one["value"] + 0.02
    write_json(run / "metrics.json", metrics)
    return found


def test_a_net_benefit_that_tells_of_no_few_is_shown_as_it_is(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    exact = f"{_with_groups(run, 'network', 0.1, missed=40, false_alerts=300)['value']:.4f}"
    assert exact in section(page_of(run), "results")
    assert exact[:-1] in text_of(page_of(run).split("<nav")[0])


@pytest.mark.parametrize("few", ["missed", "false_alerts"])
def test_the_page_is_the_same_whichever_of_one_to_ten_stand_behind_a_threshold(
    risk_folder: Callable[..., Path], few: str
) -> None:
    run = risk_folder(explained=False, audit=False, preparation=False)
    pages = set()
    for count in (1, 4, 10):
        _with_groups(run, "network", 0.1, **{"missed": 40, "false_alerts": 300, few: count})
        pages.add(page_of(run))
    (page,) = pages
    for place in (page.split("<nav")[0], section(page, "results"), section(page, "benefit")):
        assert re.search(r"\d to [−\d.]+ \[", text_of(place)), "a range with its interval"


def test_what_was_not_measured_is_not_called_withheld(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    metrics = read_json(run / "metrics.json")
    nothing = {"value": None, "low": None, "high": None, "reason": "too few to say: made up"}
    for one in [*metrics["measures"], *(each for found in metrics["models"].values() for each in found.values())]:
        one.update(nothing, **({"events": 4} if "events" in one else {}))
    for pair in metrics["comparisons"]:
        pair.update(difference=None, low=None, high=None, reason="too few to say: made up")
    write_json(run / "metrics.json", metrics)
    curves = read_json(run / "curves.json")
    curves["missing_sensitivity"] |= {"verdict": "There is no verdict: made up."}
    for point in curves["missing_sensitivity"]["points"]:
        point.update(nothing)
    write_json(run / "curves.json", curves)
    page = page_of(run)
    assert "Network – – – – –" in section(page, "results")
    assert "not shown" not in section(page, "results").replace("how many are not shown", "")
    assert "is coarse where" not in section(page, "results")
    assert "There is no verdict: made up." in section(page, "missing")
    assert "Observed:" not in section(page, "calibration")


def test_few_between_two_thresholds_are_not_left_to_subtraction(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    _with_groups(run, "network", 0.1, missed=40, false_alerts=300)
    _with_groups(run, "network", 0.2, missed=60, false_alerts=200)
    line = section(page_of(run), "benefit").split("20 % Network")[1].split("Gradient boosting")[0]
    assert "about" not in line
    _with_groups(run, "network", 0.2, missed=44, false_alerts=200)
    line = section(page_of(run), "benefit").split("20 % Network")[1].split("Gradient boosting")[0]
    assert "about" in line


@pytest.mark.parametrize("hostile", ['<script>alert("x")</script>', "</svg></style>$x_{", "a -->]]> & ' \" {{ 7*7 }}"])
def test_hostile_names_stay_text(risk_folder: Callable[..., Path], hostile: str) -> None:
    run = risk_folder()
    for name, path in (("metrics", ("target", 0)), ("curves", ("risk", "outcome"))):
        content = read_json(run / f"{name}.json")
        content[path[0]][path[1]] = hostile
        write_json(run / f"{name}.json", content)
    curves = read_json(run / "curves.json")
    curves["importance"]["variables"][0]["name"] = hostile
    write_json(run / "curves.json", curves)
    page = page_of(run)
    assert "<script" not in page
    Nesting(page)


def test_a_run_of_neither_kind_is_refused(risk_folder: Callable[..., Path]) -> None:
    run = risk_folder()
    page = page_of(run)
    curves = read_json(run / "curves.json")
    curves["risk"]["models"] = []
    curves["risk"]["decision"] = None
    curves["risk"]["prevalence"] = None
    write_json(run / "curves.json", curves)
    bare = page_of(run)
    assert len(figures_of(bare)) < len(figures_of(page))
    assert "Not drawn: too few people had the event" in text_of(bare)
