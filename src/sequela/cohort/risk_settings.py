"""What a study says about a question of risk: which event, within what span, and who was watched for how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sequela.cohort.settings import (
    EVERY_RECORD,
    LAST_RECORD,
    CodeSettings,
    ForecastQuestion,
    QuestionSettings,
    Text,
    is_duration,
    without_keys_of,
)
from sequela.records.durations import MICROSECONDS_PER_HOUR, TimeUnit, parse_duration
from sequela.settings import Settings


class OutcomeSettings(Settings):
    """The event of a risk: a column that says whether it happened (and when), or each record of a code.

    Attributes:
        column: its values are 0 and 1, true and false, or `positive` and others; one value a person.
        time: the column that says when it happened; without, the outcome is one of the episode as a whole.
        time_unit: of that column where it holds numbers; they count from the origin.
        positive: the value of `column`, or of `code`, that is an event.
        code: the beginning of a code, each record of which is an event; where values decide, a whole code.
        above, below: only values strictly beyond this are events.
        within: events count up to this long after the prediction time; without, to the end of the episode.
        recurrent: the event can happen again, so who had it is still asked.
    """

    column: Text | None = None
    time: Text | None = None
    time_unit: TimeUnit | None = None
    positive: Text | int | float | None = None
    code: Text | Annotated[list[Text], Field(min_length=1)] | None = None
    above: float | None = None
    below: float | None = None
    within: str | None = None
    recurrent: bool = False

    @property
    def codes(self) -> list[str]:
        """Return the codes (or their beginnings) whose records are events; none for a column."""
        return [] if self.code is None else [self.code] if isinstance(self.code, str) else list(self.code)

    @property
    def name(self) -> str:
        """Return the outcome in a few words: "In-hospital_death", "MAP below 65"."""
        names = " or ".join(self.codes) or str(self.column)
        for word, bound in (("above", self.above), ("below", self.below)):
            names += f" {word} {bound:g}" if bound is not None else ""
        return f"{names} is {self.positive}" if self.code is not None and self.positive is not None else names

    @property
    def has_threshold(self) -> bool:
        """True where only values beyond a bound are events."""
        return self.above is not None or self.below is not None

    @property
    def values_decide(self) -> bool:
        """True where some values of a code are events: those beyond a bound, or `positive`."""
        return self.has_threshold or (self.code is not None and self.positive is not None)

    @property
    def has_time(self) -> bool:
        """True where it is known when the event happened."""
        return self.code is not None or self.time is not None

    @model_validator(mode="after")
    def _is_one_of_the_forms(self) -> Self:
        if (self.column is None) == (self.code is None):
            raise ValueError('`outcome` needs either `column` or `code`: write one, such as { code = "MEDS_DEATH" }')
        wrong = self._keys_of_the_other_form()
        if wrong:
            form = "code" if self.column is not None else "column"
            raise ValueError(f"`{wrong}` goes with an outcome's `{form}`: remove `{wrong}`, or name a `{form}`")
        if sum(bound is not None for bound in (self.above, self.below, self.positive)) > 1:
            raise ValueError(
                "`above`, `below` and `positive` are different outcomes: keep one, and ask the others in studies of "
                "their own"
            )
        if self.within is not None:
            is_duration(self.within, what="within", words=())
        return self._column_has_what_it_needs()

    def _keys_of_the_other_form(self) -> str | None:
        keys = ("above", "below") if self.column is not None else ("time", "time_unit")
        return next((key for key in keys if getattr(self, key) is not None), None)

    def _column_has_what_it_needs(self) -> Self:
        if self.column is None:
            return self
        if self.time == self.column:
            raise ValueError(
                "`column` says whether it happened, and `time` when: name two columns. Where there is a date only, add "
                "a column of 0 and 1"
            )
        if self.time is not None:
            return self
        if self.within is not None:
            raise ValueError("`within` needs to know when it happened: name the column with its `time`, or remove it")
        if self.time_unit is not None:
            raise ValueError("`time_unit` is that of `time`: name the column with the `time`, or remove `time_unit`")
        if self.recurrent:
            raise ValueError("an outcome column without a `time` happens once: remove `recurrent`")
        return self


class FollowUpSettings(Settings):
    """Until when a person was watched: the next event of a code, or a column with a time."""

    code: Text | Annotated[list[Text], Field(min_length=1)] | None = None
    column: Text | None = None
    time_unit: TimeUnit | None = None

    @property
    def codes(self) -> CodeSettings | None:
        """Return the code that ends it."""
        return None if self.code is None else CodeSettings(code=self.code)

    @model_validator(mode="after")
    def _is_one_of_the_forms(self) -> Self:
        if (self.column is None) == (self.code is None):
            raise ValueError('`follow_up` is "last record", { code = "..." } or { column = "..." }: write one of these')
        if self.time_unit is not None and self.column is None:
            raise ValueError("`time_unit` goes with the `column` of `follow_up`: remove it")
        return self


class RiskQuestion(QuestionSettings):
    """The `[question]` of a risk: which event is to come, and who is at risk of it."""

    kind: Literal["risk"] = "risk"
    outcome: OutcomeSettings | None = None
    follow_up: Literal["last record"] | FollowUpSettings = "last record"
    incomplete: Literal["exclude", "no event"] = "exclude"
    labels: Text | None = None

    @property
    def name(self) -> str:
        """Return the outcome in a few words; of a table of labels, "label"."""
        return "label" if self.outcome is None else self.outcome.name

    @property
    def within_hours(self) -> float | None:
        """Return how far ahead an event counts; None where the episode's end or a table of labels sets it."""
        within = None if self.outcome is None else self.outcome.within
        return None if within is None else parse_duration(within) / MICROSECONDS_PER_HOUR

    @property
    def columns_apart(self) -> list[str]:
        """Return the codes that are the outcome's or the follow-up's own columns, and never inputs."""
        named = [] if self.outcome is None else [self.outcome.column, self.outcome.time]
        if isinstance(self.follow_up, FollowUpSettings):
            named.append(self.follow_up.column)
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def code_prefixes(self) -> list[str]:
        """Return the beginnings of codes that the question looks for, outcome and follow-up included."""
        prefixes = super().code_prefixes + ([] if self.outcome is None else self.outcome.codes)
        if isinstance(self.follow_up, FollowUpSettings) and self.follow_up.codes is not None:
            prefixes += self.follow_up.codes.prefixes
        return prefixes

    @property
    def reads_at_records(self) -> bool:
        """True where every prediction time is a record; those of a table of labels need not be."""
        return self.labels is None and super().reads_at_records

    @model_validator(mode="before")
    @classmethod
    def _one_prediction_an_episode(cls, keys: Any) -> Any:
        """Of an outcome without a time there is one prediction an episode, unless the study asks for more."""
        keys = without_keys_of(keys, ("target", "horizon", "tolerance"), kind="forecast")
        outcome = keys.get("outcome") if isinstance(keys, dict) else None
        if isinstance(outcome, dict) and outcome.get("column") and not outcome.get("time") and "at" not in keys:
            return {**keys, "at": LAST_RECORD}
        return keys

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if (self.outcome is None) == (self.labels is None):
            raise ValueError(
                'a risk needs either `outcome`, such as { code = "MEDS_DEATH", within = "1y" }, or `labels`, '
                "a table of them: write one"
            )
        if self.labels is not None:
            self._labels_say_it_all()
        elif self.outcome is not None:
            self._window_has_an_end(self.outcome)
        return self

    def _labels_say_it_all(self) -> None:
        defaults: dict[str, str] = {
            "at": EVERY_RECORD,
            "to": LAST_RECORD,
            "follow_up": LAST_RECORD,
            "incomplete": "exclude",
        }
        for key, default in defaults.items():
            if getattr(self, key) != default:
                raise ValueError(f"`labels` already says when and what: remove `{key}`, or `labels`")

    def _window_has_an_end(self, outcome: OutcomeSettings) -> None:
        if outcome.has_time and outcome.within is None and self.to == LAST_RECORD:
            raise ValueError(
                'without an end the outcome would mean "as long as each was watched": write `within` in `outcome`, '
                'such as within = "1y", or an end of the episode in `to`'
            )
        if not outcome.has_time and (self.follow_up != LAST_RECORD or self.incomplete != "exclude"):
            raise ValueError(
                "`follow_up` and `incomplete` need an outcome with a `time`: name its column, or remove these keys"
            )


Question = Annotated[ForecastQuestion | RiskQuestion, Field(discriminator="kind")]
