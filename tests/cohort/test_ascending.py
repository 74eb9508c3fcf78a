"""The native core and Polars number the same words; the core and numpy mark the same steps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.cohort import ascending
from sequela.cohort.ascending import Steps, mark_steps, numbered

# Lengths around 12 bytes, up to which Arrow keeps a word in place; equal beginnings and ends; letters of two bytes.
WORDS = ["", "a", "elevenbytes", "twelve bytes", "thirteen byte", "LOINC//8867-4", "LOINC//8867-5", "LOINC//9867-4"]
WORDS += ["a very long word that stands elsewhere", "a very long wxrd that stands elsewhere", "µg/é", "ß" * 9]


@pytest.fixture(params=[True, False], ids=["native", "plain"])
def built(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not ascending.BUILT:
        pytest.skip("the native core is not built")
    monkeypatch.setattr(ascending, "BUILT", request.param)
    return bool(request.param)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("count", [0, 1, 50, 200_000])
def test_words_are_numbered_in_their_order(count: int) -> None:
    generator = np.random.default_rng(7)
    values = pl.Series("code", WORDS, dtype=pl.String).gather(generator.integers(0, len(WORDS), count))
    words, place = numbered(values)
    assert words.to_list() == sorted(set(values.to_list()), key=lambda word: word.encode())
    assert words.gather(place).to_list() == values.to_list()
    assert place.dtype == np.int32


@pytest.mark.usefixtures("built")
def test_a_word_that_the_sample_does_not_hold_is_found() -> None:
    values = pl.Series("code", ["b"] * 70_001 + ["a", "a rare word, longer than a view"] + ["c"] * 70_000)
    words, place = numbered(values)
    assert words.to_list() == ["a", "a rare word, longer than a view", "b", "c"]
    assert place[[0, 70_001, 70_002, 70_003]].tolist() == [2, 0, 1, 3]


@pytest.mark.usefixtures("built")
def test_words_may_come_in_pieces_and_from_the_middle_of_others() -> None:
    pieces = pl.concat([pl.Series(WORDS).slice(3, 7), pl.Series(WORDS).reverse()], rechunk=False)
    words, place = numbered(pieces)
    assert words.gather(place).to_list() == pieces.to_list()


def both_ways(person: list[int], known: list[int], variable: list[int], people: int) -> list[Steps | None]:
    arrays = np.array(person, dtype=np.int64), np.array(known, dtype=np.int64), np.array(variable, dtype=np.int32)
    found = []
    for way in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ascending, "BUILT", way and ascending.BUILT)
            found.append(mark_steps(*arrays, people))
    return found


EVENT = st.tuples(st.integers(0, 5), st.integers(-2, 3), st.integers(0, 2))


@settings(deadline=None)
@given(events=st.sets(EVENT, max_size=60), swapped=st.booleans())
def test_steps_are_marked_alike(events: set[tuple[int, int, int]], swapped: bool) -> None:
    ordered = sorted(events)
    if swapped and len(ordered) > 1:
        ordered[0], ordered[-1] = ordered[-1], ordered[0]
    columns = [list(column) for column in zip(*ordered, strict=True)] if ordered else [[], [], []]
    one, other = both_ways(*columns, people=7)
    assert (one is None) == (other is None) == (swapped and len(ordered) > 1)
    if one is not None and other is not None:
        for name in ("person_offsets", "time", "cell_offsets"):
            left, right = getattr(one, name), getattr(other, name)
            assert left.dtype == right.dtype
            assert left.tolist() == right.tolist()


def test_many_events_have_the_steps_that_numpy_finds() -> None:
    generator = np.random.default_rng(3)
    keys = np.unique(generator.integers(0, [500, 400, 5], (200_000, 3)), axis=0)
    one, other = both_ways(*(column.tolist() for column in keys.T), people=600)
    assert one is not None
    assert other is not None
    assert one.person_offsets.tolist() == other.person_offsets.tolist()
    assert one.time.tobytes() == other.time.tobytes()
    assert one.cell_offsets.tobytes() == other.cell_offsets.tobytes()


@pytest.mark.parametrize(("known", "variable"), [([5, 5], [1, 1]), ([5, 4], [1, 1]), ([5, 4], [0, 1])], ids=str)
def test_a_value_twice_at_one_instant_or_before_the_last_does_not_ascend(known: list[int], variable: list[int]) -> None:
    assert both_ways([0, 0], known, variable, people=1) == [None, None]
