"""Who is asked what, and when: episodes, prediction times, labels, splits, and the as-of rule."""

from sequela.cohort.ask import Cohort, ask, ask_live
from sequela.cohort.asof import Sequences, Timeline, build_timeline, known_by, one_each, one_pass
from sequela.cohort.settings import QuestionSettings, SplitSettings
from sequela.cohort.splits import HELD_OUT, SPLIT_NAMES, TRAIN, TUNING, Split, SplitRequest, final_split, make_splits

__all__ = [
    "HELD_OUT",
    "SPLIT_NAMES",
    "TRAIN",
    "TUNING",
    "Cohort",
    "QuestionSettings",
    "Sequences",
    "Split",
    "SplitRequest",
    "SplitSettings",
    "Timeline",
    "ask",
    "ask_live",
    "build_timeline",
    "final_split",
    "known_by",
    "make_splits",
    "one_each",
    "one_pass",
]
