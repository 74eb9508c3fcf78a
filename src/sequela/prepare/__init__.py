"""Fitted on training people only: plausibility, gaps, categories, scaling, and collation into `Batch`."""

from sequela.prepare.collate import Collation
from sequela.prepare.fit import fit_preparation, scaling
from sequela.prepare.flags import flag_words
from sequela.prepare.plausible import without_implausible
from sequela.prepare.settings import PrepareSettings, needs_own_sequences
from sequela.prepare.state import GridState, PreparedState
from sequela.prepare.targets import (
    ScaledTargets,
    last_known_targets,
    needs_last_target,
    risk_targets,
    scale_targets,
    unscale_targets,
)

__all__ = [
    "Collation",
    "GridState",
    "PrepareSettings",
    "PreparedState",
    "ScaledTargets",
    "fit_preparation",
    "flag_words",
    "last_known_targets",
    "needs_last_target",
    "needs_own_sequences",
    "risk_targets",
    "scale_targets",
    "scaling",
    "unscale_targets",
    "without_implausible",
]
