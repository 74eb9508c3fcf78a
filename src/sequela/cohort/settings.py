"""What a study says about its question and its split."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from sequela.records.durations import parse_duration
from sequela.settings import Settings

EVERY_RECORD, FIRST_RECORD, LAST_RECORD, NEXT_RECORD = "every record", "first record", "last record", "next record"
ORIGIN = "origin"
Text = Annotated[str, Field(min_length=1)]


class CodeSettings(Settings):
    """An event named by the beginning of its code, or by several."""

    code: Text | Annotated[list[Text], Field(min_length=1)]

    @property
    def prefixes(self) -> list[str]:
        """Return the prefixes as a list."""
        return [self.code] if isinstance(self.code, str) else self.code


def is_duration(text: str, *, what: str, words: tuple[str, ...]) -> None:
    """Refuse a text that is neither a duration nor one of the words."""
    if text in words:
        return
    try:
        parse_duration(text)
    except ValueError as error:
        allowed = "".join(f'"{word}" or ' for word in words)
        raise ValueError(f'`{what}` cannot be "{text}": {error}. Write {allowed}such a duration') from None


def no_repeats(value: str | list[str]) -> str | list[str]:
    """Refuse a list that names the same thing twice."""
    if isinstance(value, list) and len(set(value)) != len(value):
        raise ValueError("the list names the same thing twice: remove one")
    return value


def without_keys_of(keys: Any, others: tuple[str, ...], *, kind: str) -> Any:
    """Refuse keys that another kind of question has, and say which kind."""
    strange = [name for name in others if isinstance(keys, dict) and name in keys]
    if strange:
        raise ValueError(f'`{strange[0]}` goes with kind = "{kind}": set that, or remove `{strange[0]}`')
    return keys


def _spans_differ(spans: list[str], *, what: str) -> None:
    if len({parse_duration(span) for span in spans}) < len(spans):
        raise ValueError(f"`{what}` lists one span twice, in two ways of writing: remove one")


def _horizons_differ(horizons: list[str]) -> None:
    if NEXT_RECORD in horizons and len(horizons) > 1:
        raise ValueError(
            '`horizon` lists "next record" beside durations, and their errors cannot be pooled: '
            "remove it, or ask it in a study of its own"
        )
    _spans_differ([horizon for horizon in horizons if horizon != NEXT_RECORD], what="horizon")


class QuestionSettings(Settings):
    """What every kind of question says: who is asked, when, from which history."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    kind: str
    from_: str | CodeSettings = Field(FIRST_RECORD, alias="from")
    to: str | CodeSettings = LAST_RECORD
    at: str | Annotated[list[str], Field(min_length=1)] = EVERY_RECORD
    history: str = "all"
    min_records: Annotated[int, Field(ge=0)] = 1

    @property
    def columns_apart(self) -> list[str]:
        """Return the codes that are columns of an outcome, and never inputs."""
        return []

    @property
    def code_prefixes(self) -> list[str]:
        """Return the beginnings of codes that the question looks for."""
        ends = [end for end in (self.from_, self.to) if isinstance(end, CodeSettings)]
        return [prefix for end in ends for prefix in end.prefixes]

    @property
    def reads_at_records(self) -> bool:
        """True where every prediction time is a record, so that nothing lies between the two."""
        return self.at in (EVERY_RECORD, FIRST_RECORD, LAST_RECORD)

    @field_validator("at")
    @classmethod
    def _times_differ(cls, value: str | list[str]) -> str | list[str]:
        return no_repeats(value)

    @model_validator(mode="after")
    def _spans_are_readable(self) -> Self:
        if isinstance(self.from_, str) and self.from_ not in (FIRST_RECORD, ORIGIN):
            raise ValueError('`from` must be "first record", "origin" or { code = "..." }: write one of these')
        if isinstance(self.to, str):
            is_duration(self.to, what="to", words=(LAST_RECORD,))
        is_duration(self.history, what="history", words=("all",))
        if isinstance(self.at, list):
            for at in self.at:
                is_duration(at, what="at", words=())
            _spans_differ(self.at, what="at")
        else:
            words = (EVERY_RECORD, FIRST_RECORD, LAST_RECORD)
            is_duration(self.at.removeprefix("every ") if self.at not in words else self.at, what="at", words=words)
        return self


class ForecastQuestion(QuestionSettings):
    """The `[question]` of a forecast: which values are foretold, how far ahead."""

    kind: Literal["forecast"] = "forecast"
    target: str | Annotated[list[str], Field(min_length=1)]
    horizon: str | Annotated[list[str], Field(min_length=1)] = NEXT_RECORD
    tolerance: str = "auto"

    @property
    def targets(self) -> list[str]:
        """Return the codes that are forecast."""
        return [self.target] if isinstance(self.target, str) else list(self.target)

    @property
    def horizons(self) -> list[str]:
        """Return the horizons, each a duration or "next record"."""
        return [self.horizon] if isinstance(self.horizon, str) else list(self.horizon)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_of_a_forecast(cls, keys: Any) -> Any:
        return without_keys_of(keys, ("outcome", "follow_up", "incomplete", "labels"), kind="risk")

    @field_validator("target", "horizon")
    @classmethod
    def _no_repeats(cls, value: str | list[str]) -> str | list[str]:
        return no_repeats(value)

    @model_validator(mode="after")
    def _horizons_are_readable(self) -> Self:
        for horizon in self.horizons:
            is_duration(horizon, what="horizon", words=(NEXT_RECORD,))
        _horizons_differ(self.horizons)
        is_duration(self.tolerance, what="tolerance", words=("auto",))
        return self


class SplitSettings(Settings):
    """The `[split]` of a study: who trains, who tunes, who judges."""

    by: Literal["subject", "time", "order", "within", "file"] = "subject"
    fractions: Annotated[list[float], Field(min_length=3, max_length=3)] = [0.7, 0.15, 0.15]
    path: str | None = None
    folds: Annotated[int, Field(ge=1)] = 1
    seed: int = 0

    @field_validator("fractions", mode="before")
    @classmethod
    def _whole_numbers_are_fractions(cls, value: object) -> object:
        numbers = [part for part in value if type(part) in (int, float)] if isinstance(value, list) else []
        if len(numbers) != 3 or numbers != value:
            raise ValueError("write three numbers, the shares of train, tuning and held_out, such as [0.7, 0.15, 0.15]")
        return [float(part) for part in numbers]

    @model_validator(mode="after")
    def _adds_up(self) -> SplitSettings:
        if any(not 0 <= part <= 1 for part in self.fractions) or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(
                "`fractions` are three shares from 0 to 1 (train, tuning, held_out) that add up to 1: mend them, such "
                "as [0.7, 0.15, 0.15]"
            )
        if self.fractions[0] == 0:
            raise ValueError("`fractions` leave nobody to train on: make the first one larger")
        if self.folds > 1 and self.by != "subject":
            raise ValueError('`folds` above 1 needs by = "subject": set that, or folds = 1')
        if self.by != "file" and self.path is not None:
            raise ValueError('`path` goes with by = "file" only: set that, or remove `path`')
        return self

    @model_validator(mode="after")
    def _keys_have_something_to_act_on(self) -> SplitSettings:
        if self.by == "file" and self.fractions != SplitSettings.model_fields["fractions"].default:
            raise ValueError('with by = "file" the file says who is where: remove `fractions`, or set another `by`')
        if self.by != "subject" and self.seed != 0:
            raise ValueError(f'by = "{self.by}" leaves nothing to chance: remove `seed`, or set by = "subject"')
        return self
