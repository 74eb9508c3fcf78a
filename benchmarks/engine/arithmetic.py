"""What the products of a training step cost at least: counted operations over the measured multiply-add peak."""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.workloads import GATES, LAYERS, Shape

# Flags and vector bytes of the peak's loop.
LOOPS = {"avx512": ("-mavx512f", 64), "avx2": ("-mavx2 -mfma", 32), "portable": ("", 16)}


def operations(shape: Shape) -> float:
    """Floating-point operations of the products that a training step executes; nothing else is counted.

    Activations, padding at the edges of tiles and the packing of weights count nothing. A step of a layer with G gates
    multiplies [x, h] by the stacked weights forward (in + H by G H), the gates' gradient by them backward (only the H
    rows of the state in the first layer: nobody asks for the gradient of the input), and accumulates the weights'
    gradient (in + H by G H).
    """
    rows, hidden = int(shape.lengths().sum()), shape.hidden
    total = 0.0
    for layer in range(LAYERS):
        inputs = shape.input if layer == 0 else hidden
        backward = hidden if layer == 0 else inputs + hidden
        total += 2.0 * rows * GATES[shape.cell] * hidden * (2 * (inputs + hidden) + backward)
    return total


def operations_of_inference(shape: Shape) -> float:
    """The same of the forward pass alone."""
    rows, hidden = int(shape.lengths().sum()), shape.hidden
    return 2.0 * rows * GATES[shape.cell] * hidden * ((shape.input + hidden) + (LAYERS - 1) * 2 * hidden)


class Peak(NamedTuple):
    """Operations a second: by the clock on the wall, and of the processor's time, which others cannot take away."""

    wall: float
    cpu: float


def peak_meter(instruction_set: str) -> Callable[[], Peak]:
    """A meter of a loop that does multiply-adds in registers, on one core, and nothing else."""
    compiler = next((found for name in ("gcc", "cc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise RuntimeError("the multiply-add peak is measured by compiling engine/fma_peak.c: install gcc or clang")
    flags, width = LOOPS[instruction_set]
    library = Path(tempfile.mkdtemp()) / "fma_peak.so"
    command = [compiler, "-O3", "-shared", "-fPIC", "-ffp-contract=fast", f"-DVECTOR_BYTES={width}", *flags.split()]
    subprocess.run([*command, str(Path(__file__).with_name("fma_peak.c")), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.spin.argtypes, loaded.spin.restype = [ctypes.c_long, ctypes.c_float], ctypes.c_float
    loaded.operations.argtypes, loaded.operations.restype = [ctypes.c_long], ctypes.c_double
    rounds = 4_000_000

    def peak() -> Peak:
        begin, begin_cpu = time.perf_counter(), time.thread_time()
        loaded.spin(rounds, 0.25)
        done = loaded.operations(rounds)
        return Peak(done / (time.perf_counter() - begin), done / (time.thread_time() - begin_cpu))

    return peak
