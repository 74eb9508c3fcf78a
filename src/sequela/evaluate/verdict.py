"""One sentence: does the network earn its place beside what is simpler?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sequela.evaluate.bootstrap import FEWEST_PEOPLE

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
    """Return what the root mean squared error of held-out people says of the network, win or lose.

    Args:
        models: the headline of `metrics.json`.
        comparisons: those of `metrics.json`; the first entry of network, baseline and rmse is used: the first target.
        best_baseline: chosen on tuning people; None when the study has no baselines.
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
    if best_baseline is None:
        places = decimals(own["value"])
        why = f" ({reason})" if reason else ""
        return (
            f"{_opening(own, people, places, unit)} stands alone: the study has no baselines{why}, "
            "so nothing says whether it earns its place."
        )
    other = models.get(best_baseline, {}).get("rmse")
    row = _comparison(comparisons, best_baseline)
    if other is None or row is None:
        raise ValueError(f"the best baseline '{best_baseline}' lacks its error or its comparison with the network")
    decided = row["outcome"] != "no_difference"
    spread = None if row["low"] is None else (row["high"] - row["low"]) / 10  # two digits of what is undecided
    places = decimals(own["value"], *([row["difference"], row["low"], row["high"]] if decided else [spread]))
    opening = _opening(own, people, places, unit)
    name = f"the best baseline, {spoken(best_baseline)} ({_number(other['value'], places)})"
    if row["low"] is None:
        return f"{opening} cannot be told apart from that of {name}: {_why_no_interval(row)}; no verdict."
    return f"{opening} {_judgement(row, name, places, _beaten_by(comparisons, best_baseline))}"


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


def _opening(own: Mapping[str, Any], people: int, places: int, unit: str | None) -> str:
    count = f"{people:,}" if people >= MIN_PEOPLE else f"fewer than {MIN_PEOPLE}"
    error = f"RMSE {_number(own['value'], places)}{f' {unit}' if unit else ''}"
    if own["low"] is not None:
        error += f", 95 % interval {_number(own['low'], places)} to {_number(own['high'], places)}"
    return f"On {count} held-out people the network's error ({error})"


def _judgement(row: Mapping[str, Any], name: str, places: int, beaten_by: list[str]) -> str:
    """Return the second half of the sentence: what the interval of the difference decides."""
    low, high, difference = row["low"], row["high"], row["difference"]
    if row["outcome"] == "better":
        gain = f"{_number(-difference, places)} ({_number(-high, places)} to {_number(-low, places)})"
        end = "it earns its place"
        if beaten_by:
            end = f"yet it loses to {' and '.join(map(spoken, beaten_by))}, so it does not earn its place"
        return f"is lower than that of {name}, by {gain}: {end}."
    interval = f"{_number(low, places)} to {_number(high, places)}"
    if row["outcome"] == "worse":
        return (
            f"loses to that of {name}, by {_number(difference, places)} ({interval}): it does not earn its place; "
            "use the baseline."
        )
    return (
        f"is not distinguishable from that of {name}, difference {_number(difference, places)} ({interval}): "
        "the simpler baseline suffices."
    )


def _comparison(comparisons: Sequence[Mapping[str, Any]], against: str) -> Mapping[str, Any] | None:
    """Return the first comparison of the network with that baseline by rmse."""
    wanted = ("network", against, "rmse")
    return next((row for row in comparisons if (row["model"], row["against"], row["metric"]) == wanted), None)


def _beaten_by(comparisons: Sequence[Mapping[str, Any]], best: str) -> list[str]:
    """Return other baselines that beat the network on held-out people by rmse, on the first target."""
    others = dict.fromkeys(row["against"] for row in comparisons if row["against"] != best)
    return [name for name in others if (_comparison(comparisons, name) or {"outcome": ""})["outcome"] == "worse"]


def _why_no_interval(row: Mapping[str, Any]) -> str:
    """Return the reason, in words that fit a sentence."""
    reason = str(row["reason"] or "no interval")
    return f"fewer than {FEWEST_PEOPLE} held-out people give no interval" if "fewer than" in reason else reason
