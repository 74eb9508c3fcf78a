"""Native core of sequela."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

def info() -> dict[str, object]:
    """What the native core is, what it was built with, and what it holds."""

def spin_for(microseconds: int) -> None:
    """Let the engine's threads wait awake so long for the next call."""

def choose(name: str) -> None:
    """Take another instruction set from now on: for tests and benchmarks. Snapshots keep theirs."""

def recur(
    cell: int,
    tensors: object,
    weights: object,
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    by_history: bool,
    training: bool,
    threads: int,
) -> object:
    """Run a recurrence and return y, h, c and what backward needs; None where a tensor is not plainly right."""

def recur_backward(
    cell: int,
    tensors: object,
    weights: object,
    made: object,
    wanted: Sequence[bool],
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    by_history: bool,
    dx_width: int,
    threads: int,
) -> object:
    """Run `recur` backward and return the wanted gradients; None where a tensor is not plainly right."""

def fade(tensors: object, layers: int, histories: int, threads: int) -> object:
    """Fade and return [x, m] and the factors; None where a tensor is not plainly right."""

def fade_backward(
    tensors: object, made: object, wanted: Sequence[bool], layers: int, histories: int, threads: int
) -> object:
    """Run `fade` backward and return the wanted gradients; None where a tensor is not plainly right."""

def buffer(size: int) -> torch.Tensor:
    """Return recycled memory as a tensor of bytes; its content is undefined."""

def release_memory() -> None:
    """Give recycled memory back to the system."""

def prefix_sum(rows: object, batch_sizes: object, reads: object, threads: int) -> object:
    """Return sums up to rows that are read; None where a tensor is not plainly right."""

def prefix_sum_backward(
    gradient: object, batch_sizes: object, reads: object, count: int, single: bool, threads: int
) -> object:
    """Return the gradient of so many rows, single or double; None where a tensor is not plainly right."""

def prefix_max(rows: object, batch_sizes: object, reads: object, threads: int) -> object:
    """Return maxima up to rows that are read and where they stand; None where a tensor is not plainly right."""

def hide(tensors: object, threads: int) -> object:
    """Return values, gaps and what is observed where some is hidden; None where a tensor is not plainly right."""

def number_words(column: object, words: Sequence[str], number: NDArray[np.int32], threads: int) -> int | None:
    """Write which of the distinct words each word of a column is, -1 for none; return how many are none."""

def mark_steps(
    person: NDArray[np.int64],
    known: NDArray[np.int64],
    variable: NDArray[np.int32],
    time: NDArray[np.int64],
    cell_offsets: NDArray[np.int64],
    person_offsets: NDArray[np.int64],
    threads: int,
) -> int:
    """Write the steps of ascending events; return how many, -1 where the events do not ascend."""

def most_bins(
    span: int,
    courses: Sequence[NDArray[np.int64]],
    step_time: NDArray[np.int64],
    aggregate: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    variable: NDArray[np.int32],
    number: NDArray[np.float32],
    level: NDArray[np.int32] | None,
    time: NDArray[np.int64],
) -> tuple[int, int]:
    """Return how many rows and cells courses have on a regular clock, at most."""

def fill_bins(
    span: int,
    courses: Sequence[NDArray[np.int64]],
    step_time: NDArray[np.int64],
    aggregate: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    variable: NDArray[np.int32],
    number: NDArray[np.float32],
    level: NDArray[np.int32] | None,
    time: NDArray[np.int64],
    rows: NDArray[np.int64],
    edge: NDArray[np.int64],
    made_offsets: NDArray[np.int64],
    made_variable: NDArray[np.int32],
    made_number: NDArray[np.float32],
    made_level: NDArray[np.int32] | None,
    made_time: NDArray[np.int64],
    threads: int,
) -> tuple[int, int]:
    """Write the rows and cells of courses on a regular clock; return how many."""

def fill_rows(
    offsets: NDArray[np.int64],
    variable: NDArray[np.int32],
    number: NDArray[np.float32],
    level: NDArray[np.int32] | None,
    time: NDArray[np.int64],
    center: NDArray[np.float64],
    spread: NDArray[np.float64],
    fill: NDArray[np.float32],
    carried: NDArray[np.uint8],
    limit: NDArray[np.int64],
    empty: NDArray[np.uint8],
    stands: NDArray[np.uint8],
    first_column: NDArray[np.int32],
    last_column: NDArray[np.int32],
    of_level: NDArray[np.int32],
    spans: Sequence[NDArray[np.int64]],
    step_time: NDArray[np.int64],
    flagged: NDArray[np.uint8] | None,
    place: NDArray[np.int64] | None,
    values: NDArray[np.float32],
    observed: NDArray[np.uint8],
    gap_hours: NDArray[np.float32],
    provenance: NDArray[np.uint8] | None,
    threads: int,
) -> None:
    """Write prepared rows of sequences."""

def adam_step(
    weights: object,
    gradients: object,
    means: object,
    squares: object,
    steps: Sequence[int],
    learning_rate: float,
    first: float,
    second: float,
    epsilon: float,
    weight_decay: float,
    max_norm: float,
    threads: int,
) -> bool:
    """Take a step of Adam in place; return False, with nothing done, where a tensor is not plainly right."""

def blend(means: object, weights: object, share: float, threads: int) -> bool:
    """Move means towards weights, in place; return False, with nothing done, where a tensor is not plainly right."""

class Snapshot:
    """Packed weights of a cell, never changed after they were made."""

    def __init__(self, cell: int, tensors: object, weights: object, layers: int) -> None: ...
    def step(self, histories: int, inputs: Sequence[int], outputs: Sequence[int], threads: int) -> None:
        """Advance histories by one step each."""

    def update(
        self, table: int, patients: int, index: int, histories: int, inputs: Sequence[int], y: int, threads: int
    ) -> None:
        """Advance distinct rows of a table of states by one step each, in place."""
