"""CSV files: bytes to a frame of text cells, once the shape of every row has been checked.

Polars fills short rows with nulls and stops at long ones without their number. So the bytes are scanned first, in
blocks and with numpy: fields of each row, blank lines, open quotation marks. What follows can then trust the shape.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from sequela.errors import RecordsError
from sequela.records.origin import FIRST_LINE, looks_like_a_cell
from sequela.records.settings import TableSettings

_BLOCK = 1 << 23
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_ONE_BYTE = ("iso8859", "cp125")
_ARCHIVES = {
    b"PAR1": ("a Parquet file", 'Set source = "parquet"'),
    b"PK\x03\x04": ("a spreadsheet or a zip archive", "Export the table as CSV, or unpack it"),
    b"\x1f\x8b": ("compressed with gzip", "Unpack the file first"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Unpack the file first"),
    b"\xd0\xcf\x11\xe0": ("an old spreadsheet", "Export the table as CSV"),
}


def delimited_cells(data: bytes, table: TableSettings, source: str) -> tuple[pl.DataFrame, int]:
    """All cells of a CSV file as text, columns named by the header, and the number of blank lines left out.

    Raises:
        RecordsError: no header, wrong encoding, a row of another length than the header, a quotation mark left open
            or inside of a field without any around it, column names that occur twice, one column only (the delimiter
            is another), the header again among the rows.
    """
    data = _as_utf8(data, table, source)
    shape = _scan(data, ord(table.delimiter))
    if shape.fields.size == 0:
        raise RecordsError(source, "the file is empty", "Give a file with a header and at least one data row")
    if shape.stray_quote is not None:
        before = _scan(data[: shape.stray_quote], ord(table.delimiter))
        raise _unreadable_quotes(source, before.fields.size)
    if shape.open_quote:
        row = [shape.fields.size - 1] if shape.fields.size > 1 else []
        remedy = "Close it, or double every quotation mark that belongs to the text"
        raise RecordsError(source, "a quotation mark opens and never closes", remedy, rows=row)
    header = _header(data, table, source)
    uneven = np.flatnonzero(shape.fields[1:] != len(header))
    if uneven.size:
        problem = f"the header has {len(header)} fields, here there are more or fewer"
        remedy = "Quote fields that contain the delimiter, or check `delimiter`"
        if uneven.size == shape.fields.size - 1:
            remedy += f", and that {FIRST_LINE}"
        rows = [int(row) + 1 for row in uneven[:5]]
        raise RecordsError(source, problem, remedy, rows=rows, total=int(uneven.size))
    if len(shape.blank):
        data = _without(data, shape.blank)
    frame = _parsed(data, table, source, header, shape.fields.size - 1)
    _refuse_header_again(frame, source)
    return frame, len(shape.blank)


@dataclass(frozen=True)
class _Shape:
    """What a scan finds: fields of every row that is not blank, header first; byte spans of blank lines; whether a
    quotation mark stays open; the place of the first one that neither opens nor closes a whole field.
    """

    fields: npt.NDArray[np.int64]
    blank: npt.NDArray[np.int64]
    open_quote: bool
    stray_quote: int | None


def _as_utf8(data: bytes, table: TableSettings, source: str) -> bytes:
    for magic, (what, remedy) in _ARCHIVES.items():
        if data.startswith(magic):
            raise RecordsError(source, f"expected a CSV file, this is {what}", remedy)
    try:
        codec = codecs.lookup(table.encoding)
        known = codec._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        problem = f"there is no encoding '{table.encoding}'"
        raise RecordsError(source, problem, 'Name one that Python knows, such as "utf-8", "latin-1" or "utf-16"')
    if data.startswith(codecs.BOM_UTF8) and codec.name not in ("utf-8", "utf-8-sig", "ascii"):
        problem = f'the file begins with the mark of UTF-8, and encoding = "{table.encoding}" is another'
        raise RecordsError(source, problem, 'Set encoding = "utf-8"')
    data = data.removeprefix(codecs.BOM_UTF8)
    if codec.name.startswith(_ONE_BYTE) and not data.isascii() and _is_utf8(data):
        problem = f'its letters are written in UTF-8, and encoding = "{table.encoding}" would garble them'
        raise RecordsError(source, problem, 'Set encoding = "utf-8"')
    try:
        if codec.name not in ("utf-8", "utf-8-sig"):
            data = data.decode(table.encoding).removeprefix("\ufeff").encode()
        elif not data.isascii():
            decoder = codecs.getincrementaldecoder("utf-8")()
            for start in range(0, len(data), _BLOCK):
                decoder.decode(data[start : start + _BLOCK], final=start + _BLOCK >= len(data))
    except UnicodeError as error:
        position = error.start if isinstance(error, UnicodeDecodeError) else 0
        if codec.name in ("utf-8", "utf-8-sig"):
            position = _first_undecodable(data)
        line = data.count(b"\n", 0, position) + 1
        problem = f"byte {position + 1} (line {line}) is not in encoding '{table.encoding}'"
        raise RecordsError(source, problem, 'Set `encoding`, such as "latin-1", "cp1252" or "utf-16"') from None
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def _is_utf8(data: bytes) -> bool:
    """Whether all letters beyond ASCII are sequences of UTF-8, as none that were written one byte each are."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _first_undecodable(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _scan(data: bytes, delimiter: int) -> _Shape:
    if data and not data.endswith(b"\n"):
        data += b"\n"
    quoted = _QUOTE in data
    fields, blank = [], []
    whole = np.frombuffer(data, np.uint8)
    inside, begun, seen = 0, 0, 0  # in quotes; first byte of the open row; its delimiters so far
    stray: int | None = None
    for start in range(0, len(data), _BLOCK):
        block = whole[start : start + _BLOCK]
        ends, marks = block == _NEWLINE, block == delimiter
        if quoted:
            open_here = (np.cumsum(block == _QUOTE, dtype=np.int32) + inside) & 1
            inside = int(open_here[-1])
            outside = open_here == 0
            if stray is None:
                marked = np.flatnonzero(block == _QUOTE)
                stray = _stray(whole, marked + start, outside[marked], delimiter)
            ends &= outside
            marks &= outside
        stops, places = np.flatnonzero(ends), np.flatnonzero(marks)
        if not stops.size:
            seen += places.size
            continue
        before = np.searchsorted(places, stops)
        counts = np.diff(before, prepend=0)
        counts[0] += seen
        seen = places.size - int(before[-1])
        first = np.concatenate([[begun], stops[:-1] + 1 + start])
        length = stops + start - first
        begun = int(stops[-1]) + 1 + start
        is_blank = (length == 0) | ((length == 1) & (whole[stops + start - 1] == _RETURN))
        fields.append(counts[~is_blank] + 1)
        if is_blank.any():
            blank.append(np.stack([first[is_blank], stops[is_blank] + start + 1], axis=1))
    if inside:
        fields.append(np.array([seen + 1]))
    none = np.zeros((0, 2), np.int64)
    all_fields = np.concatenate(fields) if fields else np.zeros(0, np.int64)
    return _Shape(all_fields, np.concatenate(blank) if blank else none, bool(inside), stray)


