"""How evidence tells of people without telling of few."""

from __future__ import annotations

FEW = 10  # counts of 1 to 10 people are not told


def people(count: int) -> str:
    """Return "1,204 people", or "fewer than 11 people".

    Example:
        >>> people(1204), people(3)
        ('1,204 people', 'fewer than 11 people')
    """
    return "fewer than 11 people" if 0 < count <= FEW else f"{count:,} people"


def share(part: int, whole: int) -> str:
    """Return a share of people in words from which no small count can be worked out.

    Example:
        >>> share(50, 100), share(97, 100), share(2, 100), share(100, 100), share(2988, 3000)
        ('50 %', 'all but fewer than 11', 'fewer than 11', 'all', 'over 99 %')
    """
    if part == whole:
        return "all"
    if 0 < whole - part <= FEW:
        return "all but fewer than 11"
    if 0 < part <= FEW:
        return "fewer than 11"
    if not part:
        return "none"
    text = f"{100 * part / whole:.0f} %"
    return {"0 %": "under 1 %", "100 %": "over 99 %"}.get(text, text)


def capital(words: str) -> str:
    """Return words as a sentence begins with them.

    Example:
        >>> capital(people(3)), capital(people(1204))
        ('Fewer than 11 people', '1,204 people')
    """
    return words[:1].upper() + words[1:]
