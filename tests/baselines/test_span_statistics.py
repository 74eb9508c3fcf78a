from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.baselines import SPAN_HOURS, WindowStatistics, span_statistics
from sequela.baselines import seen as seen_module
from sequela.cohort import Sequences, Timeline, build_timeline, one_each, one_pass
from sequela.cohort.facts import Facts, static_facts
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation
from sequela.prepare.state import WordState

HOUR = 3_600_000_000
PEOPLE = 4
Row = tuple[int, int, str, int | str, int]
ROWS = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 3), st.integers(-5, 50), st.sampled_from("xy"), st.integers(-50, 50), st.integers(0, 9)
        ),
        st.tuples(st.integers(0, 3), st.integers(-5, 50), st.just("c"), st.sampled_from("abz"), st.integers(0, 9)),
    ),
    max_size=60,
)
SEEN_BY_ALL: list[Row] = [
    row
    for p in range(PEOPLE)
    for row in ((p, -20, "x", 1, 0), (p, -20, "y", 1, 0), (p, -20, "c", "a", 0), (p, -19, "c", "b", 0))
]


def timeline_of(rows: list[Row]) -> Timeline:
    known = [
        (p, t * HOUR, code, None if isinstance(v, str) else v / 3, v if isinstance(v, str) else None, (t + late) * HOUR)
        for p, t, code, v, late in rows
    ]
    schema = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    frame = pl.DataFrame(known, schema=schema | {"text_value": pl.String, "available_time": pl.Int64}, orient="row")
    frame = frame.unique(["subject_id", "time", "code", "available_time"], keep="first", maintain_order=True)
    return build_timeline(frame.with_columns(pl.col("time", "available_time").cast(pl.Datetime("us"))), PEOPLE)


def asked(timeline: Timeline, history: int | None = None) -> Sequences:
    times = np.array([-30, 2, 8, 20, 40]) * HOUR
    person = np.repeat(np.arange(PEOPLE), len(times))
    keys = {"person": person, "episode_start": np.full(len(person), -HOUR), "time": np.tile(times, PEOPLE)}
    return one_pass(timeline, **keys) if history is None else one_each(timeline, **keys, history=history)


def no_facts() -> Facts:
    schema = {"code": pl.String, "time": pl.Datetime("us"), "subject_id": pl.Int64}
    return static_facts(pl.DataFrame(schema=schema), PEOPLE)


def fitted(timeline: Timeline) -> PreparedState:
    everybody = one_pass(
        timeline,
        person=np.arange(PEOPLE),
        episode_start=np.zeros(PEOPLE, dtype=np.int64),
        time=np.full(PEOPLE, 99 * HOUR),
    )
    return fit_preparation(timeline, no_facts(), everybody, {"x": np.array([1.0, 2.0])}, PrepareSettings(min_people=4))[
        0
    ]


def statistics(timeline: Timeline, sequences: Sequences, state: PreparedState) -> WindowStatistics:
    return span_statistics(timeline, no_facts(), state, sequences)


def slowly(timeline: Timeline, sequences: Sequences, r: int, code: str, hours: float | None) -> list[int]:
    """Return the cells of a code that a prediction sees, looked for one by one; a correction for what it corrects."""
    variable = [name for name, _ in timeline.variables].index(code)
    first = sequences.first[sequences.sequence[r]]
    rows = range(first, sequences.read[r] + 1) if sequences.read[r] >= 0 else range(0)
    after = -np.inf if hours is None else sequences.read_time[r] - hours * HOUR
    by_time = {
        timeline.cell_time[m]: m
        for row in rows
        for m in range(timeline.cell_offsets[row], timeline.cell_offsets[row + 1])
        if timeline.cell_variable[m] == variable and timeline.cell_time[m] > after
    }
    return list(by_time.values())


def of_cells(timeline: Timeline, cells: list[int], now: int) -> list[float]:
    if not cells:
        return [*[np.nan] * 7, 0, np.nan]
    v = timeline.cell_number[cells].astype(np.float64)
    since = (now - timeline.cell_time[cells[-1]]) / HOUR
    return [v[-1], v[0], v.min(), v.max(), v.mean(), v.std(), float(np.median(v)), len(v), since]


