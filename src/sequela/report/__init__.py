"""From the numbers of a run to a page that a clinician reads, and to a table in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sequela.report.terminal import results_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__: Sequence[str] = ["results_table", "write_report"]


def write_report(run: Path) -> Path:
    """Write `report.html` from the files of a run folder, and say where it lies.

    Nothing but the run's own files is read: `study.toml`, `metrics.json`, `history.json`, `profile.json`,
    `curves.json`, `environment.json`, `audit.json` where there is one, and `predictions.parquet` only where the study
    asks for individuals. The page replaces an older one in one step, or not at all.

    Args:
        run: the run folder.

    Returns:
        The path of the page.

    Raises:
        RunError: a file is missing, damaged or of another format; the message names it and the remedy.
    """
    # Matplotlib takes a second to import: a caller who only wants the terminal's table does not wait for it.
    from sequela.report.files import read_run, replace_text
    from sequela.report.page import rendered

    folder = Path(run)
    page = folder / "report.html"
    replace_text(page, rendered(read_run(folder)))
    return page
