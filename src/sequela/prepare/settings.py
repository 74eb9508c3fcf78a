"""What a study says about the preparation of its records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from sequela.errors import StudyError
from sequela.records.words import nearest
from sequela.settings import Settings

Missing = Literal["zero", "mean", "last"]
Scale = Literal["standard", "minmax", "robust", "none"]
Rule = TypeVar("Rule", Missing, Scale)


class PrepareSettings(Settings):
    """The `[prepare]` of a study; one value for all codes, or a table by code with "*" for the rest."""

    plausible: Literal["none"] | dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = "none"
    units: dict[str, str] = {}  # names for the reader: nothing is converted
    missing: Missing | dict[str, Missing] = "last"
    scale: Scale | dict[str, Scale] = "standard"
    min_people: Annotated[int, Field(ge=1)] = 11

    @field_validator("plausible", mode="before")
    @classmethod
    def _whole_numbers_are_limits(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        for code, limits in value.items():
            if not isinstance(limits, list) or [type(end) in (int, float) for end in limits] != [True, True]:
                raise ValueError(f"the limits of '{code}' are two numbers: write them such as {code} = [40, 300]")
        return {code: [float(end) for end in limits] for code, limits in value.items()}

    @field_validator("plausible")
    @classmethod
    def _limits_are_ordered(cls, value: str | dict[str, list[float]]) -> str | dict[str, list[float]]:
        for code, (low, high) in value.items() if isinstance(value, dict) else ():
            if not low < high:
                raise ValueError(f"the limits of '{code}' are upside down: write them as [lowest, highest]")
        return value

    @property
    def limits(self) -> dict[str, list[float]]:
        """Return the plausible limits by code."""
        return self.plausible if isinstance(self.plausible, dict) else {}

    def check_codes(self, codes: Iterable[str]) -> None:
        """Refuse a table that names a code that the records do not have.

        Raises:
            StudyError: with the nearest code that there is.
        """
        known = set(codes)
        for key in ("plausible", "units", "missing", "scale"):
            table = getattr(self, key)
            for code in table if isinstance(table, dict) else ():
                if code != "*" and code not in known:
                    remedy = nearest(code, known) or " `sequela check` with the study lists the codes that there are."
                    raise StudyError(f"[prepare] {key}: no record has the code '{code}'.{remedy}")


def rule_for(rules: Rule | dict[str, Rule], code: str, default: Rule) -> Rule:
    """Return the rule of a code: its own, that of "*", or the default."""
    if not isinstance(rules, dict):
        return rules
    return rules[code] if code in rules else rules.get("*", default)
