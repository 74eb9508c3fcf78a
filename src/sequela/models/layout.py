"""Where the packed rows of a batch belong."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from sequela.batch import Batch


class Layout:
    """For each packed row its step and its sequence; each is worked out once a batch, and only if it is asked for."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._begins = torch.cumsum(batch.batch_sizes, 0) - batch.batch_sizes

    @cached_property
    def step(self) -> Tensor:
        """Return the step of each row within its sequence [N]."""
        return torch.repeat_interleave(torch.arange(len(self._begins)), self._batch.batch_sizes)

    @cached_property
    def rank(self) -> Tensor:
        """Return which of the sequences, the longest first, each row belongs to [N]."""
        return torch.arange(len(self.step)) - self._begins[self.step]

    @property
    def sequence(self) -> Tensor:
        """Return the caller's number of the sequence of each row [N]."""
        return self._batch.order[self.rank]

    @property
    def hours_since_step_before(self) -> Tensor:
        """Return the hours since the step before [N]; 0 at the first step."""
        rows = torch.arange(len(self.step))
        before = torch.where(self.step > 0, self._begins[(self.step - 1).clamp(min=0)] + self.rank, rows)
        return self._batch.hours - self._batch.hours[before]
