"""Numbers that may stand for "not measured", such as -99 or 999, and days for "not known", such as 1900-01-01."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from sequela.records.parts import Count

MAY_BE_MISSING = 'number far from all others, such as -99 or 999, that may stand for "not measured" (see `na`)'
MAY_BE_UNKNOWN = 'first or last day of a year, more than ten years from all others, that may stand for "not known"'
_FAR = timedelta(days=3653)
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


def days_that_may_be_unknown(times: pl.Series) -> int:
    """How many of the first and of the last instants lie on the first or last day of a year, far from all others.

    In UTC: a midnight of 1 January may be an instant of 31 December there. Two instants or more on the day.

    Example:
        >>> from datetime import datetime as at
        >>> days_that_may_be_unknown(pl.Series([at(1900, 1, 1), at(1900, 1, 1), at(2024, 5, 31)]))
        2
    """
    day = times.drop_nulls().dt.truncate("1d")
    days: list[datetime] = day.unique().sort().to_list()
    ends = [(days[0], days[1]), (days[-1], days[-2])] if len(days) > 1 else []
    far = [end for end, nearest in ends if abs(end - nearest) > _FAR and (end.month, end.day) in ((1, 1), (12, 31))]
    rows = [int((day == end).sum()) for end in far]
    return sum(several for several in rows if several > 1)
