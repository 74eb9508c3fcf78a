"""Fitted on training people only: plausibility, gaps, categories, scaling, and collation into `Batch`."""

from sequela.prepare.collate import Collation, ScaledTargets, scale_targets
from sequela.prepare.fit import fit_preparation, scaling
from sequela.prepare.flags import flag_words
from sequela.prepare.plausible import without_implausible
from sequela.prepare.settings import PrepareSettings
from sequela.prepare.state import PreparedState

__all__ = [
    "Collation",
    "PrepareSettings",
    "PreparedState",
    "ScaledTargets",
    "fit_preparation",
    "flag_words",
    "scale_targets",
    "scaling",
    "without_implausible",
]
