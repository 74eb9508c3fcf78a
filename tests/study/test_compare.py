"""Runs compared on what they have in common."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from small_study import write_study

import sequela
from sequela.errors import RunError
from sequela.evaluate import Resamples, auroc, brier, mae, net_benefit, paired_difference, rmse
from sequela.report.comparison import comparison_tables
from sequela.study.compare import compare_runs


def expit(x):
    return 1 / (1 + np.exp(-x))


PEOPLE = 240


def risk_folder(
    folder, *, seed=0, noise=0.5, people=range(PEOPLE), hybrid=False, target="death", time_unit="hours", **more
):
    """A run folder of a risk question: the same people and outcomes for every seed, other networks."""
    rng = np.random.default_rng(5)
    logits = rng.normal(-1, 1.5, PEOPLE)
    event = (rng.random(PEOPLE) < expit(logits)).astype(float)
    said = np.random.default_rng(seed)
    models = ["network", *(["hybrid"] if hybrid else []), "logistic", "gradient_boosting"]
    tables = []
    for model in models:
        risk = expit(logits + said.normal(0, noise, PEOPLE))
        tables.append(
            pl.DataFrame(
                {
                    "subject_id": [f"p{each}" for each in range(PEOPLE)],
                    "episode_start": np.zeros(PEOPLE),
                    "prediction_time": np.full(PEOPLE, 48.0),
                    "split": ["held_out" if each in people else "train" for each in range(PEOPLE)],
                    "fold": 0,
                    "model": model,
                    "code": target,
                    "flags": "",
                    "target": event,
                    "predicted": risk,
                }
            )
        )
    folder.mkdir(parents=True)
    pl.concat(tables).write_parquet(folder / "predictions.parquet")
    rows = [{"model": "network", "metric": "net_benefit", "threshold": each} for each in (0.3 + seed / 10, 0.9)]
    metrics = {"format": 1, "question": "risk", "target": [target], "models": {}, "measures": rows,
               "best_baseline": "gradient_boosting"}  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics | more))
    profile = {"format": 1, "clock": {"calendar": time_unit is None, "unit": time_unit}}
    (folder / "profile.json").write_text(json.dumps(profile))
    return folder


def of(folder, model="network", people=range(PEOPLE)):
    """Target and risk of a folder's held-out people."""
    table = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("model") == model)
    kept = [each in people for each in range(PEOPLE)]
    return table["target"].to_numpy()[kept], table["predicted"].to_numpy()[kept]


def gap(found, metric, run="b", model="network"):
    rows = [row for row in found["differences"] if (row["metric"], row["run"], row["model"]) == (metric, run, model)]
    assert len(rows) == 1
    return rows[0]


def test_risks_are_compared_on_common_held_out_people(tmp_path):
    a = risk_folder(tmp_path / "a", seed=1, noise=2.0, people=range(200))
    b = risk_folder(tmp_path / "b", seed=2, noise=0.1, people=range(40, 240))
    found = compare_runs([a, b], resamples=200)
    json.dumps(found, allow_nan=False)
    assert found["common"] == {"people": 160, "predictions": 160}
    assert [run["held_out"]["people"] for run in found["runs"]] == [200, 200]
    assert found["metrics"] == ["auroc", "auprc", "brier", "calibration_slope", "ici", "net_benefit"]
    assert {row["metric"] for row in found["differences"]} == set(found["metrics"]) - {"calibration_slope"}
    common = range(40, 200)
    assert found["events"] == of(a, people=common)[0].sum()
    expected = auroc(*of(b, people=common)) - auroc(*of(a, people=common))
    row = gap(found, "auroc")
    assert row["difference"] == pytest.approx(expected)
    assert (row["against"], row["against_model"], row["outcome"]) == ("a", "network", "better")
    assert gap(found, "brier")["difference"] == pytest.approx(
        brier(*of(b, people=common)) - brier(*of(a, people=common))
    )
    assert gap(found, "brier")["outcome"] == "better"
    assert gap(found, "ici")["outcome"] in ("better", "no_difference")
    worth = [row for row in found["rows"] if row["metric"] == "net_benefit" and row["run"] == "a"]
    assert worth[0]["threshold"] == 0.4
    assert worth[0]["value"] == pytest.approx(net_benefit(*of(a, people=common), 0.4))
    assert found["thresholds"] == [0.4]
    assert {row["threshold"] for row in compare_runs([a, b], resamples=5, thresholds=[0.2, 0.6])["rows"]} == {
        None,
        0.2,
        0.6,
    }
    assert found["notes"][0] == (
        "a: 40 of its 200 held-out predictions are not common to all runs and are left out, among them all predictions "
        "of 40 people."
    )
    assert {(row["run"], row["model"]) for row in found["rows"]} == {
        ("a", "network"), ("a", "gradient_boosting"), ("b", "network"), ("b", "gradient_boosting"),
    }  # fmt: skip


