"""Every split, several targets and horizons, and studies without tuning: from the file to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from live_bundle import assert_bundle_agrees
from small_study import PEOPLE, visits_csv, write_risk_study, write_study

import sequela
from sequela.baselines import Examples
from sequela.cohort import HELD_OUT, TRAIN, TUNING
from sequela.evaluate import conformal_half_width
from sequela.explain import variable_importance
from sequela.models import Network
from sequela.predict import last_targets, member_outputs
from sequela.prepare import Collation, fit_smearing, unscale_targets
from sequela.study import Run, Watch, divide, fit, forecast, gather, risk
from sequela.study.fit import fit_split
from sequela.train import History, train


def predictions(run: Run) -> pl.DataFrame:
    return pl.read_parquet(run.folder / "predictions.parquet")


def network(run: Run) -> pl.DataFrame:
    return predictions(run).filter(model="network")


class Listening(Watch):
    """Keeps the stages that it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, words: str) -> None:
        self.stages.append(words)


def test_with_folds_baselines_are_fitted_where_somebody_judges_them(run_study: Any) -> None:
    watch = Listening()
    run_study({"split.folds": 2, "train.epochs": 1}, watch=watch)
    fitted = [words for words in watch.stages if words.startswith("Fitting the baselines")]
    assert fitted == [f"Fitting the baselines (fit {number} of 3)" for number in (1, 2)]


def test_with_folds_everyone_is_held_out_once_and_the_bundle_is_fitted_on_all(run_study: Any) -> None:
    run = run_study({"split.folds": 3, "train.epochs": 1})
    held_out = network(run).filter(split="held_out")
    assert held_out["subject_id"].n_unique() == PEOPLE
    assert held_out.select("subject_id", "prediction_time").is_duplicated().sum() == 0
    assert held_out.group_by("subject_id").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert set(held_out["fold"]) == {0, 1, 2}
    assert run.metrics["data"]["people"]["held_out"] == PEOPLE
    for model, headline in run.metrics["models"].items():
        judged = predictions(run).filter(split="held_out", model=model)
        error = (judged["predicted"] - judged["target"]).to_numpy()
        assert headline["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(error**2))), model
    card = json.loads((run.folder / "bundle" / "card.json").read_text())
    assert "fitted on all" in card["performance_is_of"]
    history = json.loads((run.folder / "history.json").read_text())
    assert [fit["fold"] for fit in history["fits"]] == [0, 1, 2]
    folder = run.folder.parent
    paths = {"visits": folder / "visits.csv", "patients": folder / "patients.csv"}
    loaded = sequela.load_bundle(run.folder / "bundle")
    assert loaded.predict_files(paths).table["predicted"].is_finite().all()
    study = sequela.read_study(folder / "study.toml")
    material = gather(study)
    *_, everyone = divide(study, material)
    assert not (everyone.part == HELD_OUT).any()
    profile = json.loads((run.folder / "profile.json").read_text())
    assert profile["preparation"]["steps"] == (everyone.part == TRAIN).sum()  # each reads one step more
    final = fit_split(material, everyone, watch=Watch(), number=1, fits=1, compared=False).bundle
    assert loaded.bundle.prepared == final.prepared
    weights, expected = loaded.bundle.network.state_dict(), final.network.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in expected.items())


def test_what_bins_add_up_to_is_no_measure_of_single_values(run_study: Any) -> None:
    prepare = {"grid": "60d", "aggregate": "sum", "outliers": "iqr", "outlier_action": "clip", "min_people": 1}
    asked = {"question.at": "every 60d", "question.horizon": "30d", "question.tolerance": "30d"}
    run = run_study({"prepare": prepare | {"transform": {"sbp": "difference"}}, **asked})
    table = predictions(run)
    measured = set(pl.read_csv(run.folder.parent / "visits.csv")["sbp"].cast(pl.Float32))
    assert set(table.filter(model="persistence")["predicted"].cast(pl.Float32)) <= measured
    assert table["flags"].str.contains("out of range: sbp").mean() < 0.2  # type: ignore[operator]
    (target,) = json.loads((run.folder / "bundle" / "prepare.json").read_text())["targets"]
    assert abs(target["center"]) < 5
    assert target["spread"] < 15
    (trained,) = json.loads((run.folder / "history.json").read_text())["fits"]
    tuning = network(run).filter(split="tuning")
    error = (tuning["predicted"] - tuning["target"]).to_numpy() / target["spread"]
    loss = trained["epochs"][trained["best_epoch"] - 1]["tuning_loss"]
    assert loss == pytest.approx(np.mean(error**2), rel=1e-5)  # bins are seen alike in training and after it


