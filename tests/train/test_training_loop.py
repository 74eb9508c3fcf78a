"""The one training loop: it learns, stops when told to, keeps the right weights, and takes the steps of its formula."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_study import write_study
from torch import nn

import sequela
from sequela.bundle import network_for
from sequela.errors import CohortError
from sequela.prepare import Collation, fit_preparation, scale_targets
from sequela.study import gather
from sequela.study.material import bundled_study
from sequela.train import Adam, Progress, TrainSettings, loop, mean_loss, train
from sequela.train.hide import Unmeasured, with_some_hidden

Weights = dict[str, torch.Tensor]


class Course:
    """Training and tuning people of the small study, and a network with the first weights of seed 0."""

    def __init__(self, folder: Path) -> None:
        material = gather(sequela.read_study(write_study(folder)))
        cohort, facts = material.cohort, material.evidence.facts
        labels = material.labels
        training = np.flatnonzero(cohort.asked.person < 40)
        prepared, _ = fit_preparation(
            cohort.timeline,
            facts,
            cohort.sequences.take(training),
            {"sbp": labels[training].reshape(-1)},
            material.settings.prepare,
        )

        def collation(chosen: np.ndarray) -> Collation:
            targets = scale_targets(labels[chosen], prepared)
            return Collation(cohort.timeline, facts, prepared, cohort.sequences.take(chosen), targets)

        self.training = collation(training)
        self.tuning = collation(np.flatnonzero(cohort.asked.person >= 40))
        torch.manual_seed(0)
        self._network = network_for(bundled_study(material), prepared)

    @property
    def network(self) -> nn.Module:
        return copy.deepcopy(self._network)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


def settings(**given: float) -> TrainSettings:
    return TrainSettings(**{"epochs": 5, "batch_size": 8, "learning_rate": 0.01} | given)


def weights(network: nn.Module) -> Weights:
    return copy.deepcopy(network.state_dict())


def same(one: Weights, other: Weights) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_falls_where_there_is_something_to_learn(course: Course) -> None:
    network = course.network
    before = mean_loss(network, course.tuning, "squared")
    history = train(network, course.training, course.tuning, settings(epochs=30, patience=0), loss="squared")
    assert mean_loss(network, course.tuning, "squared") < 0.5 * before
    losses = [epoch.train_loss for epoch in history.epochs]
    assert losses[-1] < 0.5 * losses[0]
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 31))
    assert not network.training


def test_dropout_acts_in_every_epoch_and_where_nobody_learns_in_none(course: Course) -> None:
    network, seen = course.network, []
    network.encoder.between = nn.Dropout(0.5)
    train(
        network,
        course.training,
        course.tuning,
        settings(),
        loss="squared",
        watch=lambda _: seen.append(network.training),
    )
    assert len(seen) == 25
    assert all(seen)
    losses = {mean_loss(network.train(), course.tuning, "squared") for _ in range(3)}
    assert losses == {mean_loss(network.eval(), course.tuning, "squared")}


def test_patience_ends_training_and_restores_the_best_weights(course: Course) -> None:
    network, of_epoch = course.network, {}

    def watch(progress: Progress) -> None:
        of_epoch[progress.epoch] = weights(network)  # the last call of an epoch is after its last step

    given = settings(epochs=60, learning_rate=0.2, patience=3)
    history = train(network, course.training, course.tuning, given, loss="squared", watch=watch)
    tuning = [epoch.tuning_loss for epoch in history.epochs]
    assert history.stopped == "patience"
    assert history.best_epoch == 1 + tuning.index(min(tuning))
    assert len(tuning) == history.best_epoch + 3
    assert same(weights(network), of_epoch[history.best_epoch])
    assert not same(weights(network), of_epoch[len(tuning)])
    assert mean_loss(network, course.tuning, "squared") == pytest.approx(min(tuning))


def test_without_patience_all_epochs_run_and_the_last_weights_stay(course: Course) -> None:
    network = course.network
    given = settings(epochs=12, learning_rate=0.2, patience=0)
    history = train(network, course.training, course.tuning, given, loss="squared")
    assert (len(history.epochs), history.best_epoch, history.stopped) == (12, 12, "all epochs")
    assert mean_loss(network, course.tuning, "squared") == pytest.approx(history.epochs[-1].tuning_loss)


def test_without_tuning_people_the_last_weights_stay(course: Course) -> None:
    history = train(course.network, course.training, None, settings(patience=3), loss="squared")
    assert (len(history.epochs), history.best_epoch, history.stopped) == (5, 5, "all epochs")
    assert all(epoch.tuning_loss is None for epoch in history.epochs)


def interrupt(at_epoch: int, at_batch: int, network: nn.Module, seen: list[Weights]) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        seen.append(weights(network))
        if (progress.epoch, progress.batch) == (at_epoch, at_batch):
            raise KeyboardInterrupt

    return watch


def test_an_interruption_in_the_first_epoch_keeps_what_was_learned(course: Course) -> None:
    network, seen = course.network, []
    watch = interrupt(1, 3, network, seen)
    history = train(network, course.training, course.tuning, settings(), loss="squared", watch=watch)
    assert (history.stopped, history.best_epoch, history.epochs) == ("interrupted", 0, [])
    assert same(weights(network), seen[-1])
    assert not network.training


@pytest.mark.parametrize("patience", [10, 0])
def test_an_interruption_in_the_third_epoch_keeps_the_best_weights_so_far(course: Course, patience: int) -> None:
    network, seen = course.network, []
    watch = interrupt(3, 2, network, seen)
    history = train(network, course.training, course.tuning, settings(patience=patience), loss="squared", watch=watch)
    assert (history.stopped, len(history.epochs)) == ("interrupted", 2)
    assert history.best_epoch == 2
    assert same(weights(network), seen[2 * 5 - 1])  # five batches of eight people an epoch


@pytest.mark.parametrize(("batch_size", "batches"), [(8, 5), (16, 3)])
def test_progress_counts_batches_and_epochs(course: Course, batch_size: int, batches: int) -> None:
    seen: list[Progress] = []
    given = settings(epochs=2, batch_size=batch_size)
    train(course.network, course.training, course.tuning, given, loss="squared", watch=seen.append)
    assert [(each.epoch, each.batch) for each in seen] == [(e, b) for e in (1, 2) for b in range(1, batches + 1)]
    assert {(each.epochs, each.batches) for each in seen} == {(2, batches)}
    assert all(each.tuning_loss is None for each in seen[:batches])
    assert all(math.isfinite(each.tuning_loss) for each in seen[batches:])


def test_the_same_seed_takes_the_same_steps_and_another_does_not(course: Course) -> None:
    found = []
    for seed in (3, 3, 4):
        network = course.network
        train(network, course.training, course.tuning, settings(seed=seed), loss="squared")
        found.append(weights(network))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


@pytest.mark.parametrize("size", [1e25, float("nan"), float("inf")])
def test_a_loss_that_is_no_longer_finite_is_refused_with_the_remedy(course: Course, size: float) -> None:
    network = course.network
    with torch.no_grad():
        network.head.linear.weight.mul_(size)
    with pytest.raises(CohortError, match=r"diverged.*Lower learning_rate"):
        train(network, course.training, course.tuning, settings(), loss="squared")


def test_weights_that_the_last_step_broke_are_refused(course: Course) -> None:
    """The loss of a step is measured before the step: a network that breaks in the last one must not be kept."""
    network = course.network

    def watch(progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (5, 5):
            with torch.no_grad():
                network.head.linear.weight.fill_(torch.nan)

    for tuning in (course.tuning, None):
        with pytest.raises(CohortError, match="diverged"):
            train(network, course.training, tuning, settings(patience=0), loss="squared", watch=watch)
        network = course.network


LOSSES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "squared": lambda error: error**2,
    "absolute": lambda error: error.abs(),
    "huber": lambda error: torch.where(error.abs() < 1, 0.5 * error**2, error.abs() - 0.5),
}


def by_hand(
    course: Course, network: nn.Module, loss: str, weight_decay: float, longest: float = 5.0, hide: float = 0.0
) -> list[float]:
    """Train for two epochs with Adam as its formula has it; return how long the gradients of each step were.

    Source: Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1; weight decay is added to the gradient.
    """
    shuffle, chance = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    parameters = list(network.parameters())
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    lengths: list[float] = []
    network.train()
    for _ in range(2):
        for batch, _ in course.training.batches(8, shuffle):
            if hide:
                batch = with_some_hidden(batch, hide, chance, Unmeasured.of(course.training.columns))
            error = (network(batch) - batch.targets)[batch.target_known]
            gradients = list(torch.autograd.grad(LOSSES[loss](error).mean(), parameters))
            lengths.append(float(torch.sqrt(sum((g**2).sum() for g in gradients))))
            step = len(lengths)
            with torch.no_grad():
                for k, p in enumerate(parameters):
                    g = gradients[k] * min(1.0, longest / (lengths[-1] + 1e-6)) + weight_decay * p
                    first[k] = 0.9 * first[k] + 0.1 * g
                    second[k] = 0.999 * second[k] + 0.001 * g**2
                    mean, spread = first[k] / (1 - 0.9**step), second[k] / (1 - 0.999**step)
                    p -= 0.01 * mean / (spread.sqrt() + 1e-8)
    return lengths


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize(("weight_decay", "hide"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.3)])
def test_steps_are_those_of_adam_written_by_hand(course: Course, loss: str, weight_decay: float, hide: float) -> None:
    network, expected = course.network, course.network
    given = settings(epochs=2, weight_decay=weight_decay, hide=hide, patience=0, seed=5)
    train(network, course.training, None, given, loss=loss)
    assert len(by_hand(course, expected, loss, weight_decay, hide=hide)) == 10
    moved = 0.0
    for name, weight in expected.named_parameters():
        torch.testing.assert_close(network.state_dict()[name], weight.detach(), rtol=2e-4, atol=2e-5)
        moved = max(moved, float((weight.detach() - course.network.state_dict()[name]).abs().max()))
    assert moved > 0.03


def test_a_networks_penalty_moves_its_steps_and_is_no_part_of_the_losses_that_are_told(course: Course) -> None:
    """Half the sum of squares has the gradient of weight decay; no gradient here is long enough to be shortened."""
    penalised, decayed = course.network, course.network
    penalised.penalty = lambda: 0.05 * sum(weight.square().sum() for weight in penalised.parameters())
    given = {"epochs": 2, "patience": 0}
    told = train(penalised, course.training, None, settings(**given), loss="squared").epochs
    expected = train(decayed, course.training, None, settings(**given, weight_decay=0.1), loss="squared").epochs
    for name, weight in decayed.named_parameters():
        torch.testing.assert_close(penalised.state_dict()[name], weight.detach(), rtol=2e-4, atol=2e-5)
    assert [one.train_loss for one in told] == pytest.approx([other.train_loss for other in expected])


def test_long_gradients_are_shortened_to_five(course: Course) -> None:
    """Beside weight decay: Adam alone does not see how long gradients are."""
    network, shortened, as_they_are = course.network, course.network, course.network
    with torch.no_grad():
        for each in (network, shortened, as_they_are):
            each.head.linear.bias.add_(100)
    train(network, course.training, None, settings(epochs=2, weight_decay=0.5, patience=0, seed=5), loss="squared")
    assert min(by_hand(course, shortened, "squared", 0.5)) > 10
    by_hand(course, as_they_are, "squared", 0.5, math.inf)
    for name, weight in shortened.named_parameters():
        torch.testing.assert_close(network.state_dict()[name], weight.detach(), rtol=2e-4, atol=2e-5)
    apart = (
        float((weight - network.state_dict()[name]).abs().max()) for name, weight in as_they_are.state_dict().items()
    )
    assert max(apart) > 0.01


@pytest.mark.parametrize(
    ("epochs", "batch_size", "up", "steps"), [(8, 8, 6, 40), (5, 16, 2, 15), (3, 40, 1, 3), (1, 40, 1, 1)]
)
def test_one_cycle_rises_for_15_percent_of_the_steps_and_falls_to_nothing_along_a_cosine(
    course: Course, monkeypatch: pytest.MonkeyPatch, epochs: int, batch_size: int, up: int, steps: int
) -> None:
    rates: list[float] = []

    class Recording(Adam):
        def step(self) -> None:
            rates.append(self.learning_rate)
            super().step()

    monkeypatch.setattr(loop, "Adam", Recording)
    given = settings(epochs=epochs, batch_size=batch_size, schedule="one cycle")
    train(course.network, course.training, None, given, loss="squared")
    rising = [(k + 1) / up for k in range(up)]
    falling = [0.5 * (1 + math.cos(math.pi * k / (steps - up + 1))) for k in range(steps - up)]
    assert rates == pytest.approx([0.01 * share for share in rising + falling])


def mean_of(steps: list[Weights], window: float) -> Weights:
    """Each step's share in the mean, written out: 1/n of the n-th at first, one in `window` later."""
    found = {name: torch.zeros_like(weight) for name, weight in steps[0].items()}
    for number, step in enumerate(steps, start=1):
        share = 1 / min(number, window)
        found = {name: (1 - share) * weight + share * step[name] for name, weight in found.items()}
    return found


