"""A study of a risk: from the file to the report, the bundle, and back."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from live_bundle import assert_bundle_agrees
from small_study import DOCUMENT, PEOPLE, SECRET, outcomes_csv, visits_csv

import sequela
from sequela.bundle import AfterState, members_of, read_bundle, write_bundle
from sequela.errors import BundleError
from sequela.evaluate import RiskAsked, risk_curves
from sequela.models import parameter_count
from sequela.report.formats import Metrics
from sequela.report.performance import performance
from sequela.study import Run, risk
from sequela.study.material import best_baseline
from sequela.study.risk import _not_recalibrated
from sequela.study.story import gather

PLAIN = {"model": {"hidden": 3}, "train.epochs": 1, "evaluate.baselines": ["logistic"], "evaluate.trials": None}
SOON = {"column": "died", "time": "died_on", "time_unit": "days", "within": "1y"}
HIGH = {"code": "sbp", "above": 135, "within": "90d"}


def predictions(run: Run) -> pl.DataFrame:
    return pl.read_parquet(run.folder / "predictions.parquet")


def test_a_run_of_a_risk_holds_the_files_of_any_run(risky: Run, plain: Run) -> None:
    files = [{path.name for path in run.folder.iterdir()} for run in (risky, plain)]
    assert files[0] == files[1]
    members = [{path.name for path in (run.folder / "bundle").iterdir()} for run in (risky, plain)]
    assert members[0] == members[1] | {"trees.txt"}


def test_a_run_of_a_risk_names_no_person_in_what_leaves(risky: Run) -> None:
    for member in [*(risky.folder / "bundle").iterdir(), risky.folder / "report.html"]:
        assert SECRET.encode() not in member.read_bytes(), member.name


def test_a_bundle_needs_no_outcomes_and_gives_the_numbers_of_its_study_to_the_bit(risky: Run) -> None:
    loaded = sequela.load_bundle(risky.folder / "bundle")
    assert loaded.tables == ["visits", "patients"]
    folder = risky.folder.parent
    live = loaded.predict({name: pl.read_csv(folder / f"{name}.csv") for name in loaded.tables})
    stored = predictions(risky).filter(pl.col("model").is_in(["network", "hybrid"]))
    both = stored.join(live, on=["subject_id", "prediction_time", "code", "model"], suffix="_live", how="left")
    assert len(stored) == 4 * PEOPLE
    for column in ("predicted", "episode_start", "flags"):
        assert both[column].equals(both[f"{column}_live"].alias(column), null_equal=False), column


def test_dates_of_an_outcome_in_parquet_run_as_their_text_does_and_do_not_disturb_new_people(run_risk: Any) -> None:
    begin = date(2020, 1, 1)
    fates = [line.split(",") for line in outcomes_csv(2 * PEOPLE).splitlines()[1:]]
    fate = pl.DataFrame(
        {
            "id": [int(who) for who, *_ in fates],
            "died": [int(died) for _, died, _ in fates],
            "died_on": [begin + timedelta(days=int(day)) if day else None for *_, day in fates],
        }
    )
    visits = pl.read_csv(visits_csv(2 * PEOPLE).encode())
    visits = visits.with_columns(day=pl.lit(begin) + pl.duration(days="day"))
    buffer = io.BytesIO()
    fate.write_parquet(buffer)
    tables = [
        {"path": "visits.csv", "subject": "id", "time": "day", "time_zone": "Europe/Berlin"},
        {"path": "fate.parquet", "source": "parquet", "layout": "static", "subject": "id"},
    ]
    outcome = {key: value for key, value in SOON.items() if key != "time_unit"}
    changes = {"records": tables, "question.outcome": outcome, "question.incomplete": "no event", **PLAIN}
    changes |= {"evaluate.subgroups": []}
    files: dict[str, str | bytes] = {"visits.csv": visits.write_csv(), "fate.parquet": buffer.getvalue()}
    run = run_risk(changes, files)
    as_text = [tables[0], tables[1] | {"source": "csv", "path": "fate.csv"}]
    again = run_risk(
        changes | {"records": as_text}, {"visits.csv": files["visits.csv"], "fate.csv": fate.write_csv()}, name="again"
    )
    assert predictions(run).equals(predictions(again))
    loaded = sequela.load_bundle(run.folder / "bundle")
    live = loaded.predict({"visits": visits, "fate": fate})
    stored = predictions(run).filter(model="network")
    both = stored.join(live, on=["subject_id", "episode_start", "prediction_time"], suffix="_live", how="left")
    assert both["predicted"].equals(both["predicted_live"].alias("predicted"), null_equal=False)


@pytest.mark.parametrize("columns", [["sex", "dead"], None])
def test_a_column_of_the_outcome_in_an_input_table_is_not_wanted_of_new_people(
    run_risk: Any, columns: list[str] | None
) -> None:
    visits = [line.split(",") for line in outcomes_csv(2 * PEOPLE).splitlines()]
    patients = "\n".join(f"{who},{'fm'[len(who) % 2]},{died}" for who, died, _ in visits[1:])
    changes = {"question.outcome": {"column": "fatal", "positive": "1"}, **PLAIN, "evaluate.subgroups": []}
    table = {"path": "patients.csv", "layout": "static", "subject": "id", "columns": columns, "categorical": ["dead"]}
    given = {key: value for key, value in table.items() if value is not None} | {"rename": {"dead": "fatal"}}
    run = run_risk(changes | {"records.1": given}, {"patients.csv": f"id,sex,dead\n{patients}\n"})
    loaded = sequela.load_bundle(run.folder / "bundle")
    folder = run.folder.parent
    tables = {"visits": pl.read_csv(folder / "visits.csv"), "patients": pl.read_csv(folder / "patients.csv")}
    live = loaded.predict(tables | {"patients": tables["patients"].drop("dead")})
    with warnings.catch_warnings(action="ignore"):  # of a column that the study renamed
        assert loaded.predict(tables).equals(live)
    both = predictions(run).filter(model="network").join(live, on=["subject_id", "prediction_time"], suffix="_live")
    assert both["predicted"].equals(both["predicted_live"].alias("predicted"))
    assert not {"dead", "fatal"} & {variable["code"] for variable in read(run, "profile")["variables"]}


def test_new_people_are_told_the_time_in_the_units_of_the_study_whose_first_table_is_of_the_outcome(
    run_risk: Any,
) -> None:
    fates = [line.split(",") for line in outcomes_csv(2 * PEOPLE).splitlines()[1:]]
    text = "id,hour,dead\n" + "".join(f"{who},9600,{died}\n" for who, died, _ in fates)
    table = {"path": "fate.csv", "subject": "id", "time": "hour", "time_unit": "hours", "columns": ["dead"]}
    run = run_risk(
        {**PLAIN, "records": [table, *DOCUMENT["records"]], "question.outcome": {"column": "dead"}}, {"fate.csv": text}
    )
    assert_bundle_agrees(run)
    loaded = sequela.load_bundle(run.folder / "bundle")
    paths = {name: run.folder.parent / f"{name}.csv" for name in loaded.tables}
    assert loaded.predict_files(paths, now=100 * 24).table["prediction_time"].max() > 99 * 24


@pytest.mark.parametrize(("time", "day"), [("day_of_death", "1"), ("died_on", "")])
def test_a_time_of_an_outcome_that_nothing_holds_is_not_that_of_its_row(run_risk: Any, time: str, day: str) -> None:
    header, *people = outcomes_csv(PEOPLE).splitlines()
    rows = [line.rsplit(",", 1)[0] + f",{day},3" for line in people]
    table = {"path": "outcomes.csv", "role": "outcome", "subject": "id", "time": "noted", "time_unit": "days"}
    changes = {"records.2": table, "question.outcome": {**SOON, "time": time}}
    files = {"outcomes.csv": "\n".join([f"{header},noted", *rows, ""])}
    with pytest.raises(sequela.errors.CohortError, match=f"outcome.time: no table has a column '{time}' with a value"):
        run_risk(changes, files)


def test_a_unit_of_an_outcomes_time_that_contradicts_its_tables_is_refused(run_risk: Any, tmp_path: Path) -> None:
    header, *people = outcomes_csv(PEOPLE).splitlines()
    text = "\n".join([f"{header},noted", *(f"{line},{300 + row}" for row, line in enumerate(people)), ""])
    table = {"path": "outcomes.csv", "role": "outcome", "subject": "id", "time": "noted", "time_unit": "days"}
    changes = {"records.2": table, "question.outcome": {**SOON, "time": "noted", "time_unit": "hours"}}
    changes["question.incomplete"] = "no event"
    words = (
        r"outcome\.time_unit: it is \"hours\", and 'noted' is the time of table 'outcomes'.* numbers of days.*Remove"
    )
    with pytest.raises(sequela.errors.CohortError, match=words):
        run_risk(changes, {"outcomes.csv": text})
    for unit in ("days", None):
        keys = {"column": "died", "time": "noted", "within": "1y"} | ({"time_unit": unit} if unit else {})
        study = sequela.read_study(tmp_path / "study.toml", {"question.outcome": keys})
        assert gather(study).labels.sum() > 0


def read(run: Run, name: str) -> Any:
    return json.loads((run.folder / f"{name}.json").read_text(encoding="utf-8"))


def test_the_measures_of_a_risk_are_those_of_its_predictions(risky: Run) -> None:
    metrics = read(risky, "metrics")
    assert (metrics["question"], metrics["target"], metrics["units"]) == ("risk", ["died"], {})
    assert set(metrics["models"]) == {"network", "hybrid", "logistic", "gradient_boosting"}
    held_out = predictions(risky).filter(split="held_out")
    for model, of_model in metrics["models"].items():
        rows = held_out.filter(model=model)
        brier = float(((rows["predicted"] - rows["target"]) ** 2).mean())
        assert of_model["brier"]["value"] == pytest.approx(brier), model
    assert {row["recalibrated"] for row in metrics["measures"]} == {False, True}
    levels = {row["subgroup"]["level"] for row in metrics["measures"] if row["subgroup"]}
    assert levels == {"f", "m"}
    assert {row["threshold"] for row in metrics["measures"] if row["metric"] == "sensitivity"} == {0.1, 0.2}
    assert {(row["at"], row["horizon_hours"]) for row in metrics["measures"]} == {(None, None)}


def test_landmarks_count_from_the_start_of_each_persons_episode(run_risk: Any) -> None:
    visits = pl.read_csv(visits_csv(2 * PEOPLE).encode())
    text = visits.with_columns(day=pl.col("day") + pl.col("id") % 5).write_csv()
    asked = {"question.outcome": HIGH, "question.at": ["30d", "60d"], "question.incomplete": "no event"}
    run = run_risk(PLAIN | asked, {"visits.csv": text})
    assert {row["at"] for row in run.metrics["measures"]} == {None, "30d", "60d"}
    assert {row["horizon_hours"] for row in run.metrics["measures"]} == {90 * 24}


def test_recalibration_moves_probabilities_and_no_order(risky: Run) -> None:
    after = json.loads((risky.folder / "bundle" / "after.json").read_text())
    assert set(after["recalibration"]) == {"network", "hybrid"}
    measures = [row for row in risky.metrics["measures"] if row["model"] == "network" and row["subgroup"] is None]
    auroc = {row["recalibrated"]: row["value"] for row in measures if row["metric"] == "auroc" and row["at"] is None}
    brier = {row["recalibrated"]: row["value"] for row in measures if row["metric"] == "brier" and row["at"] is None}
    assert auroc[True] == pytest.approx(auroc[False])
    assert brier[True] != brier[False]


@pytest.mark.parametrize("kept", [None, ["network"], ["hybrid"]])
def test_a_bundle_without_a_recalibration_of_its_study_is_refused(
    risky: Run, tmp_path: Path, kept: list[str] | None
) -> None:
    bundle = read_bundle(risky.folder / "bundle")
    assert bundle.after is not None
    maps = bundle.after.recalibration
    after = None if kept is None else AfterState(recalibration={model: maps[model] for model in kept})
    write_bundle(replace(bundle, after=after), tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"after\.json: a recalibration that study\.json asks for is missing"):
        read_bundle(tmp_path / "bundle")


def test_a_model_that_could_not_be_recalibrated_is_not_called_so(run_risk: Any) -> None:
    """Though they say more of tuning people than that."""
    run = run_risk({**PLAIN, "question.outcome": HIGH, "model.recalibrate": "platt", "prepare.min_people": 40})
    assert len(predictions(run).filter(split="tuning", model="network")) > 40
    why = "fewer than 40 people to recalibrate on"
    assert run.metrics["not_recalibrated"] == {"network": why, "logistic": why}
    assert not any(row["recalibrated"] for row in run.metrics["measures"])
    drawn = read(run, "curves")["risk"]["models"]
    assert [(model["model"], model["after"], model["recalibration"]) for model in drawn] == [
        ("network", None, None),
        ("logistic", None, None),
    ]
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"network and logistic regression ({why})" in page
    assert "Every model was recalibrated" not in page


def test_figures_show_risks_before_and_after_their_recalibration(
    run_risk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []

    def recording(asked: RiskAsked, predicted: dict[str, np.ndarray], **more: Any) -> dict[str, Any]:
        given.append({"before": predicted, **more})
        return risk_curves(asked, predicted, **more)

    monkeypatch.setattr(risk, "risk_curves", recording)
    run = run_risk({**PLAIN, "train.epochs": 4, "model.recalibrate": "platt"})
    held_out = predictions(run).filter(split="held_out")
    (drawn,) = given
    assert drawn["recalibration"] == {"network": "platt", "logistic": "platt"}
    for model in drawn["recalibration"]:
        after = held_out.filter(model=model)["predicted"].to_numpy()
        assert np.array_equal(drawn["recalibrated"][model], after)
        assert (drawn["before"][model] != after).all()


def test_a_profile_counts_what_was_asked_and_what_followed(run_risk: Any) -> None:
    run = run_risk({**PLAIN, "question.outcome": HIGH, "split.fractions": [0.3, 0.1, 0.6]})
    asked, table = read(run, "profile")["asked"], predictions(run).filter(model="network")
    events = table.filter(target=1.0)
    assert 0 < len(table) < asked["predictions"]
    assert asked["without_target_share"] == pytest.approx(1 - len(table) / asked["predictions"])
    assert (asked["nothing_seen"], asked["events"]) == (0, len(events))
    assert asked["people_with_event"] == events["subject_id"].n_unique() < len(events)
    people = table.filter(split="held_out")["subject_id"].n_unique()
    assert run.metrics["verdict"].startswith(f"On {people} held-out people")
    low, middle, high = asked["event_hours_quartiles"]
    assert 0 < low < middle < high <= 90 * 24


def test_each_member_has_its_own_training(risky: Run) -> None:
    fits = read(risky, "history")["fits"]
    assert [(fit["fold"], fit["member"]) for fit in fits] == [(0, 0), (0, 1)]
    assert set(fits[0]["selection_log_loss"]) == {"logistic", "gradient_boosting"}
    assert set(fits[0]["search"]) == {"logistic", "gradient_boosting"}
    first, second = members_of(sequela.load_bundle(risky.folder / "bundle").bundle.network)
    assert read(risky, "profile")["network"]["parameters"] == parameter_count(first) == parameter_count(second)


@pytest.mark.parametrize("kind", ["forecast", "risk"])
def test_the_best_baseline_over_folds_weighs_every_label_once(kind: str, run_study: Any, run_risk: Any) -> None:
    if kind == "forecast":
        run = run_study({"split.folds": 3, "train.epochs": 1, "evaluate.baselines": ["persistence", "mean", "linear"]})
    else:
        run = run_risk(PLAIN | {"split.folds": 3, "evaluate.baselines": ["logistic", "gradient_boosting"]})
    if kind == "risk":
        judged = predictions(run).filter(model="network", split="held_out")
        assert read(run, "profile")["split"]["events"]["held_out"] == judged["target"].sum() > 0
    name, power = ("selection_rmse", 2) if kind == "forecast" else ("selection_log_loss", 1)
    tuning = predictions(run).filter(model="network", split="tuning").group_by("fold").len()
    labels = dict(tuning.iter_rows())
    total: dict[str, float] = {}
    for fit in read(run, "history")["fits"]:
        for baseline, loss in fit[name].items():
            total[baseline] = total.get(baseline, 0.0) + labels[fit["fold"]] * loss**power
    assert run.metrics["best_baseline"] == min(total, key=total.__getitem__)


@pytest.mark.parametrize(
    ("folds", "best"),
    [
        ([({"a": 1.0, "b": 2.0}, {"a": 9.0, "b": 8.0})], "b"),
        ([({"a": 1.0, "b": 2.0}, {"a": 9.0, "b": 8.0}), ({}, {"a": 0.0, "b": 0.0})], "b"),
        ([({"a": 1.0, "b": 2.0}, {"a": 9.0, "b": 8.0}), ({"b": 2.0}, {"a": np.nan, "b": 8.0})], "b"),
        ([({}, {"a": 0.0, "b": 0.0})], None),
    ],
    ids=["one fold", "a fold that nobody judges", "a baseline without a loss in a fold", "nobody judges"],
)
def test_the_best_baseline_has_the_smallest_sum_of_losses_that_somebody_judged(
    folds: list[tuple[dict[str, float], dict[str, float]]], best: str | None
) -> None:
    fits: Any = [SimpleNamespace(selection=selection, selection_total=total) for selection, total in folds]
    assert best_baseline(fits) == best


def test_a_model_that_some_fold_recalibrated_counts_as_recalibrated() -> None:
    reasons = {"network": "too few", "logistic": "too few"}, {"network": "too few"}
    fits: Any = [SimpleNamespace(not_recalibrated=not_recalibrated) for not_recalibrated in reasons]
    assert _not_recalibrated(fits) == {"network": "too few"}


def test_labels_may_come_from_a_table(run_risk: Any) -> None:
    rows = [f"{p},{day},{'true' if p % 3 else 'false'}" for p in range(2 * PEOPLE) for day in (100, 140)]
    table = "subject_id,prediction_time,boolean_value\n" + "\n".join(rows) + "\n"
    question = {"kind": "risk", "labels": "labels.csv"}
    run = run_risk(PLAIN | {"question": question}, {"labels.csv": table})
    network = predictions(run).filter(model="network")
    assert set(network["prediction_time"]) == {100.0, 140.0}
    assert network["target"].mean() == pytest.approx(np.mean([p % 3 > 0 for p in range(2 * PEOPLE)]))
    assert not any(b"labels.csv" in member.read_bytes() for member in (run.folder / "bundle").iterdir())
    folder = run.folder.parent
    live = sequela.load_bundle(run.folder / "bundle").predict_files(
        {name: folder / f"{name}.csv" for name in ("visits", "patients")}, at="last"
    )
    assert live.table["predicted"].is_between(0, 1).all()


def test_who_had_the_event_is_not_asked_again_unless_it_recurs(run_risk: Any) -> None:
    once = run_risk(PLAIN | {"question.outcome": HIGH})
    reasons = {row["reason"] for row in read(once, "profile")["exclusions"]}
    assert any("not at risk any more" in reason for reason in reasons)
    asked = len(predictions(once))
    tables = {name: once.folder.parent / f"{name}.csv" for name in ("visits", "patients")}
    left_out = sequela.load_bundle(once.folder / "bundle").predict_files(tables).excluded
    assert any("not at risk any more" in reason for reason in left_out)
    again = run_risk(PLAIN | {"question.outcome": HIGH | {"recurrent": True}}, force=True)
    assert len(predictions(again)) > asked
    live = sequela.load_bundle(again.folder / "bundle").predict_files(tables)
    assert len(live.table) > len(predictions(again).filter(model="network"))
    assert live.excluded == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"question.outcome": SOON, "question.at": "every record", "question.incomplete": "no event"},
        {
            "question.outcome": SOON,
            "question.at": ["30d", "60d"],
            "question.to": "2y",
            "question.incomplete": "no event",
        },
        {"question.outcome": HIGH, "question.at": "every 30d", "question.history": "60d"},
        {"question.outcome": {"code": "sbp", "below": 120}, "question.to": "150d", "question.min_records": 2},
        {"question.outcome": HIGH, "question.incomplete": "no event", "split.by": "order"},
        {"split.folds": 2, "evaluate.subgroups": ["sex", "height"], "evaluate.thresholds": [0.3]},
        {"model": {"members": 2, "hybrid": True, "recalibrate": "isotonic", "hidden": 3, "wide": True}},
        {"model": {"readout": ["last", "mean", "max", "attention"], "hidden": [4, 3], "dropout": 0.3}},
        {"model": {"loss": "weighted_cross_entropy", "recalibrate": "platt", "bidirectional": True, "hidden": 3}},
        {"model": {"inputs": ["values", "provenance"], "hidden": 3}, "prepare.missing": "linear"},
        {"train": {"epochs": 2, "schedule": "one cycle", "hide": 0.3}, "prepare.missing": "decay"},
        {"prepare.missing": {"sbp": "regression", "*": "knn"}, "prepare.outliers": "hampel"},
        {"prepare.scale": "quantile", "prepare.transform": {"sbp": "log"}, "prepare.outliers": "iqr"},
        {"prepare.grid": "10d", "prepare.aggregate": "max", "question.at": "60d", "question.outcome": HIGH},
        {"prepare.derived": {"pulse_pressure": "sbp - dbp"}, "prepare.plausible": "default"},
        {"evaluate.missing_sensitivity": True, "evaluate.importance": True},
        {"evaluate.baselines": [], "evaluate.reason": "a test"},
        {"split.fractions": [0.7, 0.0, 0.3], "train.patience": 0},
        {"report.individuals": True, "prepare.min_people": 1},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_what_a_study_of_a_risk_may_ask_for_runs_to_the_end_and_its_bundle_says_the_same(
    run_risk: Any, changes: dict[str, Any]
) -> None:
    run = run_risk(PLAIN | changes)
    assert run.report.stat().st_size > 10_000
    found = predictions(run)
    assert found["predicted"].is_between(0, 1).all()
    assert set(found["target"]) == {0.0, 1.0}
    assert_bundle_agrees(run)


def test_a_shift_of_what_was_not_measured_says_no_more_than_the_measures(run_risk: Any) -> None:
    run = run_risk({**PLAIN, "evaluate.missing_sensitivity": True, "split.fractions": [0.85, 0.1, 0.05]})
    measured = run.metrics["models"]["network"]["auroc"]
    found = json.loads((run.folder / "curves.json").read_text())["missing_sensitivity"]
    assert measured["value"] is None
    assert all(point["value"] is None and point["reason"] == measured["reason"] for point in found["points"])
    assert found["verdict"] == f"There is no verdict: {measured['reason']}."


@pytest.mark.parametrize("few", [True, False])
def test_a_card_tells_how_good_the_network_is_and_no_small_count(risky: Run, few: bool) -> None:
    metrics = Metrics.model_validate(json.loads(json.dumps(risky.metrics)))
    predictions = risky.metrics["data"]["predictions"]["held_out"]
    events = 7 if few else predictions // 2
    rows = [row.model_copy(update={"events": events}) for row in metrics.measures]
    told = performance(metrics.model_copy(update={"measures": rows}), people=50, predictions=predictions, thresholds=[])
    hidden = {name for name, one in told.items() if (one["reason"] or "").startswith("withheld")}
    telling = {"brier", "scaled_brier", "calibration_in_the_large", "calibration_intercept"}
    assert hidden == (telling if few else set())
    own = risky.metrics["models"]["network"]
    assert told["auroc"]["value"] == float(f"{own['auroc']['value']:.{2 if few else 3}g}")
    assert all(len(f"{one[end]:.9g}".strip("-0.").replace(".", "")) <= 4 for one in told.values() for end in ("value",)
               if one[end] is not None)  # fmt: skip


def test_a_card_in_a_bundle_is_rounded(risky: Run) -> None:
    card = json.loads((risky.folder / "bundle" / "card.json").read_text())
    auroc = card["performance"]["auroc"]["value"]
    assert auroc == float(f"{auroc:.3g}")
    assert card["performance"].keys() == risky.metrics["models"]["network"].keys()


def test_what_is_told_of_variables_and_of_missing_values_is_of_the_risk_that_the_network_gives_out(
    run_risk: Any,
) -> None:
    """An isotonic map makes ties, so the AUROC before it is another."""
    run = run_risk(
        {
            **PLAIN,
            "model.recalibrate": "isotonic",
            "train.seed": 3,
            "evaluate.bootstrap": 150,
            "evaluate.missing_sensitivity": True,
            "evaluate.importance": True,
        }
    )
    metrics, curves = (json.loads((run.folder / f"{name}.json").read_text()) for name in ("metrics", "curves"))
    headline = metrics["models"]["network"]["auroc"]
    before = [row["value"] for row in metrics["measures"] if row["model"] == "network" and row["metric"] == "auroc"
              and not row["recalibrated"] and row["at"] is None and row["subgroup"] is None]  # fmt: skip
    assert headline["value"] not in before
    unshifted = next(point for point in curves["missing_sensitivity"]["points"] if point["shift"] == 0)
    assert {key: unshifted[key] for key in ("value", "low", "high")} == pytest.approx(
        {key: headline[key] for key in ("value", "low", "high")}
    )
    assert curves["importance"]["baseline"] == pytest.approx(headline["value"])