def test_what_a_network_learns_of_a_change_is_the_change_from_what_it_will_be_added_to(tmp_path: Path) -> None:
    changes = {
        "prepare.grid": "60d",
        "question.at": "every 60d",
        "question.horizon": "30d",
        "question.tolerance": "30d",
    }
    changes |= {"prepare.transform": {"sbp": "difference"}, "prepare.aggregate": "sum", "prepare.min_people": 1}
    study = sequela.read_study(write_study(tmp_path, changes))
    material = gather(study)
    split, _ = divide(study, material)
    prepared = fit_split(material, split, watch=Watch(), number=1, fits=1).bundle.prepared
    training = np.flatnonzero(split.part == TRAIN)
    learned = forecast.targets(material, prepared, training)
    last = last_targets(prepared, material.cohort.timeline, material.cohort.sequences.take(training))
    assert unscale_targets(learned.value.astype(np.float64), prepared, last) == pytest.approx(material.labels[training])


def test_what_brings_a_bent_target_back_is_learned_from_all_members_and_training_people_alone(tmp_path: Path) -> None:
    changes = {"prepare.transform": {"sbp": "log"}, "prepare.min_people": 5, "model.members": 3}
    study = sequela.read_study(write_study(tmp_path, changes))
    material = gather(study)
    (split, _) = divide(study, material)
    found = fit_split(material, split, watch=Watch(), number=1, fits=1)
    bundle = found.bundle
    training, cohort = np.flatnonzero(split.part == TRAIN), material.cohort
    each = member_outputs(bundle, cohort.timeline, material.evidence.facts, cohort.sequences, None)
    person = cohort.asked.person[training]
    expected = fit_smearing(each.mean(axis=0)[training], material.labels[training], bundle.prepared, person=person)
    assert bundle.prepared == expected
    assert np.array_equal(found.predicted["network"], unscale_targets(each.mean(axis=0), expected))
    assert len(expected.targets[0].smearing.residuals) > 1  # type: ignore[union-attr]


def test_a_training_that_hides_measurements_is_told_how_late_each_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sequela.read_study(write_study(tmp_path, {"train.hide": 0.3, "records.0.available": "known"}))
    visits = pl.read_csv(tmp_path / "visits.csv")
    visits.with_columns(known=pl.col("day") + pl.col("id") % 3).write_csv(tmp_path / "visits.csv")
    material, seen = gather(study), []

    def recording(member: Network, examples: Collation, *more: Any, **keys: Any) -> History:
        seen.append(examples)
        return train(member, examples, *more, **keys)

    monkeypatch.setattr(fit, "train", recording)
    fit_split(material, divide(study, material)[0], watch=Watch(), number=1, fits=1)
    batch, _ = seen[0].batch(np.arange(len(seen[0])))
    assert set(batch.late_hours.unique().tolist()) == {0.0, 24.0, 48.0}


