"""What fades while nothing is measured: old values towards the mean, states towards zero.

With x the last value seen, m = 1 where one was measured, d the gap since then, x̄ the mean, and g(.) = exp(-max(0, .)):

    x̂ = m x + (1 - m) (g_x x + (1 - g_x) x̄)        g_x = g(w_x d + b_x)
    g_h = g(W_h d + b_h)

Source: Che et al. 2018 (doi:10.1038/s41598-018-24271-9), equations 3 to 5. All steps are computed at once, before the
recurrence, and by the engine: torch's own product may give a row other bits in another batch, and torch's operations on
this many numbers wake threads of its own, which then stand in the way of the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from sequela.cells import operator
from sequela.cells.threads import get_num_threads


class Inputs(NamedTuple):
    """Steps as they were measured, as packed rows [N, F], [T, B, F], or [B, T, F]; and what they fade towards."""

    values: Tensor
    observed: Tensor  # bool, of the same shape
    gaps: Tensor
    mean: Tensor  # [F]


class Rates(NamedTuple):
    """How fast: the weights of both decays."""

    weight_x: Tensor  # [F]
    bias_x: Tensor  # [F]
    weight_h: Tensor  # [layers * H, F]
    bias_h: Tensor  # [layers * H]


def fade(inputs: Inputs, rates: Rates, *, layers: int, batch_first: bool) -> tuple[Tensor, Tensor]:
    """Return [x̂, m] as packed rows [N, 2 F], and g_h [layers, N, H].

    Args:
        inputs: values, where they were measured, gaps, and means.
        rates: the weights.
        layers: how many recurrent layers the rows of `weight_h` belong to.
        batch_first: inputs of three dimensions are [B, T, F].
    """
    if inputs.gaps.device.type != "cpu" or not operator.BUILT:
        return plain_fade(inputs, rates, layers=layers, batch_first=batch_first)
    if inputs.mean.requires_grad:
        raise NotImplementedError(
            "The engine has no gradient of the mean. Detach it, or call the cell's `plain` version."
        )
    histories = inputs.gaps.shape[0] if batch_first and inputs.gaps.dim() == 3 else 0
    return run((*inputs, *rates), layers, histories)


def plain_fade(inputs: Inputs, rates: Rates, *, layers: int, batch_first: bool) -> tuple[Tensor, Tensor]:
    """Return what `fade` returns, in plain torch: slow, and differentiable twice."""
    values, observed, gaps = (t.transpose(0, 1) if batch_first and t.dim() == 3 else t for t in inputs[:3])
    factor = torch.exp(-torch.relu(gaps * rates.weight_x + rates.bias_x))
    faded = torch.where(observed, values, factor * values + (1.0 - factor) * inputs.mean)
    features = gaps.shape[-1]
    joined = torch.cat([faded, observed.to(faded.dtype)], dim=-1).reshape(-1, 2 * features)
    factors = plain_factors(gaps.reshape(-1, features), rates.weight_h, rates.bias_h)
    return joined, factors.reshape(len(factors), layers, len(rates.bias_h) // layers).transpose(0, 1)


def decay_factors(gaps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the factors [..., K] in (0, 1] of the gaps [..., F] under weight [K, F] and bias [K].

    Those of packed rows [N, F] are what a cell's `decay_h` and `decay_c` take.

    Example:
        >>> decay_factors(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.5]]), torch.tensor([0.0]))
        tensor([[1.0000],
                [0.3679]])
    """
    if gaps.device.type != "cpu" or not operator.BUILT:
        return plain_factors(gaps, weight, bias)
    rows = gaps.reshape(gaps.shape[:-1].numel(), gaps.shape[-1])
    return run((None, None, rows, None, None, None, weight, bias), 1, 0)[1].view(*gaps.shape[:-1], weight.shape[0])


