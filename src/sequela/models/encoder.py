"""From a batch of histories to one vector for each prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from sequela.batch import Batch
from sequela.cells import LSTM


class Encoder(nn.Module):
    """Recurrent layers over the steps of a history, read at the last step that a prediction may see.

    A step enters as its prepared values, whether each was observed, how long ago each was seen before (a saturating
    gap / (gap + typical gap), so that any gap lies in [0, 1)), and the static facts. Where nothing is known yet, the
    state is zero.
    """

    def __init__(
        self,
        *,
        features: int,
        static: int,
        hidden_sizes: Sequence[int],
        inputs: Sequence[str],
        gap_unit_hours: Sequence[float],
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        """Build the layers.

        Args:
            features: dense columns F of a batch.
            static: static columns K of a batch.
            hidden_sizes: hidden units of each layer.
            inputs: which of "values", "observed", "gaps" a step enters with.
            gap_unit_hours: the gap of each of the F columns that counts as one half; its mean is used for `hours`.
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
        self.register_buffer("hours_unit", gap_unit.mean() if features else torch.ones(()))
        width = features * len(self.inputs) + ("gaps" in self.inputs) + static
        sides = 2 if bidirectional else 1
        self.layers = nn.ModuleList()
        for units, count in _equal_runs(hidden_sizes):
            self.layers.append(
                LSTM(width, units, count, bidirectional=bidirectional, dropout=dropout if count > 1 else 0.0)
            )
            width = units * sides
        self.between = nn.Dropout(dropout)
        self.width = width

    def forward(self, batch: Batch) -> Tensor:
        """Return the state that each prediction reads [R, width]."""
        state = batch.values.new_zeros((len(batch.reads), self.width))
        seen = batch.reads >= 0
        if not len(batch.batch_sizes) or not bool(seen.any()):
            return state
        steps = batch.packed(self._steps(batch))
        for number, layer in enumerate(self.layers):
            if number:
                steps = steps._replace(data=self.between(steps.data))
            steps, _ = layer(steps)
        rows = self._read(steps, batch)[seen]
        return state.index_copy(0, torch.nonzero(seen)[:, 0], rows)

    def _steps(self, batch: Batch) -> Tensor:
        parts = {"values": batch.values, "observed": batch.observed.to(batch.values.dtype)}
        chosen = [parts[name] for name in self.inputs if name in parts]
        if "gaps" in self.inputs:
            chosen.append(_saturating(batch.gap_hours, self.gap_unit_hours))
            chosen.append(_saturating(batch.hours, self.hours_unit)[:, None])
        if batch.static.shape[1]:
            place = torch.cat([batch.order[:size] for size in batch.batch_sizes.tolist()])
            chosen.append(batch.static[place])
        return torch.cat(chosen, dim=1)

    def _read(self, steps: PackedSequence, batch: Batch) -> Tensor:
        rows = steps.data[batch.reads.clamp(min=0)]
        if not self.bidirectional:
            return rows
        place = torch.empty(int(batch.order.max()) + 1, dtype=torch.long)
        place[batch.order] = torch.arange(len(batch.order))
        first = place[batch.read_sequence.clamp(max=len(place) - 1)]
        half = self.width // 2
        return torch.cat([rows[:, :half], steps.data[first][:, half:]], dim=1)


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
