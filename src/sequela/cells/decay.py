"""How a state fades with time: the factors in (0, 1] that a cell's `decay_h` and `decay_c` take.

    g = exp(-max(0, W gap + b))

Source: Che et al. 2018 (doi:10.1038/s41598-018-24271-9), equation 3. All steps are computed at once, before the
recurrence, and by the engine: torch's own product may give a row other bits in another batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from sequela.cells import operator
from sequela.cells.recurrence import Recurrence


def decay_factors(gaps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the factors [N, K] of the gaps [N, F] under weight [K, F] and bias [K].

    Example:
        >>> decay_factors(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.5]]), torch.tensor([0.0]))
        tensor([[1.0000],
                [0.3679]])
    """
    if gaps.device.type != "cpu" or not operator.BUILT:
        return plain_decay_factors(gaps, weight, bias)
    rows, width = gaps.shape[0], weight.shape[0]
    batch_sizes = torch.full((1 if rows else 0,), rows, dtype=torch.int64)
    given = Recurrence(gaps, batch_sizes, rows, None, (None,))
    y, _ = operator.run("fade", given, [weight, weight.new_zeros(0, width), bias], 1, 1)
    return y


def plain_decay_factors(gaps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return what `decay_factors` returns, in plain torch."""
    return torch.exp(-torch.relu(linear(gaps, weight, bias)))
