"""Twenty leaks, each planted into a clean study, and the finding that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from audited import FORECAST, LONG, OUTCOME, TIMED_RISK, WARD_RISK, Tables, clinic, table, ward, with_table

Planted = tuple[Tables, dict[str, Any], str, str | None]  # tables, question, finding, column


def _fact(tables: Tables, column: str, values: Any) -> Tables:
    return with_table(tables, "people", table(tables, "people").with_columns(pl.Series(column, values)))


def _visit(tables: Tables, column: str, expression: pl.Expr) -> Tables:
    return with_table(tables, "visits", table(tables, "visits").with_columns(expression.alias(column)))


def _outcome(tables: Tables, column: str) -> np.ndarray[Any, Any]:
    return table(tables, "outcome")[column].to_numpy()


def the_label_itself() -> Planted:
    tables = ward(seed=1)
    return _fact(tables, "flag", _outcome(tables, "died")), WARD_RISK, "equals_outcome", "flag"


def the_label_in_words() -> Planted:
    tables = ward(seed=2)
    words = np.where(
        _outcome(tables, "died") == 1, "expired", np.where(np.arange(300) % 3 == 0, "home", "nursing home")
    )
    return _fact(tables, "destination", words), WARD_RISK, "equals_outcome", "destination"


def the_label_reversed_with_gaps() -> Planted:
    tables = ward(seed=3)
    died = _outcome(tables, "died")
    return _fact(tables, "went_home", [None if d else 1 for d in died]), WARD_RISK, "equals_outcome", "went_home"


def a_code_of_the_dead() -> Planted:
    tables = ward(400, seed=4)
    died = np.flatnonzero(_outcome(tables, "died"))
    rows = pl.DataFrame(
        {
            "id": died[:60],
            "day": np.full(60, 0.5),
            "code": ["PALLIATIVE"] * 60,
            "value": [1.0] * 60,
            "text": [None] * 60,
        },
        schema_overrides={"text": pl.String},
    )
    return with_table(tables, "codes", rows, **LONG), WARD_RISK, "only_with_outcome", "PALLIATIVE"


def a_level_of_the_dead() -> Planted:
    tables = ward(400, seed=5)
    random = np.random.default_rng(5)
    died = _outcome(tables, "died") == 1
    unit = np.where(died & (random.random(400) < 0.6), "Z", random.choice(["A", "B", "C"], 400))
    return _fact(tables, "unit", unit), WARD_RISK, "only_with_outcome", "unit"


def a_score_made_of_the_outcome() -> Planted:
    tables = ward(seed=6)
    random = np.random.default_rng(6)
    score = np.round(random.normal(0, 1, 300) + 6.5 * _outcome(tables, "died"), 2)
    return _fact(tables, "score", score), WARD_RISK, "predicts_outcome_alone", "score"


def a_number_of_many_records() -> Planted:
    tables = ward(seed=7)
    died = pl.DataFrame({"id": np.arange(300), "d": _outcome(tables, "died")})
    visits = table(tables, "visits").join(died, on="id", maintain_order="left")
    random = np.random.default_rng(7)
    marker = pl.Series(np.round(random.normal(0, 1, len(visits)) + 7 * visits["d"].to_numpy(), 2))
    return (
        with_table(tables, "visits", visits.drop("d").with_columns(marker.alias("marker"))),
        WARD_RISK,
        "predicts_outcome_alone",
        "marker",
    )


def the_time_of_the_outcome() -> Planted:
    tables = ward(seed=8)
    return _fact(tables, "futime", _outcome(tables, "stay")), TIMED_RISK, "equals_outcome_table", "futime"


def the_time_of_the_outcome_in_hours_and_shifted() -> Planted:
    tables = ward(seed=9)
    return _fact(tables, "t", np.round(24 * _outcome(tables, "stay") + 100, 1)), TIMED_RISK, "outcome_time", "t"


def age_plus_the_time() -> Planted:
    tables = pbc_like(seed=10)
    people = table(tables, "people")
    return (
        _fact(tables, "age_seen", people["age"].to_numpy() + _outcome(tables, "years")),
        PBC_RISK,
        "outcome_time",
        "age_seen",
    )


def age_replaced_by_age_plus_the_time() -> Planted:
    tables = pbc_like(seed=11)
    people = table(tables, "people")
    return _fact(tables, "age", people["age"].to_numpy() + _outcome(tables, "years")), PBC_RISK, "age_at_outcome", "age"


def length_of_stay_as_a_fact() -> Planted:
    tables = clinic(seed=12)
    last = table(tables, "visits").group_by("id").agg(pl.col("day").max()).sort("id")["day"].to_numpy()
    return _fact(tables, "followed_days", last.astype(float)), FORECAST, "length_of_record", "followed_days"


def end_of_follow_up_beside_every_visit() -> Planted:
    tables = clinic(seed=12)
    random = np.random.default_rng(12)
    visits = table(tables, "visits")
    last = visits.group_by("id").agg(until=pl.col("day").max()).sort("id")
    until = last.with_columns(until=pl.col("until") + np.round(random.exponential(60, len(last)), 1))
    beside = visits.join(until, on="id", maintain_order="left")
    return with_table(tables, "visits", beside), FORECAST, "length_of_record", "until"


def number_of_visits_as_a_fact() -> Planted:
    random = np.random.default_rng(13)
    tables = clinic(300, seed=13)
    visits = table(tables, "visits")
    more = visits.with_columns(
        day=pl.col("day") + 5000, sbp=pl.col("sbp") + pl.Series(np.round(random.normal(0, 3, len(visits)), 1))
    )
    kept = more.filter(pl.Series(random.random(len(more)) < 0.5))
    tables = with_table(tables, "visits", pl.concat([visits, kept]).sort("id", "day"))
    count = table(tables, "visits").group_by("id").len().sort("id")["len"].to_numpy()
    return _fact(tables, "visits_in_all", count.astype(float)), FORECAST, "length_of_record", "visits_in_all"


def a_countdown() -> Planted:
    tables = clinic(seed=14)
    end = pl.col("day").max().over("id") + 30.0
    return _visit(tables, "remaining", end - pl.col("day")), FORECAST, "counts_down", "remaining"


def the_next_value() -> Planted:
    tables = clinic(seed=15)
    return _visit(tables, "smoothed", pl.col("sbp").shift(-1).over("id")), FORECAST, "equals_outcome", "smoothed"


def the_next_value_in_another_unit() -> Planted:
    tables = clinic(seed=16)
    kilopascal = (pl.col("sbp").shift(-1).over("id") * 0.133322).round(3)
    return _visit(tables, "kpa", kilopascal), FORECAST, "predicts_outcome_alone", "kpa"


def the_next_value_where_targets_are_rare() -> Planted:
    tables = clinic(300, seed=22)
    visits = table(tables, "visits").with_row_index("row").with_columns(
        sbp=pl.when(pl.col("row") % 3 != 1).then("sbp")
    )  # fmt: skip
    measured = pl.col("sbp").backward_fill().shift(-1).over("id")
    leaky = visits.with_columns(hint=pl.when(pl.col("row") % 2 == 0).then(measured)).drop("row")
    return with_table(tables, "visits", leaky), FORECAST, "equals_outcome", "hint"


def the_mean_of_all_visits() -> Planted:
    tables = clinic(seed=17)
    mean = table(tables, "visits").group_by("id").agg(pl.col("sbp").mean()).sort("id")["sbp"]
    return _fact(tables, "usual_pressure", mean), FORECAST, "later_value_as_fact", "usual_pressure"


def a_weight_measured_at_the_end() -> Planted:
    tables = clinic(seed=18)
    last = table(tables, "visits").group_by("id", maintain_order=True).agg(pl.col("weight").last()).sort("id")["weight"]
    return _fact(tables, "body_weight", last), FORECAST, "later_value_as_fact", "body_weight"


def a_weight_of_the_index_date() -> Planted:
    tables = clinic(seed=19)
    visits = table(tables, "visits").with_columns(pl.col("day") - 400)
    first = visits.group_by("id", maintain_order=True).agg(pl.col("weight").first()).sort("id")["weight"]
    tables = with_table(tables, "visits", visits.drop("weight"))
    return _fact(tables, "weight", first), FORECAST, "static_after_records", "weight"


def histories_under_two_ids() -> Planted:
    tables = ward(seed=20)
    visits, outcome, people = (table(tables, name) for name in ("visits", "outcome", "people"))
    chosen = pl.col("id") < 40
    again = {
        name: frame.filter(chosen).with_columns(pl.col("id") + 5000)
        for name, frame in (("visits", visits), ("outcome", outcome), ("people", people))
    }
    for name, frame in again.items():
        tables = with_table(tables, name, pl.concat([table(tables, name), frame]))
    return tables, WARD_RISK, "copied_history", None


def an_outcome_column_among_the_inputs() -> Planted:
    tables = ward(seed=21)
    random = np.random.default_rng(21)
    sofa = random.integers(0, 24, 300)
    outcome = table(tables, "outcome").with_columns(pl.Series("SOFA", sofa))
    return (
        with_table(_fact(tables, "score", sofa.astype(float)), "outcome", outcome, **OUTCOME),
        WARD_RISK,
        "equals_outcome_table",
        "score",
    )


def pbc_like(people: int = 312, *, seed: int = 0) -> Tables:
    """Like the Mayo trial: the older die sooner, visits over years, and the years to death or the end of the study."""
    random = np.random.default_rng(seed)
    age = np.round(random.normal(50, 10.5, people), 4)
    death = random.exponential(9, people) * np.exp(-0.02 * (age - 50))
    end = random.uniform(4, 14, people)
    years = np.round(np.minimum(death, end), 4) + 0.05
    rows: dict[str, list[Any]] = {"id": [], "year": [], "bilirubin": [], "albumin": []}
    for person in range(people):
        bilirubin = float(np.exp(random.normal(0.5 + 0.6 * (death[person] < 5), 0.8)))
        for year in [0.0, 0.5, *range(1, 14)]:
            if year < years[person] and (year == 0 or random.random() < 0.7):
                rows["id"].append(person)
                rows["year"].append(float(year))
                rows["bilirubin"].append(round(bilirubin * float(np.exp(random.normal(0.02 * year, 0.2))), 2))
                rows["albumin"].append(round(float(random.normal(3.4, 0.4)), 2))
    visits = {"subject": "id", "time": "year", "time_unit": "years"}
    ids = np.arange(people)
    return {
        "visits": (visits, pl.DataFrame(rows)),
        "people": (
            {"layout": "static", "subject": "id"},
            pl.DataFrame({"id": ids, "age": age, "sex": random.choice(["f", "m"], people)}),
        ),
        "outcome": (OUTCOME, pl.DataFrame({"id": ids, "dead": (death <= end).astype(int), "years": years})),
    }


PBC_RISK: dict[str, Any] = {
    "kind": "risk",
    "from": "origin",
    "outcome": {"column": "dead", "time": "years", "time_unit": "years", "within": "2y"},
    "follow_up": {"column": "years", "time_unit": "years"},
}

LEAKS: list[Callable[[], Planted]] = [
    the_label_itself,
    the_label_in_words,
    the_label_reversed_with_gaps,
    a_code_of_the_dead,
    a_level_of_the_dead,
    a_score_made_of_the_outcome,
    a_number_of_many_records,
    the_time_of_the_outcome,
    the_time_of_the_outcome_in_hours_and_shifted,
    age_plus_the_time,
    age_replaced_by_age_plus_the_time,
    length_of_stay_as_a_fact,
    end_of_follow_up_beside_every_visit,
    number_of_visits_as_a_fact,
    a_countdown,
    the_next_value,
    the_next_value_in_another_unit,
    the_next_value_where_targets_are_rare,
    the_mean_of_all_visits,
    a_weight_measured_at_the_end,
    a_weight_of_the_index_date,
    histories_under_two_ids,
    an_outcome_column_among_the_inputs,
]
