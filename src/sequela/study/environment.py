"""With what, when and how a run was made."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from datetime import datetime
from importlib import metadata
from typing import Any

import torch

_PACKAGES = ("torch", "numpy", "polars", "scikit-learn", "lightgbm", "matplotlib", "pydantic", "safetensors")


def environment(*, seed: int, started: datetime, seconds: float, command: str) -> dict[str, Any]:
    """Return `environment.json`."""
    return {
        "format": 1,
        "sequela": metadata.version("sequela"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "threads": torch.get_num_threads(),
        "native": _native_info(),
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "command": command,
    }


def _native_info() -> dict[str, Any]:
    """Return what the native core was built with; where it was not built, torch's own cells do the work."""
    if importlib.util.find_spec("sequela._native") is None:
        return {"set": None}
    info: dict[str, Any] = importlib.import_module("sequela._native").info()
    return info
