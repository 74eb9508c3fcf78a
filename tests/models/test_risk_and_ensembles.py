"""The risk head, its losses, and networks that answer as one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_batches import PLAIN_SHAPE, batch_of, history, with_targets
from torch.nn import functional

from sequela.models import (
    Ensemble,
    ModelSettings,
    Network,
    RiskNetwork,
    build_forecast_network,
    build_risk_network,
    mean_logit,
    risk_loss,
    risk_of,
)

BATCH = batch_of([history(s, 5) for s in range(12)], [(s, t) for s in range(12) for t in (1, 4)])


def risk(seed: int = 0) -> RiskNetwork:
    torch.manual_seed(seed)
    return build_risk_network(ModelSettings(hidden=4), PLAIN_SHAPE, reads_at_records=True).eval()


def forecast(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    keys = {"horizons": 2, "targets": 1, "reads_at_records": True}
    return build_forecast_network(ModelSettings(hidden=4), PLAIN_SHAPE, **keys).eval()


def test_a_risk_network_returns_one_logit_for_each_prediction() -> None:
    assert risk()(BATCH).shape == (24,)


def test_the_loss_of_a_risk_is_torchs_cross_entropy_over_the_known_targets() -> None:
    torch.manual_seed(0)
    logits, target, known = 3 * torch.randn(24), (torch.rand(24) < 0.3).float(), torch.rand(24) < 0.6
    batch = with_targets(BATCH, target, known)
    theirs = functional.binary_cross_entropy_with_logits(logits[known], target[known])
    torch.testing.assert_close(risk().loss(logits, batch, "auto"), theirs)
    torch.testing.assert_close(risk_loss(logits, batch, "cross_entropy"), theirs)
    heavy = replace(batch, weight=torch.linspace(0.1, 2, 24))
    weighted = functional.binary_cross_entropy_with_logits(logits[known], target[known], heavy.weight[known])
    torch.testing.assert_close(
        risk_loss(logits, heavy, "cross_entropy"), weighted * known.sum() / heavy.weight[known].sum()
    )
    assert (
        float(risk_loss(logits, with_targets(BATCH, target, torch.zeros(24, dtype=torch.bool)), "cross_entropy")) == 0
    )


def test_class_weights_make_few_events_count_as_much_as_the_others() -> None:
    target = (torch.arange(24) < 3).float()
    batch, network = with_targets(BATCH, target), risk()
    network.begin_at(3 / 24, "weighted_cross_entropy")
    logits = torch.randn(24, generator=torch.Generator().manual_seed(0))
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    expected = (each[:3].mean() + each[3:].mean()) / 2
    torch.testing.assert_close(network.loss(logits, batch, "weighted_cross_entropy"), expected)
    assert network.head.linear.bias.item() == 0.0


def test_class_weights_are_the_same_however_events_fall_into_batches() -> None:
    target = (torch.arange(24) % 12 == 5).float()  # one event in 12, none in most batches
    network, logits = risk(), torch.randn(24, generator=torch.Generator().manual_seed(0), requires_grad=True)
    network.begin_at(2 / 24, "weighted_cross_entropy")
    network.loss(logits, with_targets(BATCH, target), "weighted_cross_entropy").backward()
    together = logits.grad
    logits.grad = None
    for s in range(12):
        two = slice(2 * s, 2 * s + 2)
        batch = with_targets(batch_of([history(s, 5)], [(0, 1), (0, 4)]), target[two])
        (network.loss(logits[two], batch, "weighted_cross_entropy") / 12).backward()
    torch.testing.assert_close(logits.grad, together)


def test_a_rate_of_events_below_one_in_a_thousand_is_taken_as_it_is() -> None:
    network = risk()
    network.begin_at(0.0001)
    assert network.head.linear.bias.item() == pytest.approx(math.log(0.0001 / 0.9999), rel=1e-5)
    assert network.prevalence == 0.0001


@pytest.mark.parametrize("loss", ["squared", "nothing"])
def test_a_loss_that_is_none_of_a_risk_is_refused(loss: str) -> None:
    with pytest.raises(ValueError, match="cross_entropy, weighted_cross_entropy"):
        risk().loss(torch.zeros(24), BATCH, loss)


@pytest.mark.parametrize(("prevalence", "begins"), [(0.14, 0.14), (0.0, 0.001), (1.0, 0.999)])
def test_training_begins_where_everybody_has_about_the_risk_of_all(prevalence: float, begins: float) -> None:
    network = risk()
    network.begin_at(prevalence)
    assert network.head.linear.bias.item() == pytest.approx(math.log(begins / (1 - begins)), rel=1e-5)
    assert network.head.linear.bias.requires_grad
    with torch.no_grad():
        network.head.linear.weight.zero_()
    torch.testing.assert_close(risk_of(network(BATCH)), torch.full((24,), begins, dtype=torch.float64))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_risk_has_the_same_bits_wherever_its_logit_stands(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        logits = 20 * torch.randn(70_000, generator=torch.Generator().manual_seed(0))
        whole, means = risk_of(logits), mean_logit(torch.stack([logits, -logits, logits.flip(0)]))
        assert torch.allclose(whole, torch.sigmoid(logits.double()), rtol=1e-12, atol=0)
        for begin in (0, 1, 5, 32_767, 69_990):
            for end in (begin + 1, begin + 3, begin + 9):
                some = torch.stack([logits, -logits, logits.flip(0)])[:, begin:end]
                assert torch.equal(risk_of(logits[begin:end].clone()), whole[begin:end])
                assert torch.equal(mean_logit(some.clone()), means[begin:end])
    finally:
        torch.set_num_threads(before)


def test_risks_near_0_and_1_keep_their_digits() -> None:
    logits = torch.tensor([[-80.0, 80.0, 0.0], [-82.0, 82.0, 0.0]])
    found = mean_logit(logits)
    expected = math.log((math.exp(-80) + math.exp(-82)) / 2)
    assert found.tolist() == pytest.approx([expected, -expected, 0.0])


def test_an_ensemble_answers_the_mean_of_its_members() -> None:
    members = [risk(seed) for seed in range(3)]
    mean = torch.stack([risk_of(member(BATCH)) for member in members]).mean(dim=0)
    torch.testing.assert_close(risk_of(Ensemble(members)(BATCH)), mean, rtol=1e-6, atol=1e-7)
    several = [forecast(seed) for seed in range(3)]
    torch.testing.assert_close(Ensemble(several)(BATCH), torch.stack([each(BATCH) for each in several]).mean(dim=0))


@pytest.mark.parametrize("kind", [risk, forecast])
def test_an_ensemble_of_one_is_its_member(kind: type[Network]) -> None:
    assert torch.equal(Ensemble([kind()])(BATCH), kind()(BATCH))


def test_an_ensembles_weights_are_named_by_member_and_come_back() -> None:
    ensemble, other = Ensemble([risk(0), risk(1)]), Ensemble([risk(2), risk(3)])
    weights = ensemble.state_dict()
    assert set(weights) == {f"member.{m}.{name}" for m in (0, 1) for name in risk().state_dict()}
    assert not torch.equal(ensemble(BATCH), other(BATCH))
    other.load_state_dict(weights)
    assert torch.equal(ensemble(BATCH), other(BATCH))


def test_an_ensembles_loss_is_that_of_its_own_answer() -> None:
    ensemble = Ensemble([risk(0), risk(1)])
    assert torch.equal(ensemble.loss(ensemble(BATCH), BATCH, "auto"), risk().loss(ensemble(BATCH), BATCH, "auto"))


def test_an_ensemble_of_nobody_or_of_two_kinds_is_refused() -> None:
    for members in ([], [risk(), forecast()]):
        with pytest.raises(ValueError, match="at least one member"):
            Ensemble(members)
