import tracemalloc

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from sequela.evaluate import Resamples, bootstrap_interval, bootstrap_metric, person_weights
from sequela.evaluate.bootstrap import estimate, resampled_means


def cohort(seed, people=60, spread=1.0):
    """Errors of people who differ (spread) and have unequal numbers of rows; E[error ** 2] = spread ** 2 + 1."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 30, people))
    return person, rng.normal(0, spread, people)[person] + rng.normal(0, 1, len(person))


def share_covered(cohorts, people, by_person=True):
    hits = 0
    for seed in range(cohorts):
        person, error = cohort(seed, people)
        drawn = person if by_person else np.arange(len(person))
        found = bootstrap_interval(error**2, drawn, resamples=Resamples(drawn, 200, seed), root=True)
        hits += found.low <= np.sqrt(2.0) <= found.high
    return hits / cohorts


def test_intervals_hold_the_truth_of_clustered_cohorts():
    assert 0.86 <= share_covered(120, 60) <= 1.0  # 0.95, less what percentile intervals miss with 60 people, +- 3 sd


def test_drawing_rows_instead_of_people_would_not():
    assert share_covered(60, 60, by_person=False) < 0.75


@pytest.mark.slow
def test_intervals_hold_the_truth_of_400_cohorts():
    assert 0.915 <= share_covered(400, 200) <= 0.985  # binomial error of 400: 3 sd = 0.033


def test_one_row_a_person_equals_scipy():
    rng = np.random.default_rng(3)
    values = rng.exponential(2.0, 80)
    ours = bootstrap_interval(values, np.arange(80), resamples=Resamples(np.arange(80), 20_000, seed=4))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean(), rel=1e-12)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_sums_by_person_give_what_drawing_rows_of_people_gives():
    person, error = cohort(7, people=15)
    weight = np.random.default_rng(8).uniform(0.5, 2, len(person))
    resamples = Resamples(person, 60, seed=9)
    fast = bootstrap_interval(error**2, person, resamples=resamples, weight=weight)
    rows = [np.flatnonzero(person == each) for each in range(15)]
    slow = []
    for counts in np.concatenate(list(resamples.draws())).astype(int):
        chosen = np.concatenate([np.tile(rows[each], times) for each, times in enumerate(counts)])
        slow.append(np.average(error[chosen] ** 2, weights=weight[chosen]))
    assert [fast.low, fast.high] == pytest.approx(np.quantile(slow, [0.025, 0.975]), rel=1e-12)
    general = bootstrap_metric(lambda w: float(np.average(error**2, weights=weight * w)), person, resamples=resamples)
    assert [general.value, general.low, general.high] == pytest.approx([fast.value, fast.low, fast.high], rel=1e-12)


def test_ids_of_text_are_the_same_people_however_they_are_held():
    resamples = Resamples(np.array(["b", "a"], dtype=object))
    assert (
        resamples.index(["a", "b"]).tolist() == resamples.index(np.array(["a", "b"], dtype=object)).tolist() == [0, 1]
    )


def test_every_resample_draws_as_many_people_as_there_are():
    draws = np.concatenate(list(Resamples(range(30), 400, seed=1).draws()))
    assert draws.shape == (400, 30)
    assert (draws.sum(axis=1) == 30).all()
    assert draws.mean(axis=0) == pytest.approx(np.ones(30), abs=0.2)  # 4 sd
    assert draws.var() == pytest.approx(1 - 1 / 30, rel=0.1)


def test_the_size_of_chunks_changes_no_draw(monkeypatch):
    whole = np.concatenate(list(Resamples(range(37), 50, seed=1).draws()))
    monkeypatch.setattr("sequela.evaluate.bootstrap._CELLS_A_CHUNK", 111)
    assert (np.concatenate(list(Resamples(range(37), 50, seed=1).draws())) == whole).all()


def test_same_seed_same_interval_other_seed_another():
    person, error = cohort(1)
    first, again, other = (bootstrap_interval(error, person, resamples=Resamples(person, 99, s)) for s in (1, 1, 2))
    assert first == again
    assert first.low != other.low


def test_the_order_of_rows_and_people_changes_nothing():
    person, error = cohort(2)
    mixed = np.random.default_rng(0).permutation(len(person))
    one = bootstrap_interval(error**2, person, resamples=Resamples(person, 99))
    two = bootstrap_interval(error[mixed] ** 2, person[mixed], resamples=Resamples(person[mixed], 99))
    assert [one.value, one.low, one.high] == pytest.approx([two.value, two.low, two.high], rel=1e-12)


def test_fewer_than_ten_people_give_no_interval_but_the_value():
    found = bootstrap_interval(np.ones(90), np.arange(90) % 9, resamples=Resamples(range(9)))
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert found.reason == "fewer than 10 held-out people: no interval"
    assert bootstrap_interval(np.ones(10), range(10), resamples=Resamples(range(10))).low == 1.0


def test_only_people_with_a_row_count_towards_the_ten():
    resamples = Resamples(range(500))
    found = bootstrap_interval(np.ones(9), range(9), resamples=resamples)
    assert found.reason == "fewer than 10 held-out people: no interval"
    found = bootstrap_metric(lambda weight: float(weight.sum()), np.arange(90) % 9, resamples=Resamples(range(40), 20))
    assert (found.value, found.reason) == (90.0, "fewer than 10 held-out people: no interval")
    for nobody in (
        bootstrap_interval([], [], resamples=resamples),
        bootstrap_metric(lambda weight: float(weight.mean()), [], resamples=resamples),
    ):
        assert nobody.value is None
        assert nobody.reason == "no held-out prediction has an observed target here"


def test_a_resample_that_draws_nobody_of_these_asks_no_metric():
    found = bootstrap_metric(
        lambda weight: roc_auc_score([0, 1], [0.1, 0.2], sample_weight=weight), [3, 3], resamples=Resamples(range(9))
    )
    assert found.value == 1.0
    assert np.isnan(resampled_means(np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]]), Resamples([1, 2], 50))).any()


def test_no_resamples_are_said_to_be_none():
    found = bootstrap_interval(np.ones(20), range(20), resamples=Resamples(range(20), 0))
    assert (found.value, found.low, found.reason) == (1.0, None, "no resamples were asked for: no interval")


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="values must be finite"):
        bootstrap_interval([1.0, np.nan], [1, 2], resamples=Resamples([1, 2]))
    with pytest.raises(ValueError, match="other people: 1 rows"):
        bootstrap_interval([1.0, 1.0], [1, 3], resamples=Resamples([1, 2]))
    with pytest.raises(ValueError, match="text here and numbers there"):
        bootstrap_interval([1.0], ["a"], resamples=Resamples([1, 2]))
    with pytest.raises(ValueError, match="at least one held-out person"):
        Resamples([])
    with pytest.raises(ValueError, match="weight must be at least 0"):
        bootstrap_interval([1.0, 1.0], [1, 2], resamples=Resamples([1, 2]), weight=[2, -1])
    with pytest.raises(ValueError, match="count"):
        Resamples([1], -1)


def test_a_discrimination_goes_through_the_general_path():
    rng = np.random.default_rng(11)
    event = rng.random(80) < 0.4
    score = event + rng.normal(0, 1, 80)
    person = np.arange(80)
    found = bootstrap_metric(
        lambda weight: float(roc_auc_score(event, score, sample_weight=weight)), person, resamples=Resamples(person, 99)
    )
    assert found.value == pytest.approx(roc_auc_score(event, score))
    assert found.low < found.value < found.high


def test_a_metric_that_most_resamples_do_not_define_has_no_interval():
    found = bootstrap_metric(lambda w: 1.0 if w[0] > 0 else None, range(20), resamples=Resamples(range(20), 200))
    assert found.value == 1.0
    assert found.low is None
    assert "5 %" in found.reason
    never = bootstrap_metric(lambda w: float("nan"), range(20), resamples=Resamples(range(20), 20))
    assert never.value is None
    assert never.reason == "not defined on these people"


@pytest.mark.parametrize(("undefined", "has_interval"), [(5, True), (6, False)])
def test_one_resample_in_twenty_may_be_undefined(undefined, has_interval):
    drawn = np.r_[np.full(undefined, np.nan), np.arange(100 - undefined)]
    assert (estimate(1.0, drawn, people=10).low is not None) == has_interval


def test_people_may_weigh_the_same():
    person, error = cohort(4)
    found = bootstrap_interval(error**2, person, resamples=Resamples(person, 99), weight=person_weights(person))
    assert found.value == pytest.approx(np.mean([(error[person == each] ** 2).mean() for each in range(60)]))
    small = bootstrap_interval(error**2, person, resamples=Resamples(person, 99), weight=person_weights(person) / 2**10)
    assert small == found


def test_a_hundred_thousand_people_fit_in_100_mb():
    people = np.arange(100_000)
    resamples = Resamples(people, 25)  # memory does not grow with the number of resamples: they come in chunks
    values = np.random.default_rng(0).random(100_000)
    tracemalloc.start()
    bootstrap_interval(values, people, resamples=resamples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
