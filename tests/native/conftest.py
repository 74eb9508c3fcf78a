"""Where the built core and its objects are."""

import importlib.util
from pathlib import Path

import pytest
from core_programs import ROOT


@pytest.fixture(scope="session")
def extension() -> Path:
    """The extension that Python loads."""
    found = importlib.util.find_spec("sequela._native")
    assert found is not None, "sequela is installed without its native core"
    assert found.origin is not None
    return Path(found.origin)


@pytest.fixture(scope="session")
def objects() -> list[Path]:
    """The core's objects of the newest build in this repository: `pip install` leaves them in `build/`."""
    found = [
        path
        for path in ROOT.glob("build/*/CMakeFiles/*/native/**/*.o")
        if (ROOT / path.relative_to(next(parent for parent in path.parents if parent.parent.name == "CMakeFiles")))
        .with_suffix("")
        .exists()
    ]
    assert found, "build/ holds no objects: run `pip install .` in the repository"
    newest = max(found, key=lambda path: path.stat().st_mtime)
    build = newest.relative_to(ROOT).parts[1]
    return sorted(path for path in found if path.relative_to(ROOT).parts[1] == build)
