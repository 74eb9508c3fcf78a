"""A linear part beside the network: what boosted trees find at once, thresholds of single statistics, without trees.

Each statistic of a history (its last value, its mean, ...) is cut at quantiles of the training people into pieces; a
piece tells how much of its range lies below the value, from 0 to 1, so a linear layer on the pieces is a broken line
for each statistic. What is not known is a column of its own.

Source: wide and deep learning, Cheng et al. 2016 (arXiv:1606.07792); piecewise linear encoding, Gorishniy et al. 2022
(arXiv:2203.05556), equation 1, here centred on training people and kept within 0 and 1 at both ends.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sequela.models.dropout import Dropout
from sequela.models.rowwise import RowwiseLinear

PIECES = 3
_RIDGE = 0.003
_ROWS_AT_ONCE = 64
_NARROWEST = 1e-30  # of a piece, so that one divided by it is a number


class Wide(nn.Module):
    """From the statistics of R predictions to what they add to the outputs; adds nothing until it has learned."""

    def __init__(self, statistics: int, outputs: int, dropout: float) -> None:
        """Build the layer.

        Args:
            statistics: columns of a batch's `summary`.
            outputs: numbers for each prediction.
            dropout: share of the pieces that is left out in training.
        """
        super().__init__()
        self.lower: Tensor
        self.scale: Tensor
        self.mean: Tensor
        self.register_buffer("lower", torch.zeros(statistics, PIECES))
        self.register_buffer("scale", torch.zeros(statistics, PIECES))  # 1 / width of a piece, 0 where it has none
        self.register_buffer("mean", torch.zeros(statistics, PIECES + 1))
        self.dropout = Dropout(dropout)
        self.linear = RowwiseLinear(statistics * (PIECES + 1), outputs, bias=False)
        nn.init.zeros_(self.linear.weight)

    @torch.no_grad()
    def fit(self, statistics: NDArray[np.float64], person: NDArray[np.int64], min_people: int) -> None:
        """Cut each statistic at quantiles of training people.

        Args:
            statistics: [R, J] of training predictions, NaN where not known.
            person: [R], whose each is.
            min_people: each cut has at least so many people on either side; a statistic that too few have is left out.
        """
        most = int(np.bincount(person).max(initial=1))  # predictions that may be one person's
        for column, values in enumerate(statistics.T):
            known = np.sort(values[~np.isnan(values)])
            margin = min_people * most
            if len(known) < PIECES * margin:
                continue
            ranks = np.linspace(margin - 1, len(known) - margin, PIECES + 1).round().astype(np.int64)
            cuts = torch.from_numpy(known[ranks]).to(self.lower.dtype)
            width = cuts[1:] - cuts[:-1]
            self.lower[column] = cuts[:-1]
            self.scale[column] = torch.where(width > _NARROWEST, 1.0 / width, 0.0)
        self.mean.zero_()
        whole = torch.from_numpy(statistics).to(self.lower.dtype)
        sums = [self.pieces(whole[begin : begin + 4096]).sum(dim=0) for begin in range(0, len(whole), 4096)]
        counts = (~torch.isnan(whole)).sum(dim=0)[:, None].clamp(min=1)
        self.mean.copy_(torch.stack(sums).sum(dim=0))
        self.mean[:, :PIECES] /= counts
        self.mean[:, PIECES:] /= len(whole)

    def pieces(self, summary: Tensor) -> Tensor:
        """Return the pieces of statistics [R, J] and whether each is not known, centred, [R, J, PIECES + 1]."""
        unknown = torch.isnan(summary)[:, :, None]
        filled = ((summary[:, :, None] - self.lower) * self.scale).clamp(0.0, 1.0) - self.mean[:, :PIECES]
        used = self.scale.any(dim=1)[:, None]
        missing = torch.where(used, unknown.to(summary.dtype) - self.mean[:, PIECES:], 0.0)
        return torch.cat([torch.where(unknown, 0.0, filled), missing], dim=2)

    def forward(self, summary: Tensor | None) -> Tensor:
        """Return what the statistics [R, J] add [R, outputs]."""
        if summary is None:
            raise ValueError("The network sees statistics of each history, but the batch has none.")
        # Rows do not look at each other, so a few at a time say the same, from memory that is near.
        rows = len(summary) if self.training else _ROWS_AT_ONCE
        parts = torch.split(summary, max(rows, 1))
        return torch.cat([self.linear(self.dropout(self.pieces(part).flatten(1))) for part in parts])

    def penalty(self) -> Tensor:
        """Return what keeps the weights small in training."""
        return _RIDGE * self.linear.weight.square().sum()
