"""The test of the tests: each law's check turns red when the law is broken in the code."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import counted
import laws
import numpy as np
import polars as pl
import pytest
import torch
from counted import check_prediction_times_are_counted, check_split_is_counted, check_values_are_counted
from fitted_state import check_fitted_on_training_people_only
from fixed_cases import fixed_case, fixed_risk
from laws import check_future_cannot_be_seen, material_of, ready
from one_number import check_one_number, check_one_pass_is_one_each
from same_seed import check_same_seed_same_result

from sequela import predict, study
from sequela.baselines import spans, statistics, windows
from sequela.cohort import Sequences, Timeline, asof, episodes, labels, splits
from sequela.cohort.columns import with_outcomes
from sequela.prepare import Cleaning, Collation, cleaning, flags
from sequela.prepare.rows import PreparedRows, RowPreparation

Plant = Callable[[pytest.MonkeyPatch], None]
SEEDS = range(12)


def turns_red(check: Callable[[int], None]) -> None:
    """Some of a dozen cases must break the law's check."""
    with pytest.raises(AssertionError):
        _each(check)


def _each(check: Callable[[int], None]) -> None:
    for seed in SEEDS:
        check(seed)


# Law 1: the future cannot be seen.


def availability_is_ignored(patch: pytest.MonkeyPatch) -> None:
    for module in (asof, episodes, labels):
        patch.setattr(module, "known_time", lambda: pl.col("time"))


def one_row_too_many_is_known(patch: pytest.MonkeyPatch) -> None:
    known = Timeline.known_until

    def late(self: Timeline, person: Any, time: Any) -> Any:
        return np.minimum(known(self, person, time) + 1, self.step_offsets[person + 1])

    patch.setattr(Timeline, "known_until", late)


def gaps_are_filled_from_the_future(patch: pytest.MonkeyPatch) -> None:
    rows = RowPreparation.rows

    def backwards(self: RowPreparation, sequences: Sequences, chosen: Any, **keys: Any) -> PreparedRows:
        found = rows(self, sequences, chosen, **keys)
        for end in range(len(found.values) - 2, -1, -1):
            empty = ~found.observed[end]
            found.values[end, empty] = found.values[end + 1, empty]
        return found

    patch.setattr(RowPreparation, "rows", backwards)


def scaled_by_the_whole_course(patch: pytest.MonkeyPatch) -> None:
    rows = RowPreparation.rows

    def centred(self: RowPreparation, sequences: Sequences, chosen: Any, **keys: Any) -> PreparedRows:
        found = rows(self, sequences, chosen, **keys)
        return replace(found, values=found.values - found.values.mean(axis=0, keepdims=True))

    patch.setattr(RowPreparation, "rows", centred)


def statistics_of_the_whole_course(patch: pytest.MonkeyPatch) -> None:
    walk = windows._walk

    def to_the_end(preparation: Any, sequences: Sequences, chosen: Any, reads: Any, followed: Any) -> Any:
        last = np.where(sequences.read >= 0, sequences.stop[sequences.sequence] - 1, -1)
        return walk(preparation, replace(sequences, read=last), chosen, reads, followed)

    patch.setattr(windows, "_walk", to_the_end)


def flags_know_the_whole_course(patch: pytest.MonkeyPatch) -> None:
    about = flags._about_implausible

    def ever(implausible: pl.DataFrame, state: Any, sequences: Sequences, since: Any) -> Any:
        always = np.full_like(sequences.read_time, 2**62)
        return about(implausible, state, replace(sequences, read_time=always), since)

    patch.setattr(flags, "_about_implausible", ever)


@pytest.mark.parametrize(
    "plant",
    [
        availability_is_ignored,
        one_row_too_many_is_known,
        gaps_are_filled_from_the_future,
        scaled_by_the_whole_course,
        statistics_of_the_whole_course,
        flags_know_the_whole_course,
    ],
)
def test_a_look_into_the_future_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    turns_red(lambda seed: check_future_cannot_be_seen(ready(fixed_case(seed), boosting=False), seed))


