"""What the products of a training step cost at least: counted operations over the measured multiply-add peak."""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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


def peak_meter(instruction_set: str) -> Callable[[], float]:
    """Operations a second of a loop that does multiply-adds in registers and nothing else."""
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

    def peak() -> float:
        begin = time.perf_counter()
        loaded.spin(rounds, 0.25)
        return loaded.operations(rounds) / (time.perf_counter() - begin)

    return peak