def test_a_run_against_itself_differs_by_nothing(tmp_path):
    a = risk_folder(tmp_path / "a")
    shutil.copytree(a, tmp_path / "b")
    found = compare_runs([a, tmp_path / "b"], resamples=50)
    assert all((row["difference"], row["low"], row["high"]) == (0, 0, 0) for row in found["differences"])
    assert {row["outcome"] for row in found["differences"]} == {"no_difference"}


def test_hybrids_are_paired_with_hybrids_and_else_with_the_network(tmp_path):
    a = risk_folder(tmp_path / "a", seed=1)
    b = risk_folder(tmp_path / "b", seed=2, hybrid=True)
    c = risk_folder(tmp_path / "c", seed=3, hybrid=True)
    found = compare_runs([a, b], resamples=20)
    assert gap(found, "auroc", model="hybrid")["against_model"] == "network"
    assert gap(compare_runs([b, c], resamples=20), "auroc", "c", "hybrid")["against_model"] == "hybrid"
    three = compare_runs([a, b, c], resamples=20)
    assert {row["run"] for row in three["differences"]} == {"b", "c"}


def test_the_order_of_rows_in_the_files_changes_nothing(tmp_path):
    a, b = risk_folder(tmp_path / "a", seed=1), risk_folder(tmp_path / "b", seed=2)
    before = compare_runs([a, b], resamples=30)
    for path in (a / "predictions.parquet", b / "predictions.parquet"):
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=3).write_parquet(path)
    assert compare_runs([a, b], resamples=30) == before


def test_run_folders_of_one_name_are_told_apart_by_their_paths(tmp_path):
    folders = [risk_folder(tmp_path / week / "run", seed=seed) for seed, week in enumerate(("first", "second"))]
    assert [run["name"] for run in compare_runs(folders, resamples=5)["runs"]] == [str(folder) for folder in folders]


def test_risks_of_0_and_1_can_be(tmp_path):
    a, b = risk_folder(tmp_path / "a"), risk_folder(tmp_path / "b", seed=1)
    changed(b, pl.col("predicted").round())
    assert gap(compare_runs([a, b], resamples=5), "brier")["difference"] > 0


@pytest.mark.parametrize(
    ("left", "gone", "people"),
    [(10, "under 75 of its", "under 75"), (11, "11 of its 240", "11"), (PEOPLE - 7, "about 250 of its", "about 250")],
)
def test_few_people_who_are_left_out_or_common_are_not_counted(tmp_path, left, gone, people):
    runs = [risk_folder(tmp_path / "a"), risk_folder(tmp_path / "b", seed=1, people=range(PEOPLE - left))]
    assert compare_runs(runs, resamples=5)["notes"][0] == (
        f"a: {gone} held-out predictions are not common to all runs and are left out, among them all predictions of "
        f"{people} people."
    )


