"""Tables as the page's template draws them: columns, rows of text, notes underneath."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sequela.evaluate.measures import OWN_MODELS
from sequela.report.formats import Estimate, Metrics
from sequela.report.performance import tells_who_is_outside
from sequela.report.privacy import FEW, WITHHELD, guarded, shown_count, shown_share
from sequela.report.results import (
    Weighting,
    chosen_in_words,
    comparison_with,
    estimate_of,
    horizons_of,
    measures_of,
    model_order,
)
from sequela.report.words import (
    DASH,
    MINUS,
    aligned,
    decimals_for,
    decimals_that_tell,
    fixed,
    hours_in_words,
    interval,
    model_name,
    outcome_of,
    signed,
)

LEVEL = "95 % interval"
_MOST_OPEN = 40

BASELINES = {
    "hybrid": "the hybrid is gradient boosting that sees the network's output beside the window statistics",
    "persistence": "persistence repeats the last known value",
    "mean": "mean so far is the mean of the person's own values until then",
    "linear": "linear (ridge) is a ridge regression on window statistics of the same records",
    "gradient_boosting": "gradient boosting uses the same window statistics with decision trees",
}


@dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds words, numbers, intervals or bars."""

    title: str
    kind: str = "words"


@dataclass(frozen=True)
class Share:
    """A share drawn as a bar beside its text."""

    text: str
    fraction: float | None


def share_with_bar(text: str, share: float | None) -> Share:
    """A share beside a bar that tells no more than its text: full for over, empty for under, else none.

    Example:
        >>> share_with_bar("12.3 %", 0.123), share_with_bar("over 99.9 %", 0.9996).fraction
        (Share(text='12.3 %', fraction=0.123), 1.0)
    """
    return Share(text, share if text[0].isdigit() else {"over": 1.0, "under": 0.0}.get(text.split()[0]))


