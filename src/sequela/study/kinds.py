"""The kinds of question: what a study does differently for each. A new kind is a module here, and a line below."""

from __future__ import annotations

from typing import Any, Protocol

import polars as pl

from sequela.baselines import Examples, FittedBaselines
from sequela.bundle import AfterState
from sequela.prepare import PreparedState, ScaledTargets
from sequela.study import forecast, risk
from sequela.study.material import Fit, Floats, Material, Numbers


class Kind(Protocol):
    """What the story asks of a kind of question; each is a module."""

    @property
    def DEFAULT_LOSS(self) -> str: ...  # noqa: N802 - a module's constant

    def check_labels(self, material: Material, training: Numbers) -> None: ...

    def target_labels(self, material: Material, training: Numbers) -> dict[str, Floats]: ...

    def targets(self, material: Material, prepared: PreparedState, predictions: Numbers) -> ScaledTargets: ...

    def after_training(self, material: Material, raw: dict[str, Floats], tuning: Numbers) -> AfterState | None: ...

    def fit_baselines(
        self, material: Material, training: Examples, tuning: Examples | None, *, seed: int, threads: int
    ) -> FittedBaselines: ...

    def judge(self, material: Material, fits: list[Fit]) -> dict[str, Any]: ...

    def curves(self, material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]: ...

    def asked(self, material: Material) -> dict[str, Any]: ...

    def with_labels(self, table: pl.DataFrame, material: Material) -> pl.DataFrame: ...

    def intended_use(self, material: Material) -> str: ...


_KINDS: dict[str, Kind] = {"forecast": forecast, "risk": risk}


def kind_of(material: Material) -> Kind:
    """Return what the study's kind of question does."""
    return _KINDS[material.settings.question.kind]
