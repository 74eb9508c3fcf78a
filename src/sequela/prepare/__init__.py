"""From records to `Batch`: cleaned, put on a clock, learned from on training people only, made into rows, packed.

The way of the data, module by module:

    cleaning     what a study says of records before anything is asked: units (`conversions`), limits (`plausible`) and
                 codes made of others (`derived`); nothing is fitted
    grid         a timeline on a regular clock, where the study wants one
    fit          what is learned from the cells that training predictions see (`seen`): which codes are used
                 (`variables`), outliers, transforms, scales, what fills gaps; it is kept in `state`
    rows         a state applied to sequences: measured values limited, transformed and scaled (`measured`), put into
                 columns (`columns`) with their gaps filled (`passes`, `impute`, `impute_jointly`)
    words        codes that come as events
    collate      rows and events of several sequences, packed
    targets      labels on their way to a network, and forecasts on their way back (`smearing`)

Beside it: `[prepare]` of a study (`settings`, `clinical`, and what it can act on, `use`); and what users are told, of a
prediction (`flags`), of new records (`presence`), of a study (`summary`, `unit_suspicion`).
"""

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
