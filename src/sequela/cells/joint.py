"""A recurrence over faded inputs and states as one differentiable function.

What `fading` and `operator` do one after the other, for eager mode: one node of torch's graph instead of two, and the
gradient of the mask, which is half of what the recurrence reads, is never computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sequela.cells import fading, operator
from sequela.cells.fading import Inputs, Rates
from sequela.cells.recurrence import Recurrence, State
from sequela.cells.threads import get_num_threads


def run(
    kind: str, given: Recurrence, weights: Sequence[Tensor], layers: int, inputs: Inputs, rates: Rates, histories: int
) -> tuple[Tensor, State]:
    """Return what `operator.run` returns, differentiable by what `given` was made from.

    Args:
        kind: the cell's name in the engine.
        given: [x̂, m] as packed rows and the decay, as `fading.compute` made them of inputs and rates.
        weights: of all layers, one after the other, each in torch's order.
        layers: how many.
        inputs: what has faded.
        rates: how fast.
        histories: B where the inputs are [B, T, F], else 0.
    """
    enter = None if given.state is None else given.state[0]
    tensors = (*inputs, *rates, *weights)
    if not any(t is not None and t.requires_grad for t in (enter, *tensors)):
        return operator.run(kind, given, weights, layers, 1)
    sizes = (kind, layers, given.histories, given.keep, histories)
    made = (given.x, given.decay[0], given.batch_sizes, enter, given.masks, given.order)
    y, h = operator.apply(Joint, sizes, *made, *tensors)
    return y, (h,)


class Joint(torch.autograd.Function):
    """The recurrence forward; both backward."""

    @staticmethod
    def forward(ctx: Any, sizes: tuple[Any, ...], *tensors: Any) -> tuple[Tensor, Tensor]:
        """Run, and keep what backward needs."""
        kind, layers, histories, keep, _ = sizes
        joined, decay, batch_sizes, h0, masks, order = tensors[:6]
        y, h, _, kept = operator.compute(
            joined, batch_sizes, h0, None, decay, None, masks, order, tensors[14:], kind, layers, 1, histories, keep,
            False, True,
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        ctx.sizes = sizes
        ctx.save_for_backward(y, kept, *tensors)
        return y, h

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dh: Tensor | None) -> Any:
        """Return the gradients of what wants one."""
        if dy is None and dh is None:
            return (None,) * len(ctx.needs_input_grad)
        arguments = (ctx.sizes, ctx.needs_input_grad[1:], dy, dh, *ctx.saved_tensors)
        made = operator.once(compute_backward, *arguments)
        return None, *made


def compute_backward(
    sizes: tuple[Any, ...],
    needs: Sequence[bool],
    dy: Tensor | None,
    dh: Tensor | None,
    y: Tensor,
    kept: Tensor,
    *tensors: Any,
) -> tuple[Tensor | None, ...]:
    """Return a gradient or None for each tensor that `Joint.forward` was given."""
    kind, layers, histories, keep, swapped = sizes
    joined, decay, batch_sizes, h0, masks, order = tensors[:6]
    given, weights = tensors[6:14], [t.contiguous() for t in tensors[14:]]
    values, _, gaps, _, *of_rates = needs[6:14]
    features, hidden = given[0].shape[-1], decay.shape[-1]
    dx = operator.empty(joined, joined.shape[0], features) if values or gaps or any(of_rates[:2]) else None
    ddecay = operator.empty(decay, *decay.shape) if gaps or any(of_rates[2:]) else None
    dh0 = operator.room_like(h0) if needs[3] else None
    dweights = [operator.room_like(w) if need else None for w, need in zip(weights, needs[14:], strict=True)]
    held = [operator.solid(t) for t in (joined, h0, None, decay, None, masks, order)]
    arriving = [operator.solid(t) for t in (dy, dh, None)]
    sizes_cpu = batch_sizes.contiguous()
    inner = (layers - 1) * joined.shape[0] * hidden
    operator._native.backward(
        [*operator.sizes_of(joined, batch_sizes, kind, layers, 1, histories, hidden), features],
        sizes_cpu.data_ptr(),
        operator.addresses(held),
        operator.weight_addresses(weights, layers, kind),
        [y.data_ptr(), *operator.kept_addresses(kept, inner, True)],
        operator.addresses(arriving),
        operator.addresses([dx, dh0, None, ddecay, None]),
        operator.weight_addresses(dweights, layers, kind),
        1.0 / keep,
        get_num_threads(),
    )
    wanted = fading.wanted_of((False, False, *needs[6:14]), dx, ddecay)
    made: list[Tensor | None] = [None] * 6
    if any(wanted):
        made = fading.compute_backward(layers, swapped, wanted, dx, ddecay, *(*given, joined, decay))
    return None, None, None, dh0, None, None, *fading.in_their_places(made)[2:], *dweights
