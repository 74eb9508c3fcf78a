"""Values that no living person has: taken out before anything looks at them, and counted."""

from __future__ import annotations

import polars as pl

from sequela.cohort.asof import known_time


def without_implausible(events: pl.DataFrame, limits: dict[str, list[float]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events whose numbers lie within the limits of their code; and who, when and what of those that do not.

    Args:
        events: contract 1.
        limits: lowest and highest plausible value by code, both included, in the code's own unit.
    """
    table = pl.DataFrame(
        {
            "code": list(limits),
            "lowest": [float(low) for low, _ in limits.values()],
            "highest": [float(high) for _, high in limits.values()],
        },
        schema={"code": pl.String, "lowest": pl.Float64, "highest": pl.Float64},
    )
    known = events.join(table, on="code", how="left", maintain_order="left")
    number = pl.col("numeric_value").cast(pl.Float64)
    outside = ((number < pl.col("lowest")) | (number > pl.col("highest"))).fill_null(value=False)
    taken_out = known.filter(outside).select("subject_id", known_time().alias("known"), "code")
    return known.filter(~outside).select(events.columns), taken_out
