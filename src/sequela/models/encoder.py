"""From a batch of histories to one vector for each prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.batch import Batch
from sequela.cells import GRU, LSTM, RNN, decay_factors
from sequela.models.dropout import Dropout
from sequela.models.inputs import StepInputs
from sequela.models.layout import Layout
from sequela.models.readout import Readout
from sequela.models.settings import Cell, Gates, ModelSettings
from sequela.models.shape import InputShape


class Encoder(nn.Module):
    """Recurrent layers over the steps of a history, read up to the last step that a prediction may see.

    Where nothing is known yet, what is read is zero. With `decay`, the states fade with the time since the step before,
    and the last state with the time from its step to the prediction. Dropout acts between layers and on what is read.
    """

    def __init__(self, settings: ModelSettings, shape: InputShape) -> None:
        """Build the layers.

        Args:
            settings: `[model]` of the study. `bidirectional` is only legal where each prediction has its own sequence.
            shape: the columns of a batch.
        """
        super().__init__()
        self.bidirectional = settings.bidirectional
        self.inputs = StepInputs(settings.inputs, shape)
        self.layers = nn.ModuleList()
        self.fading = nn.ModuleList()
        width = self.inputs.width
        for units, count in _equal_runs(settings.hidden_sizes):
            within = settings.dropout if count > 1 else 0.0
            options = {"bidirectional": settings.bidirectional, "dropout": within}
            self.layers.append(_cell(settings.cell, settings.gates, width, units, count, **options))
            if settings.decay:
                self.fading.append(Fading(count, units))
            width = units * (2 if settings.bidirectional else 1)
        self.between = Dropout(settings.dropout)
        self.readout = Readout(settings.readout, width)
        self.width = self.readout.width

    def forward(self, batch: Batch) -> Tensor:
        """Return what each prediction reads [R, width]."""
        seen = batch.reads >= 0
        if not len(batch.batch_sizes) or not bool(seen.any()):
            return batch.values.new_zeros((len(batch.reads), self.width))
        layout = Layout(batch)
        steps = self._states(batch, layout)
        reads = batch.reads.clamp(min=0)
        read = self.between(self.readout(steps.data, self._last(steps, batch, reads), batch.batch_sizes, reads, layout))
        return read if bool(seen.all()) else torch.where(seen[:, None], read, 0.0)

    def _states(self, batch: Batch, layout: Layout) -> PackedSequence:
        """Return the states after each step, packed."""
        steps = batch.packed(self.inputs(batch, layout))
        unit = self.inputs.hours_unit
        since = layout.hours_since_step_before[:, None] / unit if self.fading else None
        for number, layer in enumerate(self.layers):
            if number:
                steps = steps._replace(data=self.between(steps.data))
            if since is None:
                steps, _ = layer(steps)
            else:
                factor = self.fading[number](since)
                faded = {"decay_h": factor, "decay_c": factor} if isinstance(layer, LSTM) else {"decay_h": factor}
                steps, _ = layer(steps, **faded)
        return steps

    def _last(self, steps: PackedSequence, batch: Batch, reads: Tensor) -> Tensor:
        """Return the states after the rows that are read; backwards, after a sequence's first row."""
        # Not `data[reads]`: with several threads its derivative adds up in an order left to chance.
        rows = steps.data.index_select(0, reads)
        if self.fading:
            lag = batch.read_lag_hours[:, None]
            return torch.where(lag > 0, rows * self.fading[-1](lag / self.inputs.hours_unit)[-1], rows)
        if not self.bidirectional:
            return rows
        place = torch.zeros(len(batch.static), dtype=torch.long)
        place[batch.order] = torch.arange(len(batch.order))
        half = rows.shape[1] // 2
        return torch.cat([rows[:, :half], steps.data.index_select(0, place[batch.read_sequence])[:, half:]], dim=1)


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


def _equal_runs(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of layers of equal size as (size, layers): each run is one stacked cell."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    return runs
