"""The importance of variables asks only about those whom an exchange changes, and gets the bits of asking all anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from cohorts import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws import Ready, ready, same_bits, same_network_output

from sequela.baselines import known_statistics, statistics_of, statistics_with_other
from sequela.cohort import Sequences, Timeline, build_timeline
from sequela.cohort.ask import histories
from sequela.cohort.facts import AGE, Facts
from sequela.errors import CohortError, StudyError
from sequela.explain import Histories
from sequela.explain.exchange import Exchange
from sequela.predict import finished, outputs
from sequela.study.importance import HistoriesNetwork

QUIET = {"suppress_health_check": [HealthCheck.filter_too_much, HealthCheck.too_slow]}
Seen = tuple[Timeline, Facts, Sequences]


def everybody(given: Histories) -> Histories:
    """Return the histories of those whom an exchange changed beside those of all others, in no order."""
    assert given.exchanged is not None
    whole, people = given.exchanged.unchanged, given.exchanged.people
    others = whole.events.filter(~pl.col("subject_id").is_in(people.tolist()))
    changed = given.events.with_columns(subject_id=pl.Series(people)[given.events["subject_id"]])
    facts = whole.facts
    numbers = {code: values.copy() for code, values in facts.numbers.items()}
    categories = {code: list(texts) for code, texts in facts.categories.items()}
    birth = None if facts.birth is None else facts.birth.copy()
    for number, person in enumerate(people.tolist()):
        for code in numbers:
            numbers[code][person] = given.facts.numbers[code][number]
        for code in categories:
            categories[code][person] = given.facts.categories[code][number]
        if birth is not None and given.facts.birth is not None:
            birth[person] = given.facts.birth[number]
    events = pl.concat([others, changed]).sample(fraction=1, shuffle=True, seed=1)
    return replace(whole, events=events, facts=Facts(numbers=numbers, categories=categories, birth=birth))


def seen_of(fitted: Ready, given: Histories) -> Seen:
    timeline = build_timeline(given.events, given.people)
    alone = fitted.settings.own_sequences
    return timeline, given.facts, histories(timeline, given.asked, fitted.settings.question, alone=alone)


def statistics_anew(fitted: Ready, given: Histories) -> np.ndarray:
    return statistics_of(fitted.settings.question.kind, *of(fitted, seen_of(fitted, given))).matrix


def of(fitted: Ready, seen: Seen) -> tuple:
    timeline, facts, sequences = seen
    return timeline, facts, fitted.bundle.prepared, sequences


def said_anew(fitted: Ready, given: Histories) -> np.ndarray:
    raw = outputs(fitted.bundle, *seen_of(fitted, given), only_network=True)
    said = finished(fitted.bundle, raw).predicted["network"]
    return said if said.ndim == 1 else said[:, :, 0]


def exchanges(fitted: Ready, seed: int) -> Iterator[Histories]:
    """Yield some exchanges of codes and of facts, whole and in spans, one of each kind of each."""
    random = np.random.default_rng(seed)
    seen, asked = fitted.material.evidence, fitted.material.cohort.asked
    codes = sorted(set(seen.events["code"]))
    static = [AGE, *seen.facts.numbers, *seen.facts.categories]
    for late in (False, True):
        exchange = Exchange(seen.events, seen.facts, asked, each_prediction=late)
        for code in [str(code) for code in random.permutation(codes)[:3]]:
            span = [(0.0, 24.0), (24.0, 96.0), (96.0, None)][int(random.integers(3))] if late else None
            yield exchange.of_series(code, exchange.donors(random), span)
        yield exchange.of_fact(str(random.choice(static)), exchange.donors(random))


def check(case: Case, seed: int) -> None:
    try:
        fitted = ready(case, boosting=False)
    except (CohortError, StudyError):
        assume(False)
        raise
    assume(len(np.unique(fitted.material.cohort.asked.person)) > 1)
    kind, network = fitted.settings.question.kind, HistoriesNetwork(fitted.bundle)
    for given_ in exchanges(fitted, seed):
        exchanged = given_.exchanged
        assert exchanged is not None
        before, whole = network(exchanged.unchanged), said_anew(fitted, everybody(given_))
        assert same_network_output(before, said_anew(fitted, exchanged.unchanged))
        now = before.copy()
        if len(exchanged.predictions):
            now[exchanged.predictions] = network(given_)
        assert same_network_output(now, whole)

        known = known_statistics(kind, *of(fitted, seen_of(fitted, exchanged.unchanged)))
        assert same_bits(known.statistics.matrix, statistics_anew(fitted, exchanged.unchanged))
        anew = statistics_anew(fitted, everybody(given_))
        some = known.take(exchanged.predictions)
        found = statistics_with_other(some, exchanged.code, kind, *of(fitted, seen_of(fitted, given_))).matrix
        assert same_bits(found, anew[exchanged.predictions])
        others = np.setdiff1d(np.arange(len(anew)), exchanged.predictions)
        assert same_bits(known.statistics.matrix[others], anew[others])


@pytest.mark.parametrize("kind", ["forecast", "risk"])
@settings(max_examples=10, **QUIET)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_who_is_not_changed_need_not_be_asked_again(kind: str, data: st.DataObject, seed: int) -> None:
    check(data.draw(cases(kind=kind)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forecast", "risk"])
@settings(max_examples=100, **QUIET)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_who_is_not_changed_need_not_be_asked_again_in_many(kind: str, data: st.DataObject, seed: int) -> None:
    check(data.draw(cases(people=(2, 14), kind=kind)), seed)
