"""Small data sets as ordinary files, each with a study file beside it.

An example is what a user would bring: CSV tables and `study.toml`, and a `README.txt` that says where they come from:
real people, or a simulation that says so.
The files are the same to the byte on every machine.
"""

from __future__ import annotations

import difflib
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sequela.errors import InputError
from sequela.examples import icu, nafld

__all__ = ["available", "write"]

STUDY_FILE = "study.toml"


@dataclass(frozen=True)
class _Example:
    line: str
    texts: str  # the folder of this package that holds study.toml and README.txt
    tables: Callable[[], Mapping[str, bytes]]


_EXAMPLES = {
    "blood-pressure": _Example(
        "the next systolic pressure at every visit: 7,484 adults, visits over decades at uneven times",
        "blood_pressure",
        nafld.blood_pressure,
    ),
    "blood-pressure-series": _Example(
        "the eleventh systolic pressure from ten before it: 611 adults, one row each",
        "blood_pressure_series",
        nafld.blood_pressure_series,
    ),
    "icu-risk": _Example(
        "the risk of death in hospital after a day of intensive care: 2,400 simulated stays, true risks beside them",
        "icu_risk",
        icu.icu_risk,
    ),
}


def available() -> dict[str, str]:
    """Each example's name and what it asks, in one line.

    Example:
        >>> sorted(available())
        ['blood-pressure', 'blood-pressure-series', 'icu-risk']
    """
    return {name: example.line for name, example in _EXAMPLES.items()}


def write(name: str, folder: Path) -> Path:
    """Writes an example into a new or empty folder: all of its files, or none.

    Args:
        name: one of `available()`.
        folder: where to; its parents are made as needed.

    Returns:
        The path of the study file.

    Raises:
        InputError: the name is unknown, the folder holds something or cannot be written, or the optional package that
            holds the data is not installed.

    Example:
        `write("blood-pressure", Path("demo"))` returns `demo/study.toml`.
    """
    example = _example(name)
    _refuse_unless_free(folder)
    files = {**example.tables(), **_texts(example.texts)}
    try:
        _write_all(files, folder)
    except OSError as error:
        raise InputError(
            f"The example cannot be written to {folder}: {error.strerror or 'the system refused'}. "
            "Name a folder that you may write to, on a disk with 20 MB to spare."
        ) from error
    return folder / STUDY_FILE


def _example(name: str) -> _Example:
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    nearest = difflib.get_close_matches(name, _EXAMPLES, n=1, cutoff=0.0)[0]
    raise InputError(
        f"There is no example '{name}'; the nearest name is '{nearest}'. "
        "`sequela example` without a name lists them all."
    )


def _refuse_unless_free(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        what = "holds files already" if folder.is_dir() else "is not a folder"
        raise InputError(f"{folder} {what}, and nothing is overwritten. Name a folder that is empty or not there yet.")


def _texts(package_folder: str) -> dict[str, bytes]:
    """README first and the study last: a folder with a study file is complete."""
    source = resources.files(__package__) / package_folder
    return {file: (source / file).read_bytes() for file in ("README.txt", STUDY_FILE)}


def _write_all(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes to a sibling folder first, so that a full disk or Ctrl-C leaves nothing that looks finished."""
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = target.parent / f".{target.name}.{uuid.uuid4().hex}.partial"
    stage.mkdir()
    try:
        for file, content in files.items():
            (stage / file).write_bytes(content)
        if target.is_dir():
            _move_into(stage, target, list(files))
        else:
            stage.rename(target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move_into(stage: Path, target: Path, files: list[str]) -> None:
    """Fills an empty folder without replacing it: a shell may stand in it."""
    try:
        for file in files:
            (stage / file).rename(target / file)
    except BaseException:
        for file in files:
            (target / file).unlink(missing_ok=True)
        raise