@pytest.mark.parametrize("history", [None, 30 * HOUR])
@given(rows=ROWS)
@settings(max_examples=30)
def test_statistics_are_those_of_the_cells_of_each_span(history: int | None, rows: list[Row]) -> None:
    timeline = timeline_of([*SEEN_BY_ALL, *rows])
    sequences, state = asked(timeline, history), fitted(timeline)
    found = statistics(timeline, sequences, state)
    place = {name: number for number, name in enumerate(found.names)}
    names = ("last", "first", "min", "max", "mean", "std", "median", "count", "hours since")
    for r, now in enumerate(sequences.read_time.tolist()):
        for hours in SPAN_HOURS:
            suffix = "" if hours is None else f", last {hours:g} h"
            for code in "xy":
                columns = [place[f"{name} {code}{suffix}"] for name in names]
                expected = of_cells(timeline, slowly(timeline, sequences, r, code, hours), now)
                assert np.allclose(found.matrix[r, columns], expected, rtol=1e-5, atol=1e-5, equal_nan=True)
            count = found.matrix[r, place[f"count c{suffix}"]]
            assert count == len(slowly(timeline, sequences, r, "c", hours))
        cells = slowly(timeline, sequences, r, "c", None)
        since = (now - timeline.cell_time[cells[-1]]) / HOUR if cells else np.nan
        assert np.isclose(found.matrix[r, place["hours since c"]], since, equal_nan=True)
        last = timeline.levels[timeline.cell_level[cells[-1]]][1] if cells else None
        levels = {name.removeprefix("last c = "): said for name, said in place.items() if name.startswith("last c = ")}
        assert {"a", "b", "(other)"} <= levels.keys()  # and z, where as many people have it
        for level, column in levels.items():
            is_last = last == level or (level == "(other)" and last not in levels)
            said = found.matrix[r, column]
            assert np.isnan(said) if last is None else said == is_last


@given(rows=ROWS)
@settings(max_examples=20)
def test_what_becomes_known_later_changes_no_bit(rows: list[Row]) -> None:
    kept = [*SEEN_BY_ALL, *(row for row in rows if row[1] + row[4] <= 8)]
    later = [(p, t, code, "z" if isinstance(v, str) else 7 - v, late) for p, t, code, v, late in rows if t + late > 8]
    state = fitted(timeline_of([*SEEN_BY_ALL, *rows]))
    found = []
    for seen in ([*SEEN_BY_ALL, *rows], kept + later, kept):
        timeline = timeline_of(seen)
        everything = statistics(timeline, asked(timeline), state).matrix
        found.append(everything[asked(timeline).read_time <= 8 * HOUR].tobytes())
    assert found[0] == found[1] == found[2]


@given(rows=ROWS, seed=st.integers(0, 9))
@settings(max_examples=20)
def test_a_prediction_has_the_same_bits_alone_in_any_order_and_in_small_runs(rows: list[Row], seed: int) -> None:
    timeline = timeline_of([*SEEN_BY_ALL, *rows])
    sequences, state = asked(timeline), fitted(timeline)
    whole = statistics(timeline, sequences, state).matrix
    order = np.random.default_rng(seed).permutation(len(sequences.read))
    shuffled = replace(
        sequences,
        sequence=sequences.sequence[order],
        read=sequences.read[order],
        read_time=sequences.read_time[order],
    )
    assert statistics(timeline, shuffled, state).matrix.tobytes() == whole[order].tobytes()
    for r in order[:4].tolist():
        assert statistics(timeline, sequences.take(np.array([r])), state).matrix.tobytes() == whole[r].tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_module, "_CELLS_AT_ONCE", 2)
        assert statistics(timeline, sequences, state).matrix.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({"outlier_action": "flag"}, (3000.0, 7.0)),
        ({"outlier_action": "missing"}, (4.0, 6.0)),
        ({"outlier_action": "clip"}, (28 / 3, 7.0)),
        ({"outlier_action": "missing", "grid": "2h"}, (3000.0, 7.0)),  # limits of bins are none of single values
    ],
)
def test_what_stands_out_is_taken_out_or_moved_as_for_a_network(
    keys: dict[str, Any], seen: tuple[float, float]
) -> None:
    rows = [(p, h, "x", float(h), 0) for p in range(PEOPLE) for h in (2, 4, 6, 8, 10, 12)]
    timeline = timeline_of([*rows, (0, 14, "x", 9000.0, 0)])
    sequences = asked(timeline)
    chosen = PrepareSettings.model_validate({"min_people": 1, "outliers": "iqr", **keys})
    state, _ = fit_preparation(timeline, no_facts(), sequences, {}, chosen)
    found = statistics(timeline, sequences, state)
    last = [found.matrix[4, found.names.index(name)] for name in ("max x", "count x")]
    assert last == pytest.approx(seen)


