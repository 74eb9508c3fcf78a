"""The command line: sequela example | check | run | predict | report."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sequela.errors import InputError, SequelaError

app = typer.Typer(
    name="sequela",
    help="What follows, forecast from the irregular histories of patients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_DEBUG = "--debug"


@app.command()
def example(
    name: Annotated[str | None, typer.Argument(help="Which example; without it, they are listed.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to write it; default: a folder of its name.")] = None,
) -> None:
    """Write a real, small data set as ordinary files, with a study file beside them."""
    from sequela.examples import available, write

    if name is None:
        for known, words in available().items():
            typer.echo(f"{known:24}{words}")
        return
    study = write(name, folder or Path(name))
    typer.echo(f"Written: {study}\nNext:    sequela run {shlex.quote(str(study))}")


@app.command()
def check(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, laid over the study file.")] = None,
) -> None:
    """Read the records, ask the question and show what is there; train nothing."""
    from sequela.study import gather, read_study
    from sequela.terminal import TerminalWatch, reading_tables

    console = Console(stderr=True)
    with TerminalWatch(console) as watch:
        material = gather(read_study(study, _changes(changes)), watch)
    for table in reading_tables(material):
        Console().print(table)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    out: Annotated[Path | None, typer.Option(help="The run folder; default: runs/<name>-<time>.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, laid over the study file.")] = None,
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
    console = Console()
    console.print(results_table(done.metrics))
    console.print(f"\n{done.metrics['verdict']}\n", highlight=False)
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
        raise InputError(f"--out {out}: the name ends neither in .csv nor in .parquet.")
    if out is not None and out.exists():
        raise InputError(f"--out {out}: there is such a file already. Choose another name or remove it.")
    predictor = load_bundle(bundle)
    found = predictor.predict_files(_paths(records, predictor.tables), now=now, at=at)
    if out is None:
        sys.stdout.write(found.table.write_csv())
    else:
        _write_table(found.table, out)
    for reason, (predictions, people) in found.excluded.items():
        typer.echo(f"Not predicted, {reason}: {predictions:,} prediction times of {people:,} people.", err=True)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]) -> None:
    """Write the report of a run again, from its files."""
    from sequela.report import write_report

    typer.echo(f"Report: {write_report(folder)}")


def _changes(given: list[str] | None) -> dict[str, Any]:
    """Return --set values by key; a value is read as TOML, and as text where it is none."""
    changes: dict[str, Any] = {}
    for change in given or []:
        key, equals, value = change.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {key}: write key=value, such as --set train.epochs=20.")
        try:
            changes[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = value
    return changes


def _paths(records: list[str], tables: list[str]) -> dict[str, Path]:
    """Return the files by table: NAME=PATH, or in the study's order."""
    named = {
        name: Path(path) for name, equals, path in (r.partition("=") for r in records) if equals and name in tables
    }
    if len(named) == len(records):
        return named
    if named:
        raise InputError("Name each table as NAME=PATH, or none of them.")
    if len(records) != len(tables):
        raise InputError(
            f"{len(records)} files are given, but the study has {len(tables)} tables: {', '.join(tables)}."
        )
    return {name: Path(path) for name, path in zip(tables, records, strict=True)}


def _write_table(table: Any, out: Path) -> None:
    """Write a table beside its place, then put it there, so that nothing half-written is left."""
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    temporary = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix == ".csv":
            table.write_csv(temporary)
        else:
            table.write_parquet(temporary)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a fault of ours, 2 wrong input, 3 a leak."""
    debug = _DEBUG in sys.argv
    sys.argv = [word for word in sys.argv if word != _DEBUG]
    try:
        app()
    except SequelaError as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("Interrupted; nothing was written.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # a fault of ours: its message may hold data, so only its kind is shown
        if debug:
            traceback.print_exc()
        typer.echo(
            f"A fault in sequela ({type(error).__name__}); nothing was written. "
            "Run the command again with --debug to see where, and report it.",
            err=True,
        )
        sys.exit(1)
