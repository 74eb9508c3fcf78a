"""The kinds of question: what a study does differently for each. A new kind is a module here, and a line below."""

from __future__ import annotations

from typing import Any, Protocol

import polars as pl

from sequela.baselines import Examples
from sequela.baselines.examples import Told
from sequela.bundle import AfterState
from sequela.models import Network
from sequela.prepare import PreparedState, ScaledTargets
from sequela.study import forecast, risk
from sequela.study.material import Baselines, Fit, Floats, Material, Numbers


class Kind(Protocol):
    """What the story asks of a kind of question; each is a module."""

    DEFAULT_LOSS: str
    SELECTED_BY: str

    def check_labels(self, material: Material, training: Numbers, tuning: Numbers) -> None:
        """Refuse a split whose training people, or tuning people where they must, cannot teach the question."""

    def target_labels(self, material: Material, training: Numbers) -> dict[str, Floats]:
        """Return the labels that preparation scales, by target; a kind may have none."""

    def targets(self, material: Material, prepared: PreparedState, predictions: Numbers) -> ScaledTargets:
        """Return the labels of the predictions as a network learns them."""

    def begin(self, network: Network, material: Material, training: Numbers) -> None:
        """Set what a network begins training with."""

    def after_training(self, material: Material, of_tuning: dict[str, Floats], tuning: Numbers) -> AfterState | None:
        """Return what tuning people teach after training: intervals, recalibration.

        `of_tuning` holds what each model said of them before it was fitted on them.
        """

    def fit_baselines(
        self, material: Material, training: Examples, tuning: Examples | None, *, threads: int, told: Told
    ) -> Baselines:
        """Return what the network must beat, fitted; `told` is told which."""

    def judge(self, material: Material, fits: list[Fit], told: Told) -> dict[str, Any]:
        """Return the measures of `metrics.json` and the verdict; `told` is told which predictions are judged."""

    def curves(self, material: Material, fits: list[Fit], metrics: dict[str, Any]) -> dict[str, Any]:
        """Return what the figures draw."""

    def asked(self, material: Material) -> dict[str, Any]:
        """Return what `profile.json` says of the question."""

    def with_labels(self, table: pl.DataFrame, material: Material) -> pl.DataFrame:
        """Return a table of what models say with what came as `target`."""

    def intended_use(self, material: Material) -> str:
        """Return what the card of a bundle says that it is for."""


_KINDS: dict[str, Kind] = {"forecast": forecast, "risk": risk}


def kind_of(material: Material) -> Kind:
    """Return what the study's kind of question does."""
    return _KINDS[material.settings.question.kind]
