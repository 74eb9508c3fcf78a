"""The linear part beside a network: broken lines on statistics of the history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_batches import PLAIN_SHAPE, batch_of, history

from sequela.models import ModelSettings, RiskNetwork, Wide, build_risk_network
from sequela.models.wide import PIECES

STATISTICS = 4


def fitted(statistics: np.ndarray, person: np.ndarray | None = None, min_people: int = 1) -> Wide:
    wide = Wide(statistics.shape[1], 1, dropout=0.0)
    wide.fit(statistics, np.arange(len(statistics)) if person is None else person, min_people)
    return wide.eval()


def network() -> RiskNetwork:
    torch.manual_seed(0)
    settings = ModelSettings(hidden=4, wide=True, dropout=0.5)
    return build_risk_network(settings, replace(PLAIN_SHAPE, summary=STATISTICS), reads_at_records=True).eval()


def test_a_piece_tells_how_much_of_its_range_lies_below_the_value() -> None:
    wide = fitted(np.arange(91.0)[:, None])  # cuts at 0, 30, 60, 90
    pieces = wide.pieces(torch.tensor([[0.0], [45.0], [1000.0]]))[:, 0, :PIECES] + wide.mean[:, :PIECES]
    expected = torch.tensor([[0.0, 0, 0], [1, 0.5, 0], [1, 1, 1]])
    torch.testing.assert_close(pieces, expected)


def test_pieces_have_the_mean_zero_over_training_people_and_what_is_not_known_adds_nothing_but_its_own_column() -> None:
    random = np.random.default_rng(0)
    statistics = random.normal(size=(5000, 3)) ** 3
    statistics[random.random((5000, 3)) < 0.3] = np.nan
    statistics[4000:] += 2
    wide = fitted(statistics, min_people=11)
    pieces = wide.pieces(torch.from_numpy(statistics).float())
    assert torch.isfinite(pieces).all()
    shares = np.isnan(statistics).mean(axis=0)
    torch.testing.assert_close(pieces[:, :, PIECES].mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    unknown = wide.pieces(torch.full((1, 3), torch.nan))[0]
    assert not unknown[:, :PIECES].any()
    torch.testing.assert_close(unknown[:, PIECES], torch.from_numpy(1 - shares).float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(pieces.mean(dim=0), torch.zeros(3, PIECES + 1), atol=1e-4, rtol=0)


def test_no_cut_is_made_by_fewer_than_min_people() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=200))
    wide = fitted(values[:, None], min_people=11)
    ends = wide.lower[0, 0].item(), wide.lower[0, -1].item() + 1 / wide.scale[0, -1].item()
    assert ends == pytest.approx((values[10], values[-11]), rel=1e-5)
    twice = np.repeat(values[:100], 2)[:, None]
    wide = fitted(twice, person=np.repeat(np.arange(100), 2), min_people=11)
    assert wide.lower[0, 0].item() == pytest.approx(values[10], rel=1e-5)


def test_a_statistic_that_too_few_have_or_that_never_changes_adds_nothing() -> None:
    statistics = np.full((300, 4), np.nan)
    too_few = PIECES * 11 - 1
    statistics[:too_few, 0] = np.arange(too_few)
    statistics[:, 1] = 7.0
    statistics[: too_few + 1, 2] = np.arange(too_few + 1)
    statistics[:100, 3] = np.maximum(np.arange(100) - 60, 0)  # most people have none, so the first piece is empty
    wide = fitted(statistics, min_people=11)
    pieces = wide.pieces(torch.tensor([[3.0, 7.0, 3.0, 0.0], [torch.nan] * 4, [100.0, -5.0, 30.0, 30.0]]))
    assert not pieces[:, :2].any()
    assert pieces[:, 2:].any(dim=2).all()
    assert not wide.scale[3].all()


def test_a_network_begins_without_its_wide_part_and_learns_it() -> None:
    found = network()
    random = np.random.default_rng(1)
    found.head.wide.fit(random.normal(size=(400, STATISTICS)), np.arange(400), 11)
    batch = batch_of([history(s, 4) for s in range(30)], [(s, 3) for s in range(30)])
    batch = replace(batch, summary=torch.from_numpy(random.normal(size=(30, STATISTICS))).float())
    other = replace(batch, summary=torch.zeros(30, STATISTICS))
    assert torch.equal(found(batch), found(other))
    assert found.penalty().item() == 0.0
    found.loss(found(batch), batch, "auto").backward()
    assert found.head.wide.linear.weight.grad.any()
    with torch.no_grad():
        found.head.wide.linear.weight.normal_()
    assert not torch.equal(found(batch), found(other))
    assert found.penalty().item() == pytest.approx(0.003 * (found.head.wide.linear.weight**2).sum().item())
    alone = replace(batch_of([history(7, 4)], [(0, 3)]), summary=batch.summary[7:8])
    assert torch.equal(found(alone), found(batch)[7:8])


def test_four_fifths_of_the_networks_dropout_thin_the_pieces() -> None:
    wide, summary = network().head.wide.train(), torch.full((10, STATISTICS), 0.3)
    thinned = wide.dropout(torch.ones(10_000))
    assert float((thinned == 0).float().mean()) == pytest.approx(0.8 * 0.5, abs=0.02)
    wide.fit(np.random.default_rng(1).normal(size=(400, STATISTICS)), np.arange(400), 11)
    torch.nn.init.ones_(wide.linear.weight)
    assert len(wide(summary).unique()) > 1
    assert len(wide.eval()(summary).unique()) == 1


def test_cuts_travel_with_the_weights() -> None:
    found, other = network(), network()
    found.head.wide.fit(np.random.default_rng(1).normal(size=(400, STATISTICS)), np.arange(400), 11)
    other.load_state_dict(found.state_dict())
    assert torch.equal(other.head.wide.scale, found.head.wide.scale)
    assert found.head.wide.scale.all()


def test_a_batch_without_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="the batch has none"):
        network()(batch_of([history(0, 4)], [(0, 3)]))


@pytest.mark.parametrize("rows", [0, 1, 64, 65, 200])
def test_many_rows_at_once_get_the_bits_of_each_alone(rows: int) -> None:
    random = np.random.default_rng(1)
    wide = fitted(random.normal(size=(300, STATISTICS)))
    torch.nn.init.normal_(wide.linear.weight, generator=torch.Generator().manual_seed(2))
    summary = torch.from_numpy(random.normal(size=(rows, STATISTICS))).float()
    summary[torch.from_numpy(random.random(summary.shape) < 0.2)] = float("nan")
    found = wide(summary)
    assert found.shape == (rows, 1)
    assert torch.equal(found, torch.cat([wide(row[None]) for row in summary]) if rows else found)
