"""Several boosters at once, each on one thread: what they say is what they would say one after the other.

LightGBM's own threads part every small step among themselves, and wait for each other where others use the cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")
Stop = Callable[[Any], None]
"""A callback for LightGBM, which ends training where somebody interrupted."""


class _InterruptedError(Exception):
    """Training is of no more use."""


def side_by_side(
    make: Callable[[Thing, Stop], Made],
    things: Sequence[Thing],
    threads: int,
    done: Callable[[int], None] = lambda count: None,
) -> list[Made]:
    """Return what is made of each thing, up to `threads` at once.

    Args:
        make: of a thing; it hands the second argument to LightGBM as a callback, and lets LightGBM use one thread.
        things: to make something of.
        threads: at most; with one, all is made on the caller's.
        done: is told how many are made, in the order of the things.
    """
    interrupted = threading.Event()
    made: list[Made] = []

    def stop(_: object) -> None:
        if interrupted.is_set():
            raise _InterruptedError

    def collect(each: Iterable[Made]) -> list[Made]:
        for one in each:
            made.append(one)
            done(len(made))
        return made

    if min(threads, len(things)) < 2:
        return collect(make(thing, stop) for thing in things)
    with ThreadPoolExecutor(min(threads, len(things))) as pool:
        try:
            return collect(pool.map(lambda thing: make(thing, stop), things))
        except BaseException:
            interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
