import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.evaluate import error_by, hexagons, mae, rmse, supported_range


def pressures(seed=1, people=400):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 20, people))
    target = rng.normal(130, 20, len(person))
    return target, target * 0.6 + 52 + rng.normal(0, 5, len(person)), person


def inside(shown, at, x, y):
    """Whether points lie in the hexagon: a distance below width / 2 along each of its three axes."""
    u, v = x - shown.x[at], y - shown.y[at]
    along = [u, u / 2 + v * np.sqrt(3) / 2, u / 2 - v * np.sqrt(3) / 2]
    return np.max(np.abs(along), axis=0) < shown.width / 2


def test_each_hexagon_counts_the_points_that_lie_in_it_and_at_least_eleven_people():
    target, predicted, person = pressures()
    shown = hexagons(target, predicted, person, 30)
    assert len(shown.count) > 20
    for at, count in enumerate(shown.count):
        held = inside(shown, at, predicted, target)
        assert held.sum() == count
        assert len(np.unique(person[held])) >= 11
    assert sum(shown.count) + shown.not_shown == len(target)
    json.dumps(dataclasses.asdict(shown), allow_nan=False)


def test_no_hexagon_that_could_be_shown_is_left_out():
    target, predicted, person = pressures()
    every = hexagons(target, predicted, person, 10, min_people=1)
    for at in range(len(every.count)):
        enough = len(np.unique(person[inside(every, at, predicted, target)])) >= 11
        kept = hexagons(target, predicted, person, 10)
        assert kept.width == every.width
        assert enough == ((every.x[at], every.y[at]) in zip(kept.x, kept.y, strict=True))


def test_many_predictions_of_ten_people_are_not_shown():
    person = np.arange(1000) % 10
    shown = hexagons(np.full(1000, 120.0), np.full(1000, 120.0), person)
    assert (shown.count, shown.width, shown.not_shown) == ([], None, 1000)
    more = hexagons(np.full(1000, 120.0), np.full(1000, 120.0), np.r_[person[:-1], 77])
    assert more.count == [1000]


def test_hexagons_grow_until_few_predictions_are_hidden():
    target, predicted, person = pressures(people=60)
    shown = hexagons(target, predicted, person, 200)
    assert shown.not_shown < 0.5 * len(target)


def test_hexagons_are_as_many_as_asked_at_most_and_grow_to_a_quarter_of_the_range():
    ends = np.repeat([10.0, 51.0], 11)
    assert hexagons(ends, ends, range(22), 40).width == 2
    assert hexagons(ends, ends, range(22), 41).width == 1
    target, predicted = np.random.default_rng(1).uniform(0, 100, (2, 60))
    shown = hexagons(target, predicted, range(60), 30)
    assert shown.not_shown > 6
    assert shown.width == 10


def test_an_outlier_moves_no_hexagon():
    target, predicted, person = pressures()
    before = hexagons(target, predicted, person)
    after = hexagons(np.r_[target, 290.0], np.r_[predicted, 61.0], np.r_[person, 9999])
    assert (before.x, before.y, before.count, before.width) == (after.x, after.y, after.count, after.width)
    assert after.not_shown == before.not_shown + 1
    wild = hexagons(np.r_[target, 290.0], np.r_[predicted, 1e200], np.r_[person, 9999])
    assert (wild.count, wild.not_shown) == (after.count, after.not_shown)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([5, 14, 30, 120]), st.integers(1, 12))
def test_every_band_holds_eleven_people_and_all_predictions_are_banded_in_any_order(seed, people, bins):
    rng = np.random.default_rng(seed)
    person = rng.integers(0, people, 300)
    x, error = np.round(rng.exponential(500, 300), rng.integers(0, 3)), rng.normal(0, 3, 300)
    bands = error_by(x, error, person, bins)
    if len(np.unique(person)) < 11:
        assert bands == []
        return
    assert len(bands) <= bins
    assert sum(band.predictions for band in bands) == 300
    assert bands[0].low is None
    assert bands[-1].high is None
    for band in bands:
        held = (x > (-np.inf if band.low is None else band.low)) & (x <= (np.inf if band.high is None else band.high))
        assert band.people == len(np.unique(person[held])) >= 11
        assert band.rmse == pytest.approx(rmse(np.zeros(held.sum()), error[held]))
        assert band.mae == pytest.approx(mae(np.zeros(held.sum()), error[held]))
    mixed = rng.permutation(300)
    for one, two in zip(bands, error_by(x[mixed], error[mixed], person[mixed], bins), strict=True):
        assert (one.low, one.high, one.centre, one.people) == (two.low, two.high, two.centre, two.people)
        assert (one.rmse, one.mae) == pytest.approx((two.rmse, two.mae), rel=1e-9)


def test_one_person_s_many_rows_at_either_end_make_no_band():
    x = np.r_[np.full(30, 1.0), np.full(30, 3.0), np.full(30, 5.0), np.full(30, 7.0)]
    person = np.r_[np.full(30, 77), np.arange(60), np.full(30, 99)]
    bands = error_by(x, np.ones(120), person, 4)
    assert [(band.low, band.high, band.people) for band in bands] == [(None, 3.0, 31), (3.0, None, 31)]


def test_no_edge_and_no_place_is_an_extreme_or_an_exact_value():
    rng = np.random.default_rng(2)
    x = rng.exponential(5000, 500) + 0.123456
    bands = error_by(x, np.ones(500), np.arange(500))
    assert len(bands) == 10
    shown = {end for band in bands for end in (band.low, band.high, band.centre)} - {None}
    assert not shown & set(x.tolist())
    assert min(shown) > x.min()
    assert max(shown) < x.max()


def test_a_range_hides_the_extremes_of_ten_people():
    values = np.r_[np.full(10, 3.0), np.linspace(81.7, 187.3, 200), np.full(10, 999.0)]
    low, high = supported_range(values, np.arange(220))
    assert (low, high) == (81.0, 190.0)
    low, high = supported_range(np.arange(1.0, 12.0), range(11))  # eleven people, one value each: the middle only
    assert (low, high) == (6.0, 6.0)
    assert supported_range(-values, np.arange(220)) == (-190.0, -81.0)
    assert supported_range([0.0, 5.0], range(2), min_people=1) == (0.0, 5.0)
    with pytest.raises(ValueError, match="at least 11 people"):
        supported_range([1.0] * 10, range(10))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="finite"):
        hexagons([1.0], [np.nan], [1])
    with pytest.raises(ValueError, match="gridsize"):
        hexagons([1.0], [1.0], [1], 0)
    with pytest.raises(ValueError, match="bins"):
        error_by([1.0], [1.0], [1], 0)
    with pytest.raises(ValueError, match="x 2, error 1"):
        error_by([1.0, 2.0], [1.0], [1, 1])
