"""Tables of a risk over all held-out people: discrimination, calibration, comparisons."""

from __future__ import annotations

from collections.abc import Iterable

from sequela.report.formats import Comparison, Estimate, Measure, Metrics
from sequela.report.performance import TELL_THE_EVENTS
from sequela.report.privacy import (
    FEW,
    WITHHELD,
    shown_share,
)
from sequela.report.results import block_of, chosen_in_words, difference_between, found_in, headline_of, model_order
from sequela.report.risk_groups import (
    Crowd,
    shown_benefit,
    tells_few,
    told_at,
)
from sequela.report.tables import Column, TableView, of_network, reasons, starred
from sequela.report.words import (
    COARSE_DECIMALS,
    DASH,
    MINUS,
    decimals_that_tell,
    fixed,
    interval,
    metric_name,
    model_name,
    per_cent,
    signed,
    threshold_in_words,
    unbroken,
)

DECIMALS = 3
_OF_RANKS = ("auroc", "auprc")
BASELINES = {
    "logistic": "logistic regression is fitted on window statistics of the same records",
    "gradient_boosting": "gradient boosting (LightGBM) sees the same window statistics",
    "hybrid": "the hybrid is gradient boosting that sees the network's output beside the window statistics",
}
OUTCOMES = {"better": "better", "no_difference": "no clear difference", "worse": "worse"}
_FOUR_DECIMALS = ("brier", "net_benefit")
_TOO_FEW = f"{FEW} predictions with the event, or without it: numbers that would tell how many are not shown, or coarse"
_RANGE = (
    f"A net benefit is a range where one of the four groups behind it has {FEW} predictions: over all that the group "
    "may have."
)
_COARSE = f"Net benefit is coarse where one of the four groups behind it has {FEW} predictions."


def stacked(estimate: Estimate | None, decimals: int = DECIMALS, *, times: float = 1.0) -> str:
    """A number and its interval on the line below."""
    if estimate is None or estimate.value is None:
        return DASH
    low, high = (None if end is None else times * end for end in (estimate.low, estimate.high))
    bounds = interval(low, high, decimals)
    return fixed(times * estimate.value, decimals) + (f"\n{bounds}" if bounds else "")


def mean_risk(row: Measure | None) -> str:
    """A mean risk as the number of a column in per cent."""
    return DASH if row is None or row.value is None else per_cent(row.value)


def coarse_share(share: float | None, of: int) -> str:
    """A share that tells no count of 1 to 10, and no count that another would complete."""
    if share is None or not of:
        return DASH
    text = shown_share(share, of=of)
    if text[0].isdigit():
        text = shown_share(share, of=of, coarse=True)
    return WITHHELD if text == "some" else text.removesuffix(" %")


def results(metrics: Metrics, crowd: Crowd, *, threshold: float | None) -> TableView:
    """What each model gives out in the end: discrimination, overall accuracy, calibration, benefit."""
    models = model_order(metrics)
    columns = ["auroc", "auprc", "brier", "scaled_brier", "calibration_slope", "ici"]
    columns += ["net_benefit"] * (threshold is not None)
    columns = [metric for metric in columns if not (crowd.has_few and metric in TELL_THE_EVENTS)]
    cells = [[headline_of(metrics, model, metric) for metric in columns] for model in models]
    coarse = _coarse_models(metrics, models, threshold, crowd)
    headings = [metric_name(metric) for metric in columns]
    if threshold is not None:
        headings[-1] = f"Net benefit at {threshold_in_words(threshold)}"
    notes = ["Each number stands above its 95 % interval."]
    if metrics.best_baseline is not None:
        notes.append(f"★ the best baseline, {chosen_in_words(metrics)}.")
    explained = "; ".join(BASELINES[model] for model in models if model in BASELINES)
    notes += [f"{explained[0].upper()}{explained[1:]}."] if explained else []
    notes += [f"{_TOO_FEW}."] if crowd.has_few else []
    notes += [_hidden(crowd)] if coarse else []
    rows = [
        [
            name,
            *(
                _benefit(metrics, model, one, threshold, crowd)
                if metric == "net_benefit" and threshold is not None
                else stacked(one, decimals_of(metric, crowd))
                for metric, one in zip(columns, row, strict=True)
            ),
        ]
        for name, model, row in zip(starred(metrics, models), models, cells, strict=True)
    ]
    return TableView(
        caption=f'Risk of "{metrics.target[0]}" in held-out people, as each model gives it out',
        columns=[Column("Model"), *(Column(heading, "stacked") for heading in headings)],
        rows=rows,
        notes=[*notes, *reasons([one for row in cells for one in row])],
        strong=of_network(models),
    )


def _coarse_models(metrics: Metrics, models: Iterable[str], threshold: float | None, crowd: Crowd) -> set[str]:
    """The models whose net benefit, where there is one, is told in coarse steps."""
    return {
        model
        for model in models
        if threshold is not None
        and headline_of(metrics, model, "net_benefit").value is not None
        and tells_few(metrics, model, threshold, crowd)
    }


def _hidden(crowd: Crowd) -> str:
    return _COARSE if crowd.has_few else _RANGE


def _benefit(metrics: Metrics, model: str, one: Estimate, threshold: float, crowd: Crowd) -> str:
    value, bounds = shown_benefit(metrics, model, one, threshold, crowd, decimals=decimals_of("net_benefit", crowd))
    return f"{value}\n{bounds}" if bounds else value


