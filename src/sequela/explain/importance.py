"""How much worse a model is on held-out people when a variable is somebody else's.

The whole series of a variable, values with their mask and their gaps, is exchanged between people, and the loss of a
metric is what the model got from it. It says what this model needs, not what causes the outcome: of two variables that
say the same, each alone may be spared.

Source: Breiman, Random Forests (2001), section 10; Fisher, Rudin & Dominici, JMLR 20(177) (2019), model reliance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import Facts
from sequela.evaluate import Estimate, Resamples
from sequela.evaluate.bootstrap import estimate
from sequela.evaluate.risk import FEWEST_EVENTS, TOO_FEW_EVENTS
from sequela.explain.exchange import Exchange, Histories, Mask, Span
from sequela.explain.metrics import METRICS

Floats = NDArray[np.float64]
Predict = Callable[[Histories], Floats]
Progress = Callable[[int, int], None]

SERIES, STATIC = "series", "static"
FEWEST_PEOPLE = 11  # with fewer, what is drawn would be single people's
_YEAR_HOURS = 24 * 365.25
_CELLS_AT_ONCE = 1 << 22
_FEW = f"fewer than {FEWEST_PEOPLE} held-out people have a value"


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out predictions and what they may see."""

    events: pl.DataFrame  # contract 1, implausible values taken out
    facts: Facts
    asked: Asked
    labels: Floats  # [R], or forecasts [R, horizons] of one target; NaN where unknown


@dataclass(frozen=True, kw_only=True)
class ImportanceSettings:
    """How often, how finely and at what cost importance is measured."""

    repeats: int = 3
    resamples: int = 500
    seed: int = 0
    edges_hours: tuple[float, ...] = (6.0, 24.0)  # where spans before the prediction time meet; () for none
    most_histories: int = 300_000  # predicted in all; people are drawn where all of them would cost more
    most_variables: int = 60  # the most widespread ones
    most_in_time: int = 12  # the most important series, which are also exchanged within spans of time

    @property
    def spans(self) -> list[Span]:
        """Return the spans of time before a prediction, the latest first."""
        if not self.edges_hours:
            return []
        return list(zip((0.0, *self.edges_hours), (*self.edges_hours, None), strict=True))

    def passes(self, series: int, static: int) -> int:
        """Return how often histories are predicted for so many variables."""
        return self.repeats * (series + static + min(series, self.most_in_time) * len(self.spans))


@dataclass(frozen=True, kw_only=True)
class VariableImportance:
    """What a model loses when a variable is exchanged; its spans are in the order of the settings'."""

    name: str
    kind: str  # "series" or "static"
    loss: Estimate
    spans: list[Estimate] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Return the variable for JSON."""
        windows = [span.as_dict() for span in self.spans]
        return {"name": self.name, "kind": self.kind, **self.loss.as_dict(), "windows": windows}


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The importance of variables, the greatest first, and those that could not be judged last."""

    metric: str
    baseline: float | None
    people: int
    predictions: int
    settings: ImportanceSettings
    variables: list[VariableImportance]
    left_out: dict[str, int]  # reason -> variables

    def to_dict(self) -> dict[str, object]:
        """Return the importance for JSON."""
        return {
            "metric": self.metric,
            "baseline": self.baseline,
            "people": self.people,
            "predictions": self.predictions,
            "repeats": self.settings.repeats,
            "resamples": self.settings.resamples,
            "level": 0.95,
            "windows": [_worded(span) for span in self.settings.spans],
            "variables": [variable.to_dict() for variable in self.variables],
            "left_out": self.left_out,
        }


def _worded(span: Span) -> dict[str, object]:
    low, high = span
    (amount, unit), (most, most_unit) = _in_a_unit(low), _in_a_unit(high or low)
    if high is None:
        label = f"more than {amount} {unit} before"
    elif low == 0:
        label = f"last {most} {most_unit}"
    else:
        label = (
            f"{amount}-{most} {unit} before" if unit == most_unit else f"{amount} {unit} to {most} {most_unit} before"
        )
    return {"from_hours": low, "to_hours": high, "label": label}


def _in_a_unit(hours: float) -> tuple[str, str]:
    """Return a span as a number of hours, days or years."""
    for length, unit in ((_YEAR_HOURS, "y"), (24.0, "d")):
        if hours >= 2 * 24 and hours % length == 0:
            return f"{hours / length:g}", unit
    return f"{hours:g}", "h"


