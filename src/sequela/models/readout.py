"""What a prediction reads of the states of a history: the last one, their mean, their maximum, or what attention picks.

Each looks at the steps up to the row that is read and no further, so one pass over a history serves a prediction at
every row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sequela.models.layout import Layout
from sequela.models.prefix import prefix_max, prefix_sum

_LARGEST_SCORE = 300.0  # exp(300) times 1e5 steps is far inside float64; a score of a trained network is far below


class Readout(nn.Module):
    """Several readouts of the same states, side by side in the order of their names.

    Attention scores a state by its product with a learned query, and reads the mean of the states so far, weighted by
    the exponentials of the scores: a softmax over the prefix.

    Source: Choi et al. 2016 (RETAIN, arXiv:1608.05745), step 2, whose bias cancels in the softmax.
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        """Build the readouts.

        Args:
            names: of "last", "mean", "max", "attention".
            width: of a state.
        """
        super().__init__()
        self.names = tuple(names)
        self.width = width * len(self.names)
        if "attention" in self.names:
            self.query = nn.Parameter(torch.randn(width) / width**0.5)

    def forward(self, states: Tensor, last: Tensor, batch_sizes: Tensor, reads: Tensor, layout: Layout) -> Tensor:
        """Return what each prediction reads, [R, width].

        Args:
            states: [N, H], packed.
            last: [R, H], the state at the row that is read, as the encoder has it at the prediction time.
            batch_sizes: [T].
            reads: [R], rows, none of them -1.
            layout: of the batch.
        """
        found = [
            last if name == "last" else self._read(name, states, batch_sizes, reads, layout) for name in self.names
        ]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def _read(self, name: str, states: Tensor, batch_sizes: Tensor, reads: Tensor, layout: Layout) -> Tensor:
        if name == "max":
            return prefix_max(states, batch_sizes, reads)
        if name == "mean":
            total = prefix_sum(states, batch_sizes, reads)
            return (total / (layout.step[reads] + 1)[:, None]).to(states.dtype)
        wide = states.double()
        score = (states * self.query).sum(dim=1, keepdim=True).double()
        weight = torch.exp(score.clamp(-_LARGEST_SCORE, _LARGEST_SCORE))
        total = prefix_sum(torch.cat([weight * wide, weight], dim=1), batch_sizes, reads)
        return (total[:, :-1] / total[:, -1:]).to(states.dtype)
