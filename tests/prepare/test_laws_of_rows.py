"""Whatever a study asks of preparation: the future moves no bit of a row, and nor do the people beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from preparing import HOUR, events_of

from sequela.cohort import Sequences, Timeline, build_timeline, known_by, one_each, one_pass
from sequela.cohort.facts import static_facts
from sequela.errors import CohortError
from sequela.prepare import (
    Collation,
    PreparedState,
    PrepareSettings,
    fit_preparation,
    last_known_targets,
    needs_own_sequences,
    on_grid,
)
from sequela.prepare.rows import RowPreparation

Rows = np.ndarray[Any, Any]
PEOPLE = 6
CODES = ("x", "y", "z")


@st.composite
def preparations(draw: st.DrawFn) -> PrepareSettings:
    """Draw a [prepare] with every key that acts on rows."""

    def by_code(*values: str) -> Any:
        single = st.sampled_from(values)
        return draw(single) if draw(st.booleans()) else {code: draw(single) for code in ("x", "y", "*")}

    keys: dict[str, Any] = {
        "outliers": by_code("none", "iqr", "mad", "hampel"),
        "outlier_action": by_code("flag", "missing", "clip"),
        "transform": by_code("none", "difference", "moving_average:3", "yeo_johnson"),
        "scale": by_code("standard", "minmax", "robust", "quantile", "none"),
        "missing": by_code("zero", "mean", "last", "linear", "regression", "knn", "decay"),
        "carry_limit": by_code("none", "5h", "24h"),
    }
    if draw(st.booleans()):
        keys |= {"grid": "2h", "aggregate": by_code("mean", "last", "min", "max", "sum")}
    for key, goes_with, nothing in (
        ("outlier_action", "outliers", ("flag", "none")),
        ("carry_limit", "missing", ("none", "zero", "mean")),
    ):
        table, rules = (
            k if isinstance(k, dict) else dict.fromkeys(("x", "y", "*"), k) for k in (keys[key], keys[goes_with])
        )
        keys[key] = {code: nothing[0] if rules[code] in nothing[1:] else value for code, value in table.items()}
    return PrepareSettings(min_people=draw(st.integers(1, 2)), **keys)


def random_events(generator: np.random.Generator) -> pl.DataFrame:
    """Return records of six people: late ones, categories, codes without a value, now and then a typing error."""
    rows: list[tuple[Any, ...]] = [(person, 0, "x", 1.0) for person in range(PEOPLE)]
    for _ in range(150):
        person, hour = int(generator.integers(PEOPLE)), int(generator.integers(0, 80)) / 4
        known = hour + float(generator.choice([0, 0, 0, 1, 9]))
        value: Any = float(generator.normal(5, 2)) * (100 if generator.random() < 0.03 else 1)
        kind = generator.random()
        if kind < 0.1:
            rows.append((person, hour, "ward", str(generator.choice(["A", "B", "C"])), known))
        elif kind < 0.2:
            rows.append((person, hour, f"DIAGNOSIS//{generator.integers(3)}", None, known))
        else:
            rows.append((person, hour, str(generator.choice(CODES)), value, known))
    return events_of(*rows)


def sequences_of(
    timeline: Timeline, chosen: PrepareSettings, hours: np.ndarray[Any, Any]
) -> tuple[Timeline, Sequences]:
    """Return what two predictions of each person see, on the study's clock."""
    person = np.repeat(np.arange(PEOPLE), len(hours))
    time = np.tile(hours * HOUR, PEOPLE)
    together = one_each if needs_own_sequences(chosen) else one_pass
    return on_grid(timeline, together(timeline, person=person, episode_start=0 * time, time=time), chosen.grid_state)


