import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error

from sequela import evaluate
from sequela.evaluate.forecast import forecast_errors

GOLDEN = [
    (evaluate.rmse, root_mean_squared_error),
    (evaluate.mae, mean_absolute_error),
    (evaluate.mse, mean_squared_error),
]


@pytest.mark.parametrize(("ours", "theirs"), GOLDEN)
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_equal_scikit_learn(ours, theirs, weighted):
    rng = np.random.default_rng(1)
    target, predicted = rng.normal(130, 20, 500), rng.normal(130, 15, 500)
    weight = rng.uniform(0, 3, 500) if weighted else None
    assert ours(target, predicted, weight) == pytest.approx(theirs(target, predicted, sample_weight=weight), rel=1e-12)


@pytest.mark.parametrize("metric", [evaluate.rmse, evaluate.mae, evaluate.mse])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_no_number_is_refused(metric, bad):
    with pytest.raises(ValueError, match="predicted must be finite, got 1 of 2"):
        metric([1.0, 2.0], [1.0, bad])
    with pytest.raises(ValueError, match="target must be finite"):
        metric([1.0, bad], [1.0, 2.0])


def test_what_a_mask_hides_is_missing():
    hidden = np.ma.array([1, 200], mask=[False, True])
    with pytest.raises(ValueError, match="target must be finite, got 1 of 2 missing"):
        evaluate.rmse(hidden, [1.0, 2.0])
    assert evaluate.rmse(np.ma.array([1, 2]), [1.0, 2.0]) == 0.0


def test_ids_of_two_kinds_are_refused_where_they_would_be_one_person():
    with pytest.raises(ValueError, match="not both"):
        evaluate.person_weights(np.array([1, "1"], dtype=object))
    assert evaluate.person_weights(np.array([np.int64(7), 7, 8], dtype=object)).tolist() == [0.5, 0.5, 1.0]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="target 2, predicted 1"):
        evaluate.rmse([1, 2], [1])
    with pytest.raises(ValueError, match="at least one prediction"):
        evaluate.rmse([], [])
    with pytest.raises(ValueError, match="one axis"):
        evaluate.rmse([[1.0]], [[1.0]])
    for weight in ([-1, 2], [0, 0]):
        with pytest.raises(ValueError, match="weight must be at least 0"):
            evaluate.rmse([1, 2], [1, 2], weight)


def test_a_person_weighs_the_same_with_many_predictions_as_with_one():
    person = ["many"] * 99 + ["one"]
    error = np.array([1.0] * 99 + [3.0])
    assert evaluate.mse(np.zeros(100), error, evaluate.person_weights(person)) == pytest.approx(5.0)
    assert evaluate.mae(np.zeros(100), error, evaluate.person_weights(person)) == pytest.approx(2.0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_the_weights_of_a_person_sum_to_one(person):
    weights = evaluate.person_weights(person)
    for each in set(person):
        assert weights[np.array(person) == each].sum() == pytest.approx(1.0)


def test_an_error_is_predicted_minus_observed():
    assert forecast_errors([120, 130], [123, 126]).tolist() == [3, -4]


def test_an_id_that_is_missing_is_refused():
    with pytest.raises(ValueError, match="person must hold"):
        evaluate.person_weights(np.array(["a", None], dtype=object))
    with pytest.raises(ValueError, match="person must hold"):
        evaluate.person_weights([1.0, np.nan])
