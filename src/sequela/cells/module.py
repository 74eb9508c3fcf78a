"""What all cells share as modules: torch's names and shapes outside, packed rows inside."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.cells import operator, recurrence
from sequela.cells.frozen import Frozen
from sequela.cells.recurrence import Recurrence, State, Step, Weights

Run = Callable[[Recurrence, Sequence[Sequence[Weights]]], tuple[Tensor, State]]


class Recurrent(nn.RNNBase):
    """A recurrent cell with the constructor, parameters and state dict of torch's, `proj_size` refused."""

    states: ClassVar[tuple[str, ...]] = ("h",)
    kind: str  # the cell's name in the engine

    def __init__(self, mode: str, input_size: int, hidden_size: int, proj_size: int = 0, **options: Any) -> None:
        if proj_size != 0:
            raise ValueError("proj_size is not built; put a torch.nn.Linear behind the cell instead.")
        super().__init__(mode, input_size, hidden_size, **options)

    @property
    def step(self) -> Step:
        """One step of this cell, in plain torch."""
        raise NotImplementedError

    @property
    def directions(self) -> int:
        """1, or 2 where histories are also read from their end."""
        return 2 if self.bidirectional else 1

    def weights(self) -> list[list[Weights]]:
        """Return the weights of each layer and direction, read by name now: a parametrization shows its result."""
        return [
            [self._weights_of(f"_l{layer}{suffix}") for suffix in ("", "_reverse")[: self.directions]]
            for layer in range(self.num_layers)
        ]

    def frozen(self) -> Frozen:
        """Return an immutable snapshot that advances patients one observation at a time."""
        return Frozen(self.kind, self.weights())

    def _weights_of(self, suffix: str) -> Weights:
        def named(name: str) -> Any:
            return getattr(self, name + suffix, None)

        return Weights(named("weight_ih"), named("weight_hh"), named("bias_ih"), named("bias_hh"), named("weight_ch"))

    def _add_peepholes(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        for layer in range(self.num_layers):
            for suffix in ("", "_reverse")[: self.directions]:
                weight = nn.Parameter(torch.zeros(3, self.hidden_size, device=device, dtype=dtype))
                self.register_parameter(f"weight_ch_l{layer}{suffix}", weight)

    def _recur(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name
        hx: Tensor | tuple[Tensor, ...] | None,
        decay: tuple[Tensor | None, ...],
        engine: Run,
    ) -> tuple[Any, Any]:
        """Bring input, states and decay to packed rows, run, and bring the result back to the caller's form."""
        if isinstance(input, PackedSequence):
            x, batch_sizes, order, back = input
            state = self._entering(x, hx, self._histories(hx, batch_sizes, order), order)
            y, final = self._run(x, batch_sizes, state, decay, engine)
            final = final if back is None else tuple(s.index_select(1, back) for s in final)
            return PackedSequence(y, batch_sizes, order, back), self._leaving(final)
        if input.dim() not in (2, 3):
            raise ValueError(f"The input must have 2 or 3 dimensions or be packed, not {input.dim()} dimensions.")
        single = input.dim() == 2
        across = input.unsqueeze(1) if single else input.transpose(0, 1) if self.batch_first else input
        steps, histories, width = across.shape
        if single and hx is not None:
            hx = tuple(s.unsqueeze(1) for s in self._as_tuple(hx))
        state = self._entering(across, hx, histories, None)
        batch_sizes = torch.full((steps if histories else 0,), histories, dtype=torch.int64)
        y, final = self._run(across.reshape(steps * histories, width), batch_sizes, state, decay, engine)
        y = y.view(steps, histories, self.directions * self.hidden_size)
        if single:
            return y.squeeze(1), self._leaving(tuple(s.squeeze(1) for s in final))
        return (y.transpose(0, 1) if self.batch_first else y), self._leaving(final)

    def _run(
        self, x: Tensor, batch_sizes: Tensor, state: State, decay: tuple[Tensor | None, ...], engine: Run
    ) -> tuple[Tensor, State]:
        if x.shape[-1] != self.input_size:
            raise ValueError(f"The input must have {self.input_size} features (its last size), not {x.shape[-1]}.")
        places, rows = self.num_layers * self.directions, x.shape[0]
        if torch.is_autocast_enabled(x.device.type) and x.dtype in (torch.float16, torch.bfloat16):
            x, state = x.float(), tuple(s.float() for s in state)
        factors = tuple(
            None if factor is None else self._factor(name, factor, places, rows)
            for name, factor in zip(self.states, decay, strict=True)
        )
        if engine == self._native and self._leave_to_torch(x, factors):
            return self._torch(x, batch_sizes, state)
        masks, keep = None, 1.0
        if self.training and self.dropout > 0 and self.num_layers > 1:
            keep = 1.0 - self.dropout
            shape = (self.num_layers - 1, rows, self.directions * self.hidden_size)
            masks = torch.rand(shape, device=x.device) < keep
        return engine(Recurrence(x, batch_sizes, state, factors, masks, keep), self.weights())

    def _leave_to_torch(self, x: Tensor, decay: tuple[Tensor | None, ...]) -> bool:
        """Say whether torch's own kernel must do it: on a GPU, or where the native core is not built."""
        if x.device.type == "cpu" and operator.BUILT:
            return False
        known = self._known_to_torch() and all(factor is None for factor in decay)
        if x.device.type != "cpu":
            if not known:
                raise NotImplementedError(
                    f"{type(self).__name__} with these gates or with decay runs on the CPU only, and the input is on "
                    f"{x.device}. Move model and input to the CPU, or call the cell's `plain`."
                )
            return True
        if not known:
            raise NotImplementedError(operator.REMEDY)
        notice_once()
        return True

    def _known_to_torch(self) -> bool:
        """Say whether torch has this cell."""
        return False

    def _torch(self, x: Tensor, batch_sizes: Tensor, state: State) -> tuple[Tensor, State]:
        """Run torch's own kernel on packed rows."""
        if x.shape[0] == 0:
            return x.new_zeros(0, self.directions * self.hidden_size), state
        flat = [getattr(self, name) for of_layer in self._all_weights for name in of_layer]
        kernels: dict[str, Any] = {
            "LSTM": torch._VF.lstm,
            "GRU": torch._VF.gru,
            "RNN_TANH": torch._VF.rnn_tanh,
            "RNN_RELU": torch._VF.rnn_relu,
        }
        hx = state if len(state) > 1 else state[0]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        output, *final = kernels[self.mode](x, batch_sizes, hx, flat, *options)
        return output, tuple(final)

    def _factor(self, name: str, factor: Tensor, places: int, rows: int) -> Tensor:
        expected = (places, rows, self.hidden_size)
        if factor.dim() == 2 and places == 1:
            factor = factor.unsqueeze(0)
        if factor.shape != expected:
            raise ValueError(f"decay_{name} must be {list(expected)} (packed rows), not {list(factor.shape)}.")
        return factor

    def _histories(self, hx: Any, batch_sizes: Tensor, order: Tensor | None) -> int:
        # A shape, where one tells it: a compiler cannot look into batch_sizes.
        if order is not None:
            return order.shape[0]
        if hx is not None:
            return self._as_tuple(hx)[0].shape[-2]
        return int(batch_sizes[0]) if len(batch_sizes) else 0

    def _as_tuple(self, hx: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        states = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(states) != len(self.states):
            raise ValueError(f"hx must hold {' and '.join(self.states)}, not {len(states)} tensors.")
        return states

    def _entering(
        self, x: Tensor, hx: Tensor | tuple[Tensor, ...] | None, histories: int, order: Tensor | None
    ) -> State:
        expected = (self.num_layers * self.directions, histories, self.hidden_size)
        if hx is None:
            return tuple(x.new_zeros(expected) for _ in self.states)
        states = self._as_tuple(hx)
        for name, state in zip(self.states, states, strict=True):
            if state.shape != expected:
                raise ValueError(f"The initial {name} must be {list(expected)}, not {list(state.shape)}.")
        return states if order is None else tuple(s.index_select(1, order) for s in states)

    def _leaving(self, final: State) -> Any:
        return final if len(self.states) > 1 else final[0]

    def _plain(self, given: Recurrence, weights: Sequence[Sequence[Weights]]) -> tuple[Tensor, State]:
        return recurrence.run(self.step, given, weights)

    def _native(self, given: Recurrence, weights: Sequence[Sequence[Weights]]) -> tuple[Tensor, State]:
        return operator.run(self.kind, given, weights)


@functools.cache
def notice_once() -> None:
    """Say once that the native core is not there."""
    warnings.warn(f"Cells run on torch's own kernels: {operator.REMEDY}", UserWarning, stacklevel=6)