def variable_importance(
    held_out: HeldOut,
    predict: Predict,
    *,
    codes: Sequence[str],
    static: Sequence[str],
    metric: str,
    settings: ImportanceSettings | None = None,
    progress: Progress | None = None,
) -> Importance:
    """Return what a model loses on held-out people when one variable is exchanged between them.

    The interval is that of a bootstrap over people and over the repeats, with the model held fixed. Within a span of
    time before the prediction only the records that became known in it are exchanged.

    Args:
        held_out: predictions of people that the model was not fitted on.
        predict: says for histories what the model predicts, in the shape of the labels, for each history by itself:
            it is asked about histories as they are before it is asked about those that an exchange changes.
        codes: that have a series.
        static: codes of facts.
        metric: of `METRICS`.
        settings: repeats, spans and cost.
        progress: is told how many exchanges are done, and of how many.
    """
    settings = settings or ImportanceSettings()
    held_out = _with_a_label(held_out)
    chosen, left_out = _most_widespread(held_out, codes, settings.most_variables)
    drawn = _affordable(held_out, len(chosen), len(static), settings)
    judge = _Judge(drawn, predict, metric, settings)
    runs = _Runs(drawn, judge, settings, progress, len(chosen), len(static))
    series = sorted((runs.series(code) for code in chosen), key=_greatest_first)
    in_time = [runs.in_time(variable) for variable in series[: settings.most_in_time]]
    found = in_time + series[settings.most_in_time :] + [runs.fact(code) for code in static]
    found.sort(key=_greatest_first)
    return Importance(
        metric=metric,
        baseline=judge.baseline,
        people=judge.people,
        predictions=len(drawn.asked.time),
        settings=settings,
        variables=found,
        left_out=left_out,
    )


def _greatest_first(variable: VariableImportance) -> tuple[float, str]:
    value = variable.loss.value
    return (float("inf") if value is None else -value), variable.name


def _with_a_label(held_out: HeldOut) -> HeldOut:
    """Return the predictions that the metric rests on; all where it rests on none, which no number comes from."""
    known = np.asarray(~np.isnan(held_out.labels.reshape(len(held_out.labels), -1)).all(axis=1))
    return _taken(held_out, known, "no known label") if known.any() and not known.all() else held_out


def _taken(held_out: HeldOut, kept: Mask, reason: str) -> HeldOut:
    return replace(held_out, asked=held_out.asked.take(kept, reason), labels=held_out.labels[kept])


def _most_widespread(held_out: HeldOut, codes: Sequence[str], most: int) -> tuple[list[str], dict[str, int]]:
    """Return the codes that most people have a record of, and how many were left out."""
    if len(codes) <= most:
        return list(codes), {}
    people = pl.Series(np.unique(held_out.asked.person))
    rows = held_out.events.filter(pl.col("time").is_not_null() & pl.col("subject_id").is_in(people.implode()))
    counts = dict(rows.group_by("code").agg(pl.col("subject_id").n_unique()).iter_rows())
    ranked = sorted(codes, key=lambda code: (-counts.get(code, 0), code))
    return ranked[:most], {f"not among the {most} most widespread": len(codes) - most}


