from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.baselines import window_statistics
from sequela.baselines import windows as windows_module
from sequela.cohort import Sequences, Timeline, build_timeline, one_each, one_pass
from sequela.cohort.facts import static_facts
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation
from sequela.prepare.state import WordState

HOUR = 3_600_000_000
Row = tuple[int, int, str, float, int]
VALUES = st.tuples(
    st.integers(0, 3), st.integers(-5, 20), st.sampled_from("xy"), st.integers(-50, 50), st.integers(0, 9)
)


def timeline_of(rows: list[tuple[int, int, str, int, int]]) -> Timeline:
    known = [(p, t * HOUR, code, float(v), (t + late) * HOUR) for p, t, code, v, late in rows]
    schema = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    frame = pl.DataFrame(known, schema=schema | {"available_time": pl.Int64}, orient="row")
    frame = frame.unique(["subject_id", "time", "code", "available_time"], keep="first", maintain_order=True)
    instants = pl.col("time", "available_time").cast(pl.Datetime("us"))
    return build_timeline(frame.with_columns(instants, text_value=pl.lit(None, pl.String)), 4)


def seen_cells(timeline: Timeline, sequences: Sequences, r: int, code: str) -> list[int]:
    """Return the cells of a code that a prediction sees, looked for one by one; a correction for what it corrects."""
    variable = [name for name, _ in timeline.variables].index(code)
    first = sequences.first[sequences.sequence[r]]
    rows = range(first, sequences.read[r] + 1) if sequences.read[r] >= 0 else range(0)
    by_time = {
        timeline.cell_time[m]: m
        for row in rows
        for m in range(timeline.cell_offsets[row], timeline.cell_offsets[row + 1])
        if timeline.cell_variable[m] == variable
    }
    return list(by_time.values())


def slowly(timeline: Timeline, sequences: Sequences, r: int, code: str) -> list[float]:
    """Return what the module promises, read off the cells one by one."""
    cells = seen_cells(timeline, sequences, r, code)
    if not cells:
        return [*[np.nan] * 6, 0.0, np.nan, np.nan]
    value = timeline.cell_number[cells].astype(np.float64)
    change = value[-1] - value[-2] if len(value) > 1 else np.nan
    since = (sequences.read_time[r] - timeline.cell_time[cells[-1]]) / HOUR
    return [value[-1], value[0], value.min(), value.max(), value.mean(), value.std(), len(value), change, since]


