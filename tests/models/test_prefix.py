"""Running sums and maxima over ragged sequences, against the loop that says what they are; in the core and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sequela import cells
from sequela.cells import operator
from sequela.models.prefix import blocks_of, plain_max, plain_sum, plain_sum_backward, prefix_max, prefix_sum
from sequela.prepare.collate import pack

Function = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
lengths_of = st.lists(st.integers(1, 9), min_size=1, max_size=12)
built = pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")
ODD = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 1.0])


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


def drawn(rows: int, width: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Return numbers with ties, and, of each eight, one that is odd."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(rows, width, generator=generator).mul(4).round().div(4)
    odd = ODD[torch.randint(len(ODD), (rows, width), generator=generator)]
    return torch.where(torch.rand(rows, width, generator=generator) < 1 / 8, odd, found).to(dtype)


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Of any NaN the same."""
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    signs = (torch.where(each.isnan(), 0.0, each).signbit() for each in (one, other))
    return torch.equal(*signs) and np.array_equal(one.numpy(), other.numpy(), equal_nan=True)


def packing(lengths: list[int]) -> tuple[torch.Tensor, list[list[int]]]:
    """Return batch_sizes and the packed rows of each sequence in their order."""
    place, sizes, _ = pack(np.array(lengths))
    return torch.from_numpy(sizes), [rows.tolist() for rows in np.split(place, np.cumsum(lengths)[:-1])]


@given(lengths_of, st.sampled_from([1, 40, 300]), st.integers(0, 2**32 - 1))
def test_running_sums_and_maxima_are_those_of_a_loop(lengths: list[int], width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes, of_sequence = packing(lengths)
    rows = torch.randint(-3, 4, (sum(lengths), width), generator=generator).float()  # ties, and exact sums
    reads = torch.randint(0, len(rows), (7,), generator=generator)
    found = [(prefix_sum(rows, sizes, reads), prefix_max(rows, sizes, reads))]
    found.append((plain_sum(rows, sizes, reads), plain_max(rows, sizes, reads)[0]))
    for k, read in enumerate(reads.tolist()):
        until = next(own[: own.index(read) + 1] for own in of_sequence if read in own)
        for sums, largest in found:
            assert torch.equal(sums[k], rows[until].double().sum(dim=0))
            assert torch.equal(largest[k], rows[until].amax(dim=0))


@given(lengths_of, st.integers(0, 2**32 - 1))
def test_narrow_and_wide_rows_have_the_same_bits(lengths: list[int], seed: int) -> None:
    """Two ways to add up, one for each width: the same additions in the same order."""
    sizes, _ = packing(lengths)
    narrow = torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(seed))
    wide, reads = narrow.repeat(1, 100), torch.arange(len(narrow))
    for function in (plain_sum, lambda *given: plain_max(*given)[0], lambda *given: plain_max(*given)[1]):
        assert torch.equal(function(wide, sizes, reads)[:, :3], function(narrow, sizes, reads))


@built
@given(
    st.lists(st.integers(1, 9), max_size=20),
    st.sampled_from([0, 1, 5, 64, 300]),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 30),
    st.integers(0, 2**32 - 1),
)
def test_the_core_and_torch_give_the_same_bits(
    lengths: list[int], width: int, dtype: torch.dtype, count: int, seed: int
) -> None:
    sizes, _ = packing(lengths) if lengths else (torch.zeros(0, dtype=torch.long), [])
    rows, generator = drawn(sum(lengths), width, dtype, seed), torch.Generator().manual_seed(seed)
    reads = torch.randint(max(1, len(rows)), (count if lengths else 0,), generator=generator)  # any order
    gradient = drawn(len(reads), width, torch.float64, seed + 1)
    expected, (largest, source) = plain_sum(rows, sizes, reads), plain_max(rows, sizes, reads)
    derivative = plain_sum_backward(gradient, sizes, reads).to(dtype)
    for threads in (1, 3):
        assert same_bits(operator._native.prefix_sum(rows, sizes, reads, threads), expected)
        most, where = operator._native.prefix_max(rows, sizes, reads, threads)
        assert np.array_equal(most, largest, equal_nan=True)  # of 0 and -0 either is the largest
        assert torch.equal(where, source)
        single = dtype == torch.float32
        found = operator._native.prefix_sum_backward(gradient, sizes, reads, len(rows), single, threads)
        assert same_bits(found, derivative)


