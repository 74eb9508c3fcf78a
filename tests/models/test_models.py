from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sequela.batch import Batch
from sequela.cells import operator
from sequela.models import (
    FORECAST_LOSSES,
    Encoder,
    InputShape,
    ModelSettings,
    RowwiseLinear,
    build_forecast_network,
    build_risk_network,
    forecast_loss,
    parameter_count,
)
from sequela.models.layout import Layout
from sequela.prepare import collate


def batch_of(lengths: list[int], reads: list[tuple[int, int]], *, facts: int = 1) -> Batch:
    """Return a batch of random rows; each prediction reads (sequence, step), step -1 = nothing known."""
    features, random = 2, np.random.default_rng(0)
    place, sizes, order = collate.pack(np.array(lengths))
    begin = np.cumsum(lengths) - lengths
    rows = len(place)
    values = np.concatenate([np.random.default_rng(100 + s).normal(size=(n, features)) for s, n in enumerate(lengths)])
    packed = np.zeros((rows, features), dtype=np.float32)
    packed[place] = values
    hours = np.zeros(rows, dtype=np.float32)
    hours[place] = np.concatenate([np.arange(n) for n in lengths])
    return Batch(
        values=torch.from_numpy(packed),
        observed=torch.ones(rows, features, dtype=torch.bool),
        gap_hours=torch.ones(rows, features),
        hours=torch.from_numpy(hours),
        batch_sizes=torch.from_numpy(sizes),
        order=torch.from_numpy(order),
        static=torch.from_numpy(random.normal(size=(len(lengths), facts)).astype(np.float32)),
        reads=torch.tensor([int(place[begin[s] + t]) if t >= 0 else -1 for s, t in reads]),
        read_sequence=torch.tensor([s for s, _ in reads]),
        read_lag_hours=torch.zeros(len(reads)),
        targets=torch.zeros(len(reads), 1, 1),
        target_known=torch.ones(len(reads), 1, 1, dtype=torch.bool),
        weight=torch.ones(len(reads)),
    )


def encoder(*, static: int = 1, **keys: Any) -> Encoder:
    torch.manual_seed(0)
    shape = InputShape(static=static, gap_unit_hours=[1.0, 2.0])
    return Encoder(ModelSettings(**{"hidden": 3, **keys}), shape).eval()


@pytest.mark.parametrize("width", [1, 7, 8, 33, 64, 257, 1024])
def test_a_rowwise_linear_has_the_same_bits_for_a_row_in_any_company(width: int) -> None:
    torch.manual_seed(width)
    linear, rows = RowwiseLinear(width, 3), torch.randn(50, width)
    whole = linear(rows)
    for some in ([0], [7, 8], list(range(49, -1, -1)), [3] * 5):
        assert torch.equal(linear(rows[some]), whole[some])
    assert torch.allclose(whole, nn.functional.linear(rows, linear.weight, linear.bias), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[0, 2, 0, 4, 0], [3, 1, 0], [0, 0, 1]])
def test_a_prediction_that_knows_nothing_reads_a_state_of_zero(
    cell: str, bidirectional: bool, lengths: list[int]
) -> None:
    reads = [(s, n - 1) for s, n in enumerate(lengths)]
    state = encoder(cell=cell, bidirectional=bidirectional)(batch_of(lengths, reads))
    for (_, step), row in zip(reads, state, strict=True):
        assert bool((row == 0).all()) == (step == -1)


def test_a_batch_in_which_nobody_knows_anything_is_all_zero() -> None:
    state = encoder()(batch_of([0, 0], [(0, -1), (1, -1)]))
    assert state.shape == (2, 3)
    assert not state.any()


@pytest.mark.parametrize("sizes", [[3], [3, 3], [4, 2]])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_a_read_is_the_output_of_torchs_own_layers_over_the_sequence(
    sizes: list[int], bidirectional: bool, cell: tuple[str, type[nn.RNNBase]]
) -> None:
    lengths = [2, 5, 3]
    network = encoder(hidden=sizes, bidirectional=bidirectional, cell=cell[0], static=0, inputs=["values"])
    order = [1, 2, 0]
    state = network(batch_of(lengths, [(s, lengths[s] - 1) for s in order], facts=0))
    for read, s in zip(state, order, strict=True):
        n = lengths[s]
        steps = torch.from_numpy(np.random.default_rng(100 + s).normal(size=(n, 2)).astype(np.float32))
        for layer in network.layers:
            twin = cell[1](layer.input_size, layer.hidden_size, layer.num_layers, bidirectional=bidirectional)
            twin.load_state_dict(layer.state_dict())
            steps, _ = twin(steps)
        half = sizes[-1]
        expected = torch.cat([steps[-1, :half], steps[0, half:]])
        assert torch.allclose(read, expected, atol=1e-5)


@pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")
@pytest.mark.parametrize("sizes", [[3], [3, 3], [3, 3, 2]])
@pytest.mark.parametrize("cell", [("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("rnn", nn.RNNCell)])
def test_states_fade_with_the_time_since_the_step_before_and_the_last_with_the_lag(
    sizes: list[int], cell: tuple[str, type[nn.RNNCellBase]]
) -> None:
    network = encoder(hidden=sizes, cell=cell[0], decay=True, static=0, inputs=["values"])
    for fading in network.fading:
        nn.init.uniform_(fading.weight, 0.1, 0.5)
        nn.init.uniform_(fading.bias, -0.3, 0.3)
    lags, batch = [0.0, 2.5, 0.5], batch_of([2, 5, 3], [(0, 1), (1, 4), (2, 2)], facts=0)
    read = network(replace(batch, hours=2 * batch.hours**1.5, read_lag_hours=torch.tensor(lags)))
    for s, n in enumerate([2, 5, 3]):
        rows = torch.from_numpy(np.random.default_rng(100 + s).normal(size=(n, 2)).astype(np.float32))
        for layer, fading in zip(network.layers, network.fading, strict=True):
            for k in range(layer.num_layers):
                twin = cell[1](layer.get_parameter(f"weight_ih_l{k}").shape[1], layer.hidden_size)
                twin.load_state_dict({name: layer.get_parameter(f"{name}_l{k}") for name in twin.state_dict()})
                own = slice(k * layer.hidden_size, (k + 1) * layer.hidden_size)
                weight, bias = fading.weight[own, 0], fading.bias[own]
                state = torch.zeros(2, 1, layer.hidden_size)  # h and c
                after = []
                for t in range(n):
                    typical_gaps = 2 * (t**1.5 - max(t - 1, 0) ** 1.5) / 1.5
                    state = state * torch.exp(-torch.relu(weight * typical_gaps + bias))
                    given = (state[0], state[1]) if cell[0] == "lstm" else state[0]
                    found = twin(rows[t : t + 1], given)
                    state = torch.stack(found) if cell[0] == "lstm" else torch.stack([found, found])
                    after.append(state[0, 0])
                rows = torch.stack(after)
        expected = rows[-1] * torch.exp(-torch.relu(weight * lags[s] / 1.5 + bias)) if lags[s] else rows[-1]
        torch.testing.assert_close(read[s], expected, rtol=1e-4, atol=1e-6)


def test_dropout_acts_between_layers_and_on_what_is_read() -> None:
    batch, entering = batch_of([30], [(0, t) for t in range(30)]), []
    network = encoder(hidden=[40, 30], dropout=0.5).train()
    network.layers[1].register_forward_pre_hook(lambda layer, given: entering.append(given[0].data))
    for thinned in (network(batch), *entering):
        assert float((thinned == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert len(entering) == 1
    for sizes in ([40, 40], [40]):
        network = encoder(hidden=sizes, dropout=0.5).train()
        network.between = nn.Identity()
        assert torch.equal(network(batch), network(batch)) == (len(sizes) == 1)


def test_steps_after_the_read_do_not_change_the_state_that_is_read() -> None:
    network = encoder()
    short = network(batch_of([2, 4], [(0, 1), (1, 3)]))
    long = network(batch_of([7, 4], [(0, 1), (1, 3)]))
    assert torch.allclose(short, long, rtol=1e-6, atol=1e-7)


def test_a_gap_of_the_typical_length_enters_as_one_half_and_so_do_hours_of_the_mean_of_them() -> None:
    batch = batch_of([2], [(0, 1)])
    batch = replace(batch, hours=torch.tensor([-1.5, 1.5]))  # what is known already when an episode begins
    entering = encoder().inputs(batch, Layout(batch))
    assert entering[1, 4:7].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 2])
    assert entering[0, 6] == -1 / 2
    assert entering.shape == (2, 3 * 2 + 1 + 1)


@pytest.mark.parametrize("size", [1e5, -1e5])
def test_attention_reads_numbers_however_large_its_scores_are(size: float) -> None:
    network = encoder(readout=["attention"])
    with torch.no_grad():
        network.readout.query.fill_(size)
    assert network(batch_of([9], [(0, t) for t in range(9)])).isfinite().all()


@pytest.mark.parametrize(
    ("loss", "theirs"), [("squared", nn.MSELoss()), ("absolute", nn.L1Loss()), ("huber", nn.HuberLoss())]
)
def test_losses_are_those_of_torch_over_the_known_targets(loss: str, theirs: nn.Module) -> None:
    torch.manual_seed(0)
    predicted, target = 3 * torch.randn(20, 2, 2), 3 * torch.randn(20, 2, 2)
    known = torch.rand(20, 2, 2) < 0.6
    batch = batch_of([1], [(0, 0)])
    fields = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
    fields |= {"targets": target, "target_known": known, "weight": torch.ones(20)}
    assert torch.allclose(forecast_loss(predicted, Batch(**fields), loss), theirs(predicted[known], target[known]))
    weight = torch.linspace(0.1, 2, 20)
    each = known * weight[:, None, None]
    expected = (FORECAST_LOSSES[loss](predicted, target) * each).sum() / each.sum()
    torch.testing.assert_close(forecast_loss(predicted, Batch(**{**fields, "weight": weight}), loss), expected)
    nothing = Batch(**{**fields, "target_known": torch.zeros_like(known)})
    assert float(forecast_loss(predicted, nothing, loss)) == 0.0
    assert set(FORECAST_LOSSES) == {"squared", "absolute", "huber"}


def test_the_loss_of_a_forecast_is_squared_where_the_study_names_none() -> None:
    network = build_forecast_network(
        ModelSettings(hidden=2),
        InputShape(static=0, gap_unit_hours=[1.0]),
        horizons=1,
        targets=1,
        reads_at_records=True,
    )
    batch, predicted = batch_of([1], [(0, 0)]), torch.full((1, 1, 1), 3.0)
    assert float(network.loss(predicted, batch, "auto")) == 9.0
    assert float(network.loss(predicted, batch, "absolute")) == 3.0


def test_the_lag_to_a_prediction_time_is_an_input_only_where_there_is_one() -> None:
    for reads_at_records, horizons, targets in itertools.product([True, False], [1, 2], [1, 3]):
        network = build_forecast_network(
            ModelSettings(hidden=4),
            InputShape(static=1, gap_unit_hours=[1.0, 3.0]),
            horizons=horizons,
            targets=targets,
            reads_at_records=reads_at_records,
        ).eval()
        batch = batch_of([2], [(0, 1)])
        fields = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
        later = Batch(**{**fields, "read_lag_hours": torch.tensor([9.0])})
        assert network(batch).shape == (1, horizons, targets)
        assert torch.equal(network(batch), network(later)) == reads_at_records
        if not reads_at_records:
            with torch.no_grad():
                network.head.linear.bias.zero_()
                network.head.linear.weight.zero_()[:, -1] = 1
            assert network(later).flatten().tolist() == pytest.approx([9 / (9 + 2)] * horizons * targets)


def test_parameters_are_counted_as_torch_has_them() -> None:
    network = encoder(hidden=[5], static=0, inputs=["values"])
    assert parameter_count(network) == 4 * 5 * (2 + 5 + 2)


def test_the_shapes_of_a_network_are_known_without_its_numbers() -> None:
    """A bundle's weights are held against these before anything of their size is made."""
    settings = ModelSettings(hidden=[4, 3], wide=True, readout=["last", "attention"], decay=True)
    shape = InputShape(static=1, gap_unit_hours=[1.0, 2.0], decay_towards=[None, 0.5], events=5, summary=4)
    with torch.device("meta"):
        expected = build_risk_network(settings, shape, reads_at_records=False).state_dict()
    found = build_risk_network(settings, shape, reads_at_records=False).state_dict()
    assert {name: t.shape for name, t in found.items()} == {name: t.shape for name, t in expected.items()}
    assert all(t.is_meta for t in expected.values())
    assert all(torch.isfinite(t).all() for t in found.values())
