"""What the numbers were taken on, and whether anybody else was using it."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Above this many cores of other people's work a comparison of medians is no longer one of the programs.
BUSY_CORES = 0.3
TUNED_ALLOCATOR = (
    "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456"
)


@dataclass(frozen=True)
class CpuClock:
    """The machine's processor time that is not idle, and the part of it that is ours, in seconds."""

    wall: float
    machine: float
    ours: float

    @classmethod
    def now(cls, workers: Iterable[int] = ()) -> "CpuClock":
        """The clock at this moment; `workers` are processes whose time is ours too."""
        ticks = os.sysconf("SC_CLK_TCK")
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle = fields[3] + fields[4]
        own = os.times()
        ours = own.user + own.system + sum(_ticks_of(worker) for worker in workers) / ticks
        return cls(time.monotonic(), (sum(fields) - idle) / ticks, ours)

    def others_since(self, start: "CpuClock") -> float:
        """Cores that others used on average since `start`, time stolen by the hypervisor included."""
        wall = self.wall - start.wall
        return max(0.0, (self.machine - start.machine) - (self.ours - start.ours)) / wall if wall > 0 else 0.0


def _ticks_of(process: int) -> int:
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])  # utime and stime, fields 14 and 15 of proc(5)


def others_now(seconds: float = 2.0) -> float:
    """Cores that others use at the moment."""
    start = CpuClock.now()
    time.sleep(seconds)
    return CpuClock.now().others_since(start)


def quietest_cores(count: int, seconds: float = 1.0) -> list[int]:
    """The cores that did least in the last moment: where a comparison that is held to some of them should sit."""
    before = _busy_ticks()
    time.sleep(seconds)
    after = _busy_ticks()
    allowed = sorted(os.sched_getaffinity(0), key=lambda core: after[core] - before[core])
    return sorted(allowed[:count])


def _busy_ticks() -> dict[int, int]:
    busy = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            busy[int(name[3:])] = sum(int(field) for field in fields[:8]) - int(fields[3]) - int(fields[4])
    return busy


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def facts() -> dict:
    """Processor, load, allocator, instruction set and versions, for the head of the JSON."""
    import torch

    from engine import ours

    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": list(os.getloadavg()),
        "tunables": os.environ.get("GLIBC_TUNABLES", ""),
        "native": ours.info(),
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "libc": " ".join(platform.libc_ver()),
            "torch": torch.__version__,
            "sequela": importlib.metadata.version("sequela"),
        },
    }
