"""The network's risk at each prediction time, and in each subgroup, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from sequela.report.formats import Measure, Metrics, Subgroup
from sequela.report.privacy import WITHHELD, is_exact, shown_and_known, shown_cases, shown_parts
from sequela.report.results import block_of, found_in
from sequela.report.risk_groups import Crowd
from sequela.report.risk_tables import coarse_share, mean_risk, stacked
from sequela.report.tables import Column, TableView, reasons
from sequela.report.words import DASH, per_cent

_BLOCK = [Column("AUROC", "stacked"), Column("AUPRC", "stacked"), Column("Calibration slope", "stacked"),
          Column("Predicted risk (%)", "number"), Column("Observed (%)", "number")]  # fmt: skip


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
        shown_and_known(_events(rows), events) if nested and is_exact(one) else one
        for rows, one in zip(blocks, shown, strict=True)
    ]
    if sum(map(is_exact, shown)) == len(shown) - 1:  # the table of the split tells how many they are in all
        shown = [WITHHELD] * len(shown)
    counts = [(shown_and_known(_people(rows), people), one) for rows, one in zip(blocks, shown, strict=True)]
    return _blocks("By prediction time", [Column("At")], [[at] for at in times], blocks, counts)


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
        cells.append(mean_risk(found_in(rows, "network", "predicted_risk")))
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
        return coarse_share(row.value, row.people or 0)
    return per_cent(row.value)
