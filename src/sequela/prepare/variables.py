"""Which codes become dense columns, and which come as events: those that enough training people have."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows
from sequela.prepare.seen import SeenCells, count_people
from sequela.prepare.settings import PrepareSettings
from sequela.prepare.state import WordState
from sequela.prepare.words import OTHER_LEVEL

MOST_LEVELS = 32  # of a category with dense columns, and of a static fact
_MOST_DENSE = 256
_MOST_WORDS = 8192


class Variables:
    """The variables that enough training people have, and for the others the reason."""

    def __init__(self, cells: SeenCells, settings: PrepareSettings) -> None:
        self.cells, self.least = cells, settings.min_people
        self.people: dict[int, int] = {}  # who have it, with a value or without
        self.valued: dict[int, int] = {}  # who have a number or a category
        self.levels: dict[int, list[int]] = {}  # common levels of a category
        self.unused: dict[str, str] = {}
        for variable, (code, categorical) in enumerate(cells.timeline.variables):
            chosen = cells.of(variable)
            people = cells.people(chosen)
            if people < self.least:
                self.unused[code] = f"fewer than {self.least} training people have a value that a prediction sees"
                continue
            self.people[variable] = people
            if categorical:
                level = cells.timeline.cell_level[cells.cell[chosen]]
                self.levels[variable] = _common_levels(level, cells.person[chosen], self.least)
                self.valued[variable] = people
            else:
                number = cells.timeline.cell_number[cells.cell[chosen]]
                self.valued[variable] = count_people(cells.person[chosen][~np.isnan(number)])
        for variable in self.people:
            self.unused.pop(cells.timeline.variables[variable][0], None)

    def most_common(self, targets: Iterable[str]) -> list[int]:
        """Return the variables that get dense columns, in their order."""
        able = [v for v, people in self.valued.items() if people >= self.least]
        able = [v for v in able if len(self.levels.get(v, ())) <= MOST_LEVELS]
        wanted = set(targets)
        codes = self.cells.timeline.variables
        ranked = sorted(able, key=lambda v: (codes[v] not in {(code, False) for code in wanted}, -self.valued[v], v))
        return sorted(ranked[:_MOST_DENSE])

    def words(self, dense: set[int]) -> list[WordState]:
        """Return the words of all other variables, the most widespread first."""
        counted: list[tuple[int, WordState]] = []
        for variable, people in self.people.items():
            if variable not in dense:
                code, categorical = self.cells.timeline.variables[variable]
                counted += self._levels(variable, code) if categorical else [(people, self._amount(variable, code))]
        counted.sort(key=lambda pair: (-pair[0], pair[1].name))
        for _, word in counted[_MOST_WORDS:]:
            self.unused[word.name] = f"beyond the {_MOST_WORDS} events that most training people have"
        return [word for _, word in counted[:_MOST_WORDS]]

    def _amount(self, variable: int, code: str) -> WordState:
        values, _ = self.cells.numbers(variable)
        square = float(np.mean(values**2)) if len(values) else 1.0
        enough = self.valued[variable] >= self.least and square > 0
        return WordState(code=code, unit_amount=float(np.sqrt(square)) if enough else 1.0)

    def _levels(self, variable: int, code: str) -> list[tuple[int, WordState]]:
        chosen = self.cells.of(variable)
        level, person = self.cells.timeline.cell_level[self.cells.cell[chosen]], self.cells.person[chosen]
        names = self.cells.timeline.levels
        found = []
        for number in self.levels[variable]:
            people = count_people(person[level == number])
            found.append((people, WordState(code=code, level=names[number][1])))
        others = count_people(person[~np.isin(level, self.levels[variable])])
        return [*found, (others, WordState(code=code, level=OTHER_LEVEL))] if others >= self.least else found


def _common_levels(level: NDArray[np.int32], person: Rows, min_people: int) -> list[int]:
    """Return the levels that enough people have, the most widespread ones first."""
    pairs = np.unique(np.stack([level, person], axis=1), axis=0)
    numbers, people = np.unique(pairs[:, 0], return_counts=True)
    common = [(-int(count), int(number)) for number, count in zip(numbers, people, strict=True) if count >= min_people]
    return [number for _, number in sorted(common)]
