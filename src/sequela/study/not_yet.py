"""Keys of the study file that are described but not built yet: refused by name, unless they ask for nothing."""

from __future__ import annotations

import copy
from typing import Any

from sequela.errors import NotAvailableYet, StudyError
from sequela.records.words import nearest

# Section -> key -> the values that ask for nothing. Any other value of such a key is refused.
_LATER_KEYS: dict[str, dict[str, tuple[Any, ...]]] = {
    "question": {"given": ([],), "labels": (), "outcome": (), "follow_up": (), "incomplete": ()},
    "prepare": {
        "outliers": ("none",),
        "outlier_action": ("flag",),
        "carry_limit": ("none",),
        "transform": ("none",),
        "grid": ("none",),
        "aggregate": ("mean",),
    },
    "model": {
        "readout": (["last"], "last"),
        "members": (1,),
        "hybrid": (False,),
        "recalibrate": ("none",),
    },
    "evaluate": {
        "at": ("same",),
        "subgroups": ([],),
        "thresholds": ([0.1, 0.2], []),
        "missing_sensitivity": (False,),
    },
    "audit": {"accept": ([],)},
}

# Section -> key -> values of later versions, and what there is instead.
_LATER_VALUES: dict[str, dict[str, tuple[tuple[str, ...], str]]] = {
    "records": {
        "source": (("meds", "physionet2012", "omop", "fhir", "wfdb"), '"csv" or "parquet"'),
        "role": (("outcome",), '"input"'),
    },
    "question": {"kind": (("risk", "survival", "response"), '"forecast"')},
    "prepare": {
        "plausible": (("default",), "limits of your own, such as { sbp = [40, 300] }"),
        "missing": (("linear", "regression", "knn", "decay"), '"zero", "mean" or "last"'),
        "scale": (("quantile",), '"standard", "minmax", "robust" or "none"'),
    },
    "model": {
        "loss": (("cross_entropy",), '"auto", "squared", "absolute" or "huber"'),
    },
    "evaluate": {
        "baselines": (("logistic", "cox"), '"persistence", "mean", "linear" or "gradient_boosting"'),
    },
}


def without_later_keys(document: dict[str, Any], file: str) -> dict[str, Any]:
    """Return a copy of the study without keys of later versions that ask for nothing.

    Raises:
        NotAvailableYet: for one that asks for something.
    """
    kept = copy.deepcopy(document)
    for section, content in kept.items():
        for table in content if isinstance(content, list) else [content]:
            if isinstance(table, dict):
                _check_values(section, table, file)
                _check_keys(section, table, file)
                if section == "prepare":
                    _check_units(table, file)
    _drop_audit(kept, file)
    return kept


def _drop_audit(document: dict[str, Any], file: str) -> None:
    """[audit] has nothing but `accept`, and without the audit nothing reads it."""
    audit = document.pop("audit", {})
    if not isinstance(audit, dict):
        raise StudyError(f"{file}: 'audit' is no table. Write [audit] on a line of its own, or leave it out.")
    for key in audit:
        raise StudyError(f"{file}: there is no key 'audit.{key}'.{nearest(key, ['accept'])} Known here: accept.")


def _check_values(section: str, table: dict[str, Any], file: str) -> None:
    for key, (later, instead) in _LATER_VALUES.get(section, {}).items():
        value = table.get(key)
        for single in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            if isinstance(single, str) and single in later:
                raise NotAvailableYet(
                    f"{file}: '{section}.{key}' = \"{single}\" is not available yet in this version. Write {instead}."
                )


def _check_units(table: dict[str, Any], file: str) -> None:
    """A unit may be named for the reader; a conversion is for later."""
    units = table.get("units")
    for code, unit in units.items() if isinstance(units, dict) else ():
        if isinstance(unit, str) and "->" in unit:
            raise NotAvailableYet(
                f"{file}: 'prepare.units' converts '{code}', and conversions are not available yet in this version. "
                'Name the unit alone, such as "mmHg", and convert the values before.'
            )


def _check_keys(section: str, table: dict[str, Any], file: str) -> None:
    for key, neutral in _LATER_KEYS.get(section, {}).items():
        if key not in table:
            continue
        if not _asks_for_nothing(table[key], neutral):
            raise NotAvailableYet(f"{file}: '{section}.{key}' is not available yet in this version. Leave it out.")
        del table[key]


def _asks_for_nothing(value: Any, neutral: tuple[Any, ...]) -> bool:
    """True for a neutral value, and for a table by code in which every value is one."""
    if isinstance(value, dict) and value:
        return all(_asks_for_nothing(single, neutral) for single in value.values())
    return any(type(value) is type(each) and value == each for each in neutral)
