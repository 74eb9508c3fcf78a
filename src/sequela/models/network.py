"""What every network is to those who train it and ask it."""

from __future__ import annotations

from torch import Tensor, nn

from sequela.batch import Batch


class Network(nn.Module):
    """From a batch to one output for each prediction, and how far that is from the targets."""

    def forward(self, batch: Batch) -> Tensor:
        """Return the outputs [R, ...]."""
        raise NotImplementedError

    def loss(self, output: Tensor, batch: Batch, name: str) -> Tensor:
        """Return the mean loss of the outputs over the known targets of a batch; "auto" is the question's usual one."""
        raise NotImplementedError
