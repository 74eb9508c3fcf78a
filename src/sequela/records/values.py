"""Cells to numbers and categories."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from sequela.records.origin import Origin
from sequela.records.settings import TableSettings

Kind = Literal["number", "text"]
_DATE = r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}(?: .*)?)$"
_DATE_IN_ONE = (
    "^(1[6-9]|2[0-2])[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(([01][0-9]|2[0-3])[0-5][0-9]([0-5][0-9])?)?$"
)
_LOOKED_AT = 1000  # numbers, of which by chance not even three would all look like dates
FLOAT32_MAX = 3.4028234663852886e38
_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_THOUSANDS = r"^[+-]?[0-9]{1,3}([.,' ’\u{a0}\u{202f}][0-9]{3})+([.,][0-9]+)?$"
_BEYOND = r"^(?:<=?|>=?|=<|=>|≤|≥|⩽|⩾|＜|＞)\s*"
_UNIT_IN_CELL = r"\s*[^\s\d.,+-]\S*$"
_ANY_NUMBER = r"[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+"
# "0 mmHg", "0/0", "0 (high)", "0+", "~ 0"; but no range ("0-0") and no name ("T0").
_ACCOMPANIED = r"^(?:[~≈±*$€£(−–'’]+\s*[+-]?0|[+-]?0\s*(?:[^0\s.,–—-]|[–—-]\s*[^0\s]))"
NOT_KNOWN = {
    "?", "-", "--", ".", "n/a", "na", "n.a.", "nan", "null", "unk", "unknown", "not known", "not available", "missing",
    "not recorded", "no data",
}  # fmt: skip
"""Words for "not known", in small letters."""
NAN = "not a number (NaN), read as missing"
LEADING_ZEROS = "number with leading zeros, as names have, read as a number (see `categorical`)"
AMONG_CATEGORIES = "number in a column of categories, read as one of them"


@dataclass
class Values:
    """A column's values: numbers, or texts, or neither where every cell is missing. Null = missing."""

    number: pl.Series | None = None
    text: pl.Series | None = None
    odd: dict[str, int] = field(default_factory=dict)

    @property
    def present(self) -> pl.Series | None:
        """Whichever of the two there is."""
        return self.number if self.number is not None else self.text


def cells(column: pl.Series, table: TableSettings) -> pl.Series:
    """A column without what stands for "missing": text stripped, `na` words, empty cells and NaN null.

    A word of `na` that is a number means that number, however a cell writes it: "-99" is "-99.0" too.
    """
    if are_categories(column):
        column = column.cast(pl.String)
    name = pl.col(column.name)
    frame = column.to_frame()
    if column.dtype == pl.String:
        bare = name.str.strip_chars()
        column = frame.select(pl.when(~bare.is_in(sorted({"", *table.na}))).then(bare)).to_series()
    elif column.dtype.is_float():
        column = frame.select(name.fill_nan(None)).to_series()
    absent = as_number(pl.Series(table.na, dtype=pl.String), table).drop_nulls()
    if not absent.len() or not (column.dtype == pl.String or column.dtype.is_numeric()):
        return column
    number = as_number(column, table) if column.dtype == pl.String else column
    if number.dtype != pl.Float32:  # there -99.9 is another number than in double precision
        number = number.cast(pl.Float64)
    is_absent = number.is_in(absent.cast(number.dtype).to_list()).fill_null(value=False)
    return column.to_frame().select(pl.when(~is_absent).then(name)).to_series()


def as_number(text: pl.Series, table: TableSettings) -> pl.Series:
    """Texts as Float64, null where a text is no number; the decimal sign is the table's, nothing parts thousands."""
    name = bare = pl.col(text.name)
    if table.decimal == ",":
        has_point = name.str.contains(".", literal=True)
        bare = pl.when(has_point).then(None).otherwise(name.str.replace(",", ".", literal=True))
    return text.to_frame().select(bare.cast(pl.Float64, strict=False).fill_nan(None)).to_series()


