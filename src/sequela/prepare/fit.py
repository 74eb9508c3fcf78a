"""What preparation learns, from what training predictions may see and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import AGE, Facts
from sequela.errors import CohortError
from sequela.prepare.centroids import fit_centroids
from sequela.prepare.impute_jointly import people_for, values_before
from sequela.prepare.measured import in_other_form, limited
from sequela.prepare.outliers import fit_outliers
from sequela.prepare.quantile import fit_quantile_scale
from sequela.prepare.regressions import fit_regression
from sequela.prepare.rows import RowPreparation
from sequela.prepare.rules import Column
from sequela.prepare.seen import SeenCells, count_people
from sequela.prepare.settings import Outliers, PrepareSettings, Scale, rule_for
from sequela.prepare.state import (
    CategoryState,
    NumberState,
    PreparedState,
    StaticCategoryState,
    StaticNumberState,
    TargetState,
)
from sequela.prepare.targets import last_known_targets, transformed_labels
from sequela.prepare.transforms import Difference, Log, NoTransform, YeoJohnson, fit_transform
from sequela.prepare.variables import MOST_LEVELS, Variables

_WELL_KNOWN = 20
_SINGLE, _DOUBLE = 1e-7, 1e-13  # rounding of measured values, and of what was computed from them
_FIRST_DRAW = 0  # seed of the people that regressions and centroids are fitted on, where there are too many
Floats = NDArray[np.float64]


def fit_preparation(
    timeline: Timeline,
    facts: Facts,
    sequences: Sequences,
    targets: dict[str, Floats],
    settings: PrepareSettings,
    *,
    as_asked: tuple[Timeline, Sequences] | None = None,
) -> tuple[PreparedState, dict[str, str]]:
    """Return the fitted state, and for each code that is not used the reason.

    Dense columns go to the 256 codes with a value that most training people have, and to the targets; a category has
    one column a level. Other codes that enough people have, codes without a value and categories of more than 32
    common levels come as events.

    Args:
        timeline: what became known; on the grid of the study, where it has one (`on_grid`).
        facts: static facts of all people.
        sequences: what training predictions see; steps after the last of them are not looked at.
        targets: labels of training predictions by code, in the code's unit.
        settings: `[prepare]` of the study.
        as_asked: the same timeline and sequences off the grid, where there is one: usual ranges, and the last values
            that a target is a difference from, are of values as they were measured.

    Raises:
        CohortError: where no code is left to learn from.
        StudyError: where a transform cannot be.
    """
    cells = SeenCells(timeline, sequences, clocked=settings.grid_state is not None)
    asked_timeline, asked_sequences = as_asked or (timeline, sequences)
    measured = cells if as_asked is None else SeenCells(asked_timeline, asked_sequences)
    found = Variables(cells, settings)
    dense = found.most_common(targets)
    features: list[NumberState | CategoryState] = []
    for variable in dense:
        code, categorical = timeline.variables[variable]
        if categorical:
            features.append(_category(code, cells, cells.of(variable), found.levels[variable], settings))
        elif (number := _number(code, cells, variable, settings)) is not None:
            usual = _usual_range(*measured.numbers(variable), settings.min_people)
            features.append(number.model_copy(update={"usual": usual}))
        else:
            found.unused[code] = f"fewer than {settings.min_people} training people have a value once it is transformed"
    words = found.words(set(dense))
    if not features and not words:
        raise CohortError(
            f"No code has values of at least min_people = {settings.min_people} training people, so there is nothing "
            "to learn from. Lower min_people in [prepare], or add records."
        )
    static, unused_facts = _static(facts, sequences, settings)
    state = PreparedState(
        features=features,
        static=static,
        targets=_targets(asked_timeline, asked_sequences, targets, settings),
        min_people=settings.min_people,
        words=words,
        grid=settings.grid_state,
        clinical=settings.clinical,
    )
    return _with_joint_fills(timeline, sequences, state), found.unused | unused_facts


def _number(code: str, cells: SeenCells, variable: int, settings: PrepareSettings) -> NumberState | None:
    """Return what is learned of a code with numbers; None where its transform leaves numbers of too few people."""
    values, person = cells.numbers(variable)
    rule: Outliers = rule_for(settings.outliers, code, "none")
    transform = rule_for(settings.transform, code, "none")
    state = NumberState(
        code=code,
        outlier_action=rule_for(settings.outlier_action, code, "flag"),
        center=0.0,
        spread=1.0,
        fill=0.0,
        missing=rule_for(settings.missing, code, "last"),
        carry_limit_hours=settings.carry_limit_hours(code),
        typical_gap_hours=cells.typical_gap_hours(cells.of(variable), settings.min_people),
        usual=None,
    )
    if rule != "none" or transform != "none":
        state, values = _with_rules(state, cells.column(variable), rule, transform)
        known = ~np.isnan(values)
        values, person = values[known], person[known]
    if count_people(person) < settings.min_people:
        return None
    return _scaled(state, values, person, rule_for(settings.scale, code, "standard"), settings.min_people)


def _with_rules(state: NumberState, column: Column, rule: Outliers, transform: str) -> tuple[NumberState, Floats]:
    """Return the state with its rules fitted, each on what those before left, and the values in their final form."""
    if rule != "none":
        state = state.model_copy(update={"outliers": fit_outliers(rule, column)})
    kept = replace(column, values=limited(state, column)[0])
    state = state.model_copy(update={"transform": fit_transform(transform, kept, state.code)})
    return state, state.transform.apply(kept)


def _scaled(state: NumberState, values: Floats, person: Rows, scale: Scale, min_people: int) -> NumberState:
    """Return the state with scale and fill, from training values in their final form."""
    if scale == "quantile":
        state = state.model_copy(update={"quantiles": fit_quantile_scale(values, person, min_people)})
        assert state.quantiles is not None
        values = state.quantiles.apply(values)
    bent = state.transform.kind in ("log", "yeo_johnson")
    center, spread = scaling(values, scale, rounding=_DOUBLE if bent else _SINGLE)
    zero = _zero(state) if state.missing == "zero" else None
    return state.model_copy(
        update={
            "center": center,
            "spread": spread,
            "fill": float(values.mean()) if zero is None else zero,
            "missing": "mean" if state.missing == "zero" and zero is None else state.missing,
            "deviation": float(values.std()) / spread,
        }
    )


def _zero(state: NumberState) -> float | None:
    """Return what 0 in the code's own unit becomes; None where it has no transform."""
    zeros = np.zeros(2)  # of a difference the second one: no change
    column = Column(values=zeros, begin=np.zeros(2, dtype=np.int64), hours=np.arange(2.0))
    zero = float(in_other_form(state, column)[1])
    return None if np.isnan(zero) else zero


