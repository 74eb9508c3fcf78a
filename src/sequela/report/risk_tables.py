"""Tables of a risk: discrimination, calibration, comparisons, thresholds, prediction times and subgroups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sequela.evaluate.measures import OWN_MODELS
from sequela.report.formats import Comparison, Estimate, Measure, Metrics, Subgroup
from sequela.report.performance import TELL_THE_EVENTS
from sequela.report.privacy import (
    FEW,
    WITHHELD,
    is_exact,
    shown_cases,
    shown_count,
    shown_parts,
    shown_share,
)
from sequela.report.results import block_of, chosen_in_words, difference_between, found_in, headline_of, model_order
from sequela.report.risk_groups import (
    Crowd,
    Groups,
    Told,
    benefit_range,
    coarse_benefit,
    groups_at,
    shown_benefit,
    spread,
    tells_few,
    told_at,
)
from sequela.report.tables import Column, TableView, reasons
from sequela.report.words import (
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
BASELINES = {
    "logistic": "logistic regression is fitted on window statistics of the same records",
    "gradient_boosting": "gradient boosting (LightGBM) sees the same window statistics",
    "hybrid": "the hybrid is gradient boosting that sees the network's output beside the window statistics",
}
OUTCOMES = {"better": "better", "no_difference": "no clear difference", "worse": "worse"}
_FOUR_DECIMALS = ("brier", "net_benefit")
_TOO_FEW = f"{FEW} predictions with the event, or without it: numbers that would tell how many are not shown"
_RANGE = (
    f"A net benefit is a range where one of the four groups behind it has {FEW} predictions: over all that the group "
    "may have."
)
_COARSE = f"Net benefit is coarse where one of the four groups behind it has {FEW} predictions."
_BLOCK = [Column("AUROC", "stacked"), Column("AUPRC", "stacked"), Column("Calibration slope", "stacked"),
          Column("Predicted risk (%)", "number"), Column("Observed (%)", "number")]  # fmt: skip


def names_of(metrics: Metrics, models: Sequence[str]) -> list[str]:
    """The models as rows name them; the best baseline bears a star."""
    return [model_name(model) + (" ★" if model == metrics.best_baseline else "") for model in models]


def stacked(estimate: Estimate | None, decimals: int = DECIMALS, *, times: float = 1.0) -> str:
    """A number and its interval on the line below."""
    if estimate is None or estimate.value is None:
        return DASH
    low, high = (None if end is None else times * end for end in (estimate.low, estimate.high))
    bounds = interval(low, high, decimals)
    return fixed(times * estimate.value, decimals) + (f"\n{bounds}" if bounds else "")


def _strong(models: Sequence[str]) -> frozenset[int]:
    return frozenset(place for place, model in enumerate(models) if model == "network")


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
                else stacked(one, _decimals(metric))
                for metric, one in zip(columns, row, strict=True)
            ),
        ]
        for name, model, row in zip(names_of(metrics, models), models, cells, strict=True)
    ]
    return TableView(
        caption=f'Risk of "{metrics.target[0]}" in held-out people, as each model gives it out',
        columns=[Column("Model"), *(Column(heading, "stacked") for heading in headings)],
        rows=rows,
        notes=[*notes, *reasons([one for row in cells for one in row])],
        strong=_strong(models),
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
    value, bounds = shown_benefit(metrics, model, one, threshold, crowd, decimals=_decimals("net_benefit"))
    return f"{value}\n{bounds}" if bounds else value


def _decimals(metric: str) -> int:
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
            _mean_risk(found_in(rows, model, "predicted_risk", recalibrated=recalibrated)),
            *(stacked(one, _decimals(metric)) for metric, one in zip(columns, row, strict=True)),
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
        strong=frozenset(place for place, (model, _) in enumerate(lines) if model == "network"),
    )  # fmt: skip


def _mean_risk(row: Measure | None) -> str:
    return DASH if row is None or row.value is None else per_cent(row.value)


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
                    else _difference(one, _decimals(metric))
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


def _difference(pair: Comparison | None, decimals: int) -> str:
    if pair is None or pair.difference is None:
        return DASH
    decimals = decimals_that_tell([pair], decimals)
    bounds = interval(pair.low, pair.high, decimals)
    lines = [signed(pair.difference, decimals), bounds, OUTCOMES.get(pair.outcome or "", "") if bounds else ""]
    return "\n".join(line for line in lines if line)


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


def thresholds(metrics: Metrics, crowd: Crowd, *, at: Sequence[float]) -> TableView | None:
    """What would follow from acting at each threshold: own models, the best baseline, and treating all."""
    rows = block_of(metrics)
    models = [model for model in (*OWN_MODELS, metrics.best_baseline) if model in metrics.models]
    if not at or crowd.has_few:
        return None
    body: list[list[str]] = []
    strong = set()
    told = {model: told_at(rows, str(model), at, crowd) for model in models}
    for threshold in at:
        for place, model in enumerate(models):
            if model == "network":
                strong.add(len(body))
            body.append([threshold_in_words(threshold) if not place else "", model_name(str(model)),
                         *_acting(rows, str(model), threshold, crowd, told[model].get(threshold))])  # fmt: skip
        everybody = found_in(rows, "treat_all", "net_benefit", threshold=threshold)
        if everybody is not None:
            body.append(["", model_name("treat_all"), "100", "100", "0", DASH, DASH, stacked(everybody, 4)])
    notes = [
        "Alerts: of 100 predictions, those with a risk at or above the threshold.",
        "PPV: share of alerts that were followed by the event. NPV: share without an alert who stayed free of it.",
        "Net benefit: true alerts for each prediction, less false alerts weighted by the odds of the threshold.",
        "Treating nobody has the net benefit 0.",
    ]
    hidden = [one for each in told.values() for one in each.values() if one is None or not one.is_exact]
    if any(one is not None for one in hidden):
        notes.append(
            f"A range stands where one of the four groups behind a number has {FEW} predictions: from the least to "
            "the most that it may be."
        )
    if None in hidden:
        notes.append(f"Shares are coarse where {FEW} predictions lie between two thresholds.")
    return TableView(
        caption="If one acted at these risks (%, as given out)",
        columns=[Column("Threshold"), Column("Model"), *(Column(heading, "stacked") for heading in (
            "Alerts of 100", "Sensitivity", "Specificity", "PPV", "NPV", "Net benefit"))],
        rows=body,
        notes=notes,
        strong=frozenset(strong),
    )  # fmt: skip


def _acting(rows: Sequence[Measure], model: str, threshold: float, crowd: Crowd, told: Told | None) -> list[str]:
    """Alerts, sensitivity, specificity, predictive values and net benefit, as they may be told."""
    found = {
        metric: found_in(rows, model, metric, threshold=threshold)
        for metric in ("alerts_per_100", "sensitivity", "specificity", "ppv", "npv")
    }
    benefit = found_in(rows, model, "net_benefit", threshold=threshold)
    groups = groups_at(rows, model, threshold, crowd)
    if groups is None:
        return [*[DASH] * 5, stacked(benefit, 4)]
    if told is None:
        return _coarsely(groups, found, benefit)
    scales = {"alerts_per_100": 1.0}
    exact = [stacked(one, 1, times=scales.get(metric, 100.0)) for metric, one in found.items()]
    if told.is_exact:
        return [*exact, stacked(benefit, 4)]
    shares = told.shares()
    cells = [
        DASH if found[metric] is None else text if low == high else spread((100 * low, 100 * high), 1)
        for (metric, (low, high)), text in zip(shares.items(), exact, strict=True)
    ]
    return [*cells, "\n".join(filter(None, benefit_range(told, benefit, threshold)))]


def _coarsely(groups: Groups, found: Mapping[str, Measure | None], benefit: Measure | None) -> list[str]:
    """The same where few predictions lie between this threshold and another."""
    events, free = groups.true_alerts + groups.missed, groups.false_alerts + groups.quiet
    bases = {
        "alerts_per_100": events + free,
        "sensitivity": events,
        "specificity": free,
        "ppv": groups.alerts,
        "npv": events + free - groups.alerts,
    }
    shares = {metric: None if one is None else one.value for metric, one in found.items()}
    shares["alerts_per_100"] = groups.alerts / (events + free)
    return [*(_coarse(shares[metric], of) for metric, of in bases.items()), coarse_benefit(benefit, events + free)]


def _coarse(share: float | None, of: int) -> str:
    """A share that tells no count of 1 to 10, and no count that another would complete."""
    if share is None or not of:
        return DASH
    text = shown_share(share, of=of)
    if text[0].isdigit():
        text = shown_share(share, of=of, coarse=True)
    return WITHHELD if text == "some" else text.removesuffix(" %")


def by_time(metrics: Metrics, crowd: Crowd) -> TableView | None:
    """The network at each prediction time; None where there are not several."""
    times = list(dict.fromkeys(row.at for row in metrics.measures if isinstance(row.at, str)))
    if len(times) < 2:
        return None
    blocks = [block_of(metrics, at=at) for at in times]
    people, events = [crowd.people], [crowd.events or 0]
    # With a horizon every time has events of its own; without, later ones are a part of earlier ones.
    nested = all(row.horizon_hours is None for rows in blocks for row in rows)
    shown = shown_cases([_events(rows) for rows in blocks], [_predictions(rows) for rows in blocks])
    shown = [
        _known(_events(rows), events) if nested and is_exact(one) else one
        for rows, one in zip(blocks, shown, strict=True)
    ]
    if sum(map(is_exact, shown)) == len(shown) - 1:  # the table of the split tells how many they are in all
        shown = [WITHHELD] * len(shown)
    counts = [(_known(_people(rows), people), one) for rows, one in zip(blocks, shown, strict=True)]
    return _blocks("By prediction time", [Column("At")], [[at] for at in times], blocks, counts)


def _known(count: int, known: list[int]) -> str:
    text = shown_count(count, beside=known)
    if text == f"{count:,}" and count > 0 and count not in known:
        known.append(count)
    return text


def by_subgroup(metrics: Metrics, crowd: Crowd) -> TableView | None:
    """The network in each level of each subgroup; None where the study names none."""
    found = subgroups(metrics)
    if not found:
        return None
    counts: list[tuple[str, str]] = []
    for name in dict.fromkeys(one.name for one in found):
        blocks = [block_of(metrics, subgroup=one) for one in found if one.name == name]
        people = shown_parts([_people(rows) for rows in blocks], of=crowd.people, beside=[crowd.people])
        whole = [_predictions(rows) for rows in blocks]
        events = shown_cases([_events(rows) for rows in blocks], whole, of=crowd.events)
        counts += zip(people, events, strict=True)
    named = [[one.name if not place or found[place - 1].name != one.name else "", one.level]
             for place, one in enumerate(found)]  # fmt: skip
    blocks = [block_of(metrics, subgroup=one) for one in found]
    return _blocks("By subgroup", [Column("Subgroup"), Column("Level")], named, blocks, counts)


def subgroups(metrics: Metrics) -> list[Subgroup]:
    """The levels that were measured, in their order."""
    return list(dict.fromkeys(row.subgroup for row in metrics.measures if row.subgroup is not None))


def _people(rows: Sequence[Measure]) -> int:
    return max((row.people or 0 for row in rows), default=0)


def _events(rows: Sequence[Measure]) -> int:
    return max((row.events or 0 for row in rows), default=0)


def _predictions(rows: Sequence[Measure]) -> int:
    """The predictions of a block, as a reader can work them out: from the observed share, or one for each person."""
    observed = found_in(rows, "network", "observed_risk")
    return round(_events(rows) / observed.value) if observed is not None and observed.value else _people(rows)


def _blocks(
    caption: str,
    heads: Sequence[Column],
    names: Sequence[Sequence[str]],
    blocks: Sequence[Sequence[Measure]],
    counts: Sequence[tuple[str, str]],
) -> TableView:
    """The network's numbers, a row for each block; few people are said to be too few to say."""
    body, missing = [], []
    for name, rows, (people, events) in zip(names, blocks, counts, strict=True):
        shown = [found_in(rows, "network", metric) for metric in ("auroc", "auprc", "calibration_slope")]
        exact = is_exact(people) and is_exact(events)
        cells = [_or_too_few(one) for one in shown]
        cells.append(_mean_risk(found_in(rows, "network", "predicted_risk")))
        cells.append(_share_of(found_in(rows, "network", "observed_risk"), exact=exact))
        body.append([*name, people, events, *cells])
        missing += [one for one in shown if one is not None]
    return TableView(
        caption=f"{caption}: the network's risk as given out",
        columns=[*heads, Column("People", "number"), Column("With the event", "number"), *_BLOCK],
        rows=body,
        notes=["With the event: predictions that were followed by it.", *reasons(missing)],
    )


def _or_too_few(one: Measure | None) -> str:
    if one is None or one.value is None:
        reason = "" if one is None else one.reason or ""
        return "too few to say" if reason.startswith("too few to say") else DASH
    return stacked(one)


def _share_of(row: Measure | None, *, exact: bool) -> str:
    if row is None or row.value is None:
        return DASH
    if not exact:
        return _coarse(row.value, row.people or 0)
    return per_cent(row.value)
