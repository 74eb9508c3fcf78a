"""Part e: a monitor of many beds, one core: a million patients, and 4,096 of them at a time have a new observation."""

import itertools
import statistics
import sys
import time

import torch

from engine import ours
from engine.arithmetic import peak_meter
from engine.bars import Verdict
from engine.clock import Turns
from engine.machine import CpuClock

QUESTION = "e. update of a table of 1,000,000 patients, LSTM, H 64, input 41, batches of 4,096 random rows, one core"
PATIENTS, BATCH, INPUT, HIDDEN = 1_000_000, 4096, 41, 64
LEAST_UPDATES_A_SECOND = 2e6
# Prepared before the clock starts: which patients report, and what. Together far more than the caches hold.
BATCHES = 128


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """Updates a second, reading and writing the states' rows included; the batches are ready tensors."""
    del allocator  # one bar for both
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cell = ours.cells().LSTM(INPUT, HIDDEN).frozen()
    # Written, not only reserved: untouched pages would all be one page of zeros.
    table = cell.table(PATIENTS).normal_(0, 0.1)
    generator = torch.Generator().manual_seed(1)
    reports = itertools.cycle(
        [
            (torch.randperm(PATIENTS, generator=generator)[:BATCH].clone(), torch.randn(BATCH, INPUT))
            for _ in range(BATCHES)
        ]
    )
    seconds, cpu_seconds, start = [], [], CpuClock.now()
    meter = peak_meter(ours.instruction_set())
    for timed in itertools.chain([False] * 16, [True] * max(30, 4 * turns.rounds * turns.steps)):
        rows, x = next(reports)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        cell.update(table, rows, x)
        if timed:
            seconds.append(time.perf_counter() - begin)
            cpu_seconds.append(time.process_time() - begin_cpu)
    rate = BATCH / statistics.median(seconds)
    an_update = 2.0 * 4 * HIDDEN * (INPUT + HIDDEN)
    peak = statistics.median(meter().cpu for _ in range(5))
    moved = 2.0 * 2 * HIDDEN * 4 * rate  # h and c of a row, read and written
    case = {
        "case": QUESTION,
        "updates_a_second": rate,
        "median_us": 1e6 * statistics.median(seconds),
        "updates_a_second_of_cpu_time": BATCH / statistics.median(cpu_seconds),
        # No core of this kind does more: the products alone, at the measured multiply-add peak.
        "most_updates_a_second": peak / an_update,
        "gflops": an_update * rate / 1e9,
        "state_gigabytes_a_second": moved / 1e9,
        "steps": len(seconds),
        "others_cores": CpuClock.now().others_since(start),
    }
    print(
        f"  {rate / 1e6:.2f} million updates a second of at most {peak / an_update / 1e6:.2f}, "
        f"{case['updates_a_second_of_cpu_time'] / 1e6:.2f} of processor time, {case['gflops']:.0f} GFLOP/s, "
        f"{moved / 1e9:.1f} GB/s of states, others {case['others_cores']:.2f}",
        file=sys.stderr,
    )
    return [case], [Verdict("updates a second on one core", rate, LEAST_UPDATES_A_SECOND)]
