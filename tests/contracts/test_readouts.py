"""What every readout and head must keep to. None is left out; one that is added to `READOUTS` or `HEADS` is covered."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from small_batches import PLAIN_SHAPE, SHAPE, batch_of, history, with_targets

from sequela.cells import operator
from sequela.models import InputShape, ModelSettings, Network, build_forecast_network, build_risk_network, prefix
from sequela.models.settings import Readout
from sequela.train import Adam, hide

READOUTS: list[list[str]] = [*([name] for name in get_args(Readout)), list(get_args(Readout))]
HEADS: dict[str, Callable[..., Network]] = {
    "risk": build_risk_network,
    "forecast": lambda *given, **keys: build_forecast_network(*given, horizons=2, targets=2, **keys),
}
LENGTHS = [3, 9, 1, 7, 0, 12, 2, 40]
EVERYWHERE = [(s, t) for s, length in enumerate(LENGTHS) for t in range(-1, length)]

every_readout = pytest.mark.parametrize("readout", READOUTS, ids="+".join)
every_head = pytest.mark.parametrize("head", list(HEADS))
# A step of three sequences has fewer and more numbers than the width from which running sums are taken step by step.
every_width = pytest.mark.parametrize("hidden", [5, 120])


def network(head: str, readout: list[str], *, shape: InputShape = SHAPE, **keys: Any) -> Network:
    torch.manual_seed(1)
    given: dict[str, Any] = {"hidden": 5, "inputs": ["values", "observed", "gaps", "provenance"]} | keys
    if operator.BUILT:
        given = {"decay": True} | given
    settings = ModelSettings(readout=readout, **given)
    return HEADS[head](settings, shape, reads_at_records=False).eval()


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """The same bits with the native core; without it torch's matrix product may round otherwise in other company."""
    return torch.equal(one, other) if operator.BUILT else torch.allclose(one, other, rtol=1e-5, atol=1e-6)


@every_head
@every_readout
@every_width
def test_one_pass_gives_the_bits_of_one_cut_sequence_each(head: str, readout: list[str], hidden: int) -> None:
    found, whole = network(head, readout, hidden=hidden), [history(s, n) for s, n in enumerate(LENGTHS)]
    together = found(batch_of(whole, EVERYWHERE, lag_hours=1.5))
    cut = [whole[s].first(t + 1) for s, t in EVERYWHERE]
    apart = found(batch_of(cut, [(k, t) for k, (_, t) in enumerate(EVERYWHERE)], lag_hours=1.5))
    assert same(together, apart)
    alone = torch.cat([found(batch_of([each], [(0, len(each) - 1)], lag_hours=1.5)) for each in cut])
    assert same(together, alone)


@every_head
@every_readout
def test_what_follows_the_row_that_is_read_moves_no_bit(head: str, readout: list[str]) -> None:
    found, whole = network(head, readout), [history(s, n) for s, n in enumerate(LENGTHS)]
    for step in (-1, 0, 2):
        reads = [(s, step) for s, n in enumerate(LENGTHS) if n > step]
        other = [each.first(step + 1).followed_by(history(100 + s, 5 * s)) for s, each in enumerate(whole)]
        assert same(found(batch_of(whole, reads)), found(batch_of(other, reads)))


@every_head
@every_readout
@pytest.mark.parametrize("threads", [1, 2])
def test_a_prediction_has_the_same_bits_in_any_company(head: str, readout: list[str], threads: int) -> None:
    found, before = network(head, readout, hidden=64), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one = found(batch_of([history(7, 40)], [(0, 39)]))
        for others in ([], [3], [50] * 30, [40, 41, 39, 1, 0]):
            crowd = [history(200 + k, n) for k, n in enumerate(others)] + [history(7, 40)]
            reads = [(k, n - 1) for k, n in enumerate(others)] + [(len(others), 39)]
            assert same(found(batch_of(crowd, reads))[-1:], one)
            assert same(found(batch_of(crowd[::-1], [(0, 39)])), one)
    finally:
        torch.set_num_threads(before)


@every_head
@every_readout
def test_where_nothing_is_known_the_static_facts_alone_speak(head: str, readout: list[str]) -> None:
    found = network(head, readout)
    one, other = (found(batch_of([each], [(0, -1)])) for each in (history(3, 6), history(3, 0)))
    assert torch.equal(one, found(batch_of([history(3, 6).first(0)], [(0, -1)])))
    assert torch.isfinite(one).all()
    different_facts = found(batch_of([history(4, 0)], [(0, -1)]))
    assert not torch.equal(other, different_facts)


