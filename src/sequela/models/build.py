"""From settings to a network."""

from __future__ import annotations

from torch import nn

from sequela.cells import operator
from sequela.errors import InputError
from sequela.models.encoder import Encoder
from sequela.models.forecast import ForecastNetwork
from sequela.models.head import Head
from sequela.models.risk import RiskNetwork
from sequela.models.settings import ModelSettings
from sequela.models.shape import InputShape
from sequela.models.wide import Wide

WIDE_DROPOUT = 0.8  # of `dropout`: docs/lab/physionet2012.md, "What was then built"


def build_forecast_network(
    settings: ModelSettings, shape: InputShape, *, horizons: int, targets: int, reads_at_records: bool
) -> ForecastNetwork:
    """Return an untrained network; its first weights come from torch's global generator.

    Args:
        settings: `[model]` of the study.
        shape: the columns of a batch.
        horizons: horizons of the question.
        targets: targets of the question.
        reads_at_records: True where every prediction time is a record.

    Raises:
        InputError: where the native core is not built and the network needs it.
    """
    encoder, head = _parts(settings, shape, outputs=horizons * targets, reads_at_records=reads_at_records)
    return ForecastNetwork(encoder, head, horizons=horizons, targets=targets)


def build_risk_network(settings: ModelSettings, shape: InputShape, *, reads_at_records: bool) -> RiskNetwork:
    """Return an untrained network; its first weights come from torch's global generator.

    Args:
        settings: `[model]` of the study.
        shape: the columns of a batch.
        reads_at_records: True where every prediction time is a record.

    Raises:
        InputError: where the native core is not built and the network needs it.
    """
    return RiskNetwork(*_parts(settings, shape, outputs=1, reads_at_records=reads_at_records))


def _parts(settings: ModelSettings, shape: InputShape, *, outputs: int, reads_at_records: bool) -> tuple[Encoder, Head]:
    needs_core = settings.decay or settings.gates != "standard"
    if needs_core and not operator.BUILT:
        raise InputError(f'[model] decay and gates other than "standard" need the native core. {operator.REMEDY}')
    encoder = Encoder(settings, shape)
    lag_unit = None if reads_at_records else shape.hours_unit
    wide = Wide(shape.summary, outputs, settings.dropout * WIDE_DROPOUT) if settings.wide else None
    sizes = {"state": encoder.width, "static": shape.static, "outputs": outputs}
    return encoder, Head(**sizes, lag_unit_hours=lag_unit, wide=wide)


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers training adjusts."""
    return sum(parameter.numel() for parameter in network.parameters())
