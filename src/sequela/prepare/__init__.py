"""Fitted on training people only: plausibility, gaps, categories, scaling, and collation into `Batch`."""

from sequela.prepare.cleaning import Cleaning, cleaning_of
from sequela.prepare.collate import Collation
from sequela.prepare.fit import fit_preparation, scaling
from sequela.prepare.flags import flag_words
from sequela.prepare.grid import check_grid, on_grid
from sequela.prepare.measured import limited_timeline
from sequela.prepare.plausible import plausible_limits
from sequela.prepare.settings import GridState, PrepareSettings, needs_own_sequences
from sequela.prepare.state import PreparedState
from sequela.prepare.summary import preparation_summary, suspected_units
from sequela.prepare.targets import (
    ScaledTargets,
    fit_smearing,
    last_known_targets,
    needs_last_target,
    risk_targets,
    scale_targets,
    unscale_targets,
)

__all__ = [
    "Cleaning",
    "Collation",
    "GridState",
    "PrepareSettings",
    "PreparedState",
    "ScaledTargets",
    "check_grid",
    "cleaning_of",
    "fit_preparation",
    "fit_smearing",
    "flag_words",
    "last_known_targets",
    "limited_timeline",
    "needs_last_target",
    "needs_own_sequences",
    "on_grid",
    "plausible_limits",
    "preparation_summary",
    "risk_targets",
    "scale_targets",
    "scaling",
    "suspected_units",
    "unscale_targets",
]
