"""How many threads the engine uses: as many as torch has at each call, or a number of its own."""

from __future__ import annotations

import importlib
import importlib.util
import operator

import torch

_SPIN, _SPIN_OWN = 100, 500  # microseconds that a thread waits awake for the next call: on shared cores, on its own

_MOST = 64  # that the core ever uses (native/pool.hpp)

_own: int | None = None


def set_num_threads(count: int | None) -> None:
    """Let the engine use so many threads whatever torch does; None: as many as torch has at each call.

    Where threads are as many as cores, `torch.set_num_threads(1)` beside it is fastest for small networks: torch's own
    threads spin for milliseconds after every small operation that they shared, on the cores that the engine needs next.
    The engine's own wait awake a little longer for its next call where they have a number of their own.

    Args:
        count: at least 1, or None; beyond 64 it counts as 64.

    Raises:
        TypeError: where it is no whole number.
        ValueError: where it is less than 1.
    """
    global _own
    if count is not None and operator.index(count) < 1:
        raise ValueError(f"The engine needs at least one thread, not {count}.")
    _own = None if count is None else min(operator.index(count), _MOST)
    if importlib.util.find_spec("sequela._native") is not None:
        importlib.import_module("sequela._native").spin_for(_SPIN if count is None else _SPIN_OWN)


def get_num_threads() -> int:
    """Return how many threads the engine's next call will use."""
    return torch.get_num_threads() if _own is None else _own
