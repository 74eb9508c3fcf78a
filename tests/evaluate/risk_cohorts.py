"""Simulated cohorts of which the truth is known: several predictions a person, risks that are a little wrong."""

import numpy as np

from sequela.evaluate import Resamples
from sequela.evaluate.risk_samples import RiskSample, row_draws

BASE, PERSON, ROW, UNSEEN = -1.8, 0.9, 0.9, 0.7


def expit(x):
    return 1 / (1 + np.exp(-x))


def cohort(seed, people=400, most_rows=6):
    """Events, risks and persons; a person's rows share what the model sees of them and something that it does not."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, most_rows + 1, people))
    seen = BASE + PERSON * rng.normal(size=people)[person] + ROW * rng.normal(size=len(person))
    unseen = UNSEEN * rng.normal(size=people)[person]
    event = (rng.random(len(person)) < expit(seen + unseen)).astype(float)
    return event, expit(1.2 * seen + 0.3), person


def calibrated(seed, people, slope=1.0):
    """Risks whose true slope of calibration is known: logit(risk) times slope is the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.2, people)
    event = (rng.random(people) < expit(slope * logits)).astype(float)
    return event, expit(logits), np.arange(people)


def drawn(event, risk, person, *, resamples=500, seed=0, thresholds=(0.2,)):
    """All metrics of one model: their values, and in every resample."""
    draws = Resamples(person, resamples, seed)
    index = draws.index(person)
    sample = RiskSample(event, risk, index, len(draws.people), np.ones(len(event)), thresholds)
    parts = [sample.drawn(counts, rows) for counts, rows in row_draws(draws, index)]
    return sample.value, {key: np.concatenate([part[key] for part in parts]) for key in sample.value}