def outcomes_are_inputs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(predict, "set_apart", lambda events, outcomes, question: (with_outcomes(events, outcomes), outcomes))


def spans_of_the_whole_course(patch: pytest.MonkeyPatch) -> None:
    known = spans.span_statistics

    def to_the_end(timeline: Timeline, facts: Any, state: Any, sequences: Sequences) -> Any:
        last = np.where(sequences.read >= 0, sequences.stop[sequences.sequence] - 1, -1)
        return known(timeline, facts, state, replace(sequences, read=last))

    patch.setitem(statistics._STATISTICS, "risk", to_the_end)


@pytest.mark.parametrize("plant", [outcomes_are_inputs, spans_of_the_whole_course, gaps_are_filled_from_the_future])
def test_a_look_of_a_risk_into_the_future_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    turns_red(lambda seed: check_future_cannot_be_seen(ready(fixed_risk(seed), boosting=False), seed))


def test_reading_backwards_over_a_shared_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = laws.histories
    monkeypatch.setattr(laws, "histories", lambda *given, alone: histories(*given, alone=False))
    case = fixed_case(0, model={"bidirectional": True})
    turns_red(lambda seed: check_future_cannot_be_seen(ready(case, boosting=False), seed))


# Law 1, second half: fitted on training people only.


def fitted_on_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sequences, "take", lambda self, predictions: self)


def fitted_after_the_last_training_prediction(patch: pytest.MonkeyPatch) -> None:
    take = Sequences.take

    def uncut(self: Sequences, predictions: Any) -> Sequences:
        used = np.unique(self.sequence[predictions])
        return replace(take(self, predictions), stop=self.stop[used])

    patch.setattr(Sequences, "take", uncut)


@pytest.mark.parametrize("plant", [fitted_on_everybody, fitted_after_the_last_training_prediction])
def test_fitting_on_other_people_or_times_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch)
    keys = {"by": "within", "fractions": [0.4, 0.3, 0.3]}
    turns_red(
        lambda seed: check_fitted_on_training_people_only(
            fixed_case(seed, split=keys, prepare={"plausible": "none"}), tmp_path, seed
        )
    )


# Law 2: one number.


def batches_are_normalised(patch: pytest.MonkeyPatch) -> None:
    batch = Collation.batch

    def normalised(self: Collation, chosen: Any) -> Any:
        found, prediction = batch(self, chosen)
        return replace(found, values=found.values - found.values.mean()), prediction

    patch.setattr(Collation, "batch", normalised)


def the_bundle_rounds(patch: pytest.MonkeyPatch) -> None:
    read = predict.read_bundle

    def rounded(folder: Path) -> Any:
        found = read(folder)
        with torch.no_grad():
            for weight in found.network.parameters():
                weight.copy_((weight * 100).round() / 100)
        return found

    patch.setattr(predict, "read_bundle", rounded)


def now_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(predict, "known_by", lambda events, now: events)
    patch.setattr(episodes, "_latest", lambda timeline, person, now: np.full(len(person), 2**62))


def limits_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    evidence = predict.evidence
    patch.setattr(
        predict, "evidence", lambda records, question, cleaning, **keys: evidence(records, question, Cleaning(), **keys)
    )


def the_last_row_wins(patch: pytest.MonkeyPatch) -> None:
    read = predict.read_records

    def by_place(tables: Any, folder: Path, *, frames: Any, **keys: Any) -> Any:
        first = {
            name: frame.unique("id", keep="first") if name == "people" else frame[1:] for name, frame in frames.items()
        }
        return read(tables, folder, frames={n: f if len(f) else frames[n] for n, f in first.items()}, **keys)

    patch.setattr(predict, "read_records", by_place)


@pytest.mark.parametrize(
    "plant", [batches_are_normalised, the_bundle_rounds, now_is_ignored, limits_are_forgotten, the_last_row_wins]
)
def test_another_number_for_the_same_person_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch)

    def check(seed: int) -> None:
        (tmp_path / str(seed)).mkdir()
        check_one_number(ready(fixed_case(seed), boosting=False), tmp_path / str(seed), seed)

    turns_red(check)


