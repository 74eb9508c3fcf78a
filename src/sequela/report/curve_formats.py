"""`curves.json` as the report reads it: aggregated points of the figures, format 1."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from sequela.report.formats import Estimate, Piece


class Cell(Piece):
    """One hexagon: its centre and how many predictions lie in it."""

    x: float
    y: float
    predictions: int


class Hexagons(Piece):
    """Observed (y) against predicted (x), counted in regular hexagons that stand on a corner.

    `size_x` is the distance between upright sides, which is that of neighbouring centres in a row. Both axes bear the
    same unit, so it fixes the hexagon, and a `size_y` is not read. `low` and `high` are the ends of both axes.
    """

    size_x: float | None = Field(default=None, gt=0)
    cells: list[Cell]
    hidden_predictions: int = 0
    low: float | None = None
    high: float | None = None


class BandError(Piece):
    """The error of one model in one band."""

    rmse: float | None = None


class Band(Piece):
    """A band of gaps or of history lengths: above `low` and not above `high`; null is an open end."""

    low: float | None = None
    high: float | None = None
    people: int
    predictions: int
    models: dict[str, BandError]


class TargetCurves(Piece):
    """What the figures of one target draw."""

    target: str
    unit: str | None = None
    hexagons: Hexagons | None = None
    error_by_gap: list[Band] = []
    gap_unit: str = "hours"
    error_by_history: list[Band] = []


class Roc(Piece):
    """Sensitivity against the share of false alarms."""

    false_positive_rate: list[float]
    sensitivity: list[float]


class PrecisionRecall(Piece):
    """Positive predictive value against sensitivity."""

    recall: list[float]
    precision: list[float]


class SmoothCurve(Piece):
    """The smoothed share of events at each predicted risk, with its pointwise interval."""

    predicted: list[float]
    observed: list[float | None]
    low: list[float | None] = []
    high: list[float | None] = []


class RiskGroup(Piece):
    """People of similar predicted risk: the mean risk, and the share who had the event."""

    predicted: float
    observed: float | None = None
    low: float | None = None
    high: float | None = None
    people: int
    predictions: int


class Bars(Piece):
    """A histogram: bars side by side, of any width."""

    low: list[float]
    high: list[float]
    predictions: list[int]
    share: list[float]


class Calibration(Piece):
    """Predicted and observed risk of one model, before or after recalibration."""

    curve: SmoothCurve | None = None
    groups: list[RiskGroup] = []
    histogram: Bars | None = None


class ByOutcome(Piece):
    """Predicted risks of those with the event, and of those without."""

    event: Bars | None = None
    no_event: Bars | None = None


class ModelCurves(Piece):
    """What the figures draw of one model of a risk."""

    model: str
    recalibration: str | None = None
    roc: Roc | None = None
    precision_recall: PrecisionRecall | None = None
    before: Calibration = Calibration()
    after: Calibration | None = None
    distribution: ByOutcome | None = None


class Benefit(Piece):
    """Net benefit over thresholds."""

    threshold: list[float]
    net_benefit: list[float | None]
    low: list[float | None] = []
    high: list[float | None] = []


class ModelBenefit(Benefit):
    """Net benefit of one model."""

    model: str


class Decision(Piece):
    """The decision curve; treating nobody has the net benefit 0."""

    treat_all: Benefit
    models: list[ModelBenefit] = []
    low: float
    high: float


class RiskCurves(Piece):
    """What the figures of a risk draw."""

    outcome: str
    prevalence: float | None = None
    models: list[ModelCurves] = []
    decision: Decision | None = None


class Window(Piece):
    """A span of time before the prediction."""

    label: str


class ImportantVariable(Estimate):
    """What a model loses where a variable's series is another person's; `windows` in the order of the importance's."""

    name: str
    kind: str = "series"
    windows: list[Estimate] = []


class Importance(Piece):
    """Which variables a model uses: the loss of a metric when each is exchanged between people."""

    metric: str
    people: int
    predictions: int
    repeats: int = 1
    windows: list[Window] = []
    variables: list[ImportantVariable] = []
    left_out: dict[str, int] = {}


class Shift(Estimate):
    """The metric with every imputed value moved by so many standard deviations."""

    shift: float


class MissingSensitivity(Piece):
    """How far the metric moves where what was filled in is wrong by a given amount."""

    metric: str
    points: list[Shift] = []
    verdict: str | None = None


class Curves(Piece):
    """`curves.json`: targets of a forecast, or the risk; beside either, importance and what imputation decides."""

    format: Literal[1]
    targets: list[TargetCurves] = []
    risk: RiskCurves | None = None
    importance: Importance | None = None
    missing_sensitivity: MissingSensitivity | None = None

    @model_validator(mode="after")
    def _draws_something(self) -> Self:
        if "targets" not in self.model_fields_set and self.risk is None:
            raise ValueError("neither targets of a forecast nor a risk")
        return self