def _affordable(held_out: HeldOut, codes: int, static: int, settings: ImportanceSettings) -> HeldOut:
    """Return all predictions, or as many as the cost allows: fewer of each person first, then fewer people."""
    allowed = max(settings.most_histories // max(settings.passes(codes, static), 1), FEWEST_PEOPLE)
    person = held_out.asked.person
    if len(person) <= allowed:
        return held_out
    random = np.random.default_rng([settings.seed, 1])
    people, index = np.unique(person, return_inverse=True)
    shuffled = random.permutation(len(person))
    of_person = np.argsort(index[shuffled], kind="stable")
    rank = np.empty(len(person), dtype=np.int64)
    count = np.bincount(index)
    rank[shuffled[of_person]] = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count)
    each = max(allowed // len(people), 1)
    kept_people = random.permutation(len(people)) < allowed
    return _taken(held_out, (rank < each) & kept_people[index], "not drawn for the importance of variables")


class _Judge:
    """The metric of a model with some variable exchanged, on the people as they are and in resamples of them."""

    def __init__(self, held_out: HeldOut, predict: Predict, metric: str, settings: ImportanceSettings) -> None:
        self._predict, self._settings = predict, settings
        self._measure, self._sign = METRICS[metric]
        person = held_out.asked.person
        self._labels = held_out.labels.reshape(len(person), -1)
        self._known = ~np.isnan(self._labels)
        resamples = Resamples(person, settings.resamples, settings.seed)
        self.people = len(resamples.people)
        row = np.broadcast_to(resamples.index(person)[:, None], self._labels.shape)[self._known]
        drawn = np.concatenate([np.ones((1, self.people)), *resamples.draws()])
        self._index, self._drawn = row, drawn
        random = np.random.default_rng([settings.seed, 2])
        self._repeats = random.integers(0, settings.repeats, size=(settings.resamples, settings.repeats))
        self._of_unchanged: dict[Histories, Floats] = {}
        self.baseline: float | None = None
        label = self._labels[self._known]
        few = metric != "rmse" and min((label > 0).sum(), (label == 0).sum()) < FEWEST_EVENTS
        self.reason = TOO_FEW_EVENTS if few else None

    def unchanged(self, histories: Histories) -> Floats:
        """Return the metric with nothing exchanged [1 + resamples]."""
        measured = self.measured(histories)
        enough = self.reason is None and self.people >= FEWEST_PEOPLE
        self.baseline = float(measured[0]) if enough and np.isfinite(measured[0]) else None
        return measured

    def measured(self, histories: Histories) -> Floats:
        """Return the metric of what the model predicts, first on the people as they are, then in each resample."""
        predicted = self._predicted(histories)[self._known]
        label = self._labels[self._known]
        step = max(1, _CELLS_AT_ONCE // max(len(label), 1))
        parts = [self._drawn[start : start + step] for start in range(0, len(self._drawn), step)]
        return np.concatenate([self._measure(label, predicted, part[:, self._index]) for part in parts])

    def _predicted(self, histories: Histories) -> Floats:
        """Return what the model predicts for everybody; whoever's history is as it was is not asked again."""
        exchanged = histories.exchanged
        if exchanged is not None:
            predicted = self._predicted(exchanged.unchanged).copy()
            if len(exchanged.predictions):
                of_some = self._predict(histories)
                predicted[exchanged.predictions] = of_some.reshape(len(of_some), -1)
            return predicted
        if histories not in self._of_unchanged:
            self._of_unchanged[histories] = self._predict(histories).reshape(self._labels.shape)
        return self._of_unchanged[histories]

    def loss(self, unchanged: Floats, exchanged: list[Floats]) -> Estimate:
        """Return how much worse the model is, the mean over the repeats, with its interval."""
        worse = self._sign * (np.stack(exchanged, axis=1) - unchanged[:, None])
        drawn = np.take_along_axis(worse[1:], self._repeats, axis=1).mean(axis=1)
        return estimate(float(worse[0].mean()), drawn, people=self.people)


class _Runs:
    """All exchanges, counted as they are done."""

    def __init__(
        self,
        held_out: HeldOut,
        judge: _Judge,
        settings: ImportanceSettings,
        progress: Progress | None,
        codes: int,
        static: int,
    ) -> None:
        self._judge, self._settings, self._progress = judge, settings, progress
        self._spans = settings.spans
        self._done, self._total = 0, settings.passes(codes, static)
        given = (held_out.events, held_out.facts, held_out.asked)
        self._whole = Exchange(*given, each_prediction=False)
        self._late = Exchange(*given, each_prediction=True) if self._spans else self._whole
        self._unchanged = judge.unchanged(self._whole.unchanged)
        self._donors = {exchange: self._drawn(exchange) for exchange in (self._whole, self._late)}

    def _drawn(self, exchange: Exchange) -> list[Rows]:
        repeats = range(self._settings.repeats)
        return [exchange.donors(np.random.default_rng([self._settings.seed, 3, repeat])) for repeat in repeats]

    def series(self, code: str) -> VariableImportance:
        """Return the importance of a code as a whole."""
        loss = self._loss(self._whole, self._whole.people_with(code), lambda donor: self._whole.of_series(code, donor))
        return VariableImportance(name=code, kind=SERIES, loss=loss)

    def in_time(self, variable: VariableImportance) -> VariableImportance:
        """Return the importance of a series with that of its spans."""
        if variable.loss.value is None:
            self._advance(self._settings.repeats * len(self._spans))
            return variable
        return replace(variable, spans=[self._in_span(variable.name, span) for span in self._spans])

    def _in_span(self, code: str, span: Span) -> Estimate:
        people = self._late.people_with(code, span)
        return self._loss(self._late, people, lambda donor: self._late.of_series(code, donor, span))

    def fact(self, code: str) -> VariableImportance:
        """Return the importance of a static fact."""
        people = self._whole.people_with_fact(code)
        loss = self._loss(self._whole, people, lambda donor: self._whole.of_fact(code, donor))
        return VariableImportance(name=code, kind=STATIC, loss=loss)

    def _loss(self, exchange: Exchange, people: int, exchanged: Callable[[Rows], Histories]) -> Estimate:
        reason = _FEW if people < FEWEST_PEOPLE else self._judge.reason
        if reason is not None:
            self._advance(self._settings.repeats)
            return Estimate(None, reason=reason)
        measured = []
        for donor in self._donors[exchange]:
            measured.append(self._judge.measured(exchanged(donor)))
            self._advance(1)
        return self._judge.loss(self._unchanged, measured)

    def _advance(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done, self._total)