def recalibration_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    read = predict.read_bundle
    patch.setattr(predict, "read_bundle", lambda folder: replace(read(folder), after=None))


@pytest.mark.parametrize("plant", [batches_are_normalised, the_bundle_rounds, recalibration_is_forgotten])
def test_another_risk_of_the_same_person_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch)

    def check(seed: int) -> None:
        (tmp_path / str(seed)).mkdir()
        check_one_number(ready(fixed_risk(seed), boosting=False), tmp_path / str(seed), seed)

    turns_red(check)


def test_preparation_that_looks_ahead_is_found_by_cutting(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps_are_filled_from_the_future(monkeypatch)
    turns_red(lambda seed: check_one_pass_is_one_each(ready(fixed_case(seed), boosting=False)))


def test_a_split_by_the_order_of_rows_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def parts(seed: int) -> list[dict[Any, int]]:
        case = fixed_case(seed)
        turned = {name: frame[::-1] for name, frame in case.frames.items()}
        return [_parts(case, frames, tmp_path) for frames in (case.frames, turned)]

    one, other = parts(0)
    assert one == other
    monkeypatch.setattr(splits, "_hashed", lambda request, seed: splits._appeared(request))
    one, other = parts(0)
    assert one != other


def _parts(case: Any, frames: Any, folder: Path) -> dict[Any, int]:
    from fitted_state import parts_of

    return parts_of(material_of(case, frames), folder)


# Law 3: same seed, same result.


def weights_begin_by_chance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(study.fit.torch, "manual_seed", lambda seed: torch.default_generator)


def boosting_draws_by_chance(patch: pytest.MonkeyPatch) -> None:
    fit = study.forecast.fit_forecast_baselines
    chance = random.SystemRandom()
    patch.setattr(
        study.forecast,
        "fit_forecast_baselines",
        lambda *given, seed, **more: fit(*given, seed=chance.randrange(2**30), **more),
    )


@pytest.mark.parametrize("plant", [weights_begin_by_chance, boosting_draws_by_chance])
def test_chance_in_a_run_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plant(monkeypatch)
    case = fixed_case(1, people=40, evaluate={"baselines": ["gradient_boosting"]}, train={"epochs": 1})
    with pytest.raises(AssertionError):
        check_same_seed_same_result(case, tmp_path)


# Law 4: nothing is dropped in silence.


def exclusions_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    take = episodes.Asked.take
    patch.setattr(episodes.Asked, "take", lambda self, kept, reason: replace(take(self, kept, reason), excluded={}))


def stale_values_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    build = asof.build_timeline
    asking = sys.modules["sequela.cohort.ask"]  # the package's name `ask` is the function
    patch.setattr(asking, "build_timeline", lambda events, people: replace(build(events, people), stale=0))


def implausible_values_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    without = cleaning.without_implausible
    patch.setattr(
        cleaning,
        "without_implausible",
        lambda events, limits: ((found := without(events, limits))[0], found[1].clear()),
    )


def purged_predictions_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    purged = splits._purged
    patch.setattr(splits, "_purged", lambda *given: replace(purged(*given), excluded={}))


@pytest.mark.parametrize(
    "plant",
    [
        exclusions_are_not_counted,
        stale_values_are_not_counted,
        implausible_values_are_not_counted,
        purged_predictions_are_not_counted,
    ],
)
def test_a_count_that_is_dropped_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def check(seed: int) -> None:
        keys = {"by": "time", "fractions": [0.4, 0.3, 0.3]}
        material = material_of(fixed_case(seed, people=30, split=keys, question={"min_records": 2}))
        check_values_are_counted(material)
        check_prediction_times_are_counted(material)
        check_split_is_counted(material, tmp_path)

    check(0)
    plant(monkeypatch)
    turns_red(check)


def test_a_cell_that_is_lost_is_found() -> None:
    case = fixed_case(0)
    material = material_of(case)
    counted.check_rows_are_counted(case, material)
    records = replace(material.records, counts=material.records.counts.filter(pl.col("reason") != "empty cell"))
    with pytest.raises(AssertionError):
        counted.check_rows_are_counted(case, replace(material, records=records))
