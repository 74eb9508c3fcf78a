"""The study file: read, checked, and its defaults filled in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from sequela.baselines import FORECAST_BASELINES
from sequela.cohort import QuestionSettings, SplitSettings
from sequela.errors import StudyError
from sequela.models import ModelSettings
from sequela.prepare import PrepareSettings
from sequela.records import TableSettings
from sequela.records.words import nearest
from sequela.settings import Settings
from sequela.study.not_yet import without_later_keys
from sequela.train import TrainSettings


class EvaluateSettings(Settings):
    """The `[evaluate]` of a study."""

    baselines: Literal["default"] | list[Literal["persistence", "mean", "linear", "gradient_boosting"]] = "default"
    reason: str | None = None
    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 500

    @model_validator(mode="after")
    def _no_baselines_need_a_reason(self) -> EvaluateSettings:
        if self.baselines == [] and not self.reason:
            raise ValueError('`baselines = []` needs `reason = "..."`: why nothing simpler is compared')
        return self

    @property
    def names(self) -> list[str]:
        """Return the baselines by name."""
        return list(FORECAST_BASELINES) if self.baselines == "default" else list(dict.fromkeys(self.baselines))


class ReportSettings(Settings):
    """The `[report]` of a study."""

    individuals: bool = False


class StudySettings(Settings):
    """A whole study file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    records: Annotated[list[TableSettings], Field(min_length=1)]
    question: QuestionSettings
    split: SplitSettings = SplitSettings()
    prepare: PrepareSettings = PrepareSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    report: ReportSettings = ReportSettings()

    @field_validator("records")
    @classmethod
    def _names_differ(cls, tables: list[TableSettings]) -> list[TableSettings]:
        names = [table.name for table in tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two tables are named '{twice[0]}': give each a `name`")
        return tables

    @model_validator(mode="after")
    def _tuning_people_where_needed(self) -> StudySettings:
        if self.split.by != "file" and self.split.fractions[1] == 0:
            if self.train.patience > 0:
                raise ValueError(
                    "split.fractions leave no tuning people, so nothing can end training: set patience = 0 in [train]"
                )
            if self.model.interval != "none":
                raise ValueError(
                    'split.fractions leave no tuning people to measure intervals on: set interval = "none" in [model]'
                )
        return self


def read_study_file(path: Path, changes: Mapping[str, Any] | None = None) -> StudySettings:
    """Return the settings of a study file, `changes` by dotted key laid over it.

    Raises:
        StudyError: where the file is missing, is no TOML, or holds a key or a value that cannot be.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file. `sequela example` writes a study to start from.") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: this is a folder. Name the study file in it, such as study.toml.") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: the file is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise StudyError(f"{path}: the file cannot be read ({error.strerror}).") from None
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path}: this is no TOML: {error}.") from None
    for key, value in (changes or {}).items():
        _change(document, key, value)
    return parse_study(document, path.name)


def parse_study(document: dict[str, Any], file: str) -> StudySettings:
    """Return the settings of a parsed study file; every refusal names the file, the key and what is allowed."""
    kept = without_later_keys(document, file)
    _name_tables(kept)
    _no_intervals_without_tuning(kept)
    try:
        return StudySettings.model_validate(kept)
    except ValidationError as error:
        raise StudyError(_worded(error, file)) from None


def _name_tables(document: dict[str, Any]) -> None:
    tables = document.get("records")
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict) and "name" not in table:
            path = table.get("path")
            first = path[0] if isinstance(path, list) and path else path
            if isinstance(first, str):
                table["name"] = Path(first).stem


def _no_intervals_without_tuning(document: dict[str, Any]) -> None:
    """Without tuning people there are no intervals: the default becomes "none"; an asked-for width is refused later."""
    split, model = document.get("split"), document.setdefault("model", {})
    fractions = split.get("fractions") if isinstance(split, dict) else None
    no_tuning = isinstance(fractions, list) and len(fractions) == 3 and fractions[1] == 0
    if no_tuning and isinstance(model, dict):
        model.setdefault("interval", "none")


def _change(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a table of `records` is named by its place or its name."""
    *parents, last = key.split(".")
    place: Any = document
    for parent in parents:
        if isinstance(place, list):
            place = _table(place, parent, key)
        elif isinstance(place, dict):
            place = place.setdefault(parent, {})
        else:
            raise StudyError(f"--set {key}: '{parent}' stands inside of something that is no table.")
    if not isinstance(place, dict):
        raise StudyError(f"--set {key}: '{last}' stands inside of something that is no table.")
    place[last] = value


def _table(tables: list[Any], name: str, key: str) -> Any:
    if name.isdecimal() and int(name) < len(tables):
        return tables[int(name)]
    for table in tables:
        if isinstance(table, dict) and name in (table.get("name"), Path(str(table.get("path", ""))).stem):
            return table
    raise StudyError(f"--set {key}: there is no table '{name}' in [[records]].")


def _worded(error: ValidationError, file: str) -> str:
    found = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    first = found[0]
    place = [part for part in first["loc"] if not _is_branch(part)]
    key = _dotted(place)
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        return (
            f"{file}: there is no key '{key}'.{nearest(str(place[-1]), known)} Known here: {', '.join(sorted(known))}."
        )
    if first["type"] == "missing":
        return f"{file}: '{key}' is missing. Add it; docs/study.md describes every key."
    same = [each for each in found if [part for part in each["loc"] if not _is_branch(part)] == place]
    wanted = "; or ".join(dict.fromkeys(_sentence(each["msg"]) for each in same))
    return f"{file}: '{key}' cannot be so: {wanted}." if key else f"{file}: {wanted}."


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ").rstrip(".")
    return message[0].lower() + message[1:] if message[:1].isupper() and message[1:2].islower() else message


def _is_branch(part: object) -> bool:
    """True for what pydantic adds to name a branch of a union, which no user wrote."""
    return isinstance(part, str) and (
        part in ("str", "int", "float", "CodeSettings") or any(sign in part for sign in ("[", "(", "]"))
    )


def _dotted(place: list[Any]) -> str:
    words = ""
    for part in place:
        words += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if words else ''}{part}"
    return words


def _known_keys(place: list[Any]) -> list[str]:
    model: Any = StudySettings
    for part in place:
        if isinstance(part, int):
            continue
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        model = _model_of(field.annotation) if field is not None else None
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_of(part)) is not None), None)


def resolved(settings: StudySettings) -> str:
    """Return the study as TOML with every default written out; it reads back as the same study."""
    return tomli_w.dumps(settings.model_dump(mode="json", by_alias=True, exclude_none=True), multiline_strings=False)
