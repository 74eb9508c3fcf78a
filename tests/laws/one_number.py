"""Law 2 as a function that raises AssertionError: the same person gives the same number, however it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from cohorts import TIMED, Case, Frames, day_of, known_day
from laws import ROWS, Ready, same_bits

from sequela.bundle import write_bundle
from sequela.cohort import RiskQuestion, build_timeline, one_each, one_pass
from sequela.predict import Predictor, load_bundle, said_table, say
from sequela.prepare import flag_words, needs_own_sequences, on_grid
from sequela.prepare.rows import RowPreparation

Said = dict[tuple[Any, ...], tuple[Any, ...]]  # whose, when, what -> flags, predicted, lower, upper


def said(table: pl.DataFrame) -> Said:
    """Return a table of predictions by person, episode, time, model, target and horizon."""
    values = [name for name in ("flags", "predicted", "lower", "upper") if name in table.columns]
    if "model" not in table.columns:
        table = table.with_columns(model=pl.lit("network"))
    names = ["subject_id", "episode_start", "prediction_time", "model", "code"]
    names += ["horizon_hours"] if "horizon_hours" in table.columns else []
    found = dict(zip(table.select(names).rows(), table.select(values).rows(), strict=True))
    assert len(found) == len(table), "one prediction is made twice"
    return found


def study_says(fitted: Ready) -> pl.DataFrame:
    """Return the predictions of the study as a user reads them; of a risk, those that records reach."""
    cohort, seen = fitted.material.cohort, fitted.material.evidence
    state = fitted.bundle.prepared
    words = say(fitted.bundle, cohort.timeline, seen.facts, cohort.sequences)
    flags = flag_words(cohort.timeline, seen.facts, state, cohort.sequences, seen.implausible)
    table = said_table(fitted.settings.question, fitted.material.records, cohort.asked, words, flags)
    timeline = build_timeline(seen.events, seen.people)
    later = (
        timeline.known_until(cohort.asked.person, cohort.asked.time - 1)
        < timeline.step_offsets[1:][cohort.asked.person]
    )
    rows = np.tile(np.repeat(later, fitted.material.labels[0].size), len(words.predicted))
    return table.filter(pl.Series(rows))


def assert_agree(one: Said, other: Said, where: str, *, complete: bool = False) -> None:
    """Both say the same of what both were asked; `complete`: and everything that `one` says."""
    if complete:
        missing = sorted(map(str, one.keys() - other.keys()))
        assert not missing, f"{where}: not predicted: {missing[:3]}"
    for key in one.keys() & other.keys():
        (words, *numbers), (other_words, *other_numbers) = one[key], other[key]
        assert words == other_words, f"{where}: {key} has the flags {words!r} or {other_words!r}"
        pair = np.array(numbers, dtype=float), np.array(other_numbers, dtype=float)
        assert np.allclose(*pair, rtol=1e-5, atol=1e-5, equal_nan=True), f"{where}: {key}: {numbers} {other_numbers}"


def check_one_number(fitted: Ready, folder: Path, seed: int) -> None:
    """Law 2: study, bundle, alone, rows in another order, one record at a time, and more threads agree."""
    generator = np.random.default_rng(seed)
    case = fitted.case
    write_bundle(fitted.bundle, folder / "bundle")
    predictor = load_bundle(folder / "bundle")
    whole = said(predictor.predict(case.inputs()))
    assert_agree(said(study_says(fitted)), whole, "the study and its bundle", complete=True)
    shuffled = {name: frame[generator.permutation(len(frame))] for name, frame in case.frames.items()}
    again = said(predictor.predict(case.inputs(shuffled)))
    assert_agree(whole, again, "rows in another order", complete=True)
    assert whole.keys() == again.keys()
    _check_threads(predictor, case, whole)
    names = fitted.material.records.subjects["source_id"].cast(pl.String).to_list()
    for name in generator.choice(names, 2, replace=False).tolist():
        alone = said(_of_one(predictor, case.inputs(rows_of(case.frames, name)), name))
        asked = {key: numbers for key, numbers in whole.items() if str(key[0]) == name}
        assert_agree(asked, alone, "alone", complete=True)
    _check_one_record_at_a_time(fitted, predictor, whole, generator)


def happens_once(question: RiskQuestion) -> bool:
    """Say whether who is known to have had it is no longer asked: a correction may take that back."""
    return question.outcome is not None and question.outcome.column is None and not question.outcome.recurrent


def rows_of(frames: Frames, name: str) -> Frames:
    """Return the rows of one person; a table may not be empty, so where it would be, one row of somebody else."""
    found = {table: frame.filter(pl.col("id") == name) for table, frame in frames.items()}
    return {
        table: rows if len(rows) else frames[table].filter(pl.col("id") != name)[:1] for table, rows in found.items()
    }


def known_by(frames: Frames, day: float) -> Frames:
    """Return the rows that are known on a day, as a stream would have brought them by then."""
    cut = {name: frames[name].filter(pl.Series(known_day(frames[name]) <= day, dtype=pl.Boolean)) for name in TIMED}
    return {**frames, **{name: rows if len(rows) else frames[name][:1] for name, rows in cut.items()}}


def _of_one(predictor: Predictor, tables: Frames, name: str, **more: Any) -> pl.DataFrame:
    """Return what a bundle says of one person, also where all that they have is too rare to be an input."""
    return predictor.predict(tables, **more).filter(pl.col("subject_id") == name)


def _check_threads(predictor: Predictor, case: Case, whole: Said) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        assert_agree(whole, said(predictor.predict(case.inputs())), "other threads", complete=True)
    finally:
        torch.set_num_threads(before)


def _check_one_record_at_a_time(
    fitted: Ready, predictor: Predictor, whole: Said, generator: np.random.Generator
) -> None:
    case, clock = fitted.case, fitted.material.records.clock
    once = isinstance(fitted.settings.question, RiskQuestion) and happens_once(fitted.settings.question)
    for name, start, instant in fitted.keys(3, generator):
        now = clock.to_source(pl.Series([instant]).cast(pl.Datetime("us")))[0]
        written = now.isoformat() if case.calendar else now
        day = day_of(instant, calendar=case.calendar)
        for frames in (case.frames, known_by(case.frames, day)):
            one = rows_of(frames, name)
            table = _of_one(predictor, case.inputs(one), name, now=written)
            at_that_time = said(table)
            assert_agree(whole, at_that_time, "one record at a time")
            begin = clock.to_source(pl.Series([start]).cast(pl.Datetime("us")))[0]
            asked = {key for key in at_that_time if (str(key[0]), key[1], key[2]) == (name, begin, now)}
            if once and not asked:
                continue  # as it was known then, it had happened already
            assert asked, f"{name} is not asked at {now}, the time that it is"
            assert (table["prediction_time"] <= now).all()
            question = fitted.settings.question
            if question.reads_at_records and question.at != "last record" and not once:
                gone = sorted(map(str, at_that_time.keys() - whole.keys()))
                assert not gone, f"asked at its time, not in hindsight: {gone[:3]}"
            last = predictor.predict(case.inputs(one), now=written, at="last").filter(pl.col("subject_id") == name)
            assert (last["prediction_time"] == now).all()
            assert_agree(at_that_time, said(last), "the last prediction time")


def check_one_pass_is_one_each(fitted: Ready) -> None:
    """Law 2: one pass over a history and one cut sequence for each prediction prepare the same rows, bit for bit.

    Not where gaps are filled along the line to the next value: there each prediction has a sequence of its own.
    """
    if needs_own_sequences(fitted.settings.prepare):
        return
    seen, asked, state = fitted.material.evidence, fitted.material.cohort.asked, fitted.bundle.prepared
    timeline = build_timeline(seen.events, seen.people)
    keys = {"person": asked.person, "episode_start": asked.episode_start, "time": asked.time}
    (clock, together), (cut_clock, apart) = (
        on_grid(timeline, each(timeline, **keys), state.grid) for each in (one_pass, one_each)
    )
    whole = RowPreparation(clock, state).rows(together, np.arange(len(together.person)), provenance=True)
    cut = RowPreparation(cut_clock, state).rows(apart, np.arange(len(apart.person)), provenance=True)
    begin = np.cumsum(together.lengths) - together.lengths
    cut_begin = np.cumsum(apart.lengths) - apart.lengths
    assert same_bits(together.read < 0, apart.read < 0)
    for r, s in enumerate(together.sequence):
        count = apart.lengths[r]
        for name in ROWS:
            one = getattr(whole, name)[begin[s] : begin[s] + count]
            assert same_bits(one, getattr(cut, name)[cut_begin[r] : cut_begin[r] + count]), name
    if not fitted.settings.model.bidirectional and fitted.settings.question.history == "all":
        one, other = (
            say(fitted.bundle, *each) for each in ((clock, seen.facts, together), (cut_clock, seen.facts, apart))
        )
        for model, numbers in one.predicted.items():
            assert np.allclose(numbers, other.predicted[model], rtol=1e-5, atol=1e-5), model
