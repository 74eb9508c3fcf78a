"""The many and sparse: codes without a value, rare codes and categories of many levels, as events of a batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sequela.batch import Events
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.prepare.spread import spread_out
from sequela.prepare.state import PreparedState

_LARGEST_AMOUNT = 10.0  # a typing error is no dose
OTHER_LEVEL = "(other)"


class Words:
    """A fitted vocabulary, applied to the cells of one timeline."""

    def __init__(self, timeline: Timeline, state: PreparedState) -> None:
        self.timeline = timeline
        numbers = {word.code: place for place, word in enumerate(state.words) if word.level is None}
        levels = {(word.code, word.level): place for place, word in enumerate(state.words) if word.level is not None}
        self._of_variable = np.array([numbers.get(code, -1) for code, _ in timeline.variables], dtype=np.int64)
        self._of_level = np.array(
            [levels.get(pair, levels.get((pair[0], OTHER_LEVEL), -1)) for pair in timeline.levels], dtype=np.int64
        )
        self._unit = np.array([word.unit_amount for word in state.words])

    def events(self, sequences: Sequences, chosen: Rows, place: Rows) -> Events:
        """Return the events of the chosen sequences, in the order of the packed rows.

        Args:
            sequences: of the timeline.
            chosen: numbers of sequences.
            place: [N] packed row of each row.
        """
        timeline = self.timeline
        source = np.empty_like(place)
        source[place] = spread_out(sequences.first[chosen], sequences.lengths[chosen])
        count = timeline.cell_offsets[source + 1] - timeline.cell_offsets[source]
        cell = spread_out(timeline.cell_offsets[source], count)
        word = self.word(cell)
        kept = word >= 0
        row = np.repeat(np.arange(len(source)), count)[kept]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(source)))])
        return Events(
            ids=torch.from_numpy(word[kept]),
            amounts=torch.from_numpy(self._amounts(cell[kept], word[kept])),
            offsets=torch.from_numpy(offsets.astype(np.int64)),
        )

    def word(self, cell: Rows) -> Rows:
        """Return the word of each cell, -1 where it is none."""
        level = self.timeline.cell_level[cell]
        of_number = self._of_variable[self.timeline.cell_variable[cell]]
        if not len(self._of_level):
            return of_number
        return np.where(level >= 0, self._of_level[np.maximum(level, 0)], of_number)

    def _amounts(self, cell: Rows, word: Rows) -> NDArray[np.float32]:
        amount = self.timeline.cell_number[cell].astype(np.float64) / self._unit[word]
        amount = np.clip(amount, -_LARGEST_AMOUNT, _LARGEST_AMOUNT)
        return np.where(np.isnan(amount), 1.0, amount).astype(np.float32)
