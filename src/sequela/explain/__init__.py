"""Which variables a model needs, and when: its loss on held-out people when one is exchanged between them."""

from sequela.explain.exchange import Histories
from sequela.explain.importance import (
    HeldOut,
    Importance,
    ImportanceSettings,
    VariableImportance,
    variable_importance,
)
from sequela.explain.metrics import METRICS

__all__ = [
    "METRICS",
    "HeldOut",
    "Histories",
    "Importance",
    "ImportanceSettings",
    "VariableImportance",
    "variable_importance",
]