def otherwise_written(text: pl.Series, table: TableSettings, code: pl.Series | None = None) -> pl.Series:
    """True where a text is a number as the table has none.

    With the other decimal sign, with parted thousands, as a limit ("<5", "≥ 90", "<0.01 ng/mL"), or with something
    beside it that stands beside other numbers of the code too: "120 mmHg", "7.4 (high)", "120/80". The number in
    "1 - mild" and "2 - moderate" is a part of a name.

    Args:
        text: no number among them as the table has it.
        table: the table's settings.
        code: of each text; None: all are of one.
    """
    frame = text.to_frame("text").with_columns(code=pl.lit(0) if code is None else code)
    several = (
        pl.col("text").str.extract(f"({_ANY_NUMBER})").n_unique().over("code", _without_digits(pl.col("text"))) > 1
    )
    beside = is_accompanied(text) & frame.select(several).to_series()
    return _with_other_sign(text, table) | is_limit(text, table) | beside


def are_numbers(plain: int, others: pl.Series, table: TableSettings) -> bool:
    """Whether at least half of a column's cells are numbers, however written, words for "not known" left aside.

    Args:
        plain: how many are numbers as the table has them.
        others: all other cells.
        table: the table's settings.
    """
    numbers = plain + int(otherwise_written(others, table).sum())
    unsaid = int(others.str.to_lowercase().is_in(sorted(NOT_KNOWN)).sum())
    return numbers > 0 and 2 * numbers >= plain + others.len() - unsaid


def parts_thousands(text: pl.Series, table: TableSettings, code: pl.Series | None = None) -> pl.Series:
    """True where the decimal sign seems to part thousands, as in 1.718 beside 350.

    So it seems where three cells or more of a code have the sign, each before exactly three digits, and the largest
    cell without it lies between 100 and 999.

    Args:
        text: cells.
        table: the table's settings.
        code: of each cell; None: all are of one.
    """
    sign, cell = table.decimal, pl.col("text")
    has_sign = cell.str.contains(sign, literal=True)
    is_parted = cell.str.contains(rf"^[+-]?[1-9][0-9]{{0,2}}{re.escape(sign)}[0-9]{{3}}$")
    largest = cell.filter(~has_sign).cast(pl.Int64, strict=False).abs().max()
    seems = (is_parted.sum() >= 3) & (is_parted | ~has_sign).all() & largest.is_between(100, 999)
    frame = text.to_frame("text").with_columns(code=pl.lit(0) if code is None else code)
    # Of most codes, a few cells tell already that the sign is a decimal one.
    cleared = frame.head(10_000).filter(has_sign & ~is_parted)["code"].unique()
    left = frame.lazy().filter(~pl.col("code").is_in(cleared.implode()))
    suspects = left.group_by("code").agg(seems.alias("seems")).filter("seems").collect()["code"]
    if not suspects.len():
        return pl.Series([False]).new_from_index(0, text.len())
    of_suspects = pl.col("code").is_in(suspects.implode())
    return frame.select((is_parted & of_suspects).fill_null(value=False)).to_series()


def is_accompanied(text: pl.Series) -> pl.Series:
    """True where a text is a number with something beside it, such as a unit, a remark or another number; no date."""
    beside = _without_digits(pl.col("text")).str.contains(_ACCOMPANIED)
    return text.to_frame("text").select(beside & ~pl.col("text").str.contains(_DATE)).to_series()


def _without_digits(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_ANY_NUMBER, "0")


def is_limit(text: pl.Series, table: TableSettings) -> pl.Series:
    """True where a text is a sign such as "<" or "≥" before a number, with a unit behind it or without."""
    bare = text.str.replace(_BEYOND, "")
    number = bare.str.replace(_UNIT_IN_CELL, "")
    read = as_number(number, table).is_finite().fill_null(value=False) | _with_other_sign(number, table)
    return text.str.contains(_BEYOND) & read


def _with_other_sign(text: pl.Series, table: TableSettings) -> pl.Series:
    other = table.model_copy(update={"decimal": "." if table.decimal == "," else ","})
    return as_number(text, other).is_not_null() | text.str.contains(_THOUSANDS)


def canonical(column: pl.Series, table: TableSettings) -> pl.Series:
    """Categories as text; one spelling for a number ("3", never "3.0"), whatever the source writes.

    Numbers of more digits than a double holds, such as codes of a terminology, stay as they are written.
    """
    if column.dtype.is_integer():
        return column.cast(pl.String)
    name = pl.col(column.name)
    if column.dtype != pl.String:
        return column.to_frame().select(_spelled(name)).to_series()
    parsed = as_number(column, table)
    frame = pl.DataFrame({"text": column, "number": parsed})
    sign = table.decimal
    plain = pl.col("text").str.replace(sign, ".", literal=True).str.contains(_PLAIN_NUMBER)
    plain &= pl.col("number").abs() < 2.0**53
    spelled = pl.when(plain).then(_spelled(pl.col("number"))).otherwise(pl.col("text"))
    return frame.select(spelled.alias(column.name)).to_series()


