"""Networks: an encoder of histories, and one head per kind of question."""

from sequela.models.build import build_forecast_network, build_risk_network, parameter_count
from sequela.models.encoder import Encoder
from sequela.models.ensemble import Ensemble, mean_logit
from sequela.models.forecast import FORECAST_LOSSES, ForecastNetwork, forecast_loss
from sequela.models.head import Head, RowwiseLinear
from sequela.models.network import Network
from sequela.models.risk import RISK_LOSSES, RiskNetwork, risk_loss, risk_of
from sequela.models.settings import ModelSettings
from sequela.models.shape import InputShape

__all__ = [
    "FORECAST_LOSSES",
    "RISK_LOSSES",
    "Encoder",
    "Ensemble",
    "ForecastNetwork",
    "Head",
    "InputShape",
    "ModelSettings",
    "Network",
    "RiskNetwork",
    "RowwiseLinear",
    "build_forecast_network",
    "build_risk_network",
    "forecast_loss",
    "mean_logit",
    "parameter_count",
    "risk_loss",
    "risk_of",
]
