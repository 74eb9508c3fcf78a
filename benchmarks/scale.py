"""How long does each stage of a whole study take, and with how much memory, as the cohort grows?

`python benchmarks/scale.py`                                  5,000 and 20,000 people, a forecast and a risk
`python benchmarks/scale.py --people 100000 --kinds forecast --format parquet`
`python benchmarks/scale.py --set 'prepare.missing="knn"'`    what a setting costs: any key of the study

Writes a cohort as ordinary files (not counted): visits of 20 numeric columns, two thirds of them empty, and two of
words; facts; deaths. Then, in a fresh process, the study is run with default settings but two epochs, and in others its
report is written again and one person is predicted. Counted for each stage: seconds on the clock, seconds of the
processor, and the peak of resident memory (Linux; elsewhere one peak of all).

The truth is stated. A person has a frailty z, normal. `lab_00` at a visit is the person's own mean (which z moves by
4), a drift of 0.002 a day, and noise of standard deviation 5: no forecast can have a smaller error. Death comes at a
rate of 0.12 exp(0.8 z) a year: nobody ranks a year's risk better than z, which no input tells. Bars: at the largest
cohort the stages take at most 1.1 in the log-log slope and 3 GiB for 20,000 people, and no model beats the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from memory import peak_gib
from numpy.typing import NDArray

BAR_SLOPE, BAR_GIB_OF_20_000 = 1.1, 3.0
COLUMNS, NOISE, DRIFT = 20, 5.0, 0.002
MEAN_OF_FRAILTY, RATE, RATE_OF_FRAILTY = 4.0, 0.12, 0.8
KINDS = ("forecast", "risk")

TABLES = """
[[records]]
path = "../visits.{format}"
source = "{format}"
subject = "patient"
time = "seen_on"

[[records]]
path = "../patients.{format}"
source = "{format}"
layout = "static"
subject = "patient"
"""
FORECAST = """
[question]
kind = "forecast"
target = "lab_00"
"""
RISK = """
[[records]]
path = "../outcomes.{format}"
source = "{format}"
role = "outcome"
layout = "static"
subject = "patient"

[question]
kind = "risk"
outcome = {{ column = "died", time = "died_on", within = "1y" }}
follow_up = {{ column = "last_contact" }}
at = ["180d", "1y", "2y", "3y"]
"""


def main() -> int:
    arguments = _arguments()
    if arguments.run:
        print(json.dumps(by_stage(Path(arguments.run), arguments.set)))
        return 0
    result = measure(arguments)
    print(json.dumps(result, indent=2))
    return 0 if result["passes"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE laid over the study, such as train.epochs=5")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the measured process --------------------------------------------------------------------------------------------


def by_stage(study: Path, changes: list[str]) -> dict[str, Any]:
    """Run a study; return what each stage cost, what came out, and the largest files."""
    clock = _Clock()
    import tomllib

    import sequela
    from sequela.study import Watch

    class Stages(Watch):
        """Begins a stage where the run does; training is one too."""

        def stage(self, words: str) -> None:
            clock.begins(words)

        def training(self, progress: Any, fit: int, fits: int) -> None:
            if clock.now != "Training":
                clock.begins("Training")

    keys = {
        key: tomllib.loads(f"value = {value}")["value"] for key, _, value in (each.partition("=") for each in changes)
    }
    folder = study.parent / "run"
    run = sequela.run(sequela.read_study(study, {"train.epochs": 2} | keys), folder, watch=Stages())
    clock.begins("")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    data = run.metrics["data"]["predictions"]
    return {
        "predictions": sum(data.values()),
        "stages": clock.stages,
        "peak_gib": max(stage["peak_gib"] for stage in clock.stages.values()),
        "headline": {
            model: of["rmse" if "rmse" in of else "auroc"]["value"] for model, of in run.metrics["models"].items()
        },
        "bytes": dict(sorted(sizes.items(), key=lambda file: -file[1])[:3]),
    }


class _Clock:
    """What each stage costs, from its beginning to that of the next; imports are the first."""

    def __init__(self) -> None:
        self.now, self.stages = "Starting", dict[str, dict[str, float]]()
        self._at = (time.perf_counter(), time.process_time())

    def begins(self, words: str) -> None:
        """End the stage, and begin another."""
        at = (time.perf_counter(), time.process_time())
        cost = {"seconds": at[0] - self._at[0], "processor_seconds": at[1] - self._at[1], "peak_gib": peak_gib()}
        before = self.stages.get(self.now, dict.fromkeys(cost, 0.0))
        self.stages[self.now] = {
            name: max(before[name], value) if name == "peak_gib" else before[name] + value
            for name, value in cost.items()
        }
        with suppress(OSError):  # from here on the peak is the next stage's
            Path("/proc/self/clear_refs").write_text("5")
        self.now, self._at = words, at


# --- the measuring process -------------------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Cost of each kind of study at each size, and whether the bars are met."""
    kinds: dict[str, Any] = {kind: {"sizes": []} for kind in arguments.kinds}
    for people in sorted(arguments.people):
        with tempfile.TemporaryDirectory() as folder:
            written = write_cohort(Path(folder), people, arguments.format)
            print(f"{people:,} people, {written['values']:,} values written", file=sys.stderr)
            for kind in arguments.kinds:
                found = {**written, **_study(Path(folder), kind, arguments)}
                kinds[kind]["sizes"].append(found)
                print(f"  {kind}: {found['seconds']:.0f} s, {found['peak_gib']:.2f} GiB", file=sys.stderr)
    met = {}
    for kind, found in kinds.items():
        found["log_log_slope"] = _slope(found["sizes"])
        largest = found["sizes"][-1]
        met[f"{kind}: linear"] = found["log_log_slope"] is None or found["log_log_slope"] <= BAR_SLOPE
        met[f"{kind}: memory"] = largest["peak_gib"] <= BAR_GIB_OF_20_000 * max(largest["people"] / 20_000, 1)
        met[f"{kind}: no better than the truth"] = all(_is_possible(kind, size) for size in found["sizes"])
    return {
        "question": "cost of each stage of a whole study, by size of the cohort",
        "kinds": kinds,
        "bars": {"slope": BAR_SLOPE, "gib_of_20000_people": BAR_GIB_OF_20_000},
        "met": met,
        "passes": all(met.values()),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("sequela", "polars", "torch", "lightgbm", "scikit-learn")},
        "machine": {"processor": platform.machine(), "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()},
    }


