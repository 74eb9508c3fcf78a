"""Static facts: numbers, categories, and codes that say all by themselves."""

from __future__ import annotations

import polars as pl

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
