"""The command line: sequela example | check | run | predict | report | compare."""

from __future__ import annotations

import errno
import io
import os
import shlex
import signal
import sys
import tomllib
import traceback
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.segment import Segment

from sequela.errors import InputError, SequelaError, printable

if TYPE_CHECKING:
    import polars as pl

    from sequela.predict import Predictor

app = typer.Typer(
    name="sequela",
    help="Say what follows from the irregular histories of patients: the next value, or the risk of an event.",
    epilog="To begin: `sequela example icu-risk`, then `sequela run icu-risk/study.toml`.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
_DEBUG = "--debug"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_USAGE_ERROR: Any = typer.BadParameter.__base__  # of click, which typer brings along under changing names
_Changes = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE laid over the study file, such as train.epochs=20.")
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sequela {metadata.version('sequela')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def example(
    name: Annotated[str | None, typer.Argument(help="Which example; without it, they are listed.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to write it; default: a folder of its name.")] = None,
) -> None:
    """Write a small example as ordinary files, with a study file beside them; without a name, list them all."""
    from sequela.examples import available, write

    if name is None:
        for known, words in available().items():
            typer.echo(f"{known:24}{words}")
        return
    study = write(name, folder or Path(name))
    typer.echo(f"Written: {study}\nNext:    sequela run {shlex.quote(str(study))}")


@app.command()
def check(
    study: Annotated[Path | None, typer.Argument(help="The study file; or none, with --table.")] = None,
    changes: _Changes = None,
    table: Annotated[Path | None, typer.Option(help="A CSV or Parquet file that another tool exported.")] = None,
    subject: Annotated[str | None, typer.Option(help="With --table: the column that says who.")] = None,
    time: Annotated[str | None, typer.Option(help="With --table: the column that says when, if any.")] = None,
    split: Annotated[str | None, typer.Option(help="With --table: the column that names the part, if any.")] = None,
    label: Annotated[str | None, typer.Option(help="With --table: the column that is predicted.")] = None,
) -> None:
    """Read the records, ask the question, split the people, attack the study and show what is there; train nothing."""
    if table is not None and changes:
        raise InputError("--set changes a study file, and a --table has none. Leave --set out.")
    if table is not None:
        _check_table(table, study, subject=subject, time=time, split=split, label=label)
    elif study is None:
        raise InputError("There is nothing to check. Name a study file, or a table with --table FILE.")
    elif (subject, time, split, label) != (None, None, None, None):
        raise InputError("--subject, --time, --split and --label say what the columns of a --table are. Name a table.")
    else:
        _check_study(study, changes)


def _check_study(study: Path, changes: list[str] | None) -> None:
    from sequela.audit import audit_tables
    from sequela.study import attack, divide, gather, read_study, rehearse
    from sequela.terminal import TerminalWatch, reading_tables

    with TerminalWatch(Console(stderr=True)) as watch:
        read = read_study(study, _changes(changes))
        material = gather(read, watch)
        splits = divide(read, material)
        audit = attack(material, splits[:-1], watch)
    for shown in [*reading_tables(material, splits), *audit_tables(audit)]:
        _page().print(shown)
    audit.stop_at_leaks()
    with TerminalWatch(Console(stderr=True)) as watch:
        rehearse(material, splits, watch)


def _check_table(
    table: Path, study: Path | None, *, subject: str | None, time: str | None, split: str | None, label: str | None
) -> None:
    from sequela.audit import audit_table_file, audit_tables

    if study is not None:
        raise InputError("A study file or a --table is checked, not both at once. Name one of them.")
    if subject is None or label is None:
        raise InputError("--table needs --subject and --label: who, and what is predicted. Name these columns.")
    audit = audit_table_file(table, subject=subject, label=label, time=time, split=split)
    for shown in audit_tables(audit):
        _page().print(shown)
    audit.stop_at_leaks()


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    out: Annotated[Path | None, typer.Option(help="The run folder; default: runs/<name>-<time>.")] = None,
    changes: _Changes = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a run folder that exists.")] = False,
) -> None:
    """Carry out a study: read, prepare, train, judge beside baselines, write the report."""
    from sequela.report import results_table
    from sequela.study import read_study
    from sequela.study import run as run_study
    from sequela.terminal import TerminalWatch

    with TerminalWatch(Console(stderr=True)) as watch:
        read = read_study(study, _changes(changes))
        done = run_study(read, out, force=force, watch=watch, command=shlex.join(["sequela", *sys.argv[1:]]))
    console = _page()
    console.print(results_table(done.metrics))
    verdict = f"\n{done.metrics['verdict']}\n"
    console.print(verdict, highlight=False, markup=False, soft_wrap=not console.is_terminal)
    typer.echo(f"Report: {done.report}")


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="The folder `bundle` of a run.")],
    records: Annotated[
        list[str], typer.Argument(help="One file for each table, in the study's order or as NAME=PATH.")
    ],
    now: Annotated[str | None, typer.Option(help="The instant that it is; default: each person's last record.")] = None,
    at: Annotated[str | None, typer.Option(help='"last": only the last prediction of each person.')] = None,
    out: Annotated[Path | None, typer.Option(help="A .csv or .parquet file; default: CSV on stdout.")] = None,
) -> None:
    """Predict for new records; no labels are needed."""
    from sequela.predict import load_bundle

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: the name ends neither in .csv nor in .parquet. Give it one of these endings.")
    if out is not None and (out.exists() or out.is_symlink()):
        raise InputError(f"--out {out}: there is such a file already. Choose another name or remove it.")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    if at not in (None, "last"):
        raise InputError(f"--at {at}: there is no such place. Write --at last, or leave it out.")
    predictor = load_bundle(bundle)
    _check_now(predictor, now)
    found = predictor.predict_files(_paths(records, predictor.tables), now=now, at=at)
    if found.note is not None:
        typer.echo(f"Warning: {printable(found.note)}", err=True)
    if out is None:
        typer.echo(found.table.write_csv().encode(), nl=False)  # UTF-8 as in a file, whatever the terminal shows
    else:
        _write_table(found.table, out)
    for reason, (predictions, people) in found.excluded.items():
        times, whom = (f"{count:,}" if count > 10 else "fewer than 11" for count in (predictions, people))
        typer.echo(f"Not predicted, {reason}: {times} prediction times of {whom} people.", err=True)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]) -> None:
    """Write the report of a run again, from its files."""
    from sequela.report import write_report

    typer.echo(f"Report: {write_report(folder)}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Run folders, the first is the reference.")],
) -> None:
    """Compare runs on the same held-out people: paired differences with their intervals."""
    from sequela.report.comparison import comparison_tables
    from sequela.study.compare import compare_runs

    for table in comparison_tables(compare_runs(runs)):
        _page().print(table)


