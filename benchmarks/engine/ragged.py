"""Part a: ragged histories, training, against the better of torch's packed and padded paths."""

from engine.bars import Verdict, of_ratios
from engine.clock import Turns
from engine.comparison import compare
from engine.workloads import SEEDS, ragged_shapes

QUESTION = "a. ragged, 2 layers, forward + backward, against the better of torch packed and torch padded"
CANDIDATES = ["ours", "torch_packed", "torch_padded"]
BARS = {"default": (7.0, 4.0), "tuned": (4.5, 2.5)}


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """Three shapes, three seeds, two cells. Memory is taken on the first seed; others differ by their lengths only."""
    cases = [compare(shape, "training", CANDIDATES, turns, memory=shape.seed == SEEDS[0]) for shape in ragged_shapes()]
    mean, least = BARS[allocator]
    verdicts = of_ratios("ragged training", [case["ratio"] for case in cases], mean=mean, least=least)
    return cases, [*verdicts, memory_verdict(cases)]


def memory_verdict(cases: list[dict]) -> Verdict:
    """Peak memory of a training step is not above torch's packed one."""
    known = [case for case in cases if "peak_mb" in case["ours"]]
    ratios = [case["torch_packed"]["peak_mb"] / case["ours"]["peak_mb"] for case in known]
    return Verdict("peak memory of torch packed over ours: least", min(ratios), 1.0)