@dataclass(frozen=True)
class TableView:
    """A table ready to be drawn.

    Args:
        caption: what it shows, for the reader and for screen readers.
        columns: the headings.
        rows: a text (or a bar) for each column.
        notes: what stands underneath, such as reasons of missing numbers.
        strong: numbers of rows that stand out.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Share]]
    notes: Sequence[str] = ()
    strong: frozenset[int] = frozenset()

    @property
    def first(self) -> Sequence[Sequence[str | Share]]:
        """The rows that are always open: all, or of very many the first."""
        return self.rows[: len(self.rows) - len(self.folded)]

    @property
    def folded(self) -> Sequence[Sequence[str | Share]]:
        """The rows that are closed until a reader opens them."""
        return self.rows[_MOST_OPEN:] if len(self.rows) > 2 * _MOST_OPEN else ()


def reasons(estimates: Iterable[Estimate]) -> list[str]:
    """Why numbers or intervals are missing, each reason once."""
    found = dict.fromkeys(one.reason for one in estimates if one.reason and (one.value is None or one.low is None))
    return [f"{DASH} {guarded(reason)}" for reason in found if reason]


def starred(metrics: Metrics, models: Sequence[str]) -> list[str]:
    """The models as rows name them; the best baseline bears a star."""
    return [model_name(model) + (" ★" if model == metrics.best_baseline else "") for model in models]


def of_network(models: Iterable[str]) -> frozenset[int]:
    """The rows of the network, which stand out, given the model of each row."""
    return frozenset(place for place, model in enumerate(models) if model == "network")


def results(metrics: Metrics, *, target: str, unit: str | None) -> TableView:
    """RMSE and MAE of every model, and the paired difference to the network."""
    models = model_order(metrics, target)
    rmse = [estimate_of(metrics, model, "rmse", target) for model in models]
    mae = [estimate_of(metrics, model, "mae", target) for model in models]
    pairs = [comparison_with(metrics, model, "rmse", target) for model in models]
    decimals = decimals_for(one.value for one in rmse)
    finer = decimals_that_tell(pairs, decimals)
    brackets = aligned([(interval(one.low, one.high, finer) or DASH) if one else "" for one in pairs])
    rows = [
        [
            name,
            *number_cells,
            *mae_cells,
            signed(pair.difference, finer) if pair else "",
            bracket,
            (outcome_of(pair) or DASH) if pair else "",
        ]
        for name, number_cells, mae_cells, pair, bracket in zip(
            starred(metrics, models), with_intervals(rmse), with_intervals(mae), pairs, brackets, strict=True
        )
    ]
    pair_reasons = [Estimate(reason=pair.reason) for pair in pairs if pair and pair.low is None]
    return TableView(
        caption=f"Error of {target} in held-out people{f', in {unit}' if unit else ', in the unit of the target'}",
        columns=[
            Column("Model"),
            Column("RMSE", "number"),
            Column(LEVEL, "interval"),
            Column("MAE", "number"),
            Column(LEVEL, "interval"),
            Column(f"Network {MINUS} model", "number"),
            Column(LEVEL, "interval"),
            Column("Outcome"),
        ],
        rows=rows,
        notes=[*_who_is_who(metrics, models), *dict.fromkeys([*reasons([*rmse, *mae]), *reasons(pair_reasons)])],
        strong=of_network(models),
    )


def _who_is_who(metrics: Metrics, models: Sequence[str]) -> list[str]:
    """What the star and the difference say, and what the baselines are."""
    notes = []
    if metrics.best_baseline is not None:
        notes.append(f"★ the best baseline, {chosen_in_words(metrics)}.")
        notes.append(
            f"Network {MINUS} model: the difference in RMSE, on the same people; below zero the network errs less."
        )
    explained = [BASELINES[model] for model in models if model in BASELINES]
    return [*notes, f"{'; '.join(explained)}.".capitalize()] if explained else notes


def further_results(metrics: Metrics, *, target: str, unit: str | None) -> TableView:
    """MSE, and RMSE and MAE with every person weighted once."""
    models = model_order(metrics, target)
    columns = [
        Column("Model"),
        Column(f"MSE ({_squared(unit)})" if unit else "MSE", "number"),
        Column(LEVEL, "interval"),
    ]
    cells = [with_intervals([estimate_of(metrics, model, "mse", target) for model in models])]
    for metric in ("rmse", "mae"):
        if measures_of(metrics, metric=metric, target=target, weighting="people"):
            columns += [Column(f"{metric.upper()}, people equal", "number"), Column(LEVEL, "interval")]
            cells.append(
                with_intervals([estimate_of(metrics, model, metric, target, weighting="people") for model in models])
            )
    rows = [
        [model_name(model), *(text for pair in parts for text in pair)]
        for model, *parts in zip(models, *cells, strict=True)
    ]
    notes = (
        ["People equal: every person has the same weight, however many records they have."] if len(cells) > 1 else []
    )
    return TableView(
        caption=f"Further measures of {target}",
        columns=columns,
        rows=rows,
        notes=notes,
        strong=of_network(models),
    )


def _squared(unit: str) -> str:
    """A unit's square.

    Example:
        >>> _squared("mmHg"), _squared("mmol/L")
        ('mmHg²', '(mmol/L)²')
    """
    return f"{unit}²" if unit.isalpha() else f"({unit})²"


def hybrid_differences(metrics: Metrics, *, target: str) -> TableView | None:
    """The paired difference of the hybrid's RMSE to every baseline; None without a hybrid."""
    if "hybrid" not in metrics.models:
        return None
    models = [model for model in model_order(metrics, target) if model not in OWN_MODELS]
    found = [(model, comparison_with(metrics, model, "rmse", target, model="hybrid")) for model in models]
    pairs = [(model, pair) for model, pair in found if pair is not None]
    decimals = decimals_for(estimate_of(metrics, model, "rmse", target).value for model in models)
    decimals = decimals_that_tell([pair for _, pair in pairs], decimals)
    brackets = aligned([interval(pair.low, pair.high, decimals) or DASH for _, pair in pairs])
    return TableView(
        caption=f"The hybrid's error of {target} beside the baselines'",
        columns=[Column("Model"), Column(f"Hybrid {MINUS} model", "number"), Column(LEVEL, "interval"),
                 Column("Outcome")],
        rows=[
            [name, signed(pair.difference, decimals), bracket,
             outcome_of(pair) or DASH]
            for name, (_, pair), bracket in zip(
                starred(metrics, [model for model, _ in pairs]), pairs, brackets, strict=True
            )
        ],
        notes=[
            f"Hybrid {MINUS} model: the difference in RMSE, on the same people; below zero the hybrid errs less.",
            *reasons(Estimate(reason=pair.reason) for _, pair in pairs if pair.low is None),
        ],
    )  # fmt: skip