@every_readout
@pytest.mark.parametrize(("head", "hidden"), [("risk", 5), ("risk", 120), ("forecast", 5)])
def test_derivatives_are_those_of_finite_differences(head: str, readout: list[str], hidden: int) -> None:
    found = network(head, readout, hidden=hidden).double()
    reads = [(0, 3), (0, 1), (1, 4), (2, -1), (1, 0), (3, 2)]
    batch = batch_of([history(s, n) for s, n in enumerate([4, 6, 2, 3])], reads, lag_hours=1.0, dtype=torch.float64)
    batch = with_targets(batch, torch.full(found(batch).shape, 0.25, dtype=torch.float64))
    names = [n for n, _ in found.named_parameters() if hidden == 5 or ("layers" not in n and "fading" not in n)]
    chosen = [found.get_parameter(name) for name in names]

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        output = torch.func.functional_call(found, dict(zip(names, weights, strict=True)), (batch,))
        return found.loss(output, batch, "auto")

    assert torch.autograd.gradcheck(loss, chosen, eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


@every_head
@every_readout
def test_every_weight_learns(head: str, readout: list[str]) -> None:
    found = network(head, readout).train()
    batch = batch_of([history(s, 6) for s in range(20)], [(s, 5) for s in range(20)], lag_hours=1.0)
    output = found(batch)
    output.square().sum().backward()
    for name, weight in found.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.any(), name


@every_head
@every_readout
def test_weights_written_and_read_give_the_same_bits(head: str, readout: list[str]) -> None:
    found = network(head, readout)
    torch.manual_seed(2)
    again = copy.deepcopy(found)
    for weight in again.parameters():
        torch.nn.init.normal_(weight)
    again.load_state_dict(found.state_dict())
    batch = batch_of([history(s, n) for s, n in enumerate(LENGTHS)], EVERYWHERE)
    assert torch.equal(found(batch), again(batch))


@every_readout
def test_the_same_step_of_training_has_the_same_bits_with_several_threads(readout: list[str]) -> None:
    """Many predictions read the same rows: their derivatives add up in one order."""
    before, seen = torch.get_num_threads(), set()
    torch.set_num_threads(2)
    reads = [(s, t) for s in range(20) for t in range(8)] * 60  # enough of them that torch shares the work out
    batch = batch_of([history(s, 8) for s in range(20)], reads)
    batch = replace(batch, weight=torch.rand(len(reads), generator=torch.Generator().manual_seed(0)))
    try:
        for _ in range(3):
            found = network("risk", readout, hidden=64).train()
            found.loss(found(batch), batch, "auto").backward()
            seen.add(
                b"".join(weight.grad.numpy().tobytes() for weight in found.parameters() if weight.grad is not None)
            )
    finally:
        torch.set_num_threads(before)
    assert len(seen) == 1


def refuse(*given: object) -> None:
    raise AssertionError("torch's operations ran where the core should")


@pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")
@every_readout
def test_a_step_of_training_has_the_bits_of_torchs_operations_and_needs_none_of_them(
    readout: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [3 + 7 * k % 40 for k in range(30)]
    reads = [(k, t) for k, length in enumerate(lengths) for t in {length - 1, length // 2}]
    batch, found = batch_of([history(k, length) for k, length in enumerate(lengths)], reads), []
    plain = [(hide, "plain_hide"), (prefix, "plain_sum"), (prefix, "plain_sum_backward"), (prefix, "plain_max")]
    for in_the_core in (True, False):
        with monkeypatch.context() as patched:
            if in_the_core:
                for module, name in plain:
                    patched.setattr(module, name, refuse)
            else:
                patched.setattr(operator, "at_hand", lambda: False)
            trained = network("risk", readout, hidden=64).train()
            seen = hide.with_some_hidden(batch, 0.5, torch.Generator().manual_seed(0))
            trained.loss(trained(seen), seen, "auto").backward()
            Adam(trained.parameters()).step()
            found.append(trained.state_dict())
    assert all(torch.equal(one, other) for one, other in zip(*(each.values() for each in found), strict=True))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_readout_is_what_its_name_says(cell: str, bidirectional: bool) -> None:
    names = list(get_args(Readout))
    found = network(
        "risk", names, shape=PLAIN_SHAPE, decay=False, cell=cell, bidirectional=bidirectional, inputs=["values"]
    ).double()
    encoder = found.get_submodule("encoder")
    whole = [history(s, n) for s, n in enumerate([4, 9, 1])]
    read = encoder(batch_of(whole, [(s, len(each) - 1) for s, each in enumerate(whole)], dtype=torch.float64))
    query = found.get_parameter("encoder.readout.query")
    width = len(query)
    for row, each in zip(read, whole, strict=True):
        rows = torch.cat([torch.from_numpy(each.values), torch.from_numpy(each.static).expand(len(each), -1)], dim=1)
        states, _ = encoder.get_submodule("layers")[0](rows)
        last = states[-1].clone()
        last[5:] = states[0, 5:]  # backwards, what has read the whole sequence stands at its first step
        expected = {
            "last": last,
            "mean": states.mean(dim=0),
            "max": states.amax(dim=0),
            "attention": torch.softmax(states @ query, dim=0) @ states,
        }
        for k, name in enumerate(names):
            torch.testing.assert_close(row[k * width : (k + 1) * width], expected[name], rtol=1e-9, atol=1e-12)


def test_readouts_stand_side_by_side_in_the_order_of_the_study() -> None:
    batch = batch_of([history(0, 6)], [(0, 5)])
    single = {name: network("risk", [name]).get_submodule("encoder")(batch) for name in ("last", "mean", "max")}
    for names in itertools.permutations(["last", "mean", "max"], 2):
        both = network("risk", list(names)).get_submodule("encoder")(batch)
        assert torch.equal(both, torch.cat([single[name] for name in names], dim=1))
