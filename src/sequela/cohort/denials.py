"""Records that say that something did not happen, under a code of which every record counts as an event."""

from __future__ import annotations

import polars as pl

from sequela.errors import CohortError

_NUMBERED = r"^[0-9]+[\s_:.=)-]+"  # as in "0_no"
_DENIALS = ["0", "no", "n", "false", "none", "nil", "never", "absent", "negative", "neg", "nein", "non"]


def _denials() -> pl.Expr:
    """True where a record says in words that it did not happen."""
    word = pl.col("text_value").str.strip_chars().str.to_lowercase()
    return word.str.replace(_NUMBERED, "").is_in(_DENIALS).fill_null(value=False)


def refuse_denials(found: pl.DataFrame, key: str, name: str, *, of_numbers: str, of_words: str) -> None:
    """Refuse records each of which counts as an event where some say that there was none.

    Args:
        found: numeric_value and text_value of the records.
        key: of [question].
        name: the code, or how it begins.
        of_numbers: what to do where 0 says so.
        of_words: what to do where "no", "false" or the like do.

    Raises:
        CohortError: with the key and the remedy.
    """
    if found["numeric_value"].min() == 0:
        said, remedy = "holds zeros", of_numbers
    elif found.select(_denials()).to_series().any():
        said, remedy = 'holds words such as "no" or "false"', of_words
    else:
        return
    raise CohortError(f"[question] {key}: '{name}' {said}, and of a code every record counts, these as well. {remedy}.")
