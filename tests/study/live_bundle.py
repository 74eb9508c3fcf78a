"""What the bundle of a run says of the people of the run."""

from __future__ import annotations

import polars as pl

import sequela
from sequela.study import Run

NEAR = 1e-5


def assert_bundle_agrees(run: Run) -> None:
    """Each prediction of the run's own models has the same number and flags from its bundle, the labels' future unread.

    With folds the bundle is fitted on all, and says something of everybody.
    """
    loaded = sequela.load_bundle(run.folder / "bundle")
    live = loaded.predict_files({name: run.folder.parent / f"{name}.csv" for name in loaded.tables}).table
    stored = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("model").is_in(["network", "hybrid"]))
    if "model" not in live.columns:
        live = live.with_columns(model=pl.lit("network"))
    keys = ["subject_id", "episode_start", "prediction_time", "model", "code"]
    if "horizon_hours" in live.columns and live["horizon_hours"].null_count() == 0:
        keys.append("horizon_hours")
    both = stored.join(live, on=keys, suffix="_live", how="left", validate="m:1")
    assert len(both) == len(stored) > 0
    assert both["predicted_live"].is_finite().all()
    if stored["fold"].n_unique() > 1:
        return
    assert not stored.select(keys).is_duplicated().any()
    assert both["flags"].equals(both["flags_live"].alias("flags"), null_equal=False)
    for name in {"predicted", "lower", "upper"} & set(stored.columns):
        apart = (both[name] - both[f"{name}_live"]).abs()
        assert (apart <= NEAR * both[name].abs()).all(), f"{name} differs by {apart.max()}"
        assert (both[name].is_null() == both[f"{name}_live"].is_null()).all()
