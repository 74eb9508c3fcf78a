"""Training on histories with some measurements hidden, as if nobody had ordered them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sequela.batch import PROVENANCE, Batch
from sequela.cells import get_num_threads, operator
from sequela.models.prefix import prefix_max
from sequela.prepare.passes import FOR_EVER, Columns
from sequela.records.durations import MICROSECONDS_PER_HOUR


@dataclass(frozen=True, kw_only=True)
class Unmeasured:
    """What preparation does where nothing was measured, for each of F columns that carry the last value on."""

    measurement: Tensor  # [F] a number for each measurement: the columns of a category, or of a value and its flag
    fill: Tensor  # [F] stands where no value does
    limit_hours: Tensor  # [F] for how long a value stands
    empty: Tensor  # [F] provenance of `fill`
    stands: Tensor  # [F] provenance of a value that stands

    @classmethod
    def of(cls, columns: Columns) -> Unmeasured:
        """Return what the columns of a preparation say."""
        first = np.arange(len(columns.center))
        for begin, end in zip(columns.first.tolist(), columns.last.tolist(), strict=True):
            first[begin : end + 1] = begin  # nothing of a variable without columns, whose places are -1
        limit = np.where(columns.limit == FOR_EVER, np.inf, columns.limit / MICROSECONDS_PER_HOUR)
        return cls(
            measurement=torch.from_numpy(np.unique(first, return_inverse=True)[1]),
            fill=torch.from_numpy(columns.fill),
            limit_hours=torch.from_numpy(limit.astype(np.float32)),
            empty=torch.from_numpy(columns.empty),
            stands=torch.from_numpy(columns.stands),
        )

    @property
    def is_zero_for_ever(self) -> bool:
        """True where 0 stands before the first value, and each value until the next."""
        return not self.fill.any() and bool(self.limit_hours.isinf().all())

    @classmethod
    def plainly(cls, columns: int) -> Unmeasured:
        """Return that each column is a measurement, the last value stands for ever, and before the first stands 0."""
        carried = torch.full((columns,), PROVENANCE.index("carried"), dtype=torch.uint8)
        return cls(
            measurement=torch.arange(columns),
            fill=torch.zeros(columns),
            limit_hours=torch.full((columns,), torch.inf),
            empty=carried,
            stands=carried,
        )


def with_some_hidden(
    batch: Batch, share: float, generator: torch.Generator, unmeasured: Unmeasured | None = None
) -> Batch:
    """Return the batch as preparation would have made it had some measurements, drawn by chance, not been taken.

    A network that is trained so leans on many variables instead of few, and learns more slowly by heart. Each sequence
    has a share of its own, drawn evenly between 0 and twice the share. Right where missing values are carried on
    (`missing` = "last" or "decay"). The native core hides in one pass, torch's operations step by step, to the same
    bits.

    Args:
        batch: of training people.
        share: mean share of the measurements that is hidden, up to 0.5.
        generator: of the chance.
        unmeasured: of the preparation that made the batch; None: `Unmeasured.plainly`.
    """
    unmeasured = unmeasured or Unmeasured.plainly(batch.values.shape[1])
    sequences = int(batch.batch_sizes[0]) if len(batch.batch_sizes) else 0
    shares = 2 * share * torch.rand(sequences, 1, generator=generator)
    measurements = int(unmeasured.measurement.max()) + 1 if len(unmeasured.measurement) else 0
    chance = torch.rand(len(batch.values), measurements, generator=generator)
    chance = chance.index_select(1, unmeasured.measurement)
    # A measurement that was known late ends the gap before it, and begins the next one, when it was taken.
    gap_hours = batch.gap_hours if batch.late_hours is None else batch.gap_hours - batch.late_hours
    tensors = (batch.values, gap_hours, batch.observed, chance, shares, batch.batch_sizes)
    made: tuple[Tensor, Tensor, Tensor] | None = None
    if operator.at_hand():
        made = operator._native.hide(tensors, get_num_threads())
    values, gaps, observed = plain_hide(*tensors) if made is None else made
    gaps = gaps if batch.late_hours is None else gaps + batch.late_hours
    hidden = replace(batch, values=values, gap_hours=gaps, observed=observed, provenance=None)
    if unmeasured.is_zero_for_ever and batch.provenance is None:
        return hidden
    kept = prefix_max(observed.to(values.dtype), batch.batch_sizes, torch.arange(len(values)))
    empty = ~observed & ((kept == 0) | (gaps > unmeasured.limit_hours))
    source = torch.where(empty, unmeasured.empty, unmeasured.stands).masked_fill(observed, PROVENANCE.index("measured"))
    return replace(
        hidden,
        values=torch.where(empty, unmeasured.fill.to(values.dtype), values),
        provenance=None if batch.provenance is None else source,
    )


def plain_hide(
    values: Tensor, gap_hours: Tensor, observed: Tensor, chance: Tensor, shares: Tensor, batch_sizes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, gaps and what is observed where measurements are hidden, in torch's operations.

    The last kept value is carried on; before the first of them stands 0.

    Args:
        values: [N, F].
        gap_hours: [N, F].
        observed: [N, F].
        chance: [N, F]; a measurement is hidden where it is below the share of its sequence.
        shares: [S, 1].
        batch_sizes: [T].
    """
    values, gaps, kept = values.clone(), gap_hours.clone(), observed.clone()
    carried, longer = values.new_zeros(2, len(shares), values.shape[1])
    lost = torch.zeros(len(shares), values.shape[1], dtype=torch.bool)
    begin = 0
    for count in batch_sizes.tolist():
        now = slice(begin, begin + count)
        begin += count
        seen = observed[now]
        gone = seen & (chance[now] < shares[:count])
        kept[now] &= ~gone
        carried, longer, lost = carried[:count], longer[:count], lost[:count]
        gaps[now] += longer
        longer = torch.where(seen, torch.where(gone, gaps[now], 0.0), longer)
        lost = torch.where(seen, gone, lost)
        values[now] = torch.where(lost, carried, values[now])
        carried = torch.where(kept[now], values[now], carried)
    return values, gaps, kept
