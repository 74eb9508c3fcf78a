"""Hidden measurements: a history reads as preparation would have made it without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_batches import FEATURES, batch_of, history
from small_study import write_study
from torch import Tensor

import sequela
from sequela import cells
from sequela.batch import PROVENANCE, Batch
from sequela.cells import operator
from sequela.prepare import Collation, fit_preparation
from sequela.prepare.collate import pack
from sequela.prepare.rows import RowPreparation
from sequela.study import gather
from sequela.train.hide import Unmeasured, plain_hide, with_some_hidden

MEASURED, CARRIED, MEAN = (PROVENANCE.index(name) for name in ("measured", "carried", "mean"))
FILL, LIMIT = [0.0, 0.5, -2.0], [torch.inf, torch.inf, 1.5]
PLAINLY = Unmeasured(
    measurement=torch.arange(FEATURES),
    fill=torch.tensor(FILL),
    limit_hours=torch.tensor(LIMIT),
    empty=torch.full((FEATURES,), MEAN, dtype=torch.uint8),
    stands=torch.full((FEATURES,), CARRIED, dtype=torch.uint8),
)
CELLS = ("cell_variable", "cell_number", "cell_level", "cell_time")
built = pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")


@pytest.fixture(params=["core", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "core" and not operator.BUILT:
        pytest.skip("the native core is not built")
    monkeypatch.setattr(operator, "BUILT", request.param == "core")
    return str(request.param)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    cells.set_num_threads(None)


def prepared(observed: torch.Tensor, fresh: torch.Tensor, hours: torch.Tensor, batch: Batch) -> Batch:
    """Return one sequence as preparation makes it: values carried on, gaps to the measurement before."""
    values, gaps = torch.zeros_like(fresh), torch.zeros_like(fresh)
    provenance = torch.full(fresh.shape, MEASURED, dtype=torch.uint8)
    for column in range(fresh.shape[1]):
        last, since = None, 0.0
        for row in range(len(fresh)):
            gaps[row, column] = hours[row] - since
            if observed[row, column]:
                last, since = fresh[row, column].item(), hours[row].item()
            stands = last is not None and (observed[row, column] or gaps[row, column] <= LIMIT[column])
            values[row, column] = last if stands else FILL[column]
            if not observed[row, column]:
                provenance[row, column] = CARRIED if stands else MEAN
    return replace(batch, values=values, observed=observed, gap_hours=gaps, hours=hours, provenance=provenance)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_hidden_was_never_measured(seed: int, way: str) -> None:
    random = torch.Generator().manual_seed(seed)
    observed, fresh = torch.rand(12, 3, generator=random) < 0.6, torch.randn(12, 3, generator=random)
    hours = torch.rand(12, generator=random).cumsum(0)
    batch = prepared(observed, fresh, hours, batch_of([history(0, 12)], [(0, 11)]))
    found = with_some_hidden(batch, 0.4, torch.Generator().manual_seed(100 + seed), PLAINLY)
    expected = prepared(found.observed, fresh, hours, batch)
    assert not (found.observed & ~observed).any()
    assert torch.equal(found.values, expected.values)
    torch.testing.assert_close(found.gap_hours, expected.gap_hours)
    assert torch.equal(found.provenance, expected.provenance)


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize(
    "prepare",
    [
        {"scale": "minmax", "carry_limit": "30d"},
        {"scale": "robust", "missing": "decay"},
        {"scale": {"sbp": "none", "*": "quantile"}, "outliers": "iqr", "missing": {"ward": "decay"}},
        {"transform": "difference", "grid": "20d", "carry_limit": {"sbp": "40d"}},
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_a_hidden_history_is_what_preparation_makes_of_records_without_the_measurements(
    prepare: dict[str, object], share: float, late: bool, tmp_path: Path
) -> None:
    changes: dict[str, object] = {"prepare": {"min_people": 2} | prepare}
    changes |= {"question.at": "every 20d"} if "grid" in prepare else {}
    changes |= {"records.0.available": "known"} if late else {}
    study = sequela.read_study(write_study(tmp_path, changes, people=12))
    visits = pl.read_csv(tmp_path / "visits.csv")
    known = pl.col("day") + pl.int_range(pl.len()) * 7 % 5 * (pl.int_range(pl.len()) % 3 > 0)
    visits.with_columns(known=known).write_csv(tmp_path / "visits.csv")
    material = gather(study)
    timeline, sequences, facts = material.timeline, material.sequences, material.evidence.facts
    labels = {"sbp": material.labels.reshape(-1)}
    state, _ = fit_preparation(timeline, facts, sequences, labels, study.settings.prepare)
    columns = RowPreparation(timeline, state).columns
    collation = Collation(timeline, facts, state, sequences, provenance=True, lateness=True)
    assert (collation.batch(np.arange(3))[0].late_hours is not None) == (late and "grid" not in prepare)
    hidden_in_all = 0
    for sequence in range(len(collation)):
        batch, _ = collation.batch(np.array([sequence]))
        found = with_some_hidden(batch, share, torch.Generator().manual_seed(sequence), Unmeasured.of(columns))
        unsaid = replace(batch, provenance=None)
        unsaid = with_some_hidden(unsaid, share, torch.Generator().manual_seed(sequence), Unmeasured.of(columns))
        assert torch.equal(unsaid.values, found.values)
        hidden = (batch.observed & ~found.observed).numpy()
        row = timeline.step_of_cell - sequences.first[sequence]
        first, last = columns.first[timeline.cell_variable], columns.last[timeline.cell_variable]
        inside = (row >= 0) & (row < len(hidden)) & (first >= 0)
        gone = inside & hidden[np.where(inside, row, 0), first]
        assert np.array_equal(gone, inside & hidden[np.where(inside, row, 0), last])  # all of a category, or nothing
        offsets = np.concatenate([[0], np.cumsum(~gone)])[timeline.cell_offsets]
        cells_left = {name: getattr(timeline, name)[~gone] for name in CELLS}
        without = replace(timeline, cell_offsets=offsets, **cells_left)
        expected, _ = Collation(without, facts, state, sequences, provenance=True).batch(np.array([sequence]))
        assert torch.equal(found.observed, expected.observed)
        torch.testing.assert_close(found.gap_hours, expected.gap_hours)
        if "transform" not in prepare:  # a difference still counts from what is hidden
            assert torch.equal(found.values, expected.values)
        assert torch.equal(found.provenance, expected.provenance)
        hidden_in_all += int(gone.sum())
    assert (hidden_in_all > 50) == (share > 0)


def test_about_the_share_is_hidden_and_each_sequence_has_its_own(way: str) -> None:
    batch = batch_of([history(s, 200) for s in range(100)], [(0, 0)])
    batch = replace(batch, observed=torch.ones_like(batch.observed))
    found = with_some_hidden(batch, 0.3, torch.Generator().manual_seed(0), PLAINLY)
    shares = (~found.observed).float().view(200, 100, -1).mean(dim=(0, 2))
    assert float(shares.mean()) == pytest.approx(0.3, abs=0.05)
    assert float(shares.min()) < 0.1
    assert float(shares.max()) > 0.5


def test_ragged_sequences_are_hidden_each_by_itself_and_the_batch_that_came_stays(way: str) -> None:
    batch = batch_of([history(s, n) for s, n in enumerate([4, 9, 1, 0, 6])], [(0, 3)])
    before = batch.values.clone()
    found = with_some_hidden(batch, 0.5, torch.Generator().manual_seed(3), PLAINLY)
    assert torch.equal(batch.values, before)
    untouched = with_some_hidden(batch, 0.0, torch.Generator().manual_seed(3), PLAINLY)
    assert torch.equal(untouched.values[batch.observed], batch.values[batch.observed])
    assert torch.equal(untouched.observed, batch.observed)
    alone = found.batch_sizes.sum()
    assert alone == len(found.values) == 20
    assert (found.gap_hours >= batch.gap_hours).all()
    nothing = batch_of([history(0, 0)], [(0, -1)])
    assert with_some_hidden(nothing, 0.5, torch.Generator(), PLAINLY).values.shape == nothing.values.shape


def drawn(lengths: list[int], features: int, seed: int) -> tuple[Tensor, ...]:
    """Return what `plain_hide` takes; of each eight values and gaps one is odd."""
    generator, rows = torch.Generator().manual_seed(seed), sum(lengths)
    odd = torch.tensor([torch.nan, torch.inf, -0.0, 0.0])
    values, gaps = torch.randn(2, rows, features, generator=generator)
    for each in (values, gaps):
        places = torch.rand(each.shape, generator=generator) < 1 / 8
        each[places] = odd[torch.randint(4, (int(places.sum()),), generator=generator)]
    observed = torch.rand(rows, features, generator=generator) < 0.5
    chance, shares = torch.rand(rows, features, generator=generator), torch.rand(len(lengths), 1, generator=generator)
    sizes = torch.from_numpy(pack(np.array(lengths, dtype=np.int64))[1])
    return values, gaps, observed, chance, shares, sizes


def same_bits(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    """Of any NaN the same."""
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
    plain = [
        [torch.where(each.isnan(), torch.nan, each).numpy().tobytes() for each in all_[:2]]
        for all_ in (found, expected)
    ]
    return plain[0] == plain[1] and torch.equal(found[2], expected[2])


@built
@given(st.lists(st.integers(1, 9), max_size=20), st.sampled_from([0, 1, 3, 45]), st.integers(0, 2**32 - 1))
def test_the_core_and_torch_hide_the_same(lengths: list[int], features: int, seed: int) -> None:
    tensors = drawn(lengths, features, seed)
    expected = plain_hide(*tensors)
    for threads in (1, 3):
        assert same_bits(operator._native.hide(tensors, threads), expected)


@built
def test_a_seed_hides_the_same_on_any_number_of_threads_and_without_the_core(
    threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, found = batch_of([history(s, 100 + 17 * s % 90) for s in range(100)], [(0, 0)]), []
    for count in (1, 2, 5, None):
        cells.set_num_threads(count)
        if count is None:
            monkeypatch.setattr(operator, "BUILT", False)
        generator = torch.Generator().manual_seed(7)
        hidden = with_some_hidden(batch, 0.3, generator, PLAINLY)
        after = torch.rand((), generator=generator)
        found.append([hidden.values, hidden.gap_hours, hidden.observed, hidden.provenance, after])
    assert batch.values.numel() > 2**15  # or the core takes one thread
    for each in found[:-1]:
        assert all(torch.equal(one, other) for one, other in zip(each, found[-1], strict=True))


@built
def test_what_the_core_does_not_take_torch_hides() -> None:
    tensors = drawn([4, 1, 3, 3], 5, 0)
    expected = plain_hide(*tensors)
    for place in range(4):
        other = list(tensors)
        other[place] = tensors[place].t().contiguous().t()
        assert operator._native.hide(other, 1) is None
        assert same_bits(plain_hide(*other), expected)
    for place, bad in enumerate((tensors[0].double(), tensors[1][:10], tensors[2].float(), None, tensors[4][:3], None)):
        other = [*tensors[:place], bad, *tensors[place + 1 :]]
        assert operator._native.hide(other, 1) is None
    doubles = batch_of([history(0, 12)], [(0, 11)], dtype=torch.float64)
    assert with_some_hidden(doubles, 0.4, torch.Generator().manual_seed(0), PLAINLY).values.dtype == torch.float64
