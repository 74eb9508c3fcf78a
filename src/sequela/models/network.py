"""What every network is to those who train it and ask it."""

from __future__ import annotations

from torch import Tensor, nn

from sequela.batch import Batch
from sequela.models.encoder import Encoder
from sequela.models.head import Head


class Network(nn.Module):
    """From a batch to one output for each prediction, and how far that is from the targets."""

    def forward(self, batch: Batch) -> Tensor:
        """Return the outputs [R, ...]."""
        raise NotImplementedError

    def loss(self, output: Tensor, batch: Batch, name: str) -> Tensor:
        """Return the mean loss of the outputs over the known targets of a batch; "auto" is the question's usual one."""
        raise NotImplementedError

    def penalty(self) -> Tensor | None:
        """Return what training adds to the loss to keep weights small; None where that is nothing."""
        return None


class HeadedNetwork(Network):
    """An encoder, and a head on what it reads."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def penalty(self) -> Tensor | None:
        """Return what keeps the weights of the wide part small; None without one."""
        return None if self.head.wide is None else self.head.wide.penalty()
