"""Adam and the moving mean: the numbers of torch's own, in the core and without it, the same bits everywhere."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from sequela import cells
from sequela.cells import operator
from sequela.train import Adam
from sequela.train.adam import blend

SHAPES = ((20, 1), (20, 5), (), (0, 3), (7,), (130, 200))
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


def drawn(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=dtype, generator=generator)) for shape in SHAPES]


def give_gradients(*networks: list[nn.Parameter], size: float = 1.0, seed: int = 0) -> None:
    for weights in networks:
        generator = torch.Generator().manual_seed(seed)
        for weight in weights:
            weight.grad = size * torch.randn(weight.shape, dtype=weight.dtype, generator=generator)


def copied(weights: list[nn.Parameter]) -> list[nn.Parameter]:
    return copy.deepcopy(weights)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize("max_norm", [math.inf, 5.0, 1e9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_thirty_steps_are_those_of_torch(
    way: str, dtype: torch.dtype, near: float, max_norm: float, decay: float
) -> None:
    ours, theirs = drawn(dtype), drawn(dtype)
    optimizer = Adam(ours, learning_rate=0.01, weight_decay=decay, max_norm=max_norm, betas=(0.8, 0.99), eps=1e-6)
    reference = torch.optim.Adam(theirs, lr=0.01, weight_decay=decay, betas=(0.8, 0.99), eps=1e-6)
    for step in range(30):
        give_gradients(ours, theirs, seed=step, size=10.0 ** (step % 5 - 3))
        optimizer.learning_rate = reference.param_groups[0]["lr"] = 0.01 / (1 + step)
        optimizer.step()
        if math.isfinite(max_norm):
            nn.utils.clip_grad_norm_(theirs, max_norm)
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=near, atol=near)


def test_a_weight_without_a_gradient_stays_and_counts_no_step(way: str) -> None:
    ours, theirs = drawn(torch.float64), drawn(torch.float64)
    optimizer, reference = Adam(ours), torch.optim.Adam(theirs)
    for step in range(6):
        give_gradients(ours, theirs, seed=step)
        for weights in (ours, theirs):
            weights[step % 3].grad = None
        still = ours[step % 3].detach().clone()
        optimizer.step()
        reference.step()
        assert torch.equal(ours[step % 3], still)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_a_step_leaves_the_gradients_and_can_forget_them(way: str) -> None:
    weights = drawn()
    give_gradients(weights)
    before = [weight.grad.clone() for weight in weights if weight.grad is not None]
    optimizer = Adam(weights, max_norm=0.1)
    optimizer.step()
    assert all(torch.equal(weight.grad, old) for weight, old in zip(weights, before, strict=True))
    optimizer.zero_grad()
    assert all(weight.grad is None for weight in weights)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_comes_out(way: str, bad: float) -> None:
    ours, theirs = drawn(), drawn()
    give_gradients(ours, theirs)
    for weights in (ours, theirs):
        assert weights[1].grad is not None
        weights[1].grad[3, 2] = bad
    Adam(ours, max_norm=5.0).step()
    nn.utils.clip_grad_norm_(theirs, 5.0)
    torch.optim.Adam(theirs).step()
    assert not all(weight.isfinite().all() for weight in ours)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


@built
def test_any_number_of_threads_and_every_instruction_set_give_the_same_bits(threads: None) -> None:
    facts, found = operator._native.info(), []
    try:
        for name in facts["sets"]:
            operator._native.choose(name)
            for count in (1, 2, 5):
                cells.set_num_threads(count)
                weights = drawn()
                means = [weight.detach().clone() for weight in weights]
                optimizer = Adam(weights, max_norm=1.0, weight_decay=0.01)
                for step in range(3):
                    give_gradients(weights, seed=step)
                    optimizer.step()
                    blend(means, weights, 0.3)
                found.append([*(weight.detach() for weight in weights), *means])
    finally:
        operator._native.choose(facts["set"])
    for other in found[1:]:
        assert all(torch.equal(one, of_other) for one, of_other in zip(found[0], other, strict=True))


def test_tensors_that_do_not_lie_in_one_piece_take_the_plain_way() -> None:
    across = nn.Parameter(torch.arange(6.0).reshape(2, 3).t())
    straight = nn.Parameter(across.detach().clone(memory_format=torch.contiguous_format))
    gradient = torch.tensor([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]])
    across.grad, straight.grad = gradient.t().contiguous().t(), gradient
    for weight in (across, straight):
        Adam([weight], learning_rate=0.5).step()
    assert not across.is_contiguous()
    torch.testing.assert_close(across, straight)


def test_a_backward_pass_after_a_step_is_refused_as_after_one_of_torch(way: str) -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    loss = (weight * weight).sum()
    loss.backward(retain_graph=True)
    Adam([weight]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_backward_pass_after_a_mean_has_moved_is_refused(way: str) -> None:
    mean, weight = torch.ones(2), nn.Parameter(torch.ones(2))
    loss = (mean * weight).sum()
    blend([mean], [torch.zeros(2)], 0.5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_mean_moves_by_its_share(way: str) -> None:
    weights = [weight.detach() for weight in drawn(torch.float64)]
    means = [torch.ones_like(weight) for weight in weights]
    expected: list[Tensor] = [0.75 * mean + 0.25 * weight for mean, weight in zip(means, weights, strict=True)]
    blend(means, weights, 0.25)
    for one, other in zip(means, expected, strict=True):
        torch.testing.assert_close(one, other)


@built
def test_lists_that_do_not_belong_together_are_refused() -> None:
    weights = drawn()
    with pytest.raises(ValueError, match="another number of tensors"):
        blend([weight.detach() for weight in weights[:2]], weights, 0.5)
    assert operator._native.blend([torch.zeros(3)], [torch.zeros(4)], 0.5, 1) is False
    assert operator._native.blend([torch.zeros(3)], [torch.zeros(3, dtype=torch.float64)], 0.5, 1) is False