def test_what_cannot_be_compared_is_refused_and_says_what_to_do(tmp_path):
    a = risk_folder(tmp_path / "a", people=range(100))
    apart = risk_folder(tmp_path / "apart", people=range(100, 240))
    other = risk_folder(tmp_path / "other", target="sepsis")
    kind, times = (risk_folder(tmp_path / kind, question=kind) for kind in ("forecast", "survival"))
    days, dates = (risk_folder(tmp_path / str(unit), time_unit=unit) for unit in ("days", None))
    with pytest.raises(RunError, match=r"No held-out prediction is common.*same \[split\]"):
        compare_runs([a, apart])
    with pytest.raises(RunError, match=r"is about sepsis.*about death"):
        compare_runs([a, other])
    with pytest.raises(RunError, match=r"asks for a forecast.*for a risk"):
        compare_runs([a, kind])
    for other_times, words in ((days, "counts time in days, .* in hours"), (dates, "counts time in dates")):
        with pytest.raises(RunError, match=words):
            compare_runs([a, other_times])
    with pytest.raises(RunError, match="kind 'survival' cannot be compared"):
        compare_runs([times, a])
    with pytest.raises(RunError, match="at least two"):
        compare_runs([a])
    with pytest.raises(RunError, match="named twice"):
        compare_runs([a, a])
    with pytest.raises(RunError, match="found none"):
        compare_runs([a, tmp_path / "nowhere"])


def test_other_outcomes_of_the_same_people_are_refused_without_telling_them(tmp_path):
    a, b = risk_folder(tmp_path / "a"), risk_folder(tmp_path / "b")
    path = b / "predictions.parquet"
    pl.read_parquet(path).with_columns(
        target=pl.when(pl.col("subject_id").is_in([f"p{each}" for each in range(10, 20)]))
        .then(1 - pl.col("target"))
        .otherwise("target")
    ).write_parquet(path)
    with pytest.raises(RunError, match="what came differs in fewer than 11 of 240 common predictions") as refused:
        compare_runs([a, b])
    assert "p1" not in str(refused.value)


def test_damaged_run_folders_are_refused(tmp_path):
    a, b = risk_folder(tmp_path / "a"), risk_folder(tmp_path / "b[a]")
    table = pl.read_parquet(b / "predictions.parquet", glob=False)
    (b / "predictions.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(RunError, match="cannot be read as predictions"):
        compare_runs([a, b])
    for model in ("network", "gradient_boosting"):
        pl.concat([table, table.filter(pl.col("model") == model)]).write_parquet(b / "predictions.parquet")
        with pytest.raises(RunError, match="holds a held-out prediction twice"):
            compare_runs([a, b])
    table.drop("predicted").write_parquet(b / "predictions.parquet")
    with pytest.raises(RunError, match="'predicted' is missing"):
        compare_runs([a, b])
    table.filter(pl.col("split") == "train").write_parquet(b / "predictions.parquet")
    with pytest.raises(RunError, match="holds no held-out prediction"):
        compare_runs([a, b])
    for column, wrong in (("predicted", np.nan), ("predicted", 1.01), ("target", 0.5), ("prediction_time", None)):
        first = pl.when(pl.col("subject_id") == "p3").then(wrong).otherwise(column).alias(column)
        table.with_columns(first).write_parquet(b / "predictions.parquet")
        with pytest.raises(RunError, match="that no run gives out"):
            compare_runs([a, b])
    table.with_columns(target=pl.lit("yes")).write_parquet(b / "predictions.parquet")
    with pytest.raises(RunError, match="cannot be read as predictions"):
        compare_runs([a, b])
    (b / "predictions.parquet").unlink()
    with pytest.raises(RunError, match="no such file"):
        compare_runs([a, b])
    (b / "metrics.json").write_text("[" * 100_000)
    with pytest.raises(RunError, match="cannot be read as JSON"):
        compare_runs([a, b])
    for form in ('"format": 9, ', ""):
        (b / "metrics.json").write_text(f'{{{form}"question": "risk", "target": [], "models": {{}}}}')
        with pytest.raises(RunError, match="format 1"):
            compare_runs([a, b])
    (b / "metrics.json").write_text('{"format": 1, "question": "risk", "target": "death", "models": {}}')
    with pytest.raises(RunError, match="expected the measures of a run"):
        compare_runs([a, b])


def test_few_common_people_have_no_numbers(tmp_path):
    a, b = risk_folder(tmp_path / "a", people=range(9)), risk_folder(tmp_path / "b", seed=1)
    found = compare_runs([a, b], resamples=20)
    assert all(row["value"] is None and "too few to say" in row["reason"] for row in found["rows"])
    page = printed(found)
    assert "<11 held-out predictions of <11 people" in page
    assert " 9 " not in page


def printed(found):
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for table in comparison_tables(found):
        console.print(table)
    console.file.close()
    return console.export_text()


def test_the_tables_show_every_difference(tmp_path):
    a = risk_folder(tmp_path / "first", seed=1, noise=2.0)
    b = risk_folder(tmp_path / "second", seed=2, noise=0.1)
    page = printed(compare_runs([a, b], resamples=100))
    for words in ("death: 240 held-out predictions of 240 people", "AUROC", "Brier score",
                  "Net benefit at 40\N{NO-BREAK SPACE}%", "Gradient boosting", "better",
                  "Paired differences", "hold the fitted models fixed"):  # fmt: skip
        assert words in page


def forecast_folder(folder, *, seed, units=None):
    """A run folder of a forecast of two targets at two horizons; several times a person, half an hour apart."""
    rng, said = np.random.default_rng(5), np.random.default_rng(seed)
    persons, times = np.repeat(np.arange(30), 4), np.tile([0.0, 0.5, 1.0, 1.5], 30)
    tables = []
    for model in ("network", "linear"):
        for code, level in (("sbp", 130), ("dbp", 80)):
            for hours in (6.25, 6.5):
                target = rng.normal(level, 10, 120) if model == "network" else tables[len(tables) - 4]["target"]
                tables.append(
                    pl.DataFrame({
                        "subject_id": persons, "episode_start": 0.0, "prediction_time": times,
                        "split": "held_out", "model": model, "code": code,
                        "horizon_hours": hours, "target": target, "predicted": target + said.normal(0, hours, 120),
                    })
                )  # fmt: skip
    folder.mkdir(parents=True)
    pl.concat(tables).write_parquet(folder / "predictions.parquet")
    metrics = {"format": 1, "question": "forecast", "target": ["sbp", "dbp"], "models": {}, "best_baseline": "linear"}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"units": units or {}}))
    (folder / "profile.json").write_text(json.dumps({"format": 1, "clock": {"unit": "hours"}}))
    return folder


