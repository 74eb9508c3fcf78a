"""The question, the split and the preparation of a study, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sequela.report.words import duration, listed, percent, plain

_SPLITS = {
    "subject": "People were divided by a hash of their id and the study's seed, so the order of the rows plays no "
    "part. All records of a person are in one split.",
    "time": "The split is a cut in time: earlier predictions train, later ones are held out, so a person may stand on "
    "both sides.",
    "order": "People were divided in the order in which they first appear: the first train, the last are held out. "
    "All records of a person are in one split.",
    "within": "Each person's own earlier part trains and the later part is held out: the same people are on both "
    "sides, so the numbers speak of these people, not of new ones.",
    "file": "The split was given with the data.",
}

MISSING = {
    "last": "the last known value is carried forward",
    "zero": "zero, in the variable's own unit, stands in",
    "mean": "the mean of the training people stands in",
    "linear": "the value is drawn on a straight line between the known ones of what may be seen",
    "regression": "a regression on the other values of the moment stands in",
    "knn": "the mean of the most similar groups of training people stands in",
    "decay": "the last known value fades towards the mean of the training people",
}

_SCALES = {
    "standard": "values are scaled to mean 0 and standard deviation 1",
    "minmax": "values are scaled to the range 0 to 1",
    "robust": "values are scaled by median and quartiles",
    "quantile": "values are scaled by their ranks among training people",
    "none": "values are not scaled",
}

_INPUTS = {
    "values": "the values",
    "observed": "whether each was measured",
    "gaps": "how long ago each was last measured",
    "provenance": "where each value comes from",
}


def question_in_words(question: Mapping[str, Any], targets: Sequence[str]) -> str:
    """What the study asks, as one sentence.

    Args:
        question: the `[question]` table of the resolved study.
        targets: what is forecast.

    Example:
        >>> print(question_in_words({"at": "48h", "from": "origin", "horizon": "6h"}, ["sbp"]))
        At 48 hours after time 0, forecast sbp 6 hours later from all records until then.
    """
    what = listed(list(targets))
    ahead = _ahead(question.get("horizon", "next record"), what)
    return f"{when_in_words(question)}, forecast {ahead} from {seen_in_words(question)}."


def question_notes(question: Mapping[str, Any]) -> list[str]:
    """What else the question fixes: as sentences."""
    notes = [
        "Seen is what was known at or before the moment of the forecast; the value forecast lies strictly after it."
    ]
    least = question.get("min_records", 1)
    if least == 0:
        notes.append("A forecast is made also of people of whom nothing is known yet.")
    elif least > 1:
        notes.append(f"No forecast is made before a person has {least} records.")
    if _has_fixed_horizon(question):
        tolerance = question.get("tolerance", "auto")
        width = "a quarter of the horizon" if tolerance == "auto" else duration(str(tolerance))
        notes.append(f"The measurement nearest to the horizon counts, if it lies within {width} of it.")
    return notes


def speaks_of_visits(question: Mapping[str, Any]) -> bool:
    """True where the forecast is for the next record, whenever that came."""
    return not _has_fixed_horizon(question)


def split_in_words(by: str, folds: int) -> str:
    """How people were divided."""
    text = _SPLITS.get(by, f"People were divided by {by}.")
    if folds > 1:
        text += (
            f" There are {folds} folds: every model was trained {folds} times, each time without one fold of the "
            "people, and every person was held out once."
        )
    return text


def shares_in_words(by: str, folds: int, fractions: Sequence[float] | None) -> str | None:
    """The shares that the study asked for; None where a file says who is where.

    Example:
        >>> shares_in_words("subject", 3, [0.6, 0.2, 0.2])
        'Of those who are not held out, the study asked for 75\\xa0% to train and 25\\xa0% to tune.'
    """
    if by == "file" or not fractions:
        return None
    if folds > 1:
        train, tune = (percent(share / sum(fractions[:2])) for share in fractions[:2])
        return f"Of those who are not held out, the study asked for {train} to train and {tune} to tune."
    shares = listed([f"{plain(100 * fraction)}\N{NO-BREAK SPACE}%" for fraction in fractions])
    return f"The study asked for {shares} to train, tune and be held out."


def preparation_in_words(prepare: Mapping[str, Any], inputs: Sequence[str]) -> str:
    """What the network saw of the records."""
    missing, scale = prepare.get("missing", "last"), prepare.get("scale", "standard")
    filled = (
        f"Where a value is missing, {MISSING[missing]}" if isinstance(missing, str) and missing in MISSING else None
    )
    filled = filled or "Missing values are filled variable by variable, as the table below or the study file says"
    scaled = _SCALES.get(scale) if isinstance(scale, str) else None
    scaled = scaled or "values are scaled as the study file below says"
    seen = listed([_INPUTS.get(name, name) for name in inputs])
    return (
        f"{_steps(prepare)} the network sees {seen}. {filled}; {scaled}. "
        "All of this was fitted on the training people only."
    )


def _steps(prepare: Mapping[str, Any]) -> str:
    grid = str(prepare.get("grid", "none"))
    return "At each record" if grid == "none" else f"Records are put on a grid of {duration(grid)}; at each step of it"


def when_in_words(question: Mapping[str, Any]) -> str:
    """When a person is asked."""
    at = question.get("at", "every record")
    start, end = question.get("from", "first record"), question.get("to", "last record")
    span = f"from {_start(start)} to {_end(end)}"
    moments = [at] if isinstance(at, str) else [str(moment) for moment in at]
    if moments == ["every record"]:
        return f"At every record of a person, {span}"
    if moments in (["first record"], ["last record"]):
        is_whole = (start, end) == ("first record", "last record")
        return f"At the {moments[0]} of a person" + f", {span}" * (not is_whole)
    if len(moments) == 1 and moments[0].startswith("every "):
        return f"Every {duration(moments[0].removeprefix('every '))}, {span}"
    return f"At {listed([duration(moment) for moment in moments])} after {_start(start)}"


def _start(start: Any) -> str:
    if isinstance(start, Mapping):
        return f"each {codes_in_words(start)}"
    return {"first record": "the first record", "origin": "time 0"}.get(str(start), str(start))


def _end(end: Any) -> str:
    if isinstance(end, Mapping):
        return f"the next {codes_in_words(end)}"
    return "the last" if end == "last record" else f"{duration(str(end))} later"


def codes_in_words(match: Mapping[str, Any]) -> str:
    """The codes that open or end something, as a sentence names them."""
    code = match.get("code", "event")
    return code if isinstance(code, str) else listed([str(one) for one in code], last="or")


def end_in_words(question: Mapping[str, Any]) -> str:
    """What ends an episode.

    Example:
        >>> end_in_words({"to": {"code": "DISCHARGE"}}), end_in_words({}), end_in_words({"to": "96h"})
        ('the next DISCHARGE', "the person's last record", '96 hours after its beginning')
    """
    end = question.get("to", "last record")
    if isinstance(end, str) and end != "last record":
        return f"{duration(end)} after its beginning"
    return _end(end) if isinstance(end, Mapping) else "the person's last record"


def _has_fixed_horizon(question: Mapping[str, Any]) -> bool:
    return bool(question.get("horizon", "next record") != "next record")


def _ahead(horizon: Any, what: str) -> str:
    if horizon == "next record":
        return f"the next record's {what}"
    moments = [horizon] if isinstance(horizon, str) else [str(moment) for moment in horizon]
    return f"{what} {listed([duration(moment) for moment in moments])} later"


def seen_in_words(question: Mapping[str, Any]) -> str:
    """What of the history may be seen."""
    history = str(question.get("history", "all"))
    if history != "all":
        return f"the records of the last {duration(history)}"
    at_records = question.get("at", "every record") in ("every record", "first record", "last record")
    return "this and all earlier records" if at_records else "all records until then"
