from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier

from sequela.baselines import Examples, HybridModel, Stacked, WindowStatistics, fit_hybrid, people_folds
from sequela.baselines.boosting import FORECAST, RISK, Goal, always
from sequela.baselines.growing import MOST_TREES, binned
from sequela.baselines.hybrid import _BOOSTERS, Kind
from sequela.baselines.trees import MOST_TREES as MOST_TREES_READ
from sequela.errors import BundleError
from sequela.models import seed_of_member

Floats = NDArray[np.float64]
MEMBERS = 4


def statistics_of(matrix: Floats) -> WindowStatistics:
    nothing = np.zeros((len(matrix), 0))
    names = [str(n) for n in range(matrix.shape[1])]
    return WindowStatistics(matrix=matrix.astype(np.float32), names=names, last_target=nothing, mean_target=nothing)


def people(seed: int, count: int = 600) -> tuple[Floats, Floats, Floats]:
    """Return what only a network sees, window statistics, and the margin of the event."""
    random = np.random.default_rng(seed)
    hidden, matrix = random.normal(size=(count, 3)), random.normal(size=(count, 5))
    return hidden, matrix, 1.5 * hidden[:, 0] + np.where(matrix[:, 0] > 0, 1.0, -1.0)


def risk(seed: int) -> tuple[Floats, Examples]:
    hidden, matrix, margin = people(seed)
    labels = (np.random.default_rng(seed + 50).random(len(margin)) < 1 / (1 + np.exp(-margin))).astype(float)
    return hidden, Examples(statistics=statistics_of(matrix), labels=labels, person=np.arange(len(labels)) // 2)


def out_of_fold(hidden: Floats, examples: Examples) -> tuple[Floats, list[LogisticRegression]]:
    """Return logits as a study makes them: each member speaks of the fold that it was trained without."""
    fold = people_folds(examples.person, MEMBERS, seed=0)
    fits = [LogisticRegression().fit(hidden[fold != m], examples.labels[fold != m]) for m in range(MEMBERS)]
    said = np.zeros(len(fold))
    for m, member in enumerate(fits):
        said[fold == m] = member.decision_function(hidden[fold == m])
    return said, fits


def stacked(seed: int = 0) -> tuple[Stacked, Stacked, Stacked]:
    hidden, training = risk(seed)
    said, members = out_of_fold(hidden, training)

    def of(seed: int) -> Stacked:
        hidden, examples = risk(seed)
        return Stacked(examples=examples, outputs=np.mean([m.decision_function(hidden) for m in members], axis=0))

    return Stacked(examples=training, outputs=said), of(seed + 1), of(seed + 2)


def loss(model: HybridModel, new: Stacked) -> float:
    return float(log_loss(new.examples.labels, model.predict(new.examples.statistics, new.outputs)))


def test_a_hybrid_knows_more_than_the_network_and_the_statistics() -> None:
    training, tuning, new = stacked()
    model = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11).final
    network = float(log_loss(new.examples.labels, 1 / (1 + np.exp(-new.outputs))))
    silent = [Stacked(examples=part.examples, outputs=0 * part.outputs) for part in (training, tuning, new)]
    alone = fit_hybrid(silent[0], silent[1], kind="risk", seed=0, threads=1, min_people=11).final
    assert loss(model, new) < min(network, loss(alone, silent[2])) - 0.02


def test_what_misses_for_the_first_time_is_no_zero() -> None:
    parts = stacked()
    for part in parts:
        part.examples.statistics.matrix[:, 0] += 2  # five of six are on one side, and 0 on the other
        part.examples.labels[:] = part.examples.statistics.matrix[:, 0] > 1
    model = fit_hybrid(*parts[:2], kind="risk", seed=0, threads=1, min_people=11).final
    low, missing = (parts[2].examples.statistics.take(np.arange(20)) for _ in range(2))
    low.matrix[:, 0], missing.matrix[:, 0] = 0, np.nan
    assert model.predict(low, np.zeros(20)).max() < 0.2
    assert model.predict(missing, np.zeros(20)).min() > 0.8


