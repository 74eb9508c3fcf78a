"""What preparation learns, from what training predictions may see and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import AGE, Facts
from sequela.errors import CohortError
from sequela.prepare.settings import Missing, PrepareSettings, Scale, rule_for
from sequela.prepare.state import (
    CategoryState,
    NumberState,
    PreparedState,
    StaticCategoryState,
    StaticNumberState,
    TargetState,
)
from sequela.records.durations import MICROSECONDS_PER_HOUR

_MOST_LEVELS = 32
_DAY_HOURS = 24.0
_WELL_KNOWN = 20
Floats = NDArray[np.float64]


def fit_preparation(
    timeline: Timeline,
    facts: Facts,
    sequences: Sequences,
    targets: dict[str, Floats],
    settings: PrepareSettings,
) -> tuple[PreparedState, dict[str, str]]:
    """Return the fitted state, and for each code that is not used the reason.

    Args:
        timeline: what became known.
        facts: static facts of all people.
        sequences: what training predictions see; steps after the last of them are not looked at.
        targets: labels of training predictions by code, in the code's unit.
        settings: `[prepare]` of the study.

    Raises:
        CohortError: where no code is left to learn from.
    """
    cells = _TrainingCells(timeline, sequences)
    features: list[NumberState | CategoryState] = []
    unused: dict[str, str] = {}
    for variable, (code, categorical) in enumerate(timeline.variables):
        chosen = cells.of(variable)
        if cells.people(chosen) < settings.min_people:
            unused[code] = f"fewer than {settings.min_people} training people have a value"
        elif categorical:
            features.append(_category(code, timeline, cells, chosen, settings))
        else:
            features.append(_number(code, timeline, cells, chosen, settings))
    if not features:
        raise CohortError(
            f"No code has values of at least min_people = {settings.min_people} training people, so there is nothing "
            "to learn from. Lower min_people in [prepare], or add records."
        )
    static, unused_facts = _static(facts, sequences, settings)
    state = PreparedState(
        features=features,
        static=static,
        targets=[_target(code, labels, rule_for(settings.scale, code, "standard")) for code, labels in targets.items()],
        min_people=settings.min_people,
    )
    return state, unused | unused_facts


class _TrainingCells:
    """The cells that training predictions see, once each."""

    def __init__(self, timeline: Timeline, sequences: Sequences) -> None:
        seen = np.zeros(len(timeline.step_time) + 1, dtype=np.int64)
        np.add.at(seen, sequences.first, 1)
        np.add.at(seen, sequences.stop, -1)
        step_is_seen = np.cumsum(seen)[:-1] > 0
        self.timeline = timeline
        step_of_cell = timeline.step_of_cell
        self.cell = np.flatnonzero(step_is_seen[step_of_cell])
        self.person = timeline.person_of_step[step_of_cell[self.cell]]
        order = np.argsort(timeline.cell_variable[self.cell], kind="stable")
        self.cell, self.person = self.cell[order], self.person[order]
        self._edges = np.searchsorted(timeline.cell_variable[self.cell], np.arange(len(timeline.variables) + 1))

    def of(self, variable: int) -> slice:
        """Return where the cells of a variable stand, sorted by person and time."""
        return slice(int(self._edges[variable]), int(self._edges[variable + 1]))

    def people(self, chosen: slice) -> int:
        """Return how many people have such a cell."""
        return len(np.unique(self.person[chosen]))

    def typical_gap_hours(self, chosen: slice) -> float:
        """Return the median time between two values of one person; a day where nobody has two."""
        time, person = self.timeline.cell_time[self.cell[chosen]], self.person[chosen]
        gaps = np.diff(time)[person[1:] == person[:-1]]
        gaps = gaps[gaps > 0]
        return float(np.median(gaps)) / MICROSECONDS_PER_HOUR if len(gaps) else _DAY_HOURS


def _number(
    code: str, timeline: Timeline, cells: _TrainingCells, chosen: slice, settings: PrepareSettings
) -> NumberState:
    values = timeline.cell_number[cells.cell[chosen]].astype(np.float64)
    center, spread = scaling(values, rule_for(settings.scale, code, "standard"))
    missing: Missing = rule_for(settings.missing, code, "last")
    return NumberState(
        code=code,
        center=center,
        spread=spread,
        fill=float(values.mean()),
        missing=missing,
        typical_gap_hours=cells.typical_gap_hours(chosen),
        usual=_usual_range(values, cells.person[chosen], settings.min_people),
    )


def _category(
    code: str, timeline: Timeline, cells: _TrainingCells, chosen: slice, settings: PrepareSettings
) -> CategoryState:
    level = timeline.cell_level[cells.cell[chosen]]
    person = cells.person[chosen]
    kept = _common_levels(level, person, settings.min_people)
    counts = [int((level == number).sum()) for number in kept]
    shares = [count / len(level) for count in counts]
    return CategoryState(
        code=code,
        levels=[timeline.levels[number][1] for number in kept],
        shares=[*shares, 1 - sum(shares)],
        missing=rule_for(settings.missing, code, "last"),
        typical_gap_hours=cells.typical_gap_hours(chosen),
    )


def _common_levels(level: NDArray[np.int32], person: Rows, min_people: int) -> list[int]:
    """Return the levels that enough people have, the most widespread ones first."""
    pairs = np.unique(np.stack([level, person], axis=1), axis=0)
    numbers, people = np.unique(pairs[:, 0], return_counts=True)
    common = [(-int(count), int(number)) for number, count in zip(numbers, people, strict=True) if count >= min_people]
    return [number for _, number in sorted(common)[:_MOST_LEVELS]]


def scaling(values: Floats, scale: Scale) -> tuple[float, float]:
    """Return center and spread, so that prepared = (value - center) / spread. A spread of zero becomes 1.

    Args:
        values: at least one, finite.
        scale: standard (mean, standard deviation with divisor n), minmax (lowest, highest - lowest),
            robust (median, interquartile range) or none (0, 1).

    Example:
        >>> scaling(np.array([110.0, 130.0]), "minmax")
        (110.0, 20.0)
    """
    if scale == "none":
        return 0.0, 1.0
    if scale == "minmax":
        center, spread = values.min(), values.max() - values.min()
    elif scale == "robust":
        low, center, high = np.quantile(values, [0.25, 0.5, 0.75])
        spread = high - low
    else:
        center = values.mean()
        spread = np.sqrt(np.mean((values - center) ** 2))
    rounding = 1e-7 * float(np.abs(values).max())  # of a value in single precision: a spread below it is none
    return float(center), float(spread) if spread > rounding else 1.0


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
        center, spread = scaling(known, rule_for(settings.scale, code, "standard"))
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
            states.append(StaticCategoryState(code=code, levels=[level for _, level in kept[:_MOST_LEVELS]]))
    return states, unused


def _numbers_of_episodes(facts: Facts, sequences: Sequences, people: Rows) -> Iterable[tuple[str, Floats]]:
    for code, numbers in facts.numbers.items():
        yield code, numbers[people]
    if facts.birth is not None:
        first = np.searchsorted(sequences.person[order := np.argsort(sequences.person, kind="stable")], people)
        yield AGE, facts.age_years(people, sequences.episode_start[order][first])


def _target(code: str, labels: Floats, scale: Scale) -> TargetState:
    known = labels[~np.isnan(labels)]
    if not len(known):
        raise CohortError(f"No training person has a label of '{code}', so it cannot be learned.")
    center, spread = scaling(known, scale)
    return TargetState(code=code, center=center, spread=spread)
