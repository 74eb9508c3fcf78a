"""The plain LSTM is torch's LSTM, and a swap of two gates would be seen."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence

import sequela.cells.lstm as page
from sequela.cells import LSTM

LENGTHS = (3, 7, 1, 5, 5)


def histories(seed: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, width, dtype=torch.float64, generator=generator) for n in LENGTHS]


def pair(layers: int, bidirectional: bool = False) -> tuple[LSTM, torch.nn.LSTM]:
    torch.manual_seed(layers)
    ours = LSTM(4, 6, layers, bidirectional=bidirectional, dtype=torch.float64)
    theirs = torch.nn.LSTM(4, 6, layers, bidirectional=bidirectional, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def assert_same(ours: tuple, theirs: tuple) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


def compare_packed(layers: int, bidirectional: bool) -> None:
    ours, theirs = pair(layers, bidirectional)
    packed = pack_sequence(histories(layers, 4), enforce_sorted=False)
    mine, (h, c) = ours.plain(packed)
    other, (h_other, c_other) = theirs(packed)
    assert isinstance(mine, PackedSequence)
    assert_same((mine.data, h, c), (other.data, h_other, c_other))
    assert torch.equal(mine.sorted_indices, packed.sorted_indices)
    assert torch.equal(mine.unsorted_indices, packed.unsorted_indices)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_plain_equals_torch_on_packed_histories(layers, bidirectional):
    compare_packed(layers, bidirectional)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_plain_equals_torch_on_padded_histories(layers, batch_first):
    ours, theirs = pair(layers)
    ours.batch_first = theirs.batch_first = batch_first
    x = pad_sequence(histories(layers, 4), batch_first=batch_first)
    hx = tuple(torch.randn(layers, len(LENGTHS), 6, dtype=torch.float64) for _ in range(2))
    (mine, states), (other, states_other) = ours.plain(x, hx), theirs(x, hx)
    assert_same((mine, *states), (other, *states_other))


@pytest.mark.parametrize("batch_first", [False, True])
def test_one_history_without_a_batch_is_that_of_torch(batch_first):
    ours, theirs = pair(2)
    ours.batch_first = theirs.batch_first = batch_first
    x, hx = histories(0, 4)[1], tuple(torch.randn(2, 6, dtype=torch.float64) for _ in range(2))
    other, states_other = theirs(x, hx)
    for run in (ours, ours.plain):
        mine, states = run(x, hx)
        assert_same((mine, *states), (other, *states_other))


def test_a_swap_of_two_gates_is_seen(monkeypatch):
    def swapped(x, state, weights):
        h, c = state
        f, i, g, o = page.preactivations(x, h, weights).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    monkeypatch.setitem(page.STEPS, "standard", swapped)
    with pytest.raises(AssertionError):
        compare_packed(1, bidirectional=False)


@pytest.mark.parametrize("gates", ["standard", "peephole", "coupled"])
def test_gradients_of_the_plain_version_are_those_of_finite_differences(gates):
    torch.manual_seed(0)
    cell = LSTM(2, 3, 2, gates=gates, dtype=torch.float64)
    if gates == "peephole":
        torch.nn.init.normal_(cell.weight_ch_l0)
    packed = pack_sequence([x[:3, :2] for x in histories(0, 4)], enforce_sorted=False)
    rows = len(packed.data)
    x = packed.data.clone().requires_grad_()
    state = tuple(torch.randn(2, len(LENGTHS), 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    decay = tuple(torch.rand(2, rows, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    names = [name for name, _ in cell.named_parameters()]

    def run(x, h, c, decay_h, decay_c, *weights):
        output, final = torch.func.functional_call(
            Plain(cell),
            {f"cell.{name}": weight for name, weight in zip(names, weights, strict=True)},
            (PackedSequence(x, *packed[1:]), (h, c), decay_h, decay_c),
        )
        return output.data, *final

    assert torch.autograd.gradcheck(run, (x, *state, *decay, *cell.parameters()), fast_mode=True)


class Plain(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, packed, hx, decay_h, decay_c):
        return self.cell.plain(packed, hx, decay_h=decay_h, decay_c=decay_c)


def test_forward_takes_and_gives_packed_sequences():
    ours, theirs = pair(2)
    packed = pack_sequence(histories(3, 4), enforce_sorted=False)
    mine, states = ours(packed)
    other, states_other = theirs(packed)
    assert_same((mine.data, *states), (other.data, *states_other))


def test_state_dict_goes_both_ways_and_initial_weights_are_torchs():
    torch.manual_seed(5)
    ours = LSTM(3, 4, 2, bidirectional=True)
    torch.manual_seed(5)
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, weight in theirs.state_dict().items():
        assert torch.equal(weight, ours.state_dict()[name])
    ours.load_state_dict(theirs.state_dict())


def test_projection_is_refused():
    with pytest.raises(ValueError, match="proj_size"):
        LSTM(3, 4, proj_size=2)
