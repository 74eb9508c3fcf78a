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
    if not (torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (enter, *tensors))):
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
    given, weights = tensors[6:14], tensors[14:]
    values, _, gaps, _, *of_rates = needs[6:14]
    of_x, of_decay = values or gaps or any(of_rates[:2]), gaps or any(of_rates[2:])
    dx, dh0, _, ddecay, _, *dweights = operator.compute_backward(
        dy, dh, None, joined, batch_sizes, h0, None, decay, None, masks, order, weights, y, kept, kind, layers, 1,
        histories, keep, False, (of_x, needs[3], False, of_decay, False, *needs[14:]), given[0].shape[-1],
    )  # fmt: skip
    wanted = fading.wanted_of((False, False, *needs[6:14]), dx, ddecay)
    made: list[Tensor | None] = [None] * 6
    if any(wanted):
        made = fading.compute_backward(layers, swapped, wanted, dx, ddecay, *(*given, joined, decay))
    return None, None, None, dh0, None, None, *fading.in_their_places(made)[2:], *dweights
