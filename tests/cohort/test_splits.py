from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sequela.cohort import HELD_OUT, TRAIN, TUNING, Split, SplitRequest, SplitSettings, final_split, make_splits
from sequela.cohort.splits import LABEL_AFTER_CUT, NOT_IN_RECORDS, NOT_IN_SOURCE_SPLITS, NOT_IN_SPLIT_FILE, UNUSED
from sequela.errors import CohortError, RecordsError


def request(people: int, each: int = 3, *, delay: int = 1, ids: list[str] | None = None) -> SplitRequest:
    """Return a request of people with predictions at 0, 10, 20 ... whose labels are known `delay` later."""
    time = np.tile(np.arange(each) * 10, people)
    return SplitRequest(
        person=np.repeat(np.arange(people), each),
        time=time,
        label_known=time + delay,
        source_id=ids or [f"p{number}" for number in range(people)],
        appearance=np.arange(people)[::-1].copy(),
    )


def split(asked: SplitRequest, folder: Path = Path(), **keys: Any) -> Split:
    (found,) = make_splits(asked, SplitSettings(**keys), folder)
    return found


def people_in(found: Split, asked: SplitRequest, part: int) -> set[str]:
    return {asked.source_id[person] for person in asked.person[found.part == part]}


def test_a_person_stands_in_one_part_and_the_fractions_hold() -> None:
    asked = request(20)
    found = split(asked, fractions=[0.6, 0.2, 0.2])
    parts = [people_in(found, asked, part) for part in (TRAIN, TUNING, HELD_OUT)]
    assert [len(part) for part in parts] == [12, 4, 4]
    assert set.union(*parts) == set(asked.source_id)


@given(st.permutations(list(range(12))), st.integers(0, 99))
def test_the_split_of_people_does_not_depend_on_their_order(order: list[int], seed: int) -> None:
    one = request(12)
    other = request(12, ids=[f"p{number}" for number in order])
    keys: dict[str, Any] = {"fractions": [0.5, 0.25, 0.25], "seed": seed}
    for part in (TRAIN, TUNING, HELD_OUT):
        assert people_in(split(one, **keys), one, part) == people_in(split(other, **keys), other, part)


def test_nobody_tunes_where_the_fractions_say_so() -> None:
    assert set(split(request(10), fractions=[0.8, 0.0, 0.2]).part) == {TRAIN, HELD_OUT}


def test_another_seed_gives_another_split() -> None:
    asked = request(30)
    assert not np.array_equal(split(asked, seed=0).part, split(asked, seed=1).part)
    final = [final_split(asked, SplitSettings(seed=seed)).part for seed in (0, 1)]
    assert not np.array_equal(*final)


def test_people_without_a_prediction_take_no_place_in_the_fractions() -> None:
    asked = request(10)
    more = SplitRequest(
        person=asked.person * 2,
        time=asked.time,
        label_known=asked.label_known,
        source_id=[name for number in range(10) for name in (f"p{number}", f"idle{number}")],
        appearance=np.arange(20),
    )
    assert np.array_equal(split(asked).part, split(more).part)


def test_order_takes_people_by_first_appearance() -> None:
    asked = request(10)
    found = split(asked, by="order", fractions=[0.6, 0.2, 0.2])
    assert people_in(found, asked, TRAIN) == {"p9", "p8", "p7", "p6", "p5", "p4"}
    assert people_in(found, asked, HELD_OUT) == {"p0", "p1"}


def test_time_cuts_the_calendar_and_purges_labels_known_after_the_cut() -> None:
    asked = request(4, each=10)
    found = split(asked, by="time", fractions=[0.5, 0.2, 0.3])
    assert set(asked.time[found.part == TRAIN]) == {0, 10, 20, 30, 40}
    assert set(asked.time[found.part == TUNING]) == {50, 60}
    assert found.excluded == {}
    late = request(4, each=10, delay=15)
    found = split(late, by="time", fractions=[0.5, 0.2, 0.3])
    assert set(late.time[found.part == TRAIN]) == {0, 10, 20, 30}
    assert set(late.time[found.part == UNUSED]) == {40, 60}
    assert found.excluded == {LABEL_AFTER_CUT: (8, 4)}


