"""Numbers that may stand for "not measured", such as -99 or 999, and times far from all others, such as 1900-01-01."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from sequela.records.parts import Count

MAY_BE_MISSING = 'number far from all others, such as -99 or 999, that may stand for "not measured" (see `na`)'
FAR_AWAY = 'time more than ten years from most others, that may be mistyped or, as 1900-01-01, stand for "not known"'
_FAR = timedelta(days=3653)
_FEW = 0.05  # of all times: more are no slips
_LIMITS = [2.0**15, 2.0**31, 2.0**63]  # the lowest whole numbers of a computer, and R's NA among them, are -limit
_LOWEST = [-1.0, *(-float(digit * times) for digit in "789" for times in (1, 2, 3, 4)), *(-limit for limit in _LIMITS)]
_HIGHEST = [99.0, 999.0, 9999.0, 99999.0, 999999.0, *_LIMITS, *(limit - 1 for limit in _LIMITS)]


def numbers_that_may_be_missing(events: pl.DataFrame, table_of: dict[str, str]) -> list[Count]:
    """How many values of each code are alone below zero or far above all others, and written as "missing" often is.

    Lowest: -1, or -7, -8, -9 and these digits repeated, or the lowest number of a type such as -2147483648, beside no
    other negative number (-1: and beside no 0). Highest: 99, 999 and so on, or the highest number of a type, three
    times as high as the next or more. Two values or more.

    Args:
        events: code and numeric_value.
        table_of: by code, the name of its table.
    """
    value, low, high = pl.col("numeric_value"), pl.col("low"), pl.col("high")
    numbers = events.lazy().select("code", "numeric_value").filter(value.is_not_null())
    ends = numbers.group_by("code").agg(low=value.min(), high=value.max()).collect()
    odd = ends.filter(low.is_in(_LOWEST) | high.is_in(_HIGHEST))
    if odd.is_empty():
        return []
    above, below = value.filter(value > low).min(), value.filter(value < high).max()
    is_alone = low.first().is_in(_LOWEST) & ((above > 0) | ((above == 0) & (low.first() < -1)))
    is_far = high.first().is_in(_HIGHEST) & (3 * below <= high.first())
    rows = is_alone * (value == low).sum() + is_far * (value == high).sum()
    found = numbers.join(odd.lazy(), on="code").group_by("code").agg(rows=rows).filter(pl.col("rows") > 1).sort("code")
    return [Count(table_of[code], MAY_BE_MISSING, code, rows) for code, rows in found.collect().iter_rows()]


def times_far_away(times: pl.Series) -> int:
    """How many times lie more than ten years from most others: few of them, or several on one day such as 1900-01-01.

    In UTC: a midnight of 1 January may be an instant of 31 December there.

    Example:
        >>> from datetime import datetime as at
        >>> times_far_away(pl.Series([at(1900, 1, 1), at(1900, 1, 1), at(2024, 5, 31), at(2024, 6, 1)]))
        2
    """
    day = pl.col("day")
    days = pl.DataFrame({"day": times}).drop_nulls().group_by(day.dt.truncate("1d")).len("rows").sort("day")
    groups = days.group_by(span=(day.diff() > _FAR).fill_null(value=False).cum_sum()).agg(
        pl.col("rows").sum(), day=day.first(), days=pl.len()
    )
    ends = ((day.dt.month() == 1) & (day.dt.day() == 1)) | ((day.dt.month() == 12) & (day.dt.day() == 31))
    is_placeholder = ends & (pl.col("days") == 1) & (pl.col("rows") > 1)
    rest = groups.filter(~is_placeholder)
    if rest.is_empty():
        return 0
    is_few = (pl.col("rows") < pl.col("rows").max()) & (pl.col("rows") <= _FEW * times.count())
    return sum(groups.filter(is_placeholder)["rows"]) + sum(rest.filter(is_few)["rows"])
