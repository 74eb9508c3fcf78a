"""One case: the candidates in turns, each one's memory in a process of its own, and the ratio."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from engine import ours, workloads
from engine.arithmetic import Peak, operations, operations_of_inference, peak_meter
from engine.clock import Turns, in_turns, peak_megabytes
from engine.workloads import Shape

MAKERS = {"training": workloads.training_step, "inference": workloads.inference_step}
COUNTS = {"training": operations, "inference": operations_of_inference}
# Differences of float32 sums over up to 1000 steps; anything above is a wrong result, not rounding.
TOLERANCE = 1e-3


def compare(shape: Shape, kind: str, candidates: list[str], turns: Turns, *, memory: bool) -> dict:
    """Medians, faults, peak memory, and how many times faster ours is than the best of the others.

    `ratio_of_least` compares the fastest step of each: what the medians would be if nobody else had used the machine.
    `products_ms` is what the products alone take where every thread reaches the multiply-add peak that was measured
    just before, and `most` the ratio that this would give: no implementation on this processor goes beyond.
    """
    difference = workloads.same_result(shape)
    if difference > TOLERANCE:
        raise RuntimeError(f"{shape.name}: output differs from torch's by {difference:.2g}; there is nothing to time")
    peak = torch.get_num_threads() * peak_of_a_core()().cpu
    results, others = in_turns({name: MAKERS[kind](shape, name) for name in candidates}, turns)
    if memory:
        for name in candidates:
            results[name]["peak_mb"] = _peak_in_child(shape, kind, name)
    best = min((name for name in candidates if name != "ours"), key=lambda name: results[name]["median_ms"])
    products = 1e3 * COUNTS[kind](shape) / peak
    case = {
        "case": shape.name,
        "kind": kind,
        "ratio": results[best]["median_ms"] / results["ours"]["median_ms"],
        "ratio_of_least": results[best]["least_ms"] / results["ours"]["least_ms"],
        # On one thread the ratio that others on the machine do not touch; on more, threads that spin count as work.
        "ratio_of_cpu_time": results[best]["cpu_ms"] / results["ours"]["cpu_ms"],
        "threads": torch.get_num_threads(),
        "against": best,
        "products_ms": products,
        "most": results[best]["median_ms"] / products,
        "others_cores": others,
        **results,
    }
    print(_line(case), file=sys.stderr, flush=True)
    return case


@functools.cache
def peak_of_a_core() -> Callable[[], Peak]:
    """The meter of the instruction set that the engine chose."""
    return peak_meter(ours.instruction_set())


def _line(case: dict) -> str:
    peers = "  ".join(
        f"{name} {value['median_ms']:.2f} ms/{value['minor_faults']:.0f} faults/{value.get('peak_mb', -1):.0f} MB"
        for name, value in case.items()
        if isinstance(value, dict)
    )
    cpu = f", processor time {case['ratio_of_cpu_time']:.2f}" if case["threads"] == 1 else ""
    ratio = f"{case['ratio']:5.2f}x (least {case['ratio_of_least']:.2f}{cpu}) of at most {case['most']:5.2f}"
    return f"  {case['case']:<32} {case['kind']:<9} {ratio}  {peers}  others {case['others_cores']:.2f}"


def _peak_in_child(shape: Shape, kind: str, candidate: str) -> float:
    request = json.dumps(
        {"shape": vars(shape), "kind": kind, "candidate": candidate, "threads": torch.get_num_threads()}
    )
    script = Path(__file__).resolve().parents[1] / "cells.py"
    done = subprocess.run(
        [sys.executable, str(script), "--peak-memory-of", request], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def peak_memory_of(request: str) -> float:
    """Megabytes, in a fresh process: libraries, threads and code pages are brought in by a tiny case first."""
    wanted = json.loads(request)
    torch.set_num_threads(wanted["threads"])
    shape, make = Shape(**wanted["shape"]), MAKERS[wanted["kind"]]
    tiny = Shape(**{**wanted["shape"], "batch": 2, "steps": 4})
    make(tiny, wanted["candidate"])()
    return peak_megabytes(make(shape, wanted["candidate"]))
