"""The figures of a risk: discrimination, calibration, benefit, and risks by outcome, each from aggregated numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sequela.report.curve_formats import Bars, ByOutcome, Calibration, ModelBenefit, ModelCurves, RiskCurves
from sequela.report.privacy import is_few
from sequela.report.svg import BLUE, GREEN, INK, ORANGE, SOFT, as_svg, figure_style, new_axes
from sequela.report.words import fixed, model_name, percent

_PER_POINTS = 0.05  # bars of unequal width are drawn as shares for each five points of risk
_PER_CENT = FuncFormatter(lambda share, _: f"{100 * share:.4g}")


def line_of(model: str) -> dict[str, Any]:
    """Colour, dashes and width by which a model is told apart, also in grey and by the colour-blind."""
    own: Mapping[str, dict[str, Any]] = {
        "network": {"color": BLUE, "ls": "-", "lw": 1.9},
        "hybrid": {"color": GREEN, "ls": (0, (6, 1.5)), "lw": 1.7},
    }
    return own.get(model, {"color": ORANGE, "ls": (0, (3, 1.6)), "lw": 1.6})


def discrimination(risk: RiskCurves, *, name: str) -> Markup | None:
    """ROC and precision-recall curves side by side; None where no curve rests on enough people."""
    drawn = [one for one in risk.models if one.roc is not None or one.precision_recall is not None]
    if not drawn:
        return None
    with figure_style():
        figure = Figure(figsize=(7.4, 3.9))
        left, right = figure.subplots(1, 2)
        for one in drawn:
            style = {**line_of(one.model), "marker": ".", "ms": 4.5}
            if one.roc is not None:
                left.plot(one.roc.false_positive_rate, one.roc.sensitivity, label=model_name(one.model), **style)
            if one.precision_recall is not None:
                right.plot(one.precision_recall.recall, one.precision_recall.precision, **style)
        left.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (1, 2)), label="chance")
        if risk.prevalence is not None:
            right.axhline(risk.prevalence, color=SOFT, lw=0.9, ls=(0, (1, 2)))
            right.annotate(
                f"prevalence {percent(risk.prevalence)}", (0.015, risk.prevalence), xytext=(0, -3),
                textcoords="offset points", va="top", fontsize=8, color=SOFT,
            )  # fmt: skip
        _square(left, "False alarms among those without the event (%)\n1 − specificity", "Sensitivity (%)")
        _square(right, "Sensitivity (recall, %)", "Positive predictive value (precision, %)")
        left.set_title("Receiver operating characteristic")
        right.set_title("Precision and recall")
        figure.legend(loc="outside upper left", ncols=4)
        return as_svg(
            figure, name=name, title=f'Discrimination of the risk of "{risk.outcome}"',
            description="ROC curve and precision-recall curve of " + ", ".join(model_name(one.model) for one in drawn)
            + ". " + " ".join(filter(None, map(_roc_in_words, drawn))),
        )  # fmt: skip


def _square(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up)
    axes.set_box_aspect(1)
    _in_per_cent(axes)
    axes.grid()


def _in_per_cent(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(_PER_CENT)
    axes.yaxis.set_major_formatter(_PER_CENT)


def _roc_in_words(one: ModelCurves) -> str:
    if one.roc is None:
        return ""
    points = list(zip(one.roc.false_positive_rate, one.roc.sensitivity, strict=True))[1:-1]
    if not points:
        return ""
    rate, sensitivity = min(points, key=lambda point: abs(point[0] - 0.2))
    return f"{model_name(one.model)}: sensitivity {percent(sensitivity)} at {percent(rate)} false alarms."


def calibration(
    one: ModelCurves, histogram: Bars | None, *, name: str, outcome: str, beside: ModelCurves | None
) -> Markup | None:
    """Predicted and observed risk before and after recalibration, with the histogram of the final risks underneath.

    Args:
        one: the model.
        histogram: of its risks as it gives them out.
        name: unique on the page.
        outcome: what is predicted.
        beside: a model whose final curve is drawn thinly for comparison.
    """
    drawn = [("As the model gives it" if one.after else "As given out", one.before)]
    if one.after is not None:
        kind = one.recalibration or "recalibration"
        drawn.append((f"After recalibration ({_KINDS.get(kind, kind)})", one.after))
    if not any(part.curve or part.groups for _, part in drawn):
        return None
    with figure_style():
        figure = Figure(figsize=(7.4 if len(drawn) == 2 else 4.6, 5.0))
        grid = figure.subplots(2, len(drawn), squeeze=False, height_ratios=[3.4, 1])
        other = None if beside is None else beside.after or beside.before
        top = _end_of([part for _, part in drawn], other)
        for place, (axes, (title, part)) in enumerate(zip(grid[0], drawn, strict=True)):
            _calibrated(axes, part, one.model, first=place == 0)
            axes.set(xlim=(0, top), ylim=(0, top), title=title)
            axes.grid()
            _in_per_cent(axes)
        grid[0][0].set_ylabel("Observed share with the event (%)")
        for upper, lower in grid.T[:-1]:  # a histogram before and one after would tell whom recalibration moved
            upper.set_xlabel("Predicted risk (%)")
            lower.set_axis_off()
        if beside is not None and other is not None and other.curve is not None:
            grid[0][-1].plot(
                other.curve.predicted, _or_gap(other.curve.observed), **{**line_of(beside.model), "lw": 1.1},
                label=f"{model_name(beside.model)}, smoothed",
            )  # fmt: skip
        grid[0][-1].tick_params(labelbottom=False)
        _histogram(grid[1][-1], histogram, color=line_of(one.model)["color"])
        grid[1][-1].set(xlim=(0, top), xlabel="Predicted risk (%)", ylabel="Predictions (%)\nper 5 points")
        _in_per_cent(grid[1][-1])
        handles = [pair for axes in grid[0] for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
        unique = {label: handle for handle, label in handles}
        figure.legend(list(unique.values()), list(unique), loc="outside upper left", ncols=len(drawn))
        return as_svg(
            figure, name=name, title=f'Calibration of the risk of "{outcome}": {model_name(one.model)}',
            description=" ".join(f"{title}: {_groups_in_words(part)}" for title, part in drawn),
        )  # fmt: skip


_KINDS = {"platt": "Platt", "isotonic": "isotonic"}


def _calibrated(axes: Axes, part: Calibration, model: str, *, first: bool) -> None:
    """Diagonal, smoothed curve with its band, and groups with their intervals."""
    style = line_of(model)
    axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (1, 2)), label="observed = predicted" * first)
    if part.curve is not None:
        low, high = _or_gap(part.curve.low), _or_gap(part.curve.high)
        if low and high:
            axes.fill_between(part.curve.predicted, low, high, color=style["color"], alpha=0.15, lw=0)
        label = f"{model_name(model)}, smoothed with 95 % band" * first
        axes.plot(part.curve.predicted, _or_gap(part.curve.observed), **style, label=label)
    for place, group in enumerate(one for one in part.groups if one.observed is not None and not is_few(one.people)):
        if group.low is not None and group.high is not None:
            axes.plot([group.predicted] * 2, [group.low, group.high], color=INK, lw=0.9, zorder=3)
        label = "groups of similar risk, 95 % interval" * (first and not place)
        axes.plot([group.predicted], [group.observed or 0.0], "o", ms=5, mfc="white", mec=INK, mew=1.1, zorder=4,
                  label=label)  # fmt: skip


def _or_gap(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _end_of(parts: Sequence[Calibration], beside: Calibration | None) -> float:
    """The end of both axes: a round risk beyond everything drawn, bands and the line of `beside` among it."""
    ends = [0.1]
    for part in parts:
        ends += [end for one in part.groups for end in (one.predicted, one.high or one.observed or 0.0)]
        if part.curve is not None:
            ends += [*part.curve.predicted, *filter(None, [*part.curve.observed, *part.curve.high])]
    if beside is not None and beside.curve is not None:
        ends += [*beside.curve.predicted, *filter(None, beside.curve.observed)]
    return min(1.0, math.ceil(10 * max(ends) + 0.05) / 10)


def _groups_in_words(part: Calibration) -> str:
    groups = [one for one in part.groups if one.observed is not None and not is_few(one.people)]
    if not groups:
        return "too few people to group them."
    said = [f"{percent(one.predicted)} predicted, {percent(one.observed or 0.0)} observed" for one in groups]
    return f"{'; '.join(said)}."


def _histogram(axes: Axes, bars: Bars | None, *, color: str, hatch: str | None = None) -> None:
    """Bars of unequal width as shares for each five points of risk, so that areas are shares."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.grid(axis="y")
    if bars is None:
        axes.text(0.5, 0.5, "too few people", transform=axes.transAxes, ha="center", va="center", color=SOFT)
        return
    widths = [high - low for low, high in zip(bars.low, bars.high, strict=True)]
    heights = [
        0.0 if is_few(count) else share * _PER_POINTS / width
        for share, width, count in zip(bars.share, widths, bars.predictions, strict=True)
    ]
    axes.bar(bars.low, heights, widths, align="edge", color=color, alpha=0.55, edgecolor="white", linewidth=0.6,
             hatch=hatch)  # fmt: skip


