"""Native core of sequela."""

from collections.abc import Sequence

import torch

def info() -> dict[str, object]:
    """What the native core is, what it was built with, and what it holds."""

def choose(name: str) -> None:
    """
    Take another instruction set from now on: for tests and benchmarks. Snapshots keep theirs.
    """

def forward(
    sizes: Sequence[int],
    batch_sizes: int,
    inputs: Sequence[int],
    weights: Sequence[int],
    outputs: Sequence[int],
    mask_scale: float,
    threads: int,
) -> None:
    """Run a recurrence. Arguments are addresses."""

def backward(
    sizes: Sequence[int],
    batch_sizes: int,
    inputs: Sequence[int],
    weights: Sequence[int],
    made: Sequence[int],
    gradients: Sequence[int],
    outputs: Sequence[int],
    weight_gradients: Sequence[int],
    mask_scale: float,
    threads: int,
) -> None:
    """Run a recurrence backward. Arguments are addresses."""

def buffer(size: int) -> torch.Tensor:
    """Return recycled memory as a tensor of bytes; its content is undefined."""

def release_memory() -> None:
    """Give recycled memory back to the system."""

class Snapshot:
    """Packed weights of a cell, never changed after they were made."""

    def __init__(self, sizes: Sequence[int], weights: Sequence[int]) -> None: ...
    def step(self, histories: int, inputs: Sequence[int], outputs: Sequence[int], threads: int) -> None:
        """Advance histories by one step each."""

    def update(
        self, table: int, patients: int, index: int, histories: int, inputs: Sequence[int], y: int, threads: int
    ) -> None:
        """Advance distinct rows of a table of states by one step each, in place."""