def _category(code: str, cells: SeenCells, chosen: slice, kept: list[int], settings: PrepareSettings) -> CategoryState:
    level = cells.timeline.cell_level[cells.cell[chosen]]
    counts = [int((level == number).sum()) for number in kept]
    shares = [count / len(level) for count in counts]
    return CategoryState(
        code=code,
        levels=[cells.timeline.levels[number][1] for number in kept],
        shares=[*shares, 1 - sum(shares)],
        missing=rule_for(settings.missing, code, "last"),
        carry_limit_hours=settings.carry_limit_hours(code),
        typical_gap_hours=cells.typical_gap_hours(chosen, settings.min_people),
    )


def _with_joint_fills(timeline: Timeline, sequences: Sequences, state: PreparedState) -> PreparedState:
    """Return the state with the regressions or centroids that fill the gaps of some columns from all of them."""
    rules = {feature.missing for feature in state.numbers}
    if not rules & {"regression", "knn"}:
        return state
    sequences = _each_row_once(sequences)
    lengths = sequences.lengths
    rows = people_for(np.repeat(sequences.person, lengths), _FIRST_DRAW, state.min_people)
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    chosen = np.unique(sequence[rows])
    prepared = RowPreparation(timeline, state)
    found = prepared.rows(sequences, chosen)
    values = np.where(found.observed, found.values, np.float32(np.nan))[:, prepared.leads].astype(np.float64)
    ends = np.cumsum(lengths[chosen])
    begin = np.repeat(ends - lengths[chosen], lengths[chosen])
    before = values_before(values, begin, found.hours.astype(np.float64))
    whose = np.repeat(sequences.person[chosen], lengths[chosen])
    fitting = {"min_people": state.min_people, "seed": _FIRST_DRAW}
    fills = {"regression": fit_regression, "knn": fit_centroids}
    return state.model_copy(
        update={name: fit(values, before, whose, **fitting) for name, fit in fills.items() if name in rules}
    )


def _each_row_once(sequences: Sequences) -> Sequences:
    """Return sequences that hold every row of these once: those that overlap are one."""
    order = np.argsort(sequences.first, kind="stable")
    order = order[sequences.lengths[order] > 0]
    first, stop = sequences.first[order], np.maximum.accumulate(sequences.stop[order])
    begins = np.flatnonzero(np.concatenate([[True], first[1:] >= stop[:-1]])[: len(order)])
    ends = np.append(begins[1:], len(order)) - 1
    nothing = order[:0]
    return Sequences(
        person=sequences.person[order[begins]],
        first=first[begins],
        stop=stop[ends] if len(order) else stop,
        start_time=sequences.start_time[order[begins]],
        episode_start=sequences.episode_start[order[begins]],
        sequence=nothing,
        read=nothing,
        read_time=nothing,
    )


