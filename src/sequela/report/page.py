"""The page: everything a run holds, arranged for a reader who was not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sequela.errors import RunError
from sequela.report import data, figures, forecast_page, question, risk_page
from sequela.report.declared import declared_in_words, declared_tables
from sequela.report.explained import explained
from sequela.report.files import REMEDY, RunFiles
from sequela.report.findings import audit_view
from sequela.report.network import loss_in_words, network_view, searches
from sequela.report.preparation import preparation_view
from sequela.report.privacy import as_count, shown_count
from sequela.report.results import without_best
from sequela.report.words import listed, model_name, span

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["as_count"] = as_count

_LIST = re.compile(r"\[\n((?: +[^\s\]][^\n]*,\n)+) *\]")  # of elements that are one line each
_SHORT = 90
_KINDS = {"forecast": forecast_page, "risk": risk_page}


def rendered(run: RunFiles) -> str:
    """The page as HTML.

    Raises:
        RunError: the study names no target, or a file that its kind needs is missing.
    """
    if not run.metrics.target:
        raise RunError(f"{run.folder / 'metrics.json'}: names no target. {REMEDY}.")
    at = run.setting("question", "at")
    totals = data.totals_of(run.profile, times=len(at) if isinstance(at, list) else 1)
    kind = _KINDS[run.metrics.question]
    return _TEMPLATES.get_template(kind.TEMPLATE).render(**_shared(run, totals), **kind.view(run, totals))


def _shared(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """What every page shows."""
    profile, metrics = run.profile, run.metrics
    fits = run.history.fits
    return {
        "title": profile.name,
        "run": run,
        "environment": run.environment,
        "resamples": f"{drawn:,}" if isinstance(drawn := run.setting("evaluate", "bootstrap"), int) else None,
        "what": listed(metrics.target),
        "best": model_name(metrics.best_baseline) if metrics.best_baseline else None,
        "without_best": without_best(metrics),
        "no_baselines_reason": str(run.setting("evaluate", "reason", "") or ""),
        "totals": totals,
        "events": data.values_in_all(profile),
        "instants": data.records_in_all(profile),
        "sources": data.sources(profile, totals),
        "variables": data.variables(profile, totals),
        "left_out": data.left_out(profile),
        "exclusions": data.exclusions(profile, totals),
        "nothing_seen": shown_count(profile.asked.nothing_seen) if profile.asked.nothing_seen else None,
        "split": data.split(profile, totals, kind=metrics.question, tuning=_tuning(run)),
        "split_words": question.split_in_words(profile.split.by, profile.split.folds),
        "shares": question.shares_in_words(profile.split.by, profile.split.folds, profile.split.fractions),
        "network": network_view(run, totals),
        "prepared": preparation_view(profile),
        "preparation": question.preparation_in_words(
            run.study.get("prepare", {}), run.setting("model", "inputs", ["values", "observed", "gaps"])
        ),
        "declared": declared_tables(run.study.get("prepare", {})),
        "declared_words": declared_in_words(run.study),
        "curves": figures.training_curves(
            fits, name="training", loss=loss_in_words(run), scaled=metrics.question == "forecast"
        ),
        "several_fits": len(fits) > 1,
        "searches": searches(fits),
        "audit": audit_view(run.audit),
        **explained(run),
        "versions": _versions(run),
        "study_text": _with_short_lists(run.study_text),
    }


def _with_short_lists(text: str) -> str:
    """TOML with every list that is short in one line.

    Example:
        >>> print(_with_short_lists("at = [\\n    [\\n        1,\\n        2,\\n    ],\\n]"))
        at = [[1, 2]]
    """
    shorter = _LIST.sub(_in_one_line, text)
    return text if shorter == text else _with_short_lists(shorter)


def _in_one_line(found: re.Match[str]) -> str:
    line = " ".join(part.strip() for part in found[1].splitlines()).rstrip(",")
    return f"[{line}]" if len(line) < _SHORT else found[0]


def _tuning(run: RunFiles) -> str:
    """What tuning people serve to."""
    forecast = run.metrics.question == "forecast"
    sets = ", set intervals" * (forecast and run.setting("model", "interval", "none") != "none")
    maps = ", recalibrate" * (not forecast and run.setting("model", "recalibrate", "none") != "none")
    return f"stop training, choose{sets}{maps}" + "; then help to train" * bool(run.setting("train", "refit", False))


def _versions(run: RunFiles) -> list[tuple[str, str]]:
    environment = run.environment
    rows = [("Sequela", environment.sequela), ("Python", environment.python), ("Platform", environment.platform)]
    rows += sorted(environment.packages.items())
    rows += [("Native module", native)] if (native := _flat(environment.native)) else []
    rows += [("Threads", str(environment.threads))] if environment.threads is not None else []
    rows += [("Seed", str(environment.seed))] if environment.seed is not None else []
    rows += [("Started", environment.started)] if environment.started else []
    rows += [("Took", span(environment.seconds))] if environment.seconds is not None else []
    rows += [("Command", environment.command)] if environment.command else []
    return rows


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(inner) for inner in value)
    return "" if value is None else str(value)