def test_shares_are_rounded_to_whole_numbers_of_predictions() -> None:
    calendar, course = request(3, each=5, delay=0), request(1, each=10, delay=0)
    found = split(calendar, by="time", fractions=[0.59, 0.21, 0.2])
    assert set(calendar.time[found.part == TRAIN]) == {0, 10, 20}
    found = split(course, by="within", fractions=[0.54, 0.24, 0.22])
    assert found.part.tolist() == [TRAIN] * 5 + [TUNING] * 3 + [HELD_OUT] * 2


def test_a_label_known_just_at_the_cut_trains() -> None:
    asked = request(4, each=10, delay=10)
    assert split(asked, by="time", fractions=[0.5, 0.2, 0.3]).excluded == {}


def test_within_takes_the_first_part_of_each_course_and_purges_it() -> None:
    asked = request(3, each=10, delay=11)
    found = split(asked, by="within", fractions=[0.5, 0.2, 0.3])
    for person in range(3):
        part = found.part[asked.person == person].tolist()
        assert part == [TRAIN] * 4 + [UNUSED] + [TUNING] + [UNUSED] + [HELD_OUT] * 3
    assert found.excluded == {LABEL_AFTER_CUT: (6, 3)}
    last = split(asked, by="within", fractions=[0.5, 0.4, 0.1]).part[:10].tolist()
    assert last == [TRAIN] * 4 + [UNUSED] + [TUNING] * 3 + [UNUSED] + [HELD_OUT]


def test_within_cuts_each_person_at_their_own_time_whatever_the_order_of_predictions() -> None:
    time = np.array([70, 0, 10, 60, 20, 50, 30, 40])
    person = np.array([1, 0, 0, 1, 0, 1, 0, 1])
    asked = SplitRequest(person=person, time=time, label_known=time, source_id=["a", "b"], appearance=np.array([0, 1]))
    found = split(asked, by="within", fractions=[0.5, 0.25, 0.25])
    parts = dict(zip(time.tolist(), found.part.tolist(), strict=True))
    assert parts == {0: 0, 10: 0, 20: 1, 30: 2, 40: 0, 50: 0, 60: 1, 70: 2}


def test_folds_hold_every_person_out_once() -> None:
    asked = request(11)
    found = make_splits(asked, SplitSettings(folds=4, fractions=[0.6, 0.2, 0.2]), Path())
    held_out = [people_in(each, asked, HELD_OUT) for each in found]
    assert [each.fold for each in found] == [0, 1, 2, 3]
    assert set.union(*held_out) == set(asked.source_id)
    assert sum(map(len, held_out)) == 11
    for each in found:
        assert people_in(each, asked, TRAIN)
        assert people_in(each, asked, TUNING)
    final = final_split(request(40), SplitSettings(folds=4, fractions=[0.6, 0.2, 0.2]))
    assert [len(people_in(final, request(40), part)) for part in (TRAIN, TUNING, HELD_OUT)] == [30, 10, 0]


@pytest.mark.parametrize(("people", "told"), [(3, "at most 10 people"), (10, "at most 10"), (11, "only 11 people")])
def test_more_folds_than_people_are_refused(people: int, told: str) -> None:
    with pytest.raises(CohortError, match=told):
        make_splits(request(people), SplitSettings(folds=people + 1), Path())


@pytest.mark.parametrize("by", ["subject", "order", "time"])
def test_an_empty_part_is_refused_by_name(by: str) -> None:
    with pytest.raises(CohortError, match=r"leaves no p.* in (train|tuning|held_out)"):
        split(request(2, each=1), by=by, fractions=[0.7, 0.15, 0.15])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"fractions": [0.0, 0.5, 0.5]}, "nobody to train on"),
        ({"fractions": [0.7, 0.15, 0.14]}, "add up to 1"),
        ({"folds": 2, "by": "time"}, '`folds` above 1 needs by = "subject"'),
        ({"path": "split.csv"}, '`path` goes with by = "file" only'),
    ],
)
def test_a_split_that_cannot_be_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SplitSettings(**keys)


