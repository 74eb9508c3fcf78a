"""The card of a bundle counts what the run counts, and no 1 to 10."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from sequela.cohort import HELD_OUT, TRAIN, Split
from sequela.report.formats import Metrics
from sequela.report.performance import performance, verdict_outside
from sequela.study import Run
from sequela.study.card import _coarse, _judged


def test_a_card_tells_no_count_of_one_to_ten() -> None:
    counts = {"train": 11, "tuning": 10, "held_out": 1, "others": 0}
    few = "fewer than 11"
    assert _coarse(counts) == {"train": 11, "tuning": few, "held_out": few, "others": 0}


def test_what_was_judged_are_the_held_out_values_of_the_first_target_over_all_folds() -> None:
    splits = [
        Split(part=np.array(part, dtype=np.int8), fold=fold, excluded={})
        for fold, part in enumerate([[HELD_OUT, TRAIN, TRAIN, -1], [TRAIN, HELD_OUT, TRAIN, -1]])
    ]
    labels = np.zeros((4, 3, 2))  # 2 predictions, 3 horizons
    labels[0, 1, 0] = labels[1, :, 1] = np.nan
    assert _judged(labels, splits) == 2 * 3 - 1
    assert _judged(labels[:, 0, 0], splits) == 2


def test_a_card_tells_the_counts_and_the_performance_of_its_run(plain: Run, risky: Run) -> None:
    for run, thresholds in ((plain, []), (risky, [0.1, 0.2])):
        card = json.loads((run.folder / "bundle" / "card.json").read_text())
        data = run.metrics["data"]
        assert card["data"] == {what: _coarse(counts) for what, counts in data.items()}
        people, predictions = data["people"]["held_out"], data["predictions"]["held_out"]
        assert card["performance"] == performance(
            Metrics.model_validate(run.metrics), people=people, predictions=predictions, thresholds=thresholds
        )
        for name in ("best_baseline", "verdict"):
            assert card[name] == run.metrics[name]
        assert card["performance_is_of"] == "this network"


def test_a_card_withholds_a_net_benefit_that_tells_of_few_alerts(run_risk: Any) -> None:
    alone = {"baselines": [], "reason": "a test", "bootstrap": 100, "importance": False}
    changes: dict[str, Any] = {"model": {"hidden": 3}, "evaluate": alone}
    said = pl.read_parquet(run_risk(changes, name="first").folder / "predictions.parquet").filter(split="held_out")
    fourth, third = said["predicted"].sort()[-4:-2]
    run = run_risk(changes | {"evaluate.thresholds": [(third + fourth) / 2]})
    told = json.loads((run.folder / "bundle" / "card.json").read_text())["performance"]["net_benefit"]
    assert told["value"] is None
    assert told["reason"].startswith("withheld")


def test_a_card_has_a_coarse_verdict_where_few_had_the_event(risky: Run) -> None:
    told = Metrics.model_validate(risky.metrics | {"verdict": "AUROC 0.834 against 0.8"})
    people = risky.metrics["data"]["people"]["held_out"]
    assert verdict_outside(told, people=people, predictions=people) == told.verdict
    few = [row.model_copy(update={"events": 7}) for row in told.measures]
    told = told.model_copy(update={"measures": few})
    assert verdict_outside(told, people=people, predictions=people) == "AUROC 0.83 against 0.8"
