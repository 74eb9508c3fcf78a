"""What may be shown of how many people: no count of 1 to 10, neither written nor left to subtraction.

Counts of rows and predictions follow the same rule, for ten rows cannot come from more than ten people. The exact
numbers stay in the run's `profile.json`, which is patient data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SMALLEST = 11
FEW = f"<{SMALLEST}"
WITHHELD = "not shown"
UNKNOWN = "–"

_NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten"
_FEW_PEOPLE = re.compile(
    rf"(?<![\d.,])(?<!than )\b(?:[1-9]|10|{_NUMBERS})((?: [a-z][a-z-]*){{0,2}}) "
    r"(people|persons?|patients?|subjects?|individuals?)\b",
    re.IGNORECASE,
)


def is_few(count: float) -> bool:
    """True for 1 to 10."""
    return 0 < count < SMALLEST


def shown_count(count: int | None, *, beside: Iterable[int] = ()) -> str:
    """A count as it may be shown.

    Args:
        count: people, rows or predictions.
        beside: totals that the page shows exactly, so none of 1 to 10; where the difference to one of them is 1 to 10,
            the count is written relative to it.

    Example:
        >>> shown_count(1234), shown_count(7), shown_count(98, beside=[100]), shown_count(0, beside=[2])
        ('1,234', '<11', 'all but <11 of 100', '0')
    """
    if count is None:
        return UNKNOWN
    if is_few(count):
        return FEW
    for total in beside:
        if is_few(total):
            continue
        if is_few(total - count):
            return f"all but {FEW} of {total:,}"
        if is_few(count - total):
            return f"{total:,} and {FEW} more"
    return f"{count:,}"


def shown_and_known(count: int, known: list[int]) -> str:
    """A count as it may be shown beside the totals that a reader knows; it joins them where it is shown as it is.

    Example:
        >>> known = [100]
        >>> shown_and_known(98, known), shown_and_known(60, known), shown_and_known(58, known)
        ('all but <11 of 100', '60', 'all but <11 of 60')
    """
    text = shown_count(count, beside=known)
    if is_exact(text) and count > 0 and count not in known:
        known.append(count)
    return text


def rounded(count: int) -> str:
    """A count of which no few can be taken away: to three digits, and to fifties at least.

    Example:
        >>> rounded(78_245), rounded(1_234), rounded(28), rounded(0)
        ('about 78,200', 'about 1,250', 'under 75', '0')
    """
    step = max(50, 10 ** (len(str(count)) - 3))
    near = (count + step // 2) // step * step
    return "0" if not count else f"about {near:,}" if near > step else f"under {3 * step // 2:,}"


def shown_parts(counts: Sequence[int], *, of: int | None = None, beside: Iterable[int] = ()) -> list[str]:
    """Counts of groups that may add up to a known total.

    A single masked one makes the smallest other a range; so do several that are few together, or as few or many as
    they can be, for the total less the others would tell them.

    Args:
        counts: one a group.
        of: the total that a reader knows; None where the groups overlap or the total is not known.
        beside: as in `shown_count`.

    Example:
        >>> shown_parts([300, 40, 5], of=345)
        ['300', '35 to 44', '<11']
        >>> shown_parts([300, 40, 1, 1], of=342)
        ['300', '22 to 40', '<11', '<11']
    """
    totals = tuple(beside)
    shown = [shown_count(count, beside=totals) for count in counts]
    masked = [place for place, count in enumerate(counts) if is_few(count)]
    others = [place for place, count in enumerate(counts) if count >= SMALLEST]
    together, fewest, most = sum(counts[place] for place in masked), len(masked), (SMALLEST - 1) * len(masked)
    telling = fewest == 1 or is_few(together) or together in (fewest, most)
    if masked and telling and of is not None and sum(counts) == of:
        least = min(others, key=lambda place: counts[place], default=masked[0])
        together += counts[least] if others else 0
        if others and together >= most + SMALLEST + 1:
            shown[least] = f"{together - most:,} to {together - fewest:,}"
        elif others or together == most:  # the smallest of them would be nearly told
            for place in {least, *masked}:
                shown[place] = WITHHELD
    return shown


def shown_cases(cases: Sequence[int], whole: Sequence[int], *, of: int | None = None) -> list[str]:
    """Counts of cases in groups whose sizes a reader knows; withheld where few of a group are none.

    Args:
        cases: in each group.
        whole: the size of each group.
        of: the cases in all, as in `shown_parts`.

    Example:
        >>> shown_cases([300, 40, 35], [600, 48, 70], of=375)
        ['300', 'not shown', 'not shown']
    """
    others = [size - count for size, count in zip(whole, cases, strict=True)]
    known = of is not None and sum(cases) == of
    shown, shown_others = (
        shown_parts(counts, of=sum(counts) if known else None, beside=[sum(counts)] if known else [])
        for counts in (cases, others)
    )
    return [
        WITHHELD if is_exact(text) and not is_exact(other) else text
        for text, other in zip(shown, shown_others, strict=True)
    ]


def as_count(text: str) -> str:
    """A count as a narrow column may break it: before a masked one only.

    Example:
        >>> as_count("259 and <11 more")
        '259\\xa0and <11\\xa0more'
    """
    return f" {FEW}".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in text.split(f" {FEW}"))


def is_exact(text: str) -> bool:
    """True where a count is shown as it is."""
    return text.replace(",", "").isdigit()


def shown_share(share: float | None, *, of: int, coarse: bool = False) -> str:
    """A share in per cent, coarse where it would give away a count of 1 to 10.

    Args:
        share: 0 to 1.
        of: the number that it is a share of.
        coarse: true where the count behind it must not be found from it: it is rounded to steps of 22 or more.

    Example:
        >>> shown_share(0.123, of=1000), shown_share(0.003, of=1000), shown_share(0.123, of=1000, coarse=True)
        ('12.3 %', 'under 1.1 %', 'about 10 %')
        >>> shown_share(1.0, of=2)
        'not shown'
    """
    if share is None:
        return UNKNOWN
    if is_few(of):
        return WITHHELD
    if coarse:
        steps = [step for step in (0.1, 1, 5, 10) if step / 100 * of >= 2 * SMALLEST]
        return f"about {round(100 * share / steps[0]) * steps[0]:.3g} %" if steps else "some"
    count = round(share * of)
    if is_few(count):
        return f"under {max(0.1, 100 * min(1.0, SMALLEST / of)):.1f} %"
    if is_few(of - count):
        return f"over {min(99.9, 100 * max(0.0, 1 - SMALLEST / of)):.1f} %"
    text = f"{100 * share:.1f} %"
    return {"0.0 %": "under 0.1 %" if count else text, "100.0 %": "over 99.9 %" if of - count else text}.get(text, text)


def guarded(text: str) -> str:
    """A sentence from another stage, with any small count of people made coarse.

    Example:
        >>> guarded("there are 7 held-out people")
        'there are fewer than 11 held-out people'
    """
    return _FEW_PEOPLE.sub(rf"fewer than {SMALLEST}\1 \2", text)