def changed(folder, *changes):
    """Change a folder's predictions."""
    path = folder / "predictions.parquet"
    pl.read_parquet(path).with_columns(*changes).write_parquet(path)
    return folder


def test_forecasts_are_judged_by_target_over_all_horizons_and_times(tmp_path):
    a, b = forecast_folder(tmp_path / "a", seed=1), forecast_folder(tmp_path / "b", seed=2)
    found = compare_runs([a, b], resamples=60)
    assert found["common"] == {"people": 30, "predictions": 480}
    assert {(row["run"], row["model"], row["against"], row["against_model"]) for row in found["differences"]} == {
        ("b", "network", "a", "network")
    }
    for code in ("sbp", "dbp"):
        mine = pl.col("code") == code, pl.col("model") == "network"
        tables = [pl.read_parquet(run / "predictions.parquet").filter(*mine) for run in (a, b)]
        for metric, measure in (("rmse", rmse), ("mae", mae)):
            values = [measure(table["target"], table["predicted"]) for table in tables]
            rows = [row for row in found["rows"]
                    if (row["target"], row["model"], row["metric"]) == (code, "network", metric)]  # fmt: skip
            assert [row["value"] for row in rows] == pytest.approx(values)
            assert [row["people"] for row in rows] == [30, 30]
        ours, theirs = ((table["predicted"] - table["target"]).to_numpy() ** 2 for table in tables[::-1])
        person = tables[0]["subject_id"].cast(pl.String)
        gap = paired_difference(ours, theirs, person, resamples=Resamples(person, 60), root=True)
        (row,) = (row for row in found["differences"] if (row["target"], row["metric"]) == (code, "rmse"))
        assert [row[key] for key in ("difference", "low", "high")] == pytest.approx([gap.difference, gap.low, gap.high])
    assert compare_runs([a, b], resamples=60, seed=1)["differences"][0]["low"] != found["differences"][0]["low"]


