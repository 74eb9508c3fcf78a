"""Pure functions of arrays that say how good a forecast or a risk is, how sure that is, and whether less would do.

Forecasts: `forecast` measures errors, `intervals` puts intervals around forecasts, `measures` and `verdict` write what
`metrics.json` holds, `curves` what figures draw. Risks: `discrimination`, `calibration`, `brier`, `benefit` and
`thresholds` hold one measure each, `recalibration` mends risks, `risk`, `risk_verdict` and `risk_curves` write the
files. For both, `bootstrap` puts intervals around any measure by drawing people, and `compare` pairs two models.
Nothing here reads a file or knows a table, and nothing returns NaN: what cannot be computed is None with a reason.
"""

from sequela.evaluate.benefit import net_benefit, treat_all_net_benefit
from sequela.evaluate.bootstrap import Estimate, Resamples, bootstrap_interval, bootstrap_metric
from sequela.evaluate.brier import brier, scaled_brier
from sequela.evaluate.calibration import calibration_in_the_large, calibration_intercept, calibration_slope, ici
from sequela.evaluate.compare import Difference, paired_difference
from sequela.evaluate.curves import Band, Hexagons, error_by, hexagons, supported_range
from sequela.evaluate.discrimination import auroc, average_precision
from sequela.evaluate.forecast import mae, mse, person_weights, rmse
from sequela.evaluate.intervals import HalfWidth, conformal_half_width, coverage, fewest_people, width
from sequela.evaluate.lowess import lowess
from sequela.evaluate.measures import Asked, Measures, forecast_measures
from sequela.evaluate.recalibration import (
    IsotonicState,
    PlattState,
    RecalibrationState,
    UnchangedState,
    cross_fitted,
    fit_recalibration,
    read_recalibration,
)
from sequela.evaluate.risk import RiskAsked, risk_measures
from sequela.evaluate.risk_curves import risk_curves
from sequela.evaluate.risk_verdict import risk_verdict
from sequela.evaluate.thresholds import at_threshold
from sequela.evaluate.verdict import verdict

__all__ = [
    "Asked",
    "Band",
    "Difference",
    "Estimate",
    "HalfWidth",
    "Hexagons",
    "IsotonicState",
    "Measures",
    "PlattState",
    "RecalibrationState",
    "Resamples",
    "RiskAsked",
    "UnchangedState",
    "at_threshold",
    "auroc",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_metric",
    "brier",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
    "conformal_half_width",
    "coverage",
    "cross_fitted",
    "error_by",
    "fewest_people",
    "fit_recalibration",
    "forecast_measures",
    "hexagons",
    "ici",
    "lowess",
    "mae",
    "mse",
    "net_benefit",
    "paired_difference",
    "person_weights",
    "read_recalibration",
    "risk_curves",
    "risk_measures",
    "risk_verdict",
    "rmse",
    "scaled_brier",
    "supported_range",
    "treat_all_net_benefit",
    "verdict",
    "width",
]
