"""Law 3 as a function that raises AssertionError: the same seed gives the same result, to the last digit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import tomli_w
from cohorts import Case

import sequela


def written(case: Case, folder: Path) -> Path:
    """Write the tables and the study file of a case whose times are numbers; return the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in case.frames.items():
        frame.write_csv(folder / f"{name}.csv")
    path = folder / "study.toml"
    path.write_text(tomli_w.dumps(case.document))
    return path


def check_same_seed_same_result(case: Case, folder: Path) -> None:
    """Law 3: two runs write the same predictions and the same metrics, and every prediction has its part."""
    study = sequela.read_study(written(case, folder))
    runs = [sequela.run(study, folder / name) for name in ("one", "two")]
    first, second = (pl.read_parquet(run.folder / "predictions.parquet") for run in runs)
    assert first.equals(second), "the predictions differ"
    for column in {"predicted", "target", "lower", "upper"} & set(first.columns):
        assert first[column].to_numpy().tobytes() == second[column].to_numpy().tobytes(), f"{column} differs in a bit"
    members = [f"bundle/{member.name}" for member in (runs[0].folder / "bundle").iterdir()]
    for name in ("metrics.json", "curves.json", *members):
        assert (runs[0].folder / name).read_bytes() == (runs[1].folder / name).read_bytes(), f"{name} differs"
    told = runs[0].metrics["data"]["predictions"]
    for model, rows in first.group_by("model"):
        times = rows.unique(["subject_id", "episode_start", "prediction_time"]).group_by("split").len()
        assert dict(times.iter_rows()) == told, f"predictions of {model} are lost"
