"""The head of every network: a linear layer from what a prediction has read to its outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sequela.batch import Batch
from sequela.models.rowwise import RowwiseLinear
from sequela.models.wide import Wide


class Head(nn.Module):
    """From what was read of a history, the static facts and, where there is one, the lag, to the outputs."""

    def __init__(
        self, *, state: int, static: int, outputs: int, lag_unit_hours: float | None, wide: Wide | None = None
    ) -> None:
        """Build the head.

        Args:
            state: width of what is read.
            static: static columns of a batch.
            outputs: numbers for each prediction.
            lag_unit_hours: the lag from the last record to the prediction time that counts as one half; None where
                every prediction time is a record.
            wide: what statistics of each history add.
        """
        super().__init__()
        self.lag_unit_hours = lag_unit_hours
        self.linear = RowwiseLinear(state + static + (lag_unit_hours is not None), outputs)
        self.wide = wide

    def forward(self, state: Tensor, batch: Batch) -> Tensor:
        """Return the outputs [R, outputs] for states [R, state]."""
        parts = [state, batch.static[batch.read_sequence]]
        if self.lag_unit_hours is not None:
            lag = batch.read_lag_hours
            parts.append((lag / (lag + self.lag_unit_hours))[:, None])
        found: Tensor = self.linear(torch.cat(parts, dim=1))
        return found if self.wide is None else found + self.wide(batch.summary)
