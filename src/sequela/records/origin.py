"""Where the rows of a table come from, so that a refusal can name file, column and data rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from sequela.errors import RecordsError
from sequela.records.words import nearest

FIRST_LINE = "the first line of the file holds the names of columns"
_DATUM = re.compile(r"[+-]?[0-9.,:TZ/ -]+$")


@dataclass(frozen=True)
class Origin:
    """The files (or the frame) whose rows, one after the other, are the rows of a table.

    Args:
        names: what the user wrote: a path, or `frame 'NAME'`; a file inside of an archive or a folder below its path.
        heights: data rows of each.
        given: what the user wrote, where that is a folder or an archive of many files.
    """

    names: tuple[str, ...]
    heights: tuple[int, ...]
    given: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """What the user wrote: files, folders, archives, or the frame."""
        return self.given or self.names

    @property
    def name(self) -> str:
        """All sources as one text."""
        return ", ".join(self.sources)

    def refusal(
        self, problem: str, remedy: str, *, column: str | None = None, faulty: pl.Series | None = None
    ) -> RecordsError:
        """An error that names the first file at fault and its data rows.

        Args:
            problem: what was expected and what came; never the content of a cell.
            remedy: what to do.
            column: the column at fault.
            faulty: a boolean for each row of the table, True where it is at fault.
        """
        if faulty is None:
            return RecordsError(self.name, problem, remedy, column=column)
        rows = faulty.arg_true().to_numpy()
        starts = np.concatenate([[0], np.cumsum(self.heights)])
        for name, (start, stop) in zip(self.names, pairwise(starts), strict=True):
            within = rows[(rows >= start) & (rows < stop)] - start + 1
            if within.size:
                first = [int(row) for row in within[:5]]
                return RecordsError(name, problem, remedy, column=column, rows=first, total=int(within.size))
        return RecordsError(self.name, problem, remedy, column=column)

    def require(self, name: str, known: Iterable[str], *, key: str) -> None:
        """Refuses a name that the study gives under `key` and the table does not have.

        Raises:
            RecordsError: names the nearest column.
        """
        if name not in (columns := list(known)):
            raise self.refusal(f"there is no column '{name}' (key `{key}`)", remedy_for(name, columns))


def looks_like_a_cell(name: str) -> bool:
    """Whether a column's name is a number, a date or a time: what stands there is a patient's row."""
    return _DATUM.match(name) is not None


def remedy_for(name: str, known: Iterable[str]) -> str:
    """What to write instead of a name that does not exist: the nearest one, which is a guess, and the names there are.

    A file without a header has a patient's row where the names should be, so names that are numbers are not listed.
    """
    names = list(known)
    guess = nearest(name, names).lstrip()
    remedy = f"{guess} Name a column that the table has".lstrip()
    if any(looks_like_a_cell(column) for column in names):
        return f"{remedy}, and check that {FIRST_LINE}"
    listed = ", ".join(f"'{column}'" for column in names[:12]) + (", ..." if len(names) > 12 else "")
    return f"{remedy}: {listed or 'there is none'}"