def decision_curve(risk: RiskCurves, *, name: str, thresholds: Sequence[float]) -> Markup | None:
    """Net benefit over thresholds, with treating all and none; None where it may not be drawn."""
    decision = risk.decision
    if decision is None or not decision.models:
        return None
    tops = [value for one in decision.models for value in one.net_benefit if value is not None]
    if not tops:
        return None
    with figure_style():
        figure, axes = new_axes(7.4, 3.8)
        axes.plot(decision.treat_all.threshold, _or_gap(decision.treat_all.net_benefit), color=SOFT, lw=1.3,
                  ls=(0, (1, 1.2)), label="treat all")  # fmt: skip
        axes.axhline(0, color=INK, lw=1.1, label="treat none")
        for one in decision.models:
            if one.model == "network" and one.low and one.high:
                axes.fill_between(one.threshold, _or_gap(one.low), _or_gap(one.high), color=BLUE, alpha=0.12, lw=0)
            axes.plot(one.threshold, _or_gap(one.net_benefit), **line_of(one.model), marker=".", ms=5,
                      label=model_name(one.model))  # fmt: skip
        top = max(*tops, *(value for value in decision.treat_all.net_benefit if value is not None))
        highest = max(
            [1.1 * top, *(high for one in decision.models if one.model == "network" for high in one.high if high)]
        )
        axes.set(xlim=(decision.low, decision.high), ylim=(-0.28 * top, 1.06 * highest))
        _mark(axes, thresholds, decision.high)
        axes.set_xlabel("Threshold: the risk from which on one would act (%)")
        axes.set_ylabel("Net benefit\n(true alerts for each prediction)")
        axes.xaxis.set_major_formatter(_PER_CENT)
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=5)
        words = "; ".join(map(_benefits_in_words, decision.models))
        return as_svg(
            figure, name=name, title=f'Decision curve of the risk of "{risk.outcome}"',
            description=f"Net benefit by threshold. {words}. Treating nobody has the net benefit 0.",
        )  # fmt: skip