@pytest.mark.parametrize("history", [None, 6 * HOUR])
@given(rows=st.lists(VALUES, min_size=2, max_size=30))
@settings(max_examples=25)
def test_statistics_are_those_of_the_cells_that_a_prediction_sees(
    history: int | None, rows: list[tuple[int, int, str, int, int]]
) -> None:
    timeline = timeline_of([*rows, (0, 0, "x", 1, 0), (0, 0, "y", 1, 0)])
    person, time = np.repeat(np.arange(4), 3), np.tile(np.array([-2, 8, 40]) * HOUR, 4)
    keys = {"person": person, "episode_start": np.zeros(12, dtype=np.int64), "time": time}
    sequences = one_pass(timeline, **keys) if history is None else one_each(timeline, **keys, history=history)
    state, facts = fitted(timeline, sequences)
    found = window_statistics(timeline, facts, state, sequences)
    names = ("last", "first", "min", "max", "mean", "std", "count", "change", "hours since")
    for r in range(12):
        for code in state.columns:
            columns = [found.names.index(f"{name} {code}") for name in names]
            expected = slowly(timeline, sequences, r, code)
            assert np.allclose(found.matrix[r, columns], expected, rtol=1e-6, atol=1e-6, equal_nan=True)
        before = seen_cells(timeline, sequences, r, "x")[:-1][::-1]
        for back in range(5):
            columns = [found.names.index(f"{name}{back + 1} before the last x") for name in ("", "hours since ")]
            cell = before[back] if back < len(before) else None
            since = None if cell is None else (time[r] - timeline.cell_time[cell]) / HOUR
            of_cell = [np.nan, np.nan] if cell is None else [float(timeline.cell_number[cell]), since]
            assert np.allclose(found.matrix[r, columns], of_cell, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert found.matrix[:, found.names.index("hours since the start")].tolist() == (time / HOUR).tolist()
    known = sequences.read - sequences.first[sequences.sequence] + 1
    records = found.matrix[:, found.names.index("records")]
    assert records.tolist() == np.where(sequences.read >= 0, known, 0).tolist()
    x = found.names.index("last x")
    assert np.array_equal(found.last_target[:, 0], found.matrix[:, x], equal_nan=True)


def fitted(timeline: Timeline, sequences: Sequences) -> tuple[PreparedState, object]:
    facts = static_facts(pl.DataFrame(schema={"code": pl.String, "time": pl.Datetime("us"), "subject_id": pl.Int64}), 4)
    everybody = one_pass(
        timeline, person=np.arange(4), episode_start=np.zeros(4, dtype=np.int64), time=np.full(4, 99 * HOUR)
    )
    keys = PrepareSettings(min_people=1)
    return fit_preparation(timeline, facts, everybody, {"x": np.array([1.0, 2.0])}, keys)[0], facts


def test_a_correction_counts_in_the_place_of_what_it_corrects_from_when_it_is_known() -> None:
    rows = [(p, t, code, 50, 0) for p in range(4) for t in (0, 2) for code in "xy"]
    timeline = timeline_of([*rows, (0, 4, "x", 1000, 0), (0, 4, "x", 100, 2), (0, 4, "x", 80, 3), (0, 9, "x", 60, 0)])
    hours = np.array([5, 6, 7, 9])
    person, start = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    sequences = one_pass(timeline, person=person, episode_start=start, time=hours * HOUR)
    state, facts = fitted(timeline, sequences)
    found = window_statistics(timeline, facts, state, sequences)  # type: ignore[arg-type]
    names = ("count x", "max x", "mean x", "change x", "1 before the last x", "hours since x")
    assert found.matrix[:, [found.names.index(name) for name in names]].tolist() == [
        [3, 1000, pytest.approx(1100 / 3), 950, 50, 1],
        [3, 100, pytest.approx(200 / 3), 50, 50, 2],
        [3, 80, 60, 30, 50, 3],
        [4, 80, 60, -20, 80, 0],
    ]


def test_statistics_do_not_depend_on_the_rows_walked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rows = [(int(p), int(t), "xy"[t % 2], int(random.integers(99)), 0) for p in range(4) for t in range(12)]
    timeline = timeline_of(rows)
    sequences = one_pass(
        timeline, person=np.arange(4), episode_start=np.zeros(4, dtype=np.int64), time=np.full(4, 9 * HOUR)
    )
    state, facts = fitted(timeline, sequences)
    whole = window_statistics(timeline, facts, state, sequences).matrix  # type: ignore[arg-type]
    monkeypatch.setattr(windows_module, "_CELLS_AT_ONCE", 60)  # a few rows
    assert window_statistics(timeline, facts, state, sequences).matrix.tobytes() == whole.tobytes()  # type: ignore[arg-type]


@given(rows=st.lists(VALUES, min_size=2, max_size=30))
@settings(max_examples=25)
def test_events_give_a_count_the_hours_since_and_the_last_amount(rows: list[tuple[int, int, str, int, int]]) -> None:
    timeline = timeline_of([*rows, (0, 0, "x", 1, 0), (0, 0, "y", 1, 0)])
    person, time = np.repeat(np.arange(4), 3), np.tile(np.array([-2, 8, 40]) * HOUR, 4)
    sequences = one_pass(timeline, person=person, episode_start=np.zeros(12, dtype=np.int64), time=time)
    state, facts = fitted(timeline, sequences)
    features = [feature for feature in state.features if feature.code == "x"]
    for unit, amounts in ((2.0, True), (1.0, False)):
        words = [WordState(code="y", unit_amount=unit)]
        found = window_statistics(
            timeline, facts, state.model_copy(update={"features": features, "words": words}), sequences
        )
        place = {name: column for column, name in enumerate(found.names)}
        assert ("last y" in place) == amounts
        for r in range(12):
            cells = seen_cells(timeline, sequences, r, "y")
            since = (time[r] - timeline.cell_time[cells[-1]]) / HOUR if cells else np.nan
            assert found.matrix[r, place["count y"]] == len(cells)
            assert np.array_equal(found.matrix[r, place["hours since y"]], since, equal_nan=True)
            if amounts:
                last = timeline.cell_number[cells[-1]] if cells else np.nan
                assert np.array_equal(found.matrix[r, place["last y"]], last, equal_nan=True)


@given(rows=st.lists(VALUES, min_size=2, max_size=30))
@settings(max_examples=25)
def test_what_a_target_was_last_is_known_also_where_too_few_people_have_it(
    rows: list[tuple[int, int, str, int, int]],
) -> None:
    timeline = timeline_of([*rows, (0, 0, "x", 1, 0), (0, 0, "y", 1, 0)])
    person, time = np.repeat(np.arange(4), 3), np.tile(np.array([-2, 8, 40]) * HOUR, 4)
    sequences = one_pass(timeline, person=person, episode_start=np.zeros(12, dtype=np.int64), time=time)
    state, facts = fitted(timeline, sequences)
    whole = window_statistics(timeline, facts, state, sequences)
    without = state.model_copy(update={"features": [part for part in state.features if part.code == "y"]})
    found = window_statistics(timeline, facts, without, sequences)
    assert not any(name.endswith(" x") for name in found.names)
    assert np.array_equal(found.last_target, whole.last_target, equal_nan=True)
    assert np.allclose(found.mean_target, whole.mean_target, rtol=1e-9, equal_nan=True)
