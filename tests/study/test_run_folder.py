"""What a run leaves behind: the files of docs/run_folder.md, in their formats, whole or not at all."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_study import SECRET, study_document, write_study

import sequela
from sequela.errors import RunError, StudyError
from sequela.study import Run, Watch, gather
from sequela.study import folder as folder_module
from sequela.study import story as story_module
from sequela.study.profile import reading
from sequela.study.settings import parse_study

FILES = {
    "study.toml", "metrics.json", "predictions.parquet", "history.json", "profile.json", "audit.json", "curves.json",
    "environment.json", "report.html", "bundle",
}  # fmt: skip
COLUMNS = {
    "subject_id": pl.String, "episode_start": pl.Float64, "prediction_time": pl.Float64, "split": pl.String,
    "fold": pl.Int32, "model": pl.String, "code": pl.String, "flags": pl.String, "horizon_hours": pl.Float64,
    "target": pl.Float64, "predicted": pl.Float64, "lower": pl.Float64, "upper": pl.Float64,
}  # fmt: skip


def read(run: Run, name: str) -> Any:
    def constant(word: str) -> None:
        raise AssertionError(f"{name} holds {word}")

    return json.loads((run.folder / name).read_text(encoding="utf-8"), parse_constant=constant)


def test_a_run_folder_holds_the_files_of_the_design_and_no_others(plain: Run) -> None:
    assert {path.name for path in plain.folder.iterdir()} == FILES
    assert [path.name for path in plain.folder.parent.iterdir() if path.name.startswith(".")] == []
    assert [folder.stat().st_mode & 0o777 for folder in (plain.folder, plain.folder / "bundle")] == [0o755, 0o755]


def test_the_study_of_a_run_can_be_run_again(plain: Run) -> None:
    settings = parse_study(tomllib.loads((plain.folder / "study.toml").read_text()), "study.toml")
    assert settings == sequela.read_study(plain.folder.parent / "study.toml").settings


def test_metrics_have_the_format_of_the_design(plain: Run) -> None:
    metrics = read(plain, "metrics.json")
    assert set(metrics) - {"units"} == {
        "format", "question", "target", "data", "models", "measures", "comparisons", "best_baseline", "verdict"
    }  # fmt: skip
    assert (metrics["format"], metrics["question"], metrics["target"]) == (1, "forecast", ["sbp"])
    parts = {"train", "tuning", "held_out"}
    assert set(metrics["data"]) == {"people", "predictions"}
    assert metrics["data"]["people"] == {"train": 30, "tuning": 15, "held_out": 15}
    assert set(metrics["data"]["predictions"]) == parts
    assert set(metrics["models"]) == {"network", "persistence", "mean"}
    for model in metrics["models"].values():
        assert set(model) >= {"rmse", "mae", "mse"}
        for estimate in model.values():
            assert {"value", "low", "high"} <= set(estimate)
    for measure in metrics["measures"]:
        assert set(measure) >= {
            "model", "metric", "target", "horizon_hours", "cause", "at", "subgroup", "threshold", "recalibrated",
            "value", "low", "high", "people", "events", "reason",
        }  # fmt: skip
        assert (measure["value"] is None) <= bool(measure["reason"])
    for comparison in metrics["comparisons"]:
        assert set(comparison) == {
            "model", "against", "target", "metric", "at", "threshold", "difference", "low", "high", "outcome", "reason"
        }  # fmt: skip
        assert comparison["outcome"] in ("better", "no_difference", "worse", None)
    assert metrics["best_baseline"] in ("persistence", "mean")
    assert metrics["verdict"].endswith(".")
    assert plain.metrics == metrics


def test_predictions_have_the_columns_and_types_of_the_design(plain: Run) -> None:
    table = pl.read_parquet(plain.folder / "predictions.parquet")
    assert dict(table.schema) == COLUMNS
    assert set(table["split"]) == {"train", "tuning", "held_out"}
    assert set(table["model"]) == {"network", "persistence", "mean"}
    for name in ("subject_id", "prediction_time", "split", "fold", "horizon_hours", "target", "predicted"):
        assert table[name].null_count() == 0
    network = table.filter(model="network")
    assert (network["lower"] < network["predicted"]).all()
    assert (network["predicted"] < network["upper"]).all()
    assert table.filter(pl.col("model") != "network")["lower"].is_null().all()


def test_headline_errors_are_those_of_the_predictions_file(plain: Run) -> None:
    table = pl.read_parquet(plain.folder / "predictions.parquet").filter(split="held_out")
    for model, of_model in plain.metrics["models"].items():
        chosen = table.filter(model=model)
        error = (chosen["predicted"] - chosen["target"]).to_numpy()
        assert of_model["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(error**2)))
        assert of_model["mae"]["value"] == pytest.approx(np.mean(np.abs(error)))


def test_history_names_each_epoch_and_why_training_ended(plain: Run) -> None:
    (fit,) = read(plain, "history.json")["fits"]
    assert [epoch["epoch"] for epoch in fit["epochs"]] == [1, 2]
    assert fit["stopped"] == "all epochs"
    assert fit["best_epoch"] in (1, 2)
    tuning = pl.read_parquet(plain.folder / "predictions.parquet").filter(split="tuning")
    for model, loss in fit["selection_rmse"].items():
        of_model = tuning.filter(model=model)
        assert loss == pytest.approx(np.sqrt(((of_model["predicted"] - of_model["target"]) ** 2).mean()))
    assert set(fit["selection_rmse"]) == {"persistence", "mean"}


def test_a_profile_counts_what_was_asked_and_how_far_ahead(plain: Run) -> None:
    asked = read(plain, "profile.json")["asked"]
    table = pl.read_parquet(plain.folder / "predictions.parquet").filter(model="network")
    assert read(plain, "profile.json")["preparation"]["steps"] == len(table.filter(split="train"))
    assert asked["predictions"] == 360
    assert asked["without_target_share"] == pytest.approx(1 - len(table) / 360)
    assert asked["nothing_seen"] == 0
    assert asked["horizon_hours_quartiles"] == pytest.approx(np.quantile(table["horizon_hours"], [0.25, 0.5, 0.75]))


def test_a_network_larger_than_its_data_is_warned_of(plain: Run, run_study: Any) -> None:
    smaller = run_study({"model": {"hidden": 1, "inputs": ["values"]}, "evaluate.importance": False})
    network, other = (read(run, "profile.json")["network"] for run in (plain, smaller))
    assert network["parameters"] > network["predictions_train"]
    assert f"{network['parameters']:,} parameters for {network['predictions_train']:,} training" in network["warning"]
    assert (other["parameters"] <= other["predictions_train"], other["warning"]) == (True, None)


def test_the_tuning_loss_of_the_best_epoch_is_that_of_the_predictions_for_tuning_people(plain: Run) -> None:
    (fit,) = read(plain, "history.json")["fits"]
    (target,) = read(plain, "bundle/prepare.json")["targets"]
    tuning = pl.read_parquet(plain.folder / "predictions.parquet").filter(split="tuning", model="network")
    error = (tuning["predicted"] - tuning["target"]).to_numpy() / target["spread"]
    assert fit["epochs"][fit["best_epoch"] - 1]["tuning_loss"] == pytest.approx(np.mean(error**2), rel=1e-5)


def test_a_variable_is_missing_at_the_steps_that_hold_no_value_of_it(run_study: Any) -> None:
    """Four results that come at once, the older ones stale, stand at one step of their person."""
    results = [(person, day, "" if person > 5 else 1) for person in range(60) for day in range(4)]
    late = "".join(f"{person},{day},10,{person % 7 + day},{rare}\n" for person, day, rare in results)
    labs = {"name": "labs", "path": "labs.csv", "subject": "id", "time": "day", "time_unit": "days"}
    tables = [*study_document()["records"], labs | {"available": "known"}]
    run = run_study({"records": tables}, {"labs.csv": "id,day,known,crp,rare\n" + late})
    profile = read(run, "profile.json")
    found = {variable["code"]: variable for variable in profile["variables"]}
    assert found["crp"]["values"] == 240
    assert found["crp"]["missing_share"] == pytest.approx(1 - 60 / profile["instants"])
    assert found["sbp"]["missing_share"] == pytest.approx(1 - 360 / profile["instants"])
    assert found["height"]["missing_share"] == 0
    assert (found["crp"]["used"], found["crp"]["reason"]) == (True, None)
    assert (found["rare"]["used"], found["rare"]["people"], found["rare"]["reason"] is None) == (False, 6, False)


def test_people_are_counted_who_were_read_asked_and_predicted(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    visits = pl.read_csv(tmp_path / "visits.csv")
    never_seen, seen_once = pl.col("id") == 0, (pl.col("id") == 1) & (pl.col("day") > 0)
    visits.filter(~(never_seen | seen_once)).write_csv(tmp_path / "visits.csv")
    found = reading(gather(sequela.read_study(path)))
    assert found["people"] == {"read": 60, "asked": 59, "predicted": 58}


def test_an_origin_is_time_0_of_numeric_times_and_none_of_dates(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"question.from": "origin"})
    assert (gather(sequela.read_study(study)).cohort.asked.episode_start == 0).all()
    study = write_study(tmp_path, {"question.from": "origin", "records.0.time_unit": None})
    visits = pl.read_csv(tmp_path / "visits.csv").with_columns(day=pl.date(2024, 1, 1) + pl.duration(days="day"))
    visits.write_csv(tmp_path / "visits.csv")
    with pytest.raises(StudyError, match='from = "origin" is time 0 of numeric times'):
        gather(sequela.read_study(study))


def test_a_derived_value_that_is_no_finite_number_is_counted(tmp_path: Path) -> None:
    changes = {"records.0.columns": ["sbp", "dbp"], "prepare.derived": {"ratio": "sbp / dbp", "sum": "sbp + dbp"}}
    path = write_study(tmp_path, changes)
    table = tmp_path / "visits.csv"
    table.write_text(table.read_text().replace(",76.9,", ",0,", 1))
    counts = reading(gather(sequela.read_study(path)))["counts"]
    assert [(count["code"], count["rows"]) for count in counts if "finite" in count["reason"]] == [("ratio", 1)]


def test_what_leaves_the_hospital_names_no_person_and_no_path(plain: Run) -> None:
    members = [*(plain.folder / "bundle").iterdir(), plain.folder / "report.html"]
    for member in members:
        content = member.read_bytes()
        assert SECRET.encode() not in content, member.name
        assert str(plain.folder).encode() not in content, member.name
        if member.suffix == ".json" and member.name != "manifest.json":
            assert b"visits.csv" not in content, member.name
            assert b'"path"' not in content, member.name


def test_a_run_folder_that_exists_is_replaced_only_by_force(run_study: Any) -> None:
    first = run_study()
    (first.folder / "note.txt").write_text("mine")
    with pytest.raises(RunError, match="--force"):
        run_study({"train.seed": 1})
    assert (first.folder / "note.txt").exists()
    second = run_study({"train.seed": 1}, force=True)
    assert {path.name for path in second.folder.iterdir()} == FILES
    assert "seed = 1" in (second.folder / "study.toml").read_text()
    assert [path.name for path in second.folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("out", "refused", "refused_by_force"),
    [
        ("new/and/deep", "", ""),
        ("empty", "such a folder already", ""),
        ("run", "such a folder already", ""),
        ("other", "such a folder already", "no run folder"),
        ("file", "a file of that name", "no run folder"),
        ("link", "such a folder already", "no run folder"),
        ("lost", "such a folder already", "no run folder"),
        ("file/deep/run", "nothing can be written to .*file", "nothing can be written to .*file"),
        ("lost/deep/run", "nothing can be written to .*lost", "nothing can be written to .*lost"),
    ],
)
def test_a_folder_is_written_where_there_is_none_and_only_a_run_is_replaced_by_force(
    tmp_path: Path, out: str, refused: str, refused_by_force: str
) -> None:
    for name in ("empty", "run", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "metrics.json").touch()
    for name in ("other/note.txt", "file"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("run")
    (tmp_path / "lost").symlink_to("nowhere")
    for force, words in ((False, refused), (True, refused_by_force)):
        if words:
            with pytest.raises(RunError, match=words):
                folder_module.check_folder(tmp_path / out, force=force)
        else:
            folder_module.check_folder(tmp_path / out, force=force)


def test_a_run_that_began_in_the_same_second_as_another_gets_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Watch):
        """A run that is quicker: its folder is there before this one is written."""

        def stage(self, words: str) -> None:
            for second in range(-60, 1) if words == "Auditing" else ():
                name = f"next-pressure-{datetime.now(UTC) + timedelta(seconds=second):%Y%m%d-%H%M%S}"
                (tmp_path / "runs" / name).mkdir(parents=True)

    study = sequela.read_study(write_study(tmp_path, {"evaluate.importance": False}))
    monkeypatch.chdir(tmp_path)
    assert sequela.run(study, watch=Other()).folder.name.endswith("-2")


@pytest.mark.parametrize("out", [".", "..", "../run", "bundle/.."])
def test_a_run_folder_that_the_command_runs_in_is_refused_before_anything_is_read(
    run_study: Any, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    run = run_study()
    (run.folder.parent / "metrics.json").touch()  # so that ".." passes for a run folder
    study = sequela.read_study(run.folder.parent / "study.toml")
    monkeypatch.chdir(run.folder)
    monkeypatch.setattr(story_module, "gather", lambda *_: pytest.fail("it went on"))
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="runs inside of that folder"):
        sequela.run(study, out, force=True)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("fault", [ValueError("a fault"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("there_is_one", [False, True], ids=["new", "replaced"])
def test_nothing_half_written_is_left(
    run_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, there_is_one: bool
) -> None:
    """Everything is written when the report fails: the folder of before stands, or none."""
    if there_is_one:
        run_study()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix not in (".toml", ".csv")}

    def failing(folder: Path) -> None:
        raise fault

    monkeypatch.setattr(folder_module, "write_report", failing)
    with pytest.raises(RunError if isinstance(fault, OSError) else type(fault)):
        run_study(force=True)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix not in (".toml", ".csv")}
    assert after == before


def test_a_run_that_cannot_be_put_in_place_leaves_the_one_of_before(
    run_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = (run_study().folder / "metrics.json").read_bytes()
    real = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target.name == "run" and not path.name.endswith(".old"):
            raise OSError(5, "Input/output error")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(RunError, match="cannot be written"):
        run_study({"train.seed": 1}, force=True)
    assert (tmp_path / "run" / "metrics.json").read_bytes() == metrics
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_same_seed_gives_the_same_digits(run_study: Any) -> None:
    found = []
    for _ in range(2):
        run = run_study(force=True)
        found.append(
            [(run.folder / name).read_bytes() for name in ("metrics.json", "predictions.parquet", "curves.json")]
            + [(run.folder / "bundle" / "weights.safetensors").read_bytes()]
        )
    assert found[0] == found[1]
    other, models = run_study({"train.seed": 1}, force=True).metrics["models"], json.loads(found[0][0])["models"]
    assert other["network"]["rmse"]["value"] != models["network"]["rmse"]["value"]
    assert other["persistence"]["rmse"]["value"] == models["persistence"]["rmse"]["value"]
    assert other["persistence"]["rmse"]["low"] != models["persistence"]["rmse"]["low"]  # other people are drawn
