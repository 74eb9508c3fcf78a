"""The public names of each package: literally these, each there and explained; and importing sequela costs nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import Annotated, Literal, get_origin

import pytest

import sequela

PUBLIC: dict[str, list[str]] = {
    "sequela": [
        "load_bundle",
        "read_study",
        "run",
    ],
    "sequela.audit": [
        "AcceptSettings",
        "Audit",
        "AuditSettings",
        "FINDINGS",
        "Finding",
        "Severity",
        "audit_study",
        "audit_table",
        "audit_table_file",
        "audit_tables",
    ],
    "sequela.baselines": [
        "Examples",
        "FORECAST_BASELINES",
        "FittedBaselines",
        "FittedHybrid",
        "FittedRiskBaselines",
        "HybridModel",
        "KnownStatistics",
        "RISK_BASELINES",
        "SPAN_HOURS",
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
    ],
    "sequela.cells": [
        "Frozen",
        "GRU",
        "GRUD",
        "LSTM",
        "RNN",
        "decay_factors",
        "get_num_threads",
        "set_num_threads",
    ],
    "sequela.cohort": [
        "Cohort",
        "FollowUpSettings",
        "ForecastQuestion",
        "HELD_OUT",
        "LabelTable",
        "Labels",
        "OutcomeSettings",
        "Question",
        "QuestionSettings",
        "RiskLabels",
        "RiskQuestion",
        "SPLIT_NAMES",
        "Sequences",
        "Split",
        "SplitRequest",
        "SplitSettings",
        "TRAIN",
        "TUNING",
        "Timeline",
        "ask",
        "ask_live",
        "build_timeline",
        "final_split",
        "known_by",
        "make_splits",
        "one_each",
        "one_pass",
        "read_label_table",
        "set_apart",
    ],
    "sequela.evaluate": [
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
    ],
    "sequela.examples": [
        "available",
        "write",
    ],
    "sequela.explain": [
        "HeldOut",
        "Histories",
        "Importance",
        "ImportanceSettings",
        "METRICS",
        "VariableImportance",
        "variable_importance",
    ],
    "sequela.models": [
        "Encoder",
        "Ensemble",
        "FORECAST_LOSSES",
        "ForecastNetwork",
        "Head",
        "HeadedNetwork",
        "InputShape",
        "ModelSettings",
        "Network",
        "RISK_LOSSES",
        "RiskNetwork",
        "RowwiseLinear",
        "Wide",
        "build_forecast_network",
        "build_risk_network",
        "forecast_loss",
        "mean_logit",
        "parameter_count",
        "risk_loss",
        "risk_of",
        "seed_of_member",
    ],
    "sequela.prepare": [
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
    ],
    "sequela.records": [
        "BIRTH_PREFIX",
        "Clock",
        "DEATH_PREFIX",
        "Records",
        "SeriesSettings",
        "TableSettings",
        "TableSummary",
        "TimeUnit",
        "read_records",
    ],
    "sequela.report": [
        "results_table",
        "write_report",
    ],
    "sequela.study": [
        "Run",
        "Study",
        "StudySettings",
        "Watch",
        "attack",
        "divide",
        "gather",
        "read_study",
        "rehearse",
        "run",
    ],
    "sequela.train": [
        "Adam",
        "Epoch",
        "History",
        "Progress",
        "TrainSettings",
        "mean_loss",
        "threads_for_step",
        "train",
    ],
}


@pytest.mark.parametrize("package", list(PUBLIC))
def test_the_public_names_are_these(package: str) -> None:
    assert sorted(importlib.import_module(package).__all__) == sorted(PUBLIC[package])


@pytest.mark.parametrize(("package", "name"), [(package, name) for package in PUBLIC for name in PUBLIC[package]])
def test_every_public_name_is_there_and_explained(package: str, name: str) -> None:
    found = getattr(importlib.import_module(package), name)
    if inspect.isclass(found) or inspect.isroutine(found):
        assert inspect.getdoc(found)
        assert not str(found.__doc__).startswith(f"{name}(")  # what a dataclass writes where nobody did
    else:
        assert name.isupper() or get_origin(found) in (Literal, Annotated)


def test_every_package_is_listed() -> None:
    packages = {f"sequela.{module.name}" for module in pkgutil.iter_modules(sequela.__path__) if module.ispkg}
    assert packages == set(PUBLIC) - {"sequela"}


@pytest.mark.parametrize(
    "statement", ["import sequela", "import sequela.cli", "import sequela.records, sequela.cohort"]
)
def test_importing_these_loads_no_torch(statement: str) -> None:
    code = (
        f"import sys; {statement}; sys.exit(any(name in sys.modules for name in ('torch', 'lightgbm', 'matplotlib')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_names_of_the_package_are_listed_and_others_refused() -> None:
    assert set(PUBLIC["sequela"]) <= set(dir(sequela))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sequela.nothing
