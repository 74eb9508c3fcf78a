"""Part f: the same comparisons with the engine held to AVX2; torch keeps what the processor has."""

from engine.bars import Verdict, of_ratios
from engine.clock import Turns
from engine.comparison import compare
from engine.workloads import dense_shapes, ragged_shapes

QUESTION = "f. AVX2 forced for ours, torch unrestricted: ragged and dense training"
INSTRUCTION_SET = "avx2"


def measure(allocator: str, turns: Turns) -> tuple[list[dict], list[Verdict]]:
    """The cases of a and the training cases of b."""
    del allocator  # one bar for both
    ragged = [
        compare(shape, "training", ["ours", "torch_packed", "torch_padded"], turns, memory=False)
        for shape in ragged_shapes()
    ]
    dense = [compare(shape, "training", ["ours", "torch"], turns, memory=False) for shape in dense_shapes()]
    return ragged + dense, [
        *of_ratios("AVX2, ragged training", [case["ratio"] for case in ragged], mean=3.0),
        *of_ratios("AVX2, dense training", [case["ratio"] for case in dense], mean=0.9),
    ]