class _Page(Console):
    """Standard output, where names out of tables steer no terminal; a reader who has seen enough is no fault."""

    def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
        """Yield what is printed, with signs that do not print written out."""
        for part in super().render(*args, **options):
            yield part if part.control or part.text == "\n" else part._replace(text=printable(part.text))

    def on_broken_pipe(self) -> None:
        """Leave it to `main`, which ends with the exit code 0."""
        raise BrokenPipeError


def _page() -> Console:
    """Return standard output; a file or a pipe gets lines that hold the tables unbroken."""
    console = _Page()
    return console if console.is_terminal else _Page(width=120)


def _changes(given: list[str] | None) -> dict[str, Any]:
    """Return --set values by key; a value is read as TOML, and as text where it is none."""
    changes: dict[str, Any] = {}
    for change in given or []:
        key, equals, value = change.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {key}: write key=value, such as --set train.epochs=20.")
        try:
            read = tomllib.loads(f"value = {value}")
        except (tomllib.TOMLDecodeError, RecursionError):
            read = {}
        changes[key.strip()] = read["value"] if len(read) == 1 else value  # more lines are no value of TOML
    return changes


def _check_now(predictor: Predictor, now: str | None) -> None:
    """Refuse a --now that is no time of the study, before anything is read."""
    from sequela.records import Clock

    clock = predictor.bundle.study.clock
    try:
        if now is not None:
            Clock(calendar=clock.calendar, unit=clock.unit, time_zone=clock.time_zone).parse(now)
    except InputError as error:
        raise InputError(f"--now {now}: {error}") from None


