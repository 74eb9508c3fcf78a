"""What the network must beat, on the same predictions from the same as-of records."""

from sequela.baselines.examples import Examples, people_folds
from sequela.baselines.forecast import FORECAST_BASELINES, FittedBaselines, fit_forecast_baselines
from sequela.baselines.hybrid import FittedHybrid, HybridModel, Stacked, fit_hybrid
from sequela.baselines.risk import RISK_BASELINES, FittedRiskBaselines, fit_risk_baselines
from sequela.baselines.search import Search, Trial
from sequela.baselines.spans import SPAN_HOURS, span_statistics
from sequela.baselines.statistics import (
    KnownStatistics,
    known_statistics,
    statistics_of,
    statistics_width,
    statistics_with_other,
)
from sequela.baselines.windows import WindowStatistics, window_statistics

__all__ = [
    "FORECAST_BASELINES",
    "RISK_BASELINES",
    "SPAN_HOURS",
    "Examples",
    "FittedBaselines",
    "FittedHybrid",
    "FittedRiskBaselines",
    "HybridModel",
    "KnownStatistics",
    "Search",
    "Stacked",
    "Trial",
    "WindowStatistics",
    "fit_forecast_baselines",
    "fit_hybrid",
    "fit_risk_baselines",
    "known_statistics",
    "people_folds",
    "span_statistics",
    "statistics_of",
    "statistics_width",
    "statistics_with_other",
    "window_statistics",
]
