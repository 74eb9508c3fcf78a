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

from sequela.cohort.asof import Rows, known_time
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import AGE, Facts
from sequela.records.durations import MICROSECONDS_PER_HOUR

Span = tuple[float, float | None]  # hours before the prediction time: (from, to], None = all before


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Records and questions as a model is asked them: each episode, or each prediction, is a person of its own.

    People are numbered from 0 to people - 1; predictions stand in the order of the held-out people's.
    """

    events: pl.DataFrame  # contract 1
    facts: Facts
    asked: Asked
    people: int


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
        self.asked = replace(asked, person=of_prediction.reshape(-1).astype(np.int64))
        self.facts = _facts_of(facts, self.person)
        table = pl.DataFrame({"person": self.person, "receiver": np.arange(len(self.person))})
        rows = events.join(table, left_on="subject_id", right_on="person", how="inner")
        self._columns = events.columns
        self.events = rows.with_columns(pl.col("receiver").alias("subject_id")).select(self._columns)
        if each_prediction:
            self.events = self.events.filter(pl.col("time").is_null() | self._within((0.0, None)))

    @property
    def unchanged(self) -> Histories:
        """Return the histories as they are."""
        return Histories(events=self.events, facts=self.facts, asked=self.asked, people=len(self.person))

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
        is_code = pl.col("code") == code
        mine = self.events.filter(is_code & pl.col("time").is_not_null())
        rest = self.events.filter(~is_code | pl.col("time").is_null())
        inside = mine if span is None else mine.filter(self._within(span))
        outside = mine.clear() if span is None else mine.filter(~self._within(span))
        swaps = pl.DataFrame(
            {"donor": donor, "receiver": np.arange(len(donor)), "shift": self.anchor - self.anchor[donor]},
            schema_overrides={"shift": pl.Duration("us")},
        )
        received = (
            inside.join(swaps, left_on="subject_id", right_on="donor", how="inner")
            .with_columns(pl.col("time", "available_time") + pl.col("shift"), pl.col("receiver").alias("subject_id"))
            .select(self._columns)
        )
        return replace(self.unchanged, events=pl.concat([rest, outside, received]))

    def people_with(self, code: str, span: Span | None = None) -> int:
        """Return how many people have a timed record of a code, in a span where one is given."""
        rows = self.events.filter((pl.col("code") == code) & pl.col("time").is_not_null())
        rows = rows if span is None else rows.filter(self._within(span))
        return len(np.unique(self.person[rows["subject_id"].to_numpy()]))

    def _within(self, span: Span) -> pl.Expr:
        """Return whether a record became known within a span of hours before its unit's anchor."""
        anchor = pl.Series(self.anchor, dtype=pl.Int64)
        since = pl.lit(anchor).gather(pl.col("subject_id")) - known_time().cast(pl.Datetime("us")).to_physical()
        low, high = span
        after_low = since >= round(low * MICROSECONDS_PER_HOUR)
        return after_low if high is None else after_low & (since < round(high * MICROSECONDS_PER_HOUR))

    def of_fact(self, code: str, donor: Rows) -> Histories:
        """Return the histories with a static fact exchanged; an age is what the donor's was at the donor's anchor."""
        facts = self.facts
        if code == AGE and facts.birth is not None:
            facts = replace(facts, birth=facts.birth[donor] - self.anchor[donor] + self.anchor)
        elif code in facts.numbers:
            facts = replace(facts, numbers=facts.numbers | {code: facts.numbers[code][donor]})
        elif code in facts.categories:
            texts = facts.categories[code]
            facts = replace(facts, categories=facts.categories | {code: [texts[d] for d in donor]})
        return replace(self.unchanged, facts=facts)

    def people_with_fact(self, code: str) -> int:
        """Return how many people's fact is known."""
        facts = self.facts
        if code in facts.categories:
            known: NDArray[np.bool_] = np.array([text is not None for text in facts.categories[code]], dtype=bool)
        else:
            numbers = facts.birth if code == AGE and facts.birth is not None else facts.numbers.get(code)
            known = np.zeros(len(self.person), dtype=bool) if numbers is None else ~np.isnan(numbers)
        return len(np.unique(self.person[known]))


def _facts_of(facts: Facts, person: Rows) -> Facts:
    return Facts(
        numbers={code: numbers[person] for code, numbers in facts.numbers.items()},
        categories={code: [texts[p] for p in person] for code, texts in facts.categories.items()},
        birth=None if facts.birth is None else facts.birth[person],
    )