def sight(
    timeline: Timeline, sequences: Sequences, state: PreparedState, events: pl.DataFrame, person: int, number: int
) -> list[bytes]:
    """Return all that prediction `number` of a person rests on, as bytes."""
    r = 2 * person + number
    s = int(sequences.sequence[r])
    prepared = RowPreparation(timeline, state).rows(sequences, np.arange(len(sequences.person)), provenance=True)
    begin = int((np.cumsum(sequences.lengths) - sequences.lengths)[s])
    span = slice(begin, begin + int(sequences.read[r] - sequences.first[s] + 1) if sequences.read[r] >= 0 else begin)
    course = RowPreparation(timeline, state).course(sequences, np.arange(len(sequences.person)))
    parts = [prepared.values, prepared.observed, prepared.gap_hours, prepared.hours, prepared.provenance]
    parts += [course.values, course.observed]
    facts = static_facts(events, PEOPLE)
    batch, _ = Collation(timeline, facts, state, sequences).batch(np.array([s]))
    words: list[np.ndarray[Any, Any]] = []
    if batch.events is not None:
        last = int(batch.events.offsets[span.stop - span.start])
        words = [batch.events.ids.numpy()[:last], batch.events.amounts.numpy()[:last]]
    last_targets = last_known_targets(timeline, sequences, ["x"])[r]
    return [part[span].tobytes() for part in parts if part is not None] + [
        *(word.tobytes() for word in words),
        last_targets.tobytes(),
    ]


@settings(deadline=None, max_examples=40)
@given(chosen=preparations(), seed=st.integers(0, 2**32 - 1), hour=st.integers(1, 10))
def test_what_becomes_known_later_moves_no_bit(chosen: PrepareSettings, seed: int, hour: int) -> None:
    generator = np.random.default_rng(seed)
    events = random_events(generator)
    hours = np.array([2 * hour, 2 * hour + 40])
    timeline = build_timeline(events, PEOPLE)
    facts = static_facts(events, PEOPLE)
    try:
        seen, sequences = sequences_of(timeline, chosen, hours)
        state, _ = fit_preparation(seen, facts, sequences, {"x": generator.normal(5, 2, 2 * PEOPLE)}, chosen)
    except CohortError:
        return
    state = PreparedState.model_validate_json(state.model_dump_json())
    person = int(generator.integers(PEOPLE))
    before = sight(seen, sequences, state, events, person, 0)
    now = pl.Series([int(hours[0]) * HOUR]).cast(pl.Datetime("us"))[0]
    cut = known_by(events, now)
    if not len(cut.filter(pl.col("subject_id") == person)):
        return
    then, sequences_then = sequences_of(build_timeline(cut, PEOPLE), chosen, hours)
    assert sight(then, sequences_then, state, cut, person, 0) == before


@settings(deadline=None, max_examples=40)
@given(chosen=preparations(), seed=st.integers(0, 2**32 - 1))
def test_a_person_has_the_same_bits_alone_and_among_others(chosen: PrepareSettings, seed: int) -> None:
    generator = np.random.default_rng(seed)
    events = random_events(generator)
    try:
        seen, sequences = sequences_of(build_timeline(events, PEOPLE), chosen, np.array([4, 30]))
        state, _ = fit_preparation(seen, static_facts(events, PEOPLE), sequences, {}, chosen)
    except CohortError:
        return
    preparation = RowPreparation(seen, state)
    everybody = preparation.rows(sequences, np.arange(len(sequences.person)), provenance=True)
    ends = np.cumsum(sequences.lengths)
    for s in generator.permutation(len(sequences.person))[:3]:
        alone = preparation.rows(sequences, np.array([s]), provenance=True)
        span = slice(ends[s] - sequences.lengths[s], ends[s])
        for name in ("values", "observed", "gap_hours", "hours", "provenance"):
            assert getattr(alone, name).tobytes() == getattr(everybody, name)[span].tobytes(), name
    assert np.isfinite(everybody.values).all()
    assert np.isfinite(everybody.gap_hours).all()
    assert everybody.provenance is not None
    assert ((everybody.provenance == 0) == everybody.observed).all()
