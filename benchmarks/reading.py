"""How long until training starts, and how much memory does it take, on 2 cores?

`python benchmarks/reading.py`                     0.5, 1, 2 and 5 million events
`python benchmarks/reading.py --millions 0.1`      a quick look

Writes synthetic histories as ordinary CSV files (not counted), then, in a fresh process that may use two cores, reads
them, builds the cohort, prepares it and trains until the first optimisation steps are done. An event is a cell that
holds something. Counted: seconds from the start of Python to the first finished step, imports included, and the peak
of resident memory. Bars: 5 million events in under 60 s and 4 GiB; cost linear from 0.5 to 5 million.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from memory import peak_gib
from numpy.typing import NDArray

CORES = 2
STEPS = 10  # optimisation steps after which the process stops
BAR_SECONDS, BAR_GIB, BAR_SLOPE = 60.0, 4.0, 1.1

# share of visits at which it is measured; typical value; spread between people; spread between visits
VITALS = {
    "sbp": (0.85, 132.0, 12.0, 10.0),
    "dbp": (0.85, 78.0, 8.0, 7.0),
    "heart_rate": (0.60, 74.0, 9.0, 8.0),
    "weight": (0.35, 82.0, 16.0, 1.5),
    "temperature": (0.20, 36.7, 0.2, 0.3),
}
LABS = {"creatinine": (0.30, 88.0, 18.0, 8.0), "potassium": (0.30, 4.2, 0.25, 0.3), "hba1c": (0.12, 41.0, 8.0, 3.0)}

STUDY = """
name = "Reading benchmark"

[[records]]
path = "vitals.csv"
layout = "visits"
subject = "patient"
time = "measured_at"

[[records]]
path = "labs.csv"
layout = "long"
subject = "patient"
time = "taken_at"
code = "test"
value = "result"

[[records]]
path = "patients.csv"
layout = "static"
subject = "patient"

[question]
target = "sbp"

[model]
hidden = 8

[train]
epochs = 1
"""


def main() -> int:
    arguments = _arguments()
    if arguments.study:
        print(json.dumps(until_training_started(Path(arguments.study))))
        return 0
    result = measure(arguments.millions)
    print(json.dumps(result, indent=2))
    return 0 if result["passes"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[0.5, 1, 2, 5], help="millions of events")
    parser.add_argument("--study", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the measured process --------------------------------------------------------------------------------------------


def until_training_started(study: Path) -> dict[str, float]:
    """Seconds to the first finished optimisation step, and the peak of memory after STEPS of them.

    The one place that knows how sequela is called: a run of the study, left by the watch that is told of each step.
    """
    began = _process_age_seconds(), time.perf_counter()
    import torch

    import sequela
    from sequela.study import Watch

    torch.set_num_threads(CORES)
    finished: list[float] = []

    class Started(BaseException):
        """Not an Exception, so that nothing on the way takes it for a fault."""

    class Steps(Watch):
        def training(self, *_: object) -> None:
            finished.append(began[0] + time.perf_counter() - began[1])
            if len(finished) == STEPS:
                raise Started

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Started):
        sequela.run(sequela.read_study(study), Path(folder) / "run", watch=Steps())
    if not finished:
        raise SystemExit("The run ended without an optimisation step.")
    return {"seconds": finished[0], "peak_gib": peak_gib(), "steps": float(len(finished))}


def _process_age_seconds() -> float:
    """How long this process has lived: the start of Python counts too."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError):
        return 0.0
    return up - ticks / os.sysconf("SC_CLK_TCK")


# --- the measuring process -------------------------------------------------------------------------------------------


def measure(millions: list[float]) -> dict[str, Any]:
    """Cost at each size, and whether the bars are met."""
    sizes = [_measure_one(round(million * 1e6)) for million in sorted(millions)]
    slope = _slope(sizes)
    largest = sizes[-1]
    passes = {
        "seconds": largest["seconds"] < BAR_SECONDS,
        "memory": largest["peak_gib"] < BAR_GIB,
        "linear": slope is None or slope <= BAR_SLOPE,
    }
    return {
        "question": "seconds and memory until training has started, on 2 cores",
        "sizes": sizes,
        "log_log_slope": slope,
        "marginal_microseconds_per_event": _marginal(sizes),
        "bars": {"at_events": largest["events"], "seconds": BAR_SECONDS, "gib": BAR_GIB, "slope": BAR_SLOPE},
        "met": passes,
        "passes": all(passes.values()),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("sequela", "polars", "torch")}},
        "machine": {"processor": platform.machine(), "cores_used": CORES, "cores": os.cpu_count()},
    }