def plain_factors(gaps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return what `decay_factors` returns, in plain torch."""
    return torch.exp(-torch.relu(linear(gaps, weight, bias)))


def run(tensors: tuple[Any, ...], layers: int, histories: int) -> tuple[Tensor, Tensor]:
    """Return what `compute` returns, differentiable where a tensor asks for it."""
    joined: Tensor
    decay: Tensor
    if operator.is_watched(tensors):
        joined, decay = fade_rows(layers, histories, *tensors)
    elif torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        joined, decay = operator.apply(Eager, layers, histories, *tensors)
    else:
        joined, decay = compute(layers, histories, *tensors)
    return joined, decay


def compute(
    layers: int,
    histories: int,
    values: Tensor | None,
    observed: Tensor | None,
    gaps: Tensor,
    mean: Tensor | None,
    weight_x: Tensor | None,
    bias_x: Tensor | None,
    weight_h: Tensor,
    bias_h: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return [x̂, m], empty where there are no values, and g_h; `histories` is B for inputs [B, T, F], else 0."""
    tensors = (values, observed, gaps, mean, weight_x, bias_x, weight_h, bias_h)
    options = (layers, histories, get_num_threads())
    made: tuple[Tensor, Tensor] | None = operator._native.fade(tensors, *options)
    if made is not None:
        return made
    check(layers, *tensors)
    copied: tuple[Tensor, Tensor] = operator.read(operator._native.fade(operator.plain(tensors), *options))
    return copied


def compute_backward(
    layers: int,
    histories: int,
    wanted: Sequence[bool],
    djoined: Tensor | None,
    ddecay: Tensor | None,
    values: Tensor | None,
    observed: Tensor | None,
    gaps: Tensor,
    mean: Tensor | None,
    weight_x: Tensor | None,
    bias_x: Tensor | None,
    weight_h: Tensor,
    bias_h: Tensor,
    joined: Tensor,
    decay: Tensor,
) -> list[Tensor | None]:
    """Return the gradients of values, gaps and the four weights; None where not wanted."""
    tensors = (values, observed, gaps, mean, weight_x, bias_x, weight_h, bias_h)
    arrived, options = (joined, decay, djoined, ddecay), (wanted, layers, histories, get_num_threads())
    made: list[Tensor | None] | None = operator._native.fade_backward(tensors, arrived, *options)
    if made is not None:
        return made
    operator.refuse_transformed((djoined, ddecay))
    copied: list[Tensor | None] = operator.read(
        operator._native.fade_backward(operator.plain(tensors), operator.plain(arrived), *options)
    )
    return copied


class Eager(torch.autograd.Function):
    """Fading without the operator's way through torch's dispatcher, which costs as much as the arithmetic."""

    @staticmethod
    def forward(ctx: Any, layers: int, histories: int, *tensors: Any) -> tuple[Tensor, Tensor]:
        """Run, and keep what backward needs."""
        joined, decay = compute(layers, histories, *tensors)
        ctx.set_materialize_grads(False)
        ctx.sizes = (layers, histories)
        ctx.save_for_backward(*tensors, joined, decay)
        if not any(ctx.needs_input_grad[2:8]):
            ctx.mark_non_differentiable(joined)  # nobody needs to compute its gradient
        return joined, decay

    @staticmethod
    def backward(ctx: Any, djoined: Tensor | None, ddecay: Tensor | None) -> Any:
        """Return the gradients of what wants one."""
        wanted = wanted_of(ctx.needs_input_grad, djoined, ddecay)
        if not any(wanted):
            return (None,) * 10
        arguments = (*ctx.sizes, wanted, djoined, ddecay, *ctx.saved_tensors)
        made = operator.once(compute_backward, *arguments)
        return in_their_places(made)


fade_rows = torch.library.custom_op("sequela::fade", compute, mutates_args=())


@torch.library.custom_op("sequela::fade_backward", mutates_args=())
def fade_rows_backward(
    layers: int, histories: int, wanted: Sequence[bool], djoined: Tensor | None, ddecay: Tensor | None,
    values: Tensor | None, observed: Tensor | None, gaps: Tensor, mean: Tensor | None, weight_x: Tensor | None,
    bias_x: Tensor | None, weight_h: Tensor, bias_h: Tensor, joined: Tensor, decay: Tensor,
) -> list[Tensor]:  # fmt: skip
    """Return what `compute_backward` returns; empty where not wanted, as an operator can return no None."""
    made = compute_backward(
        layers, histories, wanted, djoined, ddecay, values, observed, gaps, mean, weight_x, bias_x, weight_h, bias_h,
        joined, decay,
    )  # fmt: skip
    return [gaps.new_empty(0) if t is None else t for t in made]


@fade_rows.register_fake
def _(
    layers: int, histories: int, values: Any, observed: Any, gaps: Tensor, mean: Any, weight_x: Any, bias_x: Any,
    weight_h: Tensor, bias_h: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    rows, features = gaps.shape[:-1].numel(), gaps.shape[-1]
    joined = gaps.new_empty(0) if values is None else gaps.new_empty(rows, 2 * features)
    return joined, gaps.new_empty(layers, rows, weight_h.shape[0] // layers)


@fade_rows_backward.register_fake
def _(
    layers: int, histories: int, wanted: Sequence[bool], djoined: Any, ddecay: Any, values: Any, observed: Any,
    gaps: Tensor, mean: Any, weight_x: Any, bias_x: Any, weight_h: Tensor, bias_h: Tensor, joined: Tensor,
    decay: Tensor,
) -> list[Tensor]:  # fmt: skip
    tensors = (values, gaps, weight_x, bias_x, weight_h, bias_h)
    return [t.new_empty(t.shape) if want else gaps.new_empty(0) for t, want in zip(tensors, wanted, strict=True)]


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.sizes = inputs[:2]
    ctx.save_for_backward(*inputs[2:], *output)


def _backward(ctx: Any, djoined: Tensor | None, ddecay: Tensor | None) -> tuple[Any, ...]:
    wanted = wanted_of(ctx.needs_input_grad, djoined, ddecay)
    if not any(wanted):
        return (None,) * 10
    made = fade_rows_backward(*ctx.sizes, wanted, djoined, ddecay, *ctx.saved_tensors)
    return in_their_places([t if want else None for t, want in zip(made, wanted, strict=True)])


fade_rows.register_autograd(_backward, setup_context=_keep_for_backward)
fade_rows_backward.register_autograd(operator.refuse)


def wanted_of(needs: Sequence[bool], djoined: Tensor | None, ddecay: Tensor | None) -> list[bool]:
    """Return which of the gradients of values, gaps and the four weights are wanted and not zero."""
    of_x, of_h = djoined is not None, ddecay is not None
    sources = (of_x, of_x or of_h, of_x, of_x, of_h, of_h)
    return [need and source for need, source in zip((needs[2], needs[4], *needs[6:]), sources, strict=True)]


def in_their_places(made: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """Return the gradients, or None, in the order of the arguments of `compute`."""
    values, gaps, *weights = made
    return None, None, values, None, gaps, None, *weights


def check(
    layers: int,
    values: Tensor | None,
    observed: Tensor | None,
    gaps: Tensor,
    mean: Tensor | None,
    weight_x: Tensor | None,
    bias_x: Tensor | None,
    weight_h: Tensor,
    bias_h: Tensor,
) -> None:
    """Refuse what the core, which sees addresses only, could not know to be wrong."""
    if gaps.dtype not in operator.TYPES:
        raise TypeError(f"The engine computes in float32 and float64, not {gaps.dtype}; convert with `.float()`.")
    features, hidden = gaps.shape[-1:], weight_h.shape[:1]
    expected: list[tuple[str, Tensor | None, torch.Size]] = [
        ("gaps", gaps, gaps.shape),
        ("weight_h", weight_h, hidden + features),
        ("bias_h", bias_h, hidden),
    ]
    if values is not None:
        if observed is None or observed.dtype != torch.bool or observed.shape != gaps.shape or not observed.is_cpu:
            raise TypeError(f"Expected observed as bool on the CPU of shape {list(gaps.shape)}.")
        expected.append(("values", values, gaps.shape))
        expected.extend((("mean", mean, features), ("weight_x", weight_x, features), ("bias_x", bias_x, features)))
    for name, t, shape in expected:
        if t is None or not t.is_cpu or t.dtype != gaps.dtype:
            raise TypeError(f"Expected {name} as {gaps.dtype} on the CPU, like the gaps.")
        if t.shape != shape:
            raise ValueError(f"Expected {name} of shape {list(shape)}, got {list(t.shape)}.")
    if weight_h.shape[0] % layers != 0:
        raise ValueError(f"The {weight_h.shape[0]} rows of weight_h must belong to {layers} layers of the same size.")
