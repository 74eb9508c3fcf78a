"""`predictions.parquet`: every prediction of every model in every split."""

from __future__ import annotations

import numpy as np
import polars as pl

from sequela.cohort import SPLIT_NAMES
from sequela.predict import Said, said_table
from sequela.prepare import flag_words
from sequela.study.kinds import kind_of
from sequela.study.material import Fit, Material

_PEOPLE_AND_TIMES = (
    "subject_id",
    "episode_start",
    "prediction_time",
    "split",
    "fold",
    "model",
    "code",
    "flags",
)


def predictions_table(material: Material, fits: list[Fit]) -> pl.DataFrame:
    """Return the predictions that have a label, with what came as `target`."""
    return pl.concat([_of_fit(material, fit) for fit in fits])


def _of_fit(material: Material, fit: Fit) -> pl.DataFrame:
    cohort, seen = material.cohort, material.evidence
    flags = flag_words(cohort.timeline, seen.facts, fit.bundle.prepared, cohort.sequences, seen.implausible)
    said = Said(predicted=fit.predicted, lower=fit.lower, upper=fit.upper)
    table = said_table(material.settings.question, material.records, cohort.asked, said, flags)
    outputs = int(np.prod(material.labels.shape[1:]))
    parts = pl.Series([*SPLIT_NAMES, None], dtype=pl.String).gather(
        np.where(fit.split.part >= 0, fit.split.part, len(SPLIT_NAMES)).repeat(outputs)
    )
    of_models = []
    for model in fit.predicted:
        rows = table.filter(pl.col("model") == model)
        labelled = kind_of(material).with_labels(rows, material)
        of_models.append(labelled.with_columns(split=parts, fold=pl.lit(fit.split.fold)))
    joined = pl.concat(of_models).filter(pl.col("split").is_not_null() & pl.col("target").is_not_null())
    by_kind = [name for name in ("horizon_hours", "target", "predicted", "lower", "upper") if name in joined.columns]
    return joined.select(*_PEOPLE_AND_TIMES, *by_kind)
