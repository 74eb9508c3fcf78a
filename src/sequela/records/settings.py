"""What a study says about one of its tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Layout = Literal["visits", "long", "series", "static"]
TimeUnit = Literal["seconds", "minutes", "hours", "days", "months", "years"]


class Settings(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SeriesSettings(Settings):
    """Layout `series`: the successive columns are readings of one code, one every so often."""

    code: str
    every: str = "1d"


class TableSettings(Settings):
    """One `[[records]]` table of the study file (section 7 of the design)."""

    name: str
    source: Literal["csv", "parquet"] = "csv"
    path: str | Annotated[list[str], Field(min_length=1)]
    role: Literal["input", "outcome"] = "input"
    layout: Layout = "visits"
    subject: str = "subject_id"
    time: str | None = None
    time_unit: TimeUnit | None = None
    time_zone: str = "UTC"
    available: str | None = None
    columns: list[str] | None = None
    categorical: list[str] = []
    code: str = "code"
    value: str = "numeric_value"
    unit: str = "unit"
    text: str = "text_value"
    series: SeriesSettings | None = None
    rename: dict[str, str] = {}
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    na: list[str] = ["", "NA"]

    @model_validator(mode="after")
    def _layout_has_what_it_needs(self) -> TableSettings:
        if self.layout in ("visits", "long") and self.time is None:
            raise ValueError(f"layout '{self.layout}' needs `time`, the name of the column that holds the time")
        if self.layout == "series" and self.series is None:
            raise ValueError('layout \'series\' needs `series`, such as { code = "sbp", every = "1d" }')
        if self.decimal == self.delimiter:
            raise ValueError("`decimal` and `delimiter` are the same character")
        return self
