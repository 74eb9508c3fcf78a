"""Where the native core was not built, what needs it is refused with the remedy before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from sequela.cells import operator
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
