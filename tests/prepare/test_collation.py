from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preparing import Course
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from sequela.batch import Batch
from sequela.cohort import one_pass
from sequela.prepare import Collation, ScaledTargets, collate, scale_targets

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=9)


@given(LENGTHS)
def test_packing_is_that_of_torch(lengths: list[int]) -> None:
    place, sizes, order = collate.pack(np.array(lengths))
    whole = torch.arange(sum(lengths), dtype=torch.float32)
    parts = [part for part in torch.split(whole, lengths) if len(part)]
    if not parts:
        assert len(place) == len(sizes) == len(order) == 0
        return
    expected = pack_sequence(parts, enforce_sorted=False)
    packed = torch.empty_like(whole)
    packed[place] = whole
    assert sizes.tolist() == expected.batch_sizes.tolist()
    assert sorted(order.tolist()) == [number for number, length in enumerate(lengths) if length]
    for rank, number in enumerate(order.tolist()):
        column, _ = pad_packed_sequence(torch.nn.utils.rnn.PackedSequence(packed, torch.from_numpy(sizes)))
        begin = sum(lengths[:number])
        assert column[: lengths[number], rank].tolist() == list(range(begin, begin + lengths[number]))


def course(lengths: list[int]) -> Course:
    rows = [(p, hour, "x", 100.0 * p + hour) for p, length in enumerate(lengths) for hour in range(length)]
    facts = [(p, None, "height", float(p)) for p in range(len(lengths))]
    return Course((len(lengths), 0, "x", 0.0), *rows, *facts, people=len(lengths) + 1)


@given(LENGTHS, st.randoms(use_true_random=False))
def test_each_prediction_reads_its_own_row_and_minus_one_where_nothing_is_known(
    lengths: list[int], random: object
) -> None:
    given_course = course(lengths)
    hours = 3_600_000_000
    person = np.repeat(np.arange(len(lengths)), 3)
    time = np.tile(np.array([-1, 2, 99]) * hours, len(lengths))
    sequences = one_pass(given_course.timeline, person=person, episode_start=np.zeros_like(person), time=time)
    number = np.arange(len(person))
    collation = Collation(
        *(given_course.timeline, given_course.facts, given_course.fit(scale="none"), sequences),
        targets=ScaledTargets(value=number.astype(np.float32), known=number % 2 == 0),
        summary=-number[:, None],
    )
    chosen = np.arange(len(lengths))
    random.shuffle(chosen)  # type: ignore[attr-defined]
    batch, prediction = collation.batch(chosen)
    assert sorted(prediction.tolist()) == list(range(len(person)))
    for r, p in enumerate(prediction.tolist()):
        seen = min(lengths[person[p]], {0: 0, 1: 3, 2: 99}[p % 3])
        assert int(chosen[batch.read_sequence[r]]) == person[p]
        assert (float(batch.targets[r]), bool(batch.target_known[r])) == (p, p % 2 == 0)
        assert batch.summary is not None
        assert float(batch.summary[r, 0]) == -p
        assert float(batch.static[batch.read_sequence[r], 0]) == person[p]
        assert float(batch.read_lag_hours[r]) == ((-1, 2, 99)[p % 3] - (seen - 1) if seen else 0)
        if seen:
            assert float(batch.values[batch.reads[r], 0]) == 100 * person[p] + seen - 1
            assert float(batch.hours[batch.reads[r]]) == seen - 1
        else:
            assert int(batch.reads[r]) == -1


def test_every_prediction_comes_once_whatever_the_size_of_the_batches() -> None:
    given_course = course([3, 0, 5, 1])
    collation = Collation(given_course.timeline, given_course.facts, given_course.fit(), given_course.sequences)
    for batches in (collation.batches(2), collation.batches_of_rows(3), collation.batches(3, torch.Generator())):
        seen = [int(p) for _, predictions in batches for p in predictions]
        assert sorted(seen) == list(range(5))
    shuffled = [collation.batches(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    first, again, other = ([int(p) for _, predictions in batches for p in predictions] for batches in shuffled)
    assert first == again != other
    assert next(collation.batches(5))[0].targets.shape == (5, 1, 1)  # none are known, one would be forecast


@pytest.mark.parametrize("asked", [{"scale": "quantile"}, {"missing": "linear"}], ids=str)
def test_rows_prepared_anew_for_each_batch_are_the_kept_ones(
    asked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [
        (p, hour, "xy"[hour % 2], 100.0 * p + hour, hour + (hour == 1)) for p in range(3) for hour in range(p + 3)
    ]
    given_course = Course(*values)
    keys = (given_course.timeline, given_course.facts, given_course.fit(**asked), given_course.sequences)

    def batch() -> Batch:
        return Collation(*keys, provenance=True, lateness=True).batch(np.array([2, 0]))[0]

    kept = [batch()]
    monkeypatch.setattr(collate, "_ROWS_AT_ONCE", 4)
    kept.append(batch())
    monkeypatch.setattr(collate, "_KEPT_BYTES", 0)
    anew = batch()
    for name in ("values", "observed", "gap_hours", "hours", "provenance", "late_hours"):
        for each in kept:
            assert torch.equal(getattr(each, name), getattr(anew, name)), name


def test_rows_that_are_asked_for_once_are_the_kept_ones() -> None:
    given_course = course([3, 0, 5, 1])
    state = given_course.fit(scale="quantile")
    keys = (given_course.timeline, given_course.facts, state, given_course.sequences)
    batches = zip(Collation(*keys).batches_of_rows(4), Collation(*keys, once=True).batches_of_rows(4), strict=True)
    for (kept, predictions), (once, same_predictions) in batches:
        assert predictions.tolist() == same_predictions.tolist()
        for name in ("values", "observed", "gap_hours", "hours"):
            assert torch.equal(getattr(kept, name), getattr(once, name))


def test_targets_are_scaled_and_unknown_ones_marked() -> None:
    given_course = course([2])
    found = scale_targets(np.array([[[1.0]], [[np.nan]], [[3.0]]]), given_course.fit(scale="standard"))
    assert found.value.tolist() == [[[-1]], [[0]], [[1]]]
    assert found.known.tolist() == [[[True]], [[False]], [[True]]]
