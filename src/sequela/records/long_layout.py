"""Layout `long`: a row is one event, with a code and a number, a text, both or neither."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from sequela.records.origin import remedy_for
from sequela.records.parts import Part, Reading, factorized
from sequela.records.settings import TableSettings
from sequela.records.stamped import person_and_time
from sequela.records.values import (
    NAN,
    as_number,
    canonical,
    cells,
    otherwise_written,
    parts_thousands,
    refuse_infinite,
    refuse_parted,
    refuse_rounded,
    text_among_numbers,
    typed,
)
from sequela.records.written import note_column

EMPTY = "empty cell"


@dataclass(frozen=True)
class _Columns:
    """Names of the columns that there are; None: the table has none."""

    value: str | None
    text: str | None
    unit: str | None


def long_part(reading: Reading) -> Part:
    """The events of a long table.

    Raises:
        RecordsError: a missing code, text among the numbers of a code, columns that the table has not.
    """
    has_value = reading.table.value in reading.columns
    part = coded_rows(reading)
    rename_codes(part, reading)
    part.events = _without_empty(part, reading, has_value=has_value)
    return part


def coded_rows(reading: Reading, *, static_rows: bool = False) -> Part:
    """A part with every row of the table in its place, under the codes of the source.

    Args:
        reading: the table.
        static_rows: a row without a time is a static fact, as in MEDS; else it is refused.

    Raises:
        RecordsError: a missing code, text among the numbers of a code, columns that the table has not.
    """
    columns = _named_columns(reading)
    table, rows = reading.table, reading.raw.frame.height
    part = person_and_time(reading, rows=rows, static_rows=static_rows)
    raw = typed(reading.take(table.code), table, reading.origin, name=table.code)
    code = cells(raw, table)
    if code.dtype != pl.String:
        refuse_rounded(code, reading.origin)
        code = canonical(code, table)
    if code.null_count():
        remedy = 'Give every row its code, or take the code out of `na` ("NA" may be sodium)'
        raise reading.origin.refusal("the code is missing", remedy, column=table.code, faulty=code.is_null())
    sources, place = factorized(code)
    part.codes = sources.to_list()
    part.events = part.events.with_columns(place.alias("code"))
    del raw, code, place
    if columns.value is not None:
        _add_values(part, reading, columns.value)
    if columns.text is not None:
        _add_text(part, reading, columns.text)
    _note_outcomes(part, reading, columns)
    if columns.unit is not None:
        unit = cells(_text(reading, columns.unit), table)
        if unit.count():
            part.events = part.events.with_columns(unit.alias("unit"))
    for left in reading.columns:
        reading.count(f"column '{left}' is not read in layout long", rows)
    return part


def _note_outcomes(part: Part, reading: Reading, columns: _Columns) -> None:
    column = columns.value or columns.text
    names = {"numeric_value": "number", "text_value": "text"}
    for place, code in enumerate(part.codes):
        renamed = reading.table.rename.get(code, code)
        if column is not None and renamed in reading.apart:
            own = part.events["code"] == place
            given = {to: part.events[name] for to, name in names.items() if name in part.events.columns}
            frame = pl.DataFrame(given).select(pl.when(own).then(pl.all()))
            note_column(part, renamed, column, frame.to_dict())


def _named_columns(reading: Reading) -> _Columns:
    table, origin, known = reading.table, reading.origin, reading.raw.frame.columns
    needed = {"subject": table.subject, "time": table.time, "code": table.code}
    if table.available is not None:
        needed["available"] = table.available
    for key in ("value", "text", "unit"):
        if getattr(table, key) != TableSettings.model_fields[key].default:  # a resolved study writes defaults out
            needed[key] = getattr(table, key)
    for key, name in needed.items():
        if name is not None:
            origin.require(name, known, key=key)
    optional = {key: getattr(table, key) for key in ("value", "text", "unit")}
    used = [*needed.values(), *(name for key, name in optional.items() if key not in needed and name in known)]
    if twice := sorted({name for name in used if name is not None and used.count(name) > 1}):
        remedy = "Name each column for one use"
        raise origin.refusal("the study names this column for two uses", remedy, column=twice[0])
    found = _Columns(*(name if name in known else None for name in optional.values()))
    left = [name for name in known if name not in used]
    if found.value is None and found.text is None and left and table.columns is None:
        problem = f"there is no column '{table.value}' (key `value`) and no column '{table.text}' (key `text`)"
        remedy = f'{remedy_for(table.value, left)}, such as value = "..."; columns = [] reads events without values'
        raise origin.refusal(problem, remedy)
    if table.columns:
        problem = "`columns` lists columns, and layout long has one for values"
        raise origin.refusal(problem, "Remove `columns`, and name the column in `value` or `text`")
    return found


def _add_values(part: Part, reading: Reading, column: str) -> None:
    """Numbers where a code has numbers, categories where all its values are text; codes of one new name are one."""
    table, origin = reading.table, reading.origin
    raw = typed(reading.take(column), table, origin, name=column)
    if raw.dtype.is_float():
        reading.count(NAN, int(raw.is_nan().sum()))
    read = cells(raw, table)
    del raw
    codes, place = _renamed(part, reading)
    categorical = {table.rename.get(code, code) for code in table.categorical}
    forced = [spot for spot, code in enumerate(codes) if code in categorical or reading.kinds.get(code) == "text"]
    is_text = place.is_in(pl.Series(forced, dtype=pl.UInt32).to_list()) if forced else None
    if read.dtype != pl.String:
        number = read.cast(pl.Float64)
    else:
        number = as_number(read, table)
        faulty = read.is_not_null() & number.is_null()
        if is_text is not None:
            faulty &= ~is_text
        if faulty.any():
            known = [spot for spot, code in enumerate(codes) if reading.kinds.get(code) == "number"]
            is_text = _text_codes(place, known, reading, read, faulty, number, is_text)
        if not reading.kinds:
            cell = read if is_text is None else pl.select(pl.when(~is_text).then(read)).to_series()
            refuse_parted(parts_thousands(cell, table, place), origin, column=column)
    if is_text is not None:
        both = pl.DataFrame({"text": read, "number": number, "is_text": is_text})
        both = both.select(text=pl.when("is_text").then("text"), number=pl.when(~pl.col("is_text")).then("number"))
        number = both["number"]
        refuse_rounded(both["text"].alias(column), origin)
        part.events = part.events.with_columns(canonical(both["text"], table).alias("text"))
    refuse_infinite(number, origin, column=column)
    part.events = part.events.with_columns(number.alias("number"))


def _text_codes(
    place: pl.Series,
    known: list[int],
    reading: Reading,
    read: pl.Series,
    faulty: pl.Series,
    number: pl.Series,
    is_text: pl.Series | None,
) -> pl.Series:
    """Marks the rows of codes whose values are all text; refuses those of codes that have numbers too.

    Half of the texts or more that are numbers, but not written as the table has them, make the code's values numbers.
    """
    text = pl.DataFrame({"code": place, "text": read}).filter(faulty)
    otherwise = otherwise_written(text["text"], reading.table, text["code"])
    shares = text.select("code", other=otherwise).group_by("code").agg(pl.col("other").mean())
    misread = shares.filter(pl.col("other") >= 0.5)["code"].to_list()
    with_text = place.filter(faulty).unique()
    free = number.is_not_null() if is_text is None else number.is_not_null() & ~is_text
    with_number = place.filter(free).unique().to_list()
    mixed = with_text.filter(with_text.is_in([*with_number, *known, *misread]))
    wrong = faulty & place.is_in(mixed.to_list())
    if wrong.any():
        among = " as in the other rows of the same code"
        problem, remedy = text_among_numbers(read.filter(wrong), reading.table, where=among, listed="the code")
        raise reading.origin.refusal(problem, remedy, column=read.name, faulty=wrong)
    marked = place.is_in(with_text.to_list())
    return marked if is_text is None else marked | is_text


def _text(reading: Reading, column: str) -> pl.Series:
    raw = typed(reading.take(column), reading.table, reading.origin, name=column)
    return raw if raw.dtype == pl.String else canonical(raw, reading.table)


def _add_text(part: Part, reading: Reading, column: str) -> None:
    text = cells(_text(reading, column), reading.table)
    if not text.count():
        return
    if "text" in part.events.columns:
        faulty = part.events["text"].is_not_null() & text.is_not_null()
        if faulty.any():
            problem = "there is a text here and another one in the column of values"
            raise reading.origin.refusal(problem, "Keep one of the two", column=column, faulty=faulty)
        text = part.events["text"].fill_null(text)
    part.events = part.events.with_columns(text.alias("text"))


def _without_empty(part: Part, reading: Reading, *, has_value: bool) -> pl.DataFrame:
    """Leaves out rows without value, counted, where other rows of the same code have one, or had in an earlier reading.

    One person's rows are thus read alone as among others.
    """
    events = part.events
    values = [name for name in ("number", "text") if name in events.columns]
    if not values:
        return events
    empty = events.select(pl.all_horizontal(pl.col(values).is_null())).to_series()
    if not has_value or not empty.any():
        return events
    known = [place for place, code in enumerate(part.codes) if code in reading.kinds]
    with_value = known if reading.kinds else events["code"].filter(~empty).unique().to_list()
    left_out = empty & events["code"].is_in(with_value)
    for place, rows in events["code"].filter(left_out).value_counts().sort("code").iter_rows():
        reading.count(EMPTY, rows, part.codes[place])
    return events.filter(~left_out)


def rename_codes(part: Part, reading: Reading) -> None:
    """Gives codes their new names; a name that does not occur is counted, since a small file may lack a code."""
    table = reading.table
    for key, names in (("rename", list(table.rename)), ("categorical", table.categorical)):
        for name in names:
            if name not in part.codes:
                reading.count(f"code named in `{key}` that does not occur", 1, name)
    part.codes, place = _renamed(part, reading)
    part.events = part.events.with_columns(place.alias("code"))


def _renamed(part: Part, reading: Reading) -> tuple[list[str], pl.Series]:
    """The codes by their new names, and for each row the place of its own among them."""
    rename = reading.table.rename
    renamed, places = factorized(pl.Series([rename.get(code, code) for code in part.codes], dtype=pl.String))
    return renamed.to_list(), places.gather(part.events["code"])
