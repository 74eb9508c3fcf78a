"""What figures draw: sums over many people, never one of them.

Nothing here rests on fewer than `min_people` people. Places and edges come from round numbers, so that no smallest or
largest value of anybody can be read off a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sequela.evaluate.arrays import Floats, Ids, finite, person_ids, same_length

MIN_PEOPLE = 11
_FAR = 5e8  # hexagons from 0: beyond it a wild forecast would not fit an integer


@dataclass(frozen=True)
class Hexagons:
    """Observed against predicted values, counted in hexagons that stand on a corner (pointed top).

    x is the predicted and y the observed value of the hexagons' centres. `width` is the distance between upright sides,
    in the target's unit, and a corner lies width / sqrt(3) from the centre; None when nothing can be shown.
    """

    x: list[float]
    y: list[float]
    count: list[int]
    width: float | None
    not_shown: int


@dataclass(frozen=True)
class Band:
    """Error of the predictions whose x lies above `low` and not above `high`; None is an open end.

    `centre` is their median x to three digits, a place for a dot.
    """

    low: float | None
    high: float | None
    centre: float
    rmse: float
    mae: float
    predictions: int
    people: int


def hexagons(
    target: ArrayLike, predicted: ArrayLike, person: ArrayLike, gridsize: int = 40, *, min_people: int = MIN_PEOPLE
) -> Hexagons:
    """Count predictions in hexagons, and keep the hexagons of at least `min_people` people.

    Args:
        target: what was measured.
        predicted: what was forecast, in the same unit.
        person: the person of every prediction.
        gridsize: hexagons at most across the range that `min_people` people reach at either end; at least 1. The width
            is a round number. Hexagons grow until nine of ten predictions are shown, to a quarter of the range at most.
        min_people: of a hexagon that is shown.

    Returns:
        Centres and counts, and the number of predictions in hexagons that are not shown.

    Raises:
        ValueError: a number that is missing or infinite, lengths that differ.

    Source: Carr, Littlefield, Nicholson & Littlefield, Scatterplot matrix techniques for large N, JASA 82 (1987): the
    nearest of the centres of two shifted rectangular lattices.

    Example:
        Twelve people at one place and one far away:

        >>> shown = hexagons([120.0] * 12 + [300.0], [120.0] * 12 + [40.0], range(13))
        >>> shown.count, shown.not_shown
        ([12], 1)
    """
    y, x, ids = finite("target", target), finite("predicted", predicted), person_ids(person)
    same_length(target=y, predicted=x, person=ids)
    if gridsize < 1:
        raise ValueError(f"gridsize must be at least 1, got {gridsize}")
    if len(np.unique(ids)) < min_people:
        return Hexagons([], [], [], None, len(y))
    ends = [end for values in (x, y) for end in supported_range(values, ids, min_people)]
    extent = max(ends) - min(ends) or 2 * float(np.subtract(*np.quantile(y, [0.75, 0.25])))
    side = _round_up(extent / gridsize)
    found = _counted(x, y, ids, side, min_people)
    while found.not_shown > 0.1 * len(y) and 4 * _round_up(1.5 * side) <= extent:
        side = _round_up(1.5 * side)
        found = _counted(x, y, ids, side, min_people)
    return found


def _counted(x: Floats, y: Floats, ids: Ids, side: float, min_people: int) -> Hexagons:
    """Count predictions in hexagons of that width."""
    cell, row = _hexagon_of(x / side, y / (side * math.sqrt(3)))
    left, across = cell.min(), cell.max() - cell.min() + 1
    places, where, count = np.unique(row * across + (cell - left), return_inverse=True, return_counts=True)
    kept = _people_by(where, ids, len(count)) >= min_people
    centre_x = (places[kept] % across + left) * side / 2
    centre_y = places[kept] // across * side * math.sqrt(3) / 2
    return Hexagons(
        centre_x.tolist(), centre_y.tolist(), count[kept].tolist(), side, len(y) - int(count[kept].sum())
    )  # fmt: skip


def error_by(
    x: ArrayLike, error: ArrayLike, person: ArrayLike, bins: int = 10, *, min_people: int = MIN_PEOPLE
) -> list[Band]:
    """Error of predictions by something known of them: the gap, the number of records, the forecast itself.

    Bands are cut at quantiles of x, rounded to two digits, and neighbours are joined until each holds `min_people`
    people.

    Args:
        x: what to band by, one a prediction.
        error: predicted minus observed, in the target's unit.
        person: the person of every prediction.
        bins: bands at most; at least 1.
        min_people: of every band.

    Returns:
        Bands from small x to large; none when there are fewer than `min_people` people.

    Raises:
        ValueError: a number that is missing or infinite, lengths that differ.

    Example:
        >>> [(band.low, band.high, band.rmse) for band in error_by([1] * 20 + [5] * 20, [2] * 20 + [3] * 20, range(40))]
        [(None, 1.0, 2.0), (1.0, None, 3.0)]
    """
    place, miss, ids = finite("x", x), finite("error", error), person_ids(person)
    same_length(x=place, error=miss, person=ids)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    if len(np.unique(ids)) < min_people:
        return []
    edges = _joined(_edges(place, bins), place, ids, min_people)
    band = np.searchsorted(edges, place, side="left")
    return [
        _band(place[band == at], miss[band == at], ids[band == at], (_at(edges, at - 1), _at(edges, at)))
        for at in range(len(edges) + 1)
    ]


def supported_range(values: ArrayLike, person: ArrayLike, min_people: int = MIN_PEOPLE) -> tuple[float, float]:
    """Range that at least `min_people` people reach or pass at either end, rounded outwards to two digits.

    It hides the extremes of fewer people: use it for the axes of a figure. Where so few people overlap, it shrinks to
    their median.

    Raises:
        ValueError: fewer people than that, a value that is missing or infinite.

    Example:
        >>> supported_range([90, 100, 110, 300], ["a", "b", "c", "d"], min_people=2)
        (100.0, 110.0)
    """
    numbers, ids = finite("values", values), person_ids(person)
    same_length(values=numbers, person=ids)
    people, index = np.unique(ids, return_inverse=True)
    if len(people) < max(1, min_people):
        raise ValueError(f"a range needs at least {min_people} people")
    least, most = np.full(len(people), np.inf), np.full(len(people), -np.inf)
    np.minimum.at(least, index, numbers)
    np.maximum.at(most, index, numbers)
    low, high = float(np.sort(least)[min_people - 1]), float(np.sort(most)[-min_people])
    if low > high:  # fewer than twice as many people, whose ends overlap: only their middle can be told
        low = high = float(np.median(numbers))
    return _outwards(low, -1), _outwards(high, 1)


def _hexagon_of(u: Floats, v: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Centre of the hexagon of each point, in half units of the lattice; even with even, or odd with odd."""
    u, v = np.clip(u, -_FAR, _FAR), np.clip(v, -_FAR, _FAR)
    even_u, even_v = np.round(u), np.round(v)
    odd_u, odd_v = np.floor(u) + 0.5, np.floor(v) + 0.5
    to_even = (u - even_u) ** 2 + 3 * (v - even_v) ** 2
    to_odd = (u - odd_u) ** 2 + 3 * (v - odd_v) ** 2
    nearer = to_even <= to_odd
    return (
        np.rint(2 * np.where(nearer, even_u, odd_u)).astype(np.int64),
        np.rint(2 * np.where(nearer, even_v, odd_v)).astype(np.int64),
    )


