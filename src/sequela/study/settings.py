"""The study file: read, checked, and its defaults filled in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from sequela.audit import AuditSettings
from sequela.baselines import FORECAST_BASELINES, RISK_BASELINES
from sequela.cohort import ForecastQuestion, Question, SplitSettings
from sequela.cohort.settings import NEXT_RECORD
from sequela.errors import StudyError
from sequela.models import FORECAST_LOSSES, RISK_LOSSES, ModelSettings
from sequela.prepare import PrepareSettings, needs_own_sequences
from sequela.records import TableSettings
from sequela.settings import Settings
from sequela.study.not_yet import without_later_keys
from sequela.study.wording import worded
from sequela.train import TrainSettings

_BASELINES = {"forecast": FORECAST_BASELINES, "risk": RISK_BASELINES}
_HIDEABLE = ("last", "decay")  # what stands for a missing value where measurements may be hidden
_LARGEST = 16 << 20
_LOSSES = {"forecast": tuple(FORECAST_LOSSES), "risk": RISK_LOSSES}


class EvaluateSettings(Settings):
    """The `[evaluate]` of a study."""

    baselines: Literal["default"] | list[Literal["persistence", "mean", "linear", "logistic", "gradient_boosting"]] = (
        "default"
    )
    reason: str | None = None
    trials: Annotated[int, Field(ge=1, le=1000)] = 8
    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 500
    subgroups: list[str] = []
    thresholds: list[Annotated[float, Field(gt=0, lt=1)]] = [0.1, 0.2]
    missing_sensitivity: bool = False
    importance: bool = True

    @field_validator("subgroups", "thresholds")
    @classmethod
    def _no_repeats(cls, value: list[Any]) -> list[Any]:
        if len(set(value)) != len(value):
            raise ValueError("the list names the same thing twice: remove one")
        return value

    @model_validator(mode="after")
    def _no_baselines_need_a_reason(self) -> EvaluateSettings:
        if self.baselines == [] and not self.reason:
            raise ValueError('`baselines` = [] needs a reason: write reason = "..." that says why nothing is compared')
        return self


class ReportSettings(Settings):
    """The `[report]` of a study."""

    individuals: bool = False


class StudySettings(Settings):
    """A whole study file."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    records: Annotated[list[TableSettings], Field(min_length=1)]
    question: Question
    split: SplitSettings = SplitSettings()
    prepare: PrepareSettings = PrepareSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    audit: AuditSettings = AuditSettings()
    report: ReportSettings = ReportSettings()

    @field_validator("records")
    @classmethod
    def _names_differ(cls, tables: list[TableSettings]) -> list[TableSettings]:
        names = [table.name for table in tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two tables are named '{twice[0]}': give each its own `name`")
        return tables

    @property
    def own_sequences(self) -> bool:
        """True where each prediction needs a history of its own, cut at its time."""
        return self.model.bidirectional or needs_own_sequences(self.prepare)

    @property
    def baselines(self) -> list[str]:
        """Return the names of the baselines."""
        given = self.evaluate.baselines
        return list(_BASELINES[self.question.kind]) if given == "default" else list(dict.fromkeys(given))

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> StudySettings:
        kind = self.question.kind
        for name in self.baselines:
            if name not in _BASELINES[kind]:
                known = ", ".join(_BASELINES[kind])
                raise ValueError(f"evaluate.baselines: a {kind} has no baseline '{name}'; write one of: {known}")
        if self.model.loss not in ("auto", *_LOSSES[kind]):
            known = '", "'.join(_LOSSES[kind])
            raise ValueError(f'model.loss: a {kind} has no loss "{self.model.loss}"; write "auto" or one of "{known}"')
        if kind == "forecast" and self.model.recalibrate != "none":
            raise ValueError('model.recalibrate is for a risk: write recalibrate = "none", or remove it')
        if kind == "forecast" and not self.prepare.clinical.is_empty:
            raise ValueError("prepare.clinical is for a risk: remove it")
        if kind == "forecast" and self.evaluate.subgroups:
            raise ValueError("evaluate.subgroups is for a risk: remove it")
        if kind == "forecast" and self.evaluate.thresholds != EvaluateSettings.model_fields["thresholds"].default:
            raise ValueError("evaluate.thresholds is for a risk: remove it")
        if kind == "risk" and self.model.interval not in ("none", ModelSettings.model_fields["interval"].default):
            raise ValueError('model.interval is for a forecast: write interval = "none", or remove it')
        if kind == "forecast" and self.train.refit:
            raise ValueError(
                "train.refit is for a risk, since the intervals around forecasts need people who taught nothing: write "
                "refit = false, or remove it"
            )
        return self

    @model_validator(mode="after")
    def _keys_have_something_to_act_on(self) -> StudySettings:
        question, trials = self.question, EvaluateSettings.model_fields["trials"].default
        if (
            isinstance(question, ForecastQuestion)
            and question.horizons == [NEXT_RECORD]
            and question.tolerance != "auto"
        ):
            raise ValueError(
                'question.tolerance goes with a horizon in time: write horizon = "6h" (or another duration), or '
                "remove `tolerance`, since the next record is the next one whenever it comes"
            )
        if self.evaluate.trials != trials and "gradient_boosting" not in self.baselines:
            raise ValueError(
                "evaluate.trials goes with gradient boosting as a baseline: add it to `baselines`, or remove `trials`"
            )
        if not (self.prepare.clinical.is_empty or self.baselines or self.model.hybrid or self.model.wide):
            raise ValueError(
                "prepare.clinical makes columns for baselines, a hybrid and a wide part, and there is none of them: "
                "add one, or remove `clinical`"
            )
        return self

    @model_validator(mode="after")
    def _a_hybrid_has_members(self) -> StudySettings:
        if self.model.hybrid and self.model.members < 2:
            raise ValueError(
                "model.hybrid needs networks that were each trained without some of the people: set members = 5 (2 or "
                "more) in [model]"
            )
        return self

    @model_validator(mode="after")
    def _training_again_knows_its_epochs(self) -> StudySettings:
        if self.train.refit and self.train.patience > 0:
            raise ValueError(
                "train.refit trains for all epochs, since no tuning people are left to end it: set patience = 0 in "
                "[train]"
            )
        return self

    @model_validator(mode="after")
    def _hidden_measurements_are_carried_over(self) -> StudySettings:
        others = sorted({rule for rule in self.prepare.missing_rules if rule not in _HIDEABLE})
        if self.train.hide > 0 and others:
            raise ValueError(
                f'train.hide carries the last value over what it hides, but prepare.missing is "{others[0]}": write '
                'missing = "last" or "decay" in [prepare], or hide = 0 in [train]'
            )
        return self

    @model_validator(mode="after")
    def _tuning_people_where_needed(self) -> StudySettings:
        if self.split.fractions[1] == 0:
            for asks, what, remedy in self.needs_of_tuning:
                if asks:
                    raise ValueError(f"split.fractions leave no tuning people {what}: set {remedy}")
        return self

    @property
    def needs_of_tuning(self) -> list[tuple[bool, str, str]]:
        """Return for each thing that tuning people teach: whether the study asks for it, what it is, what to set."""
        return [
            (self.train.patience > 0, "to end training", "patience = 0 in [train]"),
            (self.train.refit, "to train again with", "refit = false in [train]"),
            (self.model.hybrid, "to stop the boosting of a hybrid", "hybrid = false in [model]"),
            (self.model.recalibrate != "none", "to recalibrate on", 'recalibrate = "none" in [model]'),
            (self._has_intervals, "to measure intervals on", 'interval = "none" in [model]'),
        ]

    @property
    def _has_intervals(self) -> bool:
        return self.question.kind == "forecast" and self.model.interval != "none"


def read_study_file(path: Path, changes: Mapping[str, Any] | None = None) -> StudySettings:
    """Return the settings of a study file, `changes` by dotted key laid over it.

    Raises:
        StudyError: where the file is missing, is no TOML, or holds a key or a value that cannot be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise StudyError(f"{path}: this is larger than a study file can be. Name the study file.")
        document = tomllib.loads(data.decode("utf-8-sig"))
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file. `sequela example` writes a study to start from.") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: this is a folder. Name the study file in it, such as study.toml.") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: the file is not UTF-8 text. Name a study file, saved as UTF-8.") from None
    except OSError as error:
        raise StudyError(f"{path}: the file cannot be read ({error.strerror}). Check its permissions.") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path}: this is no TOML: {_fault(error)}. {_TOML_REMEDY}.") from None
    for key, value in (changes or {}).items():
        _change(document, key, value)
    try:
        return parse_study(document, path.name)
    except RecursionError:
        raise StudyError(f"{path}: a key stands too deep inside of others. {_SET_REMEDY}.") from None


_SET_REMEDY = "Write the block and its key, such as train.epochs"
_TOML_REMEDY = 'Mend that line: a study has lines such as name = "Next pressure", and blocks such as [question]'


def _fault(error: Exception) -> str:
    """Return where TOML cannot be read. The file may be a table of patients, so no sign of it is quoted."""
    where = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
    return f"it cannot be read at {where[1]}" if where else "it cannot be read"


def parse_study(document: dict[str, Any], file: str) -> StudySettings:
    """Return the settings of a parsed study file; every refusal names the file, the key and what is allowed."""
    _no_endless_numbers(document, file)
    kept = without_later_keys(document, file)
    _name_tables(kept)
    _no_intervals_without_tuning(kept)
    question = kept.get("question")
    if isinstance(question, dict):
        question.setdefault("kind", "forecast")
    if isinstance(question, dict) and "from_" in question:  # the name of `from` in Python, where that is a word
        raise StudyError(f"{file}: there is no key 'question.from_'. Did you mean 'from'?")
    try:
        return StudySettings.model_validate(kept)
    except ValidationError as error:
        raise StudyError(worded(error, kept, file, StudySettings)) from None


def _no_endless_numbers(content: Any, file: str, key: str = "") -> None:
    """TOML's whole numbers have 64 bits; Python would read longer ones, and fail later."""
    if isinstance(content, int) and abs(content) >= 1 << 63:
        raise StudyError(f"{file}: '{key}' is longer than a whole number of 64 bits. Write a smaller one.")
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, inside in pairs:
        _no_endless_numbers(inside, file, f"{key}.{name}".lstrip("."))


def _name_tables(document: dict[str, Any]) -> None:
    tables = document.get("records")
    for number, table in enumerate(tables if isinstance(tables, list) else (), start=1):
        if isinstance(table, dict) and "name" not in table:
            path = table.get("path")
            first = path[0] if isinstance(path, list) and path else path
            table["name"] = Path(first).stem if isinstance(first, str) and first else f"table {number}"


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
            raise StudyError(f"--set {key}: '{parent}' stands inside of something that is no table. {_SET_REMEDY}.")
    if not isinstance(place, dict):
        raise StudyError(f"--set {key}: '{last}' stands inside of something that is no table. {_SET_REMEDY}.")
    place[last] = value


def _table(tables: list[Any], name: str, key: str) -> Any:
    if name.isdecimal() and int(name) < len(tables):
        return tables[int(name)]
    for table in tables:
        if isinstance(table, dict) and name in (table.get("name"), Path(str(table.get("path", ""))).stem):
            return table
    raise StudyError(
        f"--set {key}: there is no table '{name}' in [[records]]. Name it by its name or its place, which begins at 0."
    )


def resolved(settings: StudySettings) -> str:
    """Return the study as TOML with every default written out; it reads back as the same study."""
    return tomli_w.dumps(settings.model_dump(mode="json", by_alias=True, exclude_none=True), multiline_strings=False)