def _benefits_in_words(one: ModelBenefit) -> str:
    pairs = zip(one.threshold, one.net_benefit, strict=True)
    said = ", ".join(f"{fixed(benefit, 3)} at {percent(threshold)}" for threshold, benefit in pairs)
    return f"{model_name(one.model)}: {said}"


def _mark(axes: Axes, thresholds: Sequence[float], end: float) -> None:
    """The study's thresholds as thin upright lines."""
    for threshold in thresholds:
        if threshold <= end:
            axes.axvline(threshold, color=SOFT, lw=0.7, ls=(0, (4, 3)), zorder=0.5)


def distribution(found: ByOutcome, *, model: str, name: str, outcome: str, thresholds: Sequence[float]) -> Markup:
    """Risks of those with the event above those without."""
    with figure_style():
        figure = Figure(figsize=(7.4, 3.4))
        panels = figure.subplots(2, 1, sharex=True)
        for axes, bars, title, color, hatch in (
            (panels[0], found.event, "With the event", ORANGE, "///"),
            (panels[1], found.no_event, "Without the event", BLUE, None),
        ):
            _histogram(axes, bars, color=color, hatch=hatch)
            axes.set_title(title)
            axes.set_ylim(bottom=0)
            _in_per_cent(axes)
            _mark(axes, thresholds, 1.0)
        panels[1].set(xlim=(0, 1), xlabel="Predicted risk (%)")
        figure.supylabel("Share of them (%), per 5 points of risk", fontsize=9)
        return as_svg(
            figure, name=name, title=f"Predicted risks by outcome: {model_name(model)}",
            description=f'Risk of "{outcome}". With the event: {_bars_in_words(found.event)} '
            f"Without: {_bars_in_words(found.no_event)}",
        )  # fmt: skip


def _bars_in_words(bars: Bars | None) -> str:
    if bars is None:
        return "too few people."
    said = [
        f"{percent(low)} to {percent(high)}: {percent(share)}"
        for low, high, share, count in zip(bars.low, bars.high, bars.share, bars.predictions, strict=True)
        if not is_few(count)
    ]
    return f"{'; '.join(said)}."
