"""Running the programs that the native tests need."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(command: list[str], expected: int = 0) -> str:
    """Standard output of a command; where its status is another one, its words are in the failure."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == expected, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tool(name: str, package: str) -> str:
    """Path of a program that the tests need."""
    path = shutil.which(name)
    assert path is not None, f"{name} is needed: apt-get install {package}"
    return path
