"""What a study says about the preparation of its records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from sequela.errors import StudyError
from sequela.prepare.clinical import ClinicalSettings, unknown_code
from sequela.prepare.conversions import Conversion, conversions_of
from sequela.prepare.derived import check_formulas, parse_formula
from sequela.records.durations import MICROSECONDS_PER_HOUR, parse_duration
from sequela.settings import Settings

Missing = Literal["zero", "mean", "last", "linear", "regression", "knn", "decay"]
Scale = Literal["standard", "minmax", "robust", "quantile", "none"]
Outliers = Literal["none", "iqr", "mad", "hampel"]
OutlierAction = Literal["flag", "missing", "clip"]
Aggregate = Literal["mean", "last", "min", "max", "sum"]
Limits = Annotated[list[float], Field(min_length=2, max_length=2)] | Literal["none", "default"]
Rule = TypeVar("Rule")

NONE, DEFAULT, REST = "none", "default", "*"
_TRANSFORM = re.compile(r"none|difference|moving_average:([2-9]|[1-9][0-9]{1,2}|1000)|log|yeo_johnson")
_TABLES = (
    *("plausible", "units", "outliers", "outlier_action", "missing", "carry_limit", "transform", "scale"),
    "aggregate",
)


class GridState(Settings):
    """A regular clock: bins of one span, right-closed from the episode's start, and how a bin sums up its values."""

    microseconds: Annotated[int, Field(gt=0, lt=1 << 62)]
    aggregate: dict[str, Aggregate]  # by code, "*" for the rest


