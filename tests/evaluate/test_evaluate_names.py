import ast
from pathlib import Path

import pytest

from sequela import evaluate

PUBLIC = [
    "Asked", "Band", "Difference", "Estimate", "HalfWidth", "Hexagons", "IsotonicState", "Measures", "PlattState",
    "RecalibrationState", "Resamples", "RiskAsked", "UnchangedState", "at_threshold", "auroc", "average_precision",
    "bootstrap_interval", "bootstrap_metric", "brier", "calibration_in_the_large", "calibration_intercept",
    "calibration_slope", "conformal_half_width", "coverage", "cross_fitted", "error_by", "fewest_people",
    "fit_recalibration", "forecast_measures", "hexagons", "ici", "lowess", "mae", "mse", "net_benefit",
    "paired_difference", "person_weights", "read_recalibration", "risk_curves", "risk_measures", "risk_verdict", "rmse",
    "scaled_brier", "supported_range", "treat_all_net_benefit", "verdict", "width",
]  # fmt: skip


def test_the_public_names_are_these():
    assert sorted(evaluate.__all__) == PUBLIC
    assert all(hasattr(evaluate, name) for name in PUBLIC)


@pytest.mark.parametrize("path", sorted(Path(evaluate.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_measures_know_numbers_only(path):
    """No tables, no networks, no files: numpy, the standard library's words, states to be kept, and this package."""
    allowed = {
        "__future__",
        "collections",
        "dataclasses",
        "itertools",
        "math",
        "typing",
        "numpy",
        "pydantic",
        "sequela",
    }
    for node in ast.walk(ast.parse(path.read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in allowed
            assert not name.startswith("sequela") or name.startswith("sequela.evaluate")
