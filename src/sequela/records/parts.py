"""What a reader hands over: the events of one table, people and codes still by their place in a list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import polars as pl

from sequela.records.origin import Origin
from sequela.records.settings import TableSettings, TimeUnit
from sequela.records.sources import RawTable
from sequela.records.values import Kind, are_categories, cells

BIRTH_PREFIX = "MEDS_BIRTH"
DEATH_PREFIX = "MEDS_DEATH"
STRIPPED = "id with spaces around it, read without them"
_ROUNDED = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+$"
_UNSEEN = r"[\p{Cc}\p{Cf}]"


@dataclass(frozen=True)
class Count:
    """So many rows or cells of a table were merged, left out or odd, for one reason."""

    table: str
    reason: str
    code: str | None
    rows: int


@dataclass
class Part:
    """The events of one table.

    Args:
        table: its settings.
        origin: its files.
        people: the source's ids, String or Int64, in order of first appearance.
        codes: the codes, by their place in `events`.
        events: person UInt32 and code UInt32 (places in `people` and `codes`), time, and where there are any number
            Float64, text, unit, available, available_end (the same, with dates known at the end of their day).
        counts: what was merged, left out or odd.
        calendar: whether times are dates; None: the table has none.
        all_days: whether all stamps are dates only; None: the table has none.
        unit: of numeric times.
        rows: data rows read.
        split: source_id and split, where the source divides its people itself.
        written: by code, the column of each of an outcome's own codes, and its values: row, person (places), and
            numeric_value and text_value, whichever it has.
    """

    table: TableSettings
    origin: Origin
    people: pl.Series
    codes: list[str]
    events: pl.DataFrame
    counts: list[Count] = field(default_factory=list)
    calendar: bool | None = None
    all_days: bool | None = None
    unit: TimeUnit | None = None
    rows: int = 0
    split: pl.DataFrame | None = None
    written: dict[str, tuple[str, pl.DataFrame]] = field(default_factory=dict)

    @property
    def is_timed(self) -> bool:
        """Whether rows of this table bear times (a birth in a static table is no row's time)."""
        return self.table.time is not None or self.table.layout == "series"


@dataclass
class Reading:
    """One table while it is read; `apart` are the codes that are an outcome's own."""

    table: TableSettings
    raw: RawTable
    kinds: Mapping[str, Kind]
    apart: Collection[str] = ()
    counts: list[Count] = field(default_factory=list)

    def __post_init__(self) -> None:
        for reason, rows in self.raw.odd.items():
            self.count(reason, rows)

    @property
    def origin(self) -> Origin:
        """Where the rows come from."""
        return self.raw.origin

    @property
    def columns(self) -> list[str]:
        """Columns of the source that are not taken yet."""
        return self.raw.frame.columns

    def take(self, column: str) -> pl.Series:
        """A column of the source, which gives it up (large tables are read column by column)."""
        return self.raw.frame.drop_in_place(column)

    def count(self, reason: str, rows: int, code: str | None = None) -> None:
        """Notes rows or cells that were merged, left out or odd."""
        if rows:
            self.counts.append(Count(self.table.name, reason, code, int(rows)))

    def people(self) -> tuple[pl.Series, pl.Series]:
        """The ids in order of first appearance, and for each row the place of its id among them.

        Raises:
            RecordsError: a row without id; ids that are neither text nor whole numbers, that a spreadsheet rounded, or
                that hold characters that cannot be seen.
        """
        table, name = self.table, self.table.subject
        raw = self.take(name)
        if are_categories(raw):
            raw = raw.cast(pl.String)
        if raw.dtype != pl.Null and raw.dtype != pl.String and not raw.dtype.is_integer():
            problem = f"ids are text or whole numbers, this column is of type {raw.dtype.base_type()}"
            raise self.origin.refusal(problem, "Convert the ids to text or to whole numbers", column=name)
        ids = cells(raw, table)
        if ids.null_count():
            remedy = "Give every row its person's id"
            if self._are_empty(ids.is_null()):
                remedy = "These rows are empty, as spreadsheets leave them: delete them"
            raise self.origin.refusal("the id is missing", remedy, column=name, faulty=ids.is_null())
        if raw.dtype == pl.String:
            self._refuse_changed(ids)
            self.count(STRIPPED, int((raw.str.len_bytes() != ids.str.len_bytes()).sum()))
        else:
            fits = ids.cast(pl.Int64, strict=False)
            ids = fits if fits.null_count() == 0 else ids.cast(pl.String)
        return factorized(ids)

    def _refuse_changed(self, ids: pl.Series) -> None:
        """Refuses ids by which several people would be one, or one person two."""
        if (rounded := ids.str.contains(_ROUNDED)).any():
            problem = "ids are rounded, as a spreadsheet shows long numbers (1.2E+11), so several people may be one"
            remedy = "Export them with all their digits, as text"
            raise self.origin.refusal(problem, remedy, column=ids.name, faulty=rounded)
        if (unseen := ids.str.contains(_UNSEEN)).any():
            problem = "ids hold characters that cannot be seen, such as a byte-order mark where two files were joined"
            raise self.origin.refusal(problem, "Delete them", column=ids.name, faulty=unseen)

    def _are_empty(self, rows: pl.Series) -> bool:
        """Whether nothing stands in any of the other columns of these rows."""
        rest = self.raw.frame.filter(rows)
        return all((cells(rest[name], self.table).null_count() == len(rest)) for name in rest.columns)


def factorized(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Distinct values in order of first appearance, and for each row the place (UInt32) of its value among them."""
    column = column.alias("value")
    distinct = column.unique(maintain_order=True)
    places = distinct.to_frame().with_row_index("place")
    found = column.to_frame().join(places, on="value", how="left", maintain_order="left")
    return distinct, found.get_column("place")


def source_ids(ids: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Ids of another table as the type of the people's own, null where one cannot be theirs."""
    if wanted == pl.String or ids.dtype == pl.Int64:
        return ids.cast(wanted)
    numbers = ids.cast(pl.Int64, strict=False)
    return (
        numbers.to_frame("number")
        .select(pl.when((pl.col("number").cast(pl.String) == ids).fill_null(value=False)).then("number"))
        .to_series()
    )
