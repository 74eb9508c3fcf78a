"""Every error that a caller may meet.

    SequelaError
    ├── InputError                 the input or the call is wrong            exit code 2
    │   ├── StudyError             the study file
    │   │   └── NotAvailableYet    a key of a later version
    │   ├── RecordsError           a table: names source, column, rows and remedy
    │   ├── CohortError            the question leaves nobody, or not enough people
    │   ├── BundleError            a bundle that is damaged or of another format
    │   └── RunError               a run folder that exists, or that is incomplete
    └── LeakError                  the audit found a leak                    exit code 3

Messages are one paragraph, say what was expected, what came and what to do, and never hold a patient's data.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category


class SequelaError(Exception):
    """Root of all errors that sequela raises on purpose."""

    exit_code = 1


class InputError(SequelaError):
    """The input or the call is wrong; the message says what to do."""

    exit_code = 2


class StudyError(InputError):
    """The study file asks for something that cannot be."""


class NotAvailableYet(StudyError):  # noqa: N818 - reads as the message it carries
    """The study file uses a key or a value of a later version."""


class RecordsError(InputError):
    """A table cannot be read as the study says.

    Args:
        source: the file (or the name of the frame) as the user wrote it.
        problem: what was expected and what came; never the content of a cell.
        remedy: what to do about it.
        column: the column at fault, where there is one.
        rows: one-based row numbers of data rows (the header is not counted), the first few of them.
        total: how many rows are at fault, where more than those listed.
    """

    def __init__(
        self,
        source: str,
        problem: str,
        remedy: str,
        *,
        column: str | None = None,
        rows: Sequence[int] = (),
        total: int | None = None,
    ) -> None:
        self.source, self.column, self.rows = source, column, tuple(rows)
        where = f"{source}"
        if column is not None:
            where += f", column '{column}'"
        if self.rows:
            listed = ", ".join(str(row) for row in self.rows[:5])
            count = total if total is not None else len(self.rows)
            more = f" and {count - len(self.rows[:5])} more" if count > len(self.rows[:5]) else ""
            where += f", row{'s' if count > 1 else ''} {listed}{more}"
        super().__init__(f"{where}: {problem}. {remedy}.")


class CohortError(InputError):
    """The question or the split leaves nobody, or too few people."""


class BundleError(InputError):
    """A bundle is damaged, incomplete or of a format that this version does not read."""


class RunError(InputError):
    """A run folder exists already, or lacks what is needed."""


class LeakError(SequelaError):
    """The audit found that the study would see the future."""

    exit_code = 3


def printable(text: str) -> str:
    r"""Return text for a terminal: signs that would steer it, or that cannot be seen, are written out.

    Example:
        >>> print(printable("sbp\x1b[31m"))
        sbp\x1b[31m
    """
    return "".join(ascii(sign)[1:-1] if category(sign).startswith("C") else sign for sign in text)
