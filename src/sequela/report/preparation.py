"""What preparation did: implausible values, outliers, doubtful units, and what stands where nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass

from sequela.report.formats import Prepared, Profile
from sequela.report.privacy import is_few, shown_count, shown_share
from sequela.report.tables import Column, Share, TableView, share_with_bar
from sequela.report.words import DASH, counted, hours_in_words, limits_in_words, listed, percent, unbroken

_SOURCES = {
    "measured": "Measured",
    "carried": "Carried forward",
    "mean": "Mean",
    "zero": "Zero",
    "linear": "Linear",
    "regression": "Regressed",
    "knn": "Similar people",
    "decay": "Fading",
    "nothing": "Nothing",
}
_FILLS = {
    "last": "last value",
    "mean": "training mean",
    "zero": "zero",
    "linear": "straight line",
    "regression": "regression",
    "knn": "similar people",
    "decay": "fading",
}
_RULES = {"iqr": "quartiles (IQR)", "mad": "median deviation (MAD)", "hampel": "Hampel, over time"}
_ACTIONS = {
    "flag": "kept, and flagged to the network",
    "missing": "treated as not measured",
    "clip": "clipped to the limit",
}


@dataclass(frozen=True)
class PreparationView:
    """What the page shows of preparation; a table is None where it would be empty."""

    order: str | None
    implausible: TableView | None
    outliers: TableView | None
    units: TableView | None
    missing: TableView | None
    words: str | None


def preparation_view(profile: Profile) -> PreparationView:
    """The tables of preparation."""
    found = profile.preparation
    return PreparationView(
        order=None if found is None or not found.order else f"In this order: {listed(found.order)}.",
        implausible=_implausible(profile),
        outliers=_outliers(profile),
        units=_units(profile),
        missing=_missing(profile),
        words=_words(profile),
    )


def _implausible(profile: Profile) -> TableView | None:
    rows = [
        [
            one.code,
            limits_in_words(*one.plausible) if one.plausible else DASH,
            one.unit or DASH,
            shown_count(one.implausible),
            unbroken(shown_share(one.implausible / (one.values + one.implausible), of=one.values + one.implausible)),
        ]
        for one in profile.variables
        if one.implausible
    ]
    if not rows:
        return None
    return TableView(
        caption="Typing errors and other implausible values",
        columns=[Column("Variable"), Column("Plausible", "number"), Column("Unit"), Column("Values outside", "number"),
                 Column("Share of its values", "number")],
        rows=rows,
        notes=["They were treated as not measured, in everybody."],
    )  # fmt: skip


def _outliers(profile: Profile) -> TableView | None:
    if profile.preparation is None:
        return None
    rows = [
        [
            one.code,
            _RULES.get(one.outliers.rule, one.outliers.rule),
            _ACTIONS.get(one.outliers.action, one.outliers.action),
            shown_count(one.outliers.touched),
            shown_count(one.outliers.people),
        ]
        for one in profile.preparation.variables
        if one.outliers is not None
    ]
    if not rows:
        return None
    columns = [Column("Variable"), Column("Rule"), Column("What was done"), Column("Cells touched", "number"),
               Column("People", "number")]  # fmt: skip
    caption = "Outliers, in what training predictions see"
    if len({(rule, action) for _, rule, action, *_ in rows}) == 1:
        caption += f": {rows[0][1]}; {rows[0][2]}"
        columns, rows = [*columns[:1], *columns[3:]], [[row[0], *row[3:]] for row in rows]
    return TableView(
        caption=caption,
        columns=columns,
        rows=rows,
        notes=["A rapid true change, such as a shock or a bleed, may look like an outlier: flagged values stay."],
    )  # fmt: skip


def _units(profile: Profile) -> TableView | None:
    doubts = profile.preparation.units if profile.preparation is not None else []
    if not doubts:
        return None
    return TableView(
        caption="Values that look like another unit",
        columns=[Column("Variable"), Column("Share", "number"), Column("Looks like"), Column("Suggested conversion")],
        rows=[
            [one.code, DASH if one.share is None else percent(one.share), one.suggests or DASH, one.conversion or DASH]
            for one in doubts
        ],
        notes=["A conversion is made only where the study asks for it (units under [prepare])."],
    )


def _missing(profile: Profile) -> TableView | None:
    found = profile.preparation
    if found is None or not found.variables:
        return None
    sources = [source for source in _SOURCES if any(one.provenance.get(source) for one in found.variables)]
    return TableView(
        caption="Missing before and after, and where the values come from (% of steps)",
        columns=[
            Column("Variable"),
            Column("Missing before", "bar"),
            Column("Filled by"),
            Column("Missing after", "bar"),
            *(Column(_SOURCES[source], "number") for source in sources),
        ],
        rows=[_row(one, sources, found.steps) for one in found.variables],
        notes=[
            f"Over {shown_count(found.steps)} steps that training predictions see.",
            "Missing after: nothing of the person stands there, only a constant.",
            "Carried forward: the person's own last value. Mean and zero: the same for everybody.",
            *_without_logarithm(found.variables),
        ],
    )


def _without_logarithm(variables: list[Prepared]) -> list[str]:
    counts = [f"{one.code} {shown_count(one.without_logarithm)}" for one in variables if one.without_logarithm]
    if not counts:
        return []
    return [f"Values of zero or below, which have no logarithm, count as not measured: {listed(counts)}."]


def _row(one: Prepared, sources: list[str], steps: int) -> list[str | Share]:
    """A variable's shares; all of them coarse where one is of so few cells that the others would tell it."""
    counts = [one.provenance.get(source, 0) for source in sources]
    coarse = any(map(is_few, counts))
    filled = _FILLS.get(one.missing, one.missing)
    if one.carry_limit_hours is not None:
        filled += f", for {hours_in_words(one.carry_limit_hours)}"
    return [
        one.code,
        _bar(one.missing_before, steps, coarse=coarse),
        filled,
        _bar(one.missing_after, steps, coarse=coarse),
        *(_share(count, steps, coarse=coarse) for count in counts),
    ]


def _share(count: int, steps: int, *, coarse: bool) -> str:
    if not steps:
        return DASH
    text = shown_share(count / steps, of=steps)
    if coarse and text[0].isdigit() and count:
        text = shown_share(count / steps, of=steps, coarse=True)
    return text.removesuffix(" %")


def _bar(share: float | None, steps: int, *, coarse: bool) -> Share:
    if share is None or not steps:
        return Share(DASH, None)
    text = _share(round(share * steps), steps, coarse=coarse)
    shown = text.removeprefix("about ")
    return Share(text, float(shown) / 100) if shown[0].isdigit() else share_with_bar(text, share)


def _words(profile: Profile) -> str | None:
    """Codes that are fed as words rather than as columns, in a sentence."""
    if profile.preparation is None or not profile.preparation.events.words:
        return None
    events = profile.preparation.events
    rarer = counted(events.codes_left_out, "rarer one is", "rarer ones are")
    left = f"; {rarer} no input" if events.codes_left_out else ""
    many = "codes and categories as words"
    return (
        f"Beside these columns the network reads {counted(events.words, 'code or category as a word', many)}, "
        f"{shown_count(events.cells)} times in training people{left}."
    )