def decimals_of(metric: str, crowd: Crowd) -> int:
    """Decimals of a number over all held-out people."""
    if crowd.has_few and metric in _OF_RANKS:
        return COARSE_DECIMALS
    return 4 if metric in _FOUR_DECIMALS else DECIMALS


def calibration(metrics: Metrics, crowd: Crowd) -> TableView:
    """Agreement of predicted and observed risk, before and after recalibration."""
    rows = block_of(metrics)
    lines = [
        (model, recalibrated)
        for model in model_order(metrics)
        for recalibrated in (False, True)
        if found_in(rows, model, "brier", recalibrated=recalibrated) is not None
    ]
    columns = ["calibration_in_the_large", "calibration_intercept", "calibration_slope", "ici", "brier"]
    columns = [metric for metric in columns if not (crowd.has_few and metric in TELL_THE_EVENTS)]
    both = any(recalibrated for _, recalibrated in lines)
    found = [
        [found_in(rows, model, metric, recalibrated=recalibrated) for metric in columns]
        for model, recalibrated in lines
    ]
    body = [
        [
            model_name(model) if not recalibrated else "",
            *(["after" if recalibrated else "before"] * both),
            mean_risk(found_in(rows, model, "predicted_risk", recalibrated=recalibrated)),
            *(stacked(one, decimals_of(metric, crowd)) for metric, one in zip(columns, row, strict=True)),
        ]
        for (model, recalibrated), row in zip(lines, found, strict=True)
    ]
    observed = next((row for row in rows if row.metric == "observed_risk"), None)
    told = observed is not None and observed.value is not None
    notes = [f"Observed: {_observed(observed, crowd)} had the event."] if told and observed else []
    notes.append("Perfectly calibrated: in the large 0, intercept 0, slope 1, ICI 0.")
    notes.append("A slope below 1 says that risks are too extreme, above 1 that they are too timid.")
    return TableView(
        caption="Calibration in held-out people",
        columns=[Column("Model"), *[Column("Recalibration")] * both, Column("Mean predicted risk (%)", "number"),
                 *(Column(metric_name(metric), "stacked") for metric in columns)],
        rows=body,
        notes=[*notes, *reasons([one for row in found for one in row if one is not None])],
        strong=of_network(model for model, _ in lines),
    )  # fmt: skip


def _observed(row: Measure, crowd: Crowd) -> str:
    if crowd.has_few or row.value is None:
        return unbroken(shown_share(row.value, of=crowd.predictions, coarse=True))
    return unbroken(shown_share(row.value, of=crowd.predictions))


def comparisons(metrics: Metrics, crowd: Crowd, *, threshold: float | None) -> TableView | None:
    """Paired differences on the same people; None where nothing is compared."""
    pairs = list(dict.fromkeys((row.model, row.against) for row in metrics.comparisons))
    if not pairs:
        return None
    columns = ["auroc", "auprc", "brier", *["net_benefit"] * (threshold is not None)]
    headings = [metric_name(metric) for metric in columns]
    if threshold is not None:
        headings[-1] += f" at {threshold_in_words(threshold)}"
    found = [[difference_between(metrics, *pair, metric) for metric in columns] for pair in pairs]
    models = {model for pair in pairs for model in pair}
    coarse = _coarse_models(metrics, models, threshold, crowd)
    return TableView(
        caption="Paired differences on the same held-out people",
        columns=[Column("Difference"), *(Column(heading, "stacked") for heading in headings)],
        rows=[
            [
                f"{model_name(model)} {MINUS} {model_name(against).lower()}",
                *(
                    _gap(metrics, one, threshold, crowd)
                    if metric == "net_benefit" and threshold is not None and coarse & {model, against}
                    else _difference(one, metric, crowd)
                    for metric, one in zip(columns, row, strict=True)
                ),
            ]
            for (model, against), row in zip(pairs, found, strict=True)
        ],
        notes=[
            "Above zero the first model is better; for the Brier score, below zero.",
            *[_hidden(crowd)] * bool(coarse),
            *reasons(Estimate(reason=one.reason) for row in found for one in row if one is not None),
        ],
    )


def _difference(pair: Comparison | None, metric: str, crowd: Crowd) -> str:
    if pair is None or pair.difference is None:
        return DASH
    decimals = decimals_of_difference(pair, metric, crowd)
    bounds = interval(pair.low, pair.high, decimals)
    lines = [signed(pair.difference, decimals), bounds, OUTCOMES.get(pair.outcome or "", "") if bounds else ""]
    return "\n".join(line for line in lines if line)


def decimals_of_difference(pair: Comparison, metric: str, crowd: Crowd) -> int:
    """Decimals of a difference; more where it is decided and would read as 0, unless they would tell few."""
    decimals = decimals_of(metric, crowd)
    return decimals if decimals == COARSE_DECIMALS else decimals_that_tell([pair], decimals)


def _gap(metrics: Metrics, pair: Comparison | None, threshold: float, crowd: Crowd) -> str:
    """A difference of net benefits as the range that theirs leave open, and its outcome."""
    if pair is None or pair.difference is None:
        return DASH
    rows = block_of(metrics)
    told = [told_at(rows, model, [threshold], crowd).get(threshold) for model in (pair.model, pair.against)]
    ends = [one.benefit(threshold) for one in told if one is not None]
    value = WITHHELD
    if len(ends) == 2 and not crowd.has_few:
        (low, high), (least, most) = ends
        value = " to ".join(signed(end, DECIMALS) for end in (low - most, high - least))
    return value if pair.low is None or pair.outcome is None else f"{value}\n{OUTCOMES[pair.outcome]}"
