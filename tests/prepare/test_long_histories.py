"""Histories of a hundred thousand steps: the memory of a batch, not of the whole."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from sequela.cohort import Timeline, build_timeline, one_each, one_pass
from sequela.cohort.facts import Facts
from sequela.prepare import Collation, PrepareSettings, fit_preparation, on_grid
from sequela.prepare.rows import RowPreparation

STEPS, CODES, SECOND = 100_000, 8, 1_000_000
FACTS = Facts(numbers={}, categories={}, birth=None)


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    """Return two people with a hundred thousand seconds each, one value in eight measured."""
    generator = np.random.default_rng(4)
    step = np.tile(np.arange(STEPS), 2)
    frame = pl.DataFrame(
        {
            "subject_id": np.repeat([0, 1], STEPS),
            "time": pl.Series(step * SECOND).cast(pl.Datetime("us")),
            "code": pl.Series([f"c{n}" for n in range(CODES)]).gather(generator.integers(0, CODES, 2 * STEPS)),
            "numeric_value": generator.normal(0, 1, 2 * STEPS).astype(np.float32),
            "text_value": pl.Series([None] * 2 * STEPS, dtype=pl.String),
            "available_time": pl.Series([None] * 2 * STEPS, dtype=pl.Datetime("us")),
        }
    )
    return build_timeline(frame, 2)


@pytest.mark.parametrize("keys", [{}, {"outliers": "hampel", "outlier_action": "missing"}, {"missing": "knn"}])
def test_a_long_history_is_prepared_in_the_memory_of_its_rows(timeline: Timeline, keys: dict[str, str]) -> None:
    end = np.full(2, STEPS * SECOND)
    sequences = one_pass(timeline, person=np.arange(2), episode_start=np.zeros(2, dtype=np.int64), time=end)
    settings = PrepareSettings.model_validate({"min_people": 1, **keys})
    state, _ = fit_preparation(timeline, FACTS, sequences, {}, settings)
    tracemalloc.start()
    collation = Collation(timeline, FACTS, state, sequences)
    rows = sum(len(batch.values) for batch, _ in collation.batches(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 2 * STEPS
    cells = STEPS * len(state.columns)
    assert peak < (100 if keys else 30) * cells


def test_a_hundred_thousand_windows_are_prepared_batch_by_batch(timeline: Timeline) -> None:
    time = np.arange(0, STEPS, 2) * SECOND
    person = np.zeros(len(time), dtype=np.int64)
    windows = one_each(timeline, person=person, episode_start=0 * person, time=time, history=500 * SECOND)
    state, _ = fit_preparation(timeline, FACTS, windows, {}, PrepareSettings(min_people=1))
    tracemalloc.start()
    collation = Collation(timeline, FACTS, state, windows)
    batch, prediction = next(collation.batches(32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert int(windows.lengths.sum()) > 20_000_000  # 20 million rows, never all at once
    assert len(prediction) == 32
    assert peak < 200e6
    assert bool(batch.values.isfinite().all())


def test_a_long_history_goes_onto_a_clock_and_is_the_same_to_the_bit_in_windows(timeline: Timeline) -> None:
    time = np.arange(60, STEPS, 6000) * SECOND
    keys = {"person": np.ones_like(time), "episode_start": 0 * time, "time": time}
    grid = PrepareSettings(grid="1min").grid_state
    whole, together = on_grid(timeline, one_pass(timeline, **keys), grid)
    apart_timeline, apart = on_grid(timeline, one_each(timeline, **keys), grid)
    state, _ = fit_preparation(whole, FACTS, together, {}, PrepareSettings(min_people=1))
    one = RowPreparation(whole, state).rows(together, np.array([0]))
    last = len(time) - 1
    other = RowPreparation(apart_timeline, state).rows(apart, np.array([last]))
    assert one.values.tobytes() == other.values.tobytes()
    assert one.gap_hours.tobytes() == other.gap_hours.tobytes()
