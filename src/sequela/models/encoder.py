"""From a batch of histories to one vector for each prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.batch import Batch
from sequela.cells import GRU, LSTM, RNN, decay_factors
from sequela.models.settings import Cell, Gates


class Encoder(nn.Module):
    """Recurrent layers over the steps of a history, read at the last step that a prediction may see.

    A step enters as its prepared values, whether each was observed, how long ago each was seen before (a saturating
    gap / (gap + typical gap), so that any gap lies in [0, 1)), and the static facts. Where nothing is known yet, the
    state is zero. With `decay`, the states fade with the time since the step before, and the state that is read with
    the time from its step to the prediction.
    """

    def __init__(
        self,
        *,
        static: int,
        hidden_sizes: Sequence[int],
        inputs: Sequence[str],
        gap_unit_hours: Sequence[float],
        cell: Cell = "lstm",
        gates: Gates = "standard",
        decay: bool = False,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        """Build the layers.

        Args:
            static: static columns K of a batch.
            hidden_sizes: hidden units of each layer.
            inputs: which of "values", "observed", "gaps" a step enters with.
            gap_unit_hours: for each of the F dense columns the gap that counts as one half; their mean is the unit of
                `hours` and of the decay.
            cell: "lstm", "gru" or "rnn".
            gates: of the LSTM: "standard", "peephole" or "coupled".
            decay: states fade with time.
            bidirectional: read each sequence backwards too; only legal where each prediction has its own sequence.
            dropout: share of hidden values left out between layers in training.
        """
        super().__init__()
        self.inputs = tuple(inputs)
        self.bidirectional = bidirectional
        self.gap_unit_hours: Tensor
        self.hours_unit: Tensor
        gap_unit = torch.as_tensor(gap_unit_hours, dtype=torch.float32)
        self.register_buffer("gap_unit_hours", gap_unit)
        self.register_buffer("hours_unit", gap_unit.mean())
        width = len(gap_unit) * len(self.inputs) + ("gaps" in self.inputs) + static
        self.layers = nn.ModuleList()
        self.fading = nn.ModuleList()
        for units, count in _equal_runs(hidden_sizes):
            within = dropout if count > 1 else 0.0
            self.layers.append(_cell(cell, gates, width, units, count, bidirectional=bidirectional, dropout=within))
            if decay:
                self.fading.append(Fading(count, units))
            width = units * (2 if bidirectional else 1)
        self.between = nn.Dropout(dropout)
        self.width = width

    def forward(self, batch: Batch) -> Tensor:
        """Return the state that each prediction reads [R, width]."""
        state = batch.values.new_zeros((len(batch.reads), self.width))
        seen = batch.reads >= 0
        if not len(batch.batch_sizes) or not bool(seen.any()):
            return state
        steps = batch.packed(self._steps(batch))
        since = _since_step_before(batch)[:, None] / self.hours_unit if self.fading else None
        for number, layer in enumerate(self.layers):
            if number:
                steps = steps._replace(data=self.between(steps.data))
            if since is None:
                steps, _ = layer(steps)
            else:
                factor = self.fading[number](since)
                faded = {"decay_h": factor, "decay_c": factor} if isinstance(layer, LSTM) else {"decay_h": factor}
                steps, _ = layer(steps, **faded)
        rows = self._read(steps, batch)
        if self.fading:
            lag = batch.read_lag_hours[:, None]
            rows = torch.where(lag > 0, rows * self.fading[-1](lag / self.hours_unit)[-1], rows)
        return torch.where(seen[:, None], rows, state)

    def _steps(self, batch: Batch) -> Tensor:
        parts = {"values": batch.values, "observed": batch.observed.to(batch.values.dtype)}
        chosen = [parts[name] for name in self.inputs if name in parts]
        if "gaps" in self.inputs:
            chosen.append(_saturating(batch.gap_hours, self.gap_unit_hours))
            chosen.append(_saturating(batch.hours, self.hours_unit)[:, None])
        if batch.static.shape[1]:
            chosen.append(batch.static[_sequence_of_step(batch)])
        return torch.cat(chosen, dim=1)

    def _read(self, steps: PackedSequence, batch: Batch) -> Tensor:
        """Return the states after the rows that are read; backwards, after a sequence's first row."""
        rows = steps.data[batch.reads.clamp(min=0)]
        if not self.bidirectional:
            return rows
        place = torch.zeros(len(batch.static), dtype=torch.long)
        place[batch.order] = torch.arange(len(batch.order))
        half = self.width // 2
        return torch.cat([rows[:, :half], steps.data[place[batch.read_sequence]][:, half:]], dim=1)


class Fading(nn.Module):
    """How the states of stacked layers fade: exp(-max(0, w t + b)), t in typical gaps.

    Source: Che et al. 2018 (doi:10.1038/s41598-018-24271-9), equation 3, with the time since the step before.
    """

    def __init__(self, layers: int, units: int) -> None:
        super().__init__()
        self.shape = (layers, units)
        self.weight = nn.Parameter(torch.rand(layers * units, 1) / 10)
        self.bias = nn.Parameter(torch.zeros(layers * units))

    def forward(self, times: Tensor) -> Tensor:
        """Return the factors [layers, N, units] of times [N, 1]."""
        factors = decay_factors(times, self.weight, self.bias)
        return factors.view(-1, *self.shape).transpose(0, 1).contiguous()


def _cell(cell: Cell, gates: Gates, width: int, units: int, layers: int, **options: Any) -> nn.Module:
    if cell == "gru":
        return GRU(width, units, layers, **options)
    if cell == "rnn":
        return RNN(width, units, layers, **options)
    return LSTM(width, units, layers, gates=gates, **options)


def _sequence_of_step(batch: Batch) -> Tensor:
    """Return the caller's number of the sequence of each packed row [N]."""
    return batch.order[_place_in_step(batch)[1]]


def _place_in_step(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return for each packed row its step and its rank within the step [N]."""
    sizes = batch.batch_sizes
    step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    begins = torch.cumsum(sizes, 0) - sizes
    return step, torch.arange(len(step)) - begins[step]


def _since_step_before(batch: Batch) -> Tensor:
    """Return the hours since the step before [N]; 0 at the first step."""
    step, rank = _place_in_step(batch)
    begins = torch.cumsum(batch.batch_sizes, 0) - batch.batch_sizes
    before = torch.where(step > 0, begins[(step - 1).clamp(min=0)] + rank, torch.arange(len(step)))
    return batch.hours - batch.hours[before]


def _saturating(amount: Tensor, unit: Tensor) -> Tensor:
    """Return amount / (|amount| + unit): only exact arithmetic, so the same bits wherever a row stands in a batch."""
    return amount / (amount.abs() + unit)


def _equal_runs(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of layers of equal size as (size, layers): each run is one stacked cell."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    return runs
