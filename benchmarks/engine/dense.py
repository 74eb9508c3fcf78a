"""Part b: dense histories, training and inference, against torch.nn.LSTM."""

from engine.bars import Verdict, of_ratios
from engine.clock import Turns
from engine.comparison import compare
from engine.workloads import dense_shapes

QUESTION = "b. dense, 2 layers, LSTM, against torch.nn.LSTM"
# Geometric mean and least; no bar of its own is set for inference under the tuned allocator, so the same one holds.
BARS = {
    ("training", "default"): (2.3, 1.5),
    ("training", "tuned"): (1.6, 1.05),
    ("inference", "default"): (1.4, 1.05),
    ("inference", "tuned"): (1.4, 1.05),
}


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """Five shapes, training first."""
    cases, verdicts = [], []
    for kind in ("training", "inference"):
        found = [compare(shape, kind, ["ours", "torch"], turns, memory=True) for shape in dense_shapes()]
        mean, least = BARS[kind, allocator]
        verdicts += of_ratios(f"dense {kind}", [case["ratio"] for case in found], mean=mean, least=least)
        cases += found
    return cases, verdicts
