"""Columns of categories in which one word is written in several ways."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence

from sequela.audit.finding import Finding
from sequela.audit.series import Series
from sequela.cohort.facts import Facts

_MOST_LEVELS = 100  # of more levels a column is free text


def spellings(series: Sequence[Series], facts: Facts, table_of: Mapping[str, str]) -> list[Finding]:
    """Return columns with levels that differ from each other in upper and lower case, or in spaces, only."""
    return [
        Finding(
            finding="several_spellings",
            severity="note",
            table=table_of.get(name),
            column=name,
            evidence=f"Of its {len(levels)} levels {more} differ from another one in upper and lower case, or in "
            "spaces, only. Each is a level of its own, in the model and in subgroups.",
            remedy="Write levels that mean the same in one way.",
        )
        for name, levels in _levels(series, facts)
        if len(levels) <= _MOST_LEVELS and (more := len(levels) - len({_folded(level) for level in levels}))
    ]


def _levels(series: Sequence[Series], facts: Facts) -> Iterator[tuple[str, Collection[str]]]:
    for name, texts in facts.categories.items():
        yield name, {text for text in texts if text is not None}
    for one in series:
        yield one.code, one.levels


def _folded(level: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", level).casefold().split())
