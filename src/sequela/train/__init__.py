"""Training: one loop for every network."""

from sequela.train.loop import Epoch, History, Progress, mean_loss, train
from sequela.train.settings import TrainSettings

__all__ = ["Epoch", "History", "Progress", "TrainSettings", "mean_loss", "train"]