@pytest.mark.parametrize(("kind", "rows"), [("risk", 30), ("risk", 100), ("forecast", 30), ("forecast", 40)])
def test_where_rows_are_too_few_for_a_branch_the_network_speaks_for_itself(kind: Kind, rows: int) -> None:
    training, tuning, new = stacked() if kind == "risk" else (forecasts(seed) for seed in range(3))
    few = Stacked(examples=training.examples.take(np.arange(rows)), outputs=training.outputs[:rows])
    for everyone in (None, few):
        fitted = fit_hybrid(few, tuning, kind=kind, seed=0, threads=1, min_people=11, everyone=everyone)
        for model in (fitted.first, fitted.final):
            predicted = model.predict(new.examples.statistics, new.outputs)
            assert predicted == pytest.approx(expit(new.outputs) if kind == "risk" else new.outputs)


def test_a_persons_own_label_moves_nothing_that_the_network_says_of_that_person() -> None:
    hidden, examples = risk(0)
    said, _ = out_of_fold(hidden, examples)
    mine = examples.person == 7
    changed = Examples(
        statistics=examples.statistics,
        labels=np.where(mine, 1 - examples.labels, examples.labels),
        person=examples.person,
    )
    again, _ = out_of_fold(hidden, changed)
    assert said[mine].tobytes() == again[mine].tobytes()
    assert (said[~mine] != again[~mine]).any()


def test_outputs_that_know_the_training_labels_would_ruin_a_hybrid() -> None:
    training, tuning, new = stacked()
    hidden, examples = risk(0)
    memory = KNeighborsClassifier(1).fit(hidden, examples.labels)

    def remembered(seed: int) -> Floats:
        return 8.0 * memory.predict(risk(seed)[0]) - 4.0

    leaky = [Stacked(examples=part.examples, outputs=remembered(s)) for s, part in enumerate((training, tuning, new))]
    model = fit_hybrid(leaky[0], leaky[1], kind="risk", seed=0, threads=1, min_people=11).final
    honest = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11).final
    assert loss(model, leaky[2]) > loss(honest, new) + 0.1


def forecasts(seed: int) -> Stacked:
    hidden, matrix, margin = people(seed)
    value = margin + np.random.default_rng(seed + 50).normal(0, 0.4, size=len(margin))
    labels = np.stack([value, 2 * value + 100], axis=1)[:, :, None]
    labels[::7, 1] = np.nan
    fold = people_folds(np.arange(len(labels)), 2, seed=0)
    said = np.zeros_like(labels)
    for m in range(2):
        train = (fold != m)[:, None] & ~np.isnan(labels[:, :, 0])
        for h in range(2):
            fitted = Ridge().fit(hidden[train[:, h]], labels[train[:, h], h, 0])
            said[fold == m, h, 0] = fitted.predict(hidden[fold == m])
    examples = Examples(statistics=statistics_of(matrix), labels=labels, person=np.arange(len(labels)))
    return Stacked(examples=examples, outputs=said)


def test_forecasts_are_corrected_at_each_horizon_in_their_own_units() -> None:
    training, tuning, new = (forecasts(seed) for seed in range(3))
    model = fit_hybrid(training, tuning, kind="forecast", seed=0, threads=1, min_people=11).final
    predicted = model.predict(new.examples.statistics, new.outputs)
    assert predicted.shape == (600, 2, 1)

    def error(said: Floats) -> Floats:
        return np.sqrt(np.nanmean((said - new.examples.labels) ** 2, axis=(0, 2)))

    assert (error(predicted) < 0.5 * error(new.outputs)).all()


