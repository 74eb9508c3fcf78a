"""Networks: an encoder of histories, and one head per kind of question."""

from sequela.models.build import build_forecast_network, parameter_count
from sequela.models.encoder import Encoder
from sequela.models.forecast import LOSSES, ForecastHead, ForecastNetwork, RowwiseLinear, forecast_loss
from sequela.models.settings import ModelSettings

__all__ = [
    "LOSSES",
    "Encoder",
    "ForecastHead",
    "ForecastNetwork",
    "ModelSettings",
    "RowwiseLinear",
    "build_forecast_network",
    "forecast_loss",
    "parameter_count",
]
