"""An outcome's own columns as tables write them, row by row: what a refusal needs to name the file and the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from sequela.errors import RecordsError
from sequela.records.origin import Origin
from sequela.records.parts import Part
from sequela.records.settings import TableSettings

VALUES = {"row": pl.Int64, "subject_id": pl.Int64, "numeric_value": pl.Float64, "text_value": pl.String}


@dataclass(frozen=True)
class WrittenColumn:
    """One code's values, each with its row.

    Args:
        table: the settings of its table.
        origin: the files of its table.
        column: the column's name there; the code may be another.
        values: row (of the table, from 0), subject_id, numeric_value and text_value, of people whom the records know.
    """

    table: TableSettings
    origin: Origin
    column: str
    values: pl.DataFrame

    def refusal(self, problem: str, remedy: str, faulty: pl.Series | None = None) -> RecordsError:
        """An error that names the file, the column and the rows.

        Args:
            problem: what was expected and what came; never the content of a cell.
            remedy: what to do.
            faulty: a boolean for each row of `values`, True where it is at fault; None: the column as a whole is.
        """
        if faulty is None:
            return self.origin.refusal(problem, remedy, column=self.column)
        rows = pl.Series([False]).new_from_index(0, sum(self.origin.heights))
        rows = rows.scatter(self.values["row"].filter(faulty), values=True)
        return self.origin.refusal(problem, remedy, column=self.column, faulty=rows)


def written_columns(parts: list[Part], subjects: pl.DataFrame) -> dict[str, WrittenColumn]:
    """The columns of an outcome that the parts have noted, by code."""
    return {
        code: WrittenColumn(part.table, part.origin, column, _of_subjects(values, part, subjects))
        for part in parts
        for code, (column, values) in part.written.items()
    }


def _of_subjects(values: pl.DataFrame, part: Part, subjects: pl.DataFrame) -> pl.DataFrame:
    ids = part.people.cast(subjects.schema["source_id"]).alias("source_id").to_frame()
    subject = ids.join(subjects, on="source_id", how="left", maintain_order="left")["subject_id"]
    found = values.with_columns(subject.gather(values["person"]).alias("subject_id"))
    return found.filter(pl.col("subject_id").is_not_null()).select(
        pl.col(name).cast(dtype) for name, dtype in VALUES.items()
    )


def note_column(part: Part, code: str, column: str, values: Mapping[str, pl.Series | None]) -> None:
    """Keeps the values of an outcome's column with their rows, while every row is in its place.

    Codes of a long table that are renamed to one come one after the other.

    Args:
        part: its events stand in the order of the rows.
        code: the column's code, renamed already.
        column: its name in the table.
        values: `numeric_value` and `text_value`, where there are any.
    """
    given = {name: read for name, read in values.items() if read is not None}
    person = part.events.get_column("person")
    frame = pl.DataFrame({"person": person, **given}).with_row_index("row")
    both = ("numeric_value", "text_value")
    frame = frame.with_columns(pl.lit(None, VALUES[name]).alias(name) for name in both if name not in given)
    frame = frame.filter(pl.any_horizontal(pl.col(both).is_not_null())).select("row", "person", *both)
    if code in part.written:
        frame = pl.concat([part.written[code][1], frame])
    part.written[code] = (column, frame)
