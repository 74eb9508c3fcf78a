"""A simulated cohort of intensive care, for those who hold no data of their own: nobody in it ever lived.

What is true is stated here and in the example's README. Each stay has a hidden severity that wanders by the hour; vital
signs, laboratory values and treatments follow from it, and the risk of death at 24 hours is a formula of it:

    severity   s(t+1) = s(t) + 0.05 (m - 0.012 t - s(t)) + 0.17 e      m: the stay's own level, e: standard normal
    risk       p = 1 / (1 + exp(-z)),  z = -3.2 + 1.6 s(24) + 1.2 (s(24) - s(12)) + 0.035 (age - 65)
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

SEED, STAYS, HOURS, ASKED_AT = 20121, 2400, 48, 24
ICU_TYPES = {"medical": 0.25, "surgical": -0.05, "cardiac": -0.2, "coronary": 0.0}  # and how much sicker they are
VITALS = ["heart_rate", "map", "resp_rate", "spo2", "temperature"]
BEDSIDE = [*VITALS, "gcs", "urine", "norepinephrine", "ventilated"]
LABORATORY = ["creatinine", "bicarbonate", "potassium", "platelets", "wbc", "glucose"]
COLUMNS = [*BEDSIDE, *LABORATORY, "lactate", "left_unit"]
DECIMALS = {"temperature": 1, "norepinephrine": 2, "creatinine": 2, "potassium": 1, "wbc": 1, "lactate": 1}
# Typing errors: the column, the share of its values, and what is written instead.
ERRORS = (
    ("temperature", 0.003, "zero"),
    ("temperature", 0.004, "fahrenheit"),
    ("heart_rate", 0.001, "times_ten"),
    ("map", 0.002, "times_ten"),
    ("map", 0.001, "zero"),
    ("potassium", 0.004, "times_ten"),
    ("creatinine", 0.003, "times_ten"),
)

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Cohort:
    """N stays; arrays of hours run from 0 to 48, both included."""

    age: Values  # [N] years
    male: Flags  # [N]
    icu_type: NDArray[np.int64]  # [N] place in ICU_TYPES
    severity: Values  # [N, 49] 0 = an average stay, higher = sicker
    circadian: Values  # [N, 49] from -1 (early morning) to 1 (afternoon)
    risk: Values  # [N] of dying in hospital, for those in the unit at 24 hours
    died: Flags  # [N]
    end: Values  # [N] hours at which the stay ends: death or discharge


def icu_risk() -> dict[str, bytes]:
    """`vitals_and_labs.csv`, `admissions.csv`, `outcomes.csv`, and `truth.csv`, which no study reads."""
    random = np.random.Generator(np.random.PCG64(SEED))
    cohort = _cohort(random)
    rows = _rows(cohort, random)
    return {
        "vitals_and_labs.csv": _csv(_with_errors(rows, random)),
        "admissions.csv": _csv(_admissions(cohort)),
        "outcomes.csv": _csv(_outcomes(cohort)),
        "truth.csv": _csv(_truth(cohort)),
    }


def _cohort(random: np.random.Generator) -> _Cohort:
    age = np.clip(random.normal(65, 15, STAYS), 18, 95).round()
    male = random.random(STAYS) < 0.56
    icu_type = random.choice(len(ICU_TYPES), STAYS, p=[0.4, 0.3, 0.15, 0.15])
    level = np.array(list(ICU_TYPES.values()))[icu_type] + 0.2 * (age - 65) / 15 + 0.9 * random.normal(size=STAYS)
    severity = _severity(level, random)
    at_noon = random.uniform(0, 24, (STAYS, 1)) + np.arange(HOURS + 1)
    risk = _risk(severity, age)
    died, end = _fate(severity, risk, random)
    return _Cohort(age, male, icu_type, severity, np.cos(2 * np.pi * (at_noon - 16) / 24), risk, died, end)


def _severity(level: Values, random: np.random.Generator) -> Values:
    """It returns to the stay's own level, which falls slowly as most people recover."""
    severity = np.empty((STAYS, HOURS + 1))
    severity[:, 0] = level + 0.5 * random.normal(size=STAYS)
    for hour in range(HOURS):
        pull = 0.05 * (level - 0.012 * hour - severity[:, hour])
        severity[:, hour + 1] = severity[:, hour] + pull + 0.17 * random.normal(size=STAYS)
    return severity


