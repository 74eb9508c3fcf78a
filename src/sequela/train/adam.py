"""Adam, with all gradients shortened first where they are too long together, and a moving mean of weights.

With the gradient g of the weights w at step t, its moving mean m and that of its square v:

    g = g min(1, max_norm / (|g| + 1e-6)) + weight_decay w      |g| over all weights together
    m = m + (1 - b1) (g - m)
    v = b2 v + (1 - b2) g²
    w = w - learning_rate / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)

as `torch.nn.utils.clip_grad_norm_` and `torch.optim.Adam` have them. The native core takes a step in one call: for
networks of a few thousand weights torch's dozens of operations take as long as the network itself.

Source: Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sequela.cells import get_num_threads, operator
from sequela.train.threads import one_thread


class Adam:
    """Moves weights against their gradients.

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adam([weight], learning_rate=0.1)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.detach()
        tensor([0.9000])
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        max_norm: float = math.inf,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """Take the weights of a network.

        Args:
            weights: float32 or float64, of any shapes.
            learning_rate: may be set anew before each step.
            weight_decay: how much of the weights is added to their gradients.
            max_norm: the Euclidean norm, over all weights together, to which longer gradients are shortened.
            betas: how much of the moving means of gradients and of their squares stays at each step.
            eps: keeps the step finite where gradients vanish.
        """
        self.weights = list(weights)
        self.learning_rate, self.weight_decay, self.max_norm = learning_rate, weight_decay, max_norm
        self.betas, self.eps = betas, eps
        self._means = [torch.zeros_like(w, memory_format=torch.contiguous_format) for w in self.weights]
        self._squares = [torch.zeros_like(mean) for mean in self._means]
        self._steps = [0] * len(self.weights)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step. Weights without a gradient stay as they are."""
        chosen = [place for place, weight in enumerate(self.weights) if weight.grad is not None]
        for place in chosen:
            self._steps[place] += 1
        weights = [self.weights[place] for place in chosen]
        gradients = [weight.grad for weight in weights]
        means, squares = ([held[place] for place in chosen] for held in (self._means, self._squares))
        steps = [self._steps[place] for place in chosen]
        if not operator.BUILT or not operator._native.adam_step(
            weights, gradients, means, squares, steps, self.learning_rate, *self.betas, self.eps, self.weight_decay,
            self.max_norm, get_num_threads(),
        ):  # fmt: skip
            self._plain_step(weights, gradients, means, squares, steps)
            return
        torch.autograd.graph.increment_version(weights)  # as torch's own operations in place do

    def _plain_step(
        self, weights: list[nn.Parameter], gradients: list[Any], means: list[Tensor], squares: list[Tensor],
        steps: list[int],
    ) -> None:  # fmt: skip
        """Take a step in torch's operations."""
        first, second = self.betas
        with one_thread():
            length = nn.utils.get_total_norm(gradients)
            scale = (self.max_norm / (length + 1e-6)).clamp(max=1.0) if math.isfinite(self.max_norm) else 1.0
            for weight, gradient, mean, square, step in zip(weights, gradients, means, squares, steps, strict=True):
                g = gradient * scale + self.weight_decay * weight
                mean.lerp_(g, 1 - first)
                square.mul_(second).addcmul_(g, g, value=1 - second)
                deviation = (square.sqrt() / math.sqrt(1 - second**step)).add_(self.eps)
                weight.addcdiv_(mean, deviation, value=-self.learning_rate / (1 - first**step))


@torch.no_grad()
def blend(means: Sequence[Tensor], weights: Sequence[Tensor], share: float) -> None:
    """Move means towards weights, in place: mean + share (weight - mean)."""
    if operator.BUILT and operator._native.blend(means, weights, share, get_num_threads()):
        torch.autograd.graph.increment_version(means)
        return
    with one_thread():
        for mean, weight in zip(means, weights, strict=True):
            mean.lerp_(weight, share)
