"""What a study says about one of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from sequela.records.durations import TimeUnit, duration
from sequela.settings import Settings

__all__ = ["Layout", "SeriesSettings", "Settings", "TableSettings", "TimeUnit"]

Layout = Literal["visits", "long", "series", "static"]
Source = Literal["csv", "parquet", "meds", "physionet2012"]

# What a source settles by itself: a study leaves these keys out, or writes what stands here (as a resolved study does).
_SETTLED: dict[str, dict[str, str]] = {
    "meds": {"layout": "long"},
    "physionet2012": {
        "layout": "long",
        "subject": "RecordID",
        "time": "Time",
        "time_unit": "hours",
        "code": "Parameter",
        "value": "Value",
        "role": "input",
    },
}
_PRESET: dict[str, dict[str, str]] = {"meds": {"time": "time"}}
# Keys that mean nothing to a source: their default is all that is let in.
_WITHOUT_USE: dict[str, tuple[str, ...]] = {
    "meds": ("time_unit", "series", "delimiter", "decimal", "encoding"),
    "physionet2012": (
        "time_zone", "available", "columns", "unit", "text", "series", "delimiter", "decimal", "encoding"
    ),
}  # fmt: skip


def _is_a_time_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone of the IANA list, such as 'Europe/Berlin' or 'UTC'") from None
    return zone


TimeZone = Annotated[str, AfterValidator(_is_a_time_zone)]


class SeriesSettings(Settings):
    """Layout `series`: the successive columns are readings of one code, one every so often."""

    code: str
    every: str = "1d"

    @field_validator("every")
    @classmethod
    def _is_a_duration(cls, every: str) -> str:
        duration(every)
        return every


class TableSettings(Settings):
    """One `[[records]]` table of the study file (docs/study.md)."""

    name: str
    source: Source = "csv"
    path: str | Annotated[list[str], Field(min_length=1)]
    role: Literal["input", "outcome"] = "input"
    layout: Layout = "visits"
    subject: str = "subject_id"
    time: str | None = None
    time_unit: TimeUnit | None = None
    time_zone: TimeZone = "UTC"
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

    @model_validator(mode="before")
    @classmethod
    def _as_the_source_has_it(cls, given: Any) -> Any:
        source = given.get("source") if isinstance(given, Mapping) else None
        if not isinstance(source, str) or source not in _SETTLED:
            return given
        settled = _SETTLED[source]
        for key in settled:
            if given.get(key) not in (None, settled[key]):
                raise ValueError(_settled_already(source, key))
        for key in _WITHOUT_USE[source]:
            default = cls.model_fields[key].get_default(call_default_factory=True)
            if given.get(key) not in (None, default):
                raise ValueError(f"source '{source}' has no use for `{key}`: remove it")
        return _PRESET.get(source, {}) | {key: value for key, value in given.items() if value is not None} | settled

    @field_validator("delimiter")
    @classmethod
    def _can_delimit(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in '"\n\r' or delimiter.isalnum():
            raise ValueError('expected a sign such as "," ";" "|" or a tab')
        return delimiter

    @model_validator(mode="after")
    def _layout_has_what_it_needs(self) -> TableSettings:
        if self.layout in ("visits", "long") and self.time is None:
            raise ValueError(f"layout '{self.layout}' needs `time`, the name of the column that holds the time")
        if self.layout == "series" and self.series is None:
            raise ValueError('layout \'series\' needs `series`, such as { code = "sbp", every = "1d" }')
        if self.layout == "series" and self.time is not None:
            raise ValueError(
                "layout 'series' has no column of times: remove `time`, `series.every` spaces the readings"
            )
        if self.layout != "series" and self.series is not None:
            raise ValueError(f"`series` is for layout 'series', this table has layout '{self.layout}'")
        if self.available is not None and self.time is None:
            raise ValueError("`available` needs `time`: a fact without a time is known from the start")
        if self.decimal == self.delimiter:
            raise ValueError("`decimal` and `delimiter` are the same character")
        return self


def _settled_already(source: str, key: str) -> str:
    if key == "role":
        return (
            f"source '{source}' holds inputs only: give the outcomes in a table of their own, "
            'with source = "csv", layout = "static" and role = "outcome"'
        )
    if key == "layout":
        return f"source '{source}' has a layout of its own: remove `layout`"
    return f"source '{source}' has columns of its own: remove `{key}`"
