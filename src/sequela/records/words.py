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
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
