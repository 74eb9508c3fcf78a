"""Pure functions of arrays that say how good a forecast is, how sure that is, and whether something simpler suffices.

`forecast` measures errors, `bootstrap` puts intervals around any measure by drawing people, `compare` pairs two models,
`intervals` puts intervals around forecasts, `measures` and `verdict` write what `metrics.json` holds, `curves` what
figures draw. Nothing here reads a file or knows a table, and nothing returns NaN: what cannot be computed is None with
a reason.
"""

from sequela.evaluate.bootstrap import Estimate, Resamples, bootstrap_interval, bootstrap_metric
from sequela.evaluate.compare import Difference, paired_difference
from sequela.evaluate.curves import Band, Hexagons, error_by, hexagons, supported_range
from sequela.evaluate.forecast import mae, mse, person_weights, rmse
from sequela.evaluate.intervals import HalfWidth, conformal_half_width, coverage, fewest_people, width
from sequela.evaluate.measures import Asked, Measures, forecast_measures
from sequela.evaluate.verdict import verdict

__all__ = [
    "Asked",
    "Band",
    "Difference",
    "Estimate",
    "HalfWidth",
    "Hexagons",
    "Measures",
    "Resamples",
    "bootstrap_interval",
    "bootstrap_metric",
    "conformal_half_width",
    "coverage",
    "error_by",
    "fewest_people",
    "forecast_measures",
    "hexagons",
    "mae",
    "mse",
    "paired_difference",
    "person_weights",
    "rmse",
    "supported_range",
    "verdict",
    "width",
]
