"""What the study itself says of values, and nothing has learned: formulas, usual ranges, points of scores, amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sequela.report.tables import Column, TableView
from sequela.report.words import duration, listed, plain

_OF = {"extremes": "lowest and highest", "sum": "sum"}


def declared_tables(prepare: Mapping[str, Any]) -> list[TableView]:
    """The tables of what a resolved study says under `[prepare.derived]` and `[prepare.clinical]`."""
    clinical = prepare.get("clinical") or {}
    tables = [
        _derived(prepare.get("derived") or {}),
        _ranges(clinical.get("reference") or {}),
        *(_score(name, score) for name, score in (clinical.get("scores") or {}).items()),
    ]
    return [table for table in tables if table.rows]


def declared_in_words(study: Mapping[str, Any]) -> str | None:
    """Which models of a resolved study are given columns of `[prepare.clinical]`; None where it asks for none."""
    clinical = study.get("prepare", {}).get("clinical") or {}
    amounts = [str(text) for text in clinical.get("amounts") or []]
    told = [
        *["how long values lay outside their usual ranges"] * bool(clinical.get("reference")),
        *["points of scores"] * bool(clinical.get("scores")),
        *[f"amounts an hour of {listed(amounts)}"] * bool(amounts),
    ]
    if not told:
        return None
    model = study.get("model", {})
    whom = [
        *["the baselines"] * (study.get("evaluate", {}).get("baselines") != []),
        *["the hybrid"] * bool(model.get("hybrid")),
        *["the network's part on statistics"] * bool(model.get("wide")),
    ]
    return (
        f"Beside the records {listed(whom or ['no model'])} can see what the study declares below and nothing has "
        f"learned: {listed(told)}."
    )


def _derived(formulas: Mapping[str, str]) -> TableView:
    either = any("|" in formula for formula in formulas.values())
    return TableView(
        caption="Variables made of others",
        columns=[Column("Variable"), Column("Made as")],
        rows=[[code, formula] for code, formula in formulas.items()],
        notes=["A bar stands between two of which whichever was measured counts."] * either,
    )


def _ranges(reference: Mapping[str, Sequence[float | str]]) -> TableView:
    return TableView(
        caption="Usual ranges, as the study declares them",
        columns=[Column("Variable"), Column("Usual", "number")],
        rows=[[code, _range(low, high)] for code, (low, high) in reference.items()],
    )


def _range(low: float | str, high: float | str) -> str:
    if isinstance(low, str):
        return f"at most {high if isinstance(high, str) else plain(high)}"
    return f"at least {plain(low)}" if isinstance(high, str) else f"{plain(low)} to {plain(high)}"


def _score(name: str, score: Mapping[str, Any]) -> TableView:
    window = duration(str(score.get("window", "24h")))
    return TableView(
        caption=f"Points of the score {name}",
        columns=[Column("Variable"), Column("Of its values"), Column("Points")],
        rows=[
            [code, _OF.get(part.get("of", "extremes"), str(part.get("of"))), _points(part)]
            for code, part in score.get("parts", {}).items()
        ],
        notes=[f"In the last {window}, and in as long before. Of several lines the most points count."],
    )


def _points(part: Mapping[str, Any]) -> str:
    lines = [(f"below {plain(limit)}", points) for limit, points in part.get("below") or []]
    lines += [(f"{plain(limit)} or more", points) for limit, points in part.get("at_least") or []]
    return "; ".join(f"{where}: {plain(points)}" for where, points in lines)
