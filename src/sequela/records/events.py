"""From the parts of all tables to contract 1: one sorted frame, one value for each code at an instant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from sequela.records.parts import BIRTH_PREFIX, Count, Part
from sequela.records.times import INSTANT

AVERAGED = "several values at one instant averaged"
MOST_FREQUENT = "several texts at one instant, the most frequent kept"
SAME_EVENT = "several events without value at one instant, one kept"
DUPLICATE = "duplicate row"
CORRECTED = "superseded by a later correction, both kept"
EARLY = "available before it happened, taken as known at its time"
NOT_BORN = "birth more than a day after the person's first record, so that the age is below 0"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "subject_id": pl.Int64,
    "time": INSTANT,
    "code": pl.String,
    "numeric_value": pl.Float32,
    "text_value": pl.String,
    "unit": pl.String,
    "available_time": INSTANT,
}
OUTCOME_SCHEMA = SCHEMA | {"numeric_value": pl.Float64}
"""Of outcomes: a time in seconds, or a date written as a number, has more digits than single precision holds."""


@dataclass(frozen=True)
class Gathered:
    """Events of all tables, not merged yet: person, time, code (a place in `codes`), number, and others if any."""

    events: pl.DataFrame
    codes: list[str]
    table_of: dict[str, str]
    long_places: list[int]


def gathered(parts: Sequence[Part], subjects: pl.DataFrame, *, day_resolution: bool) -> Gathered:
    """All events in one frame, people by their `subject_id`, codes by their place in the sorted list of codes.

    Args:
        parts: the tables; their events are given up.
        subjects: subject_id and source_id.
        day_resolution: dates are available on their day, not at its end.
    """
    codes = sorted({code for part in parts for code in part.codes})
    place_of = {code: place for place, code in enumerate(codes)}
    pieces = []
    for part in parts:
        ids = part.people.cast(subjects.schema["source_id"]).alias("source_id").to_frame()
        person = ids.join(subjects, on="source_id", how="left", maintain_order="left")["subject_id"].cast(pl.UInt32)
        places = pl.Series([place_of[code] for code in part.codes], dtype=pl.UInt32)
        events, part.events = part.events, pl.DataFrame()
        events = events.with_columns(
            person.gather(events["person"]).alias("person"), places.gather(events["code"]).alias("code")
        )
        if "available_end" in events.columns:
            events = events.drop("available_end") if day_resolution else _known_at_day_end(events)
        pieces.append(events)
    together = pl.concat(pieces, how="diagonal")
    if "number" not in together.columns:
        together = together.with_columns(number=pl.lit(None, pl.Float64))
    table_of = {code: part.table.name for part in parts for code in part.codes}
    long_places = [place_of[code] for part in parts if part.table.layout == "long" for code in part.codes]
    return Gathered(together, codes, table_of, long_places)


def split_off(all_of_them: Gathered, codes: Collection[str]) -> tuple[Gathered, Gathered]:
    """The events of all other codes, and those of these."""
    places = [place for place, code in enumerate(all_of_them.codes) if code in codes]
    if not places:
        return all_of_them, replace(all_of_them, events=all_of_them.events.clear())
    is_apart = pl.col("code").is_in(places)
    events = all_of_them.events
    return replace(all_of_them, events=events.filter(~is_apart)), replace(all_of_them, events=events.filter(is_apart))


def _known_at_day_end(events: pl.DataFrame) -> pl.DataFrame:
    end = pl.col("available_end").alias("available")
    if "available" in events.columns:
        end = pl.coalesce("available_end", "available").alias("available")
    return events.with_columns(end).drop("available_end")


def merged_events(
    all_of_them: Gathered, schema: Mapping[str, pl.DataType | type[pl.DataType]] = SCHEMA
) -> tuple[pl.DataFrame, list[Count]]:
    """The events as contract 1 has them, and what was merged."""
    codes, counts = all_of_them.codes, _Counts(all_of_them)
    events = all_of_them.events
    has_availability = "available" in events.columns
    if has_availability:
        early = events.filter(pl.col("available") < pl.col("time"))
        counts.add(EARLY, early["code"])
        events = events.with_columns(known=pl.max_horizontal("time", "available"))
    keys = ["person", *(["known"] if has_availability else []), "time", "code"]
    keys += ["unit"] if "unit" in events.columns else []
    events = events.sort(keys)
    events = _one_value_each(events, keys, all_of_them.long_places, counts)
    if has_availability:
        _count_corrections(events, counts)
    return _contract(events, codes, schema), counts.found


class _Counts:
    def __init__(self, all_of_them: Gathered) -> None:
        self.codes, self.table_of = all_of_them.codes, all_of_them.table_of
        self.found: list[Count] = []

    def add(self, reason: str, places: pl.Series) -> None:
        for place, rows in places.value_counts().sort(places.name).iter_rows():
            code = self.codes[place]
            self.found.append(Count(self.table_of[code], reason, code, rows))


def _one_value_each(events: pl.DataFrame, keys: list[str], long_places: list[int], counts: _Counts) -> pl.DataFrame:
    as_before = pl.all_horizontal([pl.col(key).eq_missing(pl.col(key).shift()) for key in keys])
    as_before = as_before & (pl.int_range(pl.len()) > 0)
    repeats = events.select(as_before.alias("again"))["again"]
    if not repeats.any():
        return events
    several = repeats | repeats.shift(-1, fill_value=False)
    group = events.filter(several)
    is_long = pl.col("code").is_in(long_places)
    distinct = group.filter(is_long).unique()
    dropped = group.filter(is_long).height - distinct.height
    if dropped:
        by_table: dict[str, int] = {}
        before = group.filter(is_long)["code"].value_counts(name="rows")
        after = distinct["code"].value_counts(name="left")
        gone = before.join(after, on="code").select("code", gone=pl.col("rows").cast(pl.Int64) - pl.col("left"))
        for place, rows in gone.filter(pl.col("gone") > 0).iter_rows():
            name = counts.table_of[counts.codes[place]]
            by_table[name] = by_table.get(name, 0) + rows
        counts.found += [Count(name, DUPLICATE, None, rows) for name, rows in by_table.items()]
    group = pl.concat([group.filter(~is_long), distinct])
    values = [name for name in ("number", "text") if name in group.columns]
    wanted = [pl.col("number").drop_nulls().sort().mean(), pl.len().alias("rows")]
    if "text" in values:
        wanted.append(pl.col("text").drop_nulls().mode().sort().first())
    if "available" in group.columns:
        wanted.append(pl.col("available").max())
    one = group.group_by(keys).agg(wanted)
    _count_merged(one, counts)
    return pl.concat([events.filter(~several), one.drop("rows").select(events.columns)]).sort(keys)


def _count_merged(one: pl.DataFrame, counts: _Counts) -> None:
    has_text = pl.col("text").is_not_null() if "text" in one.columns else pl.lit(value=False)
    reason = (
        pl.when(pl.col("number").is_not_null())
        .then(pl.lit(AVERAGED))
        .when(has_text)
        .then(pl.lit(MOST_FREQUENT))
        .otherwise(pl.lit(SAME_EVENT))
    )
    merged = one.group_by(reason.alias("reason"), "code").agg((pl.col("rows").cast(pl.Int64) - 1).sum())
    for text, place, rows in merged.filter(pl.col("rows") > 0).sort("reason", "code").iter_rows():
        code = counts.codes[place]
        counts.found.append(Count(counts.table_of[code], text, code, rows))


def _count_corrections(events: pl.DataFrame, counts: _Counts) -> None:
    keys = ["person", "code", "time", *(["unit"] if "unit" in events.columns else [])]
    dated = events.lazy().filter(pl.col("time").is_not_null())
    sizes = dated.group_by(keys).agg(pl.len().alias("versions")).filter(pl.col("versions") > 1)
    found = sizes.group_by("code").agg((pl.col("versions").cast(pl.Int64) - 1).sum()).sort("code").collect()
    for place, rows in found.iter_rows():
        code = counts.codes[place]
        counts.found.append(Count(counts.table_of[code], CORRECTED, code, rows))


def births_after_records(events: pl.DataFrame, table_of: Mapping[str, str]) -> list[Count]:
    """How many people were born after their first record: an age in the place of a birth, or a year of two digits."""
    is_birth = pl.col("code").str.starts_with(BIRTH_PREFIX)
    births = events.filter(is_birth & pl.col("time").is_not_null())
    if births.is_empty():
        return []
    first = events.lazy().filter(~is_birth).group_by("subject_id").agg(first=pl.col("time").min()).collect()
    late = births.join(first, on="subject_id").filter(pl.col("time") > pl.col("first") + pl.duration(days=1))
    people = late.group_by("code").agg(pl.col("subject_id").n_unique()).sort("code")
    return [Count(table_of[code], NOT_BORN, code, rows) for code, rows in people.iter_rows()]


def _contract(
    events: pl.DataFrame, codes: list[str], schema: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    names = {"person": "subject_id", "number": "numeric_value", "text": "text_value", "available": "available_time"}
    events = events.rename({old: new for old, new in names.items() if old in events.columns})
    code = pl.Series("code", codes, dtype=pl.String).gather(events["code"])
    events = events.with_columns(code)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in events.columns]
    return events.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
