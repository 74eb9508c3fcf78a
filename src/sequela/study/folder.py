"""The run folder: written whole, or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sequela.bundle import Bundle, write_bundle
from sequela.errors import RunError
from sequela.report import write_report
from sequela.study.write import write_json


@dataclass(frozen=True, kw_only=True)
class RunContent:
    """What a run folder holds; the report is made from it."""

    study: str  # resolved, as TOML
    documents: dict[str, dict[str, Any]]  # name of a JSON file, without its ending -> content
    predictions: pl.DataFrame
    bundle: Bundle


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a run folder that exists (with `force`: one that is no run folder), or that could not be written.

    Raises:
        RunError: with the remedy.
    """
    if not folder.exists() and not folder.is_symlink():
        above = next(parent for parent in folder.absolute().parents if parent.exists() or parent.is_symlink())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise RunError(f"{folder}: nothing can be written to {above}. Choose another --out.")
        return
    if not force and folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: there is a file of that name. Choose another --out.")
    if not force:
        raise RunError(f"{folder}: there is such a folder already. Choose another --out, or replace it with --force.")
    is_run = folder.is_dir() and ((folder / "metrics.json").is_file() or not any(folder.iterdir()))
    if folder.is_symlink() or not is_run:
        raise RunError(f"{folder}: it is no run folder, so --force does not replace it. Choose another --out.")
    if Path.cwd().is_relative_to(folder.resolve()):
        raise RunError(
            f"{folder}: this command runs inside of that folder, so --force cannot replace it. Go to another folder "
            "first, or choose another --out."
        )
    above = folder.absolute().parent
    if not os.access(above, os.W_OK | os.X_OK):
        raise RunError(f"{folder}: nothing can be written to {above}. Choose another --out.")


def write_run(folder: Path, content: RunContent, *, force: bool) -> None:
    """Write everything to a temporary folder beside the run folder, then rename it.

    Raises:
        RunError: where the disk does not take it; nothing is left of it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise RunError(f"{folder}: it cannot be written ({error.strerror}). Choose another --out.") from error
    try:
        temporary.chmod(0o755)
        (temporary / "study.toml").write_text(content.study, encoding="utf-8")
        for name, document in content.documents.items():
            write_json(temporary / f"{name}.json", document)
        predictions = io.BytesIO()
        content.predictions.write_parquet(predictions)
        (temporary / "predictions.parquet").write_bytes(predictions.getbuffer())  # Polars would not say why it cannot
        write_bundle(content.bundle, temporary / "bundle")
        write_report(temporary)
        _put(temporary, folder, force=force)
    except OSError as error:
        raise RunError(
            f"{folder}: it cannot be written ({error.strerror}). Make room on the disk, or choose another --out."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, folder: Path, *, force: bool) -> None:
    """Rename the finished folder to its place; the one that stood there goes only once the new one is there."""
    check_folder(folder, force=force)
    if not folder.exists():
        temporary.rename(folder)
        return
    old = temporary.with_name(f"{temporary.name}.old")
    folder.rename(old)
    try:
        temporary.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
