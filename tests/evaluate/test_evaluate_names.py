import ast
from pathlib import Path

import pytest

from sequela import evaluate

PUBLIC = [
    "Asked", "Band", "Difference", "Estimate", "HalfWidth", "Hexagons", "Measures", "Resamples", "bootstrap_interval",
    "bootstrap_metric", "conformal_half_width", "coverage", "error_by", "fewest_people", "forecast_measures",
    "hexagons", "mae", "mse", "paired_difference", "person_weights", "rmse", "supported_range", "verdict", "width",
]  # fmt: skip


def test_the_public_names_are_these():
    assert sorted(evaluate.__all__) == PUBLIC
    assert all(callable(getattr(evaluate, name)) for name in PUBLIC)


@pytest.mark.parametrize("path", sorted(Path(evaluate.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_measures_know_numbers_only(path):
    """No tables, no networks, no files: numpy, the standard library's words and this package."""
    allowed = {"__future__", "collections", "dataclasses", "math", "typing", "numpy", "sequela"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in allowed
            assert not name.startswith("sequela") or name.startswith("sequela.evaluate")
