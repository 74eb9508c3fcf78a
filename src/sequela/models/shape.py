"""What a network must know of the batches that it will see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class InputShape:
    """The columns of a batch, as the fitted preparation made them.

    Args:
        static: static columns K.
        gap_unit_hours: for each of the F dense columns the typical gap.
        decay_towards: for each dense column the scaled value that an old value fades towards, None where it does not
            fade; () where none does.
        events: size of the vocabulary of events; 0 without events.
        summary: columns of the statistics of each history; 0 without.
    """

    static: int
    gap_unit_hours: Sequence[float]
    decay_towards: Sequence[float | None] = ()
    events: int = 0
    summary: int = 0

    def __post_init__(self) -> None:
        if self.decay_towards and len(self.decay_towards) != len(self.gap_unit_hours):
            raise ValueError(
                f"decay_towards must name each of the {len(self.gap_unit_hours)} dense columns, not "
                f"{len(self.decay_towards)}."
            )

    @property
    def hours_unit(self) -> float:
        """Return the mean of the typical gaps, the unit of hours of a network; a day without dense columns."""
        return sum(self.gap_unit_hours) / len(self.gap_unit_hours) if self.gap_unit_hours else 24.0
