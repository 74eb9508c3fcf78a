"""What the command line shows while it works, and of what it read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from sequela.cohort import SPLIT_NAMES, Split
from sequela.errors import printable
from sequela.prepare.units import SEVERAL_UNITS
from sequela.study import Watch
from sequela.study.material import Material
from sequela.train import Progress as Training

_MOST_CODES = 100
_MOST_NAMED = 3
_STOPPED = {
    "patience": "Stopped: no further gain on tuning people. The best weights are kept.",
    "all epochs": "All epochs are done.",
    "interrupted": "Interrupted: the best weights so far are kept and judged.",
}


class TerminalWatch(Watch):
    """Stages as lines; training as a bar with loss and time left, or in a log as a few lines. Use it with `with`.

    On a terminal the time since the last line runs below it.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._waiting: Progress | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> TerminalWatch:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def stage(self, words: str) -> None:
        """Print the stage."""
        self._end()
        self._say(f"{words} ...")
        self._wait()

    def part(self, words: str) -> None:
        """Name the part beside the running time, or in a log on a line of its own."""
        self._end()
        if not self.console.is_terminal:
            self._say(f"- {words}")
        self._wait(words)

    def note(self, words: str) -> None:
        """Print what a user should know."""
        self._end()
        self._say(words)
        self._wait()

    def warn(self, words: str) -> None:
        """Print what a user should think about."""
        self._end()
        self._say("[yellow]Warning:[/yellow] " + escape(words), markup=True)

    def training(self, progress: Training, fit: int, fits: int) -> None:
        """Move the bar; where nobody looks at a terminal, write a line after each tenth of the epochs."""
        tuning = "" if progress.tuning_loss is None else f", tuning {progress.tuning_loss:.4f}"
        losses = f"loss {progress.train_loss:.4f}{tuning}"
        if not self.console.is_terminal:
            is_told = progress.epoch == 1 or progress.epoch % -(-progress.epochs // 10) == 0
            if is_told and progress.batch == progress.batches:
                self._say(f"Epoch {progress.epoch} of {progress.epochs}: {losses}")
            return
        words = f"Training, fit {fit} of {fits}" if fits > 1 else "Training"
        done = (progress.epoch - 1) * progress.batches + progress.batch
        self._move(words, done, progress.epochs * progress.batches, f"epoch {progress.epoch}: {losses}")

    def counting(self, done: int, of: int) -> None:
        """Move the bar of work that is no training."""
        if self.console.is_terminal:
            self._move("", done, of, f"{done:,} of {of:,}")

    def _move(self, words: str, done: int, of: int, losses: str) -> None:
        if self._progress is None:
            self._end()
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[losses]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._progress.start()
            self._task = self._progress.add_task(words, total=of, losses="")
        assert self._task is not None
        self._progress.update(self._task, completed=done, losses=losses)

    def trained(self, stopped: str) -> None:
        """End the bar and say why training ended."""
        self._end()
        self._say(_STOPPED[stopped])
        self._wait()

    def _say(self, words: str, *, markup: bool = False) -> None:
        """Print a sentence; in a file or a pipe it is one line, whatever its length."""
        self.console.print(printable(words), highlight=False, markup=markup, soft_wrap=not self.console.is_terminal)

    def _wait(self, words: str = "") -> None:
        if self.console.is_terminal:
            columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
            self._waiting = Progress(*columns, console=self.console, transient=True)
            self._waiting.start()
            self._waiting.add_task(escape(printable(words)), total=None)

    def _end(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def reading_tables(material: Material, splits: Sequence[Split]) -> list[Table]:
    """Return what was read, asked and divided, as tables for the terminal; counts of 1 to 10 are not shown."""
    records, cohort = material.records, material.cohort
    tables = Table(title="Tables", title_justify="left")
    for column in ("name", "file", "rows", "people", "codes"):
        tables.add_column(column, justify="right" if column in ("rows", "people") else "left")
    for table in records.tables:
        codes = ", ".join(table.codes[:_MOST_CODES]) + (", ..." if len(table.codes) > _MOST_CODES else "")
        words = (table.name, ", ".join(table.files), _shown(table.rows), _shown(table.people), codes)
        tables.add_row(*(escape(word) for word in words))
    counted = Table(title="Merged, left out or odd", title_justify="left")
    for column in ("table", "reason", "code", "rows"):
        counted.add_column(column, justify="right" if column == "rows" else "left")
    for name, reason, codes_of_it, count in _folded(records.counts):
        counted.add_row(escape(name), escape(reason), escape(codes_of_it), _shown(count))
    for code, rows in material.evidence.averaged.items():
        counted.add_row("", SEVERAL_UNITS, escape(code), _shown(rows))
    for implausible, taken_out in material.evidence.implausible_by_code.items():
        counted.add_row("", "outside the plausible range", escape(implausible), _shown(taken_out))
    asked = Table(title="Question", title_justify="left")
    asked.add_column("what")
    asked.add_column("predictions", justify="right")
    asked.add_column("people", justify="right")
    with_label = len(np.unique(cohort.asked.person))
    asked.add_row("asked, with a label", _shown(len(cohort.asked.time)), _shown(with_label))
    if material.settings.question.kind == "risk":
        followed = material.labels == 1
        had_it = len(np.unique(cohort.asked.person[followed]))
        asked.add_row("of these, followed by the event", _shown(int(followed.sum())), _shown(had_it))
        for note, (predictions, people) in cohort.notes.items():
            asked.add_row(f"of these: {note}", _shown(predictions), _shown(people))
    for reason, (predictions, people) in [*cohort.asked.excluded.items(), *splits[0].excluded.items()]:
        asked.add_row(reason, _shown(predictions), _shown(people))
    divided = Table(title="Split" if len(splits) < 3 else f"Split, the first of {len(splits) - 1} folds")
    divided.title_justify = "left"
    divided.add_column("part")
    divided.add_column("predictions", justify="right")
    divided.add_column("people", justify="right")
    for part, name in enumerate(SPLIT_NAMES):
        chosen = splits[0].part == part
        divided.add_row(name, _shown(int(chosen.sum())), _shown(len(np.unique(cohort.asked.person[chosen]))))
    return [tables, counted, asked, divided]


def _folded(counts: pl.DataFrame) -> Iterator[tuple[str, str, str, int]]:
    """Yield table, reason, the codes that it touched most, and all rows of it: one line a reason."""
    ordered = counts.sort("rows", descending=True, maintain_order=True)
    for table, reason in counts.select("table", "reason").unique(maintain_order=True).iter_rows():
        of_it = ordered.filter(pl.col("table") == table, pl.col("reason") == reason)
        codes = of_it["code"].drop_nulls().unique(maintain_order=True).to_list()
        more = f" and {len(codes) - _MOST_NAMED} more" if len(codes) > _MOST_NAMED else ""
        yield table, reason, ", ".join(codes[:_MOST_NAMED]) + more, int(of_it["rows"].sum())


def _shown(count: int) -> str:
    return "<11" if 0 < count < 11 else f"{count:,}"
