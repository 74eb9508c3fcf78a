"""What a step enters a network with: values, what was seen and when, where values come from, events, static facts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sequela.batch import PROVENANCE, Batch, Events
from sequela.cells import decay_factors
from sequela.models.layout import Layout
from sequela.models.shape import InputShape

_WIDEST_EMBEDDING = 32


class StepInputs(nn.Module):
    """From a batch to the rows that enter the first layer.

    A step enters as its prepared values, whether each was observed, how long ago each was seen before (a saturating
    gap / (gap + typical gap), so that any gap lies in [0, 1)), where each value comes from (one column for each source
    but measurement), the sum of its embedded events, and the static facts.
    """

    def __init__(self, inputs: Sequence[str], shape: InputShape) -> None:
        """Name the parts.

        Args:
            inputs: which of "values", "observed", "gaps", "provenance" a step enters with.
            shape: the columns of a batch.
        """
        super().__init__()
        self.inputs = tuple(inputs)
        self.gap_unit_hours: Tensor
        self.hours_unit: Tensor
        # A mean on "meta", where a network is made for its shapes alone, would load torch's compiler.
        unit = torch.as_tensor(shape.gap_unit_hours, dtype=torch.float32, device="cpu")
        mean = unit.mean().item() if len(unit) else shape.hours_unit
        self.register_buffer("gap_unit_hours", torch.tensor(unit.tolist(), dtype=torch.float32))
        self.register_buffer("hours_unit", torch.tensor(mean, dtype=torch.float32))
        fades = any(mean is not None for mean in shape.decay_towards)
        self.decay = ValueDecay(shape) if fades else None
        self.embedding = EventEmbedding(shape.events) if shape.events else None
        columns = {"values": 1, "observed": 1, "gaps": 1, "provenance": len(PROVENANCE) - 1}
        self.width = len(shape.gap_unit_hours) * sum(columns[name] for name in self.inputs) + ("gaps" in self.inputs)
        self.width += (self.embedding.width if self.embedding is not None else 0) + shape.static

    def forward(self, batch: Batch, layout: Layout) -> Tensor:
        """Return the rows [N, width]."""
        parts = [self._part(name, batch) for name in ("values", "observed") if name in self.inputs]
        if "gaps" in self.inputs:
            parts.append(_saturating(batch.gap_hours, self.gap_unit_hours))
            parts.append(_saturating(batch.hours, self.hours_unit)[:, None])
        if "provenance" in self.inputs:
            parts.append(_one_hot(batch))
        if self.embedding is not None:
            parts.append(self.embedding(batch.events))
        if batch.static.shape[1]:
            parts.append(batch.static[layout.sequence])
        return torch.cat(parts, dim=1)

    def _part(self, name: str, batch: Batch) -> Tensor:
        if name == "observed":
            return batch.observed.to(batch.values.dtype)
        values: Tensor = batch.values if self.decay is None else self.decay(batch)
        return values


class ValueDecay(nn.Module):
    """Values that were not measured fade from the last one seen towards the mean, at a learned rate for each column.

    With the gap d in typical gaps: g = exp(-max(0, w d + b)), and x = g x_last + (1 - g) x_mean.

    Source: Che et al. 2018 (doi:10.1038/s41598-018-24271-9), equations 3 and 4, with a diagonal W as there.
    """

    def __init__(self, shape: InputShape) -> None:
        super().__init__()
        chosen = [column for column, mean in enumerate(shape.decay_towards) if mean is not None]
        self.columns: Tensor
        self.mean: Tensor
        self.unit: Tensor
        self.register_buffer("columns", torch.tensor(chosen), persistent=False)
        self.register_buffer("mean", torch.tensor([mean for mean in shape.decay_towards if mean is not None]))
        # On the processor also where a network is made for its shapes alone: a mean on "meta" loads torch's compiler.
        unit = torch.as_tensor(shape.gap_unit_hours, dtype=torch.float32, device="cpu")
        self.register_buffer("unit", unit[chosen], persistent=False)
        self.weight = nn.Parameter(torch.rand(len(chosen)) / 10)
        self.bias = nn.Parameter(torch.zeros(len(chosen)))

    def forward(self, batch: Batch) -> Tensor:
        """Return the values [N, F] after fading."""
        last, gaps = batch.values[:, self.columns], batch.gap_hours[:, self.columns] / self.unit
        factor = decay_factors(gaps, self.weight.diag(), self.bias)
        faded = self.mean + factor * (last - self.mean)
        kept = torch.where(batch.observed[:, self.columns], last, faded)
        return batch.values.index_copy(1, self.columns, kept)


class EventEmbedding(nn.Module):
    """The sum of a step's events, each a learned vector times (1 + slope amount) with the code's learned slope."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.width = min(_WIDEST_EMBEDDING, vocabulary)
        self.weight = nn.Parameter(torch.randn(vocabulary, self.width) / self.width**0.5)
        self.slope = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, events: Events | None) -> Tensor:
        """Return the sums [N, width]; zeros where a step has no event."""
        if events is None:
            raise ValueError("The network embeds events, but the batch has none.")
        factor = 1.0 + self.slope.index_select(0, events.ids) * events.amounts
        return functional.embedding_bag(
            events.ids, self.weight, events.offsets, mode="sum", per_sample_weights=factor, include_last_offset=True
        )


def _one_hot(batch: Batch) -> Tensor:
    """Return a column for each dense column and each source but measurement, [N, 8 F]."""
    if batch.provenance is None:
        raise ValueError("The network sees where values come from, but the batch does not say.")
    sources = torch.arange(1, len(PROVENANCE), dtype=torch.uint8)
    return (batch.provenance[:, :, None] == sources).to(batch.values.dtype).flatten(1)


def _saturating(amount: Tensor, unit: Tensor) -> Tensor:
    """Return amount / (|amount| + unit): only exact arithmetic, so the same bits wherever a row stands in a batch."""
    return amount / (amount.abs() + unit)
