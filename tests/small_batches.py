"""Histories of random numbers, each by its own seed, so that one and the same stands alone, cut, or among others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from sequela.batch import PROVENANCE, Batch, Events
from sequela.models import InputShape
from sequela.prepare import collate

FEATURES, FACTS, CODES = 3, 2, 7
SHAPE = InputShape(static=FACTS, gap_unit_hours=[1.0, 2.0, 6.0], decay_towards=[None, 0.3, -0.5], events=CODES)
PLAIN_SHAPE = InputShape(static=FACTS, gap_unit_hours=[1.0, 2.0, 6.0])


@dataclass(frozen=True)
class History:
    """The steps of one sequence, in their order, and its static facts."""

    values: np.ndarray  # [n, F]
    observed: np.ndarray  # [n, F] bool
    gap_hours: np.ndarray  # [n, F]
    hours: np.ndarray  # [n]
    provenance: np.ndarray  # [n, F] uint8
    ids: list[np.ndarray]  # n arrays
    amounts: list[np.ndarray]  # n arrays
    static: np.ndarray  # [K]

    def __len__(self) -> int:
        return len(self.hours)

    def first(self, steps: int) -> History:
        """The same history, cut after some steps."""
        rows = {f.name: getattr(self, f.name)[:steps] for f in fields(self) if f.name != "static"}
        return History(**rows, static=self.static)

    def followed_by(self, other: History) -> History:
        """The same history, with other steps after it."""
        rows: dict[str, Any] = {}
        for name in ("values", "observed", "gap_hours", "hours", "provenance"):
            rows[name] = np.concatenate([getattr(self, name), getattr(other, name)])
        rows |= {name: getattr(self, name) + getattr(other, name) for name in ("ids", "amounts")}
        return History(**rows, static=self.static)


def history(seed: int, steps: int) -> History:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, size=steps)
    observed = random.random((steps, FEATURES)) < 0.5
    return History(
        values=random.normal(size=(steps, FEATURES)),
        observed=observed,
        gap_hours=random.exponential(3, size=(steps, FEATURES)),
        hours=np.cumsum(random.exponential(2, size=steps)),
        provenance=np.where(observed, 0, random.integers(1, len(PROVENANCE), size=(steps, FEATURES))).astype(np.uint8),
        ids=[random.integers(0, CODES, size=count) for count in counts],
        amounts=[random.normal(size=count) for count in counts],
        static=random.normal(size=FACTS),
    )


def batch_of(
    histories: Sequence[History],
    reads: Sequence[tuple[int, int]],
    *,
    lag_hours: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """Return a batch; each prediction reads (sequence, step), step -1 = nothing known; its risk's target is 0 or 1."""
    lengths = np.array([len(each) for each in histories])
    place, sizes, order = collate.pack(lengths)
    begin = np.cumsum(lengths) - lengths
    source = np.argsort(place)

    def packed(name: str) -> np.ndarray:
        return np.concatenate([getattr(each, name) for each in histories])[source]

    ids, amounts = ([row for each in histories for row in getattr(each, name)] for name in ("ids", "amounts"))
    counts = np.array([len(ids[row]) for row in source], dtype=np.int64)
    none = [np.zeros(0)]
    events = Events(
        ids=torch.from_numpy(np.concatenate([ids[row] for row in source] + none).astype(np.int64)),
        amounts=torch.from_numpy(np.concatenate([amounts[row] for row in source] + none)).to(dtype),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
    )
    return Batch(
        values=torch.from_numpy(packed("values")).to(dtype),
        observed=torch.from_numpy(packed("observed")),
        gap_hours=torch.from_numpy(packed("gap_hours")).to(dtype),
        hours=torch.from_numpy(packed("hours")).to(dtype),
        batch_sizes=torch.from_numpy(sizes),
        order=torch.from_numpy(order),
        static=torch.from_numpy(np.stack([each.static for each in histories])).to(dtype),
        reads=torch.tensor([int(place[begin[s] + t]) if t >= 0 else -1 for s, t in reads]),
        read_sequence=torch.tensor([s for s, _ in reads]),
        read_lag_hours=torch.full((len(reads),), lag_hours, dtype=dtype),
        targets=torch.tensor([float((s + t) % 2) for s, t in reads], dtype=dtype),
        target_known=torch.ones(len(reads), dtype=torch.bool),
        weight=torch.ones(len(reads), dtype=dtype),
        provenance=torch.from_numpy(packed("provenance")),
        events=events,
    )


def with_targets(batch: Batch, targets: torch.Tensor, known: torch.Tensor | None = None) -> Batch:
    known = torch.ones(targets.shape, dtype=torch.bool) if known is None else known
    return replace(batch, targets=targets, target_known=known)