@pytest.mark.parametrize("kind", ["risk", "forecast"])
def test_text_gives_the_same_model_and_each_row_its_own_bits(kind: str) -> None:
    training, tuning, new = stacked() if kind == "risk" else (forecasts(seed) for seed in range(3))
    model, twin = (fit_hybrid(training, tuning, kind=kind, seed=0, threads=n, min_people=11).final for n in (1, 2))  # type: ignore[arg-type]
    text = model.to_text()
    again = HybridModel.from_text(text, kind=kind, statistics=5, shape=model.shape)  # type: ignore[arg-type]
    whole = model.predict(new.examples.statistics, new.outputs)
    assert again.predict(new.examples.statistics, new.outputs).tobytes() == whole.tobytes()
    assert again.to_text() == text == twin.to_text()
    for r in (0, 5, 599):
        one = again.predict(new.examples.statistics.take(np.array([r])), new.outputs[[r]])
        assert one.tobytes() == whole[r].tobytes()
    assert again.predict(new.examples.statistics.take(np.arange(0)), new.outputs[:0]).shape == (0, *model.shape)


def first_horizon(part: Stacked) -> Stacked:
    """Return forecasts of one output, with a label in every row."""
    examples = part.examples
    alone = Examples(statistics=examples.statistics, labels=examples.labels[:, :1], person=examples.person)
    return Stacked(examples=alone, outputs=part.outputs[:, :1])


def start_of(part: Stacked, taught: Stacked) -> Floats:
    """Return where boosting starts: a risk from the share of events, a forecast from the line through the outputs."""
    labels = taught.examples.labels
    if labels.ndim == 1:
        return np.full(len(part.outputs), logit(labels.mean()))
    slope, intercept = np.polyfit(taught.outputs.ravel(), labels.ravel(), 1)
    return np.asarray(intercept + slope * part.outputs.ravel())


def boosted_by_hand(taught: Stacked, goal: Goal, seed: int, trees: int | Stacked) -> lightgbm.Booster:
    """Return one booster; `trees` is their number, or the people who stop it."""
    apart = {"min_data_in_bin": 11, "objective": goal.objective, "boost_from_average": False}
    settings = always(seed, 1) | goal.usual | apart

    def data(part: Stacked) -> tuple[Floats, Floats]:
        return table_of(part), part.examples.labels.ravel()

    learnt = binned(*data(taught), settings, start_of(taught, taught))
    if isinstance(trees, int):
        return lightgbm.train(settings, learnt, num_boost_round=trees)
    stop = lightgbm.early_stopping(goal.trees_without_gain, verbose=False)
    judges = learnt.create_valid(*data(trees), init_score=start_of(trees, taught))
    return lightgbm.train(settings, learnt, 3000, valid_sets=[judges], callbacks=[stop])


def table_of(part: Stacked) -> Floats:
    said = part.outputs.reshape(len(part.outputs), -1)
    return np.column_stack([part.examples.statistics.matrix, said.astype(np.float32)])


@pytest.mark.parametrize(("kind", "goal"), [("risk", RISK), ("forecast", FORECAST)])
def test_it_is_boosted_as_the_baseline_of_its_kind_and_again_by_all_with_each_boosters_own_number_of_trees(
    kind: Kind, goal: Goal
) -> None:
    training, tuning, new = stacked() if kind == "risk" else (first_horizon(forecasts(seed)) for seed in range(3))
    examples = training.examples.and_of(tuning.examples)
    again = np.random.default_rng(5).normal(size=examples.labels.shape)
    both = Stacked(examples=examples, outputs=again)  # other networks said these
    fitted = fit_hybrid(training, tuning, kind=kind, seed=3, threads=1, min_people=1, everyone=both)
    seeds = [seed_of_member(3, n) for n in range(5)]
    stopped = [boosted_by_hand(training, goal, seed, tuning) for seed in seeds]
    grown_again = [
        boosted_by_hand(both, goal, seed, each.best_iteration) for seed, each in zip(seeds, stopped, strict=True)
    ]
    assert len({each.best_iteration for each in stopped}) > 1
    for model, boosters, taught in ((fitted.first, stopped, training), (fitted.final, grown_again, both)):
        grown = np.mean([each.predict(table_of(new), raw_score=True) for each in boosters], axis=0)
        expected = start_of(new, taught) + grown
        expected = expit(expected) if kind == "risk" else expected
        predicted = model.predict(new.examples.statistics, new.outputs).ravel()
        assert predicted == pytest.approx(expected, rel=1e-9)


