"""Static facts by which held-out people are told apart."""

from __future__ import annotations

import itertools

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

    A number of more than a dozen values is cut at the quartiles of all people.
    """
    facts, asked = material.evidence.facts, material.cohort.asked
    person = asked.person[predictions]
    found: dict[str, list[str | None]] = {}
    for name in material.settings.evaluate.subgroups:
        if name in facts.categories:
            texts = facts.categories[name]
            found[name] = [texts[p] for p in person]
        elif name in facts.numbers:
            found[name] = _levels(facts.numbers[name][person], facts.numbers[name])
        else:
            ages = facts.age_years(asked.person, asked.episode_start)
            found[name] = _levels(ages[predictions], ages)
    return found


def _levels(values: Floats, everybody: Floats) -> list[str | None]:
    known = everybody[~np.isnan(everybody)]
    distinct = np.unique(known)
    if len(distinct) <= _MOST_LEVELS:
        return [None if np.isnan(value) else f"{value:g}" for value in values]
    cuts = np.unique(np.quantile(known, _QUARTERS).round(1))
    names = [f"below {cuts[0]:g}", *(f"{a:g} to {b:g}" for a, b in itertools.pairwise(cuts))]
    names.append(f"{cuts[-1]:g} and above")
    place = np.searchsorted(cuts, values, side="right")
    return [None if np.isnan(value) else names[p] for value, p in zip(values, place, strict=True)]
