"""The fitted preparation as plain numbers: what `prepare.json` of a bundle holds."""

from __future__ import annotations

from itertools import accumulate
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from sequela.prepare.centroids import CentroidFill
from sequela.prepare.clinical import ClinicalSettings
from sequela.prepare.outliers import OutlierState
from sequela.prepare.quantile import QuantileScale
from sequela.prepare.regressions import RegressionFill
from sequela.prepare.rules import FARTHEST, Lookback
from sequela.prepare.settings import GridState, Missing, OutlierAction
from sequela.prepare.smearing import Smearing
from sequela.prepare.transforms import Difference, Log, NoTransform, TransformState, YeoJohnson

Positive = Annotated[FiniteFloat, Field(gt=0)]
CarryLimit = Annotated[FiniteFloat, Field(gt=0, le=2.5e9)]  # in microseconds a whole number of 64 bits


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberState(_State):
    """A code with numbers: limited, transformed, ranked if by quantiles; prepared = (that - center) / spread."""

    kind: Literal["number"] = "number"
    code: str
    outliers: OutlierState | None = None
    outlier_action: OutlierAction = "flag"  # adds the column "<code> outlier"
    transform: TransformState = NoTransform()
    quantiles: QuantileScale | None = None  # then center is 0 and spread 1
    center: FiniteFloat
    spread: Positive
    fill: FiniteFloat  # stands where nothing is known, before it is centred: the training mean, or what 0 becomes
    missing: Missing
    carry_limit_hours: CarryLimit | None = None  # for how long the last value stands; None: for ever
    deviation: Annotated[FiniteFloat, Field(ge=0)] = 1.0  # standard deviation of prepared training values
    typical_gap_hours: Positive  # the median training gap between two measurements, a day where too few people have two
    usual: tuple[FiniteFloat, FiniteFloat] | None  # means of the min_people most extreme personal minima, maxima

    @model_validator(mode="after")
    def _is_scaled_once(self) -> NumberState:
        if self.quantiles is not None and (self.center, self.spread) != (0, 1):
            raise ValueError("what is ranked by quantiles has the center 0 and the spread 1")
        return self

    @property
    def lookback(self) -> Lookback | None:
        """Return how far back its own rule for gaps looks; None where it looks ahead."""
        return None if self.missing == "linear" else Lookback(1, self.carry_limit_hours)

    @property
    def flags(self) -> bool:
        """True where a second column says which values stand out."""
        return self.outliers is not None and self.outlier_action == "flag"

    @property
    def scaled_fill(self) -> float:
        """Return what stands in a row where nothing is known."""
        return min(max((self.fill - self.center) / self.spread, -FARTHEST), FARTHEST)

    @property
    def as_measured(self) -> bool:
        """True where nothing but scaling is done to a value."""
        return self.outliers is None and self.transform.kind == "none" and self.quantiles is None


class CategoryState(_State):
    """A code with categories: one column for each level, and one for all others."""

    kind: Literal["category"] = "category"
    code: str
    levels: list[str]
    shares: list[Annotated[FiniteFloat, Field(ge=0)]]  # of training values, one a level and the last for all others
    missing: Missing
    carry_limit_hours: CarryLimit | None = None
    typical_gap_hours: Positive


class WordState(_State):
    """A code, or one level of a code, that comes as an event: amount = value / unit_amount, 1 without a value."""

    code: str
    level: str | None = None  # None: the code itself, with a number or without
    unit_amount: Positive = 1.0  # the root of the mean square of training values

    @property
    def name(self) -> str:
        """Return the word as `event_vocabulary` lists it."""
        return self.code if self.level is None else f"{self.code} = {self.level}"


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
    """A target: scaled = (transformed value - center) / spread."""

    code: str
    transform: Annotated[NoTransform | Difference | Log | YeoJohnson, Field(discriminator="kind")] = NoTransform()
    center: FiniteFloat
    spread: Positive
    fill: FiniteFloat = 0.0  # of `difference`: stands for the value known last where nothing was, the mean of labels
    smearing: Smearing | None = None  # of `log` and `yeo_johnson`, once a network has left residuals

    @model_validator(mode="after")
    def _comes_back(self) -> TargetState:
        if isinstance(self.transform, YeoJohnson) and not 0 <= self.transform.shape <= 2:
            raise ValueError("a target's shape lies between 0 and 2, or forecasts do not come back from it")
        return self


