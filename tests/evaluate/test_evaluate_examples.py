import doctest
import importlib
from pathlib import Path

import pytest

from sequela import evaluate

MODULES = sorted(path.stem for path in Path(evaluate.__file__).parent.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(f"sequela.evaluate.{name}")).failed == 0
