"""What a run tells whoever watches it."""

from __future__ import annotations

from sequela.train import Progress


class Watch:
    """Silence. The command line shows these on the terminal; override what you want to see."""

    def stage(self, words: str) -> None:
        """A stage of the story begins, such as "Reading records"."""

    def part(self, words: str) -> None:
        """A part of a long stage begins, such as one baseline."""

    def note(self, words: str) -> None:
        """Something that a user should know."""

    def warn(self, words: str) -> None:
        """Something that a user should think about before trusting the numbers."""

    def training(self, progress: Progress, fit: int, fits: int) -> None:
        """A batch is done, in fit number `fit` of `fits`."""

    def counting(self, done: int, of: int) -> None:
        """So many parts of long work are done."""

    def trained(self, stopped: str) -> None:
        """A training is over: "patience", "all epochs" or "interrupted"."""
