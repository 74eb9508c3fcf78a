"""Gated recurrent unit: one state, and a gate that says how much of it to keep.

With x the input of a step, h the state that enters it, s the logistic function:

    r = s(W_ir x + b_ir + W_hr h + b_hr)               how much of the past the offer sees
    z = s(W_iz x + b_iz + W_hz h + b_hz)               what is kept
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))        what is offered, `reset="after"`
    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)        what is offered, `reset="before"`
    h' = (1 - z) n + z h

Source: Cho et al. 2014 (arXiv:1406.1078) puts the reset gate on the state, before the product; torch, cuDNN and the
default of Keras put it after, on the recurrent term, which needs one product a step. Names, shapes and the order of
gates (r, z, n) are torch's; the weights of one form mean something else in the other.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.nn.utils.rnn import PackedSequence

from sequela.cells.module import Recurrent
from sequela.cells.recurrence import State, Step, Weights

Reset = Literal["after", "before"]


def step_after(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' where the reset gate acts on the recurrent term, as in torch."""
    (h,) = state
    r_x, z_x, n_x = linear(x, weights.weight_ih, weights.bias_ih).chunk(3, dim=1)
    r_h, z_h, n_h = linear(h, weights.weight_hh, weights.bias_hh).chunk(3, dim=1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (n + z * (h - n),)


def step_before(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' where the reset gate acts on the state."""
    (h,) = state
    two = 2 * h.shape[1]
    bias_rz, bias_n = (None, None) if weights.bias_hh is None else (weights.bias_hh[:two], weights.bias_hh[two:])
    r_x, z_x, n_x = linear(x, weights.weight_ih, weights.bias_ih).chunk(3, dim=1)
    r_h, z_h = linear(h, weights.weight_hh[:two], bias_rz).chunk(2, dim=1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + linear(r * h, weights.weight_hh[two:], bias_n)).tanh()
    return (n + z * (h - n),)


STEPS: dict[Reset, Step] = {"after": step_after, "before": step_before}


class GRU(Recurrent):
    """A drop-in for `torch.nn.GRU` that is fast on histories of different lengths and whose state may fade.

    Constructor, parameter names, initial weights and state dict are those of `torch.nn.GRU`, both ways.

    Args of `forward`:
        input: [T, I], [T, B, I] (or [B, T, I] with `batch_first`), or a PackedSequence.
        hx: the state h that enters the first step, [layers * directions, B, H]; zeros by default.
        decay_h: factors in [0, 1], [layers * directions, N, H] or [N, H] where that is one: row n multiplies the h that
            enters step n, the initial state included. Rows are packed rows; of a tensor, its T * B steps, time-major.

    Example:
        >>> cell = GRU(3, 5, reset="before")
        >>> output, h = cell(torch.zeros(7, 2, 3))
        >>> tuple(output.shape), tuple(h.shape)
        ((7, 2, 5), (1, 2, 5))
    """

    form = ("reset", "after")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset: Reset = "after",
    ) -> None:
        if reset not in STEPS:
            raise ValueError(f"reset must be one of {', '.join(STEPS)}, not {reset!r}.")
        self.reset = reset
        self.kind = f"gru_{reset}"
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers=num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )

    @property
    def step(self) -> Step:
        """One step of this cell, in plain torch."""
        return STEPS[self.reset]

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | None = None,
        *,
        decay_h: Tensor | None = None,
    ) -> tuple[Any, Tensor]:
        """Return the output of the last layer, in the form of the input, and the final h."""
        output, final = self._recur(input, hx, (decay_h,), self._native)
        return output, final

    def plain(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | None = None,
        *,
        decay_h: Tensor | None = None,
    ) -> tuple[Any, Tensor]:
        """Return what `forward` returns, by the plain version: slow, and differentiable twice."""
        output, final = self._recur(input, hx, (decay_h,), self._plain)
        return output, final

    def _known_to_torch(self) -> bool:
        return self.reset == "after"
