"""Long short-term memory: a state that forgets only what it chooses to.

With x the input of a step, h and c the state that enters it, s the logistic function:

    i = s(W_ii x + b_ii + W_hi h + b_hi)          what is let in
    f = s(W_if x + b_if + W_hf h + b_hf)          what is kept
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)       what is offered
    o = s(W_io x + b_io + W_ho h + b_ho)          what is shown
    c' = f c + i g
    h' = o tanh(c')

Source: Hochreiter and Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735); the forget gate is that of Gers, Schmidhuber
and Cummins 2000 (doi:10.1162/089976600300015015). Names, shapes and the order of gates (i, f, g, o) are torch's.

`gates="peephole"`: i and f also see p_i c and p_f c, o also sees p_o c', element by element (Gers and Schmidhuber 2000,
doi:10.1109/IJCNN.2000.861302). The rows of `weight_ch_l*` [3, H] are p_i, p_f and p_o; they begin at zero.

`gates="coupled"`: i = 1 - f, so that what is let in is what was forgotten (CIFG; Greff et al. 2017,
doi:10.1109/TNNLS.2016.2582924). The weights hold three gates in the order f, g, o.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from sequela.cells.module import Recurrent
from sequela.cells.recurrence import State, Step, Weights

Gates = Literal["standard", "peephole", "coupled"]


def preactivations(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """Return W_i x + b_i + W_h h + b_h for all gates, [B, G * H]."""
    from_input = torch.nn.functional.linear(x, weights.weight_ih, weights.bias_ih)
    return from_input + torch.nn.functional.linear(h, weights.weight_hh, weights.bias_hh)


def step(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' and c' of the standard cell."""
    h, c = state
    i, f, g, o = preactivations(x, h, weights).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def peephole_step(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' and c' where the gates see the cell state."""
    if weights.peephole is None:
        raise ValueError("A peephole cell needs its weights [3, H] for i, f and o.")
    h, c = state
    to_i, to_f, to_o = weights.peephole
    i, f, g, o = preactivations(x, h, weights).chunk(4, dim=1)
    c_new = (f + to_f * c).sigmoid() * c + (i + to_i * c).sigmoid() * g.tanh()
    return (o + to_o * c_new).sigmoid() * c_new.tanh(), c_new


def coupled_step(x: Tensor, state: State, weights: Weights) -> State:
    """Return h' and c' where what is let in is what was forgotten."""
    h, c = state
    f, g, o = preactivations(x, h, weights).chunk(3, dim=1)
    kept = f.sigmoid()
    c = kept * c + (1 - kept) * g.tanh()
    return o.sigmoid() * c.tanh(), c


STEPS: dict[Gates, Step] = {"standard": step, "peephole": peephole_step, "coupled": coupled_step}


class LSTM(Recurrent):
    """A drop-in for `torch.nn.LSTM` that is fast on histories of different lengths and whose states may fade.

    Constructor, parameter names, initial weights and state dict are those of `torch.nn.LSTM`, both ways. `proj_size` is
    refused.

    Args of `forward`:
        input: [T, I], [T, B, I] (or [B, T, I] with `batch_first`), or a PackedSequence.
        hx: the states (h, c) that enter the first step, each [layers * directions, B, H]; zeros by default.
        decay_h: factors in [0, 1], [layers * directions, N, H] or [N, H] where that is one: row n multiplies the h that
            enters step n, the initial state included. Rows are packed rows; of a tensor, its T * B steps, time-major.
        decay_c: the same for c.

    Example:
        >>> cell = LSTM(3, 5)
        >>> output, (h, c) = cell(torch.zeros(7, 2, 3))
        >>> tuple(output.shape), tuple(h.shape)
        ((7, 2, 5), (1, 2, 5))
    """

    states = ("h", "c")
    form = ("gates", "standard")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        gates: Gates = "standard",
    ) -> None:
        if gates not in STEPS:
            raise ValueError(f"gates must be one of {', '.join(STEPS)}, not {gates!r}.")
        self.gates = gates
        self.kind = {"standard": "lstm", "peephole": "lstm_peephole", "coupled": "lstm_coupled"}[gates]
        super().__init__(
            "GRU" if gates == "coupled" else "LSTM",  # torch counts gates by this name: three or four
            input_size,
            hidden_size,
            num_layers=num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=proj_size,
            device=device,
            dtype=dtype,
        )
        if gates == "peephole":
            self._add_peepholes(device, dtype)

    def reset_parameters(self) -> None:
        """Draw the weights anew, as torch does; peepholes begin at zero."""
        super().reset_parameters()
        for name, weight in self.named_parameters():
            if name.startswith("weight_ch"):
                torch.nn.init.zeros_(weight)

    @property
    def step(self) -> Step:
        """One step of this cell, in plain torch."""
        return STEPS[self.gates]

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        decay_h: Tensor | None = None,
        decay_c: Tensor | None = None,
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Return the output of the last layer, in the form of the input, and the final (h, c)."""
        output, final = self._recur(input, hx, (decay_h, decay_c), self._native)
        return output, final

    def plain(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        decay_h: Tensor | None = None,
        decay_c: Tensor | None = None,
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Return what `forward` returns, by the plain version: slow, and differentiable twice."""
        output, final = self._recur(input, hx, (decay_h, decay_c), self._plain)
        return output, final

    def _known_to_torch(self) -> bool:
        return self.gates == "standard"
