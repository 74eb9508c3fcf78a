"""`predictions.parquet`: every prediction of every model in every split."""

from __future__ import annotations

import numpy as np
import polars as pl

from sequela.cohort import SPLIT_NAMES
from sequela.predict import Forecast, forecast_table
from sequela.prepare import flag_words
from sequela.study.fit import Fit, Material


def predictions_table(material: Material, fits: list[Fit]) -> pl.DataFrame:
    """Return the predictions that have a label, with what was measured as `target`.

    `horizon_hours` is the study's horizon, or for the next record the hours until it.
    """
    parts = []
    for fit in fits:
        cohort, asked = material.cohort, material.cohort.asked
        flags = flag_words(
            cohort.timeline,
            material.evidence.facts,
            fit.bundle.prepared,
            cohort.sequences,
            material.evidence.implausible,
        )
        labels = cohort.labels
        assert labels is not None
        each = labels.value.shape[1] * labels.value.shape[2]
        split = np.repeat(fit.split.part, each)
        nothing = np.full(labels.value.shape, np.nan)
        for model, predicted in fit.predicted.items():
            has_band = model == "network"
            forecasts = Forecast(
                predicted=predicted,
                lower=fit.lower if has_band else nothing,
                upper=fit.upper if has_band else nothing,
            )
            table = forecast_table(material.settings.question, material.records, asked, forecasts, flags)
            hours = pl.coalesce("horizon_hours", pl.Series(labels.hours.reshape(-1)))
            names = pl.DataFrame(
                {"part": range(len(SPLIT_NAMES)), "split": SPLIT_NAMES}, schema_overrides={"part": pl.Int8}
            )
            parts.append(
                table.with_columns(
                    part=pl.Series(split),
                    fold=pl.lit(fit.split.fold),
                    model=pl.lit(model),
                    target=pl.Series(labels.value.reshape(-1)).fill_nan(None),
                    horizon_hours=hours,
                )
                .filter((pl.col("part") >= 0) & pl.col("target").is_not_null())
                .join(names, on="part", how="left", maintain_order="left")
            )
    return pl.concat(parts).select(
        "subject_id",
        "episode_start",
        "prediction_time",
        "split",
        "fold",
        "model",
        "code",
        "flags",
        "horizon_hours",
        "target",
        "predicted",
        "lower",
        "upper",
    )
