"""The threads of a training step: one where it is small, torch's own number again afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sequela.train import threads_for_step
from sequela.train.threads import one_thread


@pytest.fixture(autouse=True)
def _three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_step_gets_one_thread() -> None:
    with threads_for_step(parameters=1_000, rows=100):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_a_large_step_keeps_all_of_them() -> None:
    with threads_for_step(parameters=1_000_000, rows=1_000):
        assert torch.get_num_threads() == 3


def test_the_number_comes_back_after_an_error() -> None:
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 3