def test_what_one_model_did_not_say_is_left_out_of_all(tmp_path):
    a, b = forecast_folder(tmp_path / "a", seed=1), forecast_folder(tmp_path / "b", seed=2)
    quiet = (pl.col("model") == "linear") & (pl.col("prediction_time") == 0.5)
    changed(b, pl.when(~quiet).then("predicted").alias("predicted"))
    found = compare_runs([a, b], resamples=5)
    assert found["common"] == {"people": 30, "predictions": 360}
    assert [run["held_out"] for run in found["runs"]] == [{"people": 30, "predictions": 480}] * 2
    for run, note in zip("ab", found["notes"], strict=False):
        assert note == f"{run}: 120 of its 480 held-out predictions are not common to all runs and are left out."
    unknown = pl.when(pl.col("prediction_time") != 1).then("target").alias("target")
    assert compare_runs([changed(a, unknown), changed(b, unknown)], resamples=5)["common"]["predictions"] == 240


def test_targets_agree_to_six_digits_in_one_unit(tmp_path):
    a = forecast_folder(tmp_path / "a", seed=1, units={"sbp": "mmHg"})
    b = forecast_folder(tmp_path / "b", seed=2, units={"dbp": "mmHg"})
    inexact = pl.col("target") * (1 + 1e-8), pl.col("horizon_hours") + 1e-9, pl.col("prediction_time") + 1e-12
    assert compare_runs([a, changed(b, *inexact)], resamples=5)["common"]["predictions"] == 480
    with pytest.raises(RunError, match="what came differs"):
        compare_runs([a, changed(b, pl.col("target") * (1 + 1e-5))])
    with pytest.raises(RunError, match="that no run gives out"):
        compare_runs([a, changed(b, pl.lit(np.inf).alias("predicted"))])
    with pytest.raises(RunError, match="measure the target in other units"):
        compare_runs([a, forecast_folder(tmp_path / "c", seed=2, units={"sbp": "kPa"})])


def test_the_unit_of_dates_and_the_order_of_targets_change_nothing(tmp_path):
    a, b = (forecast_folder(tmp_path / name, seed=seed) for seed, name in enumerate("ab"))
    before = compare_runs([a, b], resamples=5)
    for folder, unit in ((a, "us"), (b, "ns")):
        hours = pl.col("episode_start", "prediction_time") * 3_600_000_000
        changed(folder, hours.cast(pl.Datetime("us")).cast(pl.Datetime(unit)))
    metrics = json.loads((b / "metrics.json").read_text())
    (b / "metrics.json").write_text(json.dumps(metrics | {"target": ["dbp", "sbp"]}))
    assert compare_runs([a, b], resamples=5) == before


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    study = write_study(folder, {"split.fractions": [0.4, 0.2, 0.4]})
    runs = []
    for hidden in (3, 6):
        read = sequela.read_study(study, {"model.hidden": hidden})
        runs.append(sequela.run(read, folder / f"hidden-{hidden}").folder)
    return runs


def test_forecasts_of_two_runs_are_compared(two_runs):
    found = compare_runs(two_runs, resamples=100)
    json.dumps(found, allow_nan=False)
    assert found["question"] == "forecast"
    assert found["metrics"] == ["rmse", "mae"]
    tables = [pl.read_parquet(run / "predictions.parquet") for run in two_runs]
    held = [table.filter((pl.col("split") == "held_out") & (pl.col("model") == "network")) for table in tables]
    assert found["common"]["predictions"] == len(held[0])
    values = [rmse(table["target"], table["predicted"]) for table in held]
    assert gap(found, "rmse", "hidden-6")["difference"] == pytest.approx(values[1] - values[0])
    headline = json.loads((two_runs[0] / "metrics.json").read_text())["models"]["network"]["rmse"]["value"]
    mine = [
        row for row in found["rows"] if (row["run"], row["model"], row["metric"]) == ("hidden-3", "network", "rmse")
    ]
    assert mine[0]["value"] == pytest.approx(headline)
    assert "RMSE" in printed(found)


def test_other_targets_in_a_small_unit_are_refused_too(two_runs, tmp_path):
    folders = [shutil.copytree(run, tmp_path / run.name) for run in two_runs]
    for folder, factor in zip(folders, (1e-9, 1.1e-9), strict=True):
        path = folder / "predictions.parquet"
        pl.read_parquet(path).with_columns(pl.col("target", "predicted") * factor).write_parquet(path)
    with pytest.raises(RunError, match="what came differs"):
        compare_runs(folders, resamples=100)
