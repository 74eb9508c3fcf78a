"""Events in the order of contract 1: codes as numbers, and where each step begins, in one look at every event.

Written twice, with the same results: in the native core (native/timeline.hpp), and with Polars and numpy, which do it
where the core was not built.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Numbers = NDArray[np.int32]

# A core that was built before it could do this counts as none.
BUILT = importlib.util.find_spec("sequela._native") is not None and hasattr(
    importlib.import_module("sequela._native"), "mark_steps"
)
_SAMPLE = 10_000


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The distinct instants of P people, N in all."""

    person_offsets: Rows  # [P+1]
    time: Rows  # [N]
    cell_offsets: Rows  # [N+1] the first event of each


def numbered(values: pl.Series) -> tuple[pl.Series, Numbers]:
    """Return the distinct values, sorted, and the place of each value among them.

    Most values are found in a sample, so that all are looked at once.
    """
    words = values.gather_every(max(1, len(values) // _SAMPLE)).unique().sort()
    place, unknown = _places(values, words)
    if unknown:
        words = pl.concat([words, values.filter(pl.Series(place < 0)).unique()]).sort()
        place, unknown = _places(values, words)
    return words, place


def mark_steps(person: Rows, known: Rows, variable: Numbers, people: int) -> Steps | None:
    """Return the steps of events that ascend by person, instant and variable; None where they do not.

    Args:
        person: [M] below `people`.
        known: [M] the instant.
        variable: [M]
        people: P
    """
    return (_native_steps if BUILT else _plain_steps)(person, known, variable, people)


def _native() -> Any:
    return importlib.import_module("sequela._native")


def _places(values: pl.Series, words: pl.Series) -> tuple[Numbers, int]:
    """Return the place of each value among the words, -1 where it is none of them, and how often it is none."""
    if BUILT:
        place = np.empty(len(values), dtype=np.int32)
        column = values.__arrow_c_stream__(None)
        unknown = _native().number_words(column, words.to_list(), place, pl.thread_pool_size())
        if unknown is not None:
            return place, unknown
    wanted = values.cast(pl.Enum(words), strict=False).to_physical()
    return wanted.cast(pl.Int32).fill_null(-1).to_numpy(), wanted.null_count()


def _native_steps(person: Rows, known: Rows, variable: Numbers, people: int) -> Steps | None:
    time, cell_offsets = np.empty(len(person), dtype=np.int64), np.empty(len(person) + 1, dtype=np.int64)
    person_offsets = np.empty(people + 1, dtype=np.int64)
    events = (np.ascontiguousarray(each) for each in (person, known, variable))
    steps = _native().mark_steps(*events, time, cell_offsets, person_offsets, pl.thread_pool_size())
    if steps < 0:
        return None
    time.resize(steps, refcheck=False)
    cell_offsets.resize(steps + 1, refcheck=False)
    return Steps(person_offsets=person_offsets, time=time, cell_offsets=cell_offsets)


def _plain_steps(person: Rows, known: Rows, variable: Numbers, people: int) -> Steps | None:
    same_person = person[1:] == person[:-1]
    same = same_person & (known[1:] == known[:-1])
    later = (
        (person[1:] > person[:-1]) | (same_person & (known[1:] > known[:-1])) | (same & (variable[1:] > variable[:-1]))
    )
    if not later.all():
        return None
    starts = np.ones(len(person), dtype=bool)
    np.logical_not(same, out=starts[1:])
    begins = np.flatnonzero(starts)
    return Steps(
        person_offsets=np.append(0, np.cumsum(np.bincount(person[begins], minlength=people))),
        time=known[begins],
        cell_offsets=np.append(begins, len(person)),
    )
