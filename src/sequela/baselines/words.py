"""What predictions see of codes that come as events: how often each came, and its last amount."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.seen import CellsByVariable, Spans
from sequela.prepare.state import PreparedState, WordState
from sequela.prepare.words import OTHER_LEVEL

MOST_WORDS = 256
_NO_AMOUNT = 1.0


def seen_word(cells: CellsByVariable, state: PreparedState, word: WordState) -> Spans:
    """Return when each prediction saw a code, or a category of a code of many."""
    seen = cells.seen(word.code, word.level is not None, valued=False)
    if word.level is None:
        return seen
    named = {other.level for other in state.words if other.code == word.code} - {OTHER_LEVEL}
    is_other = [code == word.code and level not in named for code, level in cells.timeline.levels]
    is_it = [(code, level) == (word.code, word.level) for code, level in cells.timeline.levels]
    return seen.where(np.array(is_other if word.level == OTHER_LEVEL else is_it, dtype=bool)[seen.level])


def has_amounts(word: WordState) -> bool:
    """Return whether enough training people have numbers of a word: then its amounts have a unit of their own."""
    return word.level is None and word.unit_amount != _NO_AMOUNT


def last_number(seen: Spans) -> NDArray[np.float64]:
    """Return the last number of each span [R], NaN where it is empty."""
    found = np.full(len(seen.first), np.nan)
    some = seen.count > 0
    found[some] = seen.number[seen.stop[some] - 1]
    return found
