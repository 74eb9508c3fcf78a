"""GRU-D: a gated recurrent unit that knows what was not measured, and for how long.

With x the values of a step (where none was measured, the last one that was), m = 1 where one was measured, d the time
since each feature was last measured, x̄ the mean over training people, and g(.) = exp(-max(0, .)):

    x̂ = m x + (1 - m) (g_x x + (1 - g_x) x̄)        g_x = g(w_x d + b_x)      an old value is pulled to the mean
    ĥ = g_h h                                       g_h = g(W_h d + b_h)      an old state fades
    r, z, n, h' = the GRU's, of the input [x̂, m] and the state ĥ

Source: Che et al. 2018 (doi:10.1038/s41598-018-24271-9), equations 3 to 12. As there, the reset gate acts on the state
(`reset="before"`), the decay of inputs is diagonal, and all gates see the mask. PyPOTS 1.5 feeds torch's GRUCell,
that is `reset="after"`, with [x̂, ĥ, m]: the state enters twice. The paper has one layer; here each further layer has a
decay of its own state. Gaps may be in any unit, as long as it is always the same.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.cells import joint, operator
from sequela.cells.fading import Inputs, Rates, fade, plain_fade
from sequela.cells.gru import STEPS, Reset
from sequela.cells.module import Recurrent, Run, equally_long, whole
from sequela.cells.recurrence import Recurrence, State, Step


class GRUD(Recurrent):
    """A GRU over irregular, partly observed histories: inputs fade towards the mean and states towards zero.

    Parameters are those of `torch.nn.GRU(2 * input_size, hidden_size)`, whose input is [x̂, m], and those of the decay:
    `weight_decay_x` [F], `bias_decay_x` [F], `weight_decay_h` [layers * H, F], `bias_decay_h` [layers * H].

    Args:
        mean: [F], the mean of each feature over training people, in the unit of the input; zeros by default.

    Args of `forward`:
        input: values [T, F], [T, B, F] (or [B, T, F] with `batch_first`), or a PackedSequence. Where none was measured,
            the last value that was; before the first one, the mean.
        observed: bool, True where a value was measured; of the input's shape, or packed rows [N, F].
        gaps: time since each feature was last measured strictly before this step, of the same shape.
        hx: the state h that enters the first step, [layers, B, H]; zeros by default.
    """

    form = ("reset", "before")
    mean: Tensor
    weight_decay_x: Tensor
    bias_decay_x: Tensor
    weight_decay_h: Tensor
    bias_decay_h: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset: Reset = "before",
        mean: Tensor | None = None,
    ) -> None:
        if reset not in STEPS:
            raise ValueError(f"reset must be one of {', '.join(STEPS)}, not {reset!r}.")
        self.reset = reset
        self.kind = f"gru_{reset}"
        super().__init__(
            "GRU",
            2 * input_size,
            hidden_size,
            num_layers=num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            device=device,
            dtype=dtype,
        )
        self.features = input_size
        stdv = 1.0 / math.sqrt(hidden_size)
        rows = num_layers * hidden_size
        shapes = {
            "weight_decay_x": (input_size,),
            "bias_decay_x": (input_size,),
            "weight_decay_h": (rows, input_size),
            "bias_decay_h": (rows,),
        }
        for name, shape in shapes.items():
            weight = torch.empty(shape, device=device, dtype=dtype).uniform_(-stdv, stdv)
            self.register_parameter(name, nn.Parameter(weight))
        zeros = torch.zeros(input_size, device=device, dtype=dtype)
        self.register_buffer("mean", zeros if mean is None else zeros.copy_(mean.detach()))

    def extra_repr(self) -> str:
        """Return the options other than the defaults, as the constructor takes them."""
        return f"{self.features}{super().extra_repr().removeprefix(f'{self.input_size}')}"

    @property
    def step(self) -> Step:
        """One step of the GRU inside, in plain torch."""
        return STEPS[self.reset]

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | None = None,
        *,
        observed: Tensor,
        gaps: Tensor,
    ) -> tuple[Any, Tensor]:
        """Return the output of the last layer, in the form of the input, and the final h."""
        inputs, rates = self._inputs(input, observed, gaps), self._rates()
        if torch.compiler.is_compiling() or operator.somebody_watches():
            return self._through(input, hx, self._fade(inputs, rates, fade), self._native)
        with torch.no_grad():  # the backward of `_jointly` does both
            faded = self._fade(inputs, rates, fade)
        return self._through(input, hx, faded, functools.partial(self._jointly, inputs=inputs, rates=rates))

    def plain(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | None = None,
        *,
        observed: Tensor,
        gaps: Tensor,
    ) -> tuple[Any, Tensor]:
        """Return what `forward` returns, by the plain version: slow, and differentiable twice."""
        faded = self._fade(self._inputs(input, observed, gaps), self._rates(), plain_fade)
        return self._through(input, hx, faded, self._plain)

    def seen(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        observed: Tensor,
        gaps: Tensor,
    ) -> tuple[Any, Tensor]:
        """Return [x̂, m] in the form of the input and the decay of the states, [layers, N, H]."""
        joined, decay = self._fade(self._inputs(input, observed, gaps), self._rates(), fade)
        if isinstance(input, PackedSequence):
            return input._replace(data=joined), decay
        return self._unpacked(joined, input), decay

    def _inputs(self, input: Tensor | PackedSequence, observed: Tensor, gaps: Tensor) -> Inputs:  # noqa: A002 - torch's name
        x = input.data if isinstance(input, PackedSequence) else input
        if torch.is_autocast_enabled(x.device.type):
            x, gaps = whole(x), whole(gaps)
        if x.dtype != self.mean.dtype:
            raise TypeError(f"The input must be {self.mean.dtype} like the cell's parameters, not {x.dtype}.")
        if x.dim() not in (2, 3):
            raise ValueError(f"The input must have 2 or 3 dimensions or be packed, not {x.dim()} dimensions.")
        for name, t in (("observed", observed), ("gaps", gaps)):
            if t.shape != x.shape:
                raise ValueError(
                    f"{name} must have the shape of the input's values, {list(x.shape)}, not {list(t.shape)}."
                )
        return Inputs(x, observed, gaps, self.mean)

    def _rates(self) -> Rates:
        return Rates(self.weight_decay_x, self.bias_decay_x, self.weight_decay_h, self.bias_decay_h)

    def _fade(self, inputs: Inputs, rates: Rates, fade: Callable[..., tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return [x̂, m] as packed rows and the decay of the states."""
        return fade(inputs, rates, layers=self.num_layers, batch_first=self.batch_first)

    def _through(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | None,
        faded: tuple[Tensor, Tensor],
        engine: Run,
    ) -> tuple[Any, Tensor]:
        """Run on packed rows, and bring the result back to the caller's form."""
        joined, decay = faded
        if isinstance(input, PackedSequence):
            return self._recur(input._replace(data=joined), hx, (decay,), engine)
        single = input.dim() == 2
        steps, histories = (input.shape[0], 1) if single else input.shape[:2][:: -1 if self.batch_first else 1]
        state = self._entering(hx if hx is None or not single else hx.unsqueeze(1), histories)
        given = Recurrence(joined, equally_long(steps if histories else 0, histories), histories, state, (decay,))
        rows, (final,) = self._run(given, engine)
        return self._unpacked(rows, input), final.squeeze(1) if single else final

    def _jointly(self, given: Recurrence, inputs: Inputs, rates: Rates) -> tuple[Tensor, State]:
        if self._leave_to_torch(given.x, given.decay):
            return self._torch(given)
        histories = inputs.gaps.shape[0] if self.batch_first and inputs.gaps.dim() == 3 else 0
        given = self._with_dropout(given)
        return joint.run(self.kind, given, self.flat_weights(), self.num_layers, inputs, rates, histories)

    def _unpacked(self, rows: Tensor, like: Tensor) -> Tensor:
        """Return packed rows of histories of one length in the form of the input."""
        if like.dim() == 2:
            return rows
        if self.batch_first:
            return rows.view(like.shape[1], like.shape[0], rows.shape[1]).transpose(0, 1)
        return rows.view(*like.shape[:2], rows.shape[1])
