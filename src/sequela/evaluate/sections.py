"""Cutting a line of risks into stretches that many people lie in, so that no curve gives away one of them.

A curve over risks is a running count. Where two of its points have a count of 1 to 10 people between them, the page
has told that count. So points are kept only where the stretch between them holds nobody, or at least `fewest` people,
of each kind that the curve counts apart (with the event and without).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Ids


def kept_ends(
    group: NDArray[np.intp], groups: int, person: Ids, kind: NDArray[np.intp], fewest: Sequence[int]
) -> list[int]:
    """Return the last group of each stretch, from the first on; the last of all is `groups` - 1.

    Args:
        group: [R] which of the `groups` neighbouring places each prediction lies in, from 0.
        groups: how many places there are.
        person: [R] the person of each prediction.
        kind: [R] what is counted apart, from 0.
        fewest: for each kind the people that a stretch must hold, where it holds any.

    Returns:
        Ends; empty where the whole line holds too few of a kind.

    Example:
        Three places of four people each, and stretches of at least five:

        >>> kept_ends(np.repeat([0, 1, 2], 4), 3, np.arange(12), np.zeros(12, dtype=int), [5])
        [2]
        >>> kept_ends(np.repeat([0, 1, 2], 4), 3, np.arange(12), np.zeros(12, dtype=int), [4])
        [0, 1, 2]
    """
    members = _members(group, groups, person, kind, len(fewest))
    ends: list[int] = []
    held: list[list[set[int]]] = []  # the people of each stretch, by kind
    open_one: list[set[int]] = [set() for _ in fewest]
    for place, found in enumerate(members):
        for whose, people in zip(open_one, found, strict=True):
            whose |= people
        if _is_enough(open_one, fewest):
            ends.append(place)
            held.append(open_one)
            open_one = [set() for _ in fewest]
    while not _is_enough(open_one, fewest) and held:  # what is left over joins the stretches before it
        ends.pop()
        open_one = [one | other for one, other in zip(held.pop(), open_one, strict=True)]
    if not _is_enough(open_one, fewest):
        return []
    return ends if ends and ends[-1] == groups - 1 else [*ends, groups - 1]


def _members(
    group: NDArray[np.intp], groups: int, person: Ids, kind: NDArray[np.intp], kinds: int
) -> list[list[set[int]]]:
    """Return the people by place and kind."""
    index = np.unique(person, return_inverse=True)[1]
    members: list[list[set[int]]] = [[set() for _ in range(kinds)] for _ in range(groups)]
    for place, which, whose in zip(group.tolist(), kind.tolist(), index.tolist(), strict=True):
        members[place][which].add(whose)
    return members


def _is_enough(people: Sequence[set[int]], fewest: Sequence[int]) -> bool:
    return all(not whose or len(whose) >= needed for whose, needed in zip(people, fewest, strict=True))
