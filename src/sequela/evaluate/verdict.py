"""One sentence: does the network earn its place beside what is simpler? And one on the hybrid, where there is one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sequela.evaluate.bootstrap import FEWEST_PEOPLE
from sequela.evaluate.measures import OWN_MODELS

MIN_PEOPLE = 11
"""Smaller numbers of people are not printed."""


def verdict(
    models: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparisons: Sequence[Mapping[str, Any]],
    *,
    best_baseline: str | None,
    people: int,
    unit: str | None = None,
    reason: str | None = None,
) -> str:
    """Return what the root mean squared error of held-out people says of the network, and of the hybrid, win or lose.

    Args:
        models: the headline of `metrics.json`.
        comparisons: those of `metrics.json`; the first entry of model, baseline and rmse is used: the first target.
        best_baseline: chosen on tuning people; None when the study has no baselines, or nobody could choose.
        people: held-out people that the measures rest on.
        unit: of the target, where known.
        reason: why the study has no baselines.

    Raises:
        ValueError: no network among the models, or a baseline without its headline or comparison.

    Example:
        >>> models = {"network": {"rmse": {"value": 14.2, "low": 13.9, "high": 14.6, "reason": None}},
        ...           "gradient_boosting": {"rmse": {"value": 14.6, "low": 14.2, "high": 15.0, "reason": None}}}
        >>> row = {"model": "network", "against": "gradient_boosting", "metric": "rmse",
        ...        "difference": -0.4, "low": -0.6, "high": -0.2, "outcome": "better", "reason": None}
        >>> sentence = verdict(models, [row], best_baseline="gradient_boosting", people=1123, unit="mmHg")
        >>> print(sentence.replace(") is", ")\\nis"))
        On 1,123 held-out people the network's error (RMSE 14.2 mmHg, 95 % interval 13.9 to 14.6)
        is lower than that of the best baseline, gradient boosting (14.6), by 0.4 (0.2 to 0.6): it earns its place.
    """
    if "network" not in models:
        raise ValueError("the headline has no network")
    own = models["network"]["rmse"]
    if own["value"] is None:
        return f"There is no verdict: {own['reason']}."
    count = f"{people:,}" if people >= MIN_PEOPLE else f"fewer than {MIN_PEOPLE}"
    opening = f"On {count} held-out people the network's"
    if best_baseline is None:
        return f"{opening} {_error(own, decimals(own['value']), unit)} {without_best(models, reason)}"
    sentence = f"{opening} {_judged('network', models, comparisons, best_baseline, unit)}"
    if "hybrid" not in models:
        return sentence
    return f"{sentence} The hybrid's {_judged('hybrid', models, comparisons, best_baseline, unit)}"


def without_best(models: Collection[str], reason: str | None) -> str:
    """Return why nothing is decided where no baseline is the best one.

    Args:
        models: by name.
        reason: why the study has no baselines, where it has none.
    """
    if set(models) <= set(OWN_MODELS):
        why = f" ({reason})" if reason else ""
        return f"stands alone: the study has no baselines{why}, so nothing says whether it earns its place."
    return (
        "has no best baseline beside it: training and tuning people are too few to choose one, and held-out people "
        "must not; no verdict."
    )


def decimals(error: float, *differences: float | None) -> int:
    """Decimals for three digits of an error and at least one of every difference that is not 0; six digits at most.

    Example:
        >>> decimals(14.2), decimals(14.2, -0.4, -0.6, -0.02), decimals(1423.0)
        (1, 2, 0)
    """
    wanted = [_leading(error) + 2] + [_leading(each) for each in differences if each is not None]
    return max(0, min(_leading(error) + 5, max(wanted)))


def spoken(name: str) -> str:
    """Return a model's name as words.

    Example:
        >>> spoken("gradient_boosting")
        'gradient boosting'
    """
    return {"logistic": "logistic regression"}.get(name, name.replace("_", " "))


def _leading(number: float) -> int:
    """Decimal place of the first digit: 0 for units, 1 for tenths, -1 for tens."""
    return -math.floor(math.log10(abs(number)) + 1e-12) if number else 0


def _number(value: float, places: int) -> str:
    return f"{round(value, places) + 0.0:,.{places}f}"


def _judged(
    model: str,
    models: Mapping[str, Mapping[str, Mapping[str, Any]]],
    comparisons: Sequence[Mapping[str, Any]],
    best: str,
    unit: str | None,
) -> str:
    """Return a model's error and what the interval of its difference to the best baseline decides."""
    own, other, row = models[model]["rmse"], models.get(best, {}).get("rmse"), _comparison(comparisons, model, best)
    if other is None or row is None:
        raise ValueError(f"the best baseline '{best}' lacks its error or its comparison with the {model}")
    low, high, difference = row["low"], row["high"], row["difference"]
    decided = row["outcome"] != "no_difference"
    spread = None if low is None else (high - low) / 10  # two digits of what is undecided
    places = decimals(own["value"], *([difference, low, high] if decided else [spread]))
    error, name = _error(own, places, unit), f"the best baseline, {spoken(best)} ({_number(other['value'], places)})"
    if low is None:
        return f"{error} cannot be told apart from that of {name}: {_why_no_interval(row)}; no verdict."
    if row["outcome"] == "better":
        gain = f"{_number(-difference, places)} ({_number(-high, places)} to {_number(-low, places)})"
        lost, undecided = (_others(comparisons, model, best, outcome) for outcome in ("worse", "no_difference"))
        as_good = [f"{spoken(each)} ({_number(models[each]['rmse']['value'], places)})" for each in undecided]
        end = ": it earns its place"
        if lost:
            end = f": yet it loses to {' and '.join(map(spoken, lost))}, so it does not earn its place"
        elif as_good:
            end = f", yet not clearly lower than that of {' and '.join(as_good)}: the simpler baseline suffices"
        return f"{error} is lower than that of {name}, by {gain}{end}."
    gap = f"{_number(difference, places)} ({_number(low, places)} to {_number(high, places)})"
    if row["outcome"] == "worse":
        return f"{error} loses to that of {name}, by {gap}: it does not earn its place; use the baseline."
    return f"{error} is not distinguishable from that of {name}, difference {gap}: the simpler baseline suffices."


def _error(own: Mapping[str, Any], places: int, unit: str | None) -> str:
    error = f"RMSE {_number(own['value'], places)}{f' {unit}' if unit else ''}"
    if own["low"] is not None:
        error += f", 95 % interval {_number(own['low'], places)} to {_number(own['high'], places)}"
    return f"error ({error})"


def _comparison(comparisons: Sequence[Mapping[str, Any]], model: str, against: str) -> Mapping[str, Any] | None:
    """Return the first comparison of a model with that baseline by rmse."""
    wanted = (model, against, "rmse")
    return next((row for row in comparisons if (row["model"], row["against"], row["metric"]) == wanted), None)


def _others(comparisons: Sequence[Mapping[str, Any]], model: str, best: str, outcome: str) -> list[str]:
    """Return other baselines beside which the model has that outcome by rmse, on the first target."""
    names = dict.fromkeys(row["against"] for row in comparisons if row["against"] not in (*OWN_MODELS, best))
    return [name for name in names if (_comparison(comparisons, model, name) or {}).get("outcome") == outcome]


def _why_no_interval(row: Mapping[str, Any]) -> str:
    """Return the reason, in words that fit a sentence."""
    reason = str(row["reason"] or "no interval")
    return f"fewer than {FEWEST_PEOPLE} held-out people give no interval" if "fewer than" in reason else reason
