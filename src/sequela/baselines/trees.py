"""Boosted trees as text: LightGBM's own format, but no more of it than prediction needs.

What LightGBM writes beside that tells of people: the extremes of each column, and how many rows are in each leaf. So
text is read into plain numbers, checked, and written again; LightGBM itself reads only what was written here, never a
file that somebody gave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightgbm import Booster

from sequela.errors import BundleError

MOST_TREES = 15_000  # the boosters of a hybrid together
_MOST_LEAVES = 1 << 12
LONGEST = 1 << 28  # text of a model
_MISSING_IS_NAN, _MISSING_IS_NONE, _DEFAULT_LEFT = 8, 0, 2
_DECISIONS = tuple(missing | left for missing in (_MISSING_IS_NONE, _MISSING_IS_NAN) for left in (0, _DEFAULT_LEFT))
BEYOND_ALL = 1e300  # as LightGBM itself keeps an infinite threshold finite
_BEYOND_ALL = {"inf": f"{BEYOND_ALL:g}", "-inf": f"{-BEYOND_ALL:g}"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_WHOLE = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree of L leaves; node n goes to a later node, or to leaf l written as -(l + 1)."""

    feature: NDArray[np.int64]  # [L-1]
    threshold: NDArray[np.float64]  # [L-1] left where value <= threshold
    decision: NDArray[np.int64]  # [L-1] where a missing value goes
    left: NDArray[np.int64]  # [L-1]
    right: NDArray[np.int64]  # [L-1]
    leaf: NDArray[np.float64]  # [L]

    def check(self, features: int) -> None:
        """Raise BundleError where a number points out of the tree, goes round in circles, or is not finite."""
        nodes = len(self.leaf) - 1
        sizes = {len(part) for part in (self.feature, self.threshold, self.decision, self.left, self.right)}
        _hold(sizes == {nodes} and nodes < _MOST_LEAVES, "its arrays do not fit its number of leaves")
        _hold(bool(np.isfinite(self.threshold).all() and np.isfinite(self.leaf).all()), "a number is not finite")
        _hold(bool(((self.feature >= 0) & (self.feature < features)).all()), "it asks for a column that is not there")
        _hold(bool(np.isin(self.decision, _DECISIONS).all()), "it holds a kind of split that is not used here")
        children = np.concatenate([self.left, self.right])
        _hold(
            bool((children > np.tile(np.arange(nodes), 2))[children >= 0].all()), "a node does not lead to a later one"
        )
        reached = np.sort(self._place(children))
        expected = np.arange(1, 2 * nodes + 1) if nodes else reached
        _hold(bool(np.array_equal(reached, expected)), "a node or a leaf is reached twice or never")

    def with_missing_to_most(self, rows: NDArray[np.int64], complete: NDArray[np.bool_]) -> Tree:
        """Return the tree in which a value goes with most rows where it is missing and none was in training.

        Args:
            rows: [2 L - 1] training rows of each node, then of each leaf.
            complete: [columns] whether no training row missed its value.
        """
        of_left, of_right = (rows[self._place(children)] for children in (self.left, self.right))
        with_most = _MISSING_IS_NAN | np.where(of_left >= of_right, _DEFAULT_LEFT, 0)
        return replace(self, decision=np.where(complete[self.feature], with_most, self.decision))

    def _place(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each child among all nodes, then all leaves."""
        return np.where(children < 0, len(self.feature) - 1 - children, children)

    def to_text(self, number: int) -> str:
        """Return the lines of the tree."""
        return "\n".join(
            (
                f"Tree={number}",
                f"num_leaves={len(self.leaf)}",
                "num_cat=0",
                f"split_feature={_joined(self.feature)}",
                f"threshold={_joined(self.threshold)}",
                f"decision_type={_joined(self.decision)}",
                f"left_child={_joined(self.left)}",
                f"right_child={_joined(self.right)}",
                f"leaf_value={_joined(self.leaf)}",
                "is_linear=0",
                "shrinkage=1",
                "\n",
            )
        )


Start = tuple[float, float]  # intercept and slope of what boosting starts from; two keys that LightGBM passes over


def read_trees(text: str, *, models: int, features: int, objective: str) -> list[tuple[list[Tree], Start]]:
    """Return the trees of each model, and what its boosting starts from; (0, 0) where the text does not say.

    Args:
        text: LightGBM's format, one model after the other.
        models: how many there must be.
        features: columns that the trees may ask for.
        objective: that the text must name, such as "binary sigmoid:1".

    Raises:
        BundleError: where the text is of another model, or is damaged.
    """
    _hold(len(text) <= models * LONGEST, "it is too large")
    *found, after = text.split("end of trees\n")
    _hold(len(found) == models and "Tree=" not in after, f"it does not hold {models} models from beginning to end")
    return [_read_model(model, features, objective) for model in found]


def read_grown(booster: Booster, *, trees: int, objective: str, complete: NDArray[np.bool_]) -> list[Tree]:
    """Return the first trees that LightGBM has grown.

    Of a column in which no training row missed its value LightGBM cannot know where a missing one belongs, or takes it
    for 0: a pressure of 0 where nobody took the pressure. Here it goes with most rows, as in scikit-learn's
    `HistGradientBoostingClassifier`.

    Args:
        booster: whose trees.
        trees: how many; 0 for all.
        objective: as `read_trees` has it.
        complete: [columns] whether no training row missed its value.
    """
    text = booster.model_to_string(num_iteration=trees)
    ((grown, _),) = read_trees(text, models=1, features=booster.num_feature(), objective=objective)
    blocks = (_keys(f"number={block}") for block in text.partition("end of trees\n")[0].split("\nTree=")[1:])
    rows = (np.concatenate([_whole(keys, name) for name in ("internal_count", "leaf_count")]) for keys in blocks)
    return [tree.with_missing_to_most(each, complete) for tree, each in zip(grown, rows, strict=True)]


def _read_model(text: str, features: int, objective: str) -> tuple[list[Tree], Start]:
    head, *rest = text.split("\nTree=")
    _hold(head.startswith("tree\n"), "it does not begin as LightGBM's text")
    keys = _keys(head.partition("\n")[2])
    expected = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "objective": objective}
    for key, value in expected.items():
        _hold(keys.get(key) == value, f"`{key}` is not {value}")
    _hold(keys.get("max_feature_idx") == str(features - 1), f"it is not of {features} columns")
    _hold(len(rest) <= MOST_TREES, f"it has more than {MOST_TREES} trees")
    trees = [_read_tree(f"number={block}") for block in rest]
    for tree in trees:
        tree.check(features)
    start = _numbers({"start": keys.get("start", "0 0")}, "start")
    _hold(len(start) == 2 and bool(np.isfinite(start).all()), "what it starts from is not two numbers")
    return trees, (float(start[0]), float(start[1]))


def write_trees(trees: list[Tree], *, features: int, objective: str, start: Start) -> str:
    """Return trees in LightGBM's format: columns without names, and nothing about the rows that taught them."""
    blocks = [tree.to_text(number) for number, tree in enumerate(trees)]
    head = (
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={features - 1}",
        f"objective={objective}",
        f"start={start[0]:.17g} {start[1]:.17g}",
        "feature_names=" + " ".join(f"Column_{column}" for column in range(features)),
        "feature_infos=" + " ".join(["none"] * features),
        "tree_sizes=" + " ".join(str(len(block)) for block in blocks),
        "\n",
    )
    return "\n".join(head) + "".join(blocks) + "end of trees\n"


def _read_tree(block: str) -> Tree:
    keys = _keys(block)
    _hold(_whole(keys, "num_leaves").tolist() == [len(keys.get("leaf_value", "").split())], "leaves are missing")
    _hold(keys.get("num_cat") == "0" and keys.get("is_linear", "0") == "0", "a tree is of a kind that is not used here")
    return Tree(
        feature=_whole(keys, "split_feature"),
        threshold=_thresholds(keys),
        decision=_whole(keys, "decision_type"),
        left=_whole(keys, "left_child"),
        right=_whole(keys, "right_child"),
        leaf=_numbers(keys, "leaf_value"),
    )


def _keys(block: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for line in block.splitlines():
        if line:
            key, equals, value = line.partition("=")
            _hold(equals == "=", "a line is no `key=value`")
            _hold(key not in keys, "a key stands there twice")
            keys[key] = value
    return keys


def _whole(keys: dict[str, str], key: str) -> NDArray[np.int64]:
    parts = keys.get(key, "").split()
    _hold(all(_WHOLE.fullmatch(part) for part in parts), f"`{key}` holds something that is no whole number")
    return np.array([int(part) for part in parts], dtype=np.int64)


def _numbers(keys: dict[str, str], key: str) -> NDArray[np.float64]:
    parts = keys.get(key, "").split()
    _hold(all(_NUMBER.fullmatch(part) for part in parts), f"`{key}` holds something that is no number")
    return np.array([float(part) for part in parts], dtype=np.float64)


def _thresholds(keys: dict[str, str]) -> NDArray[np.float64]:
    """Return thresholds; LightGBM writes an infinite one where only missing values part from all others."""
    parts = [_BEYOND_ALL.get(part, part) for part in keys.get("threshold", "").split()]
    return _numbers({"threshold": " ".join(parts)}, "threshold")


def _joined(numbers: NDArray[np.int64] | NDArray[np.float64]) -> str:
    return " ".join(f"{number:.17g}" for number in numbers.tolist())


def _hold(claim: bool, otherwise: str) -> None:
    if not claim:
        raise BundleError(f"The boosted trees of the bundle cannot be read: {otherwise}. Take the bundle from its run.")
