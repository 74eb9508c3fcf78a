from __future__ import annotations

import re
from typing import Any

import lightgbm
import numpy as np
import pytest

from sequela.baselines import trees
from sequela.baselines.trees import read_grown, read_trees, write_trees
from sequela.errors import BundleError

BINARY = "binary sigmoid:1"


def boosted(seed: int = 0, **settings: Any) -> tuple[lightgbm.Booster, np.ndarray]:
    random = np.random.default_rng(seed)
    table = random.normal(size=(400, 3)).astype(np.float32)
    table[random.random(table.shape) < 0.2] = np.nan
    label = (np.nan_to_num(table).sum(axis=1) + random.normal(size=400) > 0).astype(float)
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 7}
    return lightgbm.train(fixed | settings, lightgbm.Dataset(table, label), 12), table


def written(seed: int = 0, **settings: Any) -> str:
    text = boosted(seed, **settings)[0].model_to_string()
    ((trees, start),) = read_trees(text, models=1, features=3, objective=BINARY)
    return write_trees(trees, features=3, objective=BINARY, start=start)


@pytest.mark.parametrize("settings", [{}, {"min_data_in_leaf": 400}, {"extra_trees": True, "num_leaves": 40}])
def test_what_is_written_predicts_the_same_bits(settings: dict[str, Any]) -> None:
    booster, table = boosted(**settings)
    again = lightgbm.Booster(model_str=written(**settings))
    assert again.predict(table, raw_score=True).tobytes() == booster.predict(table, raw_score=True).tobytes()


def test_a_split_of_missing_values_from_all_others_is_read_and_predicts_the_same_bits() -> None:
    booster, table = boosted()
    text = re.sub(r"tree_sizes=.*\n", "", booster.model_to_string())  # LightGBM then finds the ends by itself
    text = re.sub(r"threshold=\S+", "threshold=inf", text, count=1)
    ((trees, start),) = read_trees(text, models=1, features=3, objective=BINARY)
    again = lightgbm.Booster(model_str=write_trees(trees, features=3, objective=BINARY, start=start))
    expected = lightgbm.Booster(model_str=text).predict(table, raw_score=True)
    assert again.predict(table, raw_score=True).tobytes() == expected.tobytes()


def test_what_never_missed_in_training_goes_with_most_rows_where_it_misses() -> None:
    random = np.random.default_rng(0)
    table = random.normal(50, 10, size=(400, 3)).astype(np.float32)
    table[random.random(400) < 0.2, 2] = np.nan
    label = np.nan_to_num(table, nan=70).sum(axis=1) + random.normal(size=400)
    fixed = {"objective": "regression", "verbosity": -1, "num_threads": 1, "num_leaves": 7}
    booster = lightgbm.train(fixed, lightgbm.Dataset(table, label), 12)
    complete = np.array([True, True, False])
    grown = read_grown(booster, trees=10, objective="regression", complete=complete)
    text = write_trees(grown, features=3, objective="regression", start=(0, 0))
    answering = lightgbm.Booster(model_str=text)
    assert answering.predict(table).tobytes() == booster.predict(table, num_iteration=10).tobytes()
    table[:, 0] = np.nan
    expected = [
        sum(leaf(tree["tree_structure"], row) for tree in booster.dump_model()["tree_info"][:10]) for row in table
    ]
    assert answering.predict(table) == pytest.approx(np.array(expected), rel=1e-12)


def leaf(node: dict[str, Any], row: np.ndarray) -> float:
    """Return what a tree says of a row, missing values with most rows where none was in training."""
    while "leaf_value" not in node:
        left, right = node["left_child"], node["right_child"]
        value = row[node["split_feature"]]
        if not np.isnan(value):
            goes_left = value <= node["threshold"]
        elif node["missing_type"] == "None":
            of_left, of_right = (child.get("internal_count", child.get("leaf_count")) for child in (left, right))
            goes_left = of_left >= of_right
        else:
            goes_left = node["default_left"]
        node = left if goes_left else right
    return float(node["leaf_value"])


def test_what_is_written_says_nothing_of_the_rows_that_taught_it() -> None:
    text = written()
    for key in ("count", "weight", "gain", "internal", "parameters", "["):
        assert key not in text


def test_what_is_written_is_read_again_to_the_same_text() -> None:
    text = written(0) + written(1)
    models = read_trees(text, models=2, features=3, objective=BINARY)
    assert text == "".join(write_trees(trees, features=3, objective=BINARY, start=start) for trees, start in models)


def test_a_text_may_be_as_long_as_its_models_together(monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(0) + written(0)
    monkeypatch.setattr(trees, "LONGEST", len(text) // 2)
    assert len(read_trees(text, models=2, features=3, objective=BINARY)) == 2
    monkeypatch.setattr(trees, "LONGEST", len(text) // 2 - 1)
    with pytest.raises(BundleError, match="too large"):
        read_trees(text, models=2, features=3, objective=BINARY)


DAMAGE = {
    "leaves": lambda text: re.sub(r"leaf_value=\S+ ", "leaf_value=", text, count=1),
    "columns": lambda text: re.sub(r"split_feature=\d+", "split_feature=3", text, count=1),
    "negative column": lambda text: re.sub(r"split_feature=\d+", "split_feature=-1", text, count=1),
    "circle": lambda text: re.sub(r"left_child=\S+", "left_child=0", text, count=1),
    "far child": lambda text: re.sub(r"left_child=\S+", "left_child=900000", text, count=1),
    "far leaf": lambda text: re.sub(r"right_child=\S+", "right_child=-900000", text, count=1),
    "infinite": lambda text: re.sub(r"threshold=\S+", "threshold=1e999", text, count=1),
    "nan": lambda text: re.sub(r"leaf_value=\S+", "leaf_value=nan", text, count=1),
    "categorical": lambda text: text.replace("num_cat=0", "num_cat=1", 1),
    "kind of split": lambda text: re.sub(r"decision_type=\S+", "decision_type=1", text, count=1),
    "linear": lambda text: text.replace("is_linear=0", "is_linear=1", 1),
    "objective": lambda text: text.replace(BINARY, "regression"),
    "classes": lambda text: text.replace("num_class=1", "num_class=2"),
    "end": lambda text: text.replace("end of trees", ""),
    "cut": lambda text: text[: len(text) // 2],
    "two": lambda text: text + text,
    "size": lambda text: text.replace("max_feature_idx=2", "max_feature_idx=3"),
    "start": lambda text: text.replace("start=0 0", "start=0 1e999"),
    "key twice": lambda text: text.replace("start=0 0", "start=1 1\nstart=0 0"),
    "number of leaves": lambda text: re.sub(r"num_leaves=\d+", "num_leaves=99", text, count=1),
    "nothing": lambda text: "",
    "words": lambda text: text.replace("threshold=", "threshold=exec "),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_text_is_refused(damage: str) -> None:
    damaged = DAMAGE[damage](written())
    assert damaged != written()
    with pytest.raises(BundleError, match="cannot be read"):
        read_trees(damaged, models=1, features=3, objective=BINARY)


def test_any_one_character_less_is_refused_or_still_a_tree() -> None:
    text = written()
    for place in range(0, len(text), 97):
        try:
            ((trees, _),) = read_trees(text[:place] + text[place + 1 :], models=1, features=3, objective=BINARY)
        except BundleError:
            continue
        for tree in trees:
            tree.check(3)
