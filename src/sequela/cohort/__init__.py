"""Who is asked what, and when: episodes, prediction times, labels, splits, and the as-of rule."""

from sequela.cohort.ask import Cohort, ask, ask_live
from sequela.cohort.asof import Sequences, Timeline, build_timeline, known_by, one_each, one_pass
from sequela.cohort.columns import set_apart
from sequela.cohort.label_table import LabelTable, read_label_table
from sequela.cohort.labels import Labels
from sequela.cohort.risk_labels import RiskLabels
from sequela.cohort.risk_settings import FollowUpSettings, OutcomeSettings, Question, RiskQuestion
from sequela.cohort.settings import ForecastQuestion, QuestionSettings, SplitSettings
from sequela.cohort.splits import HELD_OUT, SPLIT_NAMES, TRAIN, TUNING, Split, SplitRequest, final_split, make_splits

__all__ = [
    "HELD_OUT",
    "SPLIT_NAMES",
    "TRAIN",
    "TUNING",
    "Cohort",
    "FollowUpSettings",
    "ForecastQuestion",
    "LabelTable",
    "Labels",
    "OutcomeSettings",
    "Question",
    "QuestionSettings",
    "RiskLabels",
    "RiskQuestion",
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
    "read_label_table",
    "set_apart",
]
