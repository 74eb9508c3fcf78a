"""Times of two or more programs taken in turns, with their page faults and their peak memory."""

import ctypes
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.machine import CpuClock
from engine.peers.protocol import settle

Step = Callable[[], object]


@dataclass(frozen=True)
class Turns:
    """How often each candidate gets its turn, and how many steps it times then: at least 30 in all."""

    rounds: int = 6
    steps: int = 6
    # Untimed steps at the beginning of a turn, so many and for so long: they bring back caches, wake the candidate's
    # own threads, and let the other's go to sleep, so that nobody pays for the other's turn. torch's threads spin for
    # some milliseconds after their last operation, on cores that the engine's threads want.
    warm: int = 2
    settle: float = 0.03  # seconds

    def settle_with(self, step: Step) -> None:
        """Run the untimed steps of a turn."""
        settle(step, self.warm, self.settle)


@dataclass
class Timing:
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)

    def summary(self) -> dict:
        ordered = sorted(self.seconds)
        return {
            "median_ms": 1e3 * statistics.median(ordered),
            "least_ms": 1e3 * ordered[0],
            "cpu_ms": 1e3 * statistics.median(self.cpu_seconds),
            "quartiles_ms": [1e3 * ordered[len(ordered) // 4], 1e3 * ordered[(3 * len(ordered)) // 4]],
            "minor_faults": statistics.median(self.faults),
            "steps": len(ordered),
        }


def in_turns(candidates: Mapping[str, Step], turns: Turns) -> tuple[dict[str, dict], float]:
    """The summary of every candidate, and the cores that others used meanwhile."""
    timings = {name: Timing() for name in candidates}
    start = CpuClock.now()
    for _ in range(turns.rounds):
        for name, step in candidates.items():
            turns.settle_with(step)
            for _ in range(turns.steps):
                _time_one(step, timings[name])
    return {name: timing.summary() for name, timing in timings.items()}, CpuClock.now().others_since(start)


def _time_one(step: Step, timing: Timing) -> None:
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    begin, begin_cpu = time.perf_counter(), time.process_time()
    step()
    timing.seconds.append(time.perf_counter() - begin)
    timing.cpu_seconds.append(time.process_time() - begin_cpu)
    timing.faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)


def peak_megabytes(step: Step, steps: int = 3) -> float:
    """Memory that the steps add at their highest point to what the process held before the first of them."""
    ctypes.CDLL(None).malloc_trim(0)
    before = _status_megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    for _ in range(steps):
        step()
    return max(0.0, _status_megabytes("VmHWM") - before)


def _status_megabytes(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {key}: peak memory is measured on Linux only")
