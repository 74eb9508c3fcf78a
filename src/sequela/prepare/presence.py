"""Which inputs of a bundle new records have, and which of their codes no bundle reads: a renamed column is both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from sequela.cohort.facts import AGE, BIRTH
from sequela.prepare.derived import parse_formula
from sequela.prepare.state import PreparedState
from sequela.records.words import closest

_MOST_NAMES = 8


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Inputs of a bundle beside the codes of new records.

    Args:
        inputs: codes that are measured or stated, of people and of their steps.
        events: further codes that come as events.
        absent: those of them without a value in any record.
        strange: codes with records that neither the bundle nor its study knows.
        has_any: at least one input has a value, or one event that the bundle knows stands in the records.
        may_name: strange codes are columns. Codes of a long table are cells: what a patient has; they are counted only.
    """

    inputs: tuple[str, ...]
    events: tuple[str, ...]
    absent: tuple[str, ...]
    strange: tuple[str, ...]
    has_any: bool
    may_name: bool = True

    @property
    def note(self) -> str | None:
        """Return what a user should know before trusting the predictions; None where there is nothing."""
        sentences = []
        if self.absent:
            listed = _listed([_with_guess(code, self.strange if self.may_name else ()) for code in self.absent])
            has, they = ("has", "it") if len(self.absent) == 1 else ("have", "them")
            sentences.append(
                f"{len(self.absent)} of {_counted(len(self.inputs), 'input')} {has} no value in these records: "
                f"{listed}. Predictions take {they} as never measured."
            )
        if self.strange:
            is_or_are, they = ("is", "it stands") if len(self.strange) == 1 else ("are", "they stand")
            sentences.append(
                f"{_counted(len(self.strange), 'column or code', 'columns or codes')} {is_or_are} unknown to the "
                f"bundle and {'not read: ' + self.strange_in_words if self.may_name else 'no input'}."
            )
            if self.absent:
                sentences.append(f"Where {they} for an input, write the study's name.")
        return " ".join(sentences) or None

    @property
    def inputs_in_words(self) -> str:
        """Return the names of all inputs, the first few of many."""
        return _listed([*self.inputs, *self.events])

    @property
    def strange_in_words(self) -> str:
        """Return the names of the codes that are strange, the first few of many."""
        return _listed([f"'{code}'" for code in self.strange])


def presence(
    events: pl.DataFrame,
    state: PreparedState,
    *,
    known: Collection[str] = (),
    prefixes: Sequence[str] = (),
    derived: Mapping[str, str] | None = None,
    may_name: bool = True,
) -> Presence:
    """Return which inputs have a value in some record, whenever it became known, and which codes are strange.

    A rare code or level that comes as an event is no input that could be absent: that it did not happen says nothing.

    Args:
        events: contract 1, the columns of the outcome taken out; implausible values still stand there.
        state: fitted preparation.
        known: further codes that the study had.
        prefixes: beginnings of codes that the question looks for.
        derived: formulas by code.
        may_name: strange codes may be named.
    """
    formulas = derived or {}
    has_value = pl.col("numeric_value").is_not_null() | pl.col("text_value").is_not_null()
    is_timed = pl.col("time").is_not_null()
    valued = _codes(events.filter(is_timed & has_value))
    for name, formula in formulas.items():
        left, sign, right = parse_formula(formula)
        if (left in valued or right in valued) if sign == "|" else (left in valued and right in valued):
            valued.add(name)
    stated = _codes(events.filter(~is_timed))
    if any(code.startswith(BIRTH) for code in _codes(events.filter(is_timed))):
        stated.add(AGE)
    measured, facts = [feature.code for feature in state.features], [fact.code for fact in state.static]
    absent = [code for code in measured if code not in valued] + [code for code in facts if code not in stated]
    codes, words = _codes(events), {word.code for word in state.words}
    parts = {part for formula in formulas.values() for part in parse_formula(formula)[::2]}
    familiar = {*measured, *facts, *words, *known, *parts}
    begins = (BIRTH, *prefixes)
    inputs = tuple(dict.fromkeys([*measured, *facts]))
    return Presence(
        inputs=inputs,
        events=tuple(sorted(words.difference(inputs))),
        absent=tuple(dict.fromkeys(absent)),
        strange=tuple(sorted(code for code in codes - familiar if not code.startswith(begins))),
        has_any=len(absent) < len(measured) + len(facts) or bool(words & codes),
        may_name=may_name,
    )


def _codes(events: pl.DataFrame) -> set[str]:
    return set(events["code"].unique().cast(pl.String).to_list())


def _with_guess(code: str, strange: Sequence[str]) -> str:
    near = closest(code, strange)
    return code if near is None else f"{code} (perhaps '{near}')"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _counted(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