class PreparedState(_State):
    """Everything that preparation learned from training people."""

    features: list[Annotated[NumberState | CategoryState, Field(discriminator="kind")]]
    static: list[Annotated[StaticNumberState | StaticCategoryState, Field(discriminator="kind")]]
    targets: list[TargetState]
    min_people: Annotated[int, Field(ge=1)]
    regression: RegressionFill | None = None  # over the scaled first columns of the numbers, in their order
    knn: CentroidFill | None = None  # over the same
    words: list[WordState] = []  # what comes as events, in the order of their ids
    grid: GridState | None = None
    clinical: ClinicalSettings = ClinicalSettings()

    @model_validator(mode="after")
    def _columns_are_counted(self) -> PreparedState:
        for feature in self.features:
            if isinstance(feature, CategoryState) and len(feature.shares) != len(feature.levels) + 1:
                raise ValueError("a category needs one share for each level and one for all others")
        for part in [*self.features, *self.static]:
            if not isinstance(part, NumberState | StaticNumberState) and len(set(part.levels)) < len(part.levels):
                raise ValueError("a level stands there twice")
        return self

    @model_validator(mode="after")
    def _names_and_gaps_are_counted(self) -> PreparedState:
        numbers = [feature.code for feature in self.numbers]
        categories = [feature.code for feature in self.features if isinstance(feature, CategoryState)]
        for codes in (numbers, categories, [fact.code for fact in self.static], [word.name for word in self.words]):
            if len(set(codes)) < len(codes):
                raise ValueError("a code stands there twice")
        for joint in (self.regression, self.knn):
            if joint is not None and joint.variables != len(numbers):
                raise ValueError("what fills gaps from all numbers needs as many variables as there are numbers")
        return self

    @property
    def numbers(self) -> list[NumberState]:
        """Return the features with numbers, in their order."""
        return [feature for feature in self.features if isinstance(feature, NumberState)]

    @property
    def first_columns(self) -> list[int]:
        """Return the first dense column of each feature."""
        ends = accumulate(width(feature) for feature in self.features)
        return [end - width(feature) for feature, end in zip(self.features, ends, strict=True)]

    @property
    def columns(self) -> list[str]:
        """Return the names of the F dense input columns."""
        return [name for feature in self.features for name in column_names(feature)]

    @property
    def gap_unit_hours(self) -> list[float]:
        """Return the typical gap of each of the F columns."""
        return [feature.typical_gap_hours for feature in self.features for _ in column_names(feature)]

    @property
    def decay_towards(self) -> list[float | None]:
        """Return for each of the F columns the scaled training mean where missing = "decay", else None.

        There `values` holds the last value seen, up to its carry limit, and the network lets it fade towards this.
        """
        return [_decay_towards(feature, place) for feature in self.features for place in range(width(feature))]

    @property
    def event_vocabulary(self) -> list[str]:
        """Return the words that the ids of a batch's events stand for."""
        return [word.name for word in self.words]

    @property
    def static_columns(self) -> list[str]:
        """Return the names of the K static input columns."""
        return [name for fact in self.static for name in column_names(fact)]


def width(feature: NumberState | CategoryState) -> int:
    """Return how many dense columns a feature fills."""
    return len(column_names(feature))


def _decay_towards(feature: NumberState | CategoryState, place: int) -> float | None:
    if isinstance(feature, CategoryState) or feature.missing != "decay" or place:
        return None
    return feature.scaled_fill


def column_names(part: NumberState | CategoryState | StaticNumberState | StaticCategoryState) -> list[str]:
    """Return the names of the input columns that a part of the state fills."""
    if isinstance(part, NumberState):
        return [part.code, f"{part.code} outlier"] if part.flags else [part.code]
    if isinstance(part, StaticNumberState):
        return [part.code, f"{part.code} is known"]
    return [f"{part.code} = {level}" for level in [*part.levels, "(other)"]]