class PrepareSettings(Settings):
    """The `[prepare]` of a study; one value for all codes, or a table by code with "*" for the rest."""

    plausible: Literal["none", "default"] | dict[str, Limits] = "none"
    units: dict[str, str] = {}  # "mmol/L -> mg/dL" converts; "mg/dL" alone is a name for the reader
    outliers: Outliers | dict[str, Outliers] = "none"
    outlier_action: OutlierAction | dict[str, OutlierAction] = "flag"
    missing: Missing | dict[str, Missing] = "last"
    carry_limit: str | dict[str, str] = "none"
    transform: str | dict[str, str] = "none"
    scale: Scale | dict[str, Scale] = "standard"
    grid: str = "none"
    aggregate: Aggregate | dict[str, Aggregate] = "mean"
    derived: dict[str, str] = {}  # codes made of two others, such as shock_index = "HR / SysABP"
    clinical: ClinicalSettings = ClinicalSettings()
    min_people: Annotated[int, Field(ge=1)] = 11

    @field_validator("plausible", mode="before")
    @classmethod
    def _whole_numbers_are_limits(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        for code, limits in value.items():
            if limits in (NONE, DEFAULT):
                continue
            if not isinstance(limits, list) or [type(end) in (int, float) for end in limits] != [True, True]:
                raise ValueError(
                    f"the limits of '{code}' are two numbers: write them such as {code} = [40, 300], or \"default\" or "
                    '"none"'
                )
        return {code: ends if isinstance(ends, str) else [float(end) for end in ends] for code, ends in value.items()}

    @field_validator("plausible")
    @classmethod
    def _limits_are_ordered(cls, value: str | dict[str, Limits]) -> str | dict[str, Limits]:
        for code, limits in value.items() if isinstance(value, dict) else ():
            if code == REST and not isinstance(limits, str):
                raise ValueError('the limits of "*" cannot be one range for every code: write "default" or "none"')
            if not isinstance(limits, str) and not limits[0] < limits[1]:
                raise ValueError(f"the limits of '{code}' are upside down: write them as [lowest, highest]")
        return value

    @field_validator("derived")
    @classmethod
    def _formulas_are_readable(cls, value: dict[str, str]) -> dict[str, str]:
        for formula in value.values():
            parse_formula(formula)
        return value

    @field_validator("transform")
    @classmethod
    def _transforms_are_known(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        for single in _singles(value):
            if not _TRANSFORM.fullmatch(single):
                raise ValueError(
                    f'there is no transform "{single}": write "none", "difference", "moving_average:3" (the mean of '
                    'the last 3 values), "log" or "yeo_johnson"'
                )
        return value

    @field_validator("carry_limit", "grid")
    @classmethod
    def _durations_are_readable(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        for single in _singles(value):
            try:
                _ = single == NONE or parse_duration(single)
            except ValueError as error:
                raise ValueError(f'"{single}" is no time: {error}. Write "none" or such a duration') from None
        return value

    @model_validator(mode="after")
    def _keys_have_something_to_act_on(self) -> PrepareSettings:
        if self.grid == NONE and "aggregate" in self.model_fields_set and set(_singles(self.aggregate)) != {"mean"}:
            raise ValueError('`aggregate` goes with a `grid`: write grid = "1h", or remove `aggregate`')
        for code, action in _by_code(self.outlier_action):
            outliers = _singles(self.outliers) if code == REST else [rule_for(self.outliers, code, NONE)]
            if action != "flag" and set(outliers) <= {NONE}:
                raise ValueError(
                    f'`outlier_action` goes with `outliers`{_of(code)}: write outliers = "iqr" (or another rule), or '
                    "remove `outlier_action`"
                )
        for code, limit in _by_code(self.carry_limit):
            missing = self.missing_rules if code == REST else [rule_for(self.missing, code, "last")]
            if limit != NONE and set(missing) <= {"zero", "mean"}:
                raise ValueError(
                    f'`carry_limit` goes with missing = "last"{_of(code)}: write that, or remove `carry_limit`'
                )
        return self

    @property
    def missing_rules(self) -> list[str]:
        """Return what `missing` says of any code; codes that a table without "*" does not name have "last"."""
        if isinstance(self.missing, str):
            return [self.missing]
        return [*self.missing.values(), *(["last"] if REST not in self.missing else [])]

    @property
    def limits(self) -> dict[str, list[float]]:
        """Return the plausible limits that the study itself names, by code."""
        table = self.plausible if isinstance(self.plausible, dict) else {}
        return {code: limits for code, limits in table.items() if not isinstance(limits, str)}

    @property
    def grid_state(self) -> GridState | None:
        """Return the clock that records are put on before anything is fitted."""
        if self.grid == NONE:
            return None
        table = self.aggregate if isinstance(self.aggregate, dict) else {REST: self.aggregate}
        return GridState(microseconds=parse_duration(self.grid), aggregate=table)

    @property
    def conversions(self) -> dict[str, Conversion]:
        """Return the conversions that the study asks for, by code.

        Raises:
            StudyError: where one cannot be.
        """
        return conversions_of(self.units)

    @property
    def unit_names(self) -> dict[str, str]:
        """Return the unit of each code that the study names: what it converts to, or what it says for the reader."""
        targets = {code: conversion.target for code, conversion in self.conversions.items()}
        return {code: targets.get(code, text) for code, text in self.units.items()}

    def wants_default_limits(self, code: str) -> bool:
        """Say whether the built-in table gives the limits of a code."""
        if isinstance(self.plausible, str):
            return self.plausible == DEFAULT
        return self.plausible.get(code, self.plausible.get(REST)) == DEFAULT

    def carry_limit_hours(self, code: str) -> float | None:
        """Return for how long a code's last value stands; None for ever."""
        limit = rule_for(self.carry_limit, code, NONE)
        return None if limit == NONE else parse_duration(limit) / MICROSECONDS_PER_HOUR

    def check_codes(self, codes: Iterable[str], measured: Iterable[str] | None = None) -> None:
        """Refuse a table that names a code that the records do not have, or what acts before derived codes are made.

        Args:
            codes: of the records.
            measured: those that have a number with a time; None: all of them.

        Raises:
            StudyError: with the nearest code that there is, or what to write.
        """
        check_formulas(self.derived, codes, codes if measured is None else measured)
        known = {*codes, *self.derived}
        self.clinical.check_codes(known)
        for key in _TABLES:
            table = getattr(self, key)
            for code in table if isinstance(table, dict) else ():
                if code != REST and code not in known:
                    raise unknown_code(f"[prepare] {key}", code, known)
        for key, named in (("plausible", self.limits), ("units", self.conversions)):
            for code in set(self.derived) & set(named):
                raise StudyError(
                    f"[prepare] {key}: '{code}' is derived, from values that are converted and within their limits. "
                    f"Name the codes of its formula, {self.derived[code]}, instead."
                )


def needs_own_sequences(settings: PrepareSettings) -> bool:
    """Say whether each prediction needs a sequence of its own: linear filling looks at the next value of its sequence.

    The study then asks with `alone=True`, so that the sequence ends at the prediction time.
    """
    return "linear" in _singles(settings.missing)


def rule_for(rules: Rule | Mapping[str, Rule], code: str, default: Rule) -> Rule:
    """Return the rule of a code: its own, that of "*", or the default."""
    if not isinstance(rules, Mapping):
        return rules
    return rules[code] if code in rules else rules.get(REST, default)


def _by_code(value: str | Mapping[str, str]) -> list[tuple[str, str]]:
    return [(REST, value)] if isinstance(value, str) else list(value.items())


def _of(code: str) -> str:
    return "" if code == REST else f" of '{code}'"


def _singles(value: str | Mapping[str, str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value.values())
