"""The network that a risk study trains, and its losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from sequela.batch import Batch
from sequela.models.encoder import Encoder
from sequela.models.head import Head
from sequela.models.network import HeadedNetwork

RISK_LOSSES = ("cross_entropy", "weighted_cross_entropy")


class RiskNetwork(HeadedNetwork):
    """An encoder, and a head for the logit of one risk."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__(encoder, head)
        self.prevalence = 0.5  # of training predictions; what `begin_at` was told

    @torch.no_grad()
    def begin_at(self, prevalence: float, loss: str = "auto") -> None:
        """Let training begin where everybody's risk is about the prevalence, instead of at one half.

        Args:
            prevalence: share of events among the known training targets; 0 and 1 are drawn in to 0.001 and 0.999.
            loss: the loss of training; weighted losses see as many events as others, and begin at one half.
        """
        self.prevalence = {0.0: 0.001, 1.0: 0.999}.get(prevalence, prevalence)
        begin = 0.5 if loss == "weighted_cross_entropy" else self.prevalence
        self.head.linear.bias.fill_(math.log(begin / (1.0 - begin)))

    def forward(self, batch: Batch) -> Tensor:
        """Return the logit of each risk [R]."""
        logits: Tensor = self.head(self.encoder(batch), batch)
        return logits[:, 0]

    def loss(self, output: Tensor, batch: Batch, name: str) -> Tensor:
        """Return the mean loss of logits [R]; "auto" is "cross_entropy"."""
        return risk_loss(output, batch, "cross_entropy" if name == "auto" else name, self.prevalence)


def risk_loss(logits: Tensor, batch: Batch, loss: str, prevalence: float = 0.5) -> Tensor:
    """Return the mean binary cross-entropy of logits [R] over the known targets; 0 where none is known.

    Args:
        logits: [R].
        batch: its `targets` [R] are 0 or 1.
        loss: "cross_entropy", or "weighted_cross_entropy": events and others weigh the same in sum over the training
            predictions, 1 / (2 prevalence) and 1 / (2 (1 - prevalence)) each, whatever events a batch holds.
        prevalence: share of events among training predictions.
    """
    if loss not in RISK_LOSSES:
        raise ValueError(f"The loss of a risk is one of {', '.join(RISK_LOSSES)}, not {loss!r}.")
    weight = batch.target_known * batch.weight
    error = functional.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none") * weight
    if loss == "weighted_cross_entropy":  # these weights have the mean 1 over all training predictions, not in a batch
        error = error * torch.where(batch.targets > 0.5, 0.5 / prevalence, 0.5 / (1.0 - prevalence))
    return error.sum() / weight.sum().clamp(min=1e-12)


def risk_of(logits: Tensor) -> Tensor:
    """Return the probabilities in float64 of logits, with the same bits wherever a logit stands.

    Example:
        >>> risk_of(torch.tensor([0.0, -100.0])).tolist()
        [0.5, 3.720075976020836e-44]
    """
    # torch.sigmoid gives the last elements of a tensor other bits than the ones before; torch.exp does not.
    small = torch.exp(-logits.double().abs())
    return torch.where(logits >= 0, 1.0, small) / (1.0 + small)
