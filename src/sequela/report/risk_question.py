"""Who was asked what, when, and for how long they were watched: a risk's question in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequela.report.privacy import guarded
from sequela.report.question import codes_in_words, end_in_words, seen_in_words, when_in_words
from sequela.report.words import duration, listed, model_name, plain

Facts = list[tuple[str, str]]


def risk_in_words(question: Mapping[str, Any], outcome: str) -> str:
    """What the study asks, as one sentence.

    Args:
        question: the `[question]` table of the resolved study.
        outcome: its name, as the run says it.

    Example:
        >>> asked = {"from": "origin", "at": "48h", "outcome": {"column": "died"}}
        >>> print(risk_in_words(asked, "died"))
        At 48 hours after time 0, state the risk of "died" in this episode, from all records until then.
    """
    if "labels" in question:
        seen = seen_in_words({**question, "at": "the times of the labels"})
        return f"At each time of the table of labels, state the risk of its label, from {seen}."
    ahead = _ahead(question)
    return f'{when_in_words(question)}, state the risk of "{outcome}" {ahead}, from {seen_in_words(question)}.'


def risk_facts(question: Mapping[str, Any], outcome: str) -> Facts:
    """The parts of the question, each with its heading."""
    if "labels" in question:
        said = ("Outcome", "what the study's table of labels says: true or false for a person at a time")
        return [said, _seen(question)]
    facts: Facts = [("Outcome", _outcome(question["outcome"], outcome)), ("Time horizon", _horizon(question))]
    when = when_in_words(question)
    facts.append(("Asked", f"{when[0].lower()}{when[1:]}{_least(question)}"))
    facts.append(("At risk", _at_risk(question["outcome"])))
    if _has_time(question["outcome"]):
        facts += [("Follow-up", _follow_up(question)), ("Incomplete follow-up", _incomplete(question))]
    return [*facts, _seen(question)]


def _outcome(outcome: Mapping[str, Any], name: str) -> str:
    if "column" in outcome:
        positive = f" (the value {outcome['positive']})" if "positive" in outcome else ""
        dated = f", dated by the column {outcome['time']}" if "time" in outcome else ", without a time"
        return f"the column {outcome['column']}{positive}{dated}; it is never an input"
    if "above" in outcome or "below" in outcome:
        side = "above" if "above" in outcome else "below"
        return (
            f"a value of {codes_in_words(outcome)} {side} {plain(float(outcome[side]))}; "
            "its past values are inputs, later ones are not"
        )
    codes = codes_in_words(outcome)
    if "positive" in outcome:
        return f"a record of {codes} with the value {outcome['positive']}; past ones are inputs, later ones are not"
    return f"a record of {codes}" + f" ({name})" * (name != codes)


def _has_time(outcome: Mapping[str, Any]) -> bool:
    return "code" in outcome or "time" in outcome


def _ahead(question: Mapping[str, Any]) -> str:
    outcome = question["outcome"]
    if "within" in outcome:
        return f"within {duration(str(outcome['within']))}"
    return "before the episode ends" if _has_time(outcome) else "in this episode"


def _horizon(question: Mapping[str, Any]) -> str:
    outcome = question["outcome"]
    if "within" in outcome:
        return f"{duration(str(outcome['within']))} from the moment of the prediction; a later event does not count"
    if _has_time(outcome):
        return f"from the moment of the prediction to the end of the episode: {end_in_words(question)}"
    return "the whole episode, such as a stay; when in it the event came is not known to the study"


def _least(question: Mapping[str, Any]) -> str:
    least = question.get("min_records", 1)
    return f", once a person has {least} records" if least > 1 else ""


def _at_risk(outcome: Mapping[str, Any]) -> str:
    if not _has_time(outcome):
        return "everybody who is asked: the outcome has no time, so nobody can be known to have had it before"
    if outcome.get("recurrent"):
        return "everybody who is asked, also after an event: it can happen again"
    return "until the first event: who has had it is not asked any more"


def _follow_up(question: Mapping[str, Any]) -> str:
    follow_up = question.get("follow_up", "last record")
    if isinstance(follow_up, Mapping):
        if "column" in follow_up:
            return f"until the time in the column {follow_up['column']}"
        return f"until the next {codes_in_words(follow_up)}"
    return "until a person's last record"


def _incomplete(question: Mapping[str, Any]) -> str:
    if question.get("incomplete", "exclude") == "no event":
        return "whose follow-up ends within the horizon without an event counts as without an event"
    return "predictions whose follow-up ends within the horizon without an event are left out, and counted below"


def _seen(question: Mapping[str, Any]) -> tuple[str, str]:
    return "Seen", f"{seen_in_words(question)}; only what was known at or before the moment of the prediction"


def recalibration_in_words(kind: str, *, refit: bool, left: Mapping[str, str]) -> str:
    """What was done to the risks after training.

    Args:
        kind: the study's `recalibrate`.
        refit: tuning people helped to train the models in the end.
        left: why no map could be learned, by model for which that is so.
    """
    how = {
        "platt": "Platt scaling (a logistic curve through the model's own risk)",
        "isotonic": "isotonic regression (a rising step function of the model's own risk)",
    }.get(kind)
    if how is None:
        return "The study recalibrates nothing: every model's own risk is what it gives out."
    before = ", from what it said of them before they helped to train it" if refit else ""
    reasons: dict[str, list[str]] = {}
    for model, reason in left.items():
        reasons.setdefault(guarded(reason), []).append(model_name(model).lower())
    exceptions = "".join(
        f" Not recalibrated, so that its own risk is what it gives out: {listed(models)} ({reason})."
        for reason, models in reasons.items()
    )
    return (
        f"Every model was {'to be ' if left else ''}recalibrated by {how}, learned on tuning people only{before}; "
        f"held-out people took no part.{exceptions}"
    )
