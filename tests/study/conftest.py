from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_study import SECRET, write_risk_study, write_study

import sequela
from sequela.study import Run

Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small study, run once; never written to. Its ids and its folder bear marks that must not travel."""
    folder = tmp_path_factory.mktemp("plain-folder")
    return sequela.run(sequela.read_study(write_study(folder, id_prefix=SECRET)), folder / "run")


@pytest.fixture(scope="session")
def risky(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small study of a risk, with two members and a hybrid, recalibrated, run once; never written to."""
    folder = tmp_path_factory.mktemp("risky-folder")
    return sequela.run(sequela.read_study(write_risk_study(folder, id_prefix=SECRET)), folder / "run")


@pytest.fixture
def run_risk(tmp_path: Path) -> Runner:
    """Run the small study of a risk with changes; `files` are written beside it."""

    def runner(
        changes: dict[str, Any] | None = None,
        files: dict[str, str | bytes] | None = None,
        *,
        name: str = "run",
        **more: Any,
    ) -> Run:
        study = write_risk_study(tmp_path, changes)
        for file, content in (files or {}).items():
            (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return sequela.run(sequela.read_study(study), tmp_path / name, **more)

    return runner


@pytest.fixture
def run_study(tmp_path: Path) -> Runner:
    """Run the small study with changes; `files` are written beside it."""

    def runner(changes: dict[str, Any] | None = None, files: dict[str, str] | None = None, **more: Any) -> Run:
        study = write_study(tmp_path, changes)
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text)
        return sequela.run(sequela.read_study(study), tmp_path / "run", **more)

    return runner
