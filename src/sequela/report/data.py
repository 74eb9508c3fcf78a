"""What the page says of the people and their records; every count of them passes through `privacy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub

from sequela.report.formats import Profile
from sequela.report.privacy import (
    SMALLEST,
    guarded,
    is_few,
    rounded,
    shown_and_known,
    shown_cases,
    shown_count,
    shown_parts,
    shown_share,
)
from sequela.report.tables import Column, Share, TableView, share_with_bar
from sequela.report.words import DASH, hours_in_words, limits_in_words, listed, unbroken

_MOST_NAMED = 4
_MOST_IN_ORDER = 80
_NOT_READ = "is not read"  # said of a column, whose rows are read
_EMPTY = "empty cell"  # as `sequela.records` counts them
SPLITS = (("train", "Training"), ("tuning", "Tuning"), ("held_out", "Held out"))


@dataclass(frozen=True)
class Totals:
    """The counts that several places of the page show, made safe together.

    `people` and `predictions` are the totals that the page shows exactly: any other count is written relative to
    them where it is nearer than eleven.
    """

    split_people: Sequence[str]
    split_predictions: Sequence[str]
    read: str
    asked: str
    predicted: str
    asked_predictions: str
    tables: Sequence[str]
    people: Sequence[int]
    predictions: Sequence[int]
    held_out: int


def totals_of(profile: Profile, *, times: int = 1) -> Totals:
    """All totals of a profile, the split's first, for they matter most.

    Args:
        profile: of the run.
        times: at how many fixed times of an episode the question was asked: so often each person at most, mostly.
    """
    split = profile.split
    people = [getattr(split.people, key) for key, _ in SPLITS]
    predictions = [getattr(split.predictions, key) for key, _ in SPLITS]
    whole = split.folds == 1
    people_known: list[int] = []
    predictions_known: list[int] = []
    split_people = shown_parts(people, of=sum(people) if whole else None)
    split_predictions = shown_parts(predictions, of=sum(predictions) if whole else None)
    for counts, known in ((people, people_known), (predictions, predictions_known)):
        shown_exactly = counts if whole else counts[-1:]  # with folds, everybody is held out once
        if not any(map(is_few, shown_exactly)):
            known.append(sum(shown_exactly))
    asked_predictions = shown_and_known(profile.asked.predictions, predictions_known)
    most = [times * count for count in (*people, profile.people.asked)]
    if times > 1 and any(map(is_few, map(sub, most, (*predictions, profile.asked.predictions)))):
        split_predictions = [rounded(count) for count in predictions]
        asked_predictions, predictions_known = rounded(profile.asked.predictions), []
    nested = [profile.people.predicted, profile.people.asked, profile.people.read]
    chain = [shown_and_known(count, people_known) for count in (*nested, *(table.people for table in profile.tables))]
    return Totals(
        split_people=split_people,
        split_predictions=split_predictions,
        predicted=chain[0],
        asked=chain[1],
        read=chain[2],
        tables=chain[3:],
        asked_predictions=asked_predictions,
        people=people_known,
        predictions=predictions_known,
        held_out=split.people.held_out,
    )


def values_in_all(profile: Profile) -> str:
    """How many values were read; rounded where it, less what is told of the variables, would tell few."""
    return rounded(profile.events) if _has_few_rows(profile) else shown_count(profile.events)


def records_in_all(profile: Profile) -> str:
    """At how many instants something became known."""
    return shown_count(profile.instants, beside=_rows_left(profile))


def _has_few_rows(profile: Profile) -> bool:
    """True where 1 to 10 values or rows were left out, or make up a variable."""
    few = [count.rows for count in profile.counts]
    few += [count for variable in profile.variables for count in (variable.values, variable.implausible)]
    return any(map(is_few, few))


def _rows_left(profile: Profile) -> list[int]:
    """The rows of each table, and what is left of them without those that were left out whole, as a reader knows it."""
    left = []
    for table in profile.tables:
        whole = [
            count.rows
            for count in profile.counts
            if count.table == table.name and count.code is None and _NOT_READ not in count.reason
        ]
        left += [table.rows, table.rows - sum(rows for rows in whole if not is_few(rows))]
    return left


def sources(profile: Profile, totals: Totals) -> TableView:
    """The tables that were read."""
    return TableView(
        caption="Tables",
        columns=[
            Column("Table"),
            Column("File"),
            Column("Layout"),
            Column("Rows", "number"),
            Column("People", "number"),
        ],
        rows=[
            [table.name, table.file, table.layout, shown_count(table.rows, beside=totals.people), people]
            for table, people in zip(profile.tables, totals.tables, strict=True)
        ],
        notes=[f"{count.table}: {guarded(count.reason)}." for count in profile.counts if _NOT_READ in count.reason],
    )


def variables(profile: Profile, totals: Totals) -> TableView:
    """Each variable: in how many people, how often, how often missing, how often outside the plausible limits."""
    rows: list[list[str | Share]] = []
    rows_left = _rows_left(profile)
    most_used_first = sorted(profile.variables, key=lambda one: (not one.used, -one.people))
    for variable in profile.variables if len(profile.variables) <= _MOST_IN_ORDER else most_used_first:
        timeless = variable.kind.startswith("static")
        of = profile.people.read if timeless else profile.instants
        limits = variable.plausible
        rows.append(
            [
                variable.code,
                variable.kind,
                variable.unit or DASH,
                shown_count(variable.people, beside=totals.people),
                shown_count(variable.values, beside=totals.people if timeless else rows_left),
                _bar(variable.missing_share, of=of),
                limits_in_words(*limits) if limits else DASH,
                shown_count(variable.implausible) if limits else DASH,
                "yes" if variable.used else "no",
            ]
        )
    columns = [
        Column("Variable"),
        Column("Kind"),
        Column("Unit"),
        Column("People", "number"),
        Column("Values", "number"),
        Column("Missing", "bar"),
        Column("Plausible limits", "number"),
        Column("Outside limits", "number"),
        Column("Input"),
    ]
    kept = _columns_with_something(rows, optional=("Unit", "Plausible limits", "Outside limits"), columns=columns)
    return TableView(
        caption="Variables",
        columns=[columns[place] for place in kept],
        rows=[[row[place] for place in kept] for row in rows],
        notes=_notes_on_variables(profile),
    )


def _notes_on_variables(profile: Profile) -> list[str]:
    notes = [
        "Missing: share of records at which the variable was not measured; for facts without a time, share of people."
    ]
    notes += _no_inputs(profile)
    unlimited = [variable.plausible is None for variable in profile.variables]
    if all(unlimited):
        notes.append("The study sets no plausible limits, so no value counts as outside.")
    elif any(unlimited):
        notes.append(f"{DASH} under limits: the study sets none for this variable, so nothing counts as outside.")
    if all(variable.unit is None for variable in profile.variables):
        notes.append("The records name no units.")
    elif any(variable.unit is None for variable in profile.variables):
        notes.append(f"{DASH} under unit: the records name none.")
    if any(variable.implausible for variable in profile.variables):
        notes.append("Values outside the plausible limits were treated as not measured.")
    return notes


def _no_inputs(profile: Profile) -> list[str]:
    """Why variables are no input: by name, or where many share a reason by how many they are."""
    reasons: dict[str, list[str]] = {}
    for variable in profile.variables:
        if not variable.used and variable.reason:
            reasons.setdefault(guarded(variable.reason), []).append(variable.code)
    return [
        f"{listed(codes) if len(codes) <= _MOST_NAMED else f'{len(codes):,} variables'} "
        f"{'is' if len(codes) == 1 else 'are'} no input: {reason}."
        for reason, codes in reasons.items()
    ]


def _columns_with_something(
    rows: Sequence[Sequence[str | Share]], *, optional: Sequence[str], columns: Sequence[Column]
) -> list[int]:
    """The places of the columns to show: an optional one that holds dashes only is left out."""
    return [
        place
        for place, column in enumerate(columns)
        if column.title not in optional or any(row[place] != DASH for row in rows)
    ]


def _bar(share: float | None, *, of: int) -> Share:
    """A share with its bar: as its text, full where that says over, empty where it says under."""
    return share_with_bar(shown_share(share, of=of), share)


def left_out(profile: Profile) -> TableView | None:
    """Rows that were left out or merged, a reason a row; None where there were none."""
    reasons: dict[tuple[str, str], dict[str, int]] = {}
    has_few = _has_few_rows(profile)
    for count in profile.counts:
        if count.rows and _NOT_READ not in count.reason:
            codes = reasons.setdefault((count.reason, count.table), {})
            codes[count.code or "all"] = codes.get(count.code or "all", 0) + count.rows
    if not reasons:
        return None
    return TableView(
        caption="Rows left out or merged",
        columns=[Column("Reason"), Column("Table", "words name"), Column("Variable"), Column("Rows", "number")],
        rows=[
            [guarded(reason), table, *_most_common(codes, is_coarse=has_few and reason == _EMPTY)]
            for (reason, table), codes in reasons.items()
        ],
    )


def _most_common(codes: dict[str, int], *, is_coarse: bool) -> tuple[str, str]:
    """The variables that a reason touched most, with their rows where they are several, and all rows.

    Empty cells are coarse beside small counts: the rows of a table less these, and less the values, would tell them.
    """
    ordered = sorted(codes, key=lambda code: -codes[code])
    every = sum(codes.values())
    in_all = rounded(every) if is_coarse else shown_count(every)
    if len(ordered) == 1:
        return ordered[0], in_all
    named, rest = ordered[:_MOST_NAMED], ordered[_MOST_NAMED:]
    counts = [codes[code] for code in named] + [sum(codes[code] for code in rest)] * bool(rest)
    shown = [rounded(count) for count in counts] if is_coarse else shown_parts(counts, of=every)
    text = ", ".join(f"{code} {count}" for code, count in zip(named, shown, strict=False))
    return text + (f" and {len(rest)} more {shown[-1]}" if rest else ""), in_all


def exclusions(profile: Profile, totals: Totals) -> TableView | None:
    """Prediction times that were left out; None where there were none."""
    rows = [exclusion for exclusion in profile.exclusions if exclusion.predictions or exclusion.people]
    if not rows:
        return None
    people, asked = profile.people, profile.asked.predictions
    parts = [getattr(profile.split.predictions, key) for key, _ in SPLITS]
    made = sum(parts) if profile.split.folds == 1 else parts[-1]
    return TableView(
        caption="Prediction times left out",
        columns=[Column("Reason"), Column("Prediction times", "number"), Column("People", "number")],
        rows=list(
            zip(
                [guarded(row.reason) for row in rows],
                shown_parts([row.predictions for row in rows], of=asked - made, beside=totals.predictions),
                shown_parts([row.people for row in rows], of=people.asked - people.predicted, beside=totals.people),
                strict=True,
            )
        ),
        notes=["A person is counted under a reason if it held for any of their prediction times."],
    )


def split(profile: Profile, totals: Totals, *, kind: str, tuning: str) -> TableView:
    """People and predictions of each split, and of a risk those with the event where the run says so.

    `tuning`: what tuning people serve to.
    """
    judged = "be forecast, once" if kind == "forecast" else "be predicted, once"
    columns = [[label for _, label in SPLITS], ["fit the preparation and the models", tuning, judged],
               list(totals.split_people), list(totals.split_predictions)]  # fmt: skip
    heads = [Column("Split"), Column("Serves to"), Column("People", "number"), Column("Predictions", "number")]
    found = profile.split.events
    if found is not None:
        whole = profile.asked.events if profile.split.folds == 1 else None
        cases, predictions = ([getattr(each, key) for key, _ in SPLITS] for each in (found, profile.split.predictions))
        columns.append(shown_cases(cases, predictions, of=whole))
        heads.append(Column("With the event", "number"))
    return TableView(caption="People and predictions", columns=heads, rows=list(zip(*columns, strict=True)))


def next_record_sentence(profile: Profile, *, target: str, fixed_horizon: bool) -> str | None:
    """The share of prediction times without a target, and what follows from it."""
    share = profile.asked.without_target_share
    if share is None:
        return None
    # A share with many digits would bring back a count that the table of exclusions withholds.
    coarse = any(is_few(exclusion.predictions) for exclusion in profile.exclusions)
    shown = shown_share(share, of=profile.asked.predictions, coarse=coarse)
    shown = unbroken(shown)
    if fixed_horizon:
        return f"At {shown} of the prediction times no {target} was measured near the horizon; they cannot be scored."
    return (
        f"At {shown} of the prediction times no later {target} followed. The forecast speaks of visits that happened: "
        "it says what the next measurement was among those who came back, not what it would have been in those who "
        "did not."
    )


def horizon_sentence(profile: Profile) -> str | None:
    """How far ahead the next record lay; None where a quarter of the people are fewer than eleven."""
    quartiles = profile.asked.horizon_hours_quartiles
    if quartiles is None or profile.people.predicted < 4 * SMALLEST:
        return None
    low, middle, high = (hours_in_words(hours) for hours in quartiles)
    return f"The value that was forecast came {middle} later in the median; half of them came {low} to {high} later."
