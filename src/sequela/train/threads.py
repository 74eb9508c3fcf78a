"""How many threads a training step is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WORTH_SHARING = 2e8  # operations of a step, some milliseconds of one core: below, handing out work costs more


@contextmanager
def threads_for_step(parameters: int, rows: float) -> Iterator[None]:
    """Use one thread inside where a training step is small, and all of torch's where it is not.

    On a machine whose cores are busy, torch's threads wait for each other at every small operation:
    docs/lab/reading.md, "Threads of a small network".

    Args:
        parameters: of the network; each is used about six times a row, forward and backward.
        rows: steps of all sequences of a batch.
    """
    if 6 * parameters * rows >= _WORTH_SHARING:
        yield
        return
    with one_thread():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread inside: for torch's small operations, such as a step of Adam, on the engine's cores.

    torch's own threads go on spinning for milliseconds after each operation that they shared, on cores that the
    engine's threads need next. Results do not depend on the number of cores then either.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