def _paths(records: list[str], tables: list[str]) -> dict[str, Path]:
    """Return the files by table: NAME=PATH, or in the study's order."""
    from sequela.records.words import nearest

    listed = ", ".join(tables)
    pairs = [record.partition("=") for record in records]
    is_named = [bool(equals) and name in tables for name, equals, _ in pairs]
    for record, (name, equals, _), named in zip(records, pairs, is_named, strict=True):
        if equals and not named and (any(is_named) or not Path(record).exists()):
            remedy = nearest(name, tables) or " Write NAME=PATH with one of these names."
            raise InputError(f"{record}: the study has no table '{name}'. Its tables are {listed}.{remedy}")
    if not any(is_named):
        if len(records) != len(tables):
            raise InputError(
                f"Files given: {len(records)}, tables of the study: {len(tables)} ({listed}). "
                "Give one file for each table, in this order or as NAME=PATH."
            )
        return {name: Path(path) for name, path in zip(tables, records, strict=True)}
    names = [name for name, _, _ in pairs]
    if not all(is_named) or len(set(names)) < len(names):
        raise InputError(f"Name each table once as NAME=PATH, or none of them. The study's tables are {listed}.")
    return {name: Path(path) for name, _, path in pairs}


def _write_table(table: pl.DataFrame, out: Path) -> None:
    """Write a table beside its place, then put it there, so that nothing half-written is left."""
    temporary, content = out.with_name(f".{out.name}.partial"), io.BytesIO()
    (table.write_csv if out.suffix == ".csv" else table.write_parquet)(content)
    try:
        temporary.write_bytes(content.getbuffer())  # Polars would not say why it cannot
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: it cannot be written ({error.strerror}). Choose another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a fault of ours, 2 wrong input, 3 a leak."""
    # Idle threads of OpenMP, torch's and LightGBM's, leave their cores to others: where these are busy, spinning costs
    # far more than waking up (docs/lab/scale.md). Read when the libraries are loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.flags.optimize > 1:
        remedy = "Leave -OO or PYTHONOPTIMIZE=2 out"
        typer.echo(f"Error: Python runs without docstrings, and LightGBM does not load so. {remedy}.", err=True)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is half-written is taken away on the way out
    debug = _DEBUG in sys.argv
    sys.argv = [word for word in sys.argv if word != _DEBUG]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # letters that the terminal's encoding lacks
    try:
        with typer.main.get_command(app).make_context("sequela", sys.argv[1:] or ["--help"]) as context:
            context.command.invoke(context)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (SequelaError, _USAGE_ERROR) as error:
        if debug:
            traceback.print_exc()
        words = str(error) if isinstance(error, SequelaError) else _usage(error)
        typer.echo(f"Error: {printable(' '.join(words.splitlines()))}", err=True)
        sys.exit(error.exit_code if isinstance(error, SequelaError) else 2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Interrupted; nothing half-written is left.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        _let_go_of_output()
        sys.exit(0)
    except SystemExit:
        raise
    except BaseException as error:  # a fault of ours, or a panic: its message may hold data, so only its kind is shown
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno is not None:
            what, remedy = "a file or folder cannot be used", "Check the paths of the call, and their permissions"
            if error.errno in _NO_ROOM:
                what, remedy = "the output cannot be written", "Make room on the disk"
            typer.echo(f"Error: {what} ({error.strerror}). {remedy}.", err=True)
            try:
                sys.stdout.flush()
            except OSError:
                _let_go_of_output()
            sys.exit(2)
        typer.echo(
            f"A fault in sequela ({type(error).__name__}); nothing half-written is left. "
            "Run the command again with --debug to see where, and report it.",
            err=True,
        )
        sys.exit(1)


def _let_go_of_output() -> None:
    """What standard output could not take is not tried again when Python ends: that would be another exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Any) -> str:
    """Return what is wrong with the call, and where to look."""
    path = error.ctx.command_path if error.ctx is not None else "sequela"
    words = error.format_message().rstrip(".")
    return f"{words}{'' if words.endswith('?') else '.'} `{path} --help` shows how to call it."