def scaling(values: Floats, scale: Scale, *, rounding: float = _SINGLE) -> tuple[float, float]:
    """Return center and spread, so that prepared = (value - center) / spread. A spread of zero becomes 1.

    Args:
        values: at least one, finite.
        scale: standard (mean, standard deviation with divisor n), minmax (lowest, highest - lowest),
            robust (median, interquartile range; the standard deviation where half of the values or more are equal),
            none (0, 1) or quantile (0, 1: ranks have their scale).
        rounding: of the values, relative; a spread below it is none.

    Example:
        >>> scaling(np.array([110.0, 130.0]), "minmax")
        (110.0, 20.0)
    """
    if scale in ("none", "quantile"):
        return 0.0, 1.0
    largest = np.abs(values).max()
    if scale == "minmax":
        center, spread = values.min(), values.max() - values.min()
    elif scale == "robust":
        low, center, high = np.quantile(values, [0.25, 0.5, 0.75])
        spread = high - low
        if spread > rounding * max(abs(low), abs(high)):  # a single typing error says nothing of the quartiles
            return float(center), float(spread)
        spread = values.std()
    else:
        center = values.mean()
        spread = np.sqrt(np.mean((values - center) ** 2))
    return float(center), float(spread) if spread > rounding * largest else 1.0


def _usual_range(values: Floats, person: Rows, min_people: int) -> tuple[float, float] | None:
    """Return the mean of the min_people lowest personal minima, and of the highest maxima.

    With fewer than _WELL_KNOWN times as many people these would lie amid ordinary values: then there is no range.
    """
    starts = np.flatnonzero(np.concatenate([[True], person[1:] != person[:-1]]))
    if len(starts) < _WELL_KNOWN * min_people:
        return None
    lowest = np.sort(np.minimum.reduceat(values, starts))[:min_people]
    highest = np.sort(np.maximum.reduceat(values, starts))[-min_people:]
    return float(lowest.mean()), float(highest.mean())


def _static(
    facts: Facts, sequences: Sequences, settings: PrepareSettings
) -> tuple[list[StaticNumberState | StaticCategoryState], dict[str, str]]:
    people = np.unique(sequences.person)
    states: list[StaticNumberState | StaticCategoryState] = []
    unused: dict[str, str] = {}
    few = f"fewer than {settings.min_people} training people have a value"
    for code, values in _numbers_of_episodes(facts, sequences, people):
        known = values[~np.isnan(values)]
        if len(known) < settings.min_people:
            unused[code] = few
            continue
        center, spread = scaling(known, _scale_of(settings, code))
        states.append(StaticNumberState(code=code, center=center, spread=spread, fill=float(known.mean())))
    for code, texts in facts.categories.items():
        of_people = [text for person in people if (text := texts[person]) is not None]
        levels, counts = np.unique(np.array(of_people, dtype=object).astype(str), return_counts=True)
        kept = sorted(
            (-int(n), str(level)) for level, n in zip(levels, counts, strict=True) if n >= settings.min_people
        )
        if len(of_people) < settings.min_people:
            unused[code] = few
        else:
            states.append(StaticCategoryState(code=code, levels=[level for _, level in kept[:MOST_LEVELS]]))
    return states, unused


def _numbers_of_episodes(facts: Facts, sequences: Sequences, people: Rows) -> Iterable[tuple[str, Floats]]:
    for code, numbers in facts.numbers.items():
        yield code, numbers[people]
    if facts.birth is not None:
        _, first = np.unique(sequences.person, return_index=True)
        yield AGE, facts.age_years(people, sequences.episode_start[first])


def _scale_of(settings: PrepareSettings, code: str) -> Scale:
    """Return the scale of a fact or a target: by ranks is for inputs over time, and becomes "standard"."""
    scale: Scale = rule_for(settings.scale, code, "standard")
    return "standard" if scale == "quantile" else scale


def _targets(
    timeline: Timeline, sequences: Sequences, targets: dict[str, Floats], settings: PrepareSettings
) -> list[TargetState]:
    last = last_known_targets(timeline, sequences, list(targets))
    return [_target(code, labels, last[:, k], settings) for k, (code, labels) in enumerate(targets.items())]


def _target(code: str, labels: Floats, last: Floats, settings: PrepareSettings) -> TargetState:
    """Return what is learned of a target.

    Args:
        code: of the target.
        labels: [R * horizons] of training predictions.
        last: [R] the values known last at these predictions, NaN where none was.
        settings: `[prepare]` of the study.
    """
    known = labels[~np.isnan(labels)]
    if not len(known):
        raise CohortError(f"No training person has a label of '{code}', so it cannot be learned.")
    rows = np.arange(len(known))
    rule = rule_for(settings.transform, code, "none")
    rule = "none" if rule.startswith("moving_average") else rule  # that is for inputs
    transform = fit_transform(rule, Column(values=known, begin=rows, hours=rows.astype(np.float64)), code, target=True)
    assert isinstance(transform, NoTransform | Difference | Log | YeoJohnson)
    state = TargetState(code=code, transform=transform, center=0.0, spread=1.0, fill=float(known.mean()))
    by_prediction = labels.reshape(len(last), -1) if rule == "difference" else labels[:, None]
    moved = transformed_labels(state, by_prediction, np.where(np.isnan(last), state.fill, last)).reshape(-1)
    center, spread = scaling(moved[~np.isnan(moved)], _scale_of(settings, code))
    return state.model_copy(update={"center": center, "spread": spread})
