"""The stub of the core, `_native.pyi`, which nothing builds: that it says what the built core does."""

import ast
import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest

import sequela
from sequela import _native

# How the stub writes what nanobind writes in `__nb_signature__`.
WRITTEN = (
    (r"collections\.abc\.", ""),
    (r"torch\.Tensor\[[^\]]*\]", "torch.Tensor"),
    (r"ndarray\[dtype=(\w+),[^\]]*\]", r"NDArray[np.\1]"),
    (r"-> dict$", "-> dict[str, object]"),
)


def signature(function: ast.FunctionDef) -> str:
    """`def name(argument: type, ...) -> type`, on one line."""
    assert function.returns is not None
    return f"def {function.name}({ast.unparse(function.args)}) -> {ast.unparse(function.returns)}"


def in_the_stub(inside: list[ast.stmt], of: str = "") -> dict[str, tuple[str, str | None]]:
    """Signature and docstring of every function and method."""
    found: dict[str, tuple[str, str | None]] = {}
    for part in inside:
        if isinstance(part, ast.FunctionDef):
            found[of + part.name] = signature(part), ast.get_docstring(part)
        elif isinstance(part, ast.ClassDef):
            found |= {of + part.name: (f"class {part.name}", ast.get_docstring(part))}
            found |= in_the_stub(part.body, f"{part.name}.")
    return found


def in_the_module(holder: Any, of: str = "") -> dict[str, tuple[str, str | None]]:
    """What `in_the_stub` returns, of what was built."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, part in vars(holder).items():
        if isinstance(part, type):
            found |= {of + name: (f"class {name}", inspect.getdoc(part))}
            found |= in_the_module(part, f"{name}.")
        elif hasattr(part, "__nb_signature__"):
            ((text, doc, _),) = part.__nb_signature__
            for pattern, written in WRITTEN:
                text = re.sub(pattern, written, text)
            (function,) = ast.parse(f"{text}: ...").body
            assert isinstance(function, ast.FunctionDef)
            found[of + name] = signature(function), doc
        else:
            assert name.startswith("__"), f"{name} has no signature"
    return found


@pytest.fixture(scope="module")
def stub() -> ast.Module:
    return ast.parse(Path(sequela.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))


def test_the_stub_names_what_the_module_holds_with_the_same_arguments(stub: ast.Module) -> None:
    assert isinstance(_native, types.ModuleType)
    assert in_the_stub(stub.body) == in_the_module(_native)


def test_stub_and_module_say_the_same_of_the_core(stub: ast.Module) -> None:
    assert ast.get_docstring(stub) == _native.__doc__
