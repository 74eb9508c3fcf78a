"""What a recurrence over ragged histories is, written to be read: the plain version of every cell.

A cell is one *step*: it takes the input of a step and the state that enters it, and gives the state that leaves it. All
the rest is the same for every cell and stands here once: which rows belong together, layers, directions, dropout,
decay. The native engine does the same arithmetic, and the tests hold it against this page.

The layout is that of `torch.nn.utils.rnn.PackedSequence`: the B histories are sorted by length, the longest first; the
N rows are time-major; step t has `batch_sizes[t]` rows, one for each history that is at least t + 1 steps long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]  # (h,) or (h, c), each [B, H]


class Weights(NamedTuple):
    """The weights of one layer and direction, in torch's order of gates."""

    weight_ih: Tensor  # [G * H, I]
    weight_hh: Tensor  # [G * H, H]
    bias_ih: Tensor | None  # [G * H]
    bias_hh: Tensor | None  # [G * H]
    peephole: Tensor | None = None  # [3, H]: what i, f and o see of the cell state


Step = Callable[[Tensor, State, Weights], State]


class Recurrence(NamedTuple):
    """What a recurrence is run on, beside its weights."""

    x: Tensor  # [N, I], or where all histories are equally long [T, B, I] or (`by_history`) [B, T, I]; outputs alike
    batch_sizes: Tensor  # [T] int64 on the CPU, never rising
    histories: int  # B
    state: State | None  # each [layers * directions, B, H]: what enters the first step of a history; None: zeros
    decay: tuple[Tensor | None, ...]  # for each state None or [layers * directions, N, H]
    masks: Tensor | None = None  # [layers - 1, N, directions * H] bool: what dropout lets through between layers
    keep: float = 1.0  # the share that dropout lets through; what passes is divided by it
    order: Tensor | None = None  # [B] where the states of the longest history, the next, ... stand; None: one by one
    by_history: bool = False


def run(step: Step, given: Recurrence, weights: Sequence[Sequence[Weights]]) -> tuple[Tensor, State]:
    """Return the outputs of the last layer, [..., directions * H] like x, and the final states.

    Args:
        step: one step of the cell.
        given: inputs, initial states, decay and dropout masks.
        weights: for each layer the weights of its one or two directions; the second runs from each history's end.
    """
    directions, hidden = len(weights[0]), weights[0][0].weight_hh.shape[1]
    (x, enter), finals = as_packed(given, (len(weights) * directions, given.histories, hidden)), []
    for layer, of_layer in enumerate(weights):
        if layer > 0 and given.masks is not None:
            x = x * given.masks[layer - 1].to(x.dtype) / given.keep
        outputs = []
        for direction, of_direction in enumerate(of_layer):
            place = layer * directions + direction
            enters = tuple(state[place] for state in enter)
            decay = tuple(None if factor is None else factor[place] for factor in given.decay)
            y, final = run_layer(step, x, given.batch_sizes, enters, decay, of_direction, reverse=direction == 1)
            outputs.append(y)
            finals.append(final)
        x = torch.cat(outputs, dim=1)
    return as_given(given, x, tuple(torch.stack(states) for states in zip(*finals, strict=True)))


def as_packed(given: Recurrence, shape: tuple[int, ...]) -> tuple[Tensor, State]:
    """Return the inputs as packed rows [N, I], and the entering states [*shape], of the longest history first."""
    across = given.x.transpose(0, 1) if given.by_history else given.x
    x = across.reshape(-1, across.shape[-1])
    state = given.state or tuple(x.new_zeros(shape) for _ in given.decay)
    return x, state if given.order is None else tuple(s.index_select(1, given.order) for s in state)


def as_given(given: Recurrence, rows: Tensor, final: State) -> tuple[Tensor, State]:
    """Return packed outputs and final states as the inputs and the entering states stand."""
    across = given.x.transpose(0, 1) if given.by_history else given.x
    y = rows.view(*across.shape[:-1], rows.shape[-1])
    if given.order is not None:
        back = given.order.argsort()
        final = tuple(s.index_select(1, back) for s in final)
    return (y.transpose(0, 1) if given.by_history else y), final


def run_layer(
    step: Step,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    decay: tuple[Tensor | None, ...],
    weights: Weights,
    *,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Return the outputs [N, H] of one layer in one direction and its final state, each [B, H].

    `decay` row n multiplies the state that enters step n, the initial state included. A history that has ended, or has
    not begun yet in the reverse direction, keeps its state.
    """
    sizes = batch_sizes.tolist()
    ends = batch_sizes.cumsum(0).tolist()
    outputs = [x.new_zeros(0, weights.weight_hh.shape[1])] * (len(sizes) + 1)
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        now, alive = slice(ends[t] - sizes[t], ends[t]), sizes[t]
        enters = tuple(
            held[:alive] if factor is None else held[:alive] * factor[now]
            for held, factor in zip(state, decay, strict=True)
        )
        leaves = step(x[now], enters, weights)
        outputs[t] = leaves[0]
        state = tuple(torch.cat([new, held[alive:]]) for new, held in zip(leaves, state, strict=True))
    return torch.cat(outputs), state
