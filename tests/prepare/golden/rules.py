"""Writes rules.json: what scikit-learn and SciPy make of the same numbers. Run: python tests/prepare/golden/rules.py"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import interpolate, ndimage, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler

WINDOW, LEAST = 7, 3


def outliers(values: np.ndarray) -> dict[str, object]:
    first, third = np.percentile(values, [25, 75])
    reach = 3 * stats.iqr(values)
    center, spread = np.median(values), stats.median_abs_deviation(values, scale=1 / 1.4826)
    past = [values[max(0, n - WINDOW) : n] for n in range(len(values))]
    return {
        "values": values.tolist(),
        "iqr": [first - reach, third + reach],
        "mad": [center - 3.5 * spread, center + 3.5 * spread],
        "hampel_median": [float(np.median(p)) if len(p) >= LEAST else None for p in past],
        "hampel_spread": [
            float(stats.median_abs_deviation(p, scale=1 / 1.4826)) if len(p) >= LEAST else None for p in past
        ],
    }


def transforms(values: np.ndarray) -> dict[str, object]:
    power = PowerTransformer(standardize=False).fit(values[:, None])
    transformed, shape = stats.yeojohnson(values)
    mean_of_three = ndimage.uniform_filter1d(values, 3, origin=1)[2:]
    residuals = np.random.default_rng(5).normal(0, 0.4, 500)
    return {
        "values": values.tolist(),
        "yeo_johnson_shape": float(power.lambdas_[0]),
        "yeo_johnson_shape_scipy": float(shape),
        "yeo_johnson": transformed.tolist(),
        "yeo_johnson_inverse": power.inverse_transform(np.linspace(-2, 2, 9)[:, None])[:, 0].tolist(),
        "log": np.log(np.abs(values)).tolist(),
        "difference": np.diff(values).tolist(),
        "moving_average_3": mean_of_three.tolist(),
        "residuals": residuals.tolist(),
        "smeared_exp_of_1": float(np.exp(1 + residuals).mean()),
    }


def scalers(values: np.ndarray) -> dict[str, object]:
    knots = np.array([part.mean() for part in np.array_split(np.sort(values), 20)])
    quantile = QuantileTransformer(n_quantiles=20, output_distribution="normal").fit(values[:, None])
    quantile.quantiles_, quantile.references_ = knots[:, None], (np.arange(20) + 0.5) / 20
    # scikit-learn sends what lies beyond the outermost knot to infinity and then cuts; here it stays at that knot.
    inside = np.clip(values, knots[0], knots[-1])
    asked = inside[(inside > knots[0]) & (inside < knots[-1])]
    return {
        "values": values.tolist(),
        "standard": StandardScaler().fit_transform(values[:, None])[:, 0].tolist(),
        "minmax": MinMaxScaler().fit_transform(values[:, None])[:, 0].tolist(),
        "robust": RobustScaler().fit_transform(values[:, None])[:, 0].tolist(),
        "quantile_asked": asked.tolist(),
        "quantile": quantile.transform(asked[:, None])[:, 0].tolist(),
    }


def column_imputers(values: np.ndarray, hours: np.ndarray) -> dict[str, object]:
    known = ~np.isnan(values)
    edges = (values[known][0], values[known][-1])
    line = interpolate.interp1d(hours[known], values[known], bounds_error=False, fill_value=edges)
    last = interpolate.interp1d(
        hours[known], values[known], kind="previous", bounds_error=False, fill_value=(np.nan, edges[1])
    )
    mean = SimpleImputer().fit_transform(values[:, None])[:, 0]
    return {
        "values": [None if np.isnan(v) else v for v in values.tolist()],
        "hours": hours.tolist(),
        "mean": mean.tolist(),
        "zero": SimpleImputer(strategy="constant", fill_value=0.0).fit_transform(values[:, None])[:, 0].tolist(),
        "linear": line(hours).tolist(),
        "last": np.where(np.isnan(last(hours)), mean, last(hours)).tolist(),
    }


def joint_imputers(table: np.ndarray, new: np.ndarray) -> dict[str, object]:
    """`table` holds F values and the F last ones before; so does `new`."""
    half = table.shape[1] // 2
    low, high = bounds(table[:, :half])
    imputer = IterativeImputer(BayesianRidge(), max_iter=5, min_value=low, max_value=high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        imputer.fit(table)
    centroids = np.random.default_rng(9).normal(size=(6, half))
    centroids[2, 1] = centroids[4, 0] = np.nan
    spreads = np.array([1.0, 2.0, 0.5])
    known = np.where(np.isnan(new[:, :half]), np.nan, new[:, :half])
    nearest = KNNImputer(n_neighbors=3, weights="distance").fit(centroids / spreads)
    return {
        "table": listed(table),
        "new": listed(new),
        "regression": imputer.transform(new)[:, :half].tolist(),
        "centroids": listed(centroids),
        "spreads": spreads.tolist(),
        "knn": (nearest.transform(known / spreads) * spreads).tolist(),
    }


def bounds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return np.tile(mean - 5 * spread, 2), np.tile(mean + 5 * spread, 2)


def listed(table: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(cell) else cell for cell in row] for row in table.tolist()]


def joint_table(random: np.random.Generator, rows: int) -> np.ndarray:
    state = random.normal(size=(rows, 1))
    table = state @ np.array([[1.0, -2.0, 0.5, 0.9, -1.8, 0.4]]) + random.normal(size=(rows, 6)) * 0.3 + 3.0
    table[random.random(table.shape) < 0.4] = np.nan
    return table


def main() -> None:
    random = np.random.default_rng(20121122)
    skewed = np.round(np.exp(random.normal(1, 0.7, 60)), 3)
    gappy = np.where(random.random(40) < 0.5, np.nan, np.round(random.normal(100, 12, 40), 2))
    new = joint_table(random, 25)
    new[np.isnan(new[:, :3]).all(axis=1), 0] = 3.0
    golden = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
        "outliers": outliers(skewed),
        "transforms": transforms(skewed - 1.5),
        "scalers": scalers(np.round(random.normal(50, 10, 200), 2)),
        "column_imputers": column_imputers(gappy, np.cumsum(random.integers(1, 9, 40)).astype(float)),
        "joint_imputers": joint_imputers(joint_table(random, 300), new),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
