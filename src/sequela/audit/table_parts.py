"""Parts of a table that are not as separate as they should be."""

from __future__ import annotations

import numpy as np
import polars as pl

from sequela.audit.alone import values_as_levels
from sequela.audit.columns import Column
from sequela.audit.finding import Finding
from sequela.audit.people import copied_people
from sequela.audit.separation import separation
from sequela.audit.table_file import Examples
from sequela.audit.words import FEW, capital, people
from sequela.cohort.asof import Rows


def parts_overlap(rows: Examples) -> list[Finding]:
    """Return whether people stand in several parts; a note where each person's parts follow each other in time."""
    if rows.split is None:
        return []
    known = rows.split >= 0
    pairs = np.unique(np.stack([rows.person, rows.split])[:, known], axis=1)
    who, parts = np.unique(pairs[0], return_counts=True)
    several = who[parts > 1]
    if not len(several):
        return []
    number = capital(people(len(several)))
    if _by_time(rows, several):
        return [
            Finding(
                finding="people_overlap",
                severity="note",
                table=rows.name,
                evidence=f"{number} stand in several parts, one after the other in time. The figures speak "
                "of later times of the same people, not of new people.",
                remedy="Give each person one part to judge on new people.",
            )
        ]
    return [
        Finding(
            finding="people_overlap",
            severity="certain",
            table=rows.name,
            evidence=f"{number} stand in several parts of the split.",
            remedy="Give each person one part.",
        )
    ]


def _by_time(rows: Examples, several: Rows) -> bool:
    """True where the parts are spans of time, the same order for everybody."""
    if rows.time is None or rows.split is None:
        return False
    there = np.isin(rows.person, several) & (rows.split >= 0)
    frame = pl.DataFrame({"who": rows.person[there], "part": rows.split[there], "time": rows.time[there]})
    spans = frame.group_by("who", "part").agg(low=pl.col("time").min(), high=pl.col("time").max()).sort("who", "low")
    follows = (pl.col("low") >= pl.col("high").shift().over("who")).fill_null(value=True)
    order = spans.select(
        follows.alias("follows"), pl.col("who"), pl.col("part"), before=pl.col("part").shift().over("who")
    )
    steps = order.drop_nulls("before").select("before", "part").unique()
    both_ways = steps.join(steps.rename({"before": "part", "part": "before"}), on=["before", "part"], how="semi")
    return bool(order["follows"].all()) and both_ways.is_empty()


def same_histories(rows: Examples) -> list[Finding]:
    """Return people whose rows are those of another id in another part."""
    groups = [who for who in copied_people(_as_events(rows, rows.person), rows.people) if _apart(rows, who)]
    count = sum(len(who) for who in groups)
    if not count:
        return []
    return [
        Finding(
            finding="copied_history",
            severity="certain",
            table=rows.name,
            evidence=f"The rows of {people(count)} stand under other ids in another part of the split, far too many "
            "values to agree by chance.",
            remedy="Give each person one id, or remove the copies.",
        )
    ]


def same_rows(rows: Examples) -> list[Finding]:
    """Return single rows of different people that stand in two parts; one person's rows may well be the same."""
    if rows.split is None:
        return []
    single = np.arange(len(rows.person))
    groups = [
        found
        for found in copied_people(_as_events(rows, single), len(single))
        if _mixed(rows.split[found]) and len(np.unique(rows.person[found])) > 1
    ]
    count = sum(len(found) for found in groups)
    if not count:
        return []
    told = "Fewer than 11" if count <= FEW else f"{count:,}"
    return [
        Finding(
            finding="copied_rows",
            severity="certain",
            table=rows.name,
            evidence=f"{told} rows are the same in every column but the id and the time as a row in another part, far "
            "too many values to agree by chance.",
            remedy="Remove the copies, or give each person one part.",
        )
    ]


def _mixed(parts: Rows) -> bool:
    return len(np.unique(parts[parts >= 0])) > 1


def _apart(rows: Examples, who: Rows) -> bool:
    return rows.split is None or _mixed(rows.split[np.isin(rows.person, who)])


def _as_events(rows: Examples, owner: Rows) -> pl.DataFrame:
    """Return every cell as an event of its owner, at its time; without times, and of single rows, at none."""
    by_person = owner is rows.person and rows.time is not None
    time = np.rint(rows.time * 1e6).astype(np.int64) if by_person and rows.time is not None else None
    parts = []
    for column in rows.columns:
        there = column.present
        texts = np.array([*column.levels, None], dtype=object)[column.level[there]] if column.levels else None
        cells = pl.DataFrame({"subject_id": owner[there]}).with_columns(
            time=pl.lit(None, pl.Int64) if time is None else pl.Series(time[there], dtype=pl.Int64),
            code=pl.lit(column.name),
            numeric_value=pl.Series(column.number[there], nan_to_null=True),
            text_value=pl.Series(texts, dtype=pl.String) if texts is not None else pl.lit(None, pl.String),
        )
        parts.append(cells)
    empty = {
        "subject_id": pl.Int64,
        "time": pl.Int64,
        "code": pl.String,
        "numeric_value": pl.Float64,
        "text_value": pl.String,
    }
    return pl.concat(parts) if parts else pl.DataFrame(schema=empty)


def differs_by_split(rows: Examples) -> list[Finding]:
    """Return columns that have another value in each part: their number, their place or their time tells the parts."""
    if rows.split is None:
        return []
    return [one for column in rows.columns if (one := _tells_parts(column, rows)) is not None]


def _tells_parts(column: Column, rows: Examples) -> Finding | None:
    assert rows.split is not None
    levels, known = values_as_levels(column), rows.split >= 0
    parts, counts = np.unique(rows.split[known], return_counts=True)
    if counts.min() <= FEW:
        return None
    constant = levels is not None and len(np.unique(levels[known])) >= 2 and all(
        len(np.unique(levels[rows.split == part])) == 1 for part in parts
    )  # fmt: skip
    if not constant and not _ranks_parts(column, rows, parts):
        return None
    words = (
        "It has one value in each part of the split" if constant else "Its numbers tell the parts of the split apart"
    )
    return Finding(
        finding="differs_by_split",
        severity="likely" if constant else "note",
        table=rows.name,
        column=column.name,
        evidence=f"{words}.",
        remedy="Where it names the part, remove it. Where it is a time or a place, the parts are other populations.",
    )


def _ranks_parts(column: Column, rows: Examples, parts: Rows) -> bool:
    assert rows.split is not None
    for part in parts:
        there = ~np.isnan(column.number) & (rows.split >= 0)
        found = separation((rows.split[there] == part).astype(np.float64), column.number[there], rows.person[there])
        if found is not None and found.auroc >= 0.995 and min(found.with_outcome, found.without) > FEW:
            return True
    return False
