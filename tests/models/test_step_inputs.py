"""What a step enters a network with, checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_batches import CODES, FACTS, FEATURES, PLAIN_SHAPE, SHAPE, batch_of, history

from sequela.batch import PROVENANCE, Batch, Events
from sequela.models import InputShape, ModelSettings, build_risk_network
from sequela.models.inputs import EventEmbedding, StepInputs, ValueDecay
from sequela.models.layout import Layout


def entering(inputs: list[str], shape: InputShape, batch: Batch) -> torch.Tensor:
    torch.manual_seed(0)
    found = StepInputs(inputs, shape)
    rows = found(batch, Layout(batch))
    assert rows.shape == (len(batch.values), found.width)
    return rows


def test_an_old_value_fades_towards_the_mean_at_the_rate_of_its_column() -> None:
    shape = InputShape(static=0, gap_unit_hours=[2.0, 4.0, 1.0], decay_towards=[0.5, None, -1.0])
    decay = ValueDecay(shape)
    with torch.no_grad():
        decay.weight.copy_(torch.tensor([0.3, 2.0]))
        decay.bias.copy_(torch.tensor([0.1, -3.0]))
    batch = replace(
        batch_of([history(0, 2)], [(0, 1)]),
        values=torch.tensor([[1.5, 9.0, 2.0], [1.5, 9.0, 2.0]]),
        observed=torch.tensor([[False, False, False], [True, False, False]]),
        gap_hours=torch.tensor([[6.0, 6.0, 2.0], [6.0, 6.0, 1.0]]),
    )
    g, h = math.exp(-(0.3 * 3 + 0.1)), math.exp(-(2.0 * 2 - 3.0))
    first = [g * 1.5 + (1 - g) * 0.5, 9.0, h * 2.0 + (1 - h) * -1.0]
    second = [1.5, 9.0, 2.0]  # measured; no decay asked for; 2 * 1 - 3 is below 0, so nothing has faded yet
    torch.testing.assert_close(decay(batch), torch.tensor([first, second]))


def test_columns_without_decay_keep_their_bits_beside_those_that_fade() -> None:
    batch = batch_of([history(0, 5), history(1, 3)], [(0, 4)])
    plain, fading = entering(["values"], PLAIN_SHAPE, batch), entering(["values"], replace(SHAPE, events=0), batch)
    assert torch.equal(plain[:, 0], fading[:, 0])
    seen = batch.observed[:, 1:]
    assert torch.equal(plain[:, 1:FEATURES][seen], fading[:, 1:FEATURES][seen])
    assert not torch.equal(plain[:, 1:FEATURES][~seen], fading[:, 1:FEATURES][~seen])


def test_where_values_come_from_enters_as_one_column_for_each_source_but_measurement() -> None:
    batch = batch_of([history(0, 4)], [(0, 3)])
    rows = entering(["values", "provenance"], replace(PLAIN_SHAPE, static=0), replace(batch, static=torch.zeros(1, 0)))
    hot = rows[:, FEATURES:].view(-1, FEATURES, len(PROVENANCE) - 1)
    for row, column in np.ndindex(len(rows), FEATURES):
        code = int(batch.provenance[row, column])
        assert hot[row, column].tolist() == [float(code == source) for source in range(1, len(PROVENANCE))]


def test_a_step_enters_with_the_sum_of_its_events() -> None:
    torch.manual_seed(0)
    embedding = EventEmbedding(CODES)
    with torch.no_grad():
        embedding.slope.copy_(torch.linspace(-1, 1, CODES))
    events = Events(
        ids=torch.tensor([2, 6, 6]), amounts=torch.tensor([0.0, 3.0, -1.0]), offsets=torch.tensor([0, 1, 1, 3])
    )
    w = embedding.weight
    expected = torch.stack([w[2], torch.zeros(embedding.width), w[6] * (1 + 3.0) + w[6] * (1 - 1.0)])
    torch.testing.assert_close(embedding(events), expected)


def test_the_vocabulary_may_be_large_and_a_batch_without_any_event() -> None:
    embedding = EventEmbedding(5000)
    assert embedding.width == 32
    nothing = Events(
        ids=torch.zeros(0, dtype=torch.long), amounts=torch.zeros(0), offsets=torch.zeros(4, dtype=torch.long)
    )
    assert embedding(nothing).tolist() == torch.zeros(3, 32).tolist()


def test_what_the_network_needs_and_the_batch_lacks_is_named() -> None:
    batch = replace(batch_of([history(0, 4)], [(0, 3)]), events=None, provenance=None)
    with pytest.raises(ValueError, match="embeds events"):
        entering(["values"], SHAPE, batch)
    with pytest.raises(ValueError, match="where values come from"):
        entering(["values", "provenance"], PLAIN_SHAPE, batch)


def test_a_network_of_events_and_facts_alone_works() -> None:
    shape = InputShape(static=FACTS, gap_unit_hours=[], events=CODES)
    assert shape.hours_unit == 24.0
    batch = batch_of([history(0, 4), history(1, 2)], [(0, 3), (1, -1)], lag_hours=12.0)
    empty = torch.zeros(len(batch.values), 0)
    batch = replace(batch, values=empty, observed=empty.bool(), gap_hours=empty)
    network = build_risk_network(ModelSettings(hidden=4), shape, reads_at_records=False)
    assert torch.isfinite(network(batch)).all()


def test_a_shape_whose_columns_do_not_agree_is_refused() -> None:
    with pytest.raises(ValueError, match="each of the 2 dense columns, not 1"):
        InputShape(static=0, gap_unit_hours=[1.0, 2.0], decay_towards=[0.0])
