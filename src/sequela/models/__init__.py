"""Networks: an encoder of histories, and one head per kind of question."""

from sequela.models.build import build_forecast_network, build_risk_network, parameter_count
from sequela.models.encoder import Encoder
from sequela.models.ensemble import Ensemble, mean_logit, seed_of_member
from sequela.models.forecast import FORECAST_LOSSES, ForecastNetwork, forecast_loss
from sequela.models.head import Head
from sequela.models.network import HeadedNetwork, Network
from sequela.models.risk import RISK_LOSSES, RiskNetwork, risk_loss, risk_of
from sequela.models.rowwise import RowwiseLinear
from sequela.models.settings import ModelSettings
from sequela.models.shape import InputShape
from sequela.models.wide import Wide

__all__ = [
    "FORECAST_LOSSES",
    "RISK_LOSSES",
    "Encoder",
    "Ensemble",
    "ForecastNetwork",
    "Head",
    "HeadedNetwork",
    "InputShape",
    "ModelSettings",
    "Network",
    "RiskNetwork",
    "RowwiseLinear",
    "Wide",
    "build_forecast_network",
    "build_risk_network",
    "forecast_loss",
    "mean_logit",
    "parameter_count",
    "risk_loss",
    "risk_of",
    "seed_of_member",
]
