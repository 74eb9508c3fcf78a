from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from risk_folders import write_risk_run
from run_folders import write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder of the kind that the keywords of `write_run` name."""

    def write(**kind: Any) -> Path:
        return write_run(tmp_path / "run", **kind)

    return write


@pytest.fixture
def risk_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder of a risk of the kind that the keywords of `write_risk_run` name."""

    def write(**kind: Any) -> Path:
        return write_risk_run(tmp_path / "risk-run", **kind)

    return write
