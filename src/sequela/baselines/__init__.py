"""What the network must beat, on the same predictions from the same as-of records."""

from sequela.baselines.forecast import FORECAST_BASELINES, Examples, FittedBaselines, fit_forecast_baselines
from sequela.baselines.windows import WindowStatistics, window_statistics

__all__ = [
    "FORECAST_BASELINES",
    "Examples",
    "FittedBaselines",
    "WindowStatistics",
    "fit_forecast_baselines",
    "window_statistics",
]
