"""One study file -> the whole story, once."""

from sequela.study.settings import StudySettings
from sequela.study.story import Run, Study, attack, divide, gather, read_study, rehearse, run
from sequela.study.watch import Watch

__all__ = ["Run", "Study", "StudySettings", "Watch", "attack", "divide", "gather", "read_study", "rehearse", "run"]
