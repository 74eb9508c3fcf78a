"""Where the native core was not built, what needs it is refused with the remedy before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sequela.cells import LSTM, operator
from sequela.errors import InputError
from sequela.models import InputShape, ModelSettings, build_forecast_network

SHAPE: dict[str, Any] = {
    "shape": InputShape(static=0, gap_unit_hours=[1.0]),
    "horizons": 1,
    "targets": 1,
    "reads_at_records": True,
}


@pytest.mark.parametrize("settings", [ModelSettings(decay=True), ModelSettings(gates="coupled")])
def test_decay_and_other_gates_need_the_core(settings: ModelSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    build_forecast_network(settings, **SHAPE)
    monkeypatch.setattr(operator, "BUILT", False)
    with pytest.raises(InputError, match="Install GCC or Clang"):
        build_forecast_network(settings, **SHAPE)


def test_a_plain_network_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "BUILT", False)
    build_forecast_network(ModelSettings(cell="gru"), **SHAPE)


@pytest.mark.filterwarnings("ignore:Cells run on torch")
def test_dropout_between_layers_is_drawn_once_and_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "BUILT", False)
    mine, theirs = LSTM(3, 4, 2, dropout=0.5), torch.nn.LSTM(3, 4, 2, dropout=0.5)
    theirs.load_state_dict(mine.state_dict())
    x, found = torch.randn(6, 5, 3), []
    for cell in (mine, theirs):
        torch.manual_seed(7)
        found.append(cell(x)[0])
    torch.testing.assert_close(*found)
