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
from sequela.evaluate.distances import DISTANCES, Distances
from sequela.evaluate.logistic import intercept_fits, logistic_fit, logistic_fits, logit
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
        self._event, self._weight = event, weight
        self._thresholds = tuple(thresholds)
        self._logit = logit(risk)
        self._ranking = Ranking(event, risk)
        self._distances = Distances(event, risk, index, people, weight)
        columns = [np.ones(len(event)), event, risk, (risk - event) ** 2]
        for threshold in self._thresholds:
            columns += threshold_sums(event, risk, threshold)
        self._sums = np.stack([sums_by_person(index, column * weight, people) for column in columns], axis=1)
        self.value = self._exact()

    @property
    def keys(self) -> list[Key]:
        """Return the keys of what `drawn` returns."""
        return [*self.value, *(least(name) for name in DISTANCES)]

    def drawn(self, counts: Floats, rows: Floats) -> dict[Key, Floats]:
        """Return every metric [B] in resamples, and the `least` distances; NaN where one is not defined.

        Args:
            counts: [B, people] how often each person is drawn.
            rows: [B, R] the same by prediction, times its weight.
        """
        found = self._of_sums(counts @ self._sums)
        found["auroc", None], found["auprc", None] = self._ranking.scores(rows)
        found["calibration_intercept", None] = intercept_fits(
            self._event, self._logit, rows, start=self.value["calibration_intercept", None], tolerance=1e-6
        )
        found["calibration_slope", None] = self._slopes(rows)
        distances, smallest = self._distances.drawn(counts)
        found |= {(name, None): each for name, each in distances.items()}
        found |= {least(name): each for name, each in smallest.items()}
        return found

    def _slopes(self, rows: Floats) -> Floats:
        if self._line is None:
            return np.full(len(rows), np.nan)
        return logistic_fits(self._event, self._logit, rows, start=self._line, tolerance=1e-5)[:, 1]

    def _exact(self) -> dict[Key, float]:
        """Every metric on the people as they are, the smoothed curve at every risk."""
        weight = self._weight[None]
        found = {key: float(value[0]) for key, value in self._of_sums(self._sums.sum(axis=0)[None]).items()}
        auroc, precision = self._ranking.scores(weight)
        self._line = logistic_fit(self._event, self._logit, self._weight)
        found |= {(name, None): each for name, each in self._distances.value.items()}
        found |= {
            ("auroc", None): float(auroc[0]),
            ("auprc", None): float(precision[0]),
            ("calibration_intercept", None): float(intercept_fits(self._event, self._logit, weight)[0]),
            ("calibration_slope", None): float("nan") if self._line is None else self._line[1],
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


def least(distance: str) -> Key:
    """Return the key of the least distance that the noise of a resample would take for the one found."""
    return f"least_{distance}", None


def row_draws(resamples: Resamples, index: NDArray[np.intp]) -> Iterator[tuple[Floats, Floats]]:
    """Yield chunks of resamples: counts [B, people], and the same by row [B, R]."""
    step = max(1, _CELLS // max(1, len(index)))
    for counts in resamples.draws():
        for start in range(0, len(counts), step):
            chunk = counts[start : start + step]
            yield chunk, chunk[:, index]
