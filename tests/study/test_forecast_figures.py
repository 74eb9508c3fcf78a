"""What the figures of a forecast draw is what stands in its predictions, of enough people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_study import PEOPLE, write_study

import sequela
from sequela.evaluate import supported_range
from sequela.study import Run

SLOWER = 14  # so that the next value comes after more than one year, and mostly after fewer than two


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two targets, visits that are rare, and some people without the first target."""
    folder = tmp_path_factory.mktemp("slow")
    changes = {"question.target": ["dbp", "sbp"], "split.fractions": [0.25, 0.1, 0.65], "evaluate.importance": False}
    study = write_study(folder, changes, people=2 * PEOPLE)
    visits = pl.read_csv(folder / "visits.csv").with_columns(
        day=pl.col("day") * SLOWER, dbp=pl.when(pl.col("id") % 6 > 0).then("dbp")
    )
    visits.filter((pl.col("id") % 7 > 0) | (pl.col("day") > 0)).reverse().write_csv(folder / "visits.csv")
    return sequela.run(sequela.read_study(study), folder / "run")


def judged(run: Run, code: str, model: str) -> pl.DataFrame:
    """Held-out predictions of a model, with the visits that each knows."""
    table = pl.read_parquet(run.folder / "predictions.parquet").filter(split="held_out", code=code, model=model)
    visits = pl.read_csv(run.folder.parent / "visits.csv").select(
        subject_id="id", prediction_time=pl.col("day").cast(pl.Float64), visits=pl.col("day").rank().over("id")
    )
    return table.join(visits, on=["subject_id", "prediction_time"], how="left", maintain_order="left")


def curves(run: Run) -> list[dict[str, Any]]:
    return json.loads((run.folder / "curves.json").read_text())["targets"]


def test_a_prediction_bears_the_id_and_the_first_record_of_its_person(slow: Run) -> None:
    table = judged(slow, "sbp", "network")
    visits = pl.read_csv(slow.folder.parent / "visits.csv").group_by(subject_id="id").agg(first=pl.col("day").min())
    assert table["visits"].null_count() == 0
    assert table.join(visits, on="subject_id").filter(pl.col("episode_start") != pl.col("first")).is_empty()
    came = pl.read_csv(slow.folder.parent / "visits.csv").select(
        subject_id="id", next=pl.col("day").cast(pl.Float64), sbp="sbp"
    )
    following = table.with_columns(next=pl.col("prediction_time") + pl.col("horizon_hours") / 24)
    both = following.join(came, on=["subject_id", "next"], how="inner")
    assert len(both) == len(table)
    assert both["target"].to_numpy() == pytest.approx(both["sbp"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize(("place", "code"), [(0, "dbp"), (1, "sbp")])
def test_errors_by_gap_and_by_history_are_those_of_the_predictions(slow: Run, place: int, code: str) -> None:
    found = curves(slow)[place]
    assert (found["target"], found["gap_unit"]) == (code, "days")
    for bands, by in (("error_by_gap", pl.col("horizon_hours") / 24), ("error_by_history", pl.col("visits"))):
        assert len(found[bands]) > 1
        for band in found[bands]:
            assert set(band["models"]) == {"network", slow.metrics["best_baseline"]}
            low, high = (-np.inf if band["low"] is None else band["low"]), (band["high"] or np.inf)
            for model, errors in band["models"].items():
                rows = judged(slow, code, model).filter((by > low) & (by <= high))
                miss = (rows["predicted"] - rows["target"]).to_numpy()
                assert (band["predictions"], band["people"]) == (len(rows), rows["subject_id"].n_unique())
                assert errors == pytest.approx({"rmse": np.sqrt(np.mean(miss**2)), "mae": np.mean(np.abs(miss))})


@pytest.mark.parametrize(("place", "code"), [(0, "dbp"), (1, "sbp")])
def test_hexagons_lie_where_many_people_were_measured_and_forecast(slow: Run, place: int, code: str) -> None:
    drawn, table = curves(slow)[place]["hexagons"], judged(slow, code, "network")
    x, y = (np.array([cell[axis] for cell in drawn["cells"]]) for axis in "xy")
    assert sum(cell["predictions"] for cell in drawn["cells"]) + drawn["hidden_predictions"] == len(table)
    for centres, values in ((x, table["predicted"]), (y, table["target"])):
        assert values.min() - drawn["size_x"] < centres.min() <= centres.max() < values.max() + drawn["size_x"]
    assert np.ptp(y) > np.ptp(x)  # little training forecasts little
    values, people = (
        pl.concat([table[one], table[two]]) for one, two in (("target", "predicted"), ("subject_id",) * 2)
    )
    assert (drawn["low"], drawn["high"]) == supported_range(values, people)


def test_the_verdict_rests_on_those_who_have_the_first_target(slow: Run) -> None:
    people = [judged(slow, code, "network")["subject_id"].n_unique() for code in ("dbp", "sbp")]
    assert people[0] < people[1]
    assert slow.metrics["verdict"].startswith(f"dbp: On {people[0]} held-out people")


@pytest.mark.parametrize(("held_out", "min_people"), [(0.15, 5), (0.25, 20)])
def test_fewer_people_than_enough_are_not_drawn(tmp_path: Path, held_out: float, min_people: int) -> None:
    changes = {"split.fractions": [0.75 - held_out, 0.25, held_out], "prepare.min_people": min_people}
    run = sequela.run(sequela.read_study(write_study(tmp_path, changes)), tmp_path / "run")
    assert run.metrics["data"]["people"]["held_out"] == held_out * PEOPLE
    (found,) = curves(run)
    assert (found["hexagons"], found["error_by_gap"], found["error_by_history"]) == (None, [], [])
