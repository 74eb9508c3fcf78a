import numpy as np
import pytest

from sequela.evaluate import Resamples, bootstrap_metric, paired_difference, person_weights


def losses(seed=1, people=80, gain=0.1):
    """Two models whose errors share what is hard about each person; the second misses by `gain` more."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 12, people))
    hard = rng.gamma(2.0, 3.0, people)[person]
    return hard + rng.normal(0, 0.1, len(person)), hard + gain + rng.normal(0, 0.1, len(person)), person


def unpaired_width(ours, theirs, person):
    """Width of the interval when both models are drawn with other people: what must not happen."""
    size = person.max() + 1
    means = []
    for seed, values in ((1, ours), (2, theirs)):
        counts = np.concatenate(list(Resamples(person, 500, seed).draws()))
        above, below = np.bincount(person, values, size), np.bincount(person, minlength=size)
        means.append(counts @ above / (counts @ below))
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return high - low


def test_pairing_finds_a_small_gain_that_unpaired_resamples_would_hide():
    ours, theirs, person = losses()
    found = paired_difference(ours, theirs, person, resamples=Resamples(person))
    assert found.outcome == "better"
    assert found.difference == pytest.approx(ours.mean() - theirs.mean(), rel=1e-9)
    assert found.high - found.low < 0.1 * unpaired_width(ours, theirs, person)


def test_the_difference_is_model_minus_against_and_turns_with_them():
    ours, theirs, person = losses()
    one = paired_difference(ours, theirs, person, resamples=Resamples(person))
    two = paired_difference(theirs, ours, person, resamples=Resamples(person))
    assert one.difference < 0 < two.difference
    assert (one.outcome, two.outcome) == ("better", "worse")
    assert [two.difference, two.low, two.high] == pytest.approx([-one.difference, -one.high, -one.low])


def test_where_more_is_better_the_outcome_turns():
    ours, theirs, person = losses()
    found = paired_difference(ours, theirs, person, resamples=Resamples(person), lower_is_better=False)
    assert found.outcome == "worse"


def test_a_model_is_not_different_from_itself():
    ours, _, person = losses()
    found = paired_difference(ours, ours, person, resamples=Resamples(person), root=True)
    assert (found.difference, found.low, found.high, found.outcome) == (0.0, 0.0, 0.0, "no_difference")


def test_roots_are_taken_before_the_difference():
    found = paired_difference([9.0] * 12, [25.0] * 12, range(12), resamples=Resamples(range(12), 50), root=True)
    assert (found.difference, found.low, found.high) == (-2.0, -2.0, -2.0)


def test_too_few_people_decide_nothing():
    found = paired_difference([1.0] * 9, [5.0] * 9, range(9), resamples=Resamples(range(9)))
    assert (found.difference, found.low, found.outcome) == (-4.0, None, "no_difference")
    assert found.reason == "fewer than 10 held-out people: no interval"


def test_a_tie_is_found_in_about_nineteen_of_twenty_cohorts():
    outcomes = []
    for seed in range(150):
        ours, theirs, person = losses(seed, people=60, gain=0.0)
        outcomes.append(paired_difference(ours, theirs, person, resamples=Resamples(person, 200, seed)).outcome)
    assert 0.87 <= outcomes.count("no_difference") / 150 <= 1.0


def test_a_weighted_difference_is_that_of_the_weighted_means_in_every_resample():
    ours, theirs, person = losses(people=30)
    weight, draws = person_weights(person), Resamples(range(40), 60)
    found = paired_difference(ours, theirs, person, resamples=draws, weight=weight)
    alone = bootstrap_metric(lambda w: float(np.average(ours - theirs, weights=w * weight)), person, resamples=draws)
    assert [found.difference, found.low, found.high] == pytest.approx([alone.value, alone.low, alone.high])
    few = person < 9
    found = paired_difference(ours[few], theirs[few], person[few], resamples=draws)
    assert found.reason == "fewer than 10 held-out people: no interval"
    with pytest.raises(ValueError, match="weight must be at least 0"):
        paired_difference(ours, theirs, person, resamples=draws, weight=-weight)


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="against must be finite"):
        paired_difference([1.0, 1.0], [1.0, np.inf], [1, 2], resamples=Resamples([1, 2]))
