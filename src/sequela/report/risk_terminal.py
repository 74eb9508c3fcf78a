"""The results of a risk as a table in the terminal: each number above its interval."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sequela.report.formats import Comparison, Estimate, Metrics
from sequela.report.privacy import guarded
from sequela.report.results import chosen_in_words, difference_between, headline_of, model_order, without_best
from sequela.report.words import DASH, MINUS, decimals_that_tell, fixed, interval, model_name, signed

DECIMALS = 3
WORDS = {"better": "better", "no_difference": "unclear", "worse": "worse"}
COLOURS = {"better": "green", "worse": "red"}

_NUMBER = 8  # of an end of an interval, which a narrow terminal puts on a line of its own
_COLUMNS = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier", "calibration_slope": "Slope"}


def plain_table(title: str, caption: str) -> Table:
    """A table without lines, its heading above and its notes underneath."""
    return Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        caption=Text(caption),
        caption_justify="left",
        caption_style="dim",
        header_style="bold",
        pad_edge=False,
        box=None,
        padding=(0, 1),
    )


def risk_table(numbers: Metrics) -> Table:
    """AUROC, AUPRC, Brier score and calibration slope of every model, and the paired difference of AUROC."""
    models = model_order(numbers)
    table = plain_table(f'Risk of "{numbers.target[0]}" in held-out people [95 % interval]', _caption(numbers, models))
    table.padding = (0, 1, 0, 0)
    for heading in ("Model", *_COLUMNS.values(), f"Network {MINUS} this"):
        table.add_column(heading, overflow="fold", min_width=_NUMBER)
    for model in models:
        style = "bold" if model == "network" else ""
        name = Text(model_name(model) + (" *" if model == numbers.best_baseline else ""), style=style)
        cells = [number_above_interval(headline_of(numbers, model, metric), style) for metric in _COLUMNS]
        pair = None if model == "network" else difference_between(numbers, "network", model, "auroc")
        table.add_row(name, *cells, difference_above_interval(pair))
    return table


def number_above_interval(estimate: Estimate, style: str = "", *, decimals: int = DECIMALS) -> Text:
    """A number, and its interval on the line below."""
    text = Text(fixed(estimate.value, decimals), style=style)
    bounds = interval(estimate.low, estimate.high, decimals)
    return text.append(f"\n{bounds}" if bounds else "", style="dim not bold")


def difference_above_interval(pair: Comparison | None, *, decimals: int = DECIMALS) -> Text:
    """A paired difference with its outcome, and its interval on the line below; empty where there is none."""
    if pair is None:
        return Text("")
    decimals = decimals_that_tell([pair], decimals)
    text = Text(f"{signed(pair.difference, decimals)} ")
    decided = pair.outcome if pair.low is not None else None
    text.append(WORDS[decided] if decided else DASH, style=COLOURS.get(decided or "", ""))
    bounds = interval(pair.low, pair.high, decimals)
    return text.append(f"\n{bounds}" if bounds else "", style="dim")


def _caption(numbers: Metrics, models: Sequence[str]) -> str:
    lines = ["Risks as given out, after recalibration where there is one. Slope: 1 is calibrated."]
    if numbers.best_baseline is None:
        lines.append(f"{without_best(numbers)}.")
    else:
        lines.append(
            f"* best baseline, {chosen_in_words(numbers)}. Last column: AUROC; above zero the network ranks better."
        )
    estimates: list[Estimate | Comparison | None] = [
        headline_of(numbers, model, metric) for model in models for metric in _COLUMNS
    ]
    estimates += [difference_between(numbers, "network", model, "auroc") for model in models]
    lines += [
        f"Not recalibrated: {model_name(model)} ({guarded(why)})." for model, why in numbers.not_recalibrated.items()
    ]
    reasons = {guarded(one.reason) for one in estimates if one is not None and one.low is None and one.reason}
    return "\n".join([*lines, *(f"{DASH} {reason}" for reason in sorted(reasons))])
