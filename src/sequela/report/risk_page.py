"""What the page of a risk shows beside what all pages show."""

from __future__ import annotations

from typing import Any

from sequela.report import data, risk_question, risk_tables
from sequela.report.files import RunFiles
from sequela.report.headline import Number
from sequela.report.privacy import guarded
from sequela.report.results import headline_of
from sequela.report.words import fixed, interval, model_name

TEMPLATE = "risk.html"
DECIMALS = 3
_OUTCOMES = {"better": "better", "no_difference": "no clear difference", "worse": "worse"}


def view(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """What the templates of a risk need."""
    metrics = run.metrics
    asked, outcome = run.study.get("question", {}), metrics.target[0]
    thresholds = [float(one) for one in run.setting("evaluate", "thresholds", [])]
    return {
        "results_contents": [("results", "Results")],
        "headline_rows": headline_rows(run),
        "question": risk_question.risk_in_words(asked, outcome),
        "question_notes": [],
        "question_facts": risk_question.risk_facts(asked, outcome),
        "after_exclusions": [],
        "results": risk_tables.results(metrics, threshold=thresholds[0] if thresholds else None),
    }


def headline_rows(run: RunFiles) -> list[list[Number]]:
    """AUROC of the study's own models and the best baseline, their differences, and what else matters."""
    metrics, best = run.metrics, run.metrics.best_baseline
    own = [model for model in ("network", "hybrid") if model in metrics.models]
    models = [*own, *([best] if best else [])]
    first = [
        _number(f"{model_name(model)}{' (best baseline)' if model == best else ''}: AUROC",
                headline_of(metrics, model, "auroc"))
        for model in models
    ]  # fmt: skip
    return [first]


def _number(heading: str, estimate: Any) -> Number:
    bounds = interval(estimate.low, estimate.high, DECIMALS)
    return Number(heading, fixed(estimate.value, DECIMALS), "", bounds, guarded(estimate.reason or ""))
