"""The figures of the page: each from aggregated numbers, with labels, units and a text for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from sequela.report.curve_formats import Band, Hexagons
from sequela.report.formats import Estimate, Fit
from sequela.report.privacy import SMALLEST
from sequela.report.svg import BLUE, INK, ORANGE, SOFT, as_svg, figure_style, new_axes
from sequela.report.words import (
    DASH,
    after_number,
    counted,
    decimals_for,
    fixed,
    in_unit,
    label,
    model_name,
    number_in_words,
    plain,
)

_BLUES = LinearSegmentedColormap.from_list("counts", ["#dbe7f3", "#7fabd4", "#2b6cb0", "#0a2f57"], N=32)


def training_curves(fits: Sequence[Fit], *, name: str, loss: str, scaled: bool = True) -> Markup | None:
    """Training and tuning loss by epoch, one pair of lines a fold; None where no epoch was run."""
    fits = [fit for fit in fits if fit.epochs]
    if not fits:
        return None
    tuned = any(epoch.tuning_loss is not None for fit in fits for epoch in fit.epochs)
    with figure_style():
        figure, axes = new_axes(7.4, 3.1)
        many = len(fits) > 1
        for place, fit in enumerate(fits):
            # Not `_nolegend_` but no label at all: several folds share one entry.
            first = place == 0
            epochs = [epoch.epoch for epoch in fit.epochs]
            train = [float("nan") if epoch.train_loss is None else epoch.train_loss for epoch in fit.epochs]
            tuning = [float("nan") if epoch.tuning_loss is None else epoch.tuning_loss for epoch in fit.epochs]
            width = 1.0 if many else 1.6
            dot = "." if len(epochs) == 1 else ""
            axes.plot(
                epochs, train, color=ORANGE, lw=width, ls=(0, (4, 2)), marker=dot, label="training people" * first
            )
            if tuned:
                axes.plot(epochs, tuning, color=BLUE, lw=width, marker=dot, label="tuning people" * first)
            best = dict(zip(epochs, tuning if tuned else train, strict=True)).get(fit.best_epoch or -1)
            if best is not None:
                axes.plot(
                    [fit.best_epoch or 0], [best], "o", ms=6, mfc="white", mec=BLUE, mew=1.5, zorder=4,
                    label="epoch that was kept" * first,
                )  # fmt: skip
        axes.set_xlabel("Epoch (passes over the training people)")
        axes.set_ylabel(f"Mean {loss}" + "\n(on the prepared scale)" * scaled)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        axes.margins(x=0.02)
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=3)
        return as_svg(figure, name=name, title="Training curves", description=_curves_in_words(fits))


def _curves_in_words(fits: Sequence[Fit]) -> str:
    parts = []
    for fit in fits:
        first, last = fit.epochs[0], fit.epochs[-1]
        epochs = counted(len(fit.epochs), "epoch", "epochs")
        text = f"{epochs}; training loss from {fixed(first.train_loss, 3)} to {fixed(last.train_loss, 3)}"
        if last.tuning_loss is not None:
            text += f", tuning loss from {fixed(first.tuning_loss, 3)} to {fixed(last.tuning_loss, 3)}"
        if fit.best_epoch is not None:
            text += f"; kept epoch {fit.best_epoch}"
        parts.append(f"{_which(fit, fits)}{text}.")
    return " ".join(parts)


def _which(fit: Fit, fits: Sequence[Fit]) -> str:
    """Which of several networks this is, in words; nothing for a single one."""
    folds, members = (len({getattr(one, key) for one in fits}) > 1 for key in ("fold", "member"))
    named = [f"fold {fit.fold + 1}"] * folds + [f"member {fit.member + 1}"] * members
    return f"{', '.join(named).capitalize()}: " if named else ""


def error_by_model(
    errors: Mapping[str, Estimate], *, name: str, target: str, unit: str | None, best_baseline: str | None
) -> Markup | None:
    """A dot and its interval for each model; None where there is nothing to draw."""
    drawn = {model: estimate for model, estimate in errors.items() if estimate.value is not None}
    if not drawn:
        return None
    decimals = decimals_for(estimate.value for estimate in drawn.values())
    with figure_style():
        figure, axes = new_axes(7.4, 0.85 + 0.38 * len(drawn))
        for place, (model, estimate) in enumerate(drawn.items()):
            value = estimate.value or 0.0
            is_network = model == "network"
            color = BLUE if is_network else ORANGE if model == best_baseline else SOFT
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [place, place], color=color, lw=2.2, solid_capstyle="butt")
            axes.plot([value], [place], "o" if is_network else "s", color=color, ms=8 if is_network else 6.5)
            axes.annotate(
                fixed(value, decimals), (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9,
                fontweight="bold" if is_network else "normal",
            )  # fmt: skip
            if is_network:
                axes.axvline(value, color=BLUE, lw=0.8, ls=(0, (1, 2)), zorder=0)
        axes.set_yticks(
            range(len(drawn)),
            [model_name(model) + (" (best baseline)" if model == best_baseline else "") for model in drawn],
        )
        axes.set_ylim(len(drawn) - 0.45, -0.55)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
        axes.set_xlabel(f"{in_unit(f'RMSE of {label(target)}', unit)}; smaller is better")
        words = "; ".join(
            f"{model_name(model)} {number_in_words(estimate, decimals)}" for model, estimate in drawn.items()
        )
        return as_svg(
            figure, name=name, title=f"RMSE of {target} by model", description=f"RMSE{after_number(unit)}: {words}."
        )


def shown_cells(hexagons: Hexagons) -> tuple[list[tuple[float, float, int]], int]:
    """The cells that may be drawn, and how many predictions lie in those that may not."""
    cells = [(cell.x, cell.y, cell.predictions) for cell in hexagons.cells if cell.predictions >= SMALLEST]
    hidden = sum(cell.predictions for cell in hexagons.cells if cell.predictions < SMALLEST)
    return cells, hexagons.hidden_predictions + hidden


def predicted_against_observed(hexagons: Hexagons | None, *, name: str, target: str, unit: str | None) -> Markup | None:
    """Hexagons of what was measured against the network's forecasts; None where no cell may be drawn."""
    cells = shown_cells(hexagons)[0] if hexagons is not None else []
    if hexagons is None or hexagons.size_x is None or not cells:
        return None
    half, tall = hexagons.size_x / 2, hexagons.size_x / math.sqrt(3)
    corners = ((half, -tall / 2), (half, tall / 2), (0, tall), (-half, tall / 2), (-half, -tall / 2), (0, -tall))
    counts = [count for _, _, count in cells]
    with figure_style():
        figure, axes = new_axes(5.6, 4.5)
        polygons = PolyCollection(
            [[(x + right, y + up) for right, up in corners] for x, y, _ in cells],
            cmap=_BLUES, norm=LogNorm(SMALLEST, max(*counts, 2 * SMALLEST)), edgecolors="white", linewidths=0.4,
        )  # fmt: skip
        polygons.set_array(counts)
        axes.add_collection(polygons)
        ends = [end for end in (hexagons.low, hexagons.high) if end is not None]
        ends += [x + side * half for x, _, _ in cells for side in (-1, 1)]
        ends += [y + side * tall for _, y, _ in cells for side in (-1, 1)]
        low, high = min(ends), max(ends)
        axes.plot([low, high], [low, high], color="white", lw=2.6, alpha=0.8, zorder=2.5)
        axes.plot([low, high], [low, high], color=INK, lw=1.0, ls=(0, (5, 3)), zorder=3, label="observed = predicted")
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_xlabel(in_unit(f"Predicted {label(target)}", unit))
        axes.set_ylabel(in_unit(f"Observed {label(target)}", unit))
        _scale_of_counts(figure, axes, polygons)
        figure.legend(loc="outside upper left")
        top = max(cells, key=lambda cell: cell[2])
        number = counted(len(cells), "hexagonal cell", "hexagonal cells")
        return as_svg(
            figure, name=name, title=f"Observed against predicted {target}",
            description=f"{number} around the line observed = predicted; the fullest holds "
            f"{top[2]:,} predictions near predicted {top[0]:.4g}, observed {top[1]:.4g}{after_number(unit)}.",
        )  # fmt: skip


