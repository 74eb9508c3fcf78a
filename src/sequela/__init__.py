"""Sequela: what follows, forecast from the irregular histories of patients.

    study = sequela.read_study("study.toml")
    run = sequela.run(study, "runs/first")
    sequela.load_bundle("runs/first/bundle").predict({"visits": frame})

The names below are loaded when they are first used, so that `import sequela` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sequela.predict import load_bundle
    from sequela.study import read_study, run

__all__ = ["load_bundle", "read_study", "run"]

_HOMES = {"load_bundle": "sequela.predict", "read_study": "sequela.study", "run": "sequela.study"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sequela' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
