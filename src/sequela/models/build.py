"""From settings to a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sequela.cells import operator
from sequela.errors import InputError
from sequela.models.encoder import Encoder
from sequela.models.forecast import ForecastHead, ForecastNetwork
from sequela.models.settings import ModelSettings


def build_forecast_network(
    settings: ModelSettings,
    *,
    static: int,
    gap_unit_hours: Sequence[float],
    horizons: int,
    targets: int,
    reads_at_records: bool,
) -> ForecastNetwork:
    """Return an untrained network; its first weights come from torch's global generator.

    Args:
        settings: `[model]` of the study.
        static: static columns of a batch.
        gap_unit_hours: the typical gap of each dense column.
        horizons: horizons of the question.
        targets: targets of the question.
        reads_at_records: True where every prediction time is a record.

    Raises:
        InputError: where the native core is not built and the network needs it.
    """
    needs_core = settings.decay or settings.gates != "standard"
    if needs_core and not operator.BUILT:
        raise InputError(f'[model] decay and gates other than "standard" need the native core. {operator.REMEDY}')
    encoder = Encoder(
        static=static,
        hidden_sizes=settings.hidden_sizes,
        cell=settings.cell,
        gates=settings.gates,
        decay=settings.decay,
        inputs=settings.inputs,
        gap_unit_hours=gap_unit_hours,
        bidirectional=settings.bidirectional,
        dropout=settings.dropout,
    )
    lag_unit = None if reads_at_records else sum(gap_unit_hours) / len(gap_unit_hours)
    head = ForecastHead(state=encoder.width, static=static, horizons=horizons, targets=targets, lag_unit_hours=lag_unit)
    return ForecastNetwork(encoder, head)


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers training adjusts."""
    return sum(parameter.numel() for parameter in network.parameters())
