"""A linear layer that keeps its bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RowwiseLinear(nn.Linear):
    """A linear layer whose result for a row has the same bits whatever other rows stand beside it.

    A matrix product may sum in another order where it has other rows; here each output is a sum over its own row.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Return input [R, in] times weight plus bias [R, out]."""
        sums = torch.stack([(input * row).sum(dim=1) for row in self.weight], dim=1)
        return sums if self.bias is None else sums + self.bias
