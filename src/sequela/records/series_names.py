"""What the names of a series' columns say of the order and the distance of its readings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, permutations

from sequela.records.durations import MICROSECONDS, duration
from sequela.records.origin import Origin
from sequela.records.settings import SeriesSettings

NAMED_OTHERWISE = "column that is not named as the other readings are, read as one of them"
_DIGITS = re.compile("[0-9]+")
_LEAST_ALIKE = 3  # names: two with numbers may be anything
_MOST_PARTS = 4  # of a name: a day, a month, a year and one more
_WORDS = {
    "minutes?": MICROSECONDS["minutes"],
    "hours?": MICROSECONDS["hours"],
    "days?": MICROSECONDS["days"],
    "wks?|weeks?": 7 * MICROSECONDS["days"],
    "mos?|months?": MICROSECONDS["months"],
    "yrs?|years?": MICROSECONDS["years"],
}
_BEHIND = {"mins?": MICROSECONDS["minutes"], "hrs?": MICROSECONDS["hours"]}  # before a number a lowest, a heart rate
_FURTHEST = 0.1  # a month may be written as 30 days


def named_otherwise(columns: Sequence[str], settings: SeriesSettings, origin: Origin) -> list[str]:
    """The columns that are not named as the other readings are, such as `age` before `wk1`, `wk2`, `wk3`.

    Args:
        columns: of the readings, in their order.
        settings: of the series.
        origin: where its rows come from.

    Raises:
        RecordsError: the numbers in the names of the others do not rise evenly, as only places are read; or they rise
            by another time than `every`.
    """
    stems = [_DIGITS.sub("#", name) for name in columns]
    stem, alike = Counter(stems).most_common(1)[0]
    if "#" not in stem or alike < _LEAST_ALIKE:
        return []
    places = [place for place, own in enumerate(stems) if own == stem]
    numbers = [tuple(int(digits) for digits in _DIGITS.findall(columns[place])) for place in places]
    step = _step(numbers, places)
    if step is None:
        problem = "the numbers in the names of the readings do not rise in even steps, and only their places are read"
        remedy = (
            "List `columns` in the order of time, with an empty column where a reading is left out; or give the table "
            "a row for each reading, with its time (layout 'visits' or 'long')"
        )
        raise origin.refusal(problem, remedy)
    unit = _unit(stem)
    if unit and step and abs(step * unit / duration(settings.every)[0] - 1) > _FURTHEST:
        problem = f'the names of the readings rise by another time than every = "{settings.every}"'
        raise origin.refusal(problem, "Set `every` of `series` to the time from one column to the next")
    return [name for name, own in zip(columns, stems, strict=True) if own != stem]


def _step(numbers: list[tuple[int, ...]], places: list[int]) -> float | None:
    """By how much the numbers rise from one place to the next; None where they do not rise, or by different steps.

    0 where several parts of them change, as of a month and a year, and rise in some order of the parts.
    """
    parts = [part for part in zip(*numbers, strict=True) if len(set(part)) > 1]
    if len(parts) != 1:
        orders = permutations(parts) if len(parts) <= _MOST_PARTS else []
        rising = [all(one < other for one, other in pairwise(zip(*order, strict=True))) for order in orders]
        return 0.0 if any(rising) or not rising else None
    pairs = zip(pairwise(parts[0]), pairwise(places), strict=True)
    steps = {(number - before) / (place - earlier) for (before, number), (earlier, place) in pairs}
    step = steps.pop()
    return step if not steps and step > 0 else None


def _unit(stem: str) -> int:
    """Microseconds of the unit of time whose name stands beside the number, 0 where none does."""
    for words, span in [*_WORDS.items(), *_BEHIND.items()]:
        before = rf"(?<![a-z])(?:{words})[ _.-]?#|" if words in _WORDS else ""
        if re.search(rf"{before}#[ _.-]?(?:{words})(?![a-z])", stem.lower()):
            return span
    return 0
