"""The native core and numpy do the same two passes, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.prepare import passes
from sequela.prepare.passes import FOR_EVER, Binned, Cells, Columns, Courses, Filled, Spans

VARIABLES, LEVELS, HOUR = 5, 3, 3_600_000_000


def random_cells(generator: np.random.Generator, rows: int) -> Cells:
    """Return cells of three numbers, one with a flag beside it, of a category and of a code without a column."""
    count = generator.integers(0, VARIABLES + 1, rows)
    variable = [np.sort(generator.permutation(VARIABLES)[:n]) for n in count]
    flat = np.concatenate([*variable, np.zeros(0)]).astype(np.int32)
    time = np.sort(generator.integers(0, 300, rows)) * HOUR // 4
    number = (generator.normal(100, 20, len(flat)) * generator.choice([-1, 1], len(flat))).astype(np.float32)
    number[(generator.random(len(flat)) < 0.1) | (flat == 3)] = np.nan
    level = np.where(flat == 3, generator.integers(0, LEVELS, len(flat)), -1).astype(np.int32)
    return Cells(
        step_time=time,
        offsets=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        variable=flat,
        number=number,
        level=level,
        time=np.repeat(time, count) - generator.integers(0, 3, len(flat)) * HOUR,
        flagged=(generator.random(len(flat)) < 0.3).astype(np.uint8),
    )


def random_columns(generator: np.random.Generator) -> Columns:
    width = 3 + 1 + LEVELS  # of the numbers, the flag and the category's levels
    return Columns(
        center=generator.normal(100, 1, width) * (np.arange(width) < 3),
        spread=np.where(np.arange(width) < 3, generator.uniform(1, 30, width), 1.0),
        fill=generator.normal(0, 1, width).astype(np.float32),
        carried=(generator.random(width) < 0.7).astype(np.uint8),
        limit=np.where(generator.random(width) < 0.5, FOR_EVER, generator.integers(1, 20, width) * HOUR),
        empty=generator.integers(1, 9, width).astype(np.uint8),
        stands=generator.integers(1, 9, width).astype(np.uint8),
        first=np.array([0, 1, 3, 4, -1], dtype=np.int32),
        last=np.array([0, 2, 3, 3 + LEVELS, -1], dtype=np.int32),
        of_level=np.array([4, 5, 6], dtype=np.int32),
    )


def random_spans(generator: np.random.Generator, cells: Cells) -> Spans:
    rows = len(cells.step_time)
    ends = np.sort(generator.integers(0, rows + 1, (generator.integers(0, 6), 2)), axis=1)
    total = int((ends[:, 1] - ends[:, 0]).sum())
    return Spans(
        first=np.ascontiguousarray(ends[:, 0]),
        stop=np.ascontiguousarray(ends[:, 1]),
        start=generator.integers(-5, 3, len(ends)) * HOUR,
        place=generator.permutation(total) if generator.random() < 0.5 else None,
    )


def both_ways(run: Callable[[], object], patch: pytest.MonkeyPatch) -> list[object]:
    if not passes.BUILT:
        pytest.skip("the native core is not built")
    found = [run()]
    with patch.context() as without:
        without.setattr(passes, "BUILT", False)
        found.append(run())
    return found


def assert_same_bits(one: object, other: object) -> None:
    for field in fields(one):  # type: ignore[arg-type]
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            assert left.shape == right.shape, field.name
            assert left.tobytes() == right.tobytes(), field.name
        elif left is not None:
            assert_same_bits(left, right)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 60), provenance=st.booleans(), flags=st.booleans())
def test_rows_are_filled_alike(seed: int, rows: int, provenance: bool, flags: bool) -> None:
    generator = np.random.default_rng(seed)
    cells = random_cells(generator, rows)
    cells = cells if flags else replace(cells, flagged=None)
    columns, spans = random_columns(generator), random_spans(generator, cells)

    def run() -> Filled:
        return passes.fill_rows(cells, columns, spans, provenance=provenance)

    with pytest.MonkeyPatch.context() as patch:
        assert_same_bits(*both_ways(run, patch))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 60), hours=st.sampled_from([0.25, 1, 6, 1000]))
def test_records_come_onto_a_clock_alike(seed: int, rows: int, hours: float) -> None:
    generator = np.random.default_rng(seed)
    cells = replace(random_cells(generator, rows), flagged=None)
    spans = random_spans(generator, cells)
    reach = generator.integers(-3, 30, len(spans.first))
    courses = Courses(first=spans.first, stop=spans.stop, origin=spans.start + 20 * HOUR, reach=reach)
    aggregate = generator.integers(0, 5, VARIABLES).astype(np.uint8)

    def run() -> Binned:
        return passes.on_clock(cells, courses, round(hours * HOUR), aggregate)

    with pytest.MonkeyPatch.context() as patch:
        assert_same_bits(*both_ways(run, patch))


def test_another_number_of_threads_writes_the_same_bits() -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(5)
    cells, columns = random_cells(generator, 60_000), random_columns(generator)
    begins = np.arange(0, 60_000, 100)
    spans = Spans(first=begins, stop=begins + 100, start=cells.step_time[begins])
    before = torch.get_num_threads()
    found = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        found.append(passes.fill_rows(cells, columns, spans, provenance=True))
    torch.set_num_threads(before)
    assert_same_bits(*found)
