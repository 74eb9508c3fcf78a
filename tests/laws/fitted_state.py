"""The second half of law 1 as a function: what is fitted moves only with training people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from cohorts import TIMED, Case, Frames, day_of, future_noise, known_day, noise_over
from laws import Key, fitted_state, keys_of, material_of

from sequela.cohort import TRAIN, make_splits
from sequela.study.material import Material
from sequela.study.story import split_request


def parts_of(material: Material, folder: Path) -> dict[Key, int]:
    """Return the part of each prediction."""
    (split,) = make_splits(split_request(material), material.settings.split, folder)
    return dict(zip(keys_of(material.records, material.cohort.asked), split.part.tolist(), strict=True))


def write_split(folder: Path, people: int) -> None:
    rows = [(f"p{n}", ["train", "tuning", "held_out"][n % 3]) for n in range(people)]
    pl.DataFrame(rows, schema=["subject_id", "split"], orient="row").write_csv(folder / "split.csv")


def check_fitted_on_training_people_only(case: Case, folder: Path, seed: int) -> None:
    """Other people's values, and training people's after their last training label, move no fitted number.

    Where whole people are split, other people's records also come, go and move in time.
    """
    generator = np.random.default_rng(seed)
    material = material_of(case)
    parts = parts_of(material, folder)
    state = _state(material, parts)
    last = _last_days(material, parts, case)
    values = _values_changed(generator, case.frames, last)
    changed = material_of(case, values)
    assert parts_of(changed, folder) == parts, "the split looked at values"
    assert _state(changed, parts) == state, "values of others moved what was fitted"
    if material.settings.split.by in ("subject", "order", "file"):
        moved = _others_changed(generator, case.frames, last)
        assert _state(material_of(case, moved), parts) == state, "records of others moved what was fitted"


def _state(material: Material, parts: dict[Key, int]) -> object:
    keys = keys_of(material.records, material.cohort.asked)
    training = [r for r, key in enumerate(keys) if parts.get(key) == TRAIN]
    assert len(training) == sum(part == TRAIN for part in parts.values()), "a training prediction went"
    return fitted_state(material, np.array(training)).model_dump()


def _last_days(material: Material, parts: dict[Key, int], case: Case) -> dict[str, float]:
    """Return for each training person the day on which the last of its training labels became known."""
    labels = material.cohort.labels
    assert labels is not None
    last: dict[str, float] = {}
    for key, known in zip(keys_of(material.records, material.cohort.asked), labels.known.tolist(), strict=True):
        if parts[key] == TRAIN:
            day = day_of(max(known, key[2]), calendar=case.calendar)
            last[key[0]] = max(last.get(key[0], day), day)
    return last


def _later(frame: pl.DataFrame, last: dict[str, float]) -> pl.Series:
    until = np.array([last.get(name, -np.inf) for name in frame["id"]])
    return pl.Series(known_day(frame) > until, dtype=pl.Boolean)


def _values_changed(generator: np.random.Generator, frames: Frames, last: dict[str, float]) -> Frames:
    changed = dict(frames)
    for name in TIMED:
        later = _later(frames[name], last)
        changed[name] = pl.concat([frames[name].filter(~later), noise_over(generator, frames[name].filter(later))])
    return {**changed, "people": _other_facts(frames["people"], last)}


def _other_facts(people: pl.DataFrame, last: dict[str, float]) -> pl.DataFrame:
    other = ~pl.col("id").is_in(list(last))
    return people.with_columns(
        sex=pl.when(other).then(pl.lit("x")).otherwise("sex"), height=pl.when(other).then(1e4).otherwise("height")
    )


def _others_changed(generator: np.random.Generator, frames: Frames, last: dict[str, float]) -> Frames:
    """Return noise of all kinds over all records of people who do not train; nothing else moves."""
    other = ~pl.col("id").is_in(list(last))
    apart = {name: frame.filter(other) for name, frame in frames.items()}
    noisy = future_noise(generator, apart, -99.0)
    return {name: pl.concat([frame.filter(~other), noisy[name]]) for name, frame in frames.items()}
