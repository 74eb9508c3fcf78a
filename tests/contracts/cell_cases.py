"""Every cell, so that one suite runs over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from sequela.cells import GRU, GRUD, LSTM, RNN

INPUTS = 5


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[..., nn.Module]
    theirs: Callable[..., nn.Module] | None
    states: int
    directions: tuple[int, ...] = (1, 2)

    def cell(self, hidden: int, *, layers: int = 1, directions: int = 1, seed: int = 0, **options) -> nn.Module:
        torch.manual_seed(seed)
        if directions == 2:
            options["bidirectional"] = True
        cell = self.make(INPUTS, hidden, num_layers=layers, **options)
        with torch.no_grad():
            for name, weight in cell.named_parameters():
                if "weight_ch" in name:
                    weight.uniform_(-1, 1)
        return cell

    def given(self, hidden: int, lengths: list[int], *, places: int, dtype: torch.dtype, seed: int = 1) -> Given:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)

        packed = pack_sequence([normal(n, INPUTS) for n in lengths], enforce_sorted=False)
        rows = len(packed.data)
        states = tuple(normal(places, len(lengths), hidden) for _ in range(self.states))
        if self.make is GRUD:
            extra = {"gaps": 3 * uniform(rows, INPUTS), "observed": uniform(rows, INPUTS) > 0.5}
        else:
            extra = {name: uniform(places, rows, hidden) for name in ("decay_h", "decay_c")[: self.states]}
        return Given(packed, states, extra)


@dataclass(frozen=True)
class Given:
    packed: PackedSequence
    states: tuple[Tensor, ...]
    extra: dict[str, Tensor]

    @property
    def hx(self) -> Tensor | tuple[Tensor, ...]:
        return self.states if len(self.states) > 1 else self.states[0]

    def leaves(self) -> Given:
        """The same values, as fresh leaves that ask for a gradient."""

        def leaf(t: Tensor) -> Tensor:
            return t.detach().clone().requires_grad_(t.is_floating_point())

        return Given(
            self.packed._replace(data=leaf(self.packed.data)),
            tuple(leaf(s) for s in self.states),
            {name: leaf(t) for name, t in self.extra.items()},
        )

    def wanted(self) -> list[Tensor]:
        return [self.packed.data, *self.states, *(t for t in self.extra.values() if t.is_floating_point())]


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else tuple(state)


def outputs(run: Callable, given: Given) -> list[Tensor]:
    """Output rows and final states."""
    y, final = run(given.packed, given.hx, **given.extra)
    return [y.data, *as_tuple(final)]


def loss_of(results: list[Tensor]) -> Tensor:
    """A loss in which every element has a weight of its own."""
    total = results[0].new_zeros(())
    for k, t in enumerate(results):
        total = total + (t * torch.linspace(-1, 1 + k, t.numel(), dtype=t.dtype).view(t.shape)).sum()
    return total


def everything(run: Callable, given: Given, cell: nn.Module) -> list[Tensor]:
    """Outputs, final states, gradients of input, states and decay; then those of the weights."""
    given = given.leaves()
    results = outputs(run, given)
    weights = list(cell.parameters())
    gradients = torch.autograd.grad(loss_of(results), given.wanted() + weights)
    return [t.detach() for t in (*results, *gradients)]


CASES = [
    Case("lstm", LSTM, nn.LSTM, 2),
    Case("lstm_peephole", lambda *a, **k: LSTM(*a, **k, gates="peephole"), None, 2),
    Case("lstm_coupled", lambda *a, **k: LSTM(*a, **k, gates="coupled"), None, 2),
    Case("gru_after", GRU, nn.GRU, 1),
    Case("gru_before", lambda *a, **k: GRU(*a, **k, reset="before"), None, 1),
    Case("rnn_tanh", RNN, nn.RNN, 1),
    Case(
        "rnn_relu",
        lambda *a, **k: RNN(*a, **k, nonlinearity="relu"),
        lambda *a, **k: nn.RNN(*a, **k, nonlinearity="relu"),
        1,
    ),
    Case("grud", GRUD, None, 1, (1,)),
]
