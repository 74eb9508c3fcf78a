"""The fitted preparation as plain numbers: what `prepare.json` of a bundle holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from sequela.prepare.settings import Missing

Positive = Annotated[FiniteFloat, Field(gt=0)]


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberState(_State):
    """A code with numbers: prepared = (value - center) / spread."""

    kind: Literal["number"] = "number"
    code: str
    center: FiniteFloat
    spread: Positive
    fill: FiniteFloat  # the training mean, in the code's own unit
    missing: Missing
    typical_gap_hours: Positive  # the median training gap between two measurements
    usual: tuple[FiniteFloat, FiniteFloat] | None  # means of the min_people most extreme personal minima, maxima


class CategoryState(_State):
    """A code with categories: one column for each level, and one for all others."""

    kind: Literal["category"] = "category"
    code: str
    levels: list[str]
    shares: list[FiniteFloat]  # of training values, one a level and the last for all others
    missing: Missing
    typical_gap_hours: Positive


class StaticNumberState(_State):
    """A static number, or the age in years at the episode's start; a second column says whether it is known."""

    kind: Literal["static number"] = "static number"
    code: str
    center: FiniteFloat
    spread: Positive
    fill: FiniteFloat


class StaticCategoryState(_State):
    """A static fact that is a category: one column for each level, one for all others; all 0 where unknown."""

    kind: Literal["static category"] = "static category"
    code: str
    levels: list[str]


class TargetState(_State):
    """A target: scaled = (value - center) / spread."""

    code: str
    center: FiniteFloat
    spread: Positive


class PreparedState(_State):
    """Everything that preparation learned from training people."""

    features: list[Annotated[NumberState | CategoryState, Field(discriminator="kind")]]
    static: list[Annotated[StaticNumberState | StaticCategoryState, Field(discriminator="kind")]]
    targets: list[TargetState]
    min_people: int

    @model_validator(mode="after")
    def _columns_are_counted(self) -> PreparedState:
        for feature in self.features:
            if isinstance(feature, CategoryState) and len(feature.shares) != len(feature.levels) + 1:
                raise ValueError("a category needs one share for each level and one for all others")
        return self

    @property
    def columns(self) -> list[str]:
        """Return the names of the F dense input columns."""
        return [name for feature in self.features for name in column_names(feature)]

    @property
    def gap_unit_hours(self) -> list[float]:
        """Return the typical gap of each of the F columns."""
        return [feature.typical_gap_hours for feature in self.features for _ in column_names(feature)]

    @property
    def static_columns(self) -> list[str]:
        """Return the names of the K static input columns."""
        return [name for fact in self.static for name in column_names(fact)]


def column_names(part: NumberState | CategoryState | StaticNumberState | StaticCategoryState) -> list[str]:
    """Return the names of the input columns that a part of the state fills."""
    if isinstance(part, NumberState):
        return [part.code]
    if isinstance(part, StaticNumberState):
        return [part.code, f"{part.code} is known"]
    return [f"{part.code} = {level}" for level in [*part.levels, "(other)"]]
