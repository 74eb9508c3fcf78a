"""What every measure asks of its arrays: numbers that are finite, of one length, with weights that can be used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ids = NDArray[Any]


def finite(name: str, values: ArrayLike) -> Floats:
    """Return `values` as a flat float64 array of finite numbers.

    Raises:
        ValueError: a value is missing or infinite, or the array has more than one axis. The message gives the count,
            never a value.

    Example:
        >>> finite("predicted", [1, 2.5])
        array([1. , 2.5])
    """
    array = np.asarray(values, dtype=np.float64)
    if isinstance(values, np.ma.MaskedArray):  # what a mask hides would come to light
        array = np.where(np.ma.getmaskarray(values), np.nan, array)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, got {array.ndim}: select the predictions to score first")
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(
            f"{name} must be finite, got {bad} of {array.size} missing or infinite: leave out what was not observed, "
            "and mend a model that predicts no number"
        )
    return array


def same_length(**arrays: NDArray[Any]) -> None:
    """Refuse arrays of different lengths, by name.

    Raises:
        ValueError: the lengths differ.
    """
    if len({len(array) for array in arrays.values()}) > 1:
        came = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise ValueError(f"arrays must have one entry a prediction, got lengths {came}")


def person_ids(person: ArrayLike) -> Ids:
    """Return the person of every row as a flat array of ids that can be sorted (integers or text).

    Raises:
        ValueError: more than one axis, or an id is missing.
    """
    array = np.asarray(person)
    if array.ndim != 1:
        raise ValueError(f"person must have one axis, got {array.ndim}")
    if array.dtype.kind == "O":
        if not any(all(isinstance(each, kind) for each in array.tolist()) for kind in (str, (int, np.integer))):
            raise ValueError("person must hold integers or text, not both, one id a row without gaps")
        array = array.astype(str)
    if array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
        raise ValueError("person must hold an id in every row, got missing ones")
    return array


def weighted_mean(values: Floats, weight: ArrayLike | None = None) -> float:
    """Mean of `values`, each counted `weight` times.

    Args:
        values: finite numbers.
        weight: at least 0, one a value; all equal when None.

    Raises:
        ValueError: no values, or weights that are negative, not finite, of another length, or all 0.

    Example:
        >>> weighted_mean(np.array([1.0, 4.0]), [2, 1])
        2.0
    """
    if not len(values):
        raise ValueError("at least one prediction is needed, got none")
    if weight is None:
        return float(values.mean())
    weights = usable_weights(weight, len(values))
    return float(values @ weights / weights.sum())


def usable_weights(weight: ArrayLike | None, size: int) -> Floats:
    """Return one weight for each of `size` predictions; ones when None.

    Raises:
        ValueError: weights that are negative, not finite, of another length, or all 0.
    """
    if weight is None:
        return np.ones(size)
    weights = finite("weight", weight)
    if len(weights) != size:
        raise ValueError(f"arrays must have one entry a prediction, got lengths values {size}, weight {len(weights)}")
    if bool((weights < 0).any()) or not bool((weights > 0).any()):
        raise ValueError("weight must be at least 0 and not 0 everywhere")
    return weights