def _people_by(group: NDArray[Any], ids: Ids, groups: int) -> NDArray[np.int64]:
    """Count distinct people in each group."""
    people, index = np.unique(ids, return_inverse=True)
    pairs = np.unique(group.astype(np.int64) * len(people) + index)
    counts: NDArray[np.int64] = np.bincount(pairs // len(people), minlength=groups).astype(np.int64)
    return counts


def _edges(values: Floats, bins: int) -> Floats:
    """Inner quantiles to two digits, distinct."""
    inner = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.unique(np.array([_to_digits(edge, 2) for edge in inner], dtype=np.float64))


def _joined(edges: Floats, values: Floats, ids: Ids, min_people: int) -> Floats:
    """Keep an edge only where `min_people` people lie between it and the last one kept, and above the last of all."""
    kept: list[float] = []
    for edge in edges.tolist():
        inside = (values <= edge) & (values > (kept[-1] if kept else -np.inf))
        if len(np.unique(ids[inside])) >= min_people:
            kept.append(edge)
    while kept and len(np.unique(ids[values > kept[-1]])) < min_people:
        kept.pop()
    return np.array(kept)


def _band(x: Floats, error: Floats, ids: Ids, ends: tuple[float | None, float | None]) -> Band:
    return Band(
        *ends,
        centre=_to_digits(float(np.median(x)), 3),
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        predictions=len(x),
        people=len(np.unique(ids)),
    )


def _at(edges: Floats, at: int) -> float | None:
    return float(edges[at]) if 0 <= at < len(edges) else None


def _to_digits(value: float, digits: int) -> float:
    """Round to that many leading digits."""
    return float(f"{value:.{digits - 1}e}") + 0.0


def _outwards(value: float, sign: int) -> float:
    """Round to two leading digits, away from the inside of a range whose end this is."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{sign * math.ceil(sign * value / step - 1e-9) * step:.12g}") + 0.0


def _round_up(size: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten; 1 for 0."""
    if size <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(size))
    return float(f"{next(step for step in (1, 2, 5, 10) if step * power >= size * (1 - 1e-9)) * power:.12g}")