@pytest.mark.parametrize("loss", ["auto", "huber"])
def test_a_network_is_trained_with_the_loss_of_the_study(
    run_study: Any, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    losses = []

    def recording(*given: Any, **keys: Any) -> History:
        losses.append(keys["loss"])
        return train(*given, **keys)

    monkeypatch.setattr(fit, "train", recording)
    run = run_study({"model.loss": loss, "evaluate.importance": False})
    assert losses == [loss]
    told = json.loads((run.folder / "history.json").read_text())["loss"]
    assert told == {"auto": "squared"}.get(loss, loss)


@pytest.mark.parametrize("kind", [forecast, risk], ids=["forecast", "risk"])
def test_baselines_are_taught_by_training_people_and_judged_by_tuning_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """As many settings are tried as the study says, with its seed, and every row is known for its person's."""
    changes = {"evaluate.baselines": "default", "evaluate.trials": 3, "train.seed": 5, "model": {"hidden": 2}}
    asked = {"question.outcome": {"code": "sbp", "above": 135, "within": "90d"}}
    path = write_study(tmp_path, changes) if kind is forecast else write_risk_study(tmp_path, changes | asked)
    name, given = f"fit_{kind.__name__.rpartition('.')[2]}_baselines", []
    real = getattr(kind, name)

    def recording(names: list[str], training: Examples, tuning: Examples, **keys: Any) -> Any:
        given.append((training, tuning, keys))
        return real(names, training, tuning, **keys)

    monkeypatch.setattr(kind, name, recording)
    study = sequela.read_study(path)
    material = gather(study)
    split, _ = divide(study, material)
    fitted = fit_split(material, split, watch=Watch(), number=1, fits=1)
    ((*examples, keys),) = given
    assert (keys["seed"], keys["trials"]) == (5, 3)
    for part, found in zip((TRAIN, TUNING), examples, strict=True):
        rows = np.flatnonzero(split.part == part)
        assert len(np.unique(found.person)) < len(rows)
        assert np.array_equal(found.person, material.cohort.asked.person[rows])
        assert np.array_equal(found.labels, material.labels[rows], equal_nan=True)
    judged, power = np.count_nonzero(~np.isnan(examples[1].labels)), 2 if kind is forecast else 1
    assert fitted.selection_total == pytest.approx({n: judged * loss**power for n, loss in fitted.selection.items()})


def test_a_split_by_time_trains_on_the_past_only(run_study: Any) -> None:
    table = network(run_study({"split.by": "time"}))
    last = {split: table.filter(split=split)["prediction_time"].max() for split in ("train", "tuning")}
    first = {split: table.filter(split=split)["prediction_time"].min() for split in ("tuning", "held_out")}
    assert last["train"] < first["tuning"]
    assert last["tuning"] < first["held_out"]


def test_a_split_within_people_trains_on_the_first_part_of_each(run_study: Any) -> None:
    table = network(run_study({"split.by": "within"}))
    assert table.filter(split="held_out")["subject_id"].n_unique() > PEOPLE / 2
    for _, person in table.group_by("subject_id"):
        cut = person.filter(split="train")["prediction_time"].max()
        later = person.filter(pl.col("split") != "train")["prediction_time"].min()
        assert later is None or cut is None or cut < later


def test_a_split_by_order_trains_on_those_who_appear_first(run_study: Any) -> None:
    table = network(run_study({"split.by": "order"}))
    ids = {split: set(table.filter(split=split)["subject_id"]) for split in ("train", "tuning", "held_out")}
    assert max(ids["train"]) < min(ids["tuning"])
    assert max(ids["tuning"]) < min(ids["held_out"])


def test_a_split_file_is_followed(run_study: Any) -> None:
    words = {p: ("train", "tuning", "held_out")[p % 3] for p in range(PEOPLE - 3)}
    text = "subject_id,split\n" + "".join(f"{p},{word}\n" for p, word in words.items())
    run = run_study({"split": {"by": "file", "path": "split.csv"}}, {"split.csv": text})
    table = network(run)
    assert dict(table.select("subject_id", "split").unique().iter_rows()) == words
    profile = json.loads((run.folder / "profile.json").read_text())
    assert {"reason": "not in the split file", "predictions": 15, "people": 3} in profile["exclusions"]


def test_several_targets_and_horizons_are_forecast_side_by_side(run_study: Any) -> None:
    asked = {"question.target": ["sbp", "dbp"], "question.horizon": ["30d", "90d"]}
    run = run_study(asked | {"model.interval": 0.5})  # which few tuning people are enough for
    table = network(run)
    assert set(table["code"]) == {"sbp", "dbp"}
    assert run.metrics["target"] == ["sbp", "dbp"]
    pairs = {(m["target"], m["horizon_hours"]) for m in run.metrics["measures"] if m["model"] == "network"}
    assert {(code, hours) for code in ("sbp", "dbp") for hours in (720.0, 2160.0)} <= pairs
    assert table["target"].null_count() == 0
    after = json.loads((run.folder / "bundle" / "after.json").read_text())
    for code, hours in pairs - {(code, None) for code, _ in pairs}:
        rows = table.filter(code=code, horizon_hours=hours)
        tuning = rows.filter(split="tuning")
        misses = tuning["target"] - tuning["predicted"]
        half_width = conformal_half_width(misses.to_numpy(), tuning["subject_id"].to_numpy(), 0.5).value
        place = [720.0, 2160.0].index(hours), ["sbp", "dbp"].index(code)
        assert after["interval"]["half_width"][place[0]][place[1]] == pytest.approx(half_width), (code, hours)
        assert (rows["upper"] - rows["predicted"]).to_numpy() == pytest.approx(half_width)
        assert (rows["predicted"] - rows["lower"]).to_numpy() == pytest.approx(half_width)
    assert len(json.loads((run.folder / "curves.json").read_text())["targets"]) == 2
    for target in json.loads((run.folder / "bundle" / "prepare.json").read_text())["targets"]:
        labels = table.filter(split="train", code=target["code"])["target"]
        assert (target["center"], target["spread"]) == pytest.approx((labels.mean(), labels.std(ddof=0)))


@pytest.mark.parametrize("folds", [1, 2])
def test_what_is_told_of_variables_and_of_missing_values_is_of_the_first_target_and_of_all_horizons(
    run_study: Any, monkeypatch: pytest.MonkeyPatch, folds: int
) -> None:
    asked_for: list[dict[str, Any]] = []

    def recording(*given: Any, **keys: Any) -> Any:
        asked_for.append(keys)
        return variable_importance(*given, **keys)

    monkeypatch.setattr("sequela.study.importance.variable_importance", recording)
    asked = {"question.target": ["dbp", "sbp"], "question.horizon": ["30d", "90d"], "split.folds": folds}
    drawn = {"evaluate.bootstrap": 150, "train.seed": 3, "model": {"hidden": 3, "bidirectional": folds == 2}}
    changes = asked | {"evaluate.missing_sensitivity": True, "train.epochs": 1} | drawn
    visits = pl.read_csv(visits_csv().encode())
    run = run_study(changes, {"visits.csv": visits.with_columns(day=pl.col("day") + pl.col("id") % 5).write_csv()})
    headline = run.metrics["models"]["network"]["rmse"]
    curves = json.loads((run.folder / "curves.json").read_text())
    points = {point["shift"]: point for point in curves["missing_sensitivity"]["points"]}
    assert {key: points[0.0][key] for key in headline} == pytest.approx(headline)
    assert len({point["value"] for point in points.values()}) == 5
    judged = network(run).filter(split="held_out", code="dbp", fold=0)
    error = (judged["predicted"] - judged["target"]).to_numpy()
    assert curves["importance"]["baseline"] == pytest.approx(np.sqrt(np.mean(error**2)))
    ((settings, codes, static),) = ((keys["settings"], keys["codes"], keys["static"]) for keys in asked_for)
    assert (sorted(codes), sorted(static)) == (["dbp", "sbp", "ward"], ["height", "sex"])
    assert (settings.resamples, settings.seed) == (150, 3)
    days = (
        judged.unique(["subject_id", "prediction_time"])
        .select(pl.col("prediction_time") - pl.col("episode_start"))
        .to_series()
    )
    assert 14 < days.quantile(0.75) < 14 * 7  # of 14 weeks at most, and of more than 14 days
    assert settings.edges_hours == (24, 7 * 24)


@pytest.mark.parametrize("at", ["first record", "every 20d", ["10d", "40d"], "10d"])
def test_a_question_may_be_asked_at_any_of_the_times(run_study: Any, at: Any) -> None:
    run = run_study({"question.at": at, "question.horizon": "30d", "train.epochs": 1, "prepare.min_people": 5})
    assert network(run)["predicted"].is_finite().all()


def test_a_question_may_be_asked_at_the_last_record_of_a_span(run_study: Any) -> None:
    table = network(run_study({"question.at": "last record", "question.to": "60d", "question.horizon": "60d"}))
    assert table.select("subject_id", "episode_start").is_duplicated().sum() == 0
    assert (table["prediction_time"] < table["episode_start"] + 60).all()


def test_a_study_without_tuning_people_runs_all_epochs_and_has_no_intervals(run_study: Any) -> None:
    run = run_study({"split.fractions": [0.7, 0.0, 0.3], "train.patience": 0, "train.epochs": 3})
    assert network(run)["lower"].null_count() == len(network(run))
    (fit,) = json.loads((run.folder / "history.json").read_text())["fits"]
    assert [epoch["tuning_loss"] for epoch in fit["epochs"]] == [None, None, None]
    assert (fit["best_epoch"], fit["stopped"]) == (3, "all epochs")
    assert not (run.folder / "bundle" / "after.json").exists()
    assert run.metrics["best_baseline"] in ("persistence", "mean")


def test_a_level_that_tuning_people_are_too_few_for_gives_no_interval(run_study: Any) -> None:
    run = run_study({"model.interval": 0.95})
    assert network(run)["lower"].null_count() == network(run)["upper"].null_count() == len(network(run))
    after = json.loads((run.folder / "bundle" / "after.json").read_text())
    assert after["interval"] == {"level": 0.95, "half_width": [[None]]}
    assert_bundle_agrees(run)


def test_individuals_are_drawn_only_where_the_study_asks_for_them(run_study: Any, plain: Run) -> None:
    run = run_study({"report.individuals": True})
    assert len(run.report.read_text()) > len(plain.report.read_text())
    assert "individuals = true" in (run.folder / "study.toml").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"model.hidden": [4, 3], "model.dropout": 0.2},
        {"model.bidirectional": True},
        {"model.inputs": ["values"]},
        {"model.loss": "huber"},
        {"model.interval": "none"},
        {"question.history": "30d"},
        {"question.from": "origin", "question.to": "200d"},
        {"prepare.missing": "mean", "prepare.scale": "robust"},
        {"prepare.missing": {"*": "zero"}, "prepare.scale": {"sbp": "minmax", "*": "none"}},
        {"prepare.plausible": {"sbp": [100, 150]}},
        {"evaluate.baselines": [], "evaluate.reason": "a test"},
        {"evaluate.baselines": "default"},
        {"records.0.columns": ["sbp"], "records.0.categorical": []},
        {"train.seed": 2**40, "split.seed": -3},
        {"prepare.missing": "linear"},
        {"prepare.missing": {"sbp": "knn", "*": "regression"}, "prepare.min_people": 5},
        {"prepare.missing": "decay", "train.hide": 0.2, "prepare.carry_limit": "90d"},
        {"prepare.outliers": "iqr", "prepare.outlier_action": {"sbp": "clip", "*": "missing"}},
        {"prepare.outliers": {"*": "hampel"}, "prepare.plausible": "default"},
        {"prepare.transform": "difference"},
        {"prepare.transform": {"sbp": "log", "dbp": "moving_average:2"}, "prepare.scale": {"dbp": "quantile"}},
        {"prepare.transform": {"sbp": "yeo_johnson"}, "prepare.units": {"sbp": "mm[Hg] -> kPa"}},
        {"prepare.derived": {"map": "sbp - dbp"}},
        {"prepare.grid": "5d", "question.at": "every 20d", "question.horizon": "30d", "prepare.min_people": 5},
        {"model.members": 2, "model.hybrid": True, "evaluate.missing_sensitivity": True},
        {"model.readout": ["mean", "attention"], "model.wide": True, "train.schedule": "one cycle"},
        {"model.inputs": ["values", "provenance"], "model.decay": True},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_what_a_study_may_ask_for_runs_to_the_end_and_its_bundle_says_the_same(
    run_study: Any, changes: dict[str, Any]
) -> None:
    run = run_study({"train.epochs": 1, **changes})
    assert run.report.stat().st_size > 10_000
    assert network(run)["predicted"].is_finite().all()
    assert_bundle_agrees(run)
