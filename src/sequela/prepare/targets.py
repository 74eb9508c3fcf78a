"""Targets on their way to a network and back: transformed, scaled, and in the study's own unit again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.prepare.rules import Column
from sequela.prepare.smearing import Smearing, residual_bins, smeared_inverse
from sequela.prepare.state import PreparedState, TargetState

Floats = NDArray[np.float64]
_PLAINLY = Smearing(residuals=[0.0], shares=[1.0])


@dataclass(frozen=True, kw_only=True)
class ScaledTargets:
    """Labels of R predictions as a network learns them."""

    value: NDArray[np.float32]  # forecast [R, horizons, targets], risk [R]; 0 where unknown
    known: NDArray[np.bool_]  # of the same shape


def scale_targets(labels: Floats, state: PreparedState, last_target: Floats | None = None) -> ScaledTargets:
    """Return labels [R, horizons, targets] of the study's unit, transformed and scaled.

    A label that its transform has no number for (the logarithm of 0) counts as unknown: nothing is learned from it.

    Args:
        labels: NaN where unknown.
        state: fitted preparation.
        last_target: [R, targets] what was known last of each target (`last_known_targets`), NaN where nothing was;
            needed where a target is learned as its difference from that.
    """
    moved = np.full(labels.shape, np.nan)
    for k, target in enumerate(state.targets):
        moved[:, :, k] = transformed_labels(target, labels[:, :, k], _last(target, last_target, k))
    known = ~np.isnan(moved)
    center = np.array([target.center for target in state.targets])
    spread = np.array([target.spread for target in state.targets])
    scaled = (np.where(known, moved, center) - center) / spread
    return ScaledTargets(value=scaled.astype(np.float32), known=known)


def unscale_targets(scaled: Floats, state: PreparedState, last_target: Floats | None = None) -> Floats:
    """Return scaled forecasts [R, horizons, targets] in the study's unit: what `scale_targets` does, undone.

    Where a target was bent (log, yeo_johnson) it is the mean over training residuals, so that the forecast is a mean
    and no median (`fit_smearing`; Duan 1983, doi:10.1080/01621459.1983.10478017).
    """
    found = np.empty(scaled.shape)
    for k, target in enumerate(state.targets):
        last = _last(target, last_target, k)
        for h in range(scaled.shape[1]):
            transformed = scaled[:, h, k] * target.spread + target.center
            found[:, h, k] = smeared_inverse(target.transform, transformed, target.smearing or _PLAINLY, last)
    return found


def fit_smearing(scaled: Floats, labels: Floats, state: PreparedState, *, person: Rows) -> PreparedState:
    """Return the state with what it takes to bring bent targets back as means; the same state where none is bent.

    Args:
        scaled: [R, horizons, targets] what the trained network says of training predictions.
        labels: [R, horizons, targets] in the study's unit.
        state: fitted preparation.
        person: [R] whom a prediction is about.
    """
    targets = list(state.targets)
    for k, target in enumerate(state.targets):
        if target.transform.kind in ("log", "yeo_johnson"):
            wanted = transformed_labels(target, labels[:, :, k], None)
            left = wanted - (scaled[:, :, k] * target.spread + target.center)
            known = ~np.isnan(left)
            whose = np.broadcast_to(person[:, None], left.shape)[known]
            smearing = residual_bins(left[known], whose, state.min_people)
            targets[k] = target.model_copy(update={"smearing": smearing})
    return state.model_copy(update={"targets": targets})


def transformed_labels(target: TargetState, labels: Floats, last: Floats | None) -> Floats:
    """Return labels [R, horizons] transformed, NaN where they are unknown or have no transform."""
    if target.transform.kind == "difference":
        assert last is not None
        return labels - last[:, None]
    flat = labels.reshape(-1)
    rows = np.arange(len(flat))
    column = Column(values=flat, begin=rows, hours=rows.astype(np.float64))
    return target.transform.apply(column).reshape(labels.shape)


def _last(target: TargetState, last_target: Floats | None, k: int) -> Floats | None:
    """Return what a difference is counted from [R]; None where the target is no difference."""
    if target.transform.kind != "difference":
        return None
    assert last_target is not None, "a target that is a difference needs the values known last"
    return np.where(np.isnan(last_target[:, k]), target.fill, last_target[:, k])


def risk_targets(value: Floats) -> ScaledTargets:
    """Return the outcomes of R predictions, 0 or 1; NaN where unknown."""
    known = ~np.isnan(value)
    return ScaledTargets(value=np.where(known, value, 0.0).astype(np.float32), known=known)


def needs_last_target(state: PreparedState) -> bool:
    """Say whether a target is learned as its difference from the value known last."""
    return any(target.transform.kind == "difference" for target in state.targets)


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