def refuse_rounded(column: pl.Series, origin: Origin) -> None:
    """Refuses categories that are whole numbers of more digits than the column's type holds: several became one.

    Raises:
        RecordsError: names the rows.
    """
    if not column.dtype.is_float():
        return
    first = 2.0**24 if column.dtype == pl.Float32 else 2.0**53
    faulty = (column.abs() >= first).fill_null(value=False)
    if faulty.any():
        problem = f"whole numbers of so many digits are rounded in a column of type {column.dtype}, and these are names"
        raise origin.refusal(problem, "Write them as text or as integers", column=column.name, faulty=faulty)


def _spelled(number: pl.Expr) -> pl.Expr:
    whole = (number == number.round()) & (number.abs() < 2.0**53)
    return pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(number.cast(pl.String))


def are_categories(column: pl.Series) -> bool:
    """Whether a column of a Parquet file or frame is typed as categories."""
    return isinstance(column.dtype, (pl.Categorical, pl.Enum))


def typed(column: pl.Series, table: TableSettings, origin: Origin, *, name: str) -> pl.Series:
    """A column of a Parquet file or frame as text or numbers; true and false are texts.

    Raises:
        RecordsError: the type holds neither: dates, lists, structures, bytes.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal) or dtype == pl.Null:
        return column.cast(pl.Float64)
    if are_categories(column) or dtype == pl.Boolean:
        return column.cast(pl.String)
    if dtype == pl.String or dtype.is_integer() or dtype.is_float():
        return column
    problem = f"values are numbers, texts or true/false, this column is of type {dtype.base_type()}"
    remedy = "Convert it, or leave it out by listing `columns`"
    raise origin.refusal(problem, remedy, column=name)


def column_values(
    raw: pl.Series, table: TableSettings, origin: Origin, *, kind: Kind | None, categorical: bool
) -> Values:
    """The values of one column of a wide table.

    A text column is numeric where at least half of its cells are numbers (`are_numbers`); then every cell must be a
    number as the table has it. Else all its cells are categories, as are those of a column that is typed so.

    Args:
        raw: the column as the source holds it.
        table: the table's settings.
        origin: where its rows come from.
        kind: what the column is known to be, from an earlier reading; None: see above.
        categorical: the study lists it as a category.

    Raises:
        RecordsError: text among numbers, numbers with another decimal sign than the table's or with parted thousands,
            infinite numbers, numbers beyond single precision.
    """
    name, is_typed = raw.name, are_categories(raw) and kind is None
    raw = typed(raw, table, origin, name=name)
    odd = {}
    if raw.dtype.is_float() and (nan := int(raw.is_nan().sum())):
        odd[NAN] = nan
    read = cells(raw, table)
    if read.null_count() == read.len():
        return Values(odd=odd)
    if categorical:
        refuse_rounded(read, origin)
        return Values(text=canonical(read, table), odd=odd)
    if read.dtype != pl.String:
        if kind == "text":
            return Values(text=canonical(read, table), odd=odd)
        number = read.cast(pl.Float64)
    else:
        if kind == "text":
            return Values(text=read, odd=odd)
        number = as_number(read, table)
        faulty = read.is_not_null() & number.is_null()
        if is_typed or (kind is None and not are_numbers(number.count(), read.filter(faulty), table)):
            if numbers := number.count():
                odd[AMONG_CATEGORIES] = numbers
            return Values(text=read, odd=odd)
        refuse_text(read, faulty, table, origin)
        if kind is None:
            refuse_parted(parts_thousands(read, table), origin, column=name)
            if zeros := int(read.str.contains("^0[0-9]").sum()):
                odd[LEADING_ZEROS] = zeros
    refuse_infinite(number, origin, column=name)
    return Values(number=number, odd=odd)


def refuse_text(text: pl.Series, faulty: pl.Series, table: TableSettings, origin: Origin) -> None:
    """Refuses text where numbers are expected.

    Args:
        text: the cells.
        faulty: those that are no numbers.
        table: the table's settings.
        origin: where its rows come from.

    Raises:
        RecordsError: some row is True.
    """
    if faulty.any():
        problem, remedy = text_among_numbers(text.filter(faulty), table)
        raise origin.refusal(problem, remedy, column=text.name, faulty=faulty)


def refuse_parted(faulty: pl.Series, origin: Origin, *, column: str) -> None:
    """Refuses numbers whose decimal sign seems to part thousands (`parts_thousands`).

    Raises:
        RecordsError: some row is True.
    """
    if faulty.any():
        problem = (
            "the decimal sign seems to part thousands: three digits follow it in every cell, and whole numbers of 100 "
            "to 999 stand beside them"
        )
        remedy = "Write thousands without a sign; where it is a decimal sign, write whole numbers with it too (350.0)"
        raise origin.refusal(problem, remedy, column=column, faulty=faulty)


def refuse_dates(values: Values, origin: Origin) -> None:
    """Refuses values of which at least half are dates, in ISO 8601 or such as 31.5.2024; or all, such as 20240531.

    Raises:
        RecordsError: names the rows.
    """
    if values.text is not None:
        column = values.text
        is_date = column.str.contains(_DATE).fill_null(value=False)
    elif values.number is not None and are_dates_in_one(values.number):
        column = values.number
        is_date = column.is_not_null()
    else:
        return
    if 2 * is_date.sum() >= column.count():
        problem = "values are numbers or categories, here stand dates"
        remedy = (
            "Leave the column out by listing `columns`; give what happened then a table with that `time`; name births "
            "\"MEDS_BIRTH\" through `rename`, in layout 'static'; or list it in `categorical`"
        )
        raise origin.refusal(problem, remedy, column=column.name, faulty=is_date)


def are_dates_in_one(number: pl.Series) -> bool:
    """Whether numbers are dates, or instants, without signs between: 20240531, 202405311430.

    Example:
        >>> are_dates_in_one(pl.Series([20240531.0, 20240601.0, 20240602.0])), are_dates_in_one(pl.Series([1.0, 2.0]))
        (True, False)
    """
    seen = number.drop_nulls().head(_LOOKED_AT)
    digits = seen.filter(seen == seen.round()).cast(pl.Int64, strict=False).cast(pl.String)
    return seen.n_unique() >= 3 and digits.str.contains(_DATE_IN_ONE).sum() == seen.len()


def text_among_numbers(
    text: pl.Series, table: TableSettings, *, where: str = "", listed: str = "it"
) -> tuple[str, str]:
    """What is wrong with texts among numbers, and what to do.

    Args:
        text: the cells at fault.
        table: the table's settings.
        where: behind "expected numbers": among which.
        listed: what `categorical` would list.
    """
    problem = f"expected numbers{where}, here stands text"
    remedy = f"Correct the cells, add the word to `na`, set `decimal`, or list {listed} in `categorical`"
    if is_limit(text, table).all():
        problem = f"expected numbers{where}, here stand limits, such as those of detection"
        remedy = (
            'Choose what stands for a "<" or ">" and its number, such as the limit itself or half of it, and write '
            f"that into the cells; or read them as missing through `na`; or list {listed} in `categorical`"
        )
    elif is_accompanied(text).all():
        problem = f"expected numbers{where}, here stand numbers with something beside them, such as a unit"
        remedy = (
            "Leave the number alone in its cell: a unit goes into [prepare] `units` or, in a long table, into the "
            f"column `unit`, and each of two numbers (120/80) into its own column; or list {listed} in `categorical`"
        )
    return problem, remedy


def refuse_infinite(number: pl.Series, origin: Origin, *, column: str) -> None:
    """Refuses numbers that are infinite or do not fit into single precision.

    Raises:
        RecordsError: names the rows.
    """
    largest = number.abs().max()
    if largest is None or float(str(largest)) <= FLOAT32_MAX:
        return
    faulty = number.is_infinite().fill_null(value=False)
    if faulty.any():
        raise origin.refusal(
            "expected finite numbers, here they are infinite", "Correct the cells", column=column, faulty=faulty
        )
    faulty = (number.abs() > FLOAT32_MAX).fill_null(value=False)
    problem = "these numbers are beyond single precision (3.4e38)"
    raise origin.refusal(problem, "Use a larger unit, or correct the cells", column=column, faulty=faulty)
