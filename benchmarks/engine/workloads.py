"""The shapes of the comparison, and a training or inference step of each candidate on them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from engine import ours

LAYERS = 2
GATES = {"LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class Shape:
    """A batch: dense where `seed` is None, else ragged histories whose longest possible length is `steps`."""

    batch: int
    input: int
    hidden: int
    steps: int
    cell: str = "LSTM"
    seed: int | None = None

    @property
    def name(self) -> str:
        ragged = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.cell} B{self.batch} T{self.steps} in {self.input} H{self.hidden}{ragged}"

    def lengths(self) -> torch.Tensor:
        """`clip(lognormal(log(T/4), 0.8), 1, T)`, or T for everybody."""
        if self.seed is None:
            return torch.full((self.batch,), self.steps)
        generator = torch.Generator().manual_seed(self.seed)
        normal = torch.randn(self.batch, generator=generator, dtype=torch.float64)
        drawn = torch.exp(math.log(self.steps / 4) + 0.8 * normal)
        return drawn.clamp(1, self.steps).long()

    def padded(self) -> torch.Tensor:
        """Input [B, T, F] with zeros where a history has ended; T is the longest that was drawn."""
        lengths = self.lengths()
        generator = torch.Generator().manual_seed(1000 + (self.seed or 0))
        x = torch.randn(self.batch, int(lengths.max()), self.input, generator=generator)
        return x * (torch.arange(x.shape[1]) < lengths[:, None]).unsqueeze(-1)

    def packed(self) -> PackedSequence:
        return pack_padded_sequence(self.padded(), self.lengths(), batch_first=True, enforce_sorted=False)


# Ragged shapes are (batch, input, hidden, T), dense ones (batch, T, input, hidden), as in the engine's goals.
RAGGED = [(64, 41, 64, 200), (64, 20, 64, 16), (128, 41, 128, 72)]
DENSE = [(32, 10, 1, 50), (32, 48, 41, 64), (32, 200, 41, 128), (256, 48, 41, 128), (64, 1000, 16, 64)]
SEEDS = [0, 1, 2]


def ragged_shapes(cells: tuple[str, ...] = ("LSTM", "GRU")) -> list[Shape]:
    return [
        Shape(batch, inputs, hidden, steps, cell, seed)
        for cell in cells
        for batch, inputs, hidden, steps in RAGGED
        for seed in SEEDS
    ]


def dense_shapes() -> list[Shape]:
    return [Shape(batch, inputs, hidden, steps) for batch, steps, inputs, hidden in DENSE]


def module(shape: Shape, source: str) -> nn.RNNBase:
    """`torch`'s module or ours, with the same weights."""
    torch.manual_seed(0)
    family = nn if source == "torch" else ours.cells()
    return getattr(family, shape.cell)(shape.input, shape.hidden, num_layers=LAYERS, batch_first=True)


def training_step(shape: Shape, candidate: str) -> Callable[[], object]:
    """Forward and backward to every weight, on tensors that are ready; the gradient of the output is given.

    The candidates are `ours`, `torch_packed` and `torch_padded`. The padded one gets its padded input and the padded
    gradient for nothing.
    """
    net = module(shape, "ours" if candidate == "ours" else "torch")
    weights = list(net.parameters())
    packed = shape.packed()
    rows = torch.randn(packed.data.shape[0], shape.hidden, generator=torch.Generator().manual_seed(7))
    if candidate == "torch_padded" or shape.seed is None:
        x = shape.padded()
        gradient, _ = pad_packed_sequence(packed._replace(data=rows), batch_first=True)
    else:
        x, gradient = packed, rows

    def step() -> None:
        for weight in weights:
            weight.grad = None
        output, _ = net(x)
        data = output.data if isinstance(output, PackedSequence) else output
        data.backward(gradient)

    return step


def inference_step(shape: Shape, candidate: str) -> Callable[[], object]:
    net = module(shape, "ours" if candidate == "ours" else "torch").eval()
    x = shape.padded() if candidate == "torch_padded" or shape.seed is None else shape.packed()

    def step() -> None:
        with torch.inference_mode():
            net(x)

    return step


def same_result(shape: Shape) -> float:
    """The largest difference between our output and torch's: a fast wrong answer must not count."""
    x = shape.padded() if shape.seed is None else shape.packed()
    with torch.no_grad():
        mine, theirs = module(shape, "ours")(x)[0], module(shape, "torch")(x)[0]
    if isinstance(mine, PackedSequence):
        mine, theirs = mine.data, theirs.data
    return (mine - theirs).abs().max().item()
