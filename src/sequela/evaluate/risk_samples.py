"""Every metric of one model's risks, on the people as they are and in every resample of them.

All weights of a chunk of resamples go through each metric at once. Metrics that are ratios of sums need each person's
sums only; ranks, logistic fits and the smoothed curve need the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Floats
from sequela.evaluate.bootstrap import Resamples, sums_by_person
from sequela.evaluate.discrimination import Ranking
from sequela.evaluate.logistic import intercept_fits, logistic_fit, logistic_fits, logit
from sequela.evaluate.lowess import Smoother, lowess
from sequela.evaluate.thresholds import threshold_metrics, threshold_sums

HEADLINE = (
    "auroc",
    "auprc",
    "brier",
    "scaled_brier",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
    "ici",
)
"""Metrics of a model's entry in `models`; the net benefit at the first threshold stands beside them."""

PLAIN_METRICS = (*HEADLINE, "e50", "e90", "observed_risk", "predicted_risk")
"""All metrics that need no threshold."""

Key = tuple[str, float | None]  # metric and threshold
_CELLS = 1_500_000  # weights of rows held at once: 12 MB, and some times as much on the way


class RiskSample:
    """Metrics of one model in one block of predictions.

    Args:
        event: [R] 0 or 1, both kinds present.
        risk: [R] 0 to 1.
        index: [R] place of each prediction's person among the resamples' people.
        people: how many people the resamples draw from.
        weight: [R] above 0.
        thresholds: at which alerts are judged.
    """

    def __init__(self, event: Floats, risk: Floats, index: NDArray[np.intp], people: int, weight: Floats,
                 thresholds: Sequence[float]) -> None:  # fmt: skip
        self._event, self._risk, self._weight, self._index = event, risk, weight, index
        self._thresholds = tuple(thresholds)
        self._logit = logit(risk)
        self._ranking = Ranking(event, risk)
        self._smoother = Smoother(risk, event, index, people, weight)
        columns = [np.ones(len(event)), event, risk, (risk - event) ** 2]
        for threshold in self._thresholds:
            columns += threshold_sums(event, risk, threshold)
        self._sums = np.stack([sums_by_person(index, column * weight, people) for column in columns], axis=1)
        self.value = self._exact()

    def drawn(self, counts: Floats, rows: Floats) -> dict[Key, Floats]:
        """Return every metric [B] in resamples; NaN where it is not defined.

        Args:
            counts: [B, people] how often each person is drawn.
            rows: [B, R] the same by prediction, times its weight.
        """
        found = self._of_sums(counts @ self._sums)
        found["auroc", None], found["auprc", None] = self._ranking.scores(rows)
        found["calibration_intercept", None] = intercept_fits(
            self._event, self._logit, rows, start=_start(self.value["calibration_intercept", None]), tolerance=1e-6
        )
        found["calibration_slope", None] = self._slopes(rows)
        found |= self._errors(*self._smoother.lines(counts))
        return found

    def _slopes(self, rows: Floats) -> Floats:
        if self._line is None:
            return np.full(len(rows), np.nan)
        return logistic_fits(self._event, self._logit, rows, start=self._line, tolerance=1e-5)[:, 1]

    def _errors(self, line: Floats, mass: Floats) -> dict[Key, Floats]:
        """Mean, median and 90th centile of the distance between the smoothed curve and the risk."""
        away = np.abs(line - self._smoother.places)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(mass > 0, away * mass, 0).sum(axis=1) / mass.sum(axis=1)
        return {
            ("ici", None): mean,
            ("e50", None): weighted_centiles(away, mass, 0.5),
            ("e90", None): weighted_centiles(away, mass, 0.9),
        }

    def _exact(self) -> dict[Key, float]:
        """Every metric on the people as they are, the smoothed curve at every risk."""
        weight = self._weight[None]
        found = {key: float(value[0]) for key, value in self._of_sums(self._sums.sum(axis=0)[None]).items()}
        auroc, precision = self._ranking.scores(weight)
        self._line = logistic_fit(self._event, self._logit, self._weight)
        away = np.abs(lowess(self._risk, self._event, weight=self._weight) - self._risk)
        found |= {
            ("auroc", None): float(auroc[0]),
            ("auprc", None): float(precision[0]),
            ("calibration_intercept", None): float(intercept_fits(self._event, self._logit, weight)[0]),
            ("calibration_slope", None): float("nan") if self._line is None else self._line[1],
            ("ici", None): float(away @ self._weight / self._weight.sum()),
            ("e50", None): float(weighted_centiles(away[None], weight, 0.5)[0]),
            ("e90", None): float(weighted_centiles(away[None], weight, 0.9)[0]),
        }
        return found

    def _of_sums(self, totals: Floats) -> dict[Key, Floats]:
        """Return the metrics that are ratios of sums, from totals [B, sums]."""
        every, event, risk, squared = totals[:, :4].T
        with np.errstate(divide="ignore", invalid="ignore"):
            observed, brier = event / every, squared / every
            found: dict[Key, Floats] = {
                ("brier", None): brier,
                ("scaled_brier", None): 1 - brier / (observed * (1 - observed)),
                ("calibration_in_the_large", None): observed - risk / every,
                ("observed_risk", None): observed,
                ("predicted_risk", None): risk / every,
            }
        for at, threshold in enumerate(self._thresholds):
            alert, hit = totals[:, 4 + 2 * at], totals[:, 5 + 2 * at]
            ratios = threshold_metrics(every, event, alert, hit, threshold=threshold)
            found |= {(name, threshold): value for name, value in ratios.items()}
        return found


def row_draws(resamples: Resamples, index: NDArray[np.intp]) -> Iterator[tuple[Floats, Floats]]:
    """Yield chunks of resamples: counts [B, people], and the same by row [B, R]."""
    step = max(1, _CELLS // max(1, len(index)))
    for counts in resamples.draws():
        for start in range(0, len(counts), step):
            chunk = counts[start : start + step]
            yield chunk, chunk[:, index]


def weighted_centiles(values: Floats, weights: Floats, share: float) -> Floats:
    """Return the smallest of the values [B, N] that at least `share` of the weight does not exceed, for each row."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    place = (reached < share * reached[:, -1:] * (1 - 1e-12)).sum(axis=1)
    picked = np.take_along_axis(order, np.minimum(place, values.shape[1] - 1)[:, None], axis=1)
    centiles: Floats = np.take_along_axis(values, picked, axis=1)[:, 0]
    return centiles


def _start(value: float) -> float:
    return value if np.isfinite(value) else 0.0
