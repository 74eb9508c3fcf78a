"""How fast do records become packed batches of hourly steps, beside the usual route with pandas?

`python benchmarks/preparation.py`                        1, 2.5, 5 and 10 million events
`python benchmarks/preparation.py --millions 0.2 0.5`     a quick look

37 codes at uneven times, about 400 values a stay of 48 hours, as in an intensive care unit. Both routes start from the
same events in memory, in the order of contract 1 (person, time, code), and end with hourly means carried forward.

sequela: the as-of timeline, the hourly clock, and packed batches that also say what was observed and how long ago each
code was seen before. Its scaling is fitted before; how long that takes is printed beside. pandas: times floored to the
hour, `pivot_table`, `groupby().ffill()`, a padded array; its codes as strings, as they come, and as a Categorical
(made before, not counted).

Each route runs in a fresh process a size, in turns; a process reports its best of three runs, and the peak of its
memory, with what it held before the first in it and above that. All routes must have measured the same cells, with the
same sum to nine digits. Bars at the largest size: 10 times faster than pandas
with strings, under 4 GiB, slope of the log-log fit of seconds against events at most 1.1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

BAR_RATIO, BAR_GIB, BAR_SLOPE = 10.0, 4.0, 1.1
CODES, HOURS, VALUES_A_STAY, RUNS, TURNS = 37, 48, 400, 3, 2
ROUTES = ("sequela", "pandas", "pandas, categorical")


def main() -> int:
    arguments = _arguments()
    if arguments.route:
        print(json.dumps(measured(arguments.route, round(arguments.millions[0] * 1e6))))
        return 0
    result = compare(arguments.millions)
    print(json.dumps(result, indent=2))
    return 0 if result["passes"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 2.5, 5, 10], help="millions of events")
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the measuring process -------------------------------------------------------------------------------------------


def compare(millions: list[float]) -> dict[str, Any]:
    """Cost of each route at each size, and whether the bars are met."""
    sizes = []
    for million in sorted(millions):
        turns = [{route: _in_fresh_process(route, million) for route in ROUTES} for _ in range(TURNS)]
        best = {route: min((turn[route] for turn in turns), key=lambda run: run["seconds"]) for route in ROUTES}
        ratio = {route: best[route]["seconds"] / best["sequela"]["seconds"] for route in ROUTES[1:]}
        sizes.append({"events": best["sequela"]["events"], "routes": best, "times_faster_than": ratio})
        print(f"{million} million: {ratio['pandas']:.1f} times faster", file=sys.stderr)
    largest = sizes[-1]
    slope = {route: _slope(sizes, route) for route in ROUTES}
    met = {
        "faster": largest["times_faster_than"]["pandas"] >= BAR_RATIO,
        "memory": largest["routes"]["sequela"]["peak_gib"] < BAR_GIB,
        "same": all(_same(size["routes"]) for size in sizes),
        "linear": slope["sequela"] is None or slope["sequela"] <= BAR_SLOPE,
    }
    return {
        "question": "events in memory to hourly steps in batches",
        "sizes": sizes,
        "log_log_slope": slope,
        "bars": {"times_faster_than_pandas": BAR_RATIO, "gib": BAR_GIB, "slope": BAR_SLOPE},
        "met": met,
        "passes": all(met.values()),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("sequela", "polars", "numpy", "torch", "pandas")},
        "machine": {"processor": platform.machine(), "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()},
    }


def _same(routes: dict[str, Any]) -> bool:
    checks = [routes[route]["check"] for route in ROUTES]
    counted = len({check["measured_cells"] for check in checks}) == 1
    return counted and bool(np.allclose([check["sum"] for check in checks], checks[0]["sum"], rtol=1e-9))


def _in_fresh_process(route: str, million: float) -> dict[str, Any]:
    command = [sys.executable, __file__, "--route", route, "--millions", str(million)]
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, env=free, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"The measured process ended with {done.returncode}.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _slope(sizes: list[dict[str, Any]], route: str) -> float | None:
    if len(sizes) < 2:
        return None
    seconds = [size["routes"][route]["seconds"] for size in sizes]
    return float(np.polyfit(np.log([size["events"] for size in sizes]), np.log(seconds), 1)[0])


# --- the measured process --------------------------------------------------------------------------------------------


def measured(route: str, events: int) -> dict[str, Any]:
    """Return what one route costs: seconds of the best run, and the peak of memory that it adds, in GiB."""
    run, count = ROUTE[route](events)
    held = _resident_gib("VmRSS")
    seconds, fits = [], []
    for _ in range(RUNS):
        begin = time.perf_counter()
        _, fit = run(False)
        seconds.append(time.perf_counter() - begin - fit)
        fits.append(fit)
    peak = _resident_gib("VmHWM")
    return {
        "events": count,
        "seconds": min(seconds),
        "fit_seconds": min(fits),
        "peak_gib": peak,
        "added_gib": peak - held,
        "check": run(True)[0],
    }


def _resident_gib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 2**20


Run = Callable[[bool], tuple[dict[str, float], float]]  # look at what was made -> what it is; seconds of fitting


def sequela_route(events: int) -> tuple[Run, int]:
    from sequela.cohort import build_timeline, one_pass
    from sequela.cohort.facts import Facts
    from sequela.prepare import Collation, PrepareSettings, fit_preparation, on_grid

    frame = events_frame(events)
    people = int(frame["subject_id"].max()) + 1  # type: ignore[arg-type]
    settings = PrepareSettings(grid="1h", aggregate="mean", missing="last", scale="none")
    facts = Facts(numbers={}, categories={}, birth=None)
    person, start = np.arange(people), np.zeros(people, dtype=np.int64)

    def run(look: bool) -> tuple[dict[str, float], float]:
        timeline = build_timeline(frame, people)
        stays = one_pass(timeline, person=person, episode_start=start, time=start + HOURS * 3_600_000_000)
        clocked, sequences = on_grid(timeline, stays, settings.grid_state)
        begin = time.perf_counter()
        state, _ = fit_preparation(clocked, facts, sequences, {}, settings)
        fit = time.perf_counter() - begin
        rows = measured = 0
        total = 0.0
        for batch, _ in Collation(clocked, facts, state, sequences).batches_of_rows(1 << 15):
            rows += len(batch.values)
            measured += int(batch.observed.sum()) if look else 0
            total += float(batch.values[batch.observed].double().sum()) if look else 0.0
        return {"rows": rows, "measured_cells": measured, "sum": total}, fit

    return run, len(frame)


def pandas_route(events: int, *, categorical: bool = False) -> tuple[Run, int]:
    import pandas as pd

    frame = events_frame(events)
    columns = {name: frame[name].to_numpy() for name in ("subject_id", "time", "numeric_value")}
    table = pd.DataFrame({**columns, "code": frame["code"].to_list()})
    if categorical:
        table["code"] = table["code"].astype("category")
    del frame, columns

    def run(look: bool) -> tuple[dict[str, float], float]:
        hourly = table.assign(hour=table["time"].dt.ceil("h"))
        keys: dict[str, Any] = {"index": ["subject_id", "hour"], "columns": "code", "values": "numeric_value"}
        wide = hourly.pivot_table(**keys, aggfunc="mean", observed=True)
        filled = wide.groupby(level="subject_id").ffill()
        person = filled.index.get_level_values("subject_id").to_numpy()
        begins = np.flatnonzero(np.diff(person, prepend=-1))
        lengths = np.diff(np.append(begins, len(person)))
        padded = np.zeros((len(begins), lengths.max(), filled.shape[1]), dtype=np.float32)
        step = np.arange(len(person)) - np.repeat(begins, lengths)
        padded[np.repeat(np.arange(len(begins)), lengths), step] = filled.to_numpy(dtype=np.float32)
        found = {"rows": float(len(wide)), "measured_cells": 0.0, "sum": 0.0}
        if look:
            found |= {"measured_cells": float(wide.notna().sum().sum()), "sum": float(wide.astype(float).sum().sum())}
        return found, 0.0

    return run, len(table)


ROUTE: dict[str, Callable[[int], tuple[Run, int]]] = {
    "sequela": sequela_route,
    "pandas": pandas_route,
    "pandas, categorical": lambda events: pandas_route(events, categorical=True),
}


# --- synthetic events ------------------------------------------------------------------------------------------------


def events_frame(events: int) -> Any:
    """Return about so many events of contract 1: codes of uneven frequency at random minutes of 48 hours."""
    import polars as pl

    random = np.random.default_rng(20261122)
    people = max(1, events // VALUES_A_STAY)
    share = np.arange(1, CODES + 1) ** -0.8
    minute = 60_000_000
    names = pl.Series([f"vital_{number:02d}" for number in range(CODES)])
    frame = pl.DataFrame(
        {
            "subject_id": random.integers(0, people, events),
            "time": pl.Series(random.integers(1, HOURS * 60 + 1, events) * minute).cast(pl.Datetime("us")),
            "code": names.gather(random.choice(CODES, events, p=share / share.sum())),
            "numeric_value": random.normal(100, 20, events).astype(np.float32),
        }
    )
    frame = frame.sort("subject_id", "time", "code").unique(["subject_id", "time", "code"], maintain_order=True)
    nothing = [pl.lit(None, pl.String).alias("text_value"), pl.lit(None, pl.String).alias("unit")]
    return frame.with_columns(*nothing, pl.lit(None, pl.Datetime("us")).alias("available_time"))


if __name__ == "__main__":
    sys.exit(main())