def _scale_of_counts(figure: Figure, axes: Axes, polygons: PolyCollection) -> None:
    bar = figure.colorbar(polygons, ax=axes, shrink=0.75, aspect=22, pad=0.03)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_edgecolor("face")
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.set_label("Predictions in a cell (logarithmic)")


def shown_bands(bands: Sequence[Band]) -> list[Band]:
    """The bands that rest on enough people to be drawn."""
    return [band for band in bands if band.people >= SMALLEST and band.predictions >= SMALLEST]


def error_by_band(
    bands: Sequence[Band],
    *,
    name: str,
    title: str,
    axis: str,
    target: str,
    unit: str | None,
    best_baseline: str | None,
    whole: bool = False,
) -> Markup | None:
    """RMSE of the network and of the best baseline, band by band; None where no band may be drawn."""
    bands = shown_bands(bands)
    models = [
        model
        for model in ("network", best_baseline)
        if model and any(model in band.models and band.models[model].rmse is not None for band in bands)
    ]
    if not models:
        return None
    series = {model: [_rmse(band, model) for band in bands] for model in models}
    drawn = [value for values in series.values() for value in values if not math.isnan(value)]
    lowest, highest = min(drawn), max(drawn)
    headings = [band_label(band, whole=whole) for band in bands]
    with figure_style():
        figure, axes = new_axes(7.4, 2.9)
        for model, shift in zip(models, (-0.07, 0.07), strict=False):
            is_network = model == "network"
            axes.plot(
                [place + shift * (len(models) > 1) for place in range(len(bands))], series[model],
                color=BLUE if is_network else ORANGE, marker="o" if is_network else "s", ms=7 if is_network else 6,
                mfc=BLUE if is_network else "white", mew=1.5, lw=1.3, ls="-" if is_network else (0, (4, 2)),
                label=model_name(model),
            )  # fmt: skip
        axes.set_xticks(
            range(len(bands)),
            [f"{heading}\nn = {band.predictions:,}" for heading, band in zip(headings, bands, strict=True)],
            linespacing=1.5,
        )
        axes.set_xlim(-0.5, len(bands) - 0.5)
        room = max(highest - lowest, 0.15 * highest, 1e-9)
        axes.set_ylim(max(0.0, lowest - 0.35 * room), highest + 0.25 * room)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        axes.grid(axis="y")
        axes.set_xlabel(axis)
        axes.set_ylabel(in_unit("RMSE", unit))
        figure.legend(loc="outside upper left", ncols=2)
        decimals = decimals_for([highest])
        words = "; ".join(
            f"{heading}: "
            + ", ".join(f"{model_name(model)} {fixed(series[model][place], decimals)}" for model in models)
            for place, heading in enumerate(headings)
        )
        return as_svg(
            figure, name=name, title=title, description=f"RMSE of {target}{after_number(unit)} by {axis}. {words}."
        )


def _rmse(band: Band, model: str) -> float:
    value = band.models[model].rmse if model in band.models else None
    return float("nan") if value is None else value


def band_label(band: Band, *, whole: bool = False) -> str:
    """A band's limits, as an axis names them.

    Args:
        band: above its low end and not above its high end.
        whole: it counts whole things, so that above 2 means from 3.

    Example:
        >>> band = Band(low=2, high=4, people=20, predictions=50, models={})
        >>> band_label(band), band_label(band, whole=True)
        ('2–4', '3–4')
    """
    low = band.low if band.low is None or not whole else math.floor(band.low) + 1
    high = band.high if band.high is None or not whole else math.floor(band.high)
    if low is None or high is None:
        if high is not None:
            return f"up to {plain(high)}"
        return "all" if low is None else f"{plain(low)} or more" if whole else f"over {plain(low)}"
    return plain(low) if low == high else f"{plain(low)}{DASH}{plain(high)}"
