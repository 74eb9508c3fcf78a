"""The network's risk at each prediction time, and in each subgroup, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sequela.report.formats import Measure, Metrics, Subgroup
from sequela.report.privacy import (
    SMALLEST,
    WITHHELD,
    is_exact,
    rounded,
    shown_and_known,
    shown_cases,
    shown_parts,
)
from sequela.report.results import block_of, found_in
from sequela.report.risk_groups import Crowd
from sequela.report.risk_tables import DECIMALS, coarse_share, mean_risk, stacked
from sequela.report.tables import Column, TableView, reasons
from sequela.report.words import COARSE_DECIMALS, DASH, per_cent

_BLOCK = [Column("AUROC", "stacked"), Column("AUPRC", "stacked"), Column("Calibration slope", "stacked"),
          Column("Predicted risk (%)", "number"), Column("Observed (%)", "number")]  # fmt: skip


@dataclass(frozen=True)
class Block:
    """The numbers of one prediction time or one level of a subgroup, and its counts as they may be told."""

    name: tuple[str, ...]
    rows: Sequence[Measure]
    people: str
    events: str

    @property
    def is_exact(self) -> bool:
        """True where both counts are told as they are."""
        return is_exact(self.people) and is_exact(self.events)

    @property
    def decimals(self) -> int:
        """Decimals of what ranks people."""
        return DECIMALS if self.is_exact else COARSE_DECIMALS

    @property
    def is_withheld(self) -> bool:
        """True where even two decimals of several models would tell how many had the event."""
        return not self.is_exact and _people(self.rows) < 2 * SMALLEST


def times(metrics: Metrics, crowd: Crowd) -> list[Block]:
    """The prediction times that were measured, in their order."""
    found = list(dict.fromkeys(row.at for row in metrics.measures if isinstance(row.at, str)))
    blocks = [block_of(metrics, at=at) for at in found]
    # With a horizon every time has events of its own; without, later ones are a part of earlier ones.
    nested = all(row.horizon_hours is None for rows in blocks for row in rows)
    known = [crowd.events or 0]
    events = [
        shown_and_known(_events(rows), known) if nested and is_exact(shown) else shown
        for rows, shown in zip(
            blocks,
            shown_cases([_events(rows) for rows in blocks], [_predictions(rows) for rows in blocks]),
            strict=True,
        )
    ]
    known = [crowd.people]
    people = [shown_and_known(_people(rows), known) for rows in blocks]
    # The table of the split tells the sum of both over all times.
    if not all(map(is_exact, events)):
        events = [WITHHELD] * len(events)
    if not all(map(is_exact, people)):
        people = [rounded(_people(rows)) for rows in blocks]
    return [Block((at,), *each) for at, each in zip(found, zip(blocks, people, events, strict=True), strict=True)]


def subgroups(metrics: Metrics, crowd: Crowd) -> list[Block]:
    """The levels of the subgroups that were measured, in their order."""
    named: dict[str, list[Subgroup]] = {}
    for one in dict.fromkeys(row.subgroup for row in metrics.measures if row.subgroup is not None):
        named.setdefault(one.name, []).append(one)
    found = []
    for name, levels in named.items():
        blocks = [block_of(metrics, subgroup=one) for one in levels]
        people = shown_parts([_people(rows) for rows in blocks], of=crowd.people, beside=[crowd.people])
        whole = [_predictions(rows) for rows in blocks]
        events = shown_cases([_events(rows) for rows in blocks], whole, of=crowd.events)
        counted = zip(blocks, people, events, strict=True)
        found += [Block((name, one.level), *each) for one, each in zip(levels, counted, strict=True)]
    return found


def by_time(metrics: Metrics, crowd: Crowd) -> TableView | None:
    """The network at each prediction time; None where there are not several."""
    found = times(metrics, crowd)
    return _table("By prediction time", [Column("At")], found) if len(found) > 1 else None


def by_subgroup(metrics: Metrics, crowd: Crowd) -> TableView | None:
    """The network in each level of each subgroup; None where the study names none."""
    found = subgroups(metrics, crowd)
    return _table("By subgroup", [Column("Subgroup"), Column("Level")], found) if found else None


def _people(rows: Sequence[Measure]) -> int:
    return max((row.people or 0 for row in rows), default=0)


def _events(rows: Sequence[Measure]) -> int:
    return max((row.events or 0 for row in rows), default=0)


def _predictions(rows: Sequence[Measure]) -> int:
    """The predictions of a block, as a reader can work them out: from the observed share, or one for each person."""
    observed = found_in(rows, "network", "observed_risk")
    return round(_events(rows) / observed.value) if observed is not None and observed.value else _people(rows)


def _table(caption: str, heads: Sequence[Column], blocks: Sequence[Block]) -> TableView:
    """The network's numbers, a row for each block; few people are said to be too few to say."""
    body, missing, above = [], [], ""
    for one in blocks:
        shown = [found_in(one.rows, "network", metric) for metric in ("auroc", "auprc", "calibration_slope")]
        ranks = [WITHHELD if one.is_withheld and _is_told(each) else _or_too_few(each, one.decimals)
                 for each in shown[:2]]  # fmt: skip
        cells = [*ranks, _or_too_few(shown[2]), mean_risk(found_in(one.rows, "network", "predicted_risk"))]
        first = "" if one.name[0] == above else one.name[0]
        body.append([first, *one.name[1:], one.people, one.events, *cells, _observed(one)])
        missing += [each for each in shown if each is not None]
        above = one.name[0]
    notes = ["With the event: predictions that were followed by it."]
    if not all(one.is_exact for one in blocks):
        notes.append("Where 1 to 10 could be worked out, numbers are coarse or not shown.")
    return TableView(
        caption=f"{caption}: the network's risk as given out",
        columns=[*heads, Column("People", "number"), Column("With the event", "number"), *_BLOCK],
        rows=body,
        notes=[*notes, *reasons(missing)],
    )


def _is_told(one: Measure | None) -> bool:
    return one is not None and one.value is not None


def _or_too_few(one: Measure | None, decimals: int = DECIMALS) -> str:
    if one is None or one.value is None:
        reason = "" if one is None else one.reason or ""
        return "too few to say" if reason.startswith("too few to say") else DASH
    return stacked(one, decimals)


def _observed(one: Block) -> str:
    row = found_in(one.rows, "network", "observed_risk")
    if row is None or row.value is None:
        return DASH
    return per_cent(row.value) if one.is_exact else coarse_share(row.value, row.people or 0)
