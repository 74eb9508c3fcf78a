"""Held-out histories in which one variable comes from somebody else.

Records are exchanged, not prepared inputs: masks, gaps and everything else that preparation makes of a series follow
by themselves. Times of a donor's records are moved so that they stand as far from the receiver's anchor (the start of
the episode, or the prediction time) as they stood from the donor's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.ascending import numbered
from sequela.cohort.asof import Rows, first_after, known_time
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import AGE, Facts
from sequela.prepare.spread import spread_out
from sequela.records import BIRTH_PREFIX
from sequela.records.durations import MICROSECONDS_PER_HOUR

Span = tuple[float, float | None]  # hours before the prediction time: [from, to), None = all before
Mask = NDArray[np.bool_]

_UNIT, _INSTANT = pl.col("subject_id"), pl.Datetime("us")


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """Records and questions as a model is asked them: each episode, or each prediction, is a person of its own.

    People are numbered from 0 to people - 1; predictions stand in the order of the held-out people's. Records are those
    that one of the person's predictions may see, sorted by person, instant and code; static facts and births stand in
    `facts` only.
    """

    events: pl.DataFrame  # contract 1
    facts: Facts
    asked: Asked
    people: int
    exchanged: Exchanged | None = None  # None: as they are


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """How histories differ from those as they are: in one code alone, and nobody is there whose history is the same."""

    code: str  # whose records, or whose fact, are somebody else's
    unchanged: Histories  # everybody's as they are
    people: Rows  # [people] the number of each of these people among everybody
    predictions: Rows  # [R] the number of each of these predictions among everybody's


class Exchange:
    """The histories of held-out predictions, and the same with a variable exchanged between people."""

    def __init__(self, events: pl.DataFrame, facts: Facts, asked: Asked, *, each_prediction: bool) -> None:
        """Take the records of each episode apart, or those of each prediction.

        Args:
            events: contract 1.
            facts: static facts of everybody.
            asked: the held-out predictions.
            each_prediction: False for exchanges over whole histories, anchored at the episode's start; True for
                exchanges within a span of time before each prediction.
        """
        place = asked.time if each_prediction else asked.episode_start
        units, of_prediction = np.unique(np.stack([asked.person, place], axis=1), axis=0, return_inverse=True)
        self.person, self.anchor = units[:, 0], units[:, 1]
        self._facts = _facts_of(facts, self.person)
        asked = replace(asked, person=of_prediction.reshape(-1).astype(np.int64))
        self._until = np.full(len(units), np.iinfo(np.int64).min)  # the last prediction time of each unit
        np.maximum.at(self._until, asked.person, asked.time)

        timed = events.filter(pl.col("time").is_not_null() & ~pl.col("code").str.starts_with(BIRTH_PREFIX))
        table = pl.DataFrame({"person": self.person, "receiver": np.arange(len(units))})
        rows = timed.join(table, left_on="subject_id", right_on="person", how="inner")
        rows = rows.with_columns(subject_id=pl.col("receiver")).select(events.columns)
        if each_prediction:
            rows = rows.filter(
                known_time().cast(_INSTANT).to_physical() <= pl.lit(pl.Series(self.anchor)).gather(_UNIT)
            )
        self._rows = rows.sort(_UNIT, known_time(), "code", pl.col("numeric_value").is_null(), "time")
        self._unit = self._rows["subject_id"].to_numpy()
        self._known = self._rows.select(known_time().cast(_INSTANT).to_physical()).to_series().to_numpy()
        self._begin = np.searchsorted(self._unit, np.arange(len(units) + 1))
        codes, place_of_code = numbered(self._rows["code"])
        self._code = place_of_code.astype(np.int64)
        self._number = {code: number for number, code in enumerate(codes)}
        self._seen = self._known <= self._until[self._unit]
        self.unchanged = Histories(
            events=self._rows.filter(pl.Series(self._seen)), facts=self._facts, asked=asked, people=len(units)
        )

    def donors(self, random: np.random.Generator) -> Rows:
        """Return for each unit a unit of another person [U]: one person's units all come from one other person.

        People stand in a circle in random order, and each receives from the next; the k-th unit from the k-th, over and
        over where the donor has fewer.
        """
        people, index, count = np.unique(self.person, return_inverse=True, return_counts=True)
        circle = random.permutation(len(people))
        donor = np.empty_like(circle)
        donor[circle] = np.roll(circle, 1)
        begin = np.cumsum(count) - count
        place = np.arange(len(index)) - begin[index]  # units are sorted by person
        return np.asarray(begin[donor[index]] + place % count[donor[index]])

    def of_series(self, code: str, donor: Rows, span: Span | None = None) -> Histories:
        """Return the histories with a code's records exchanged; those of a span only, where one is given."""
        inside = self._rows_of(code, span)
        begin = np.searchsorted(self._unit[inside], np.arange(len(donor) + 1))
        given = np.diff(begin)[donor]
        row, receiver = inside[spread_out(begin[donor], given)], np.repeat(np.arange(len(donor)), given)
        moved = (self.anchor - self.anchor[donor])[receiver]
        seen = self._known[row] + moved <= self._until[receiver]
        row, receiver, moved = row[seen], receiver[seen], moved[seen]

        changed = np.zeros(len(donor), dtype=bool)
        changed[receiver] = True
        changed[self._unit[inside[self._seen[inside]]]] = True
        kept = self._seen & changed[self._unit]
        kept[inside] = False
        rest = np.flatnonzero(kept)
        before = np.append(0, np.cumsum(kept))
        place = before[self._places(self._number.get(code, -1), receiver, self._known[row] + moved)]
        events = self._rows[np.insert(rest, place, row)].with_columns(
            subject_id=pl.Series((np.cumsum(changed) - 1)[np.insert(self._unit[rest], place, receiver)]),
            moved=pl.Series(np.insert(np.zeros_like(rest), place, moved)).cast(pl.Duration("us")),
        )
        events = events.with_columns(pl.col("time", "available_time") + pl.col("moved")).drop("moved")
        return self._of(changed, code, events, self._facts)

    def _places(self, code: int, unit: Rows, known: Rows) -> Rows:
        """Return before which rows records of a code stand that became known to some units."""
        low = first_after(self._known, self._begin[unit], self._begin[unit + 1], known - 1)
        high = first_after(self._known, low, self._begin[unit + 1], known)
        return np.asarray(first_after(self._code, low, high, np.full_like(low, code)))

    def _of(self, changed: Mask, code: str, events: pl.DataFrame, facts: Facts) -> Histories:
        """Return the histories of the changed units alone."""
        people, unchanged = np.flatnonzero(changed), self.unchanged
        predictions = np.flatnonzero(changed[unchanged.asked.person])
        asked = unchanged.asked
        return Histories(
            events=events,
            facts=_facts_of(facts, people),
            asked=replace(
                asked,
                person=(np.cumsum(changed) - 1)[asked.person[predictions]],
                episode_start=asked.episode_start[predictions],
                time=asked.time[predictions],
                records=asked.records[predictions],
            ),
            people=len(people),
            exchanged=Exchanged(code=code, unchanged=unchanged, people=people, predictions=predictions),
        )

    def people_with(self, code: str, span: Span | None = None) -> int:
        """Return how many people have a timed record of a code, in a span where one is given."""
        return len(np.unique(self.person[self._unit[self._rows_of(code, span)]]))

    def _rows_of(self, code: str, span: Span | None) -> Rows:
        """Return the rows of a code that became known within a span of hours before their unit's anchor."""
        rows: Rows = np.flatnonzero(self._code == self._number.get(code, -1))
        if span is None:
            return rows
        since = self.anchor[self._unit[rows]] - self._known[rows]
        low, high = span
        inside = since >= round(low * MICROSECONDS_PER_HOUR)
        inside = inside if high is None else inside & (since < round(high * MICROSECONDS_PER_HOUR))
        return np.asarray(rows[inside])

    def of_fact(self, code: str, donor: Rows) -> Histories:
        """Return the histories with a static fact exchanged; an age is what the donor's was at the donor's anchor."""
        facts = self._facts
        changed = np.zeros(len(donor), dtype=bool)
        if code == AGE and facts.birth is not None:
            birth = facts.birth[donor] - self.anchor[donor] + self.anchor
            changed = ~_same(birth, facts.birth)
            facts = replace(facts, birth=birth)
        elif code in facts.numbers:
            numbers = facts.numbers[code][donor]
            changed = ~_same(numbers, facts.numbers[code])
            facts = replace(facts, numbers=facts.numbers | {code: numbers})
        elif code in facts.categories:
            mine = facts.categories[code]
            texts = [mine[d] for d in donor]
            changed = np.array([text != own for text, own in zip(texts, mine, strict=True)], dtype=bool)
            facts = replace(facts, categories=facts.categories | {code: texts})
        events = self._rows[np.flatnonzero(self._seen & changed[self._unit])]
        place = pl.Series(np.cumsum(changed) - 1)
        events = events.with_columns(subject_id=pl.lit(place).gather(_UNIT))
        return self._of(changed, code, events, facts)

    def people_with_fact(self, code: str) -> int:
        """Return how many people's fact is known."""
        facts = self._facts
        if code in facts.categories:
            known: NDArray[np.bool_] = np.array([text is not None for text in facts.categories[code]], dtype=bool)
        else:
            numbers = facts.birth if code == AGE and facts.birth is not None else facts.numbers.get(code)
            known = np.zeros(len(self.person), dtype=bool) if numbers is None else ~np.isnan(numbers)
        return len(np.unique(self.person[known]))


def _same(numbers: NDArray[np.float64], others: NDArray[np.float64]) -> Mask:
    return np.asarray((numbers == others) | (np.isnan(numbers) & np.isnan(others)))


def _facts_of(facts: Facts, person: Rows) -> Facts:
    return Facts(
        numbers={code: numbers[person] for code, numbers in facts.numbers.items()},
        categories={code: [texts[p] for p in person] for code, texts in facts.categories.items()},
        birth=None if facts.birth is None else facts.birth[person],
    )
