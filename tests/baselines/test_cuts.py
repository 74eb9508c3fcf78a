from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from sequela.baselines.cuts import between_people
from sequela.baselines.trees import BEYOND_ALL, Tree, read_trees


def stump(threshold: float) -> Tree:
    one = np.zeros(1, dtype=np.int64)
    return Tree(
        feature=one,
        threshold=np.array([threshold]),
        decision=one + 8,
        left=one - 1,
        right=one - 2,
        leaf=np.array([-1.0, 1.0]),
    )


def cut(thresholds: list[float], value: list[float], person: list[int], min_people: int) -> list[float]:
    trees = [stump(threshold) for threshold in thresholds]
    kept = between_people(trees, np.array(value, dtype=np.float32)[:, None], np.array(person), min_people)
    return [float(tree.threshold[0]) for tree in kept]


@pytest.mark.parametrize(
    ("person", "kept"),
    [
        ([0, 1, 2, 3, 4, 5], [1.5, 3.5]),  # two people on each side of each
        ([0, 1, 2, 2, 4, 5], [1.5, 1.5]),  # one person between them: the second gives way
        ([0, 1, 2, 3, 4, 4], [1.5, BEYOND_ALL]),  # one person above, who goes left with the two below
        ([0, 0, 2, 3, 4, 5], [-BEYOND_ALL, 3.5]),  # one person below, who goes right with the two above
        ([0, 0, 0, 0, 0, 0], [-BEYOND_ALL, BEYOND_ALL]),  # one person in all: known values go where most rows went
    ],
)
def test_on_each_side_of_a_threshold_lie_people(person: list[int], kept: list[float]) -> None:
    assert cut([1.5, 3.5], [0, 1, 2, 3, 4, 5], person, 2) == kept


def test_a_threshold_gives_way_where_few_people_change_sides_and_values_that_are_not_known_count_nowhere() -> None:
    value = [0.0, 1.0, 2.0, 11.0, 12.0, 20.0, 21.0, float("nan"), float("nan")]
    assert cut([1.5, 4.0, 12.5], value, list(range(9)), 2) == [1.5, 1.5, 12.5]
    assert cut([1.5, 10.0, 12.5], value, list(range(9)), 2) == [1.5, 1.5, 12.5]


def test_between_two_thresholds_may_lie_nobody_and_missing_may_part_from_all_known() -> None:
    assert cut([1.2, 1.5, BEYOND_ALL], [0, 1, 2, 3], [0, 1, 2, 3], 2) == [1.2, 1.5, BEYOND_ALL]


@pytest.mark.parametrize("seed", range(3))
def test_of_grown_trees_every_stretch_between_thresholds_holds_nobody_or_enough_people(seed: int) -> None:
    random = np.random.default_rng(seed)
    person = random.integers(0, 40, 2000)
    table = (random.normal(size=(2000, 3)) + random.normal(size=(40, 3))[person] * 3).astype(np.float32)
    table[random.random(table.shape) < 0.1] = np.nan
    label = np.nan_to_num(table).sum(axis=1) + random.normal(size=2000)
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1, "seed": seed}
    text = lightgbm.train(settings, lightgbm.Dataset(table, label), 20).model_to_string()
    ((trees, _),) = read_trees(text, models=1, features=3, objective="regression")
    kept = between_people(trees, table, person, 5)
    assert fewest(trees, table, person) < 5 <= fewest(kept, table, person)
    for tree in kept:
        tree.check(3)


def fewest(trees: list[Tree], table: NDArray[np.float32], person: NDArray[np.int64]) -> int:
    """Return the fewest people in a stretch between thresholds that holds somebody."""
    counts = []
    for column in range(table.shape[1]):
        cuts = np.unique(np.concatenate([tree.threshold[tree.feature == column] for tree in trees]))
        for low, high in zip([-np.inf, *cuts], [*cuts, np.inf], strict=True):
            inside = (table[:, column] > low) & (table[:, column] <= high)
            counts.append(len(np.unique(person[inside])) or 99)
    return min(counts)
