"""The most memory that a process has had resident; shared by the benchmarks that count it."""

import resource
from pathlib import Path


def peak_gib() -> float:
    """VmHWM where there is one: ru_maxrss may still hold the parent's size from before exec."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
