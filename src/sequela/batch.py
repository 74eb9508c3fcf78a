"""Contract 2: the ragged tensors that a network sees.

Histories differ in length by factors of hundreds, so a batch is packed, never padded: the layout of
`torch.nn.utils.rnn.PackedSequence` (time-major, sequences sorted by length, longest first).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

# What stands in a cell of `values`; `provenance` holds the place in this list.
PROVENANCE = ("measured", "carried", "mean", "zero", "linear", "regression", "knn", "decay", "nothing")


@dataclass(frozen=True, kw_only=True)
class Events:
    """The many and sparse of N packed steps: codes, drugs, categories of many levels; step n has those from offsets[n].

    An id is a place in the preparation's `event_vocabulary`; an amount is 1 where a code came without a value.
    """

    ids: Tensor  # [E] int64
    amounts: Tensor  # [E] float32, scaled by the code's training spread, no NaN
    offsets: Tensor  # [N+1] int64


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Prepared histories of S sequences with N steps together, and the R predictions that read them.

    Sequences without a step are left out of the packing. A prediction reads the state after row `reads[r]` of the
    packed steps, or nothing (-1): then it sees the initial state and the static facts.
    """

    values: Tensor  # [N, F] float32, prepared, no NaN
    observed: Tensor  # [N, F] bool, True where a real measurement stood
    gap_hours: Tensor  # [N, F] float32, since the feature was last seen strictly before this step
    hours: Tensor  # [N] float32, since the episode began
    batch_sizes: Tensor  # [T] int64 on the CPU, sequences that have a step t
    order: Tensor  # [sequences with steps] int64, the caller's number of the k-th longest
    static: Tensor  # [S, K] float32, in the caller's order
    reads: Tensor  # [R] int64, packed row whose state is read, or -1
    read_sequence: Tensor  # [R] int64, the caller's number of the sequence that is read
    read_lag_hours: Tensor  # [R] float32, from that row to the prediction time
    targets: Tensor  # forecast [R, horizons, targets] float32, scaled; risk [R] float32, 0 or 1; 0 where unknown
    target_known: Tensor  # bool, of the shape of `targets`
    weight: Tensor  # [R] float32, of the prediction in the loss
    provenance: Tensor | None = None  # [N, F] uint8, places in PROVENANCE; None where nobody asked for it
    late_hours: Tensor | None = None  # [N, F] float32, from when what a step measured was taken to the step; None where
    # nobody asked, or where everything was known when it was measured
    events: Events | None = None  # None where the preparation keeps no event codes
    summary: Tensor | None = None  # [R, J] float32, statistics of what each prediction sees, NaN where not known

    def packed(self, steps: Tensor) -> PackedSequence:
        """Return steps [N, *] of this batch as torch's own packed sequence, the longest sequence first."""
        return PackedSequence(steps, self.batch_sizes)
