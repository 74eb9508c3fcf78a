"""Static facts by which held-out people are told apart."""

from __future__ import annotations

import itertools
import math

import numpy as np

from sequela.cohort.facts import AGE
from sequela.errors import StudyError
from sequela.records.words import nearest
from sequela.study.material import Floats, Material, Numbers

_MOST_LEVELS = 12  # of a number that is told apart by its values
_QUARTERS = (0.25, 0.5, 0.75)


def check_subgroups(material: Material) -> None:
    """Refuse a subgroup that is no static fact.

    Raises:
        StudyError: with the nearest one that there is.
    """
    facts = material.evidence.facts
    known = [*facts.categories, *facts.numbers, *([AGE] if facts.birth is not None else [])]
    for name in material.settings.evaluate.subgroups:
        if name not in known:
            remedy = (
                f"{nearest(name, known)} Write one of those that there are: {', '.join(sorted(known))}."
                if known
                else ' No table has any: leave `subgroups` out, or add a table with layout = "static".'
            )
            raise StudyError(f"[evaluate] subgroups: there is no static fact '{name}'.{remedy}")


def levels_of(material: Material, predictions: Numbers) -> dict[str, list[str | None]]:
    """Return for each subgroup of the study the level of each prediction; None where it is not known.

    A number of more than a dozen values is cut at the quartiles of all people who are asked, an age at those of all
    predictions.
    """
    facts, asked = material.evidence.facts, material.cohort.asked
    person = asked.person[predictions]
    found: dict[str, list[str | None]] = {}
    for name in material.settings.evaluate.subgroups:
        if name in facts.categories:
            texts = facts.categories[name]
            found[name] = [texts[p] for p in person]
        elif name in facts.numbers:
            found[name] = _levels(facts.numbers[name][person], facts.numbers[name][np.unique(asked.person)])
        else:
            ages = facts.age_years(asked.person, asked.episode_start)
            found[name] = _levels(ages[predictions], ages)
    return found


def _levels(values: Floats, everybody: Floats) -> list[str | None]:
    known = everybody[~np.isnan(everybody)]
    distinct = np.unique(known)
    if len(distinct) <= _MOST_LEVELS:
        return [None if np.isnan(value) else _worded(value) for value in values]
    quartiles = np.quantile(known, _QUARTERS)
    spread = quartiles[-1] - quartiles[0] or np.ptp(known)
    decimals = max(1, 1 - math.floor(math.log10(spread)))
    cuts = quartiles.round(decimals).astype(np.float32)  # values have single precision: 0.9 is not below 0.9
    ends = [_worded(cut) for cut in cuts]
    names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(ends)), f"{ends[-1]} and above"]
    place = np.searchsorted(cuts, values, side="right")
    return [None if np.isnan(value) else names[p] for value, p in zip(values, place, strict=True)]


def _worded(number: float | np.float32) -> str:
    """Return a number of single precision in as many digits as tell it from every other."""
    return np.format_float_positional(np.float32(number) + np.float32(0), trim="-")
