"""The forecast head, its losses, and the network that a forecast study trains."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sequela.batch import Batch
from sequela.models.encoder import Encoder

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda predicted, target: functional.mse_loss(predicted, target, reduction="none"),
    "absolute": lambda predicted, target: functional.l1_loss(predicted, target, reduction="none"),
    "huber": lambda predicted, target: functional.huber_loss(predicted, target, reduction="none"),
}


class RowwiseLinear(nn.Linear):
    """A linear layer whose result for a row has the same bits whatever other rows stand beside it.

    A matrix product may sum in another order where it has other rows; here each output is a sum over its own row.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Return input [R, in] times weight plus bias [R, out]."""
        products = [(input * row).sum(dim=1) for row in self.weight]
        return torch.stack(products, dim=1) + self.bias


class ForecastHead(nn.Module):
    """From the state that is read to every horizon and target, in scaled units."""

    def __init__(self, *, state: int, static: int, horizons: int, targets: int, lag_unit_hours: float | None) -> None:
        """Build the head.

        Args:
            state: width of the state.
            static: static columns of a batch.
            horizons: horizons of the question.
            targets: targets of the question.
            lag_unit_hours: the lag from the last record to the prediction time that counts as one half; None where
                every prediction time is a record.
        """
        super().__init__()
        self.shape = (horizons, targets)
        self.lag_unit_hours = lag_unit_hours
        self.linear = RowwiseLinear(state + static + (lag_unit_hours is not None), horizons * targets)

    def forward(self, state: Tensor, batch: Batch) -> Tensor:
        """Return scaled forecasts [R, horizons, targets]."""
        parts = [state, batch.static[batch.read_sequence]]
        if self.lag_unit_hours is not None:
            lag = batch.read_lag_hours
            parts.append((lag / (lag + self.lag_unit_hours))[:, None])
        flat: Tensor = self.linear(torch.cat(parts, dim=1))
        return flat.reshape(-1, *self.shape)


class ForecastNetwork(nn.Module):
    """An encoder and the forecast head."""

    def __init__(self, encoder: Encoder, head: ForecastHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, batch: Batch) -> Tensor:
        """Return scaled forecasts [R, horizons, targets]."""
        forecasts: Tensor = self.head(self.encoder(batch), batch)
        return forecasts


def forecast_loss(predicted: Tensor, batch: Batch, loss: str) -> Tensor:
    """Return the mean loss over the known targets of a batch; 0 where none is known."""
    error = LOSSES[loss](predicted, batch.targets) * batch.target_known * batch.weight[:, None, None]
    return error.sum() / (batch.target_known * batch.weight[:, None, None]).sum().clamp(min=1e-12)
