"""Words for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" with the nearest known word, or "" where none is near.

    Example:
        >>> nearest("colums", ["columns", "path"])
        " Did you mean 'columns'?"
    """
    close = closest(word, known)
    return "" if close is None else f" Did you mean '{close}'?"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is written most like this one, whatever its capitals; None where none is near.

    Example:
        >>> closest("sbp", ["DBP", "SBP"])
        'SBP'
    """
    folded = {other.casefold(): other for other in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word.casefold(), sorted(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None