@built
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [prefix_sum, prefix_max])
def test_any_number_of_threads_gives_the_bits_of_torch(
    function: Function, dtype: torch.dtype, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, _ = packing([3 + 11 * k % 61 for k in range(70)])
    generator, found = torch.Generator().manual_seed(0), []
    rows = torch.randn(int(sizes.sum()), 64, dtype=dtype, generator=generator, requires_grad=True)
    reads = torch.randint(0, len(rows), (300,), generator=generator)
    for count in (1, 2, 5, None):
        if count is None:
            monkeypatch.setattr(operator, "BUILT", False)
        cells.set_num_threads(count)
        read = function(rows, sizes, reads)
        (derivative,) = torch.autograd.grad(read, rows, torch.sin(read.detach()))
        found.append((read.detach(), derivative))
    for each in found[:-1]:
        assert all(torch.equal(one, other) for one, other in zip(each, found[-1], strict=True))


@built
def test_what_the_core_does_not_take_torch_does() -> None:
    sizes, _ = packing([4, 1, 3, 3])
    rows, reads = torch.randn(11, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 10, 5, 5, 3])
    across, sparse = rows.t().contiguous().t(), reads.repeat_interleave(2)[::2]
    assert not across.is_contiguous()
    assert not sparse.is_contiguous()
    elsewhere = torch.rand(11, 6, device="meta")
    for function, native in ((prefix_sum, operator._native.prefix_sum), (prefix_max, operator._native.prefix_max)):
        expected = function(rows, sizes, reads)
        for others in ((across, sizes, reads), (rows, sizes, sparse), (rows, sizes.repeat_interleave(2)[::2], reads)):
            assert native(*others, 1) is None
            assert torch.equal(function(*others), expected)
        for bad in (
            (rows.half(), sizes, reads), (rows[0], sizes, reads), (elsewhere, sizes, reads), (rows, sizes, reads.int()),
            (rows, sizes.flip(0), reads), (rows[:10], sizes, reads), (rows, sizes, reads + 1), (rows, sizes, reads - 1),
            (rows, torch.cat([sizes, sizes.new_zeros(1)]), reads),
        ):  # fmt: skip
            assert native(*bad, 1) is None
        with pytest.raises(IndexError):
            function(rows, sizes, reads + 1)
    gradient = torch.ones(5, 6, dtype=torch.float64)
    for bad in ((gradient.float(), sizes, reads, 11), (gradient[:4], sizes, reads, 11), (gradient, sizes, reads, 12)):
        assert operator._native.prefix_sum_backward(*bad, True, 1) is None


def test_a_nan_stays_to_the_end_of_its_sequence_and_the_latest_one_is_the_source(way: str) -> None:
    """Wherever a block ends and however wide the rows are."""
    for width in (1, 300):
        for others in ([], [2], [1, 2, 3, 4]):
            sizes, of_sequence = packing([5, *others])
            rows = torch.ones(int(sizes.sum()), width)
            own = torch.tensor(of_sequence[0])
            rows[own[[0, 2]]] = torch.nan
            rows.requires_grad_()
            largest = prefix_max(rows, sizes, own[[1, 4]])
            assert largest.isnan().all()
            largest.backward(torch.ones_like(largest))
            assert rows.grad is not None
            assert rows.grad[own, 0].tolist() == [1, 0, 1, 0, 0]
            assert prefix_sum(rows.detach(), sizes, own).isnan().all()


@pytest.mark.parametrize("function", [prefix_sum, prefix_max])
def test_the_second_derivative_is_that_of_torch(function: Function, way: str) -> None:
    sizes, _ = packing([4, 1, 3, 3])
    rows = torch.randn(11, 2, dtype=torch.float64, requires_grad=True)
    reads = torch.tensor([0, 10, 5, 5, 3])
    assert torch.autograd.gradgradcheck(lambda x: function(x, sizes, reads), [rows])


@pytest.mark.parametrize("width", [2, 300])
@pytest.mark.parametrize("function", [prefix_sum, prefix_max])
def test_derivatives_over_ragged_sequences(function: Function, width: int, way: str) -> None:
    sizes, _ = packing([4, 1, 3, 3])
    rows = torch.randn(11, width, dtype=torch.float64, requires_grad=True)
    reads = torch.tensor([0, 10, 5, 5, 3])
    assert torch.autograd.gradcheck(lambda x: function(x, sizes, reads), [rows], fast_mode=width > 2)


def test_the_derivative_of_a_tie_goes_to_the_latest_row_in_rows_of_any_width(way: str) -> None:
    for width in (1, 300):
        rows = torch.ones(5, width, requires_grad=True)
        prefix_max(rows, torch.ones(5, dtype=torch.long), torch.tensor([3])).sum().backward()
        assert rows.grad[:, 0].tolist() == [0, 0, 0, 1, 0]


def test_equally_long_sequences_are_one_block() -> None:
    assert blocks_of(torch.full((48,), 64)) == [(0, 48, 64)]
    assert blocks_of(torch.zeros(0, dtype=torch.long)) == []
    assert blocks_of(torch.tensor([5, 4, 4, 1])) == [(0, 1, 5), (5, 2, 4), (13, 1, 1)]
