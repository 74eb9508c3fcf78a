"""Dropout: how much it leaves out, that the mean stays, and that its chance is torch's."""

import pytest
import torch
from torch.autograd import gradcheck

from sequela.models.dropout import Dropout


@pytest.mark.parametrize("share", [0.001, 0.3, 0.8, 0.9999])
def test_the_share_is_left_out_and_the_others_grow(share: float) -> None:
    torch.manual_seed(0)
    count = 2_000_001
    found = Dropout(share)(torch.ones(count))
    kept = found != 0
    deviation = (share * (1 - share) / count) ** 0.5
    assert abs(float(kept.double().mean()) - (1 - share)) < 4 * deviation + 1 / 65536
    assert found[kept].unique().tolist() == pytest.approx([1 / (1 - share)], rel=0.2 if share > 0.99 else 1e-3)


def test_what_is_left_out_of_a_number_says_nothing_of_its_neighbours() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) != 0).double() - 0.5
    for apart in (1, 2, 3, 4, 5, 8, 64):
        assert abs(float((kept[apart:] * kept[:-apart]).mean())) < 4 * 0.25 / 400_000**0.5


def test_the_seed_of_torch_is_its_chance() -> None:
    dropout, x = Dropout(0.4), torch.randn(7, 9, 3)
    torch.manual_seed(3)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)


def test_nothing_is_left_out_after_training_or_of_nothing() -> None:
    x = torch.randn(5, 4)
    assert Dropout(0.0)(x) is x
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.5)(torch.zeros(0, 3)).shape == (0, 3)


def test_the_gradient_passes_where_the_number_did() -> None:
    def thinned(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        found: torch.Tensor = Dropout(0.5)(x)
        return found

    assert gradcheck(thinned, torch.randn(4, 5, dtype=torch.float64, requires_grad=True))


def test_a_share_next_to_one_leaves_numbers_finite() -> None:
    assert Dropout(1 - 1e-9)(torch.ones(100_000)).isfinite().all()


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Dropout(share)
