"""Static facts: numbers, categories, and codes that say all by themselves."""

from __future__ import annotations

import numpy as np
import polars as pl
from asking import HOUR, events_of

from sequela.cohort.facts import STATED, static_facts
from sequela.records.events import SCHEMA


def test_a_code_without_a_value_is_a_fact_of_those_who_have_it() -> None:
    rows = [
        (0, "GENDER//F", None, None),
        (1, "GENDER//M", None, None),
        (1, "height", 1.8, None),
        (2, "race", None, "A"),
    ]
    events = pl.DataFrame(
        [
            {"subject_id": person, "code": code, "numeric_value": number, "text_value": text}
            for person, code, number, text in rows
        ],
        schema_overrides=SCHEMA,
    ).with_columns(time=pl.lit(None, dtype=pl.Datetime("us")))
    facts = static_facts(events, 3)
    assert facts.categories["GENDER//F"] == [STATED, None, None]
    assert facts.categories["GENDER//M"] == [None, STATED, None]
    assert facts.categories["race"] == [None, None, "A"]
    assert facts.numbers["height"][1] == events["numeric_value"].cast(pl.Float64).to_list()[2]


def test_an_age_is_counted_from_the_first_birth_in_years_of_365_and_a_quarter_days() -> None:
    year = 8766
    births = events_of((0, -40 * year, "MEDS_BIRTH//hospital"), (0, 5, "MEDS_BIRTH"), (1, 0, "x", 1.0))
    ages = static_facts(births, 2).age_years(np.array([0, 0, 1]), np.array([0, year * HOUR, 0]))
    np.testing.assert_allclose(ages, [40.0, 41.0, np.nan], rtol=1e-12)


def test_of_a_fact_some_have_no_number_or_no_text() -> None:
    facts = static_facts(
        events_of((0, None, "height", 1.5), (1, None, "height"), (0, None, "race", "A"), (1, None, "race")), 2
    )
    np.testing.assert_array_equal(facts.numbers["height"], [1.5, np.nan])
    assert facts.categories == {"race": ["A", None]}
