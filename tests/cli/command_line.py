"""The real command line, in this process or in one of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from sequela.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one paragraph of a refusal; before it stand the stages that were reached, and nothing else."""
        *stages, last = self.err.splitlines()
        assert all(line.endswith(" ...") and not line.startswith("Error") for line in stages), self.err
        assert last.startswith("Error: "), self.err
        return last.removeprefix("Error: ")


def in_process(words: Sequence[str], folder: Path, capfd: pytest.CaptureFixture[str]) -> Answer:
    """Run `sequela WORDS` in the folder, in this process."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "400")
        patch.setattr(sys, "argv", ["sequela", *words])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = 0 if stop.code is None else int(stop.code)
    out, err = capfd.readouterr()
    return Answer(code, out, err)


def in_a_process(
    words: Sequence[str],
    folder: Path,
    *,
    out: IO[bytes] | int = subprocess.PIPE,
    largest: int | None = None,
    **env: str,
) -> Answer:
    """Run `python -m sequela WORDS` in the folder.

    Args:
        words: the call.
        folder: where.
        out: what stands for its standard output.
        largest: bytes of the largest file that it can write.
        env: of its environment.
    """
    done = subprocess.run(
        [sys.executable, "-m", "sequela", *words],
        cwd=folder,
        stdout=out,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
        env=os.environ | {"COLUMNS": "400", "OMP_NUM_THREADS": "1"} | env,
        check=False,
        preexec_fn=None if largest is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with its size and the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
