"""A simulated cohort with one known driver, and a small model of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sequela.baselines import Examples, FittedRiskBaselines, WindowStatistics, fit_risk_baselines, span_statistics
from sequela.cohort import build_timeline, one_pass
from sequela.cohort.episodes import Asked
from sequela.cohort.facts import static_facts
from sequela.explain import HeldOut, Histories
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation

HOUR = 3_600_000_000
NOW = 48 * HOUR


def contract(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Return contract 1 from (person, hours or None, code, number or text)."""
    schema = {"subject_id": pl.Int64, "time": pl.Int64, "code": pl.String, "numeric_value": pl.Float32}
    frame = pl.DataFrame(
        [
            (
                person,
                None if hours is None else round(hours * HOUR),
                code,
                None if isinstance(value, str) else float(value),
                value if isinstance(value, str) else None,
            )
            for person, hours, code, value in rows
        ],
        schema=schema | {"text_value": pl.String},
        orient="row",
    )
    empty = [pl.lit(None, pl.String).alias("unit"), pl.lit(None, pl.Datetime("us")).alias("available_time")]
    return frame.with_columns(pl.col("time").cast(pl.Datetime("us")), *empty)


def asked_of(person: np.ndarray, time: np.ndarray | None = None, start: np.ndarray | None = None) -> Asked:
    zeros = np.zeros(len(person), dtype=np.int64)
    return Asked(
        person=person,
        episode_start=zeros if start is None else start,
        time=zeros + NOW if time is None else time,
        records=zeros,
        excluded={},
    )


def drawn_cohort(seed: int, people: int, *, when: tuple[float, float] = (0, 48)) -> tuple[pl.DataFrame, np.ndarray]:
    """Return records of a driver, of two codes without effect and of a sex without effect, and the outcome.

    The outcome follows the driver's mean level between the hours `when`.
    """
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    outcome = np.zeros(people)
    for person in range(people):
        rows.append((person, None, "sex", "FM"[int(random.integers(2))]))
        rows.append((person, None, "weight", random.normal(80, 10)))
        deciding = []
        for code, many in (("driver", 8), ("noise", 6), ("rare noise", 2)):
            hours = np.sort(random.uniform(0, 48, random.poisson(many) + (code == "driver")))
            level = random.normal()
            values = level + 0.5 * random.normal(size=len(hours))
            rows += [(person, h, code, v) for h, v in zip(hours, values, strict=True)]
            if code == "driver":
                deciding = values[(hours >= when[0]) & (hours < when[1])]
        margin = 2.0 * (np.mean(deciding) if len(deciding) else 0.0)
        outcome[person] = random.random() < 1 / (1 + np.exp(-margin))
    return contract(rows), outcome


@dataclass(frozen=True)
class Trained:
    """A model of statistics as a study would hand it over."""

    state: PreparedState
    fitted: FittedRiskBaselines
    name: str

    def __call__(self, histories: Histories) -> np.ndarray:
        return np.asarray(self.fitted.predict[self.name](statistics_of(histories, self.state)))


def statistics_of(histories: Histories, state: PreparedState) -> WindowStatistics:
    timeline = build_timeline(histories.events, histories.people)
    asked = histories.asked
    sequences = one_pass(timeline, person=asked.person, episode_start=asked.episode_start, time=asked.time)
    return span_statistics(timeline, histories.facts, state, sequences)


def trained(seed: int, people: int, name: str = "logistic", **how: Any) -> Trained:
    events, outcome = drawn_cohort(seed, people, **how)
    timeline, facts = build_timeline(events, people), static_facts(events, people)
    asked = asked_of(np.arange(people))
    sequences = one_pass(timeline, person=asked.person, episode_start=asked.episode_start, time=asked.time)
    state = fit_preparation(timeline, facts, sequences, {"driver": outcome}, PrepareSettings())[0]
    statistics = span_statistics(timeline, facts, state, sequences)
    examples = Examples(statistics=statistics, labels=outcome, person=np.arange(people))
    part = np.arange(people) % 4 > 0
    fitted = fit_risk_baselines([name], examples.take(part), examples.take(~part), seed=0, threads=1, trials=1)
    return Trained(state, fitted, name)


def held_out(seed: int, people: int, **how: Any) -> HeldOut:
    events, outcome = drawn_cohort(seed + 1000, people, **how)
    facts = static_facts(events, people)
    return HeldOut(events=events, facts=facts, asked=asked_of(np.arange(people)), labels=outcome)
