"""What a study says about its audit, and the names that findings have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from sequela.records.words import nearest
from sequela.settings import Settings

FINDINGS: dict[str, str] = {
    "people_overlap": "a person stands in several parts of the split",
    "copied_history": "a history stands under two ids",
    "copied_rows": "rows of a table are the same in two parts of the split",
    "equals_outcome": "a column is the outcome, or another way to write it",
    "equals_outcome_table": "an input repeats a column of an outcome table",
    "predicts_outcome_alone": "a column foretells the outcome better than a cause could",
    "only_with_outcome": "a code, a column or a level is there only where the outcome follows",
    "outcome_time": "a column holds the time of the outcome, plus a constant or plus another column",
    "length_of_record": "a column holds how long or how often a person will have been seen",
    "counts_down": "a column counts down to an instant that lies ahead",
    "age_at_outcome": "an age is higher where the outcome comes later",
    "only_after_outcome": "a code is recorded at or after the outcome only",
    "later_value_as_fact": "a static column repeats what was measured later",
    "static_after_records": "a static column can change, and records precede it",
    "known_at_prediction_time": "something is stamped at the very time of a prediction",
    "available_before_it_happened": "values were available before they happened",
    "available_later": "values were available later than they are stamped",
    "availability_unknown": "nothing says when results could be known",
    "several_spellings": "a column writes a word in several ways",
    "differs_by_split": "a column tells the parts of the split apart",
    "accepted_for_nothing": "the study accepts a finding that is not there",
}


class AcceptSettings(Settings):
    """One finding that a study lets stand.

    Attributes:
        finding: one of `FINDINGS`.
        column: the column it is about; left out where the finding is about none.
        reason: why it is no leak; the report prints it.
    """

    finding: str
    column: Annotated[str, Field(min_length=1)] | None = None
    reason: Annotated[str, Field(min_length=1)]

    @field_validator("finding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in FINDINGS:
            remedy = nearest(name, FINDINGS) or f" The names are {', '.join(FINDINGS)}."
            raise ValueError(f'there is no finding "{name}".{remedy}')
        return name

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("write the reason: the report prints it")
        return reason


class AuditSettings(Settings):
    """The `[audit]` of a study."""

    accept: list[AcceptSettings] = []
