"""The one training loop."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from sequela.batch import Batch
from sequela.errors import CohortError
from sequela.models import Network
from sequela.prepare import Collation
from sequela.train.adam import Adam, blend
from sequela.train.hide import Unmeasured, with_some_hidden
from sequela.train.settings import TrainSettings

_EVALUATION_ROWS = 1 << 16
_LARGEST_GRADIENT_NORM = 5.0
_RISING = 0.15  # of all steps of a one cycle


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training people; losses in scaled units."""

    epoch: int
    train_loss: float
    tuning_loss: float | None
    seconds: float


@dataclass(kw_only=True)
class History:
    """How training went. `stopped` is "patience", "all epochs" or "interrupted"."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "all epochs"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands: shown while it runs."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    train_loss: float
    tuning_loss: float | None


Watch = Callable[[Progress], None]


def train(
    network: Network,
    training: Collation,
    tuning: Collation | None,
    settings: TrainSettings,
    *,
    loss: str,
    watch: Watch = lambda progress: None,
) -> History:
    """Fit the network with Adam and leave in it the weights of the best epoch.

    The best epoch is the one with the lowest loss on tuning people; without them, or with `patience = 0`, it is the
    last. With `average`, an epoch's weights are the mean of those after the steps before. Gradients longer than 5
    (Euclidean norm over all weights) are shortened to 5. Ctrl-C ends training: the best weights so far stay.

    Args:
        network: changed in place.
        training: batches of training people.
        tuning: batches of tuning people, or None.
        settings: `[train]` of the study; its seed shuffles the batches and hides measurements.
        loss: as the network's `loss` names it; "auto" is the question's usual one.
        watch: called after each batch.

    Raises:
        CohortError: where the loss is no longer a finite number.
    """
    optimizer = Adam(network.parameters(), weight_decay=settings.weight_decay, max_norm=_LARGEST_GRADIENT_NORM)
    shuffle, chance = (torch.Generator().manual_seed(settings.seed) for _ in range(2))
    history = History()
    keeps_best = tuning is not None and settings.patience > 0
    best_loss, best_weights = float("inf"), network.state_dict()
    tuning_loss: float | None = None
    batches = -(-len(training) // settings.batch_size)
    shape, steps = _shape(settings, batches * settings.epochs), itertools.count()
    unmeasured = Unmeasured.of(training.columns)
    average = _Average(network, settings.average * batches) if settings.average > 0 else None
    judged = average.network if average else network
    try:
        for number in range(1, settings.epochs + 1):
            began = time.monotonic()
            network.train()
            running = _RunningMean()
            for place, (batch, _) in enumerate(training.batches(settings.batch_size, shuffle), start=1):
                if settings.hide > 0:
                    batch = with_some_hidden(batch, settings.hide, chance, unmeasured)
                optimizer.learning_rate = settings.learning_rate * shape(next(steps))
                running.add(_step(network, batch, optimizer, loss), int(batch.target_known.sum()))
                if average:
                    average.add(network)
                watch(
                    Progress(
                        epoch=number,
                        epochs=settings.epochs,
                        batch=place,
                        batches=batches,
                        train_loss=running.value,
                        tuning_loss=tuning_loss,
                    )
                )
            tuning_loss = _finite(mean_loss(judged, tuning, loss)) if tuning is not None else None
            seconds = time.monotonic() - began
            history.epochs.append(
                Epoch(epoch=number, train_loss=running.value, tuning_loss=tuning_loss, seconds=seconds)
            )
            if not keeps_best or (tuning_loss is not None and tuning_loss < best_loss):
                best_loss = tuning_loss if tuning_loss is not None else running.value
                best_weights = copy.deepcopy(judged.state_dict())
                history.best_epoch = number
            elif number - history.best_epoch >= settings.patience:
                history.stopped = "patience"
                break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    if history.best_epoch > 0:
        network.load_state_dict(best_weights)
    _finite(sum(float(weight.detach().abs().sum()) for weight in network.parameters()))
    network.eval()
    return history


def _shape(settings: TrainSettings, steps: int) -> Callable[[int], float]:
    """Return the share of the learning rate at each step.

    Source of the one cycle: Smith and Topin 2019 (arXiv:1708.07120), with a cosine down; 15 % of the steps go up.
    """
    if settings.schedule == "constant":
        return lambda step: 1.0
    up = max(1, round(_RISING * steps))
    return lambda step: (step + 1) / up if step < up else 0.5 * (1 + math.cos(math.pi * (step - up) / (steps - up + 1)))


def _step(network: Network, batch: Batch, optimizer: Adam, loss: str) -> float:
    optimizer.zero_grad()
    error = network.loss(network(batch), batch, loss)
    penalty = network.penalty()
    (error if penalty is None else error + penalty).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return _finite(float(error.detach()))


class _Average:
    """The mean of a network's weights after each step; of many steps, earlier ones count exponentially less.

    Source: Polyak and Juditsky 1992 (doi:10.1137/0330046), averaging of iterates; here with a window that moves along.
    """

    def __init__(self, network: Network, steps: float) -> None:
        self.network = copy.deepcopy(network)
        self._steps, self._seen = max(steps, 1.0), 0
        self._means = list(self.network.parameters())

    def add(self, network: Network) -> None:
        """Take in the weights of one more step: a plain mean of the first steps, an exponential one from then on."""
        self._seen += 1
        blend(self._means, list(network.parameters()), 1 / min(self._seen, self._steps))


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise CohortError(
            "Training diverged: the loss is no longer a finite number. "
            "Lower learning_rate in [train], or look for extreme values (`plausible` in [prepare])."
        )
    return loss


def mean_loss(network: Network, collation: Collation, loss: str) -> float:
    """Return the mean loss over all known targets, without dropout."""
    network.eval()
    running = _RunningMean()
    with torch.no_grad():
        for batch, _ in collation.batches_of_rows(_EVALUATION_ROWS):
            running.add(float(network.loss(network(batch), batch, loss)), int(batch.target_known.sum()))
    return running.value


class _RunningMean:
    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float, count: int) -> None:
        self.total, self.count = self.total + value * count, self.count + count

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else 0.0
