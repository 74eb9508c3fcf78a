"""From the numbers of a run to a page that a clinician reads, and to a table in the terminal.

The way of the numbers, module by module:

    files            a run folder read and checked: `formats`, `curve_formats`
    page             what every page shows, for the templates: `data`, `preparation` and `declared`, `network`,
                     `findings`, `explained`; and what its kind shows: `forecast_page` or `risk_page`
    results          a number found among those of `metrics.json`
    tables           tables as a template draws them; of a risk `risk_tables`, `threshold_table`, `risk_blocks`
    figures          of both kinds and of a forecast; `risk_figures`, `estimate_figures`, `trajectories`; drawn by `svg`
    question         the study in words: `risk_question`, `tripod`
    words            how numbers, units and names are written
    terminal         the same results in the terminal: `risk_terminal`, and runs beside each other: `comparison`

What may leave the house: every count goes through `privacy`; what acting at a threshold tells of small groups is
reckoned in `risk_groups`, histograms that stand beside it in `risk_bars`, the numbers of a bundle's card in
`performance`.
"""

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