def from_file(folder: Path, content: str | bytes, people: int = 4) -> Split:
    data = content.encode() if isinstance(content, str) else content
    (folder / "split.csv").write_bytes(data)
    return split(request(people), folder, by="file", path="split.csv")


def test_a_file_names_each_persons_part_and_those_it_leaves_out_are_counted(tmp_path: Path) -> None:
    found = from_file(tmp_path, "split,subject_id\ntrain, p0\ntuning,p1\nheld_out,p2\nheld_out,x\ntrain,y\ntrain,p0\n")
    assert found.part.tolist() == [TRAIN] * 3 + [TUNING] * 3 + [HELD_OUT] * 3 + [UNUSED] * 3
    assert found.excluded == {NOT_IN_SPLIT_FILE: (3, 1), NOT_IN_RECORDS: (0, 2)}


def from_source(rows: list[tuple[int, str]]) -> Split:
    table = pl.DataFrame(rows, schema={"subject_id": pl.Int64, "split": pl.String}, orient="row")
    return split(replace(request(4), source_split=table), by="file")


def test_without_a_file_the_splits_of_the_source_hold() -> None:
    found = from_source([(2, "held_out"), (0, "train"), (1, "tuning")])
    assert found.part.tolist() == [TRAIN] * 3 + [TUNING] * 3 + [HELD_OUT] * 3 + [UNUSED] * 3
    assert found.excluded == {NOT_IN_SOURCE_SPLITS: (3, 1)}


def test_a_source_without_splits_is_told_what_to_do() -> None:
    for asked in (request(4), replace(request(4), source_split=pl.DataFrame({"subject_id": [], "split": []}))):
        with pytest.raises(CohortError, match=r'the source has none.*by = "subject"'):
            split(asked, by="file")


def test_a_file_without_tuning_people_is_read(tmp_path: Path) -> None:
    assert (from_file(tmp_path, "\ufeffsubject_id,split\np0,train\np1,held_out\n", 2).part != TUNING).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("subject_id,part\np0,train\n", "column 'split': the column is missing"),
        ("id,split\np0,train\n", "column 'subject_id': the column is missing"),
        ("subject_id,split\np0,train\np1,test\np2,\n", "rows 2, 3: the split is none of"),
        ("subject_id,split\np0,train\np1,tuning\np0,held_out\n", "rows 1, 3: a person stands in two splits"),
        ("subject_id,split\n0,train\n1,tuning\n2,held_out\n", "column 'subject_id': none of its people stands in"),
        ("", "cannot be read as a CSV file"),
        ("subject_id,split\np0,train,p1\n", "cannot be read as a CSV file"),
        (b"subject_id,split\n\xff\xfe,train\n", "cannot be read as a CSV file"),
    ],
)
def test_a_wrong_split_file_is_refused_with_its_rows(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(RecordsError, match=words):
        from_file(tmp_path, content)


def test_a_split_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    (tmp_path / "split[1].csv").write_text("subject_id,split\np0,train\np1,held_out\n")
    (tmp_path / "split1.csv").write_text("subject_id,split\np0,held_out\np1,train\n")
    found = split(request(2), tmp_path, by="file", path="split[1].csv")
    assert found.part.tolist() == [TRAIN] * 3 + [HELD_OUT] * 3


def test_a_missing_split_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no such file"):
        split(request(4), tmp_path, by="file", path="split.csv")


def test_a_folder_in_place_of_a_split_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "split.csv").mkdir()
    with pytest.raises(RecordsError, match="cannot be read"):
        split(request(4), tmp_path, by="file", path="split.csv")


def test_a_split_file_with_a_row_of_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"column 'subject_id', row 2: the id is missing"):
        from_file(tmp_path, "split,subject_id\ntrain,p0\ntrain,\ntuning,p1\nheld_out,p2\n")
