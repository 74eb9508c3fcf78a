"""Keys of the study file that are described but not built yet: refused by name, unless they ask for nothing."""

from __future__ import annotations

import copy
from typing import Any

from sequela.errors import NotAvailableYet

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
        "gates": ("standard",),
        "decay": (False,),
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

# Section -> key -> values that the design names and this version does not build.
_LATER_VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "records": {"source": ("meds", "physionet2012", "omop", "fhir", "wfdb"), "role": ("outcome",)},
    "question": {"kind": ("risk", "survival", "response")},
    "prepare": {
        "plausible": ("default",),
        "missing": ("linear", "regression", "knn", "decay"),
        "scale": ("quantile",),
    },
    "model": {"cell": ("gru", "rnn"), "loss": ("cross_entropy",)},
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
    if kept.get("audit") == {}:
        del kept["audit"]
    return kept


def _check_values(section: str, table: dict[str, Any], file: str) -> None:
    for key, later in _LATER_VALUES.get(section, {}).items():
        value = table.get(key)
        for single in value.values() if isinstance(value, dict) else [value]:
            if isinstance(single, str) and single in later:
                raise NotAvailableYet(f'{file}: {section}.{key} = "{single}" is not available yet in this version.')
    units = table.get("units") if section == "prepare" else None
    for code, unit in units.items() if isinstance(units, dict) else ():
        if isinstance(unit, str) and "->" in unit:
            raise NotAvailableYet(
                f"{file}: prepare.units converts '{code}'; conversions are not available yet in this version. "
                'Name the unit alone, such as "mmHg", and convert the values before.'
            )


def _check_keys(section: str, table: dict[str, Any], file: str) -> None:
    for key, neutral in _LATER_KEYS.get(section, {}).items():
        if key not in table:
            continue
        if not any(type(table[key]) is type(value) and table[key] == value for value in neutral):
            raise NotAvailableYet(f"{file}: '{section}.{key}' is not available yet in this version. Leave it out.")
        del table[key]
