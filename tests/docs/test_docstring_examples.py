"""The examples of docstrings are true, in every module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import sequela

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sequela.__path__, "sequela.")
    if module.name not in ("sequela.__main__", "sequela._native")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in doctest.DocTestFinder().find(module)) > 80