def _stray(
    whole: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], closes: npt.NDArray[np.bool_], delimiter: int
) -> int | None:
    """The first of these quotation marks that opens after something else than a field's beginning, or closes before
    something else than its end; two in a row close and open. (Before the first byte stands the last, a newline.)
    """
    beside = whole[np.where(closes, quotes + 1, quotes - 1)]
    ends = [_NEWLINE, delimiter, _QUOTE]
    wrong = ~(np.isin(beside, ends) | (closes & (beside == _RETURN)))
    return int(quotes[wrong.argmax()]) if wrong.any() else None


def _without(data: bytes, spans: npt.NDArray[np.int64]) -> bytes:
    edge = np.zeros(len(data) + 2, np.int8)
    np.add.at(edge, spans[:, 0], 1)
    np.add.at(edge, np.minimum(spans[:, 1], len(data)), -1)
    keep = np.cumsum(edge[: len(data)], dtype=np.int8) == 0
    return bytes(np.frombuffer(data, np.uint8)[keep])


def _header(data: bytes, table: TableSettings, source: str) -> list[str]:
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="") as text:
        rows = csv.reader(text, delimiter=table.delimiter)
        try:
            names = next((row for row in rows if row), [])
        except csv.Error:
            remedy = "Give a table with a header and one line a row"
            raise RecordsError(source, "the first line cannot be read as a header", remedy) from None
    header = [name.strip() for name in names]
    if len(header) == 1:
        found = [name for sign, name in ((",", ","), (";", ";"), ("\t", "\\t"), ("|", "|")) if sign in header[0]]
        remedy = f'Set delimiter = "{found[0]}"' if found else f"Check `delimiter`, and that {FIRST_LINE}"
        raise RecordsError(source, "only one column was found", remedy)
    if twice := sorted({name for name in header if header.count(name) > 1 and name}):
        problem, remedy = "the header names a column more than once", "Give every column its own name"
        if any(looks_like_a_cell(name) for name in header):
            raise RecordsError(source, problem, f"{remedy}, and check that {FIRST_LINE}")
        raise RecordsError(source, problem, remedy, column=twice[0])
    if header.count("") > 1:
        remedy = f"Name every column, and check that {FIRST_LINE}"
        raise RecordsError(source, "the header leaves more than one column without a name", remedy)
    return header


def _parsed(data: bytes, table: TableSettings, source: str, header: list[str], rows: int) -> pl.DataFrame:
    try:
        frame = pl.read_csv(data, separator=table.delimiter, infer_schema_length=0)
    except (pl.exceptions.PolarsError, ValueError, OSError):
        frame = None
    if frame is None or frame.height != rows or frame.width != len(header):
        raise _unreadable_quotes(source, 0) from None
    frame.columns = header
    return frame


def _refuse_header_again(frame: pl.DataFrame, source: str) -> None:
    first = frame.get_column(frame.columns[0]).str.strip_chars()
    suspects = (first == frame.columns[0]).arg_true()
    again = [row + 1 for row in suspects if [str(cell).strip() for cell in frame.row(row)] == frame.columns]
    if again:
        problem = "the names of the columns stand here again, as where files were joined"
        raise RecordsError(source, problem, "Delete these rows", rows=again[:5], total=len(again))


def _unreadable_quotes(source: str, rows: int) -> RecordsError:
    """Of the last of so many rows, the header among them; 0: of no row that is known."""
    problem = "quotation marks stand where they cannot be read as CSV"
    remedy = "Quote whole fields only, without spaces outside of the marks, and double quotation marks inside them"
    return RecordsError(source, problem, remedy, rows=[rows - 1] if rows > 1 else [])
