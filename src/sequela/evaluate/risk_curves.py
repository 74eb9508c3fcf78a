"""What the figures of a risk draw: ROC, precision and recall, calibration, decision curve, risks by outcome.

Nothing can be read off that rests on 1 to 10 people: points of a running count have at least `min_people` people with
the event, or none, between them, and as many without (`sections`). So curves have few points where events are few, and
straight lines between them. Places are round numbers, never somebody's own risk. All numbers are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Floats, Ids, person_ids
from sequela.evaluate.benefit import odds, treat_all_net_benefit
from sequela.evaluate.bootstrap import Resamples, sums_by_person
from sequela.evaluate.curves import MIN_PEOPLE
from sequela.evaluate.lowess import Smoother, lowess
from sequela.evaluate.risk import RiskAsked, checked_risks
from sequela.evaluate.sections import kept_ends

_MOST_POINTS = 60
_BARS = 30
_GROUPS = 10
_ENDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 0.99)  # of the axis of thresholds
_STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)

Curve = dict[str, Any]


def risk_curves(
    asked: RiskAsked,
    predicted: Mapping[str, Floats],
    *,
    recalibrated: Mapping[str, Floats] | None = None,
    recalibration: Mapping[str, str] | None = None,
    resamples: Resamples,
    thresholds: Sequence[float] = (0.1, 0.2),
    min_people: int = MIN_PEOPLE,
) -> Curve:
    """Return what the figures draw of all prediction times together, ready for JSON.

    Args:
        asked: what was asked of held-out people, and what came.
        predicted: [R] risks by model in the order of drawing, before recalibration.
        recalibrated: [R] risks of those models that the study recalibrates.
        recalibration: "platt" or "isotonic" by model, for the legend.
        resamples: the same as for the measures.
        thresholds: those of the study, which the decision curve must reach.
        min_people: that what is shown rests on; at least 11.

    Returns:
        `outcome`, `min_people`, `prevalence`, `models` (each with `roc`, `precision_recall`, `before`, `after`,
        `distribution`) and `decision`; docs/run_folder.md says what they hold. None, or an empty list, where too few
        people would stand behind it.

    Raises:
        ValueError: as `risk_measures`, or `min_people` below 11.
    """
    if min_people < MIN_PEOPLE:
        raise ValueError(f"min_people must be at least {MIN_PEOPLE}, got {min_people}")
    risks = checked_risks(asked, predicted, recalibrated or {}, thresholds)
    crowd = _Crowd(asked.target, person_ids(asked.person), resamples, min_people)
    final = {model: risks.get((model, True), risks[model, False]) for model in predicted}
    return {
        "outcome": asked.outcome,
        "min_people": min_people,
        "prevalence": _rounded(float(asked.target.mean())) if crowd.is_enough else None,
        "models": [
            {
                "model": model,
                "recalibration": (recalibration or {}).get(model) if (model, True) in risks else None,
                **_ranked(crowd, final[model]),
                "before": _calibration(crowd, risks[model, False]),
                "after": _calibration(crowd, risks[model, True]) if (model, True) in risks else None,
                "distribution": _distribution(crowd, final[model]),
            }
            for model in predicted
        ],
        "decision": _decision(crowd, final, thresholds),
    }


@dataclass(frozen=True, eq=False)
class _Crowd:
    """The people of the curves: what came, who they are, how they are drawn."""

    event: Floats
    person: Ids
    resamples: Resamples
    min_people: int

    @property
    def kind(self) -> NDArray[np.intp]:
        return self.event.astype(np.intp)

    @property
    def by_kind(self) -> list[int]:
        """People without the event, and people with it; somebody may be both."""
        return [len(np.unique(self.person[self.event == kind])) for kind in (0, 1)]

    @property
    def is_enough(self) -> bool:
        return min(self.by_kind) >= self.min_people

    def fewest(self, points: int) -> list[int]:
        """People of each kind in a stretch, so that there are about that many stretches at most."""
        return [max(self.min_people, people // points) for people in self.by_kind]


def _ranked(crowd: _Crowd, risk: Floats) -> Curve:
    """Return ROC and precision-recall curve through the risks that many people lie between."""
    nothing: Curve = {"roc": None, "precision_recall": None}
    if not crowd.is_enough:
        return nothing
    scores, group = np.unique(-risk, return_inverse=True)
    ends = kept_ends(group, len(scores), crowd.person, crowd.kind, crowd.fewest(_MOST_POINTS))
    if len(ends) < 2:
        return nothing
    hits, every = (np.cumsum(np.bincount(group, weights=each))[ends] for each in (crowd.event, np.ones(len(group))))
    false = every - hits
    return {
        "roc": {
            "false_positive_rate": [0.0, *_list(false / false[-1])],
            "sensitivity": [0.0, *_list(hits / hits[-1])],
        },
        "precision_recall": {"recall": _list(hits / hits[-1]), "precision": _list(hits / every)},
    }


def _calibration(crowd: _Crowd, risk: Floats) -> Curve:
    """Return the smoothed curve, the groups of risk, and the histogram of all risks."""
    return {
        "curve": _smoothed(crowd, risk) if crowd.is_enough else None,
        "groups": _groups(crowd, risk) if crowd.is_enough else [],
        "histogram": _histogram(crowd, risk),
    }


def _smoothed(crowd: _Crowd, risk: Floats) -> Curve | None:
    """Return the smoothed share of events at round risks between the eleventh smallest and the eleventh largest."""
    people, index = np.unique(crowd.person, return_inverse=True)
    least, most = np.full(len(people), np.inf), np.full(len(people), -np.inf)
    np.minimum.at(least, index, risk)
    np.maximum.at(most, index, risk)
    places = _round_places(float(np.sort(least)[crowd.min_people - 1]), float(np.sort(most)[-crowd.min_people]))
    if len(places) < 2:
        return None
    place = crowd.resamples.index(crowd.person)
    smoother = Smoother(risk, crowd.event, place, len(crowd.resamples.people), np.ones(len(risk)))
    lines = [np.interp(places, smoother.places, line) for counts in crowd.resamples.draws()
             for line in smoother.lines(counts)[0]]  # fmt: skip
    order = np.argsort(risk)
    exact = np.interp(places, risk[order], lowess(risk, crowd.event)[order])  # where nobody is near, straight lines
    low, high = _ends_of(np.clip(np.reshape(lines, (-1, len(places))), 0, 1), len(places))
    return {
        "predicted": _list(places),
        "observed": _list(np.clip(exact, 0, 1)),
        "low": low,
        "high": high,
    }


def _groups(crowd: _Crowd, risk: Floats) -> list[Curve]:
    """Return tenths of the risks, joined until enough people with the event and without are in each."""
    edges = np.unique(np.quantile(risk, np.arange(1, _GROUPS) / _GROUPS, method="inverted_cdf"))
    group = np.searchsorted(edges, risk, side="left")
    ends = kept_ends(group, len(edges) + 1, crowd.person, crowd.kind, [crowd.min_people] * 2)
    which = np.searchsorted(ends, group)
    place, size = crowd.resamples.index(crowd.person), len(crowd.resamples.people)
    found = []
    for at in range(len(ends)):
        inside = which == at
        if not inside.any():
            continue
        sums = np.stack([sums_by_person(place[inside], each, size) for each in (crowd.event[inside], None)], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = [np.divide(*(counts @ sums).T) for counts in crowd.resamples.draws()]
        low, high = _ends_of(np.concatenate(drawn)[:, None] if drawn else np.empty((0, 1)), 1)
        found.append(
            {
                "predicted": _rounded(float(risk[inside].mean())),
                "observed": _rounded(float(crowd.event[inside].mean())),
                "low": low[0],
                "high": high[0],
                "people": len(np.unique(crowd.person[inside])),
                "predictions": int(inside.sum()),
            }
        )
    return found


def _distribution(crowd: _Crowd, risk: Floats) -> Curve | None:
    """Return the bars of those with the event, and of those without, between the same risks.

    These are some of the histogram's: what lies between two bars of one and two of another is many people or none.
    """
    if not crowd.is_enough:
        return None
    edges = _joined_edges(_bar_edges(crowd, risk), risk, crowd.person, crowd.kind, [crowd.min_people] * 2)
    return {name: _bars(risk[crowd.event == kind], edges) for name, kind in (("event", 1), ("no_event", 0))}


def _histogram(crowd: _Crowd, risk: Floats) -> Curve | None:
    """Return the bars of all risks; None where there are too few people."""
    edges = _bar_edges(crowd, risk)
    return _bars(risk, edges) if len(edges) else None


def _bar_edges(crowd: _Crowd, risk: Floats) -> Floats:
    """Return round risks between which lies nobody, or enough people; empty where all are too few."""
    top = float(np.quantile(risk, 0.99))
    step = next((step for step in _STEPS if step * _BARS >= top), _STEPS[-1])
    edges = np.round(np.arange(0, 1 + step / 2, step), 6)
    return _joined_edges(edges, risk, crowd.person, np.zeros(len(risk), dtype=np.intp), [crowd.min_people])


def _joined_edges(edges: Floats, risk: Floats, person: Ids, kind: NDArray[np.intp], fewest: Sequence[int]) -> Floats:
    """Return the edges between which lies nobody, or enough people, of each kind; empty where all are too few."""
    ends = kept_ends(_bar_of(edges, risk), len(edges) - 1, person, kind, fewest)
    return edges[[0, *(end + 1 for end in ends)]] if ends else np.empty(0)


def _bar_of(edges: Floats, risk: Floats) -> NDArray[np.intp]:
    """Return the bar of each risk; an edge belongs to the bar above it, and 1 to the last."""
    return np.clip(np.searchsorted(edges, risk, side="right") - 1, 0, len(edges) - 2)


def _bars(risk: Floats, edges: Floats) -> Curve:
    """Return counts between edges, from the first bar that holds somebody to the last."""
    counts = np.bincount(_bar_of(edges, risk), minlength=len(edges) - 1)
    filled = np.flatnonzero(counts)
    first, last = int(filled[0]), int(filled[-1]) + 1
    return {
        "low": _list(edges[first:last]),
        "high": _list(edges[first + 1 : last + 1]),
        "predictions": counts[first:last].tolist(),
        "share": _list(counts[first:last] / counts.sum()),
    }


def _decision(crowd: _Crowd, final: Mapping[str, Floats], thresholds: Sequence[float]) -> Curve | None:
    """Return net benefit over round thresholds, of each model and of treating all."""
    if not crowd.is_enough:
        return None
    prevalence = float(crowd.event.mean())
    wanted = max(3 * prevalence, 1.25 * max(thresholds, default=0.0))
    high = next((end for end in _ENDS if end >= wanted), _ENDS[-1])
    step = next(step for step in _STEPS if step * _MOST_POINTS >= high)
    axis = np.round(np.arange(step, high + step / 2, step), 6)
    axis = axis[axis < 1]
    return {
        "treat_all": {
            "threshold": _list(axis),
            "net_benefit": [_rounded(treat_all_net_benefit(prevalence, float(each))) for each in axis],
        },
        "models": [{"model": model, **_benefits(crowd, risk, axis)} for model, risk in final.items()],
        "low": 0.0,
        "high": high,
    }


def _benefits(crowd: _Crowd, risk: Floats, axis: Floats) -> Curve:
    """Return one model's net benefit at the thresholds that many people lie between."""
    group = np.searchsorted(axis, risk, side="right")
    ends = kept_ends(group, len(axis) + 1, crowd.person, crowd.kind, [crowd.min_people] * 2)
    kept = axis[ends[:-1]]
    place, size = crowd.resamples.index(crowd.person), len(crowd.resamples.people)
    worth = [(risk >= each) * (crowd.event - (1 - crowd.event) * odds(float(each))) for each in kept]
    sums = np.stack([sums_by_person(place, each, size) for each in (*worth, None)], axis=1)
    total = sums.sum(axis=0)
    drawn = [(counts @ sums)[:, :-1] / (counts @ sums[:, -1])[:, None] for counts in crowd.resamples.draws()]
    low, high = _ends_of(np.concatenate(drawn) if drawn else np.empty((0, len(kept))), len(kept))
    return {"threshold": _list(kept), "net_benefit": _list(total[:-1] / total[-1]), "low": low, "high": high}


def _ends_of(drawn: Floats, width: int) -> tuple[list[float | None], list[float | None]]:
    """Return the 95 % interval of each column of resamples; None where it is defined in too few of them."""
    low: list[float | None] = [None] * width
    high: list[float | None] = [None] * width
    for at in range(width if len(drawn) else 0):
        defined = drawn[np.isfinite(drawn[:, at]), at]
        if len(defined) >= 0.95 * len(drawn):
            low[at], high[at] = (_rounded(float(each)) for each in np.quantile(defined, [0.025, 0.975]))
    return low, high


def _round_places(low: float, high: float) -> Floats:
    """Round risks from low to high, at most 101."""
    step = next((step for step in (0.0001, 0.0002, *_STEPS) if step * 100 >= high - low), _STEPS[-1])
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return np.round(np.arange(first, last + 1) * step, 6)


def _rounded(number: float) -> float:
    """Return a number with four decimals; one that is small, as where events are rare, with three digits."""
    return float(f"{number:.3g}") if 1e-9 < abs(number) < 0.01 else round(number, 4) + 0.0


def _list(numbers: Floats) -> list[float]:
    return [_rounded(number) for number in np.asarray(numbers, dtype=np.float64).tolist()]
