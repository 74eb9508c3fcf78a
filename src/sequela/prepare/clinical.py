"""What a study says of values that a clinician reads by heart: usual ranges, points of scores, amounts.

Nothing here is fitted. `sequela.baselines.clinical` makes columns of it for the trees, the logistic regression and the
wide part of a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sequela.errors import StudyError
from sequela.prepare.derived import parse_formula
from sequela.records.durations import MICROSECONDS_PER_HOUR, parse_duration
from sequela.records.words import nearest
from sequela.settings import Settings

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
End = float | Literal["none"]
Reference = Annotated[list[End], Field(min_length=2, max_length=2)]


class ScorePart(Settings):
    """Points for one code: of the lowest value of a window, of its highest, or of the sum of its values.

    The most points that any line gives count: a line of `below` gives its points to what is below its limit, one of
    `at_least` to what is not.
    """

    of: Literal["extremes", "sum"] = "extremes"
    below: list[Pair] = []  # limit, points
    at_least: list[Pair] = []  # limit, points

    @model_validator(mode="after")
    def _some_value_gets_points(self) -> ScorePart:
        if not self.below and not self.at_least:
            raise ValueError("a part needs points: write such as below = [[40, 4], [55, 3]], or at_least = [[110, 2]]")
        return self


class Score(Settings):
    """A score: points of its parts, added up over a window that ends at the prediction time, and the one before."""

    window: str = "24h"
    parts: Annotated[dict[str, ScorePart], Field(min_length=1)]

    @field_validator("window")
    @classmethod
    def _window_is_readable(cls, value: str) -> str:
        try:
            parse_duration(value)
        except ValueError as error:
            raise ValueError(f'"{value}" is no time: {error}. Write such as window = "24h"') from None
        return value

    @property
    def hours(self) -> float:
        """Return the length of a window."""
        return parse_duration(self.window) / MICROSECONDS_PER_HOUR


class ClinicalSettings(Settings):
    """The `[prepare.clinical]` of a study."""

    reference: dict[str, Reference] = {}  # lowest and highest usual value, "none" for an open end
    scores: dict[str, Score] = {}
    amounts: list[str] = []  # codes whose values add up, such as "urine", also per another: "urine / weight"

    @field_validator("reference")
    @classmethod
    def _ranges_are_ordered(cls, value: dict[str, Reference]) -> dict[str, Reference]:
        for code, (low, high) in value.items():
            if low == high == "none":
                raise ValueError(
                    f"the range of '{code}' has no end: write [lowest, highest], one of them may be \"none\""
                )
            if not isinstance(low, str) and not isinstance(high, str) and not low < high:
                raise ValueError(f"the range of '{code}' is upside down: write it as [lowest, highest]")
        return value

    @field_validator("amounts")
    @classmethod
    def _amounts_are_readable(cls, value: list[str]) -> list[str]:
        for text in value:
            amount_codes(text)
        if len(set(value)) != len(value):
            raise ValueError("the list names the same thing twice: remove one")
        return value

    @property
    def is_empty(self) -> bool:
        """Say whether the study asks for nothing."""
        return not (self.reference or self.scores or self.amounts)

    def check_codes(self, codes: Iterable[str]) -> None:
        """Refuse a code that the records do not have.

        Raises:
            StudyError: with the nearest code that there is.
        """
        known = set(codes)
        named: Mapping[str, Iterable[str]] = {
            "reference": self.reference,
            "amounts": [code for text in self.amounts for code in amount_codes(text) if code is not None],
            **{f"scores.{name}": score.parts for name, score in self.scores.items()},
        }
        for key, wanted in named.items():
            for code in wanted:
                if code not in known:
                    raise unknown_code(f"[prepare.clinical] {key}", code, known)


def unknown_code(place: str, code: str, known: Iterable[str]) -> StudyError:
    """Return what to say where a study names a code that no record has: with the nearest that there is."""
    remedy = nearest(code, known) or " `sequela check` with the study lists the codes that there are."
    return StudyError(f"{place}: no record has the code '{code}'.{remedy}")


def amount_codes(text: str) -> tuple[str, str | None]:
    """Return the code of an amount, and the code that it is told per, None where there is none.

    Raises:
        ValueError: with what an amount looks like.

    Example:
        >>> amount_codes("urine / weight"), amount_codes("urine")
        (('urine', 'weight'), ('urine', None))
    """
    if " / " not in text:
        return text, None
    left, sign, right = parse_formula(text)
    if sign != "/":
        raise ValueError(f'"{text}" is no amount: write a code, or two such as "urine / weight"')
    return left, right
