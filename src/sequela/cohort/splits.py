"""Who trains, who tunes, who judges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows
from sequela.cohort.settings import SplitSettings
from sequela.errors import CohortError, RecordsError

TRAIN, TUNING, HELD_OUT, UNUSED = 0, 1, 2, -1
SPLIT_NAMES = ("train", "tuning", "held_out")
_FEW_PEOPLE = 10  # smaller numbers of people are not told
LABEL_AFTER_CUT = "the label became known after the training cut"
NOT_IN_SPLIT_FILE = "not in the split file"
NOT_IN_SOURCE_SPLITS = "in none of the source's own splits"
NOT_IN_RECORDS = "in the split file, but not in the records"

Parts = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class Split:
    """The part of each prediction in one fold: TRAIN, TUNING, HELD_OUT, or UNUSED with the reason counted."""

    part: Parts  # [R]
    fold: int
    excluded: dict[str, tuple[int, int]]  # reason -> predictions, people


@dataclass(frozen=True, kw_only=True)
class SplitRequest:
    """What a split may look at: whose prediction, when, and when its label became known. Never a value."""

    person: Rows  # [R]
    time: Rows  # [R]
    label_known: Rows  # [R]
    source_id: list[str]  # [P] the source's own ids
    appearance: Rows  # [P] order of first appearance in the tables
    source_split: pl.DataFrame | None = None  # subject_id and split, where the source names splits of its own


def make_splits(request: SplitRequest, settings: SplitSettings, folder: Path) -> list[Split]:
    """Return one split, or one for each fold.

    People are the unit of `subject`, `order` and `file`. `time` cuts the calendar and `within` each person's own
    course: there a person may stand in several parts, and a training or tuning prediction whose label became known
    after the next part begins is left out and counted.

    Raises:
        CohortError: where a part that is needed is empty.
        RecordsError: where the split file cannot be read.
    """
    if settings.folds > 1:
        splits = _folds(request, settings)
    elif settings.by == "time":
        splits = [_by_time(request, settings)]
    elif settings.by == "within":
        splits = [_within(request, settings)]
    elif settings.by == "file":
        splits = [_by_file(request, settings.path, folder)]
    else:
        people = _hashed(request, settings.seed) if settings.by == "subject" else _appeared(request)
        splits = [_of_people(request, people, _cut(len(people), settings.fractions))]
    for split in splits:
        _check_nobody_missing(split, settings)
    return splits


def final_split(request: SplitRequest, settings: SplitSettings) -> Split:
    """Return the split of a bundle that is fitted on all people: train and tuning in proportion, nobody held out."""
    people = _hashed(request, settings.seed)
    return _of_people(request, people, _cut(len(people), _without_held_out(settings.fractions)))


def _without_held_out(fractions: list[float]) -> list[float]:
    fitted = fractions[0] + fractions[1]
    return [fractions[0] / fitted, fractions[1] / fitted, 0.0]


def _hashed(request: SplitRequest, seed: int) -> Rows:
    """Return the people who have a prediction, in the order of a hash of (seed, id)."""
    people = np.unique(request.person)
    digests = [hashlib.blake2b(f"{seed}:{request.source_id[p]}".encode(), digest_size=16).digest() for p in people]
    return people[sorted(range(len(people)), key=digests.__getitem__)]


def _appeared(request: SplitRequest) -> Rows:
    people = np.unique(request.person)
    return people[np.argsort(request.appearance[people], kind="stable")]


def _cut(count: int, fractions: list[float]) -> Parts:
    """Return the part of each of `count` ranks, the fractions rounded to whole numbers of people."""
    first, second = round(count * fractions[0]), round(count * (fractions[0] + fractions[1]))
    rank = np.arange(count)
    return np.where(rank < first, TRAIN, np.where(rank < second, TUNING, HELD_OUT)).astype(np.int8)


def _of_people(request: SplitRequest, people: Rows, part: Parts, fold: int = 0) -> Split:
    part_of = np.full(len(request.source_id), UNUSED, dtype=np.int8)
    part_of[people] = part
    return Split(part=part_of[request.person], fold=fold, excluded={})


def _folds(request: SplitRequest, settings: SplitSettings) -> list[Split]:
    people = _hashed(request, settings.seed)
    if len(people) < settings.folds:
        people_there = f"only {len(people)}" if len(people) > _FEW_PEOPLE else f"at most {_FEW_PEOPLE}"
        raise CohortError(
            f"[split] folds = {settings.folds}, but {people_there} people have a prediction. Lower `folds`."
        )
    fold_of = np.arange(len(people)) * settings.folds // len(people)
    splits = []
    for fold in range(settings.folds):
        part = np.full(len(people), HELD_OUT, dtype=np.int8)
        fitted = np.flatnonzero(fold_of != fold)
        part[fitted] = _cut(len(fitted), _without_held_out(settings.fractions))
        splits.append(_of_people(request, people, part, fold))
    return splits


def _by_time(request: SplitRequest, settings: SplitSettings) -> Split:
    ordered = np.sort(request.time)
    begins = [
        ordered[min(round(len(ordered) * share), len(ordered) - 1)] if share < 1 - 1e-9 else np.iinfo(np.int64).max
        for share in (settings.fractions[0], settings.fractions[0] + settings.fractions[1])
    ]
    part = np.where(request.time < begins[0], TRAIN, np.where(request.time < begins[1], TUNING, HELD_OUT))
    begin_of_next = np.where(part == TRAIN, begins[0], np.where(part == TUNING, begins[1], np.iinfo(np.int64).max))
    return _purged(request, part.astype(np.int8), begin_of_next)


def _within(request: SplitRequest, settings: SplitSettings) -> Split:
    order = np.lexsort((request.time, request.person))
    _, start, count = np.unique(request.person[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, count)
    first = np.rint(count * settings.fractions[0])
    second = np.rint(count * (settings.fractions[0] + settings.fractions[1]))
    ranked = np.where(
        rank < np.repeat(first, count), TRAIN, np.where(rank < np.repeat(second, count), TUNING, HELD_OUT)
    )
    part = np.empty(len(order), dtype=np.int8)
    part[order] = ranked
    begin_of_next = np.full(len(order), np.iinfo(np.int64).max)
    for this, cut in ((TRAIN, first), (TUNING, second)):
        exists = cut < count
        begin = np.full(len(count), np.iinfo(np.int64).max)
        begin[exists] = request.time[order][(start + cut.astype(np.int64))[exists]]
        of_prediction = np.empty(len(order), dtype=np.int64)
        of_prediction[order] = np.repeat(begin, count)
        begin_of_next = np.where(part == this, of_prediction, begin_of_next)
    return _purged(request, part, begin_of_next)


def _purged(request: SplitRequest, part: Parts, begin_of_next: Rows) -> Split:
    late = request.label_known > begin_of_next
    excluded = {LABEL_AFTER_CUT: (int(late.sum()), len(np.unique(request.person[late])))} if late.any() else {}
    return Split(part=np.where(late, UNUSED, part).astype(np.int8), fold=0, excluded=excluded)


def _by_file(request: SplitRequest, path: str | None, folder: Path) -> Split:
    if path is None:
        part_of, strangers = _named_by_source(request), 0
    else:
        part_of, strangers = _named_by_file(request, _read_split_file(folder / path, path))
        if (part_of == UNUSED).all():
            problem, remedy = "none of its people stands in the records", "Write ids as the tables do"
            raise RecordsError(path, problem, remedy, column="subject_id")
    part = part_of[request.person]
    missing = part == UNUSED
    people = len(np.unique(request.person[missing]))
    reason = NOT_IN_SOURCE_SPLITS if path is None else NOT_IN_SPLIT_FILE
    excluded = {reason: (int(missing.sum()), people)} if missing.any() else {}
    if strangers:
        excluded[NOT_IN_RECORDS] = (0, strangers)
    return Split(part=part, fold=0, excluded=excluded)


def _named_by_source(request: SplitRequest) -> Parts:
    """Return the part that the source gives each person [P]."""
    table = request.source_split
    if table is None or table.is_empty():
        raise CohortError(
            '[split] by = "file" without a `path` uses the splits of the source, and the source has none. '
            'Name a file in `path`, with the columns subject_id and split, or set by = "subject".'
        )
    part_of = np.full(len(request.source_id), UNUSED, dtype=np.int8)
    words = {name: part for part, name in enumerate(SPLIT_NAMES)}
    part_of[table["subject_id"].to_numpy()] = table["split"].replace_strict(words, return_dtype=pl.Int8).to_numpy()
    return part_of


def _named_by_file(request: SplitRequest, table: pl.DataFrame) -> tuple[Parts, int]:
    """Return the part that the file gives each person [P], and how many it names that the records do not hold."""
    position = {source_id: person for person, source_id in enumerate(request.source_id)}
    part_of = np.full(len(request.source_id), UNUSED, dtype=np.int8)
    for source_id, word in table.iter_rows():
        if (person := position.get(source_id)) is not None:
            part_of[person] = SPLIT_NAMES.index(word)
    return part_of, len(set(table["subject_id"]) - set(position))


def _read_split_file(path: Path, name: str) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except FileNotFoundError:
        raise RecordsError(name, "there is no such file", "Set `path` in [split]") from None
    except (OSError, pl.exceptions.PolarsError):
        raise RecordsError(
            name, "it cannot be read as a CSV file", "Write it with the columns subject_id and split"
        ) from None
    for column in ("subject_id", "split"):
        if column not in table.columns:
            raise RecordsError(name, "the column is missing", "The columns are subject_id and split", column=column)
    table = table.select(pl.col("subject_id").str.strip_chars(), pl.col("split").str.strip_chars())
    rows = table.with_row_index("row", 1)
    _refuse(
        name,
        rows.filter(pl.col("subject_id").fill_null("") == ""),
        "subject_id",
        "the id is missing",
        "Give every row its id",
    )
    wrong = rows.filter(~pl.col("split").is_in(SPLIT_NAMES) | pl.col("split").is_null())
    _refuse(name, wrong, "split", "the split is none of train, tuning, held_out", "Name one of the three in every row")
    distinct = rows.unique(["subject_id", "split"], keep="first", maintain_order=True)
    twice = distinct.filter(pl.col("subject_id").is_duplicated())
    _refuse(name, twice, "subject_id", "a person stands in two splits", "Give each person one split")
    return table.unique("subject_id")


def _refuse(name: str, faulty: pl.DataFrame, column: str, problem: str, remedy: str) -> None:
    """Refuse the split file where there is a faulty row."""
    if len(faulty):
        rows = faulty["row"].head(5).to_list()
        raise RecordsError(name, problem, remedy, column=column, rows=rows, total=len(faulty))


def _check_nobody_missing(split: Split, settings: SplitSettings) -> None:
    wanted = (True, settings.by != "file" and settings.fractions[1] > 0, True)
    for part, name in enumerate(SPLIT_NAMES):
        if wanted[part] and not (split.part == part).any():
            people = "prediction" if settings.by in ("time", "within") else "person with a prediction"
            other = ' With few people, by = "within" divides the course of each.' if settings.by == "subject" else ""
            raise CohortError(
                f'[split] by = "{settings.by}" leaves no {people} in {name}: '
                "there are too few, or the fractions, the split file or the source give it none. "
                f"Change them, or add people.{other}"
            )
