"""From prepared rows to packed batches. Tables end and tensors begin here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray

from sequela.batch import Batch
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import Facts
from sequela.prepare.passes import Columns
from sequela.prepare.rows import PreparedRows, RowPreparation, prepare_static
from sequela.prepare.spread import spread_out
from sequela.prepare.state import PreparedState
from sequela.prepare.targets import ScaledTargets
from sequela.prepare.words import Words

_KEPT_BYTES = 1 << 30
_ROWS_AT_ONCE = 1 << 20


class Collation:
    """Batches of the sequences of one part of a cohort.

    Rows whose preparation costs more than a copy are kept where they fit into a gigabyte; all others are prepared for
    each batch anew, so that memory is bounded by a batch.
    """

    def __init__(
        self,
        timeline: Timeline,
        facts: Facts,
        state: PreparedState,
        sequences: Sequences,
        targets: ScaledTargets | None = None,
        *,
        imputed_shift: float = 0.0,
        provenance: bool = False,
        lateness: bool = False,
        summary: NDArray[np.floating] | None = None,
        once: bool = False,
    ) -> None:
        """Prepare the sequences.

        Args:
            timeline: what became known; on the grid of the state, where it has one (`on_grid`).
            facts: static facts.
            state: fitted preparation.
            sequences: S sequences and the R predictions that read them.
            targets: of the R predictions, in their order; None where they are not known.
            imputed_shift: standard deviations that are added to every number that was not measured.
            provenance: batches say where each value comes from.
            lateness: batches say how late each value was known, where one was.
            summary: [R, J] statistics of what each prediction sees, where a network wants them.
            once: each sequence will be asked for once, so that no row is worth keeping.
        """
        self.sequences, self.targets = sequences, targets
        self._preparation = RowPreparation(timeline, state)
        self._words = Words(timeline, state) if state.words else None
        self._shift, self._provenance, self._lateness = imputed_shift, provenance, lateness
        self._summary = None if summary is None else summary.astype(np.float32)
        self._static = prepare_static(facts, state, sequences, np.arange(len(sequences.person)))
        self._lag = sequences.read_lag_hours(timeline)
        self._outputs = self._output_shape(state)
        by_sequence = np.argsort(sequences.sequence, kind="stable")
        edges = np.searchsorted(sequences.sequence[by_sequence], np.arange(len(sequences.person) + 1))
        self._read_order, self._read_first, self._read_count = by_sequence, edges[:-1], np.diff(edges)
        self._row_offsets = np.concatenate([[0], np.cumsum(sequences.lengths)]).astype(np.int64)
        worth_keeping = not once and not self._preparation.is_quick and self._bytes() <= _KEPT_BYTES
        self._kept = self._prepare_all() if worth_keeping else None

    def _output_shape(self, state: PreparedState) -> tuple[int, ...]:
        """Return the shape of one prediction's targets: none of its own for a risk."""
        if self.targets is not None:
            return self.targets.value.shape[1:]
        return (1, len(state.targets)) if state.targets else ()

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.sequences.person)

    @property
    def columns(self) -> Columns:
        """Return how the F columns of a batch are made."""
        return self._preparation.columns

    @property
    def mean_length(self) -> float:
        """Return the mean number of steps of a sequence."""
        return float(self._row_offsets[-1]) / max(len(self), 1)

    def _bytes(self) -> int:
        each = 14 if self._lateness else 10
        return int(self._row_offsets[-1]) * (each * len(self._preparation.columns.center) + 4)

    def _prepare_all(self) -> PreparedRows:
        parts = [self._prepared(chosen) for chosen in self._chunks(np.arange(len(self)))]
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(PreparedRows) if getattr(parts[0], field.name) is not None]
        return PreparedRows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def _prepared(self, chosen: Rows, place: Rows | None = None) -> PreparedRows:
        rows = self._preparation.rows(
            self.sequences, chosen, place=place, provenance=self._provenance, lateness=self._lateness
        )
        if self._shift:
            rows.values[:] += np.where(rows.observed, 0, self._preparation.deviation * np.float32(self._shift))
        return rows

    def _chunks(self, chosen: Rows) -> list[Rows]:
        """Return the chosen sequences in runs of about a million rows."""
        ends = np.cumsum(self.sequences.lengths[chosen])
        cuts = np.flatnonzero(np.diff(ends // _ROWS_AT_ONCE)) + 1
        return np.split(chosen, cuts)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[tuple[Batch, Rows]]:
        """Yield batches of `size` sequences and the numbers of the predictions that each one reads.

        Args:
            size: sequences in a batch.
            generator: shuffles the sequences; None keeps their order.
        """
        order = np.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator).numpy()
        for begin in range(0, len(order), size):
            yield self.batch(order[begin : begin + size])

    def batches_of_rows(self, rows: int) -> Iterator[tuple[Batch, Rows]]:
        """Yield batches of about `rows` steps, sequences of like length together, for use without training."""
        by_length = np.argsort(self.sequences.lengths, kind="stable")
        ends = np.cumsum(self.sequences.lengths[by_length] + 1)
        for chosen in np.split(by_length, np.flatnonzero(np.diff(ends // rows)) + 1):
            if len(chosen):
                yield self.batch(chosen)

    def batch(self, chosen: Rows) -> tuple[Batch, Rows]:
        """Return the batch of the chosen sequences and the numbers of the predictions that read them [R]."""
        lengths = self.sequences.lengths[chosen]
        place_of_row, batch_sizes, order = pack(lengths)
        rows = self._rows(chosen, place_of_row)
        prediction = self._read_order[spread_out(self._read_first[chosen], self._read_count[chosen])]
        sequence = np.repeat(np.arange(len(chosen)), self._read_count[chosen])
        begin = np.cumsum(lengths) - lengths
        read = self.sequences.read[prediction]
        row = np.where(read >= 0, read - self.sequences.first[chosen][sequence] + begin[sequence], 0)
        reads = np.where(read >= 0, place_of_row[row] if len(place_of_row) else -1, -1)

        targets = self.targets
        value = np.zeros((len(prediction), *self._outputs), dtype=np.float32)
        known = np.zeros((len(prediction), *self._outputs), dtype=bool)
        if targets is not None:
            value, known = targets.value[prediction], targets.known[prediction]
        batch = Batch(
            values=torch.from_numpy(rows.values),
            observed=torch.from_numpy(rows.observed),
            gap_hours=torch.from_numpy(rows.gap_hours),
            hours=torch.from_numpy(rows.hours),
            batch_sizes=torch.from_numpy(batch_sizes),
            order=torch.from_numpy(order),
            static=torch.from_numpy(self._static[chosen]),
            reads=torch.from_numpy(reads),
            read_sequence=torch.from_numpy(sequence),
            read_lag_hours=torch.from_numpy(self._lag[prediction]),
            targets=torch.from_numpy(value),
            target_known=torch.from_numpy(known),
            weight=torch.ones(len(prediction)),
            provenance=None if rows.provenance is None else torch.from_numpy(rows.provenance),
            late_hours=None if rows.late_hours is None else torch.from_numpy(rows.late_hours),
            summary=None if self._summary is None else torch.from_numpy(self._summary[prediction]),
            events=None if self._words is None else self._words.events(self.sequences, chosen, place_of_row),
        )
        return batch, prediction

    def _rows(self, chosen: Rows, place: Rows) -> PreparedRows:
        """Return the rows of the chosen sequences, each at its place."""
        if self._kept is None:
            return self._prepared(chosen, place)
        packed = np.empty_like(place)
        packed[place] = spread_out(self._row_offsets[chosen], self.sequences.lengths[chosen])
        kept = self._kept
        return PreparedRows(
            values=kept.values[packed],
            observed=kept.observed[packed],
            gap_hours=kept.gap_hours[packed],
            hours=kept.hours[packed],
            provenance=None if kept.provenance is None else kept.provenance[packed],
            late_hours=None if kept.late_hours is None else kept.late_hours[packed],
        )


def pack(lengths: Rows) -> tuple[Rows, Rows, Rows]:
    """Return where each row goes in the packed layout, how many sequences have each step, and who is k-th longest.

    Args:
        lengths: of the sequences, in the caller's order; those of length 0 are left out of the packing.

    Example:
        >>> place, sizes, order = pack(np.array([1, 3]))
        >>> place.tolist(), sizes.tolist(), order.tolist()
        ([1, 0, 2, 3], [2, 1, 1], [1, 0])
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[: int((lengths > 0).sum())]
    longest = int(lengths.max(initial=0))
    ended = np.cumsum(np.bincount(lengths[order], minlength=longest + 1))
    batch_sizes = len(order) - ended[:longest]
    rank = np.empty(len(lengths), dtype=np.int64)
    rank[order] = np.arange(len(order))
    step = spread_out(np.zeros_like(lengths), lengths)
    step_begin = np.cumsum(batch_sizes) - batch_sizes
    place = (step_begin[step] if len(step) else step) + np.repeat(rank, lengths)
    return place, batch_sizes.astype(np.int64), order.astype(np.int64)
