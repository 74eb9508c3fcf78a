"""Step mode: one observation at a time, for a monitor of many beds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sequela.cells import operator
from sequela.cells.recurrence import Weights
from sequela.cells.threads import get_num_threads


class Frozen:
    """An immutable snapshot of a cell, its weights packed once; n calls of `step` equal one forward to the bit.

    Args:
        kind: the cell's name in the engine.
        weights: for each layer the weights of its one direction; later changes to them change nothing here.
    """

    def __init__(self, kind: str, weights: Sequence[Sequence[Weights]]) -> None:
        if not operator.BUILT:
            raise NotImplementedError(operator.REMEDY)
        if len(weights[0]) != 1:
            raise ValueError("A bidirectional cell has no step mode: it must have seen the end.")
        flat = [w for of_layer in weights for w in of_layer[0] if w is not None]
        self.states, self.layers = operator.KINDS[kind].states, len(weights)
        self.hidden_size, self.input_size = flat[1].shape[1], flat[0].shape[1]
        self.dtype = flat[0].dtype
        probe = flat[0].new_empty(0, self.input_size)
        none = torch.zeros(0, dtype=torch.int64, device="cpu")
        operator.check(probe, none, (), (), None, None, flat, kind, self.layers, 1, 0)
        tensors, number = (probe, none, *[None] * 6), operator.KINDS[kind].number
        self._native = operator._native.Snapshot(number, tensors, operator.plain(flat), self.layers)

    def step(
        self,
        x: Tensor,
        state: tuple[Tensor, ...] | Tensor | None = None,
        *,
        decay_h: Tensor | None = None,
        decay_c: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...] | Tensor]:
        """Return the output [B, H] and the state after one observation of B patients, [B, I].

        Args:
            x: one step of each patient.
            state: as the cell's forward takes and gives it, h or (h, c), each [layers, B, H]; zeros by default.
            decay_h: [layers, B, H], what h is multiplied by before the step.
            decay_c: the same for c.
        """
        patients = x.shape[0]
        shape = (self.layers, patients, self.hidden_size)
        given = () if state is None else (state,) if isinstance(state, Tensor) else state
        if state is not None and len(given) != self.states:
            raise ValueError(f"The state must hold {self.states} tensors, not {len(given)}.")
        held = [self._checked("x", x, (patients, self.input_size))]
        held += [self._checked("state", s, shape) for s in (*given, *[None] * (2 - len(given)))]
        held += self._fading(decay_h, decay_c, shape)
        y = x.new_empty(patients, self.hidden_size)
        made = tuple(x.new_empty(shape) for _ in range(self.states))
        out = addresses([y, *made, *[None] * (2 - self.states)])
        self._native.step(patients, addresses(held), out, get_num_threads())
        return y, made if self.states > 1 else made[0]

    def table(self, patients: int) -> Tensor:
        """Return the states of patients of whom nothing was seen, [patients, layers, states, H]."""
        shape = (patients, self.layers, self.states, self.hidden_size)
        block: Tensor = operator._native.buffer(math.prod(shape) * self.dtype.itemsize)
        return block.view(self.dtype).view(shape).zero_()

    def update(
        self, table: Tensor, rows: Tensor, x: Tensor, *, decay_h: Tensor | None = None, decay_c: Tensor | None = None
    ) -> Tensor:
        """Advance rows of a table of states by one observation each, in place, and return their outputs [R, H].

        Args:
            table: [patients, layers, states, H], as `table` makes it.
            rows: [R] int64, distinct; which patients.
            x: [R, I], one step of each.
            decay_h: [layers, R, H], what h is multiplied by before the step.
            decay_c: the same for c.
        """
        count, patients = rows.shape[0], table.shape[0]
        if not table.is_contiguous() or table.is_neg() or table.requires_grad:
            raise ValueError("The table of states is written in place: it must be contiguous and want no gradient.")
        self._checked("table", table, (patients, self.layers, self.states, self.hidden_size))
        if rows.dtype != torch.int64 or rows.device.type != "cpu" or rows.dim() != 1:
            raise TypeError("rows must be one row of int64 on the CPU.")
        shape = (self.layers, count, self.hidden_size)
        given = (self._checked("x", x, (count, self.input_size)), *self._fading(decay_h, decay_c, shape))
        held = [apart(t, table) for t in given]
        y, index = x.new_empty(count, self.hidden_size), rows.contiguous()
        self._native.update(
            table.data_ptr(), patients, index.data_ptr(), count, addresses(held), y.data_ptr(),
            get_num_threads(),
        )  # fmt: skip
        torch.autograd.graph.increment_version(table)  # as torch's own operations in place do
        return y

    def _fading(self, decay_h: Tensor | None, decay_c: Tensor | None, shape: tuple[int, ...]) -> list[Tensor | None]:
        if decay_c is not None and self.states == 1:
            raise ValueError("decay_c is for cells with a state c; this one has h only.")
        return [self._checked("decay", d, shape) for d in (decay_h, decay_c)]

    def _checked(self, name: str, t: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
        if t is None:
            return None
        if t.dtype != self.dtype or t.device.type != "cpu":
            raise TypeError(f"Expected {name} as {self.dtype} on the CPU, got {t.dtype} on {t.device}.")
        if tuple(t.shape) != shape:
            raise ValueError(f"Expected {name} of shape {list(shape)}, got {list(t.shape)}.")
        return operator.plain([t])[0]


def apart(t: Tensor | None, table: Tensor) -> Tensor | None:
    """Return what is read, copied where it lies in the table: there it would be overwritten before its turn."""
    if t is None or t.untyped_storage().data_ptr() != table.untyped_storage().data_ptr():
        return t
    return t.clone()


def addresses(tensors: Sequence[Tensor | None]) -> list[int]:
    """Return where the tensors stand, 0 for none."""
    return [0 if t is None else t.data_ptr() for t in tensors]
