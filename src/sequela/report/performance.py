"""How well the network did, as it may be told outside of the house: rounded, and without what tells 1 to 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sequela.report.formats import Estimate, Metrics
from sequela.report.privacy import is_few
from sequela.report.results import events_of
from sequela.report.risk_groups import Crowd, tells_few
from sequela.report.words import COARSE_DECIMALS, coarse_decimals

TELL_THE_EVENTS = ("brier", "scaled_brier", "calibration_in_the_large", "calibration_intercept")
"""Beside the mean risk, or for a rare event alone, they say how many had it."""

_DIGITS = {"forecast": 4, "risk": 3}
_DIGITS_OF_FEW = 2  # an AUROC is a count of pairs: with three, of a hundred people, it tells how many had the event
_WITHHELD = Estimate(reason="withheld: it would tell a count of 1 to 10")


def performance(
    metrics: Metrics, *, people: int, predictions: int, thresholds: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """The network's headline by metric.

    Args:
        metrics: of the run.
        people: held out.
        predictions: of them; of a forecast the values of the first target that were forecast.
        thresholds: of the study.
    """
    digits = _DIGITS_OF_FEW if _few_had_it(metrics, people, predictions) else _DIGITS[metrics.question]
    hidden = _hidden(metrics, people, predictions, thresholds)
    return {
        name: (_WITHHELD if name in hidden else _rounded(one, digits)).model_dump()
        for name, one in metrics.models["network"].items()
    }


def verdict_outside(metrics: Metrics, *, people: int, predictions: int) -> str:
    """The verdict; with few decimals where few had the event.

    Args:
        metrics: of the run.
        people: held out.
        predictions: as in `performance`.
    """
    few = _few_had_it(metrics, people, predictions)
    return coarse_decimals(metrics.verdict, COARSE_DECIMALS) if few else metrics.verdict


def _few_had_it(metrics: Metrics, people: int, predictions: int) -> bool:
    return metrics.question == "risk" and Crowd(people, predictions, events_of(metrics)).has_few


def _hidden(metrics: Metrics, people: int, predictions: int, thresholds: Sequence[float]) -> set[str]:
    if metrics.question == "forecast":
        coverage = metrics.models["network"].get("coverage", Estimate())
        return {"coverage"} if tells_who_is_outside(coverage, predictions) else set()
    crowd = Crowd(people, predictions, events_of(metrics))
    benefit = bool(thresholds) and tells_few(metrics, "network", thresholds[0], crowd)
    return {*(TELL_THE_EVENTS if crowd.has_few else ()), *["net_benefit"] * benefit}


def tells_who_is_outside(coverage: Estimate, of: int) -> bool:
    """True where a share of values within their intervals tells that 1 to 10 lie outside, or within."""
    if coverage.value is None:
        return False
    inside = round(coverage.value * of)
    return is_few(inside) or is_few(of - inside)


def _rounded(one: Estimate, digits: int) -> Estimate:
    ends = {name: getattr(one, name) for name in ("value", "low", "high")}
    return one.model_copy(
        update={name: None if end is None else float(f"{end:.{digits}g}") for name, end in ends.items()}
    )
