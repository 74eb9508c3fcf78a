"""People who stand in two parts of a split, under one id or under two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sequela.audit.finding import Finding
from sequela.audit.words import capital, people
from sequela.cohort import Split, SplitSettings
from sequela.cohort.asof import Rows

_SPARE_BITS = 20  # a coincidence anywhere among all pairs has then a chance of one in a million
_SIGN = ["rows", "sum", "other", "xor"]  # of a history: two that agree in these are the same


def overlap(person: Rows, splits: Sequence[Split], split_by: SplitSettings) -> list[Finding]:
    """Return whether a person stands in several parts: certain where people are divided, a note where time is."""
    worst = 0
    for split in splits:
        pairs = np.unique(np.stack([person, split.part])[:, split.part >= 0], axis=1)
        worst = max(worst, int((np.unique(pairs[0], return_counts=True)[1] > 1).sum()))
    if not worst:
        return []
    if split_by.by in ("time", "within"):
        why = "a calendar cut" if split_by.by == "time" else "each person's own course"
        return [
            Finding(
                finding="people_overlap",
                severity="note",
                evidence=f"{capital(people(worst))} stand in several parts, because the split is {why}. The figures "
                "speak of later times of the same people, not of new people.",
                remedy='Divide by = "subject" to judge on new people.',
            )
        ]
    return [
        Finding(
            finding="people_overlap",
            severity="certain",
            evidence=f"{capital(people(worst))} stand in several parts of the split.",
            remedy="Give each person one part.",
        )
    ]


def copies(events: pl.DataFrame, person: Rows, splits: Sequence[Split], count: int) -> list[Finding]:
    """Return histories that stand under two ids in different parts.

    Args:
        events: contract 1, as models may see them.
        person: [R] of each prediction.
        splits: of each fold.
        count: number of people.
    """
    groups = copied_people(events, count)
    if not len(groups):
        return []
    part = np.full((len(splits), count), -1)
    for number, split in enumerate(splits):
        part[number][person[split.part >= 0]] = split.part[split.part >= 0]
    across = [rows for rows in groups if _apart(part[:, rows])]
    involved = sum(len(rows) for rows in across)
    if not across:
        return [_same_part(sum(len(rows) for rows in groups))]
    return [
        Finding(
            finding="copied_history",
            severity="certain",
            evidence=f"The histories of {people(involved)} stand under other ids in another part of the split: the "
            "same codes and values at the same distances in time, far too many to agree by chance.",
            remedy="Give each person one id, or remove the copies.",
        )
    ]


def _apart(part: Rows) -> bool:
    return any(len(set(row[row >= 0].tolist())) > 1 for row in part)


def _same_part(involved: int) -> Finding:
    return Finding(
        finding="copied_history",
        severity="note",
        evidence=f"The histories of {people(involved)} stand under several ids, all of them in one part of the split.",
        remedy="Give each person one id, or remove the copies: intervals take them for different people.",
    )


def copied_people(events: pl.DataFrame, count: int) -> list[Rows]:
    """Return groups of people whose histories agree in every code, value and distance in time.

    Short or common histories agree by chance. A history weighs as many bits as its values and gaps are rare, half of
    them since variables go together; one that weighs no more than all pairs of people explain is let be.
    """
    rows = _relative(events)
    signed = rows.group_by("subject_id").agg(
        pl.len().alias("rows"),
        pl.col("key").sum().alias("sum"),
        (pl.col("key") // 128).sum().alias("other"),
        pl.col("key").bitwise_xor().alias("xor"),
    )
    alike = signed.filter(pl.len().over(_SIGN) > 1)
    if alike.is_empty():  # as nearly always: then nothing has to be weighed, which costs more than all of the above
        return []
    groups = (
        alike.join(_heavy(rows, count), on="subject_id", how="semi")
        .group_by(_SIGN)
        .agg("subject_id")
        .filter(pl.col("subject_id").list.len() > 1)
    )
    return [np.sort(np.array(who)) for who in groups["subject_id"].to_list()]


def _heavy(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the people whose histories weigh more than chance explains."""
    told = rows.with_columns(
        bits=-(pl.len().over("code", "value") / pl.len().over("code")).log(2),
        gap_bits=-(pl.len().over("gap") / pl.len()).log(2),
    )
    again = (pl.col("value") == pl.col("value").shift()).over("subject_id", "code", order_by="offset")
    weight = (
        told.with_columns(again=again.fill_null(value=False))
        .group_by("subject_id")
        .agg(
            bits=pl.col("bits").filter(~pl.col("again")).sum(),
            gap_bits=pl.col("gap_bits").filter(pl.col("gap") > 0).sum(),
        )
    )
    needed = 2 * np.log2(max(count, 2)) + _SPARE_BITS
    return weight.filter((pl.col("bits") + pl.col("gap_bits")) / 2 >= needed)


def _relative(events: pl.DataFrame) -> pl.DataFrame:
    """Return each event with its distance from the person's first, its value as text, and a hash of all three."""
    value = pl.coalesce(pl.col("numeric_value").cast(pl.String), "text_value", pl.lit(""))
    rows = events.select("subject_id", "code", value=value, time=pl.col("time").cast(pl.Int64))
    rows = rows.with_columns(offset=(pl.col("time") - pl.col("time").min().over("subject_id")).fill_null(-1))
    rows = rows.sort("subject_id", "offset", "code", "value").with_columns(
        gap=(pl.col("offset") - pl.col("offset").shift().over("subject_id")).fill_null(0)
    )
    return rows.with_columns(key=pl.struct("offset", "code", "value").hash(seed=11))
