"""The plain recurrent cell: the next state is a bent mixture of the input and the last one.

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)        or relu instead of tanh

Source: Elman 1990 (doi:10.1207/s15516709cog1402_1). It is what the gated cells are measured against: the past reaches
h' only through W_hh, so what lies far back fades or explodes with its powers (Bengio et al. 1994,
doi:10.1109/72.279181). Names and shapes are torch's.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.nn.utils.rnn import PackedSequence

from sequela.cells.module import Recurrent
from sequela.cells.recurrence import State, Step, Weights

Nonlinearity = Literal["tanh", "relu"]


def tanh_step(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' of the cell with tanh."""
    return (
        (linear(x, weights.weight_ih, weights.bias_ih) + linear(state[0], weights.weight_hh, weights.bias_hh)).tanh(),
    )


def relu_step(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' of the cell with relu."""
    return (
        (linear(x, weights.weight_ih, weights.bias_ih) + linear(state[0], weights.weight_hh, weights.bias_hh)).relu(),
    )


STEPS: dict[Nonlinearity, Step] = {"tanh": tanh_step, "relu": relu_step}


class RNN(Recurrent):
    """A drop-in for `torch.nn.RNN` that is fast on histories of different lengths and whose state may fade.

    Constructor, parameter names, initial weights and state dict are those of `torch.nn.RNN`, both ways.

    Args of `forward`:
        input: [T, I], [T, B, I] (or [B, T, I] with `batch_first`), or a PackedSequence.
        hx: the state h that enters the first step, [layers * directions, B, H]; zeros by default.
        decay_h: factors in [0, 1], [layers * directions, N, H] or [N, H] where that is one: row n multiplies the h that
            enters step n, the initial state included. Rows are packed rows; of a tensor, its T * B steps, time-major.

    Example:
        >>> cell = RNN(3, 5, nonlinearity="relu")
        >>> output, h = cell(torch.zeros(7, 2, 3))
        >>> tuple(output.shape), tuple(h.shape)
        ((7, 2, 5), (1, 2, 5))
    """

    form = ("nonlinearity", "tanh")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if nonlinearity not in STEPS:
            raise ValueError(f"nonlinearity must be one of {', '.join(STEPS)}, not {nonlinearity!r}.")
        self.nonlinearity = nonlinearity
        self.kind = f"rnn_{nonlinearity}"
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
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
        return STEPS[self.nonlinearity]

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
        return True
