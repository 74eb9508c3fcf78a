import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.evaluate import conformal_half_width, coverage, fewest_people, width


def people_of(rng, n):
    """People who visit often miss little, people who come once miss much: unequal rows that tell something."""
    rows = rng.choice([1, 2, 40], n, p=[0.4, 0.4, 0.2])
    scale = np.where(rows > 2, 0.3, 2.0) * rng.lognormal(0, 0.5, n)
    person = np.repeat(np.arange(n), rows)
    return person, rng.normal(0, 1, len(person)) * scale[person] + (rng.normal(0, 1, n) * scale)[person]


def share_covered(half_width, level, n, rounds, seed=0):
    """How often a random prediction of a new person lies within the half-width found on n others."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(rounds):
        person, residual = people_of(rng, n + 1)
        new = person == n
        hits += abs(rng.choice(residual[new])) <= half_width(residual[~new], person[~new], level)
    return hits / rounds


def by_people(residual, person, level):
    return conformal_half_width(residual, person, level).value


@pytest.mark.parametrize(("level", "n"), [(0.9, 20), (0.9, 9), (0.8, 40), (0.5, 15)])
def test_a_random_prediction_of_a_new_person_is_covered(level, n):
    share, rounds = share_covered(by_people, level, n, 2000), 2000
    slack = 3 * np.sqrt(level * (1 - level) / rounds)
    assert level - slack <= share <= level + 2 / (n + 1) + slack


def test_weighing_predictions_equally_would_not_cover_new_people():
    def by_predictions(residual, person, level):
        return np.quantile(np.abs(residual), level, method="inverted_cdf")

    assert share_covered(by_predictions, 0.9, 20, 1000) < 0.8


def test_without_mass_at_infinity_small_groups_would_not_be_covered():
    def too_narrow(residual, person, level):
        n = len(np.unique(person))
        return conformal_half_width(residual, person, level * n / (n + 1)).value

    assert share_covered(too_narrow, 0.9, 9, 3000) < 0.9 - 3 * np.sqrt(0.09 / 3000)


@pytest.mark.slow
def test_coverage_within_the_binomial_error_of_20000_cohorts():
    share = share_covered(by_people, 0.9, 30, 20_000)
    assert 0.9 - 0.0064 <= share <= 0.9 + 2 / 31 + 0.0064


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_one_row_a_person_is_the_classical_order_statistic(residual, level):
    n = len(residual)
    found = conformal_half_width(residual, range(n), level)
    rank = int(np.ceil(level * (n + 1) - 1e-9))
    if rank > n:
        assert found.value is None
        assert f"at least {fewest_people(level)}" in found.reason
    else:
        assert found.value == np.sort(np.abs(residual))[rank - 1]


def test_the_fewest_people_are_the_first_whose_ranks_reach_the_level():
    for hundredths in range(1, 100):
        first = next(n for n in range(1, 100) if 100 * n >= hundredths * (n + 1))
        assert fewest_people(hundredths / 100) == first


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(-50, 50)), min_size=1, max_size=80), st.randoms())
def test_the_half_width_is_the_smallest_that_holds_the_mass_in_any_order(rows, random):
    person, residual = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = conformal_half_width(residual, person, 0.7)
    random.shuffle(rows)
    assert conformal_half_width([r[1] for r in rows], [r[0] for r in rows], 0.7) == found
    people = np.unique(person)
    assert found.people == len(people)
    if found.value is None:
        return

    def mass(holds):
        return sum(np.mean(holds[person == each]) for each in people) / (len(people) + 1)

    assert mass(np.abs(residual) <= found.value) >= 0.7 - 1e-9
    assert mass(np.abs(residual) < found.value) < 0.7


def test_among_many_people_the_rank_is_exact_and_no_sum_of_sevenths_moves_it():
    assert conformal_half_width(range(1, 1001), range(1000), 0.9).value == 901
    assert conformal_half_width(np.repeat(range(1, 10), 7), np.repeat(range(9), 7), 0.5).value == 5
    assert conformal_half_width(np.repeat(range(1, 10), 7), np.repeat(range(9), 7), 0.9).value == 9


def test_repeating_a_person_s_rows_changes_nothing():
    person, residual = people_of(np.random.default_rng(5), 25)
    again = np.concatenate([residual, np.tile(residual[person == 3], 7)])
    longer = np.concatenate([person, np.tile(person[person == 3], 7)])
    assert conformal_half_width(again, longer).value == conformal_half_width(residual, person).value


def test_too_few_people_are_told_how_many_are_needed():
    found = conformal_half_width(np.ones(80), np.arange(80) % 8, 0.9)
    assert found.value is None
    assert "at least 9 tuning people" in found.reason
    assert conformal_half_width([], np.array([], dtype=int), 0.9).value is None
    assert conformal_half_width(np.ones(9), range(9), 0.9).value == 1.0


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 90.0])
def test_a_level_that_cannot_be_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        conformal_half_width([1.0], [1], level)


def test_coverage_counts_the_bounds_and_width_is_their_distance():
    assert coverage([1, 2, 3, 4], [1, 0, 0, 0], [9, 2, 2.9, 9]) == 0.75
    assert coverage([1, 2], [1, 1], [1, 1]) == 0.5
    assert coverage([1, 9], [0, 0], [2, 2], weight=[3, 1]) == 0.75
    assert width([0, 0], [2, 6], weight=[3, 1]) == 3.0
    for crossed in (lambda: coverage([1.0], [2.0], [1.0]), lambda: width([2.0], [1.0])):
        with pytest.raises(ValueError, match="upper must be at least lower"):
            crossed()
    with pytest.raises(ValueError, match="lower must be finite"):
        coverage([1.0], [np.nan], [1.0])
