"""Training on histories with some measurements hidden, as if nobody had ordered them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sequela.batch import PROVENANCE, Batch

_CARRIED = PROVENANCE.index("carried")


def with_some_hidden(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Return the batch with measurements hidden by chance: not observed, the last kept value carried on, gaps longer.

    A network that is trained so leans on many variables instead of few, and learns more slowly by heart. Each sequence
    has a share of its own, drawn evenly between 0 and twice the share. Before the first kept value stands 0, the
    center of the scale. Right where missing values are carried on (`missing` = "last" or "decay").

    Args:
        batch: of training people.
        share: mean share of the measurements that is hidden, up to 0.5.
        generator: of the chance.
    """
    sequences = int(batch.batch_sizes[0]) if len(batch.batch_sizes) else 0
    shares = 2 * share * torch.rand(sequences, 1, generator=generator)
    chance = torch.rand(batch.values.shape, generator=generator)
    values, gaps = batch.values.clone(), batch.gap_hours.clone()
    hidden = torch.zeros_like(batch.observed)
    carried, longer = values.new_zeros(2, sequences, values.shape[1])
    lost = torch.zeros(sequences, values.shape[1], dtype=torch.bool)
    begin = 0
    for count in batch.batch_sizes.tolist():
        now = slice(begin, begin + count)
        begin += count
        seen = batch.observed[now]
        hidden[now] = gone = seen & (chance[now] < shares[:count])
        carried, longer, lost = carried[:count], longer[:count], lost[:count]
        gaps[now] += longer
        longer = torch.where(seen, torch.where(gone, gaps[now], 0.0), longer)
        lost = torch.where(seen, gone, lost)
        values[now] = torch.where(lost, carried, values[now])
        carried = torch.where(seen & ~gone, values[now], carried)
    return replace(
        batch, values=values, gap_hours=gaps, observed=batch.observed & ~hidden, provenance=_marked(batch, hidden)
    )


def _marked(batch: Batch, hidden: Tensor) -> Tensor | None:
    return None if batch.provenance is None else batch.provenance.masked_fill(hidden, _CARRIED)