@pytest.mark.parametrize(("average", "window"), [(0.1, 1.0), (1.5, 7.5), (1000, 1000.0)])
def test_averaged_weights_are_the_mean_over_steps_and_change_no_step(
    course: Course, average: float, window: float
) -> None:
    plain, averaged, seen, unaveraged = course.network, course.network, [], []
    given = settings(epochs=4, patience=0)
    train(plain, course.training, None, given, loss="squared", watch=lambda _: unaveraged.append(weights(plain)))
    train(
        averaged,
        course.training,
        None,
        settings(epochs=4, patience=0, average=average),
        loss="squared",
        watch=lambda _: seen.append(weights(averaged)),
    )
    assert all(same(one, other) for one, other in zip(seen, unaveraged, strict=True))
    found = weights(averaged)
    for name, expected in mean_of(seen, window).items():
        torch.testing.assert_close(found[name], expected)
    assert same(found, seen[-1]) == (average == 0.1)


def test_patience_looks_at_averaged_weights(course: Course) -> None:
    network = course.network
    history = train(
        network, course.training, course.tuning, settings(epochs=20, learning_rate=0.2, average=2), loss="squared"
    )
    tuning = [epoch.tuning_loss for epoch in history.epochs]
    assert mean_loss(network, course.tuning, "squared") == pytest.approx(min(tuning))


def test_losses_that_are_told_are_means_over_predictions_however_they_fall_into_batches(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mean_loss(course.network, course.training, "squared")
    given = settings(epochs=1, batch_size=16, learning_rate=1e-12)
    (epoch,) = train(course.network, course.training, course.tuning, given, loss="squared").epochs
    assert epoch.train_loss == pytest.approx(whole, rel=1e-6)
    assert epoch.tuning_loss == pytest.approx(mean_loss(course.network, course.tuning, "squared"), rel=1e-6)
    monkeypatch.setattr(loop, "_EVALUATION_ROWS", 70)
    assert len(list(course.training.batches_of_rows(70))) > 2
    assert mean_loss(course.network, course.training, "squared") == pytest.approx(whole, rel=1e-6)


def test_hiding_measurements_changes_training_and_is_the_seeds_own(course: Course) -> None:
    found = []
    for hide in (0.0, 0.3, 0.3):
        network = course.network
        train(network, course.training, course.tuning, settings(epochs=2, hide=hide), loss="squared")
        found.append(weights(network))
    assert same(found[1], found[2])
    assert not same(found[0], found[1])
