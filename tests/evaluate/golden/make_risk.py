"""Golden numbers of risk metrics from scikit-learn and statsmodels, written to risk.json beside this file.

    python make_risk.py

Made with Python 3.11, numpy 2.4.6, scikit-learn 1.9.1, statsmodels 0.15.0. Inputs are simulated and stand in the file.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from statsmodels.nonparametric.smoothers_lowess import lowess


def case(seed, size, decimals, base, slope):
    rng = np.random.default_rng(seed)
    logits = base + 1.3 * rng.normal(size=size)
    event = (rng.random(size) < 1 / (1 + np.exp(-(slope * logits + 0.2)))).astype(int)
    risk = np.clip(np.round(1 / (1 + np.exp(-logits)), decimals), 10.0**-decimals, 1 - 10.0**-decimals)
    weight = rng.integers(0, 4, size)
    return event, risk, weight


def numbers(event, risk, weight):
    logit = np.log(risk / (1 - risk))
    slope = sm.GLM(event, sm.add_constant(logit), family=sm.families.Binomial(), freq_weights=weight).fit(tol=1e-13)
    offset = sm.GLM(event, np.ones(len(event)), family=sm.families.Binomial(), offset=logit, freq_weights=weight).fit(
        tol=1e-13
    )
    return {
        "auroc": roc_auc_score(event, risk, sample_weight=weight),
        "auprc": average_precision_score(event, risk, sample_weight=weight),
        "brier": brier_score_loss(event, risk, sample_weight=weight),
        "calibration_slope": slope.params[1],
        "platt_intercept": slope.params[0],
        "calibration_intercept": offset.params[0],
    }


def golden(seed, size, decimals, base, slope):
    event, risk, weight = case(seed, size, decimals, base, slope)
    smooth = lowess(event, risk, frac=0.75, it=0, delta=0, return_sorted=False)
    return {
        "event": event.tolist(),
        "risk": risk.tolist(),
        "weight": weight.tolist(),
        "unweighted": numbers(event, risk, np.ones(size)),
        "weighted": numbers(event, risk, weight),
        "lowess": smooth.tolist(),
        "ici": float(np.mean(np.abs(smooth - risk))),
        "isotonic": IsotonicRegression(out_of_bounds="clip").fit_transform(risk, event).tolist(),
    }


def main():
    content = {
        "made_with": {"numpy": np.__version__, "scikit-learn": sklearn.__version__,
                      "statsmodels": statsmodels.__version__},
        "distinct": golden(1, 200, 6, -1.5, 1.0),
        "ties": golden(2, 160, 2, -0.5, 0.6),
        "rare": golden(3, 240, 4, -3.0, 1.4),
    }  # fmt: skip
    Path(__file__).with_name("risk.json").write_text(json.dumps(content, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