def test_long_runs_have_the_same_bits_wherever_they_begin() -> None:
    random = np.random.default_rng(0)
    rows = [(p, t, "x", int(random.integers(-99, 99)), 0) for p in range(PEOPLE) for t in range(40) if (p + t) % 7]
    timeline = timeline_of([*SEEN_BY_ALL, *rows])
    sequences, state = asked(timeline), fitted(timeline)
    whole = statistics(timeline, sequences, state).matrix
    for r in range(len(whole)):
        assert statistics(timeline, sequences.take(np.array([r])), state).matrix.tobytes() == whole[r].tobytes()


def test_a_code_that_these_records_do_not_hold_is_missing() -> None:
    state = fitted(timeline_of(SEEN_BY_ALL))
    timeline = timeline_of([(0, 1, "x", 5, 0)])
    found = statistics(timeline, asked(timeline), state)
    y = [number for number, name in enumerate(found.names) if " y" in name and not name.startswith("count")]
    assert np.isnan(found.matrix[:, y]).all()
    assert (found.matrix[:, found.names.index("count y")] == 0).all()
    assert np.isnan(found.matrix[:, found.names.index("last c = a")]).all()


@given(rows=ROWS)
@settings(max_examples=20)
def test_events_are_counted_in_each_span(rows: list[Row]) -> None:
    timeline = timeline_of([*SEEN_BY_ALL, *rows])
    sequences = asked(timeline)
    words = [WordState(code="y", unit_amount=2.0), WordState(code="c", level="a"), WordState(code="c", level="(other)")]
    found = statistics(timeline, sequences, fitted(timeline).model_copy(update={"words": words}))
    for r in range(len(sequences.read)):
        for hours in SPAN_HOURS:
            suffix = "" if hours is None else f", last {hours:g} h"
            cells = slowly(timeline, sequences, r, "c", hours)
            is_a = sum(timeline.levels[timeline.cell_level[cell]][1] == "a" for cell in cells)
            expected = (len(slowly(timeline, sequences, r, "y", hours)), is_a, len(cells) - is_a)
            said = [found.matrix[r, found.names.index(f"count {word.name}{suffix}")] for word in words]
            assert said == list(expected)
        of_y = slowly(timeline, sequences, r, "y", None)
        last = timeline.cell_number[of_y[-1]] if of_y else np.nan
        place = len(found.names) - 1 - found.names[::-1].index("last y")  # y is a column too: its word comes after it
        assert np.array_equal(found.matrix[r, place], last, equal_nan=True)


def test_a_correction_counts_in_the_place_of_what_it_corrects_from_when_it_is_known() -> None:
    timeline = timeline_of([*SEEN_BY_ALL, (0, 1, "x", 3000, 0), (0, 1, "x", 300, 5), (0, 7, "x", 150, 0)])
    sequences = asked(timeline)
    found = statistics(timeline, sequences, fitted(timeline))
    columns = [found.names.index(f"{name} x, last 24 h") for name in ("max", "mean", "count")]
    assert found.matrix[1:3, columns].tolist() == [
        [1000, pytest.approx(3001 / 6), 2],
        [100, pytest.approx(75), 2],
    ]


def test_an_event_without_a_value_is_no_measurement() -> None:
    timeline = timeline_of([(0, t, "x", t, 0) for t in range(5)] + SEEN_BY_ALL)
    of_x = timeline.cell_variable == timeline.variables.index(("x", False))
    number = np.where(of_x & (timeline.cell_time == 4 * HOUR), np.nan, timeline.cell_number)
    found = statistics(replace(timeline, cell_number=number), asked(timeline), fitted(timeline))
    last, count = (found.names.index(f"{name} x") for name in ("last", "count"))
    at_8 = 2
    assert found.matrix[at_8, last] == pytest.approx(1.0)
    assert found.matrix[at_8, count] == 5