def test_without_networks_that_tuning_people_taught_nothing_is_boosted_again() -> None:
    training, tuning, _ = stacked()
    fitted = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11)
    assert fitted.first.to_text() == fitted.final.to_text()


def test_without_a_label_of_tuning_people_the_network_speaks_for_itself() -> None:
    training, tuning, new = stacked()
    tuning.examples.labels[:] = np.nan
    fitted = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11)
    for model in (fitted.first, fitted.final):
        said = model.predict(new.examples.statistics, new.outputs)
        assert said == pytest.approx(1 / (1 + np.exp(-new.outputs)))


def test_text_of_another_study_is_refused() -> None:
    training, tuning, _ = stacked()
    text = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11).final.to_text()
    for kind, statistics, shape in (("forecast", 5, (1, 1)), ("risk", 6, ()), ("risk", 5, (2, 1))):
        with pytest.raises(BundleError):
            HybridModel.from_text(text, kind=kind, statistics=statistics, shape=shape)  # type: ignore[arg-type]


def test_where_nothing_can_be_learned_the_network_speaks_for_itself() -> None:
    training, tuning, new = stacked()
    training.examples.labels[:] = 0
    model = fit_hybrid(training, tuning, kind="risk", seed=0, threads=1, min_people=11).final
    expected = 1 / (1 + np.exp(-new.outputs))
    assert model.predict(new.examples.statistics, new.outputs) == pytest.approx(expected)
    again = HybridModel.from_text(model.to_text(), kind="risk", statistics=5, shape=())
    assert again.predict(new.examples.statistics, new.outputs) == pytest.approx(expected)


def test_outputs_and_labels_must_have_the_same_shape() -> None:
    _, examples = risk(0)
    with pytest.raises(ValueError, match="shape"):
        Stacked(examples=examples, outputs=np.zeros((3, 1, 1)))


def test_a_hybrid_keeps_no_threshold_between_the_values_of_one_person() -> None:
    def part(seed: int) -> Stacked:
        random = np.random.default_rng(seed)
        person = np.r_[np.repeat(np.arange(59), 6), np.full(300, 59)]
        value = np.r_[random.uniform(100, 160, 354), random.uniform(300, 400, 300)]
        label = value + 10 * np.sin(value / 5) + random.normal(size=len(value))
        examples = Examples(statistics=statistics_of(value[:, None]), labels=label[:, None, None], person=person)
        return Stacked(examples=examples, outputs=(label + random.normal(0, 8, len(label)))[:, None, None])

    model = fit_hybrid(part(0), part(1), kind="forecast", seed=0, threads=1, min_people=11).final
    trees = model.parts[0].trees
    thresholds = np.concatenate([tree.threshold[tree.feature == 0] for tree in trees])
    assert (thresholds < 160).any()
    assert not ((thresholds > 300) & (thresholds < 1e300)).any()


def test_what_boosters_may_grow_can_be_read_again() -> None:
    assert _BOOSTERS * MOST_TREES <= MOST_TREES_READ


def test_what_trees_learned_of_few_people_is_not_said_of_everybody() -> None:
    def part(seed: int) -> Stacked:
        random = np.random.default_rng(seed)
        person = np.r_[np.repeat(np.arange(6), 60), np.arange(6, 606)]
        few = person < 6
        labels = (random.random(len(person)) < np.where(few, 0.95, 0.2)).astype(float)
        examples = Examples(statistics=statistics_of(np.where(few, -1.0, 1.0)[:, None]), labels=labels, person=person)
        return Stacked(examples=examples, outputs=random.normal(size=len(person)))

    new = part(2)
    model = fit_hybrid(part(0), part(1), kind="risk", seed=0, threads=1, min_people=11).final
    assert model.predict(new.examples.statistics, new.outputs) == pytest.approx(0.2, abs=0.1)
