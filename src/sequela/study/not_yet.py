"""Keys of the study file that are described but not built yet: refused by name, unless they ask for nothing."""

from __future__ import annotations

import copy
from typing import Any

from sequela.errors import NotAvailableYet

# Section -> key -> the values that ask for nothing. Any other value of such a key is refused.
_LATER_KEYS: dict[str, dict[str, tuple[Any, ...]]] = {
    "question": {"given": ([],)},
    "evaluate": {"at": ("same",)},
}

# Section -> key -> values of later versions, and what there is instead.
_LATER_VALUES: dict[str, dict[str, tuple[tuple[str, ...], str]]] = {
    "records": {"source": (("omop", "fhir", "wfdb"), '"csv", "parquet", "meds" or "physionet2012"')},
    "question": {"kind": (("survival", "response"), '"forecast" or "risk"')},
    "evaluate": {
        "baselines": (("cox",), '"persistence", "mean", "linear", "logistic" or "gradient_boosting"'),
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
    return kept


def _check_values(section: str, table: dict[str, Any], file: str) -> None:
    for key, (later, instead) in _LATER_VALUES.get(section, {}).items():
        value = table.get(key)
        for single in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
            if isinstance(single, str) and single in later:
                raise NotAvailableYet(
                    f"{file}: '{section}.{key}' = \"{single}\" is not available yet in this version. Write {instead}."
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
