from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preparing import HOUR, Course
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from sequela.cohort import one_each, one_pass
from sequela.errors import CohortError
from sequela.prepare import PrepareSettings, fit, fit_preparation, scaling
from sequela.prepare.state import CategoryState, NumberState, StaticCategoryState, StaticNumberState
from sequela.prepare.transforms import YeoJohnson

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}


@pytest.mark.parametrize("scale", list(SCALERS))
@given(values=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30), unit=st.sampled_from([1.0, 1e-9, 1e6]))
def test_scaling_is_that_of_scikit_learn_in_any_unit(scale: str, values: list[int], unit: float) -> None:
    array = np.array(values, dtype=np.float64) * unit
    center, spread = scaling(array, scale)  # type: ignore[arg-type]
    expected = SCALERS[scale]().fit_transform(array[:, None])[:, 0]
    low, high = np.quantile(array, [0.25, 0.75])
    if len(set(values)) > 1 and spread != 1.0 and (scale != "robust" or high > low):
        assert np.allclose((array - center) / spread, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -3e-12])
def test_a_value_that_never_changes_is_not_stretched(scale: str, value: float) -> None:
    center, spread = scaling(np.full(7, np.float32(value), dtype=np.float64), scale)  # type: ignore[arg-type]
    assert spread == 1.0
    assert abs(value - center) <= 1e-6 * abs(value)


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
def test_the_last_bit_of_a_measured_value_is_no_spread(scale: str) -> None:
    value = np.float32(98.6)
    values = np.repeat([value, np.nextafter(value, np.float32(99))], 50).astype(np.float64)
    assert scaling(values, scale)[1] == 1.0  # type: ignore[arg-type]


def test_small_units_are_scaled_too() -> None:
    assert scaling(np.array([1e-9, 3e-9]), "standard") == pytest.approx((2e-9, 1e-9), rel=1e-9, abs=0)


def test_a_typing_error_does_not_undo_the_robust_scale() -> None:
    values = np.arange(100.0)
    values[3] = 1e12
    center, spread = scaling(values, "robust")
    assert (center, spread) == pytest.approx((50.5, 49.5), rel=0.02)


def test_numbers_that_are_mostly_equal_have_the_standard_deviation_as_robust_scale() -> None:
    values = np.array([0.0] * 8 + [500.0, 1500.0])
    assert scaling(values, "robust") == pytest.approx((0.0, values.std()))


def test_values_that_a_transform_brings_close_together_are_prepared_to_the_last_digits() -> None:
    rng = np.random.default_rng(2)
    measured = np.append(120 + 6 * rng.standard_normal(280), 130 + 30 * rng.random(10)).astype(np.float32)
    course = Course(*((p, 0, "x", float(value)) for p, value in enumerate(measured)))
    state = course.fit(transform="yeo_johnson", scale="standard")
    expected = PowerTransformer().fit_transform(measured.astype(np.float64)[:, None])[:, 0]
    number = state.features[0]
    assert isinstance(number, NumberState)
    assert isinstance(number.transform, YeoJohnson)
    assert number.transform.shape < -2.5
    assert np.allclose(course.rows(state).values[:, 0], expected, rtol=0, atol=1e-5)


def test_none_changes_nothing() -> None:
    assert scaling(np.array([5.0, 7.0]), "none") == (0.0, 1.0)


NUMBERS = Course((0, 0, "x", 1.0), (0, 2, "x", 3.0), (0, 8, "x", 5.0), (1, 1, "x", 7.0), (1, 3, "y", 2.0))


def test_numbers_are_fitted_on_values_each_once() -> None:
    x, y = NUMBERS.fit().features
    assert isinstance(x, NumberState)
    assert (x.center, x.spread, x.fill) == (4.0, pytest.approx(np.sqrt(5.0)), 4.0)
    assert x.typical_gap_hours == 4.0  # the median of 2 and 6
    assert y.typical_gap_hours == 24.0  # nobody has two
    assert [target.center for target in NUMBERS.fit().targets] == [2.0]


def test_the_usual_gap_is_the_median_of_times_between_measurements_of_a_person() -> None:
    """Of 1 hour, 3 hours and 20 hours; the value of hour 1 was known at hour 2, and corrected at hour 3."""
    first = ((0, 0, "x", 1.0), (0, 1, "x", 2.0, 2), (0, 1, "x", 3.0, 3), (0, 4, "x", 1.0))
    course = Course(*first, (1, 10, "x", 1.0), (1, 30, "x", 1.0), (2, 0, "x", 1.0))
    assert [course.fit(min_people=least).features[0].typical_gap_hours for least in (1, 2, 3)] == [3, 3, 24]