def _study(folder: Path, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run a study of a kind, write its report again, predict one person; each in a fresh process."""
    study = folder / kind / "study.toml"
    study.parent.mkdir()
    tables = TABLES + (RISK if kind == "risk" else FORECAST)
    study.write_text(f'name = "{kind}"\n' + tables.format(format=arguments.format))
    began = time.perf_counter()
    changes = ["--set", *arguments.set] if arguments.set else []
    found: dict[str, Any] = json.loads(
        _output(sys.executable, __file__, "--run", str(study), *changes).splitlines()[-1]
    )
    found["seconds"] = time.perf_counter() - began
    run, sequela = study.parent / "run", (sys.executable, "-m", "sequela")
    one = [str(folder / f"{name}_of_one.{arguments.format}") for name in ("visits", "patients")]
    for name, command in {
        "report": ["report", str(run)],
        "predict_one": ["predict", str(run / "bundle"), *one],
    }.items():
        began = time.perf_counter()
        _output(*sequela, *command)
        found[f"{name}_seconds"] = time.perf_counter() - began
    return found


def _output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:4])} ended with {done.returncode}.")
    return done.stdout


def _slope(sizes: list[dict[str, Any]]) -> float | None:
    """Slope of log seconds of the processor against log people, without the start, which does not grow."""
    if len(sizes) < 2:
        return None
    seconds = [
        sum(stage["processor_seconds"] for name, stage in size["stages"].items() if name != "Starting")
        for size in sizes
    ]
    return float(np.polyfit(np.log([size["people"] for size in sizes]), np.log(seconds), 1)[0])


def _is_possible(kind: str, size: dict[str, Any]) -> bool:
    """True where no model is better than one that knows what made the data, but for chance."""
    if kind == "forecast":
        return min(size["headline"].values()) > 0.97 * size["truth"]["rmse"]
    return max(size["headline"].values()) < size["truth"]["auroc"] + 0.03


# --- the cohort ------------------------------------------------------------------------------------------------------


def write_cohort(folder: Path, people: int, form: str) -> dict[str, Any]:
    """Write visits, patients and outcomes, and the visits and facts of one person; return what is there, and the truth.

    A person has 10 to 60 visits (lognormal, median 20) at gaps of 40 days (median), none after death, and is followed
    for 400 days after the last. Columns are measured at 90 % to 5 % of the visits, words at 75 % and 30 %.
    """
    import polars as pl

    random = np.random.default_rng(20261123)
    visits = np.clip(np.round(random.lognormal(np.log(20), 0.5, people)), 10, 60).astype(np.int64)
    person, first = np.repeat(np.arange(people), visits), np.cumsum(visits) - visits
    day = _days(random, visits, first)
    frailty = random.normal(size=people)
    values = _values(random, person, day - np.repeat(day[first], visits), frailty)
    died = day[first] + random.exponential(365.25 / (RATE * np.exp(RATE_OF_FRAILTY * frailty)))
    end = np.floor(np.minimum(day[first + visits - 1] + 400, died)).astype(np.int64)
    is_dead = died <= day[first + visits - 1] + 400
    ids = pl.Series("patient", [f"P{number:07d}" for number in range(people)])
    origin, words = np.datetime64("2005-01-01"), ["none", "mild", "moderate", "severe", None]
    table = pl.DataFrame({"patient": ids.gather(person), "seen_on": origin + day}).with_columns(
        *(pl.Series(name, column, nan_to_null=True) for name, column in values.items()),
        pl.Series("place", ["clinic", "ward", "phone", None]).gather(
            random.choice(4, len(day), p=[0.5, 0.15, 0.1, 0.25])
        ),
        pl.Series("pain", words).gather(random.choice(5, len(day), p=[0.1, 0.1, 0.07, 0.03, 0.7])),
    )
    table = table.filter(pl.Series(day <= died[person]))
    sex, age = np.where(random.random(people) < 0.5, "female", "male"), random.integers(20, 85, people)
    last = pl.Series(origin + end)
    frames = {
        "visits": table,
        "patients": pl.DataFrame({"patient": ids, "sex": sex, "age": age}),
        "outcomes": pl.DataFrame({"patient": ids, "died": is_dead.astype(int), "last_contact": last}).with_columns(
            died_on=pl.when(pl.col("died") == 1).then("last_contact")
        ),
    }
    for name in ("visits", "patients"):
        frames[f"{name}_of_one"] = frames[name].filter(pl.col("patient") == ids[0])
    for name, frame in frames.items():
        (frame.write_csv if form == "csv" else frame.write_parquet)(folder / f"{name}.{form}")
    return {
        "people": people,
        "visits": len(table),
        "values": int(table.select(pl.exclude("patient", "seen_on").count()).sum_horizontal().item()),
        "truth": {"rmse": NOISE, "auroc": _auroc_of_frailty(random)},
    }


def _days(random: np.random.Generator, visits: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the day of each visit, increasing within a person."""
    gap = np.ceil(random.lognormal(np.log(40), 0.8, int(visits.sum()))).astype(np.int64)
    gap[first] = random.integers(0, 3650, len(visits))
    total = np.cumsum(gap)
    return np.asarray(total - np.repeat(total[first] - gap[first], visits))


def _values(
    random: np.random.Generator, person: NDArray[np.int64], since: NDArray[np.int64], frailty: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return each column at every visit, NaN where it was not measured."""
    found = {}
    for number, share in enumerate(np.r_[0.9, 0.8, np.geomspace(0.6, 0.05, COLUMNS - 2)]):
        own = 100 + 10 * number + random.normal(0, 8, len(frailty)) + MEAN_OF_FRAILTY * frailty * (number < 6)
        value = own[person] + random.normal(0, NOISE, len(person)) + DRIFT * since * (number < 3)
        found[f"lab_{number:02d}"] = np.where(random.random(len(person)) < share, np.round(value, 1), np.nan)
    return found


def _auroc_of_frailty(random: np.random.Generator) -> float:
    """Return how well the frailty itself ranks who dies within a year, in a large number of people."""
    frailty = random.normal(size=1 << 18)
    dies = random.random(len(frailty)) < 1 - np.exp(-RATE * np.exp(RATE_OF_FRAILTY * frailty))
    rank = np.empty(len(frailty))
    rank[np.argsort(frailty)] = np.arange(1, len(frailty) + 1)
    events = int(dies.sum())
    return float((rank[dies].sum() - events * (events + 1) / 2) / (events * (len(frailty) - events)))


if __name__ == "__main__":
    sys.exit(main())
