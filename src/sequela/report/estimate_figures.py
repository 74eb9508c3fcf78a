"""Dots with their intervals: models side by side, prediction times, subgroups, variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sequela.report.curve_formats import Importance, MissingSensitivity
from sequela.report.formats import Estimate
from sequela.report.risk_figures import line_of
from sequela.report.svg import BLUE, INK, SOFT, as_svg, figure_style, new_axes
from sequela.report.words import decimals_for, fixed, in_unit, label, metric_name, model_name, number_in_words, plain

MOST_VARIABLES = 20
_DARK = 0.74  # of the highest: from there on white stands out more than ink
_WARM = LinearSegmentedColormap.from_list("loss", ["#f6f8fa", "#c6dcf0", "#5b97cb", "#0b3f73"], N=64)
_MARKERS = {"network": "o", "hybrid": "D"}


@dataclass(frozen=True)
class Dots:
    """A panel of dots: its axis, and for each row the estimates by model and the decimals to which they are drawn."""

    axis: str
    rows: Sequence[Mapping[str, Estimate]]
    decimals: Sequence[int]


def dot_panels(
    labels: Sequence[str], panels: Sequence[Dots], *, name: str, title: str, legend: bool, best: str | None = None
) -> Markup | None:
    """Panels that share their rows; None where no panel has a number.

    Args:
        labels: of the rows.
        panels: each with an estimate a row and model.
        name: unique on the page.
        title: the accessible title.
        legend: whether models are told apart by colour rather than by row.
        best: the baseline that stands out.
    """
    drawn = [panel for panel in panels if any(one.value is not None for row in panel.rows for one in row.values())]
    if not drawn:
        return None
    models = list(dict.fromkeys(model for panel in drawn for row in panel.rows for model in row))
    step = 0.36 if not legend else 0.22 + 0.16 * len(models)
    with figure_style():
        figure = Figure(figsize=(7.4, 0.95 + step * len(labels) + 0.25 * legend))
        grid = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for axes, panel in zip(grid, drawn, strict=True):
            _dots(axes, panel, models if legend else [], best)
        grid[0].set_yticks(range(len(labels)), [label(one) for one in labels])
        grid[0].set_ylim(len(labels) - 0.45, -0.55)
        if legend:
            handles, names = grid[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper left", ncols=4)
        words = " ".join(_in_words(labels, panel) for panel in drawn)
        return as_svg(figure, name=name, title=title, description=words)


def _dots(axes: Axes, panel: Dots, models: Sequence[str], best: str | None) -> None:
    named: set[str] = set()
    for place, row in enumerate(panel.rows):
        for model, one in row.items():
            if one.value is None:
                continue
            digits = panel.decimals[place]
            shift = (models.index(model) - (len(models) - 1) / 2) * 0.22 if model in models else 0.0
            color = line_of(model)["color"] if models or model in _MARKERS or model == best else SOFT
            if one.low is not None and one.high is not None:
                axes.plot(
                    [round(one.low, digits), round(one.high, digits)],
                    [place + shift] * 2,
                    color=color,
                    lw=2.0,
                    solid_capstyle="butt",
                )
            words = model_name(model) if model in models and model not in named else ""
            named.add(model)
            axes.plot(
                [round(one.value, digits)], [place + shift], _MARKERS.get(model, "s"), color=color, ms=6.5, label=words
            )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel(panel.axis)


def _in_words(labels: Sequence[str], panel: Dots) -> str:
    said = [
        f"{label}{f', {model_name(model).lower()}' if len(row) > 1 else ''}: {number_in_words(one, decimals)}"
        for label, row, decimals in zip(labels, panel.rows, panel.decimals, strict=True)
        for model, one in row.items()
    ]
    return f"{panel.axis}: {'; '.join(said)}."


def importance_bars(importance: Importance, *, name: str, unit: str | None) -> Markup | None:
    """What the model loses where a variable is another person's: bars with intervals, the greatest first."""
    drawn = [one for one in importance.variables if one.value is not None][:MOST_VARIABLES]
    if not drawn:
        return None
    with figure_style():
        figure, axes = new_axes(7.4, 0.8 + 0.25 * len(drawn))
        for place, one in enumerate(drawn):
            axes.barh(place, one.value or 0.0, height=0.62, color="#5b93c7" if _is_clear(one) else "#d3dde6", zorder=2)
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [place, place], color=INK, lw=1.0, zorder=3)
        axes.axvline(0, color=INK, lw=0.9)
        axes.set_yticks(range(len(drawn)), [label(one.name) for one in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(_lost(importance.metric, unit))
        decimals = loss_decimals(importance)
        words = "; ".join(f"{one.name} {number_in_words(one, decimals)}" for one in drawn)
        return as_svg(figure, name=name, title="Importance of variables", description=f"{words}.")


def _is_clear(one: Estimate) -> bool:
    return one.low is not None and one.low > 0


def loss_decimals(importance: Importance) -> int:
    """Decimals of what is lost: four, or of an error as many as its size asks for."""
    values = (one.value for one in importance.variables)
    return decimals_for(values) if importance.metric in ("rmse", "mae") else 4


def change_in_words(metric: str) -> str:
    """How a metric moves where a variable is exchanged: an error rises, the rest is lost."""
    return f"Rise of {metric_name(metric)}" if metric in ("rmse", "mae") else f"Loss of {metric_name(metric)}"


def _lost(metric: str, unit: str | None) -> str:
    said = f"{change_in_words(metric)} when exchanged"
    return in_unit(said, unit) if metric in ("rmse", "mae") else said


def importance_map(importance: Importance, *, name: str, unit: str | None) -> Markup | None:
    """The same by span of time before the prediction: a heat map; None where there are no spans."""
    width = len(importance.windows)
    drawn = [one for one in importance.variables if len(one.windows) == width and any(
        window.value is not None for window in one.windows)][:MOST_VARIABLES]  # fmt: skip
    if not width or not drawn:
        return None
    values = [[max(0.0, window.value or 0.0) for window in one.windows] for one in drawn]
    highest = max(max(row) for row in values) or 1.0
    decimals = loss_decimals(importance) if highest < 0.1 or importance.metric in ("rmse", "mae") else 3
    with figure_style():
        figure, axes = new_axes(min(7.4, 3.4 + 1.25 * width), 0.9 + 0.27 * len(drawn))
        edges = ([column - 0.5 for column in range(width + 1)], [place - 0.5 for place in range(len(drawn) + 1)])
        axes.pcolormesh(*edges, values, cmap=_WARM, vmin=0, vmax=highest, edgecolors="white", linewidth=1.2)
        axes.invert_yaxis()
        for place, one in enumerate(drawn):
            for column, window in enumerate(one.windows):
                _cell(axes, column, place, window, highest, decimals)
        axes.set_xticks(range(width), [window.label for window in importance.windows])
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(drawn)), [label(one.name) for one in drawn])
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_xlabel(f"{_lost(importance.metric, unit)}, by when it was recorded")
        words = "; ".join(
            f"{one.name}: "
            + ", ".join(
                f"{window.label} {fixed(estimate.value, decimals)}"
                for window, estimate in zip(importance.windows, one.windows, strict=True)
            )
            for one in drawn
        )
        return as_svg(figure, name=name, title="Importance by variable and time", description=f"{words}.")


