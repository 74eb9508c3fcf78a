"""Gradient boosting that sees the network's outputs beside the statistics of the records.

For training people the outputs are out-of-fold: those of the member that was trained without their fold. A network says
more of the people that it learned from than of others, and a booster that saw this would trust it too much. The outputs
stand among the columns. A forecast starts from what the network says, since trees cannot say more than they have seen;
a risk starts from the share of events, which was better on people not learned from (docs/decisions/hybrid.md). The
boosting has the settings that the baseline of its kind tries first, and is the mean of several that differ in their
seed alone: what single ones make of chance evens out.

Tuning people say how many trees each of them gets. Where a study trains again on training and tuning people, so many
trees are then grown from what networks say of both that were trained on both, out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.boosting import FEWEST_ROWS, FORECAST, RISK, always
from sequela.baselines.cuts import between_people
from sequela.baselines.examples import Examples
from sequela.baselines.growing import binned, complete_columns, grow, grow_while_it_gains, read_booster
from sequela.baselines.side_by_side import Stop, side_by_side
from sequela.baselines.trees import Tree, read_grown, read_trees, write_trees
from sequela.baselines.windows import WindowStatistics
from sequela.models import seed_of_member

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

Floats = NDArray[np.float64]
Kind = Literal["risk", "forecast"]

_GOALS = {"risk": RISK, "forecast": FORECAST}
_BOOSTERS = 5
_FEWEST_ROWS_A_BIN = 11  # a threshold between the values of two rows would tell of them


@dataclass(frozen=True, kw_only=True)
class Stacked:
    """Examples and what the network says of them: out-of-fold for training people, the members' mean for others."""

    examples: Examples
    outputs: Floats  # risk [R] logits, forecast [R, horizons, targets] in the targets' units

    def __post_init__(self) -> None:
        if self.outputs.shape != self.examples.labels.shape:
            raise ValueError(f"outputs {self.outputs.shape} and labels {self.examples.labels.shape} differ in shape")

    def of(self, output: int) -> _Column:
        """Return one output of the network with its labels, as far as these are known."""
        label = self.examples.labels.reshape(len(self.outputs), -1)[:, output]
        known = ~np.isnan(label)
        outputs = self.outputs.reshape(len(self.outputs), -1)
        table = _table(self.examples.statistics, outputs)
        person = self.examples.person
        return _Column(table=table[known], said=outputs[known, output], label=label[known], person=person[known])


@dataclass(frozen=True, kw_only=True)
class _Column:
    table: NDArray[np.float32]  # [N, statistics + outputs]
    said: Floats  # [N]
    label: Floats  # [N]
    person: NDArray[np.int64]  # [N]


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The boosting of one output: starts from intercept + slope * output."""

    intercept: float
    slope: float
    trees: list[Tree]
    booster: Booster


@dataclass(frozen=True, kw_only=True)
class HybridModel:
    """A fitted hybrid: one model a risk, or one for each horizon and target of a forecast."""

    kind: Kind
    statistics: int  # columns
    shape: tuple[int, ...]  # of one prediction: () for a risk, (horizons, targets) for a forecast
    parts: list[_Part]

    def predict(self, statistics: WindowStatistics, outputs: Floats) -> Floats:
        """Return probabilities [R], or forecasts [R, horizons, targets] in the targets' units.

        Args:
            statistics: of the R predictions, with the columns of the fit.
            outputs: the mean of the members, in the shape and on the scale of the fit's.
        """
        said = outputs.reshape(len(outputs), len(self.parts))
        table = _table(statistics, said)
        margins = [_margin(part, table, said[:, number]) for number, part in enumerate(self.parts)]
        margin = np.stack(margins, axis=1).reshape(len(outputs), *self.shape)
        return 1 / (1 + np.exp(-margin)) if self.kind == "risk" else margin

    def to_text(self) -> str:
        """Return the model in LightGBM's format, one after the other where there are several outputs."""
        features = self.statistics + len(self.parts)
        return "".join(
            write_trees(
                part.trees,
                features=features,
                objective=_GOALS[self.kind].written,
                start=(part.intercept, part.slope),
            )
            for part in self.parts
        )

    @classmethod
    def from_text(cls, text: str, *, kind: Kind, statistics: int, shape: tuple[int, ...]) -> HybridModel:
        """Return the model that `to_text` wrote.

        Args:
            text: of `trees.txt`.
            kind: of the study's question.
            statistics: columns of the window statistics.
            shape: of one prediction: () for a risk, (horizons, targets) for a forecast.

        Raises:
            BundleError: where the text is damaged, or of another study.
        """
        outputs = int(np.prod(shape, dtype=np.int64))
        features = statistics + outputs
        read = read_trees(text, models=outputs, features=features, objective=_GOALS[kind].written)
        parts = [_part(trees, start, features, kind) for trees, start in read]
        return cls(kind=kind, statistics=statistics, shape=shape, parts=parts)


@dataclass(frozen=True, kw_only=True)
class FittedHybrid:
    """A hybrid before and after tuning people taught it."""

    first: HybridModel  # taught by training people alone: the one to ask about tuning people
    final: HybridModel  # taught by tuning people too, where the study trains again; else the same


