"""Words that warn about a prediction: what it did not know, or what lay outside of what training people had."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows, Sequences, Timeline, last_at_or_before, offsets_by_person
from sequela.cohort.facts import AGE, Facts
from sequela.prepare.rows import RowPreparation
from sequela.prepare.state import CategoryState, PreparedState, StaticNumberState
from sequela.prepare.words import Words

Claim = tuple[str, NDArray[np.bool_]]  # "missing: sbp", for which of the R predictions it is true

_CELLS_AT_ONCE = 1 << 24


def flag_words(
    timeline: Timeline, facts: Facts, state: PreparedState, sequences: Sequences, implausible: pl.DataFrame
) -> list[str]:
    """Return for each prediction its warnings, "" where there are none; such as "missing: hdl; out of range: sbp".

    - "nothing known": no record of an input was known yet.
    - "missing": no value of a code that the network uses was known.
    - "out of range": the last known value lies outside of the usual range of training people, or what was known last
      was implausible and taken out.
    - "unseen category": the last known category is not one that enough training people had.

    Args:
        timeline: what became known.
        facts: static facts.
        state: fitted preparation.
        sequences: the R predictions.
        implausible: subject_id, known and code of each value that was taken out.
    """
    last, since = _last_known(RowPreparation(timeline, state), sequences)
    is_known = (since != NEVER).any(axis=1) | _has_words(Words(timeline, state), sequences)
    claims = [("nothing known", ~is_known)]
    claims += _about_steps(state, last, since)
    claims += _about_facts(facts, state, sequences)
    claims += _about_implausible(implausible, state, sequences, since)
    return _worded(claims, len(sequences.read))


def _about_steps(state: PreparedState, last: NDArray[np.float32], since: Rows) -> list[Claim]:
    known = since != NEVER
    claims: list[Claim] = []
    for feature, begin in zip(state.features, state.first_columns, strict=True):
        claims.append((f"missing: {feature.code}", ~known[:, begin]))
        if isinstance(feature, CategoryState):
            other = begin + len(feature.levels)
            claims.append((f"unseen category: {feature.code}", known[:, other] & (last[:, other] == 1)))
        elif feature.usual is not None:
            low, high = feature.usual
            outside = (last[:, begin] < low) | (last[:, begin] > high)
            claims.append((f"out of range: {feature.code}", known[:, begin] & outside))
    return claims


def _has_words(words: Words, sequences: Sequences) -> NDArray[np.bool_]:
    """Return for each prediction whether an event of the vocabulary was known."""
    cells = words.timeline.cell_offsets
    before = np.concatenate([[0], np.cumsum(words.word(np.arange(cells[-1])) >= 0)])[cells]
    first = sequences.first[sequences.sequence]
    return np.asarray(before[np.maximum(sequences.read + 1, first)] > before[first])


def _last_known(preparation: RowPreparation, sequences: Sequences) -> tuple[NDArray[np.float32], Rows]:
    """Return the last known values [R, F] in their own units, and since when each was known; NEVER where none is."""
    shape = (len(sequences.read), len(preparation.columns.center))
    last, since = np.zeros(shape, dtype=np.float32), np.full(shape, NEVER)
    for chosen, asked in sequences.runs(max(1, _CELLS_AT_ONCE // max(shape[1], 1))):
        reads = asked[sequences.read[asked] >= 0]
        values, times = preparation.last_known(sequences, chosen)
        local = sequences.sequence[reads] - chosen[0]
        lengths = sequences.lengths[chosen]
        begin = np.cumsum(lengths) - lengths
        row = begin[local] + sequences.read[reads] - sequences.first[chosen][local]
        last[reads], since[reads] = values[row], times[row]
    return last, since


def _about_facts(facts: Facts, state: PreparedState, sequences: Sequences) -> list[Claim]:
    person = sequences.person[sequences.sequence]
    claims: list[Claim] = []
    for fact in state.static:
        if isinstance(fact, StaticNumberState):
            of_person = facts.birth if fact.code == AGE else facts.numbers.get(fact.code)
            missing = np.isnan(of_person) if of_person is not None else None
        else:
            texts = facts.categories.get(fact.code)
            missing = np.array([text is None for text in texts]) if texts is not None else None
            if texts is not None:
                unseen = np.array([text is not None and text not in fact.levels for text in texts])
                claims.append((f"unseen category: {fact.code}", unseen[person]))
        everywhere = np.ones(len(person), dtype=bool)
        claims.append((f"missing: {fact.code}", everywhere if missing is None else missing[person]))
    return claims


def _about_implausible(
    implausible: pl.DataFrame, state: PreparedState, sequences: Sequences, since: Rows
) -> list[Claim]:
    """Return for each code where a value was taken out that became known after the last one that was kept."""
    person = sequences.person[sequences.sequence]
    people = int(person.max(initial=-1)) + 1
    column = {name: place for place, name in enumerate(state.columns)}
    claims: list[Claim] = []
    timed = implausible.filter(pl.col("known").is_not_null())
    for (code,), rows in timed.sort("code", "subject_id", "known").group_by("code", maintain_order=True):
        offsets = offsets_by_person(rows["subject_id"].to_numpy(), people)
        times = rows["known"].cast(pl.Datetime("us")).to_physical().to_numpy()
        row = last_at_or_before(offsets, times, person, sequences.read_time)
        found = row >= offsets[person]
        latest = np.where(found, times[np.maximum(row, 0)], NEVER)
        kept = since[:, column[str(code)]] if code in column else np.full(len(person), NEVER)
        claims.append((f"out of range: {code}", found & (latest >= kept)))
    return claims


def _worded(claims: list[Claim], count: int) -> list[str]:
    """Return the claims that are true of each prediction, joined; each set of claims is worded once."""
    by_kind: dict[str, list[int]] = {}
    for number, (words, _) in enumerate(claims):
        by_kind.setdefault(words.split(": ")[0], []).append(number)
    table = np.packbits(np.stack([true for _, true in claims], axis=1), axis=1)
    patterns, which = np.unique(table, axis=0, return_inverse=True)
    worded = []
    for pattern in np.unpackbits(patterns, axis=1, count=len(claims)):
        parts = []
        for kind, numbers in by_kind.items():
            codes = [claims[number][0].removeprefix(kind).removeprefix(": ") for number in numbers if pattern[number]]
            if codes:
                listed = ", ".join(dict.fromkeys(code for code in codes if code))
                parts.append(f"{kind}: {listed}" if listed else kind)
        worded.append("; ".join(parts))
    return [worded[number] for number in which.reshape(-1)[:count]]
