"""Part d: how much of one core's multiply-add peak forward + backward of the engine reach."""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from engine import ours
from engine.arithmetic import Peak, operations, peak_meter
from engine.bars import Verdict
from engine.clock import Turns
from engine.machine import CpuClock
from engine.workloads import Shape, dense_shapes, training_step

QUESTION = "d. one thread: share of the multiply-add peak measured in the same run"
LEAST_SHARE = 0.60


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """The dense shapes of b with H >= 64; the peak is measured between the turns, since the clock swings."""
    del allocator
    torch.set_num_threads(1)
    peak = peak_meter(ours.instruction_set())
    cases = [_share(shape, turns, peak) for shape in dense_shapes() if shape.hidden in (64, 128)]
    least = min(cases, key=lambda case: case["share"])
    return cases, [Verdict(f"share of the multiply-add peak, least ({least['case']})", least["share"], LEAST_SHARE)]


def _share(shape: Shape, turns: Turns, peak: Callable[[], Peak]) -> dict:
    step = training_step(shape, "ours")
    rates, rates_of_cpu, peaks, start = [], [], [], CpuClock.now()
    for _ in range(turns.rounds):
        peaks.append(peak())
        turns.settle_with(step)
        for _ in range(turns.steps):
            begin, begin_cpu = time.perf_counter(), time.process_time()
            step()
            rates.append(operations(shape) / (time.perf_counter() - begin))
            rates_of_cpu.append(operations(shape) / (time.process_time() - begin_cpu))
    rate, top = statistics.median(rates), statistics.median(each.wall for each in peaks)
    case = {
        "case": shape.name,
        "gflops": rate / 1e9,
        "peak_gflops": top / 1e9,
        "peak_range_gflops": [min(peaks).wall / 1e9, max(peaks).wall / 1e9],
        "share": rate / top,
        # By processor time: what the share would be if nobody else had used the core.
        "share_of_cpu_time": statistics.median(rates_of_cpu) / statistics.median(each.cpu for each in peaks),
        "steps": len(rates),
        "others_cores": CpuClock.now().others_since(start),
    }
    reached = f"{rate / 1e9:6.1f} of {top / 1e9:6.1f} GFLOP/s, {case['share']:.1%}"
    print(f"  {case['case']:<32} {reached}, of processor time {case['share_of_cpu_time']:.1%}", file=sys.stderr)
    return case
