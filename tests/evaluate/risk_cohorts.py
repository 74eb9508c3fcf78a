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


def shifted(seed, people, by):
    """Risks of which all are too high or all too low, by so much in log odds."""
    event, risk, person = calibrated(seed, people)
    return event, expit(np.log(risk / (1 - risk)) + by), person


def wavy(seed, people):
    """Risks that are too high here and too low there, and right on average."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.2, people)
    risk = expit(logits)
    truth = risk + 0.24 * np.sin(3 * logits) * np.minimum(risk, 1 - risk)
    return (rng.random(people) < truth).astype(float), risk, np.arange(people)


def rare(seed, people):
    """Rare events, risks a little too extreme and too high."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3.2, 1.0, people)
    return (rng.random(people) < expit(0.8 * logits - 0.3)).astype(float), expit(logits), np.arange(people)


MISCALIBRATED = {
    "calibrated": calibrated,
    "a little too extreme": lambda seed, people: calibrated(seed, people, slope=0.8),
    "a little too low": lambda seed, people: shifted(seed, people, -0.3),
    "much too low": lambda seed, people: shifted(seed, people, -0.7),
    "wavy": wavy,
    "several rows a person": cohort,
    "rare": rare,
}


def drawn(event, risk, person, *, resamples=500, seed=0, thresholds=(0.2,)):
    """All metrics of one model: their values, and in every resample; there the least distances too."""
    draws = Resamples(person, resamples, seed)
    index = draws.index(person)
    sample = RiskSample(event, risk, index, len(draws.people), np.ones(len(event)), thresholds)
    parts = [sample.drawn(counts, rows) for counts, rows in row_draws(draws, index)]
    return sample.value, {key: np.concatenate([part[key] for part in parts]) for key in sample.keys}
