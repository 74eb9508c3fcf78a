"""Files of PhysioNet's 2012 challenge as raw columns: one text file a stay, in folders or archives, read in place.

All files are gathered into one buffer and parsed at once; 4,000 files one by one would take minutes.

Source: I Silva, G Moody, DJ Scott, LA Celi, RG Mark. Predicting in-hospital mortality of ICU patients: the
PhysioNet/Computing in Cardiology Challenge 2012. Computing in Cardiology 39:245-248, 2012.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from sequela.errors import RecordsError
from sequela.records.archives import Member, members
from sequela.records.origin import Origin

SUBJECT, TIME, CODE, VALUE = "RecordID", "Time", "Parameter", "Value"
BLANK, NO_STAY = "blank line", "file that is none of a stay (NUMBER.txt), not read"
_HEADER = [b"Time", b"Parameter", b"Value"]
_STAY = re.compile(r"[0-9]{1,18}\.txt")
_COMMA, _NEWLINE = 44, 10


@dataclass
class _Gathered:
    """The text of all stays without headers, and for each stay its file, its id and its number of rows."""

    names: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    odd: dict[str, int] = field(default_factory=dict)

    def count(self, reason: str, number: int) -> None:
        if number:
            self.odd[reason] = self.odd.get(reason, 0) + number


def stays(given: Sequence[str], folder: Path) -> tuple[pl.DataFrame, Origin, dict[str, int]]:
    """All rows of all stays as text: RecordID (by the file's name), Time, Parameter, Value.

    Args:
        given: folders, archives, or single files of stays.
        folder: what relative paths are relative to.

    Returns:
        The rows, where each comes from, and what was left out by reason.

    Raises:
        RecordsError: nothing there, a damaged archive, a file without the header, a row of another length, two files
            of one stay that differ.
    """
    gathered = _Gathered()
    for source in given:
        before = len(gathered.ids)
        for name, data in _files(folder / source, source):
            if data is None:
                gathered.count(NO_STAY, 1)
            else:
                _add(gathered, name, data)
        if len(gathered.ids) == before:
            remedy = "Name the folder or the archive that holds the stays, files such as 132539.txt"
            raise RecordsError(source, "there is no file of a stay in it", remedy)
    _refuse_versions(gathered)
    origin = Origin(tuple(gathered.names), tuple(gathered.rows), tuple(given))
    frame = _parsed(b"".join(gathered.bodies), origin)
    return frame.insert_column(0, _ids(gathered)), origin, gathered.odd


def _files(path: Path, source: str) -> Iterator[Member]:
    if path.is_file() and _STAY.fullmatch(path.name):
        try:
            return iter([(source, path.read_bytes())])
        except OSError:
            raise RecordsError(source, "the file cannot be opened", "Check its permissions") from None
    found = members(path, source, lambda name: _STAY.fullmatch(name) is not None)
    return ((f"{source.rstrip('/')}/{name}", data) for name, data in found)


def _add(gathered: _Gathered, name: str, data: bytes) -> None:
    lines, blank = _lines(data, name)
    header, _, body = lines.partition(b"\n")
    if [cell.strip() for cell in header.split(b",")] != _HEADER:
        problem = "the first line is not Time,Parameter,Value"
        raise RecordsError(name, problem, "Give files as PhysioNet's 2012 challenge has them")
    gathered.count(BLANK, blank)
    gathered.names.append(name)
    gathered.ids.append(name.rpartition("/")[2].removesuffix(".txt"))
    gathered.bodies.append(body)
    gathered.rows.append(body.count(b"\n"))


def _refuse_versions(gathered: _Gathered) -> None:
    """A copy of a stay's file is no fault; two versions of it are, since one of them is wrong or cut off."""
    first: dict[str, tuple[str, bytes]] = {}
    for name, stay, body in zip(gathered.names, gathered.ids, gathered.bodies, strict=True):
        other, rows = first.setdefault(stay, (name, body))
        if body != rows:
            raise RecordsError(name, f"this stay has other rows in '{other}'", "Keep the file that is right")


def _lines(data: bytes, name: str) -> tuple[bytes, int]:
    """The text with one newline after every line and no blank ones, and how many those were."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise RecordsError(name, f"line {line} is not in encoding 'utf-8'", "Write the file as UTF-8") from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    if b"\n\n" not in data and not data.startswith(b"\n"):
        return data, 0
    lines = [line for line in data.split(b"\n") if line]
    return b"".join(line + b"\n" for line in lines), data.count(b"\n") - len(lines)


def _parsed(text: bytes, origin: Origin) -> pl.DataFrame:
    schema = {TIME: pl.String, CODE: pl.String, VALUE: pl.String}
    rows = sum(origin.heights)
    if not rows:
        return pl.DataFrame(schema=schema)
    _refuse_uneven(text, origin)
    return pl.read_csv(text, has_header=False, schema=schema, quote_char=None)


def _refuse_uneven(text: bytes, origin: Origin) -> None:
    """Every line has two commas: Polars would fill short rows with nulls."""
    signs = np.frombuffer(text, np.uint8)
    ends, commas = np.flatnonzero(signs == _NEWLINE), np.flatnonzero(signs == _COMMA)
    if commas.size == 2 * ends.size and (commas[1::2] < ends).all() and (commas[2::2] > ends[:-1]).all():
        return
    fields = np.diff(np.searchsorted(commas, ends), prepend=0)
    problem = "expected three fields (Time,Parameter,Value), here there are more or fewer"
    raise origin.refusal(problem, "Correct the lines", faulty=pl.Series(fields != 2))


def _ids(gathered: _Gathered) -> pl.Series:
    """The id of each row: a whole number where every file's name is one as Python writes it."""
    ids = pl.Series(SUBJECT, gathered.ids, dtype=pl.String)
    numbers = ids.cast(pl.Int64)
    ids = numbers if (numbers.cast(pl.String) == ids).all() else ids
    return ids.gather(_repeated(gathered.rows))


def _repeated(rows: Iterable[int]) -> pl.Series:
    counts = np.fromiter(rows, np.int64)
    return pl.Series(np.repeat(np.arange(counts.size, dtype=np.uint32), counts))
