"""The engine's number of threads: torch's, or its own."""

import pytest
import torch

from sequela.cells import GRU, get_num_threads, set_num_threads


@pytest.fixture(autouse=True)
def _as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    set_num_threads(None)


def test_it_is_torchs_unless_it_is_its_own():
    torch.set_num_threads(2)
    assert get_num_threads() == 2
    set_num_threads(3)
    assert get_num_threads() == 3
    assert torch.get_num_threads() == 2
    set_num_threads(None)
    torch.set_num_threads(1)
    assert get_num_threads() == 1


def test_it_does_not_change_a_bit():
    torch.manual_seed(0)
    cell, x = GRU(3, 20, 2), torch.randn(9, 14, 3)
    found = []
    for count in (1, 2, 5):
        set_num_threads(count)
        cell.zero_grad()
        output, _ = cell(x)
        output.square().sum().backward()
        found.append([output.detach(), *(weight.grad for weight in cell.parameters())])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_none_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one thread"):
        set_num_threads(0)


def test_more_than_the_core_has_are_as_many_as_it_has_and_parts_of_one_are_refused():
    set_num_threads(2**40)
    assert get_num_threads() == 64
    GRU(3, 4)(torch.zeros(5, 2, 3))
    with pytest.raises(TypeError):
        set_num_threads(2.5)
