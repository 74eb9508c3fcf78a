"""The files of a run as the report reads them: format 1 of each.

Keys that the report does not use are ignored, so that a run may hold more than this version draws.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Piece(BaseModel):
    """A frozen part of a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(Piece):
    """A number with its 95 % interval; null with a reason where it cannot be computed."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Subgroup(Piece):
    """One level of a static fact by which people are told apart."""

    name: str
    level: str


class Measure(Estimate):
    """One number of `metrics.json`, for one model, metric, target, horizon and weighting."""

    model: str
    metric: str
    target: str | None = None
    horizon_hours: float | None = None
    at: str | float | None = None
    subgroup: Subgroup | None = None
    threshold: float | None = None
    recalibrated: bool = False
    weighting: Literal["predictions", "people"] = "predictions"
    people: int | None = None
    events: int | None = None


class Comparison(Piece):
    """A paired difference, model minus against."""

    model: str
    against: str
    metric: str
    target: str | None = None
    threshold: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    outcome: Literal["better", "no_difference", "worse"] | None = None
    reason: str | None = None


class Splits(Piece):
    """A count for each split."""

    train: int
    tuning: int
    held_out: int


class Counts(Piece):
    """People and predictions of each split."""

    people: Splits
    predictions: Splits


class Metrics(Piece):
    """`metrics.json`: the headline numbers, everything measured, and the verdict."""

    format: Literal[1]
    question: Literal["forecast", "risk"]
    target: list[str]
    units: dict[str, str | None] = {}
    data: Counts | None = None
    models: dict[str, dict[str, Estimate]]
    measures: list[Measure] = []
    comparisons: list[Comparison] = []
    best_baseline: str | None = None
    not_recalibrated: dict[str, str] = {}
    verdict: str


class Epoch(Piece):
    """The losses of one pass over the training people."""

    epoch: int
    train_loss: float | None
    tuning_loss: float | None = None


class Fit(Piece):
    """The training of one network, a member of an ensemble or the only one."""

    fold: int
    member: int = 0
    best_epoch: int | None = None
    stopped: str
    epochs: list[Epoch]
    search: dict[str, Any] = {}


class History(Piece):
    """`history.json`: how training went, fold by fold."""

    format: Literal[1]
    loss: str
    fits: list[Fit]


class Clock(Piece):
    """Whether times are dates, and the unit of numeric times."""

    calendar: bool
    unit: str | None = None


class Source(Piece):
    """One table that was read."""

    name: str
    file: str
    layout: str
    rows: int
    people: int


class People(Piece):
    """How many people were read, asked about, and given a prediction."""

    read: int
    asked: int
    predicted: int


class RowCount(Piece):
    """Rows left out or merged, under their reason."""

    table: str
    reason: str
    code: str | None = None
    rows: int


class Variable(Piece):
    """One variable of the records."""

    code: str
    kind: str
    unit: str | None = None
    people: int
    values: int
    missing_share: float | None = None
    implausible: int = 0
    plausible: tuple[float, float] | None = None
    used: bool = True
    reason: str | None = None


class Exclusion(Piece):
    """Predictions that were not made, under their reason."""

    reason: str
    predictions: int
    people: int


class Note(Piece):
    """Predictions that were kept, and of which something must be known."""

    note: str
    predictions: int
    people: int


class Asked(Piece):
    """The prediction times, before exclusions; of a risk also its outcome, with events among those kept."""

    predictions: int
    without_target_share: float | None = None
    nothing_seen: int = 0
    horizon_hours_quartiles: tuple[float, float, float] | None = None
    outcome: str | None = None
    events: int | None = None
    people_with_event: int | None = None
    event_hours_quartiles: tuple[float, float, float] | None = None
    notes: list[Note] = []


class Split(Piece):
    """How people were divided."""

    by: str
    fractions: list[float] | None = None
    people: Splits
    predictions: Splits
    events: Splits | None = None
    people_with_event: Splits | None = None
    folds: int = 1


class Network(Piece):
    """The network's size beside the data's."""

    parameters: int
    cell: str
    hidden: list[int]
    predictions_train: int
    people_train: int
    warning: str | None = None


class OutlierCount(Piece):
    """What an outlier rule did to one variable."""

    rule: str
    action: str
    touched: int
    people: int | None = None


class Prepared(Piece):
    """One variable before and after preparation, over the steps that training predictions see."""

    code: str
    kind: str
    missing_before: float | None = None
    missing_after: float | None = None
    missing: str = "last"
    carry_limit_hours: float | None = None
    provenance: dict[str, int] = {}
    outliers: OutlierCount | None = None
    without_logarithm: int | None = None


class SparseCodes(Piece):
    """Codes that are fed as words rather than as columns."""

    words: int = 0
    cells: int = 0
    codes_left_out: int = 0


class UnitDoubt(Piece):
    """A code whose values look like another unit."""

    code: str
    share: float | None = None
    suggests: str | None = None
    conversion: str | None = None


class Preparation(Piece):
    """What preparation did to the values of training people, variable by variable."""

    steps: int
    grid: str | None = None
    order: list[str] = []
    variables: list[Prepared] = []
    events: SparseCodes = SparseCodes()
    units: list[UnitDoubt] = []


class Profile(Piece):
    """`profile.json`: the data, what was left out, the split, the network's size."""

    format: Literal[1]
    name: str
    clock: Clock
    tables: list[Source]
    people: People
    events: int
    instants: int
    counts: list[RowCount] = []
    variables: list[Variable]
    exclusions: list[Exclusion] = []
    asked: Asked
    split: Split
    network: Network
    preparation: Preparation | None = None


class Environment(Piece):
    """`environment.json`: with what, when and how the run was made."""

    format: Literal[1]
    sequela: str
    python: str
    platform: str
    packages: dict[str, str] = {}
    threads: int | None = None
    native: object = None
    seed: int | None = None
    started: str | None = None
    seconds: float | None = None
    command: str | None = None


class Finding(Piece):
    """One thing that may speak against the study, with what to do about it."""

    finding: str
    severity: Literal["certain", "likely", "note"] = "likely"
    table: str | None = None
    column: str | None = None
    evidence: str = ""
    remedy: str = ""
    accepted: str | None = None


class Audit(Piece):
    """`audit.json`: what the audit found, if it was carried out."""

    format: Literal[1]
    done: bool = False
    findings: list[Finding] = []