def test_what_training_people_do_not_see_teaches_nothing() -> None:
    course = Course(
        *((p, h, "x", 10.0 * p + h) for p in range(3) for h in range(4)), *((p, 9, "ward", "A") for p in range(3))
    )
    person = np.array([0, 1])
    seen = one_pass(course.timeline, person=person, episode_start=0 * person, time=np.array([2, 1]) * HOUR)
    state, unused = fit_preparation(course.timeline, course.facts, seen, {}, PrepareSettings(min_people=1))
    (x,) = state.features
    assert isinstance(x, NumberState)
    assert x.center == np.mean([0, 1, 2, 10, 11])
    assert list(unused) == ["ward"]


@pytest.mark.parametrize("missing", ["last", "regression", "knn"])
def test_histories_of_their_own_teach_what_one_pass_teaches(missing: str) -> None:
    """In cut histories the first rows of a person stand many times; two episodes see the same rows too."""
    generator = np.random.default_rng(5)
    shown = generator.normal(0, 1, (40, 30, 2)) + generator.normal(0, 2, (40, 1, 2))
    course = Course(
        *((p, h, "a", float(shown[p, h, 0])) for p in range(40) for h in range(30)),
        *((p, h, "b", float(shown[p, h].sum())) for p in range(40) for h in range(30) if (p + h) % 3),
    )
    person, time = np.repeat(np.arange(40), 30), np.tile(np.arange(30), 40) * HOUR
    start = np.zeros_like(time)
    asked = {"person": person, "episode_start": start, "time": time}
    together = one_pass(course.timeline, **asked)
    chosen = PrepareSettings(missing=missing, min_people=11)
    wanted, _ = fit_preparation(course.timeline, course.facts, together, {}, chosen)
    told = {"regression": wanted.regression is not None and wanted.regression.regressions, "knn": wanted.knn}
    assert told.get(missing, True)
    others = [one_each(course.timeline, **asked), one_each(course.timeline, **asked, history=7 * HOUR)]
    for sequences in (*others, one_pass(course.timeline, **{**asked, "episode_start": time // (15 * HOUR) * HOUR})):
        assert fit_preparation(course.timeline, course.facts, sequences, {}, chosen)[0] == wanted


def test_rules_by_code_fall_back_to_the_star_and_then_to_the_default() -> None:
    x, y = NUMBERS.fit(missing={"x": "zero"}, scale={"y": "none", "*": "minmax"}).features
    assert isinstance(x, NumberState)
    assert isinstance(y, NumberState)
    assert (x.missing, y.missing) == ("zero", "last")
    assert (x.center, x.spread, y.center, y.spread) == (1.0, 6.0, 0.0, 1.0)


def test_codes_of_too_few_people_are_left_out_with_a_reason() -> None:
    state, unused = NUMBERS.fit_with_reasons(min_people=2)
    assert state.columns == ["x"]
    assert unused == {"y": "fewer than 2 training people have a value that a prediction sees"}
    with pytest.raises(CohortError, match="min_people = 3"):
        NUMBERS.fit(min_people=3)


def test_codes_whose_transform_leaves_numbers_of_too_few_people_are_left_out() -> None:
    course = Course((0, 0, "x", 1.0), (0, 2, "x", 3.0), (0, 8, "x", 5.0), (1, 1, "x", 7.0), (1, 3, "y", 2.0))
    state, unused = course.fit_with_reasons(transform={"x": "difference"})
    assert state.columns == ["x", "y"]
    assert list(unused) == []
    with pytest.raises(CohortError, match="min_people = 2"):
        course.fit(transform={"x": "difference"}, min_people=2)


def test_a_code_is_not_told_as_left_out_where_its_numbers_or_its_categories_are_used() -> None:
    course = Course((0, 0, "crp", 5.0), (1, 0, "crp", 7.0), (2, 0, "crp", "haemolysed"))
    state, unused = course.fit_with_reasons(min_people=2)
    assert (state.columns, unused) == (["crp"], {})


def test_a_transform_is_fitted_on_what_the_limits_left() -> None:
    skewed = np.exp(np.random.default_rng(4).normal(0, 1, 99)).round(2)
    course = Course(*((p, 0, "x", value) for p, value in enumerate([*skewed.tolist(), 1e4])))
    keys = {"outliers": "iqr", "outlier_action": "missing", "transform": "yeo_johnson"}
    (x,) = course.fit(**keys).features
    assert isinstance(x, NumberState)
    assert x.outliers is not None
    kept = skewed[skewed <= x.outliers.high]  # type: ignore[union-attr]
    (alone,) = (
        Course(*((p, 0, "x", value) for p, value in enumerate(kept.tolist()))).fit(transform="yeo_johnson").features
    )
    assert isinstance(alone, NumberState)
    assert x.transform == alone.transform


def test_regressions_learn_nothing_of_one_person_from_another() -> None:
    generator = np.random.default_rng(5)
    course = Course(*((p, 0, code, float(generator.normal())) for p in range(40) for code in "ab"))
    state = course.fit(missing="regression", min_people=11)
    assert state.regression is not None
    assert {step.column for step in state.regression.regressions} == {0, 1}  # nobody has a value before another


def test_levels_of_too_few_people_fall_to_other_and_shares_add_up() -> None:
    course = Course(
        *((0, 0, "ward", "A"), (0, 1, "ward", "A"), (1, 0, "ward", "A"), (1, 1, "ward", "B"), (2, 0, "ward", "B")),
        *((2, 1, "ward", "rare"), (2, 2, "ward", "rare"), (0, 5, "ward", "A")),
    )
    (ward,) = course.fit(min_people=2, carry_limit="3h").features
    assert isinstance(ward, CategoryState)
    assert ward.levels == ["A", "B"]
    assert ward.shares == [0.5, 0.25, 0.25]
    assert (ward.typical_gap_hours, ward.carry_limit_hours) == (1.0, 3.0)
    rows = course.rows(course.fit(min_people=2))
    assert rows.values[:, 2].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def test_the_usual_range_rests_on_min_people_at_each_end() -> None:
    course = Course(*((person, hour, "x", 10.0 * person + hour) for person in range(40) for hour in (0, 1)))
    (x,) = course.fit(min_people=2).features
    assert isinstance(x, NumberState)
    assert x.usual == (5.0, 386.0)  # (0 + 10) / 2 and (381 + 391) / 2
    (alone,) = course.fit(min_people=3).features
    assert isinstance(alone, NumberState)
    assert alone.usual is None


def test_facts_are_fitted_on_one_value_a_person() -> None:
    course = Course(
        *((p, 0, "x", 1.0) for p in range(3)),
        *((0, None, "height", 160.0), (2, None, "height", 180.0), (0, None, "sex", "f"), (1, None, "sex", "m")),
        *((2, None, "sex", "f"), (0, -365.25 * 24 * 50, "MEDS_BIRTH", None)),
    )
    height, age, sex = course.fit().static
    assert isinstance(height, StaticNumberState)
    assert (height.center, height.spread, height.fill) == (170.0, 10.0, 170.0)
    assert isinstance(age, StaticNumberState)
    assert (age.code, age.center, age.spread) == ("age at the start", 50.0, 1.0)
    assert isinstance(sex, StaticCategoryState)
    assert sex.levels == ["f", "m"]
    state, unused = course.fit_with_reasons(min_people=2)
    assert [fact.code for fact in state.static] == ["height", "sex"]
    assert state.static_columns == ["height", "height is known", "sex = f", "sex = (other)"]
    assert list(unused) == ["age at the start"]
    assert course.fit(min_people=3).static_columns == ["sex = (other)"]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("minmax", (160.0, 36.0)), ("robust", (164.0, 18.0)), ("quantile", (520 / 3, np.std([160, 164, 196])))],
)
def test_facts_have_their_scale_and_ranks_are_none(scale: str, expected: tuple[float, float]) -> None:
    course = Course(
        *((p, 0, "x", 1.0) for p in range(3)), *((p, None, "height", (160.0, 164, 196)[p]) for p in range(3))
    )
    (height,) = course.fit(scale=scale).static
    assert isinstance(height, StaticNumberState)
    assert (height.center, height.spread) == pytest.approx(expected, rel=1e-4)
    assert height.fill == pytest.approx(520 / 3)


def test_facts_are_fitted_on_training_people_in_whatever_order_their_histories_stand() -> None:
    year = 365.25 * 24
    course = Course(
        *((p, 10 * p, "x", 1.0) for p in range(3)),
        *((p, None, "height", 160.0 + 10 * p) for p in range(3)),
        *((p, None, "sex", "fmd"[p]) for p in range(3)),
        *((p, -year * (40 + 10 * p), "MEDS_BIRTH", None) for p in range(3)),
    )
    person = np.array([1, 0])
    start = np.array([2, 0]) * round(year * HOUR)
    training = one_each(course.timeline, person=person, episode_start=start, time=np.full(2, 10**6 * HOUR))
    static = fit_preparation(course.timeline, course.facts, training, {}, PrepareSettings(min_people=1))[0].static
    height, age, sex = static
    assert isinstance(height, StaticNumberState)
    assert (height.center, height.spread) == (165.0, 5.0)
    assert isinstance(age, StaticNumberState)
    assert (age.center, age.spread) == (46.0, 6.0)  # 40 and 52
    assert isinstance(sex, StaticCategoryState)
    assert sex.levels == ["f", "m"]


def test_facts_of_very_many_categories_keep_the_most_widespread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "MOST_LEVELS", 2)
    course = Course(*((p, 0, "x", 1.0) for p in range(6)), *((p, None, "site", "abbccc"[p]) for p in range(6)))
    (site,) = course.fit().static
    assert isinstance(site, StaticCategoryState)
    assert site.levels == ["c", "b"]


def test_a_target_that_nobody_has_a_label_of_is_refused() -> None:
    targets = {"x": np.full(2, np.nan)}
    with pytest.raises(CohortError, match="label of 'x'"):
        fit_preparation(NUMBERS.timeline, NUMBERS.facts, NUMBERS.sequences, targets, PrepareSettings(min_people=1))
