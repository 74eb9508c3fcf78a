"""Values that no living person has: taken out before anything looks at them, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from sequela.cohort.asof import known_time
from sequela.prepare.default_limits import default_limits
from sequela.prepare.settings import PrepareSettings


def plausible_limits(
    settings: PrepareSettings, codes: Iterable[str], units: Mapping[str, str | None] | None = None
) -> dict[str, list[float]]:
    """Return lowest and highest plausible value by code: the study's own, and those of the table where it wants them.

    Args:
        settings: `[prepare]` of the study.
        codes: of the records.
        units: the one unit of each code, once converted, where the records or the study state one.
    """
    wanted = [code for code in codes if settings.wants_default_limits(code)]
    table = {code: [low, high] for code, (low, high) in default_limits(wanted, units).items()}
    return dict(sorted((table | settings.limits).items()))


def single(limit: float) -> np.float32:
    """Return a limit as values are stored, in single precision; one beside 0 stays beside 0, however near it is.

    Example:
        >>> bool(single(0.7) == np.float32(0.7)), bool(single(5e-324) > 0), bool(single(0.0) == 0)
        (True, True, True)
    """
    stored = np.float32(limit)
    return stored if stored != 0 or limit == 0 else np.copysign(np.finfo(np.float32).tiny, np.float32(np.sign(limit)))


def without_implausible(events: pl.DataFrame, limits: dict[str, list[float]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events whose numbers lie within the limits of their code; and who, when and what of those that do not.

    Limits are compared in single precision, as the values are stored: else 7.8 would lie above a highest value of 7.8.

    Args:
        events: contract 1.
        limits: lowest and highest plausible value by code, both included, in the code's own unit.
    """
    table = pl.DataFrame(
        {
            "code": list(limits),
            "lowest": [float(single(low)) for low, _ in limits.values()],
            "highest": [float(single(high)) for _, high in limits.values()],
        },
        schema={"code": pl.String, "lowest": pl.Float64, "highest": pl.Float64},
    ).cast({"lowest": pl.Float32, "highest": pl.Float32})
    known = events.join(table, on="code", how="left", maintain_order="left")
    number = pl.col("numeric_value")
    outside = ((number < pl.col("lowest")) | (number > pl.col("highest"))).fill_null(value=False)
    taken_out = known.filter(outside).select("subject_id", known_time().alias("known"), "code")
    return known.filter(~outside).select(events.columns), taken_out
