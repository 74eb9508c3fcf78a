"""Training on histories with some measurements hidden, as if nobody had ordered them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sequela.batch import PROVENANCE, Batch
from sequela.cells import get_num_threads, operator

_CARRIED = PROVENANCE.index("carried")


def with_some_hidden(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Return the batch with measurements hidden by chance: not observed, the last kept value carried on, gaps longer.

    A network that is trained so leans on many variables instead of few, and learns more slowly by heart. Each sequence
    has a share of its own, drawn evenly between 0 and twice the share. Before the first kept value stands 0, the
    center of the scale. Right where missing values are carried on (`missing` = "last" or "decay"). The native core does
    it in one pass, torch's operations step by step, to the same bits.

    Args:
        batch: of training people.
        share: mean share of the measurements that is hidden, up to 0.5.
        generator: of the chance.
    """
    sequences = int(batch.batch_sizes[0]) if len(batch.batch_sizes) else 0
    shares = 2 * share * torch.rand(sequences, 1, generator=generator)
    chance = torch.rand(batch.values.shape, generator=generator)
    tensors = (batch.values, batch.gap_hours, batch.observed, chance, shares, batch.batch_sizes)
    made: tuple[Tensor, Tensor, Tensor] | None = None
    if operator.at_hand():
        made = operator._native.hide(tensors, get_num_threads())
    values, gaps, observed = plain_hide(*tensors) if made is None else made
    return replace(batch, values=values, gap_hours=gaps, observed=observed, provenance=_marked(batch, observed))


def plain_hide(
    values: Tensor, gap_hours: Tensor, observed: Tensor, chance: Tensor, shares: Tensor, batch_sizes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, gaps and what is observed where measurements are hidden, in torch's operations.

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


def _marked(batch: Batch, observed: Tensor) -> Tensor | None:
    if batch.provenance is None:
        return None
    return batch.provenance.masked_fill(batch.observed & ~observed, _CARRIED)
