"""Targets on their way to a network and back: transformed, scaled, and in the study's own unit again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.prepare.state import PreparedState, TargetState

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScaledTargets:
    """Labels of R predictions as a network learns them."""

    value: NDArray[np.float32]  # forecast [R, horizons, targets], risk [R]; 0 where unknown
    known: NDArray[np.bool_]  # of the same shape


def scale_targets(labels: Floats, state: PreparedState, last_target: Floats | None = None) -> ScaledTargets:
    """Return labels [R, horizons, targets] of the study's unit, transformed and scaled.

    Args:
        labels: NaN where unknown.
        state: fitted preparation.
        last_target: [R, targets] what was known last of each target (`last_known_targets`), NaN where nothing was;
            needed where a target is learned as its difference from that.
    """
    known = ~np.isnan(labels)
    scaled = np.zeros(labels.shape)
    for k, target in enumerate(state.targets):
        moved = labels[:, :, k] - _origin(target, last_target, k, len(labels))[:, None]
        scaled[:, :, k] = (np.where(known[:, :, k], moved, target.center) - target.center) / target.spread
    return ScaledTargets(value=scaled.astype(np.float32), known=known)


def unscale_targets(scaled: Floats, state: PreparedState, last_target: Floats | None = None) -> Floats:
    """Return scaled forecasts [R, horizons, targets] in the study's unit: what `scale_targets` does, undone.

    Where a target was bent (log, yeo_johnson) the mean of its back-transformed training residuals is taken, so that
    the forecast is a mean and no median (`fit_smearing`; Duan 1983, doi:10.1080/01621459.1983.10478017).
    """
    found = np.empty(scaled.shape)
    for k, target in enumerate(state.targets):
        moved = scaled[:, :, k] * target.spread + target.center
        found[:, :, k] = moved + _origin(target, last_target, k, len(scaled))[:, None]
    return found


def risk_targets(value: Floats) -> ScaledTargets:
    """Return the outcomes of R predictions, 0 or 1; NaN where unknown."""
    known = ~np.isnan(value)
    return ScaledTargets(value=np.where(known, value, 0.0).astype(np.float32), known=known)


def needs_last_target(state: PreparedState) -> bool:
    """Say whether a target is learned as its difference from the value known last."""
    return any(target.difference for target in state.targets)


def last_known_targets(timeline: Timeline, sequences: Sequences, codes: list[str]) -> Floats:
    """Return the last value of each code known to each prediction [R, targets], NaN where nothing is.

    It is the value that was measured, in the code's own unit, within the sequence that the prediction reads.
    """
    found = np.full((len(sequences.read), len(codes)), np.nan)
    seen = sequences.read >= 0
    sequence = sequences.sequence[seen]
    for k, code in enumerate(codes):
        if (code, False) in timeline.variables:
            variable = timeline.variables.index((code, False))
            found[seen, k] = _last_of(timeline, variable, sequences.first[sequence], sequences.read[seen])
    return found


def _last_of(timeline: Timeline, variable: int, first: Rows, read: Rows) -> Floats:
    """Return the last number of a variable in the rows first to read [R]; NaN where there is none."""
    cell = np.flatnonzero((timeline.cell_variable == variable) & ~np.isnan(timeline.cell_number))
    if not len(cell):
        return np.full(len(read), np.nan)
    step = np.searchsorted(timeline.cell_offsets, cell, side="right") - 1
    place = np.searchsorted(step, read, side="right") - 1
    inside = (place >= 0) & (step[place] >= first)
    return np.where(inside, timeline.cell_number[cell[place]].astype(np.float64), np.nan)


def _origin(target: TargetState, last_target: Floats | None, k: int, count: int) -> Floats:
    """Return what is taken away from a target before it is scaled [R]."""
    if not target.difference:
        return np.zeros(count)
    assert last_target is not None, "a target that is a difference needs the values known last"
    last = last_target[:, k]
    return np.where(np.isnan(last), target.fill, last)
