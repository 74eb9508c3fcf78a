"""Part g: what Python, autograd and the dispatcher cost around a core that has next to nothing to do."""

from engine.bars import Verdict
from engine.clock import Turns
from engine.comparison import compare
from engine.workloads import Shape

QUESTION = "g. the way to the core and back: forward + backward of 2 histories of one step, one unit, 2 layers"
MOST_MS = 0.15


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """LSTM and GRU, beside torch's."""
    del allocator  # one bar for both
    cases = [
        compare(Shape(2, 1, 1, 1, cell), "training", ["ours", "torch"], turns, memory=False) for cell in ("LSTM", "GRU")
    ]
    slowest = max(case["ours"]["median_ms"] for case in cases)
    return cases, [Verdict("150 us over a step that is all glue", MOST_MS / slowest, 1.0)]
