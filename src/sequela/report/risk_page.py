"""What the page of a risk shows beside what all pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from sequela.evaluate.measures import OWN_MODELS
from sequela.report import data, risk_blocks, risk_figures, risk_question, risk_tables, threshold_table, tripod
from sequela.report.curve_formats import ModelCurves, RiskCurves
from sequela.report.estimate_figures import Dots, dot_panels
from sequela.report.files import RunFiles
from sequela.report.formats import Comparison, Estimate, Measure, Metrics
from sequela.report.headline import Number
from sequela.report.privacy import guarded, is_few, shown_count, shown_share
from sequela.report.results import block_of, difference_between, found_in, headline_of, model_order
from sequela.report.risk_bars import SafeBars, safe_bars
from sequela.report.risk_groups import Crowd, crowd_of, shown_benefit, tells_few, told_at
from sequela.report.words import (
    COARSE_DECIMALS,
    coarse_decimals,
    fixed,
    hours_in_words,
    interval,
    model_name,
    percent,
    signed,
    threshold_in_words,
    unbroken,
)

TEMPLATE = "risk.html"
_SECTIONS = (
    ("results", "Results"),
    ("discrimination", "Discrimination"),
    ("calibration", "Calibration"),
    ("benefit", "Clinical benefit"),
    ("distribution", "Risks by outcome"),
    ("when", "By prediction time"),
    ("subgroups", "Subgroups"),
)


@dataclass(frozen=True)
class ModelFigure:
    """A figure of one model."""

    model: str
    figure: Markup


def view(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """What the templates of a risk need."""
    metrics, asked = run.metrics, run.study.get("question", {})
    outcome = metrics.target[0]
    at = [float(one) for one in run.setting("evaluate", "thresholds", [])]
    first = at[0] if at else None
    curves = run.curves.risk or RiskCurves(outcome=outcome)
    crowd = crowd_of(run)
    bars = _safe_bars(metrics, curves, crowd, at)
    by_time = risk_blocks.by_time(metrics, crowd)
    return {
        "verdict": unbroken(_verdict(metrics, crowd)),
        "results_contents": [pair for pair in _SECTIONS if pair[0] != "when" or by_time is not None],
        "headline_rows": _headline_rows(metrics, crowd, first),
        "outcome": outcome,
        "is_pooled": crowd.predictions > crowd.people,
        "benefit_hidden": first is not None and any(tells_few(metrics, one, first, crowd) for one in metrics.models),
        "question": _named_origin(run, risk_question.risk_in_words(asked, outcome)),
        "question_notes": [],
        "question_facts": [
            (heading, _named_origin(run, words)) for heading, words in risk_question.risk_facts(asked, outcome)
        ],
        "after_exclusions": _after_exclusions(run, totals),
        "event_facts": _event_facts(run, totals),
        "results": risk_tables.results(metrics, crowd, threshold=first),
        "models_figure": _models_figure(metrics, crowd),
        "comparisons": risk_tables.comparisons(metrics, crowd, threshold=first),
        "discrimination": risk_figures.discrimination(curves, name="discrimination-curves"),
        "prevalence": None if curves.prevalence is None else percent(curves.prevalence),
        "calibration": risk_tables.calibration(metrics, crowd),
        "calibration_figures": _calibration_figures(curves, metrics.best_baseline, bars),
        "recalibrate": risk_question.recalibration_in_words(
            run.setting("model", "recalibrate", "none"),
            refit=run.setting("train", "refit", False),
            left=metrics.not_recalibrated,
        ),
        "decision": risk_figures.decision_curve(curves, name="decision", thresholds=at),
        "at_thresholds": threshold_table.thresholds(metrics, crowd, at=at),
        "distributions": _distributions(curves, at, bars),
        "by_time": by_time,
        "time_figure": _time_figure(metrics, crowd),
        "by_subgroup": risk_blocks.by_subgroup(metrics, crowd),
        "subgroup_figure": _subgroup_figure(metrics, crowd),
        "few_events": crowd.has_few,
        **tripod.checklist_view(_known(run), dict(_SECTIONS)),
    }


def _verdict(metrics: Metrics, crowd: Crowd) -> str:
    """The verdict; where few had the event, with no more decimals than the numbers beside it."""
    said = guarded(metrics.verdict)
    return coarse_decimals(said, COARSE_DECIMALS) if crowd.has_few else said


def _named_origin(run: RunFiles, text: str) -> str:
    """A sentence in which time 0 bears its name, where the kind of source fixes what it is."""
    sources = {table.get("source") for table in run.study.get("records", []) if table.get("role", "input") == "input"}
    return text.replace("time 0", "admission") if sources == {"physionet2012"} else text


def _known(run: RunFiles) -> tripod.Known:
    return tripod.Known(
        recalibrated=run.setting("model", "recalibrate", "none") != "none",
        class_weights=run.history.loss.startswith("weighted"),
        subgroups=bool(run.setting("evaluate", "subgroups", [])),
    )


def _headline_rows(metrics: Metrics, crowd: Crowd, threshold: float | None) -> list[list[Number]]:
    """AUROC of the own models and the best baseline; the differences; and what else decides."""
    best = metrics.best_baseline
    own = [model for model in OWN_MODELS if model in metrics.models]
    decimals = risk_tables.decimals_of("auroc", crowd)
    rows = [[_number(f"{model_name(model)}, AUROC", headline_of(metrics, model, "auroc"), decimals) for model in own]]
    if best:
        heading = f"Best baseline: {model_name(best).lower()}, AUROC"
        rows[0].append(_number(heading, headline_of(metrics, best, "auroc"), decimals))
    differences = [
        (model, pair)
        for model in own
        if best and (pair := difference_between(metrics, model, best, "auroc")) is not None
    ]
    if len(own) == 1:
        rows[0] += [_difference("Difference", pair, crowd) for _, pair in differences]
    else:
        rows.append([_difference(f"{model_name(model)} less baseline", pair, crowd) for model, pair in differences])
    rows += [[*_rival(metrics, model, best, crowd)] for model in own if best]
    rows.append(_second_row(metrics, crowd, "hybrid" if len(own) > 1 else "network", threshold))
    return [row for row in rows if row]


def _rival(metrics: Metrics, model: str, best: str, crowd: Crowd) -> list[Number]:
    """The strongest other baseline that a model does not beat though it beats the best by tuning people; or nothing."""
    won = difference_between(metrics, model, best, "auroc")
    for other in model_order(metrics):
        pair = difference_between(metrics, model, other, "auroc")
        if other in (*OWN_MODELS, best) or pair is None or won is None or won.outcome != "better":
            continue
        if pair.outcome != "better":
            name = model_name(other)
            decimals = risk_tables.decimals_of("auroc", crowd)
            return [_number(f"{name}, AUROC", headline_of(metrics, other, "auroc"), decimals),
                    _difference(f"{model_name(model)} less {name.lower()}", pair, crowd)]  # fmt: skip
    return []


def _second_row(metrics: Metrics, crowd: Crowd, model: str, threshold: float | None) -> list[Number]:
    name = model_name(model)
    numbers = [
        _number(f"{name}, {words}", headline_of(metrics, model, metric), risk_tables.decimals_of(metric, crowd))
        for metric, words in (("auprc", "AUPRC"), ("calibration_slope", "calibration slope"))
    ]
    if threshold is not None:
        benefit = headline_of(metrics, model, "net_benefit")
        heading = f"{name}, net benefit at {threshold_in_words(threshold)}"
        value, bounds = shown_benefit(metrics, model, benefit, threshold, crowd, decimals=risk_tables.DECIMALS)
        numbers.append(Number(heading, value, "", bounds, "" if bounds else _brief(benefit.reason)))
    return numbers


def _number(heading: str, estimate: Estimate, decimals: int) -> Number:
    bounds = interval(estimate.low, estimate.high, decimals)
    word = _brief(estimate.reason) if estimate.low is None else ""
    return Number(heading, fixed(estimate.value, decimals), "", bounds, word)


def _difference(heading: str, pair: Comparison, crowd: Crowd) -> Number:
    decimals = risk_tables.decimals_of_difference(pair, "auroc", crowd)
    bounds = interval(pair.low, pair.high, decimals)
    word = risk_tables.OUTCOMES.get(pair.outcome or "", "") if bounds else _brief(pair.reason)
    return Number(heading, signed(pair.difference, decimals), "", bounds, word)


def _brief(reason: str | None) -> str:
    """A reason as short as a headline needs it; the tables give it in full."""
    return "too few to say" if (reason or "").startswith("too few to say") else guarded(reason or "")


def _event_facts(run: RunFiles, totals: data.Totals) -> list[tuple[str, str]]:
    """How many had the event, as the page may say it."""
    asked = run.profile.asked
    facts = []
    if asked.events is not None:
        facts.append(("Predictions followed by the event", shown_count(asked.events, beside=totals.predictions)))
    if asked.people_with_event is not None:
        facts.append(("People with the event", shown_count(asked.people_with_event, beside=totals.people)))
    return facts


def _with_parts(totals: Sequence[int], part: int | None) -> list[int]:
    """Totals, a part of them, and what it leaves of each."""
    return list(totals) if part is None else [*totals, part, *(total - part for total in totals)]


def _after_exclusions(run: RunFiles, totals: data.Totals) -> list[str]:
    """When the event came, and notes on predictions that were kept."""
    asked, said = run.profile.asked, []
    if asked.event_hours_quartiles is not None and (asked.people_with_event or 0) >= 44:
        low, middle, high = (hours_in_words(hours) for hours in asked.event_hours_quartiles)
        said.append(f"The event came {middle} after the prediction in the median; half of them {low} to {high} after.")
    predictions = _with_parts(totals.predictions, asked.events)
    people = _with_parts(totals.people, asked.people_with_event)
    said += [
        f"At {shown_count(note.predictions, beside=predictions)} predictions of "
        f"{shown_count(note.people, beside=people)} people {guarded(note.note)}."
        for note in asked.notes
    ]
    if asked.without_target_share and not any(is_few(one.predictions) for one in run.profile.exclusions):
        share = unbroken(shown_share(asked.without_target_share, of=asked.predictions))
        said.append(f"In all, {share} of the prediction times were left out.")
    return said


def _models_figure(metrics: Metrics, crowd: Crowd) -> Markup | None:
    models = model_order(metrics)
    labels = [model_name(model) + (" (best baseline)" if model == metrics.best_baseline else "") for model in models]
    panels = [
        Dots(
            axis,
            [{model: headline_of(metrics, model, metric)} for model in models],
            [risk_tables.decimals_of(metric, crowd)] * len(models),
        )
        for metric, axis in (("auroc", "AUROC; larger is better"), ("auprc", "AUPRC; larger is better"))
    ]
    return dot_panels(labels, panels, name="models", title="AUROC and AUPRC by model", legend=False,
                      best=metrics.best_baseline)  # fmt: skip


def _calibration_figures(curves: RiskCurves, best: str | None, bars: Mapping[str, SafeBars]) -> list[ModelFigure]:
    other = next((one for one in curves.models if one.model == best), None)
    found = [
        (one, risk_figures.calibration(one, bars[one.model].everybody, name=f"calibration-{one.model}",
                                       outcome=curves.outcome, beside=other if other is not one else None))
        for one in _own(curves)
    ]  # fmt: skip
    return [ModelFigure(model_name(one.model), figure) for one, figure in found if figure is not None]


def _own(curves: RiskCurves) -> list[ModelCurves]:
    return [one for one in curves.models if one.model in OWN_MODELS]


def _safe_bars(metrics: Metrics, curves: RiskCurves, crowd: Crowd, at: Sequence[float]) -> dict[str, SafeBars]:
    """The histograms of the own models, beside what the table of thresholds tells."""
    rows, lines = block_of(metrics), curves.decision.models if curves.decision is not None else []
    return {
        one.model: safe_bars(
            one,
            [] if crowd.has_few else told_at(rows, one.model, at, crowd).items(),
            next((line for line in lines if line.model == one.model), None),
        )
        for one in _own(curves)
    }


def _distributions(curves: RiskCurves, at: Sequence[float], bars: Mapping[str, SafeBars]) -> list[ModelFigure]:
    return [
        ModelFigure(model_name(model), risk_figures.distribution(found.by_outcome, model=model, name=f"risks-{model}",
                                                                 outcome=curves.outcome, thresholds=at))
        for model, found in bars.items()
        if found.by_outcome is not None
    ]  # fmt: skip


def _time_figure(metrics: Metrics, crowd: Crowd) -> Markup | None:
    found = risk_blocks.times(metrics, crowd)
    if len(found) < 2:
        return None
    return _by_block(metrics, [one.name[0] for one in found], found, name="times",
                     title="AUROC and AUPRC by prediction time")  # fmt: skip


def _subgroup_figure(metrics: Metrics, crowd: Crowd) -> Markup | None:
    found = risk_blocks.subgroups(metrics, crowd)
    return _by_block(metrics, [": ".join(one.name) for one in found], found, name="by-subgroup",
                     title="AUROC and AUPRC by subgroup")  # fmt: skip


def _by_block(
    metrics: Metrics, labels: Sequence[str], blocks: Sequence[risk_blocks.Block], *, name: str, title: str
) -> Markup | None:
    models = [model for model in (*OWN_MODELS, metrics.best_baseline or "") if model in metrics.models]
    panels = [
        Dots(axis, [{} if one.is_withheld else _found(one.rows, models, metric) for one in blocks],
             [one.decimals for one in blocks])
        for metric, axis in (("auroc", "AUROC"), ("auprc", "AUPRC"))
    ]  # fmt: skip
    return dot_panels(labels, panels, name=name, title=title, legend=True)


def _found(rows: Sequence[Measure], models: Sequence[str], metric: str) -> Mapping[str, Estimate]:
    return {model: one for model in models if (one := found_in(rows, model, metric)) is not None}
