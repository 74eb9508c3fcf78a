"""What all cells share as modules: torch's names and shapes outside, packed rows inside."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.cells import operator, recurrence
from sequela.cells.frozen import Frozen
from sequela.cells.recurrence import Recurrence, State, Step, Weights

Run = Callable[[Recurrence], tuple[Tensor, State]]


class Recurrent(nn.RNNBase):
    """A recurrent cell with the constructor, parameters and state dict of torch's, `proj_size` refused."""

    states: ClassVar[tuple[str, ...]] = ("h",)
    form: ClassVar[tuple[str, str]]  # an option that torch's cell lacks or does not show, and its default
    kind: str  # the cell's name in the engine

    def __init__(self, mode: str, input_size: int, hidden_size: int, proj_size: int = 0, **options: Any) -> None:
        if proj_size != 0:
            raise ValueError("proj_size is not built; put a torch.nn.Linear behind the cell instead.")
        super().__init__(mode, input_size, hidden_size, **options)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        self._places = [
            f"_l{layer}{suffix}" for layer in range(self.num_layers) for suffix in ("", "_reverse")[: self.directions]
        ]
        self._names = [kind + place for place in self._places for kind in kinds]  # in the engine's order

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
        all_ = [self._weights_of(place) for place in self._places]
        return [all_[first : first + self.directions] for first in range(0, len(all_), self.directions)]

    def flat_weights(self) -> list[Tensor]:
        """Return the weights of all layers and directions, one after the other, read by name now."""
        held = self._parameters
        return [weight if (weight := held.get(name)) is not None else getattr(self, name) for name in self._names]

    def frozen(self) -> Frozen:
        """Return an immutable snapshot that advances patients one observation at a time."""
        return Frozen(self.kind, self.weights())

    def extra_repr(self) -> str:
        """Return the options other than the defaults, as the constructor takes them."""
        option, usual = self.form
        own = getattr(self, option)
        return super().extra_repr() + (f", {option}={own!r}" if own != usual else "")

    def __prepare_scriptable__(self) -> nn.Module:
        raise NotImplementedError("torch.jit.script cannot read a cell. Use torch.export.export.")

    def _weights_of(self, suffix: str) -> Weights:
        def named(name: str) -> Any:
            return getattr(self, name + suffix, None)

        return Weights(named("weight_ih"), named("weight_hh"), named("bias_ih"), named("bias_hh"), named("weight_ch"))

    def _add_peepholes(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        each = len(self._names) // len(self._places)
        for number, place in enumerate(self._places):
            weight = nn.Parameter(torch.zeros(3, self.hidden_size, device=device, dtype=dtype))
            self.register_parameter(f"weight_ch{place}", weight)
            self._names.insert((each + 1) * (number + 1) - 1, f"weight_ch{place}")

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
            histories = self._histories(hx, batch_sizes, order)
            given = Recurrence(x, batch_sizes, histories, self._entering(hx, histories), decay, order=order)
            y, final = self._run(given, engine)
            return PackedSequence(y, batch_sizes, order, back), self._leaving(final)
        if input.dim() not in (2, 3):
            raise ValueError(f"The input must have 2 or 3 dimensions or be packed, not {input.dim()} dimensions.")
        single = input.dim() == 2
        x = input.unsqueeze(1) if single else input
        by_history = self.batch_first and not single
        histories, steps = (x.shape[0], x.shape[1]) if by_history else (x.shape[1], x.shape[0])
        if single and hx is not None:
            hx = tuple(s.unsqueeze(1) for s in self._as_tuple(hx))
        batch_sizes = equally_long(steps if histories else 0, histories)
        state = self._entering(hx, histories)
        y, final = self._run(Recurrence(x, batch_sizes, histories, state, decay, by_history=by_history), engine)
        if single:
            return y.squeeze(1), self._leaving(tuple(s.squeeze(1) for s in final))
        return y, self._leaving(final)

    def _run(self, given: Recurrence, engine: Run) -> tuple[Tensor, State]:
        x, rows = given.x, operator.rows_of(given.x)
        if x.shape[-1] != self.input_size:
            raise ValueError(f"The input must have {self.input_size} features (its last size), not {x.shape[-1]}.")
        if torch.is_autocast_enabled(x.device.type):
            state = None if given.state is None else tuple(whole(s) for s in given.state)
            decay = tuple(None if factor is None else whole(factor) for factor in given.decay)
            given = given._replace(x=whole(x), state=state, decay=decay)
        if any(factor is not None for factor in given.decay):
            factors = (
                None if factor is None else self._factor(name, factor, rows)
                for name, factor in zip(self.states, given.decay, strict=True)
            )
            given = given._replace(decay=tuple(factors))
        return engine(given)

    def _with_dropout(self, given: Recurrence) -> Recurrence:
        """Draw what dropout lets through between layers; torch's own kernel draws for itself."""
        if not self.training or self.dropout == 0 or self.num_layers == 1:
            return given
        keep = 1.0 - self.dropout
        shape = (self.num_layers - 1, operator.rows_of(given.x), self.directions * self.hidden_size)
        chance = torch.rand(shape, dtype=torch.float32, device=given.x.device)  # 8 bits of bfloat16 would not do
        return given._replace(masks=chance < keep, keep=keep or 1.0)  # where nothing passes, no share to divide by

    def _leave_to_torch(self, x: Tensor, decay: tuple[Tensor | None, ...]) -> bool:
        """Say whether torch's own kernel must do it: on a GPU, or where the native core is not built."""
        if x.is_cpu and operator.BUILT:
            return False
        known = self._known_to_torch() and all(factor is None for factor in decay)
        if not x.is_cpu:
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

    def _torch(self, given: Recurrence) -> tuple[Tensor, State]:
        """Run torch's own kernel on packed rows."""
        places = self.num_layers * self.directions
        x, state = recurrence.as_packed(given, (places, given.histories, self.hidden_size))
        if x.shape[0] == 0:
            return recurrence.as_given(given, x.new_zeros(0, self.directions * self.hidden_size), state)
        flat = [getattr(self, name) for of_layer in self._all_weights for name in of_layer]
        kernels: dict[str, Any] = {
            "LSTM": torch._VF.lstm,
            "GRU": torch._VF.gru,
            "RNN_TANH": torch._VF.rnn_tanh,
            "RNN_RELU": torch._VF.rnn_relu,
        }
        hx = state if len(state) > 1 else state[0]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        output, *final = kernels[self.mode](x, given.batch_sizes, hx, flat, *options)
        return recurrence.as_given(given, output, tuple(final))

    def _factor(self, name: str, factor: Tensor, rows: int) -> Tensor:
        places = self.num_layers * self.directions
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

    def _entering(self, hx: Tensor | tuple[Tensor, ...] | None, histories: int) -> State | None:
        if hx is None:
            return None
        states, expected = self._as_tuple(hx), (self.num_layers * self.directions, histories, self.hidden_size)
        for name, state in zip(self.states, states, strict=True):
            if state.shape != expected:
                raise ValueError(f"The initial {name} must be {list(expected)}, not {list(state.shape)}.")
        return states

    def _leaving(self, final: State) -> Any:
        return final if len(self.states) > 1 else final[0]

    def _plain(self, given: Recurrence) -> tuple[Tensor, State]:
        return recurrence.run(self.step, self._with_dropout(given), self.weights())

    def _native(self, given: Recurrence) -> tuple[Tensor, State]:
        if self._leave_to_torch(given.x, given.decay):
            return self._torch(given)
        given = self._with_dropout(given)
        return operator.run(self.kind, given, self.flat_weights(), self.num_layers, self.directions)


def whole(t: Tensor) -> Tensor:
    """Return what autocast has made of half precision in float32."""
    return t.float() if t.dtype in (torch.float16, torch.bfloat16) else t


def equally_long(steps: int, histories: int) -> Tensor:
    """Return the batch sizes of histories that all have so many steps."""
    if torch.compiler.is_compiling() or operator.somebody_watches():
        return torch.full((steps,), histories, dtype=torch.int64, device="cpu")
    return _equally_long(steps, histories)


@functools.lru_cache(maxsize=64)
def _equally_long(steps: int, histories: int) -> Tensor:
    with torch.inference_mode(False):  # a tensor of inference could not be kept for a later backward
        return torch.full((steps,), histories, dtype=torch.int64, device="cpu")


@functools.cache
def notice_once() -> None:
    """Say once that the native core is not there."""
    warnings.warn(f"Cells run on torch's own kernels: {operator.REMEDY}", UserWarning, stacklevel=6)
