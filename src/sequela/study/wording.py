"""How a study file that cannot be is refused: its key, what stands there, and what to write."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from sequela.records.words import nearest
from sequela.settings import wanted

_LONGEST_SHOWN = 40
_EXAMPLES = {
    "name": 'name = "Next systolic pressure"',
    "records": "a [[records]] block for each table, with its `path`",
    "path": 'path = "visits.csv"',
    "question": 'a [question] block with target = "sbp"',
    "target": 'target = "sbp"',
    "code": 'code = "HOSPITAL_ADMISSION"',
}


def worded(error: ValidationError, document: dict[str, Any], file: str, study: type[BaseModel]) -> str:
    """Return one paragraph for the first fault that pydantic found.

    Args:
        error: what pydantic found.
        document: the study as it was read.
        file: the name of the study file.
        study: the settings of a whole study, to name the keys that there are.
    """
    found = [_of_kind(_place(each, document), each) for each in error.errors(include_url=False)]
    for place, each in found:
        if each["type"] == "extra_forbidden":
            return _unknown(place, document, file, study)
    found.sort(key=lambda pair: pair[1]["type"] == "missing")  # what stands there wrongly explains what is missing
    group = found[0][0][: 3 if found[0][0][:1] == ["records"] else 2]
    deepest = max((place for place, _ in found if place[: len(group)] == group), key=len)
    same = [each for place, each in found if place == deepest]
    key = _dotted(deepest, document)
    own = [each for each in same if each["type"] == "value_error"]
    if own:
        where = "" if deepest in ([], ["records"]) else f"[{deepest[0]}] " if len(deepest) == 1 else f"{key}: "
        words = wanted(own[0])
        return f"{file}: {where}{words}{'' if words.endswith(('.', '?')) else '.'}"
    if all(each["type"] == "missing" for each in same):
        example = _EXAMPLES.get(str(deepest[-1]), f"`{deepest[-1]}`")
        return f"{file}: {key} is missing. Write {example}."
    return f"{file}: {key} cannot be {_shown(same[0]['input'])}. Write {_choice(deepest, same)}.{_near(same)}"


def _of_kind(place: list[Any], error: Any) -> tuple[list[Any], Any]:
    """Return a fault and its place; a `kind` that there is not stands at its own key, not at the table's."""
    if error["type"] != "union_tag_invalid":
        return place, error
    key = error["ctx"]["discriminator"].strip("'")
    return [*place, key], {**error, "input": error["input"][key]}


def _unknown(place: list[Any], document: dict[str, Any], file: str, study: type[BaseModel]) -> str:
    known = _known_keys(place[:-1], study, document)
    remedy = nearest(str(place[-1]), known) or " Remove it, or write one of those that there are."
    return f"{file}: there is no key {_dotted(place, document)}.{remedy} Known here: {', '.join(sorted(known))}."


def _choice(place: list[Any], errors: list[Any]) -> str:
    if place == ["records"]:
        return "a [[records]] block, in two pairs of brackets, for each table"
    if len(place) == 1 and errors[0]["type"].startswith("model"):
        return f"[{place[0]}] on a line of its own, and its keys below it"
    return " or ".join(dict.fromkeys(wanted(each) for each in errors))


def _near(errors: list[Any]) -> str:
    """Return a hint where a word is nearly one of those that are allowed."""
    given = errors[0]["input"]
    words = [word for each in errors if each["type"] == "literal_error" for word in wanted(each).split('"')[1::2]]
    return nearest(given, words) if isinstance(given, str) else ""


def _shown(value: Any) -> str:
    """Return a value of the study file as it may be shown: what is short, as TOML writes it."""
    if isinstance(value, bool | str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, int | float):
        text = str(value)
    else:
        return (
            "an empty list"
            if value == []
            else "a list"
            if isinstance(value, list)
            else "a table"
            if isinstance(value, dict)
            else "a date or a time"
        )
    return text if len(text) <= _LONGEST_SHOWN else f'{text[: _LONGEST_SHOWN - 4]}..."'


def _place(error: Any, document: dict[str, Any]) -> list[Any]:
    """Return where the fault stands in the file: pydantic's location without the names of branches of a union."""
    kept: list[Any] = []
    here: Any = document
    for number, part in enumerate(error["loc"]):
        last = number == len(error["loc"]) - 1
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if in_list or (isinstance(here, dict) and part in here):
            here = here[part]
        elif not (last and error["type"] == "missing"):
            continue
        kept.append(part)
    return kept


def _dotted(place: list[Any], document: dict[str, Any]) -> str:
    """Return a key as a user finds it: 'train.epochs', or 'records[2].time' (table 'patients')."""
    words = ""
    for part in place:
        words += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if words else ''}{part}"
    table = document["records"][place[1]] if place[:1] == ["records"] and len(place) > 1 else None
    name = f" (table '{table['name']}')" if isinstance(table, dict) and isinstance(table.get("name"), str) else ""
    return f"'{words}'{name}" if words else ""


def _known_keys(place: list[Any], study: type[BaseModel], document: dict[str, Any]) -> list[str]:
    """Return the keys of a table of the study; of one that comes in kinds, those of the kind that is written there."""
    models: list[type[BaseModel]] = [study]
    here: Any = document
    for part in place:
        here = here[part]
        if not isinstance(part, int):
            fields = [f for model in models for n, f in model.model_fields.items() if part in (n, f.alias)]
            # A part that is no key is a name of the user's, in a table by name.
            models = [model for field in fields[:1] for model in _models_of(field.annotation)] or models
        models = _of_its_kind(models, here)
    return list(dict.fromkeys(field.alias or n for model in models for n, field in model.model_fields.items()))


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_of(part)]


def _of_its_kind(models: list[type[BaseModel]], table: Any) -> list[type[BaseModel]]:
    """Return the models whose `kind` is that of the table; all of them where none is."""
    kind = table.get("kind") if isinstance(table, dict) else None
    named = [model for model in models if "kind" in model.model_fields and model.model_fields["kind"].default == kind]
    return named or models