def fit_hybrid(
    training: Stacked,
    tuning: Stacked,
    *,
    kind: Kind,
    seed: int,
    threads: int,
    min_people: int,
    everyone: Stacked | None = None,
) -> FittedHybrid:
    """Return boosting from the network's out-of-fold outputs, stopped by tuning people.

    Where too few training rows have a label for a tree to branch, or all the same one, the network speaks for itself.

    Args:
        training: training people with out-of-fold outputs.
        tuning: tuning people with the members' mean.
        kind: of the question.
        seed: of the boosting.
        threads: boosters that are fitted at once, at most.
        min_people: that lie between two thresholds of a column, if anybody does.
        everyone: training and tuning people with out-of-fold outputs of networks that both taught: with as many trees,
            boosting is fitted again on these. None: it is not.
    """
    shape = training.outputs.shape[1:]
    outputs = int(np.prod(shape, dtype=np.int64))
    statistics = training.examples.statistics.matrix.shape[1]
    boosting = _Boosting(
        kind=kind,
        settings=[_settings(kind, seed_of_member(seed, n)) for n in range(_BOOSTERS)],
        threads=threads,
        min_people=min_people,
    )
    parts = [
        _fit_parts(training.of(output), tuning.of(output), None if everyone is None else everyone.of(output), boosting)
        for output in range(outputs)
    ]
    first, final = (
        HybridModel(kind=kind, statistics=statistics, shape=shape, parts=list(each))
        for each in zip(*parts, strict=True)
    )
    return FittedHybrid(first=first, final=final)


def _table(statistics: WindowStatistics, outputs: Floats) -> NDArray[np.float32]:
    return np.concatenate([statistics.matrix, outputs], axis=1, dtype=np.float32, casting="same_kind")


def _margin(part: _Part, table: NDArray[np.float32], said: Floats) -> Floats:
    start: Floats = part.intercept + part.slope * said
    if not part.trees or not len(table):
        return start
    grown: Floats = np.asarray(part.booster.predict(table, raw_score=True, num_threads=1), dtype=np.float64)
    return start + grown


def _fit_parts(fit: _Column, judge: _Column, everyone: _Column | None, boosting: _Boosting) -> tuple[_Part, _Part]:
    """Return the first and the final mean of the boosters."""
    kind = boosting.kind
    alone = _part([], (0.0, 1.0), fit.table.shape[1], kind)
    if _too_little(fit) or not len(judge.label):
        return alone, alone
    boosters = boosting.stopped(fit, judge)
    first = boosting.mean(boosters, fit)
    if not any(len(tree.feature) for tree in first.trees):  # without a branch, a risk would be everybody's share
        return alone, alone
    if everyone is None:
        return first, first
    again = boosting.with_trees(everyone, [booster.best_iteration for booster in boosters])
    return first, boosting.mean(again, everyone)


@dataclass(frozen=True, kw_only=True)
class _Boosting:
    """How boosters are fitted, side by side: each with settings of its own."""

    kind: Kind
    settings: list[dict[str, object]]
    threads: int
    min_people: int

    def stopped(self, fit: _Column, judge: _Column) -> list[Booster]:
        """Return boosters that were stopped where the judges see no gain."""
        start = _start(fit, self.kind)

        def stopped(settings: dict[str, object], stop: Stop) -> Booster:
            data = _data(fit, start, settings)
            judged = data.create_valid(judge.table, judge.label, init_score=_begun(judge, start))
            return grow_while_it_gains(settings, data, judged, stop, patience=_GOALS[self.kind].trees_without_gain)

        return side_by_side(stopped, self.settings, self.threads)

    def with_trees(self, everyone: _Column, trees: list[int]) -> list[Booster]:
        """Return boosters of so many trees each."""
        start = _start(everyone, self.kind)

        def grown(task: tuple[dict[str, object], int], stop: Stop) -> Booster:
            settings, number = task
            return grow(settings, _data(everyone, start, settings), number, stop)

        return side_by_side(grown, list(zip(self.settings, trees, strict=True)), self.threads)

    def mean(self, boosters: list[Booster], taught: _Column) -> _Part:
        """Return the mean of boosters that the same rows taught; of one that was stopped, its best trees."""
        features = taught.table.shape[1]
        trees = []
        for booster in boosters:
            grown = read_grown(
                booster,
                trees=booster.best_iteration,
                objective=_GOALS[self.kind].written,
                complete=complete_columns(taught.table),
            )
            trees += [replace(tree, leaf=tree.leaf / len(boosters)) for tree in grown]
        trees = between_people(trees, taught.table, taught.person, self.min_people)
        return _part(trees, _start(taught, self.kind), features, self.kind)


def _settings(kind: Kind, seed: int) -> dict[str, object]:
    goal = _GOALS[kind]
    apart = {"objective": goal.objective, "boost_from_average": False, "min_data_in_bin": _FEWEST_ROWS_A_BIN}
    return always(seed, 1) | goal.usual | apart


def _data(rows: _Column, start: tuple[float, float], settings: dict[str, object]) -> Dataset:
    return binned(rows.table, rows.label, settings, init_score=_begun(rows, start))


def _begun(rows: _Column, start: tuple[float, float]) -> Floats:
    """Return what boosting starts from [n]."""
    intercept, slope = start
    return intercept + slope * rows.said


def _too_little(fit: _Column) -> bool:
    """Return whether hardly a row, or one label only, is there to learn from."""
    return len(fit.label) < FEWEST_ROWS or np.ptp(fit.label) == 0


def _start(fit: _Column, kind: Kind) -> tuple[float, float]:
    """Return intercept and slope, on what the network said, of what boosting starts from."""
    if kind == "risk":
        share = float(fit.label.mean())
        return float(np.log(share / (1 - share))), 0.0
    if np.ptp(fit.said) == 0:
        return float(fit.label.mean()), 0.0
    slope, intercept = np.polyfit(fit.said, fit.label, 1)
    return float(intercept), float(slope)


def _part(trees: list[Tree], start: tuple[float, float], features: int, kind: Kind) -> _Part:
    text = write_trees(trees, features=features, objective=_GOALS[kind].written, start=start)
    return _Part(intercept=start[0], slope=start[1], trees=trees, booster=read_booster(text))
