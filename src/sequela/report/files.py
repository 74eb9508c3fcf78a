"""Reading a run folder, and replacing a file in one step."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from sequela.errors import RunError
from sequela.report.curve_formats import Curves
from sequela.report.formats import Audit, Environment, History, Metrics, Piece, Profile

Kind = TypeVar("Kind", bound=Piece)

REMEDY = "Run the study again (`sequela run STUDY`), or put back the file that the run wrote"


@dataclass(frozen=True)
class RunFiles:
    """Everything that the page is made from."""

    folder: Path
    study: dict[str, Any]
    study_text: str
    metrics: Metrics
    history: History
    profile: Profile
    curves: Curves
    environment: Environment
    audit: Audit | None

    @property
    def individuals(self) -> bool:
        """True where the study allows single people to be drawn."""
        return self.setting("report", "individuals") is True

    def setting(self, group: str, key: str, default: Any = None) -> Any:
        """A value of the resolved study, or the default where it has none."""
        return self.study.get(group, {}).get(key, default)


def read_run(folder: Path) -> RunFiles:
    """The files of a run, checked.

    Raises:
        RunError: the folder or a file is missing, damaged or of another format.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: expected a run folder, found none. Name a folder that `sequela run` wrote.")
    study_text = _text(folder / "study.toml")
    return RunFiles(
        folder=folder,
        study=_study(folder / "study.toml", study_text),
        study_text=study_text,
        metrics=_json(folder / "metrics.json", Metrics),
        history=_json(folder / "history.json", History),
        profile=_json(folder / "profile.json", Profile),
        curves=_json(folder / "curves.json", Curves),
        environment=_json(folder / "environment.json", Environment),
        audit=_json(folder / "audit.json", Audit) if (folder / "audit.json").exists() else None,
    )


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, never a part."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except UnicodeError:
        raise RunError(f"{path}: the files of the run hold a sign that no text can have. {REMEDY}.") from None
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror}). Make the run folder writable and its disk not full."
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path}: the run folder lacks this file. {REMEDY}.") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}). {REMEDY}.") from error
    except UnicodeDecodeError:
        raise RunError(f"{path}: expected text in UTF-8. {REMEDY}.") from None


def _study(path: Path, text: str) -> dict[str, Any]:
    try:
        study = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RunError(f"{path}: expected a resolved study in TOML; {error}. {REMEDY}.") from None
    for group in ("question", "model", "split", "evaluate", "report", "prepare", "train"):
        if not isinstance(study.get(group, {}), dict):
            raise RunError(f"{path}: expected [{group}] to be a table. {REMEDY}.")
    return study


def _json(path: Path, kind: type[Kind]) -> Kind:
    text = _text(path)
    try:
        # NaN and infinities are no JSON; where a writer let one pass it reads as "cannot be computed".
        content = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged, expected JSON; {error}. {REMEDY}.") from None
    if isinstance(content, dict) and content.get("format") != 1:
        raise RunError(
            f"{path}: expected format 1, found {content.get('format')!r}. Use the version of sequela that made the run."
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the whole file"
        raise RunError(f"{path}: damaged at '{where}': {first['msg'].lower()}. {REMEDY}.") from None
