"""Cells inside torch.compile and torch.export, with packed histories of changing lengths."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from sequela.cells import GRU, LSTM, RNN, operator

pytestmark = [
    pytest.mark.skipif(not operator.BUILT, reason="the native core is not built"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch"),
]

BATCHES = [(3, 5, 2), (7, 1, 4, 4), (2, 9)]


class Model(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, torch.nn.Linear(6, 1)

    def forward(self, data, batch_sizes, order, back):
        output, final = self.cell(PackedSequence(data, batch_sizes, order, back))
        return self.head(output.data), final[0]


def batch(lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    return pack_sequence([torch.randn(n, 5, generator=generator) for n in lengths], enforce_sorted=False)


def cells():
    torch.manual_seed(0)
    return [LSTM(5, 6, 2), GRU(5, 6, reset="before"), RNN(5, 6)]


@pytest.mark.parametrize("cell", cells(), ids=["lstm", "gru", "rnn"])
def test_compiles_whole_with_changing_lengths(cell):
    torch._dynamo.reset()
    model = Model(cell)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    for lengths in BATCHES:
        packed = batch(lengths)
        gradients = []
        for run in (model, compiled):
            model.zero_grad()
            output, final = run(*packed)
            (output.sum() + final.sum()).backward()
            gradients.append([output.detach(), final.detach(), *(p.grad for p in model.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("cell", cells(), ids=["lstm", "gru", "rnn"])
def test_compiles_whole_before_it_ran_eagerly(cell):
    torch._dynamo.reset()
    compiled = torch.compile(cell, fullgraph=True, backend="aot_eager")
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    output, final = compiled(x)
    expected, expected_final = cell(x)
    assert torch.equal(output, expected)
    assert torch.equal(final[0], expected_final[0])


def test_exports_with_lengths_as_dimensions():
    torch._dynamo.reset()
    model = Model(cells()[0])
    dims = [torch.export.Dim(name, min=2, max=10_000) for name in ("rows", "steps", "histories")]
    shapes = ({0: dims[0]}, {0: dims[1]}, {0: dims[2]}, {0: dims[2]})
    exported = torch.export.export(model, tuple(batch(BATCHES[0])), dynamic_shapes=shapes, strict=False).module()
    for lengths in BATCHES:
        for mine, theirs in zip(exported(*batch(lengths)), model(*batch(lengths)), strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@torch.no_grad()
def test_a_trace_computes_anew():
    model = Model(cells()[0])
    traced = torch.jit.trace(model, tuple(batch(BATCHES[0])))
    for lengths in (BATCHES[0], (1, 9, 6)):
        for mine, theirs in zip(traced(*batch(lengths)), model(*batch(lengths)), strict=True):
            assert torch.equal(mine, theirs)
