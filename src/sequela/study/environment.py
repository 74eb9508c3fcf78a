"""With what, when and how a run was made."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata
from typing import Any

import torch

from sequela import _native

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
        "native": _native.info(),
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "command": command,
    }
