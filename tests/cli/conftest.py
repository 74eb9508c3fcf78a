from __future__ import annotations

from pathlib import Path

import pytest
from small_study import SECRET, write_risk_study, write_study

import sequela


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, its tables and its run folder `run`, and the run `risk` of another; never written to."""
    folder = tmp_path_factory.mktemp("finished")
    sequela.run(sequela.read_study(write_risk_study(folder, id_prefix=SECRET)), folder / "risk")
    sequela.run(sequela.read_study(write_study(folder, id_prefix=SECRET)), folder / "run")
    return folder