def _cell(axes: Axes, column: int, place: int, window: Estimate, highest: float, decimals: int) -> None:
    """A cell's number, bold where its interval lies above 0."""
    text = fixed(window.value, decimals)
    color = "white" if (window.value or 0.0) > _DARK * highest else INK if window.value is not None else SOFT
    axes.text(column, place, text, ha="center", va="center", fontsize=8, color=color,
              fontweight="bold" if _is_clear(window) else "normal")  # fmt: skip


def missing_line(found: MissingSensitivity, *, name: str, unit: str | None) -> Markup | None:
    """The metric against the shift of everything that was filled in; None where nothing could be measured."""
    points = [point for point in found.points if point.value is not None]
    if not points:
        return None
    shifts, values = [point.shift for point in points], [point.value or 0.0 for point in points]
    banded = [point for point in points if point.low is not None and point.high is not None]
    metric = metric_name(found.metric)
    with figure_style():
        figure, axes = new_axes(5.2, 2.7)
        axes.fill_between(
            [point.shift for point in banded], [point.low or 0.0 for point in banded],
            [point.high or 0.0 for point in banded], color=BLUE, alpha=0.14, lw=0,
        )  # fmt: skip
        axes.plot(shifts, values, color=BLUE, lw=1.6, marker="o", ms=5)
        axes.axvline(0, color=SOFT, lw=0.8, ls=(0, (1, 2)))
        axes.set_xticks(shifts, [plain(shift) if shift <= 0 else f"+{plain(shift)}" for shift in shifts])
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.grid(axis="y")
        axes.set_xlabel("Shift of every value that was filled in (standard deviations)")
        axes.set_ylabel(in_unit(metric, unit) if found.metric in ("rmse", "mae") else metric)
        decimals = decimals_for(values) if found.metric in ("rmse", "mae") else 3
        words = "; ".join(f"{plain(point.shift)}: {number_in_words(point, decimals)}" for point in points)
        return as_svg(figure, name=name, title="Sensitivity to what was missing", description=f"{metric}. {words}.")
