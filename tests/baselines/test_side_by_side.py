from __future__ import annotations

import threading
import time

import pytest

from sequela.baselines.side_by_side import Stop, side_by_side


@pytest.mark.parametrize("threads", [1, 2, 3, 9])
def test_things_are_made_in_their_order_whichever_is_ready_first(threads: int) -> None:
    ready: list[int] = []
    counts: list[int] = []
    second = threading.Event()

    def make(number: int, stop: Stop) -> int:
        if number == 0 and threads > 1:
            assert second.wait(timeout=30)
        ready.append(number)
        if number == 1:
            second.set()
        return number * number

    assert side_by_side(make, range(4), threads, counts.append) == [0, 1, 4, 9]
    assert counts == [1, 2, 3, 4]
    assert sorted(ready) == [0, 1, 2, 3]
    assert (ready == [0, 1, 2, 3]) is (threads == 1)
    assert side_by_side(make, [], threads) == []


def test_no_more_are_made_at_once_than_there_are_threads() -> None:
    both = threading.Barrier(2, timeout=10)
    at_work: set[int] = set()

    def make(number: int, stop: Stop) -> int:
        at_work.add(number)
        both.wait()  # broken if these two were not made at once
        found = len(at_work)
        both.wait()
        at_work.discard(number)
        return found

    assert max(side_by_side(make, range(6), 2)) == 2


def test_a_fault_or_an_interruption_ends_the_others_and_begins_no_more() -> None:
    begun: list[int] = []

    def make(number: int, stop: Stop) -> None:
        begun.append(number)
        if number == 0:
            time.sleep(0.05)
            raise KeyboardInterrupt
        until = time.monotonic() + 20
        while time.monotonic() < until:
            stop(None)
            time.sleep(0.001)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(make, range(50), 3)
    assert time.monotonic() - began < 10
    assert len(begun) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]
