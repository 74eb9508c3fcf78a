"""No count of 1 to 10 is left to subtraction between histograms, thresholds and the decision curve of a risk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.evaluate import Resamples, RiskAsked, at_threshold, risk_curves
from sequela.report.curve_formats import Bars, RiskCurves
from sequela.report.formats import Estimate, Measure
from sequela.report.risk_bars import safe_bars
from sequela.report.risk_groups import Crowd, Told, told_at


def below(bars: Bars) -> dict[float, int]:
    """What a reader has of a histogram: how many lie below each end."""
    counts = np.cumsum([0, *bars.predictions]).tolist()
    return dict(zip([bars.low[0], *bars.high], counts, strict=True))


def gaps(counts: Sequence[int]) -> set[int]:
    return {abs(one - other) for one in counts for other in counts}


@pytest.mark.parametrize("seed", range(6))
def test_no_two_histograms_of_a_risk_and_no_threshold_leave_few_between_them(seed: int) -> None:
    random, people = np.random.default_rng(seed), np.arange(450)
    risk = random.beta(0.6, 4, len(people))
    event = (random.random(len(people)) < risk).astype(float)
    at, crowd = (0.1, 0.2, 0.3), Crowd(len(people), len(people), int(event.sum()))
    asked = RiskAsked(target=event, person=people, outcome="died", at_hours=np.zeros(len(people)))
    found = risk_curves(asked, {"network": risk}, resamples=Resamples(people, 10, 1), thresholds=at)
    curves = RiskCurves.model_validate(found)
    rows = [
        Measure(model="network", metric=metric, threshold=one, value=at_threshold(event, risk, one)[metric])
        for one in at for metric in ("sensitivity", "specificity")
    ]  # fmt: skip
    told = told_at(rows, "network", at, crowd)
    assert curves.decision is not None
    bars = safe_bars(curves.models[0], told.items(), curves.decision.models[0])
    assert bars.everybody is not None
    every = below(bars.everybody)
    events, free = {0.0: 0, 1.0: int(event.sum())}, {0.0: 0, 1.0: int((1 - event).sum())}
    if bars.by_outcome is not None:
        assert bars.by_outcome.event is not None
        assert bars.by_outcome.no_event is not None
        events |= below(bars.by_outcome.event)
        free |= below(bars.by_outcome.no_event)
    for one, said in told.items():
        if said is not None and said.is_exact:
            events[one], free[one] = said.events - said.true_alerts[0], said.free - said.false_alerts[0]
    for one in set(every) & set(free):
        events[one] = every[one] - free[one]
    for one in set(every) & set(events):
        free[one] = every[one] - events[one]
    for counts in (events, free, every):
        assert not gaps(list(counts.values())) & set(range(1, 11))


@given(st.integers(11, 300), st.integers(11, 300), st.data())
def test_a_range_stands_for_ten_counts_or_more_and_holds_the_true_numbers(
    events: int, free: int, data: st.DataObject
) -> None:
    hits, false = data.draw(st.integers(0, events)), data.draw(st.integers(0, free))
    crowd = Crowd(events + free, events + free, events)

    def told(hits: int) -> Told | None:
        values = {"sensitivity": hits / events, "specificity": (free - false) / free}
        rows = [Measure(model="m", metric=name, threshold=0.2, value=value) for name, value in values.items()]
        return told_at(rows, "m", [0.2], crowd)[0.2]

    here = told(hits)
    assert here is not None
    low, high = here.true_alerts
    assert low <= hits <= high
    assert high == low or high - low >= 9
    assert all(told(other) == here for other in range(low, high + 1))
    worth = (hits - 0.25 * false) / (events + free)
    assert here.benefit(0.2)[0] - 1e-12 <= worth <= here.benefit(0.2)[1] + 1e-12
    around = here.benefit_with_interval(Estimate(value=worth, low=worth - 0.01, high=worth + 0.02), 0.2)
    assert around is None or around.low is None or around.low <= worth - 0.01 + 1e-12
