"""Several networks that answer as one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sequela.batch import Batch
from sequela.models.network import Network
from sequela.models.risk import RiskNetwork, risk_of


class Ensemble(Network):
    """The mean of its members: of scaled forecasts, or of risks, whose logit is returned.

    Weights in the state dict are named `member.0.*`, `member.1.*` and so on.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        """Take one or more networks of one kind and shape."""
        super().__init__()
        if not members or len({type(member) for member in members}) != 1:
            raise ValueError("An ensemble has at least one member, and all are networks of one kind.")
        self.member = nn.ModuleList(members)
        self.risk = isinstance(members[0], RiskNetwork)

    def forward(self, batch: Batch) -> Tensor:
        """Return what a member returns: forecasts [R, horizons, targets] or logits [R]."""
        outputs = torch.stack([member(batch) for member in self.member])
        if len(self.member) == 1:
            return outputs[0]
        return mean_logit(outputs) if self.risk else sum(outputs[1:], start=outputs[0]) / len(outputs)

    def loss(self, output: Tensor, batch: Batch, name: str) -> Tensor:
        """Return the mean loss of the ensemble's own output."""
        first = self.member[0]
        assert isinstance(first, Network)
        return first.loss(output, batch, name)


def seed_of_member(seed: int, number: int) -> int:
    """Return the seed of a member of an ensemble: the study's own for the first, one of its own for each other.

    Were numbers added, the second member of seed 2 would be the first of seed 3, and ensembles of neighbouring seeds,
    trained to see how far chance goes, would share all members but one.

    Args:
        seed: of the study.
        number: of the member, from 0.

    Example:
        >>> seed_of_member(7, 0), seed_of_member(7, 1) == seed_of_member(8, 0)
        (7, False)
    """
    if number == 0:
        return seed
    return int.from_bytes(hashlib.blake2b(f"{seed}:member:{number}".encode(), digest_size=4).digest(), "big") >> 1


def mean_logit(logits: Tensor) -> Tensor:
    """Return the logit of the mean risk of members [M, ...].

    Example:
        >>> mean_logit(torch.tensor([[0.0], [2.0]]))  # risks 0.5 and 0.881 have the mean 0.690
        tensor([0.8020])
    """
    event, other = risk_of(logits), risk_of(-logits)
    odds = sum(event[1:], start=event[0]) / sum(other[1:], start=other[0])
    return torch.log(odds).to(logits.dtype)
