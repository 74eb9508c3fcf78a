"""Running sums and maxima over ragged sequences, against the loop that says what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sequela.models.prefix import blocks_of, prefix_max, prefix_sum
from sequela.prepare.collate import pack

lengths_of = st.lists(st.integers(1, 9), min_size=1, max_size=12)


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
    sums, largest = prefix_sum(rows, sizes, reads), prefix_max(rows, sizes, reads)
    for k, read in enumerate(reads.tolist()):
        until = next(own[: own.index(read) + 1] for own in of_sequence if read in own)
        assert torch.equal(sums[k], rows[until].double().sum(dim=0))
        assert torch.equal(largest[k], rows[until].amax(dim=0))


@given(lengths_of, st.integers(0, 2**32 - 1))
def test_narrow_and_wide_rows_have_the_same_bits(lengths: list[int], seed: int) -> None:
    """Two ways to add up, one for each width: the same additions in the same order."""
    sizes, _ = packing(lengths)
    narrow = torch.randn(sum(lengths), 3, generator=torch.Generator().manual_seed(seed))
    wide, reads = narrow.repeat(1, 100), torch.arange(len(narrow))
    for function in (prefix_sum, prefix_max):
        assert torch.equal(function(wide, sizes, reads)[:, :3], function(narrow, sizes, reads))


@pytest.mark.parametrize("width", [2, 300])
@pytest.mark.parametrize("function", [prefix_sum, prefix_max])
def test_derivatives_over_ragged_sequences(function: object, width: int) -> None:
    sizes, _ = packing([4, 1, 3, 3])
    rows = torch.randn(11, width, dtype=torch.float64, requires_grad=True)
    reads = torch.tensor([0, 10, 5, 5, 3])
    assert torch.autograd.gradcheck(lambda x: function(x, sizes, reads), [rows], fast_mode=width > 2)


def test_the_derivative_of_a_tie_goes_to_the_latest_row_in_rows_of_any_width() -> None:
    for width in (1, 300):
        rows = torch.ones(5, width, requires_grad=True)
        prefix_max(rows, torch.ones(5, dtype=torch.long), torch.tensor([3])).sum().backward()
        assert rows.grad[:, 0].tolist() == [0, 0, 0, 1, 0]


def test_equally_long_sequences_are_one_block() -> None:
    assert blocks_of(torch.full((48,), 64)) == [(0, 48, 64)]
    assert blocks_of(torch.tensor([5, 4, 4, 1])) == [(0, 1, 5), (5, 2, 4), (13, 1, 1)]
