"""Training: one loop for every network."""

from sequela.train.adam import Adam
from sequela.train.loop import Epoch, History, Progress, mean_loss, train
from sequela.train.settings import TrainSettings
from sequela.train.threads import threads_for_step

__all__ = ["Adam", "Epoch", "History", "Progress", "TrainSettings", "mean_loss", "threads_for_step", "train"]
