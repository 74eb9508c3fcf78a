"""The network that a forecast study trains, and its losses."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from sequela.batch import Batch
from sequela.models.encoder import Encoder
from sequela.models.head import Head
from sequela.models.network import HeadedNetwork

FORECAST_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda predicted, target: functional.mse_loss(predicted, target, reduction="none"),
    "absolute": lambda predicted, target: functional.l1_loss(predicted, target, reduction="none"),
    "huber": lambda predicted, target: functional.huber_loss(predicted, target, reduction="none"),
}


class ForecastNetwork(HeadedNetwork):
    """An encoder, and a head for every horizon and target."""

    def __init__(self, encoder: Encoder, head: Head, *, horizons: int, targets: int) -> None:
        super().__init__(encoder, head)
        self.shape = (horizons, targets)

    def forward(self, batch: Batch) -> Tensor:
        """Return scaled forecasts [R, horizons, targets]."""
        flat: Tensor = self.head(self.encoder(batch), batch)
        return flat.reshape(-1, *self.shape)

    def loss(self, output: Tensor, batch: Batch, name: str) -> Tensor:
        """Return the mean loss of forecasts [R, horizons, targets]; "auto" is "squared"."""
        return forecast_loss(output, batch, "squared" if name == "auto" else name)


def forecast_loss(predicted: Tensor, batch: Batch, loss: str) -> Tensor:
    """Return the mean loss over the known targets of a batch; 0 where none is known."""
    weight = batch.target_known * batch.weight[:, None, None]
    return (FORECAST_LOSSES[loss](predicted, batch.targets) * weight).sum() / weight.sum().clamp(min=1e-12)
