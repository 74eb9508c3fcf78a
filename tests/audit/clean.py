"""Studies in which nothing leaks, strong but honest predictors among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from audited import (
    FORECAST,
    LONG,
    OUTCOME,
    STATIC,
    TIMED_RISK,
    VISITS,
    WARD_RISK,
    Tables,
    clinic,
    table,
    ward,
    with_table,
)
from leaks import PBC_RISK, pbc_like

Clean = tuple[Tables, dict[str, Any]]
_STRONG = 2.33  # standard deviations between the groups: an AUROC of 0.95


def a_plain_ward() -> Clean:
    return ward(seed=101), WARD_RISK


def a_severity_of_auroc_095() -> Clean:
    return ward(seed=102, strength=_STRONG), WARD_RISK


def a_severity_of_auroc_095_in_many_people() -> Clean:
    return ward(3000, seed=103, strength=_STRONG), WARD_RISK


def a_severity_of_auroc_095_in_60_people() -> Clean:
    return ward(60, seed=104, strength=_STRONG), WARD_RISK


def sixty_people() -> Clean:
    return ward(60, seed=105), WARD_RISK


def three_in_a_hundred_die() -> Clean:
    return ward(600, seed=106, prevalence=0.03), WARD_RISK


def three_in_a_hundred_die_and_severity_tells() -> Clean:
    return ward(1000, seed=107, prevalence=0.03, strength=_STRONG), WARD_RISK


def most_die() -> Clean:
    return ward(300, seed=108, prevalence=0.8, strength=_STRONG), WARD_RISK


def a_risk_asked_at_every_record() -> Clean:
    return ward(300, seed=109, strength=1.5), TIMED_RISK


def an_age_at_the_visit() -> Clean:
    tables = pbc_like(seed=110)
    people = table(tables, "people")
    visits = table(tables, "visits").join(people.select("id", "age"), on="id", maintain_order="left")
    visits = visits.with_columns(age_at_visit=(pl.col("age") + pl.col("year")).round(2)).drop("age")
    return with_table(tables, "visits", visits), PBC_RISK


def the_age_at_the_last_visit() -> Clean:
    tables, _ = an_age_at_the_visit()
    return tables, {**PBC_RISK, "at": "last record"}


def a_trial_over_years() -> Clean:
    return pbc_like(600, seed=112), PBC_RISK


def a_pressure_that_hardly_moves() -> Clean:
    return clinic(seed=113, noise=0.5), FORECAST


def a_pressure_that_moves() -> Clean:
    return clinic(seed=114, noise=8), FORECAST


def a_repeat_of_the_targets_past() -> Clean:
    tables = clinic(seed=115)
    visits = table(tables, "visits")
    before = pl.col("sbp").shift(1).over("id")
    return with_table(
        tables, "visits", visits.with_columns(copy=pl.col("sbp"), before=before, change=pl.col("sbp") - before)
    ), FORECAST


def a_threshold_of_a_slow_value() -> Clean:
    tables = clinic(300, seed=116, noise=5)
    outcome = {"code": "sbp", "above": 145.0, "within": "1y", "recurrent": True}
    return tables, {"kind": "risk", "outcome": outcome, "incomplete": "no event"}


def many_codes() -> Clean:
    random = np.random.default_rng(117)
    tables = ward(400, seed=117)
    died = table(tables, "outcome")["died"].to_numpy()
    rows: dict[str, list[Any]] = {"id": [], "day": [], "code": [], "value": []}
    for code in range(1500):
        often = random.beta(0.4, 4) * np.where(died == 1, random.choice([0.5, 1, 1, 2, 3]), 1)
        for person in np.flatnonzero(random.random(400) < often):
            for _ in range(int(random.integers(1, 3))):
                rows["id"].append(int(person))
                rows["day"].append(round(float(random.exponential(1.0)), 3))
                rows["code"].append(f"LAB//{code}")
                rows["value"].append(round(float(random.normal()), 2) if code % 2 else None)
    return with_table(
        tables, "codes", pl.DataFrame(rows), **{key: value for key, value in LONG.items() if key != "text"}
    ), WARD_RISK


def a_hundred_noises() -> Clean:
    random = np.random.default_rng(118)
    tables = ward(80, seed=118)
    visits = table(tables, "visits")
    noise = [pl.Series(f"x{k}", np.round(random.normal(0, 1, len(visits)), 2)) for k in range(60)]
    flags = [pl.Series(f"flag{k}", random.integers(0, 2, len(visits))) for k in range(40)]
    return with_table(tables, "visits", visits.with_columns(*noise, *flags)), WARD_RISK


def a_score_from_past_values() -> Clean:
    random = np.random.default_rng(119)
    tables = ward(2000, seed=119, prevalence=0.14, strength=1.8)
    visits = table(tables, "visits").with_columns(pl.col("severity").forward_fill().over("id").fill_null(0))
    score = (visits["severity"] * 8 + pl.Series(random.normal(0, 1, len(visits))) + 12).round().clip(0, 40)
    return with_table(tables, "visits", visits.with_columns(score.alias("score"))), WARD_RISK


def short_visits_that_agree_by_chance() -> Clean:
    random = np.random.default_rng(120)
    people = 400
    tables = ward(people, seed=120)
    same = pl.DataFrame(
        {
            "id": np.arange(people).repeat(2),
            "day": np.tile([0.0, 0.5], people),
            "pain": random.integers(0, 4, 2 * people),
            "fever": random.integers(0, 2, 2 * people),
        }
    )
    return with_table(tables, "visits", same, **VISITS), WARD_RISK


def a_rare_outcome() -> Clean:
    return ward(3000, seed=122, prevalence=0.004), WARD_RISK


def an_outcome_that_nearly_all_have() -> Clean:
    return ward(3000, seed=123, prevalence=0.99), WARD_RISK


def admissions(people: int = 600, *, seed: int = 0) -> Tables:
    """Short stays over eight years, with their year, the age then, the birth, and the day on which they began."""
    random = np.random.default_rng(seed)
    begin = np.round(random.uniform(0, 8 * 365.25, people), 2)
    age = np.round(random.normal(62, 13, people))
    rows = [
        {"id": p, "day": round(day, 2), "hr": round(random.normal(80, 12)), "sbp": round(random.normal(120, 15))}
        for p in range(people)
        for day in begin[p] + np.append(0.0, np.sort(random.exponential(3, int(random.integers(3, 9)))))
    ]
    facts = {
        "id": np.arange(people),
        "year": 2010 + (begin // 365.25).astype(int),
        "age": age,
        "birth": np.round(begin - 365.25 * age, 1),
        "enrolled": np.floor(begin),
    }
    last = pl.DataFrame(rows).group_by("id").agg(pl.col("day").max()).sort("id")["day"].to_numpy()
    outcome = {"id": np.arange(people), "died": (random.random(people) < 0.3).astype(int), "end": last + 0.5}
    named = {**STATIC, "rename": {"birth": "MEDS_BIRTH"}, "time_unit": "days"}
    return {
        "visits": (VISITS, pl.DataFrame(rows)),
        "people": (named, pl.DataFrame(facts)),
        "outcome": (OUTCOME, pl.DataFrame(outcome)),
    }


ADMISSION_RISK: dict[str, Any] = {
    "kind": "risk",
    "at": "1d",
    "outcome": {"column": "died", "time": "end", "time_unit": "days", "within": "9d"},
    "follow_up": {"column": "end", "time_unit": "days"},
    "incomplete": "no event",
}


def a_year_and_an_age_at_admission() -> Clean:
    return admissions(seed=124), ADMISSION_RISK


def a_year_and_an_age_at_admission_of_a_forecast() -> Clean:
    return {name: table for name, table in admissions(seed=125).items() if name != "outcome"}, FORECAST


def a_trial_of_fixed_length() -> Clean:
    random = np.random.default_rng(126)
    enrolled = np.round(random.uniform(0, 1500, 300))
    rows = [(p, enrolled[p] + day, round(random.normal(130, 12), 1)) for p in range(300) for day in (0, 30, 90, 180)]
    visits = pl.DataFrame(rows, schema=["id", "day", "sbp"], orient="row")
    facts = pl.DataFrame({"id": np.arange(300), "enrolled": enrolled})
    return {"visits": (VISITS, visits), "people": (STATIC, facts)}, FORECAST


def treatments_that_follow_severity() -> Clean:
    random = np.random.default_rng(121)
    tables = ward(500, seed=121, strength=1.5)
    died = table(tables, "outcome")["died"].to_numpy()
    given = np.flatnonzero(random.random(500) < np.where(died == 1, 0.7, 0.05))
    rows = pl.DataFrame(
        {
            "id": given,
            "day": np.full(len(given), 0.4),
            "code": ["VASOPRESSOR"] * len(given),
            "value": np.ones(len(given)),
        }
    )
    return with_table(tables, "codes", rows, **{key: value for key, value in LONG.items() if key != "text"}), WARD_RISK


CLEAN: list[Callable[[], Clean]] = [
    a_plain_ward,
    a_severity_of_auroc_095,
    a_severity_of_auroc_095_in_many_people,
    a_severity_of_auroc_095_in_60_people,
    sixty_people,
    three_in_a_hundred_die,
    three_in_a_hundred_die_and_severity_tells,
    most_die,
    a_risk_asked_at_every_record,
    an_age_at_the_visit,
    the_age_at_the_last_visit,
    a_trial_over_years,
    a_pressure_that_hardly_moves,
    a_pressure_that_moves,
    a_repeat_of_the_targets_past,
    a_threshold_of_a_slow_value,
    many_codes,
    a_hundred_noises,
    a_score_from_past_values,
    short_visits_that_agree_by_chance,
    a_rare_outcome,
    an_outcome_that_nearly_all_have,
    a_year_and_an_age_at_admission,
    a_year_and_an_age_at_admission_of_a_forecast,
    a_trial_of_fixed_length,
    treatments_that_follow_severity,
]