def by_horizon(metrics: Metrics, *, target: str, held_out: int) -> TableView | None:
    """The own models and the best baseline at each horizon; None where there are not several."""
    horizons = horizons_of(metrics)
    if len(horizons) < 2:
        return None
    models = [model for model in (*OWN_MODELS, metrics.best_baseline) if model in metrics.models]
    lines = [(hours, model) for hours in horizons for model in models]
    rmse = [estimate_of(metrics, model, "rmse", target, horizon_hours=hours) for hours, model in lines]
    mae = [estimate_of(metrics, model, "mae", target, horizon_hours=hours) for hours, model in lines]
    people = {
        measure.horizon_hours: shown_count(measure.people, beside=[held_out])
        for measure in measures_of(metrics, metric="rmse", target=target)
        if measure.model == "network"
    }
    rows = [
        [
            hours_in_words(hours) if model == "network" else "",
            model_name(model),
            *first,
            *second,
            people.get(hours, DASH) if model == "network" else "",
        ]
        for (hours, model), first, second in zip(lines, with_intervals(rmse), with_intervals(mae), strict=True)
    ]
    return TableView(
        caption=f"Error of {target} by horizon",
        columns=[
            Column("Horizon"),
            Column("Model"),
            Column("RMSE", "number"),
            Column(LEVEL, "interval"),
            Column("MAE", "number"),
            Column(LEVEL, "interval"),
            Column("People", "number"),
        ],
        rows=rows,
        notes=reasons([*rmse, *mae]),
        strong=of_network(model for _, model in lines),
    )


def coverage(
    metrics: Metrics, *, units: dict[str, str | None], nominal: float, values: dict[str, int]
) -> TableView | None:
    """How often the network's intervals held what came, and how wide they are; None where none were made.

    Where 1 to 10 values lay outside of them, or within, the shares are coarse; `values`: how many there are by target.
    """
    lines = [line for target in metrics.target for line in _coverage_lines(metrics, target)]
    if not lines:
        return None
    coarse = {
        target
        for target in metrics.target
        if tells_who_is_outside(estimate_of(metrics, "network", "coverage", target), values[target])
    }
    decimals = decimals_for(width.value for *_, width in lines)
    percent = [_percent(observed) for _, _, observed, _ in lines]
    brackets = aligned([interval(one.low, one.high, 1) for one in percent])
    widths = aligned([interval(width.low, width.high, decimals) for *_, width in lines])
    return TableView(
        caption="Intervals of the network's forecasts in held-out people",
        columns=[
            Column("Target"),
            Column("Weighted"),
            Column("Promised (%)", "number"),
            Column("Observed (%)", "number"),
            Column(LEVEL, "interval"),
            Column("Mean width", "number"),
            Column(LEVEL, "interval"),
            Column("Unit"),
        ],
        rows=[
            [
                target,
                words,
                fixed(100 * nominal, 1),
                _coarse(percent[place], values[target]) if target in coarse else fixed(percent[place].value, 1),
                DASH if target in coarse else brackets[place],
                fixed(width.value, decimals),
                widths[place],
                units.get(target) or "the target's",
            ]
            for place, (target, words, _, width) in enumerate(lines)
        ],
        notes=[
            *[f"Shares are coarse where {FEW} values lay outside of their intervals, or within."] * bool(coarse),
            *reasons(one for *_, observed, width in lines for one in (observed, width)),
        ],
    )


def _coverage_lines(metrics: Metrics, target: str) -> list[tuple[str, str, Estimate, Estimate]]:
    """Target, weighting in words, coverage and width, for each weighting for which there is a number or a reason."""
    weightings: tuple[tuple[Weighting, str], ...] = (
        ("predictions", "predictions equal"),
        ("people", "people equal"),
    )
    lines = []
    for weighting, words in weightings:
        observed, width = (
            estimate_of(metrics, "network", metric, target, weighting=weighting) for metric in ("coverage", "width")
        )
        if observed.value is not None or observed.reason:
            lines.append((target, words, observed, width))
    return lines


def _coarse(percent: Estimate, of: int) -> str:
    text = WITHHELD if percent.value is None else shown_share(percent.value / 100, of=of)
    return (text if text.startswith(("over", "under")) else WITHHELD).removesuffix(" %")


def with_intervals(estimates: Sequence[Estimate]) -> list[tuple[str, str]]:
    """The number and the interval of each estimate, with the same decimals down the column."""
    decimals = decimals_for(one.value for one in estimates)
    brackets = aligned([interval(one.low, one.high, decimals) for one in estimates])
    return [(fixed(one.value, decimals), bracket or DASH) for one, bracket in zip(estimates, brackets, strict=True)]


def _percent(estimate: Estimate) -> Estimate:
    return Estimate(
        value=None if estimate.value is None else 100 * estimate.value,
        low=None if estimate.low is None else 100 * estimate.low,
        high=None if estimate.high is None else 100 * estimate.high,
    )
