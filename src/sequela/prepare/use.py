"""What the keys of `[prepare]` can act on: one that names a code on which it cannot act is refused, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import polars as pl

from sequela.errors import StudyError
from sequela.prepare.clinical import ClinicalSettings, amount_codes
from sequela.prepare.quantities import quantity_of
from sequela.prepare.settings import DEFAULT, NONE, REST, PrepareSettings, rule_for

Held = Literal["numbers", "categories", "a number without a time", "a category without a time", "no values"]
NUMBERS: Held = "numbers"
CATEGORIES: Held = "categories"
FACT: Held = "a number without a time"
CATEGORY: Held = "a category without a time"
NOTHING: Held = "no values"

# By key: the values that ask for nothing, and what the others act on.
_ACTS_ON: dict[str, tuple[tuple[str, ...], tuple[Held, ...]]] = {
    "plausible": ((NONE,), (NUMBERS, FACT)),
    "units": ((), (NUMBERS, FACT)),
    "outliers": ((NONE,), (NUMBERS,)),
    "outlier_action": (("flag",), (NUMBERS,)),
    "missing": (("last",), (NUMBERS, CATEGORIES)),
    "carry_limit": ((NONE,), (NUMBERS, CATEGORIES)),
    "transform": ((NONE,), (NUMBERS,)),
    "scale": (("standard",), (NUMBERS, FACT)),
    "aggregate": (("mean", "last"), (NUMBERS,)),  # of categories the last stands anyway
}
_CARRIES: dict[Held, tuple[str, ...]] = {
    NUMBERS: ("last", "decay"),
    CATEGORIES: ("last", "decay", "linear", "regression", "knn"),  # which all mean "last" there
}


def held_by_code(events: pl.DataFrame, derived: Iterable[str] = ()) -> dict[str, set[Held]]:
    """Return what the records hold under each code.

    Args:
        events: contract 1.
        derived: codes that are made of others.
    """
    timed, number = pl.col("time").is_not_null(), pl.col("numeric_value").is_not_null()
    text = ~number & pl.col("text_value").is_not_null()
    kinds: dict[Held, pl.Expr] = {
        NUMBERS: timed & number,
        CATEGORIES: timed & text,
        FACT: ~timed & number,
        CATEGORY: ~timed & text,
    }
    found = events.lazy().group_by("code").agg(is_so.any().alias(kind) for kind, is_so in kinds.items()).collect()
    held: dict[str, set[Held]] = {
        row["code"]: {kind for kind in kinds if row[kind]} or {NOTHING} for row in found.iter_rows(named=True)
    }
    return held | {code: {NUMBERS} for code in derived}


def check_use(settings: PrepareSettings, held: Mapping[str, set[Held]]) -> None:
    """Refuse what the study says of a code on which it cannot act.

    Args:
        settings: `[prepare]` of the study; its codes are in the records.
        held: as `held_by_code` says.

    Raises:
        StudyError: with key, code and remedy.
    """
    for key, (nothing, kinds) in _ACTS_ON.items():
        table = getattr(settings, key)
        for code, value in table.items() if isinstance(table, dict) else ():
            if code != REST and value not in nothing:
                _refuse_others(f"[prepare] {key}", code, held[code], kinds)
                if value == DEFAULT and quantity_of(code) is None:
                    raise StudyError(
                        f"[prepare] plausible: the built-in table has no limits for '{code}'. Write them, such as "
                        f'{code} = [0, 100], or "none".'
                    )
    _check_carrying(settings, held)
    _check_clinical(settings.clinical, held)


def _refuse_others(key: str, code: str, held: set[Held], kinds: tuple[Held, ...]) -> None:
    if held.isdisjoint(kinds):
        raise StudyError(
            f"{key}: '{code}' holds {' and '.join(sorted(held))}, and this acts on {' or '.join(kinds)}. Remove "
            f"'{code}' there."
        )


def _check_carrying(settings: PrepareSettings, held: Mapping[str, set[Held]]) -> None:
    """Refuse a limit where no value is carried."""

    def is_carried(code: str) -> bool:
        rule = rule_for(settings.missing, code, "last")
        return any(rule in _CARRIES.get(kind, ()) for kind in held[code])

    limits = settings.carry_limit
    table = limits if isinstance(limits, dict) else {REST: limits}
    for name, limit in table.items():
        codes = [name] if name != REST else [code for code in held if code not in table]
        if limit != NONE and not any(is_carried(code) for code in codes):
            whose = "no code" if name == REST else f"'{name}'"
            raise StudyError(
                f"[prepare] carry_limit: of {whose} a last value is carried, as `missing` has it. Write missing = "
                '"last" or "decay" for it, or remove the limit.'
            )


def _check_clinical(settings: ClinicalSettings, held: Mapping[str, set[Held]]) -> None:
    for code in settings.reference:
        _refuse_others("[prepare.clinical] reference", code, held[code], (NUMBERS, FACT))
    for name, score in settings.scores.items():
        for code in score.parts:
            _refuse_others(f"[prepare.clinical] scores.{name}", code, held[code], (NUMBERS, FACT))
    for text in settings.amounts:
        amount, per = amount_codes(text)
        _refuse_others("[prepare.clinical] amounts", amount, held[amount], (NUMBERS,))
        if per is not None:
            _refuse_others("[prepare.clinical] amounts", per, held[per], (NUMBERS, FACT))
