"""One sentence: does the network earn its place beside what is simpler, where the question is a risk?

AUROC decides: better is a network whose paired difference to the best baseline excludes 0. AUPRC and the Brier score
can only take that away: a network that ranks better and is worse in one of them has no clear place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sequela.evaluate.measures import OWN_MODELS
from sequela.evaluate.verdict import MIN_PEOPLE, spoken, without_best

_NAMES = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier score"}


def risk_verdict(
    models: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparisons: Sequence[Mapping[str, Any]],
    *,
    best_baseline: str | None,
    people: int,
    reason: str | None = None,
) -> str:
    """Return what held-out people say of the network, and of the hybrid where there is one, win or lose.

    Args:
        models: the headline of `metrics.json`.
        comparisons: those of `metrics.json`.
        best_baseline: chosen on tuning people; None when the study has no baselines, or nobody could choose.
        people: held-out people that the measures rest on.
        reason: why the study has no baselines.

    Raises:
        ValueError: no network among the models, or a baseline without its headline or comparison.

    Example:
        >>> def rows(*numbers):
        ...     names = ("difference", "low", "high", "outcome")
        ...     return [{"model": "network", "against": "logistic", "metric": metric, "reason": None}
        ...             | dict(zip(names, row)) for metric, row in zip(("auroc", "auprc", "brier"), numbers)]
        >>> models = {"network": {"auroc": {"value": 0.874, "low": 0.85, "high": 0.90, "reason": None}},
        ...           "logistic": {"auroc": {"value": 0.851, "low": 0.83, "high": 0.88, "reason": None}}}
        >>> found = rows((0.023, 0.008, 0.038, "better"), (0.04, -0.01, 0.09, "no_difference"),
        ...              (-0.004, -0.008, -0.001, "better"))
        >>> sentence = risk_verdict(models, found, best_baseline="logistic", people=1200)
        >>> print(sentence.replace(" is", "\\nis").replace(" by", "\\nby"))
        On 1,200 held-out people the network's AUROC (0.874, 95 % interval 0.850 to 0.900)
        is higher than that of the best baseline, logistic regression (0.851),
        by 0.023 (0.008 to 0.038): it earns its place.
    """
    if "network" not in models:
        raise ValueError("the headline has no network")
    own = models["network"]["auroc"]
    if own["value"] is None:
        return f"There is no verdict: {own['reason']}."
    count = f"{people:,}" if people >= MIN_PEOPLE else f"fewer than {MIN_PEOPLE}"
    opening = f"On {count} held-out people the network's AUROC ({_with_interval(own)})"
    if best_baseline is None:
        return f"{opening} {without_best(models, reason)}"
    sentence = f"{opening} {_judged('network', models, comparisons, best_baseline)}."
    hybrid = models.get("hybrid", {}).get("auroc")
    if hybrid is None or hybrid["value"] is None:
        return sentence
    judged = _judged("hybrid", models, comparisons, best_baseline)
    return f"{sentence} The hybrid's AUROC ({_with_interval(hybrid)}) {judged}."


def _judged(
    model: str,
    models: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparisons: Sequence[Mapping[str, Any]],
    best: str,
) -> str:
    """Return the second half of a model's sentence: what the intervals of its differences decide."""
    other, rows = models.get(best, {}).get("auroc"), _against(comparisons, model, best)
    if other is None or "auroc" not in rows:
        raise ValueError(f"the best baseline '{best}' lacks its AUROC or its comparison with the {model}")
    row, name = rows["auroc"], f"the best baseline, {spoken(best)} ({_three(other['value'])})"
    if row["low"] is None:
        return f"cannot be told apart from that of {name}: {row['reason'] or 'no interval'}; no verdict"
    low, high, difference = row["low"], row["high"], row["difference"]
    if row["outcome"] == "better":
        gain = _difference(difference, low, high)
        return f"is higher than that of {name}, by {gain}{_if_better(rows, _as_good(model, models, comparisons, best))}"
    if row["outcome"] == "worse":
        gap = _difference(-difference, -high, -low)
        return f"is lower than that of {name}, by {gap}: it does not earn its place; use the baseline"
    gap = _difference(difference, low, high)
    return f"is not distinguishable from that of {name}, difference {gap}: {_if_unclear(rows)}"


def _as_good(
    model: str,
    models: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparisons: Sequence[Mapping[str, Any]],
    best: str,
) -> list[str]:
    """Return in words how the model stands to baselines, beside the best by tuning people, that it does not beat."""
    own = (*OWN_MODELS, best)
    rows = {name: _against(comparisons, model, name).get("auroc") for name in models if name not in own}
    unbeaten = {
        outcome: [
            f"{spoken(name)} ({_three(models[name]['auroc']['value'])})"
            for name, row in rows.items()
            if row is not None and row["outcome"] == outcome and models[name]["auroc"]["value"] is not None
        ]
        for outcome in ("worse", "no_difference")
    }
    how = {"worse": "lower than that of", "no_difference": "not clearly higher than that of"}
    return [f"{how[outcome]} {' and '.join(names)}" for outcome, names in unbeaten.items() if names]


def _if_better(rows: Mapping[str, Mapping[str, Any]], as_good: list[str]) -> str:
    if as_good:
        return f", yet {' and '.join(as_good)}: the simpler baseline suffices"
    worse = _decided(rows, "worse")
    return f": yet {worse}, so its place is not clear" if worse else ": it earns its place"


def _if_unclear(rows: Mapping[str, Mapping[str, Any]]) -> str:
    better, worse = _decided(rows, "better"), _decided(rows, "worse")
    said = " and ".join(filter(None, (better, worse)))
    link = ", but by AUROC" if better else " and"
    return f"{said}{link} the simpler baseline suffices" if said else "the simpler baseline suffices"


def _decided(rows: Mapping[str, Mapping[str, Any]], outcome: str) -> str:
    """Return which of AUPRC and Brier score are that, as words; empty where none is."""
    names = [_NAMES[metric] for metric in ("auprc", "brier") if rows.get(metric, {}).get("outcome") == outcome]
    return f"its {' and its '.join(names)} {'are' if len(names) > 1 else 'is'} {outcome}" if names else ""


def _against(comparisons: Sequence[Mapping[str, Any]], model: str, best: str) -> dict[str, Mapping[str, Any]]:
    return {row["metric"]: row for row in comparisons if (row["model"], row["against"]) == (model, best)}


def _difference(value: float, low: float, high: float) -> str:
    return f"{_three(value)} ({_three(low)} to {_three(high)})"


def _with_interval(own: Mapping[str, Any]) -> str:
    if own["low"] is None:
        return _three(own["value"])
    return f"{_three(own['value'])}, 95 % interval {_three(own['low'])} to {_three(own['high'])}"


def _three(number: float) -> str:
    """Return a number with three decimals; with more, up to six, where it would read as 0."""
    places = next((places for places in (3, 4, 5) if round(number, places)), 6 if number else 3)
    return f"{round(number, places) + 0.0:.{places}f}"
