"""What a shift of every value that was not measured says of the network and its best baseline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_study import write_risk_study, write_study

import sequela
from sequela.cohort import HELD_OUT
from sequela.evaluate import auroc, rmse
from sequela.predict import outputs
from sequela.study import Watch, divide, gather
from sequela.study.fit import fit_split
from sequela.study.sensitivity import missing_sensitivity
from sequela.study.story import judge

CASES: dict[str, tuple[Callable[..., Path], Callable[..., float | None], int]] = {
    "forecast": (write_study, rmse, -1),
    "risk": (write_risk_study, auroc, 1),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_verdict_names_the_smallest_shift_that_changes_who_is_ahead(kind: str, tmp_path: Path) -> None:
    write, measure, better = CASES[kind]
    changes = {"model": {"hidden": 3}, "evaluate": {"missing_sensitivity": True, "bootstrap": 100}}
    study = sequela.read_study(write(tmp_path, changes))
    material = gather(study)
    fits = [fit_split(material, divide(study, material)[0], watch=Watch(), number=1, fits=1)]
    metrics = judge(material, fits, Watch())
    best = metrics["models"][metrics["best_baseline"]][measure.__name__]

    def told(baseline: float) -> dict[str, Any]:
        best["value"] = baseline
        found = missing_sensitivity(material, fits, metrics, Watch())
        assert found is not None
        return found

    values = {point["shift"]: point["value"] for point in told(0.5)["points"]}
    assert list(values) == [-2, -1, 0, 1, 2]
    assert len(set(values.values())) > 2
    rows = np.flatnonzero(fits[0].split.part == HELD_OUT)
    seen = material.cohort.timeline, material.evidence.facts, material.cohort.sequences.take(rows)
    said = outputs(fits[0].bundle, *seen, imputed_shift=2.0)["network"]
    assert values[2] == pytest.approx(measure(material.labels[rows].reshape(-1), said.reshape(-1)))
    for baseline in {*values.values(), max(values.values()) + 1}:
        ahead = {shift: better * value > better * baseline for shift, value in values.items()}
        changed = [shift for shift in (-1, 1, -2, 2) if ahead[shift] != ahead[0]]
        verdict = told(baseline)["verdict"]
        ends = [f"{end:.{3 if kind == 'risk' else 1}f}" for end in (min(values.values()), max(values.values()))]
        assert f"between {ends[0]}" in verdict
        assert f" and {ends[1]}" in verdict
        if changed:
            assert f"a shift of {changed[0]:+} standard deviations takes it to the other side" in verdict
        else:
            assert "it stays on the same side" in verdict
