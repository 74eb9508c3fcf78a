"""What is done to the records before anything is asked: units, plausibility, derived codes. Nothing here is fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from sequela.errors import StudyError
from sequela.prepare.conversions import conversions_of, converted
from sequela.prepare.derived import parse_formula, with_derived
from sequela.prepare.plausible import plausible_limits, without_implausible
from sequela.prepare.settings import PrepareSettings
from sequela.prepare.units import averaged_over_units, several_units


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """Events in the study's units, one value of a code at an instant, within their limits, with derived codes."""

    events: pl.DataFrame
    implausible: pl.DataFrame  # subject_id, known and code of each value that was taken out
    averaged: dict[str, int]  # by code, how many values went into the mean of others at their instant


class Cleaning(BaseModel):
    """Limits, conversions and formulas by code, as a study resolved them; a bundle keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: dict[str, list[FiniteFloat]] = {}
    conversions: dict[str, str] = {}  # such as "mmol/L -> mg/dL"
    derived: dict[str, str] = {}  # such as "HR / SysABP"

    @model_validator(mode="after")
    def _can_be_applied(self) -> Cleaning:
        if any(len(ends) != 2 or not ends[0] < ends[1] for ends in self.limits.values()):
            raise ValueError("limits are a lowest and a highest value")
        for formula in self.derived.values():
            parse_formula(formula)
        try:
            conversions_of(self.conversions)
        except StudyError:
            raise ValueError("a conversion of units cannot be read") from None
        return self

    def applied(self, events: pl.DataFrame) -> Cleaned:
        """Return the clean events, and what was averaged or taken out.

        Raises:
            StudyError: where a value states a unit that the study does not convert.
        """
        single, averaged = averaged_over_units(self.in_units(events)[0], several_units(events))
        plausible, taken_out = without_implausible(single, self.limits)
        return Cleaned(events=with_derived(plausible, self.derived), implausible=taken_out, averaged=averaged)

    def in_units(self, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the events in the study's units; and code, unit, values, converted of what was looked at."""
        return converted(events, conversions_of(self.conversions))


def cleaning_of(settings: PrepareSettings, codes: Iterable[str], units: Mapping[str, str | None]) -> Cleaning:
    """Return what a study cleans, with the built-in limits of those codes that it leaves to the table.

    Args:
        settings: `[prepare]` of the study.
        codes: of the records.
        units: the one unit of each code, after conversion, where it has one.
    """
    return Cleaning(
        limits=plausible_limits(settings, codes, units),
        conversions={code: text for code, text in settings.units.items() if "->" in text},
        derived=settings.derived,
    )