def _risk(severity: Values, age: Values) -> Values:
    now, before = severity[:, ASKED_AT], severity[:, ASKED_AT // 2]
    return np.asarray(1 / (1 + np.exp(-(-3.2 + 1.6 * now + 1.2 * (now - before) + 0.035 * (age - 65)))))


def _fate(severity: Values, risk: Values, random: np.random.Generator) -> tuple[Flags, Values]:
    """Who dies, and when each stay ends: a few before 24 hours, all others by their risk at 24 hours."""
    first_day = severity[:, :ASKED_AT]
    ends_early = random.random((2, STAYS, ASKED_AT)) < np.stack([np.exp(-7.4 + first_day), np.exp(-7 - first_day)])
    within = ends_early.any(axis=(0, 2))
    early = ends_early.any(axis=0).argmax(axis=1)
    died_early = ends_early[0][np.arange(STAYS), early] & within
    died = np.where(within, died_early, random.random(STAYS) < risk)
    later = ASKED_AT + np.where(died, random.exponential(70, STAYS), 12 + random.gamma(2, 60, STAYS))
    end = np.where(within, early + random.uniform(0.2, 1, STAYS), later)
    return died, np.ceil(end * 100) / 100


@dataclass(frozen=True)
class _Treatment:
    """What was given in each hour [N, 49]; it mends the sign that it was given for, not the illness."""

    norepinephrine: Values  # micrograms per kg and minute, 0 = not running
    ventilated: Flags


def _treatment(cohort: _Cohort, pressure: Values) -> _Treatment:
    """A pressure below 62 starts norepinephrine, one above 72 without it ends it; ventilation likewise by severity."""
    needs = _held(pressure < 62, pressure > 72)
    surgical = cohort.icu_type == list(ICU_TYPES).index("surgical")
    after_surgery = surgical[:, None] & (np.arange(HOURS + 1) < 6)
    ventilated = _held(cohort.severity > 1.2, cohort.severity < 0.6) | after_surgery
    return _Treatment(np.where(needs, np.clip((76 - pressure) / 80, 0.02, 0.8), 0.0), ventilated)


def _held(starts: Flags, ends: Flags) -> Flags:
    """True from a start until the next end."""
    on = np.zeros_like(starts)
    on[:, 0] = starts[:, 0]
    for hour in range(1, starts.shape[1]):
        on[:, hour] = starts[:, hour] | (on[:, hour - 1] & ~ends[:, hour])
    return on


def _states(cohort: _Cohort, random: np.random.Generator) -> dict[str, Values]:
    """Each variable as it is in each hour [N, 49], measured or not."""
    severity, day = cohort.severity, cohort.circadian

    def around(mean: Values | float, own: float, hourly: float) -> Values:
        """Round a mean: what is the stay's own, and what changes by the hour."""
        return mean + own * random.normal(size=(STAYS, 1)) + hourly * random.normal(size=severity.shape)

    pressure = around(83 - 8 * severity + 3 * day, 5, 4)
    treated = _treatment(cohort, pressure)
    running = treated.norepinephrine > 0
    lack_of_oxygen = np.maximum(severity, 0) * np.where(treated.ventilated, 0.3, 1.0)
    return {
        "heart_rate": around(84 + 8 * severity + 4 * day, 7, 5),
        "map": np.where(running, 70 + 0.3 * (pressure - 62), pressure),
        "resp_rate": np.maximum(around(18 + 2.5 * severity, 2, 2), 6),
        "spo2": np.minimum(around(97.5 - 1.8 * lack_of_oxygen, 0.8, 1), 100),
        "temperature": around(36.9 + 0.25 * severity + 0.25 * day, 0.3, 0.15),
        "gcs": np.clip(np.round(around(15.4 - 1.9 * np.maximum(severity, 0), 0.9, 0.4)), 3, 15),
        "urine": np.exp(around(4.2 - 0.4 * severity, 0.3, 0.5)),
        "norepinephrine": np.where(running, treated.norepinephrine, np.nan),
        "ventilated": np.where(treated.ventilated, 1.0, np.nan),
        "creatinine": np.exp(around(0.05 + 0.3 * _before(severity, 8), 0.35, 0.05)),
        "bicarbonate": around(24.5 - 1.6 * severity, 1.8, 0.9),
        "potassium": np.maximum(around(4.1 + 0.12 * severity, 0.3, 0.25), 2.2),
        "platelets": np.maximum(around(215 - 22 * severity, 60, 9), 8),
        "wbc": np.exp(around(2.3 + 0.12 * severity, 0.35, 0.1)),
        "glucose": np.exp(around(4.9, 0.2, 0.15)),
        "lactate": np.exp(around(0.35 + 0.45 * severity, 0.15, 0.12)),
    }


def _before(severity: Values, hours: int) -> Values:
    """Severity so many hours earlier: a kidney answers late."""
    return severity[:, np.maximum(np.arange(severity.shape[1]) - hours, 0)]


def _rows(cohort: _Cohort, random: np.random.Generator) -> pl.DataFrame:
    """Rows of measurements: the sicker, the more; lactate where somebody was worried."""
    states = _states(cohort, random)
    chance = random.random((5, *cohort.severity.shape))
    worry = cohort.severity + 0.5 * random.normal(size=cohort.severity.shape)
    hour = np.arange(HOURS + 1)
    night = cohort.circadian < -0.7
    seen = chance[0] < 1 / (1 + np.exp(-(0.7 + 1.1 * cohort.severity - 0.6 * night)))
    again = seen & (chance[1] < 0.35 * (cohort.severity > 1.0))
    drawn = np.isin(hour, (1, 8, 20, 32, 44)) | (chance[2] < 0.08 * (worry > 1.2))
    worried = chance[3] < 0.5 / (1 + np.exp(-2.2 * (worry - 1.3)))
    kinds = [(seen, BEDSIDE), (again, VITALS), (drawn, LABORATORY), (worried, ["lactate"])]
    pieces = [_measured(where, columns, states, cohort, random) for where, columns in kinds]
    pieces.append(_departures(cohort))
    rows = pl.concat(pieces, how="diagonal").sort("id", "hours", maintain_order=True)
    return rows.select("id", "hours", *COLUMNS).filter(pl.any_horizontal(pl.col(COLUMNS).is_not_null()))


def _measured(
    where: Flags, columns: list[str], states: dict[str, Values], cohort: _Cohort, random: np.random.Generator
) -> pl.DataFrame:
    """One row for each stay and hour at which these were measured, at some minute of that hour, until the stay ends."""
    stay, hour = np.nonzero(where[:, :HOURS])
    time = (hour + random.random(stay.size)).round(2)
    values = {name: states[name][stay, hour] for name in columns}
    rows = pl.DataFrame(
        {"id": stay + 1, "hours": time, **{name: _noted(v, name, random) for name, v in values.items()}}
    )
    return rows.filter(pl.Series(time < np.minimum(cohort.end[stay], HOURS)))


def _departures(cohort: _Cohort) -> pl.DataFrame:
    """The end of every stay that ended while it was recorded, by death or discharge."""
    gone = np.flatnonzero(cohort.end < HOURS)
    return pl.DataFrame({"id": gone + 1, "hours": cohort.end[gone], "left_unit": 1.0})


def _noted(values: Values, name: str, random: np.random.Generator) -> pl.Series:
    """As somebody would write it down; a tenth of the vital signs and half of the urine volumes are not."""
    left_out = {"urine": 0.5, "gcs": 0.7, "temperature": 0.6}.get(name, 0.1 if name in VITALS else 0.0)
    kept = np.where(random.random(values.size) < left_out, np.nan, values.round(DECIMALS.get(name, 0)))
    return pl.Series(name, kept, nan_to_null=True)


def _with_errors(rows: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Rows in which a few values were typed wrongly."""
    wrong = {
        "zero": pl.lit(0.0),
        "times_ten": pl.col("value") * 10,
        "fahrenheit": (pl.col("value") * 1.8 + 32).round(1),
    }
    is_wrong = pl.col("is_wrong") & pl.col("value").is_not_null()
    for column, share, kind in ERRORS:
        typed = pl.DataFrame({"value": rows[column], "is_wrong": random.random(rows.height) < share})
        rows = rows.with_columns(
            typed.select(pl.when(is_wrong).then(wrong[kind]).otherwise("value").alias(column)).to_series()
        )
    whole = [name for name in COLUMNS if name not in DECIMALS]
    return rows.with_columns(pl.col(whole).cast(pl.Int64))


def _admissions(cohort: _Cohort) -> pl.DataFrame:
    names = list(ICU_TYPES)
    return pl.DataFrame(
        {
            "id": np.arange(1, STAYS + 1),
            "age": cohort.age.astype(np.int64),
            "sex": np.where(cohort.male, "male", "female"),
            "icu_type": [names[place] for place in cohort.icu_type],
        }
    )


def _outcomes(cohort: _Cohort) -> pl.DataFrame:
    return pl.DataFrame({"id": np.arange(1, STAYS + 1), "died": cohort.died.astype(np.int64), "stay_hours": cohort.end})


def _truth(cohort: _Cohort) -> pl.DataFrame:
    """The true risk at 24 hours of those who were there, and the severity behind it."""
    there = cohort.end > ASKED_AT
    return pl.DataFrame(
        {
            "id": np.arange(1, STAYS + 1)[there],
            "risk_at_24_hours": cohort.risk[there].round(4),
            "severity_at_24_hours": cohort.severity[there, ASKED_AT].round(3),
        }
    )


def _csv(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer)
    return buffer.getvalue()
