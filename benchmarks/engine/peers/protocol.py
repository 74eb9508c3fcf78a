"""How a program of part c is told to run steps and says how long they took.

Standard library only: it runs in every environment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping

MARK = "@@"  # answers bear it, since libraries print to stdout too


def hold_to_two_cores() -> None:
    """Before the library is imported, since thread pools are sized by the cores that they see.

    SEQUELA_BENCH_CORES names them ("0,1"), the same ones for both sides of a comparison.
    """
    named = os.environ.get("SEQUELA_BENCH_CORES")
    cores = [int(core) for core in named.split(",")] if named else sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)


def settle(step: Callable[[], object], steps: int, seconds: float) -> None:
    """Run so many untimed steps, and as many more as begin within so many seconds."""
    until, done = time.perf_counter() + seconds, 0
    while done < steps or time.perf_counter() < until:
        step()
        done += 1


def serve(work: Mapping[str, Callable[[], object]], versions: Mapping[str, str]) -> None:
    """Answers each line `{"work": name, "warm": n, "settle": s, "steps": n}` with the seconds of every timed step.

    Untimed before are `warm` steps, and as many more as begin within `settle` seconds.
    """
    print(MARK + json.dumps({"work": list(work), "versions": dict(versions)}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        step = work[order["work"]]
        settle(step, order["warm"], order["settle"])
        seconds = []
        for _ in range(order["steps"]):
            begin = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begin)
        print(MARK + json.dumps(seconds), flush=True)