def _measure_one(events: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        written = write_histories(Path(folder), events)
        print(f"{written['events']:,} events of {written['people']:,} people written", file=sys.stderr)
        cost = _in_fresh_process(Path(folder) / "study.toml")
    per_event = cost["seconds"] / written["events"] * 1e6
    return {**written, **cost, "microseconds_per_event": per_event}


def _in_fresh_process(study: Path) -> dict[str, float]:
    allowed = sorted(os.sched_getaffinity(0))[:CORES]
    threads = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, __file__, "--study", str(study)],
        env={**os.environ, **dict.fromkeys(threads, str(CORES))},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"The measured process ended with {done.returncode}.")
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def _slope(sizes: list[dict[str, Any]]) -> float | None:
    if len(sizes) < 2:
        return None
    events, seconds = ([size[key] for size in sizes] for key in ("events", "seconds"))
    return float(np.polyfit(np.log(events), np.log(seconds), 1)[0])


def _marginal(sizes: list[dict[str, Any]]) -> list[float]:
    """Cost of each further event between neighbouring sizes: free of what a start costs anyway."""
    return [
        (after["seconds"] - before["seconds"]) / (after["events"] - before["events"]) * 1e6
        for before, after in itertools.pairwise(sizes)
    ]


# --- synthetic histories ---------------------------------------------------------------------------------------------


def write_histories(folder: Path, events: int) -> dict[str, int]:
    """Writes vitals.csv (a row a visit, sorted by person), labs.csv (a row a result, sorted by date), patients.csv.

    History lengths are lognormal (median 12 visits, mean 20, a few of hundreds); so are the gaps between visits (median
    20 days, shorter for those who come often). Codes are missing at rates of their own. One value in 5,000 is a typing
    error.
    """
    import polars as pl

    random = np.random.default_rng(20261122)
    shares = [share for share, *_ in (VITALS | LABS).values()]
    visits = round(events / sum(shares))
    person, minute = _visit_times(random, visits)
    people = int(person[-1]) + 1
    first = np.datetime64("2000-01-01T00:00:00", "us")
    names = pl.Series("patient", [f"P{number:07d}" for number in range(people)])
    frame = pl.DataFrame(
        {"patient": names.gather(person), "measured_at": first + minute.astype("timedelta64[m]")}
    ).with_columns(pl.col("measured_at").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    columns = {code: _values(random, person, people, settings) for code, settings in (VITALS | LABS).items()}
    vitals = frame.with_columns(pl.Series(code, columns[code]) for code in VITALS).with_columns(
        pl.col(list(VITALS)).fill_nan(None)
    )
    labs = pl.concat(
        frame.select("patient", taken_at="measured_at", test=pl.lit(code), result=pl.Series(columns[code])).filter(
            pl.col("result").is_not_nan()
        )
        for code in LABS
    ).sort("taken_at", "patient")
    sex = np.where(random.random(people) < 0.5, "female", "male")
    vitals.write_csv(folder / "vitals.csv")
    labs.write_csv(folder / "labs.csv")
    pl.DataFrame({"patient": names, "sex": sex}).write_csv(folder / "patients.csv")
    (folder / "study.toml").write_text(STUDY)
    cells = sum(int(np.isfinite(values).sum()) for values in columns.values())
    size = sum((folder / file).stat().st_size for file in ("vitals.csv", "labs.csv", "patients.csv"))
    return {"events": cells, "people": people, "visits": visits, "bytes": size}


def _visit_times(random: np.random.Generator, visits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The person of each visit, and its minute since 2000: uneven, increasing within a person."""
    lengths = np.ceil(random.lognormal(np.log(12), 1.0, size=visits)).astype(np.int64)
    people = int(np.searchsorted(np.cumsum(lengths), visits)) + 1
    person = np.repeat(np.arange(people), lengths[:people])[:visits]
    gaps = random.lognormal(np.log(20 * 24 * 60), 1.5, size=visits) / (1 + lengths[person] / 20)
    gaps = np.ceil(gaps).astype(np.int64).clip(max=2 * 525_600)
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    gaps[starts] = random.integers(0, 10 * 525_600, size=people)
    total = np.cumsum(gaps)
    before = np.concatenate([[0], total[starts[1:] - 1]])
    return person, total - np.repeat(before, np.diff(np.append(starts, visits)))


def _values(
    random: np.random.Generator, person: NDArray[np.int64], people: int, settings: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """One code at every visit; NaN where it was not measured."""
    share, typical, between, within = settings
    own = random.normal(typical, between, size=people)
    values = np.round(own[person] + random.normal(0, within, size=len(person)), 1)
    values[random.random(len(person)) < 1 / 5000] *= 10
    values[random.random(len(person)) >= share] = np.nan
    return values


if __name__ == "__main__":
    sys.exit(main())
