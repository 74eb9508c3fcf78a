"""Hidden measurements: a history reads as preparation would have made it without them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_batches import batch_of, history

from sequela.batch import PROVENANCE, Batch
from sequela.train.hide import with_some_hidden

MEASURED, CARRIED = PROVENANCE.index("measured"), PROVENANCE.index("carried")


def prepared(observed: torch.Tensor, fresh: torch.Tensor, hours: torch.Tensor, batch: Batch) -> Batch:
    """Return one sequence as preparation makes it: values carried on, gaps to the measurement before."""
    values, gaps = torch.zeros_like(fresh), torch.zeros_like(fresh)
    for column in range(fresh.shape[1]):
        last, since = 0.0, 0.0
        for row in range(len(fresh)):
            gaps[row, column] = hours[row] - since
            if observed[row, column]:
                last, since = fresh[row, column].item(), hours[row].item()
            values[row, column] = last
    provenance = torch.where(observed, MEASURED, CARRIED).to(torch.uint8)
    return replace(batch, values=values, observed=observed, gap_hours=gaps, hours=hours, provenance=provenance)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_hidden_was_never_measured(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    observed, fresh = torch.rand(12, 3, generator=random) < 0.6, torch.randn(12, 3, generator=random)
    hours = torch.rand(12, generator=random).cumsum(0)
    batch = prepared(observed, fresh, hours, batch_of([history(0, 12)], [(0, 11)]))
    found = with_some_hidden(batch, 0.4, torch.Generator().manual_seed(100 + seed))
    expected = prepared(found.observed, fresh, hours, batch)
    assert not (found.observed & ~observed).any()
    assert torch.equal(found.values, expected.values)
    torch.testing.assert_close(found.gap_hours, expected.gap_hours)
    assert torch.equal(found.provenance, expected.provenance)


def test_about_the_share_is_hidden_and_each_sequence_has_its_own() -> None:
    batch = batch_of([history(s, 200) for s in range(100)], [(0, 0)])
    batch = replace(batch, observed=torch.ones_like(batch.observed))
    found = with_some_hidden(batch, 0.3, torch.Generator().manual_seed(0))
    shares = (~found.observed).float().view(200, 100, -1).mean(dim=(0, 2))
    assert float(shares.mean()) == pytest.approx(0.3, abs=0.05)
    assert float(shares.min()) < 0.1
    assert float(shares.max()) > 0.5


def test_ragged_sequences_are_hidden_each_by_itself_and_the_batch_that_came_stays() -> None:
    batch = batch_of([history(s, n) for s, n in enumerate([4, 9, 1, 0, 6])], [(0, 3)])
    before = batch.values.clone()
    found = with_some_hidden(batch, 0.5, torch.Generator().manual_seed(3))
    assert torch.equal(batch.values, before)
    untouched = with_some_hidden(batch, 0.0, torch.Generator().manual_seed(3))
    assert torch.equal(untouched.values, batch.values)
    assert torch.equal(untouched.observed, batch.observed)
    alone = found.batch_sizes.sum()
    assert alone == len(found.values) == 20
    assert (found.gap_hours >= batch.gap_hours).all()
    nothing = batch_of([history(0, 0)], [(0, -1)])
    assert with_some_hidden(nothing, 0.5, torch.Generator()).values.shape == nothing.values.shape
