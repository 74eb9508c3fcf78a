from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.baselines import people_folds


@given(st.lists(st.integers(0, 30), min_size=8, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_folds_part_people_evenly_whatever_the_order_of_rows(people: list[int], members: int, seed: int) -> None:
    person = np.array([*people, *range(5)])
    fold = people_folds(person, members, seed)
    by_person = {p: set(fold[person == p].tolist()) for p in set(person.tolist())}
    assert all(len(found) == 1 for found in by_person.values())
    sizes = np.bincount([found.pop() for found in by_person.values()], minlength=members)
    assert len(sizes) == members
    assert sizes.max() - sizes.min() <= 1
    order = np.random.default_rng(0).permutation(len(person))
    assert np.array_equal(people_folds(person[order], members, seed), fold[order])


@pytest.mark.parametrize(("people", "members"), [(5, 1), (3, 4)])
def test_folds_that_cannot_be_are_refused(people: int, members: int) -> None:
    with pytest.raises(ValueError, match="folds"):
        people_folds(np.arange(people), members, 0)
