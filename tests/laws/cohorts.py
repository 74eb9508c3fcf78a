"""Small studies that hold what real records hold, drawn by hypothesis: the ground that the laws are tested on.

Hypothesis draws the study and a seed; the cells come from a generator with that seed, which is quick. Times are days in
quarters, so that instants coincide often; `Case.tables` turns them into dates where the study has a calendar.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

Generator = np.random.Generator
Frames = dict[str, pl.DataFrame]

TIMED = ("visits", "labs", "intake")
_FIRST_DAY = datetime(2024, 3, 1)
_SCHEMAS: dict[str, dict[str, Any]] = {
    "visits": {"id": pl.String, "day": pl.Float64, "seen": pl.Float64, "sbp": pl.Float64, "glu": pl.Float64}
    | {"ward": pl.String},
    "labs": {"id": pl.String, "day": pl.Float64, "seen": pl.Float64, "what": pl.String, "amount": pl.Float64}
    | {"note": pl.String, "unit": pl.String},
    "intake": {"id": pl.String, "day": pl.Float64, "seen": pl.Float64, "bmi": pl.Float64},
    "people": {"id": pl.String, "sex": pl.String, "height": pl.Float64, "MEDS_BIRTH": pl.Float64},
    "course": {"id": pl.String, "died": pl.Float64, "died_on": pl.Float64},
}


@dataclass(frozen=True)
class Case:
    """A study document and its tables, times in days."""

    document: dict[str, Any]
    frames: Frames
    calendar: bool

    def tables(self, frames: Frames | None = None) -> Frames:
        """Return the tables as the study reads them."""
        given = self.frames if frames is None else frames
        return {name: _dated(frame) for name, frame in given.items()} if self.calendar else dict(given)

    def inputs(self, frames: Frames | None = None) -> Frames:
        """Return the tables as a bundle reads them: without what followed."""
        return {name: frame for name, frame in self.tables(frames).items() if name != "course"}

    def changed(self, **sections: dict[str, Any]) -> Case:
        """Return the case with other keys in some sections of its study."""
        document = copy.deepcopy(self.document)
        for section, keys in sections.items():
            document.setdefault(section, {}).update(keys)
        return replace(self, document=document)


def _dated(frame: pl.DataFrame) -> pl.DataFrame:
    days = [name for name in ("day", "seen", "MEDS_BIRTH") if name in frame.columns]
    return frame.with_columns(
        (pl.lit(_FIRST_DAY) + pl.duration(microseconds=(pl.col(name) * 86_400_000_000).round().cast(pl.Int64)))
        .cast(pl.Datetime("us"))
        .alias(name)
        for name in days
    ).with_columns(_written(name) for name in ("died_on",) if name in frame.columns)


def _written(name: str) -> pl.Expr:
    """A time of a column that holds values: as text."""
    instant = pl.lit(_FIRST_DAY) + pl.duration(microseconds=(pl.col(name) * 86_400_000_000).round().cast(pl.Int64))
    return instant.dt.to_string("%Y-%m-%dT%H:%M:%S").alias(name)


def day_of(instant: int, *, calendar: bool) -> float:
    """Return the day in a case's frames of an instant in microseconds."""
    if calendar:
        return (datetime(1970, 1, 1) + timedelta(microseconds=instant) - _FIRST_DAY) / timedelta(days=1)
    return instant / 86_400_000_000


def known_day(frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the day from which each row is known."""
    return frame.select(pl.max_horizontal("day", "seen")).to_series().to_numpy()


@st.composite
def cases(draw: st.DrawFn, *, people: tuple[int, int] = (4, 9), split: str = "subject", kind: str = "forecast") -> Case:
    """Draw a study of a kind of question, and its tables."""
    calendar = draw(st.booleans())
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(*people))
    question = draw(questions(calendar=calendar) if kind == "forecast" else risks(calendar=calendar, columns=True))
    prepare = draw(preparations(on_a_clock=isinstance(question["at"], list) or question["at"] in _TIMES))
    if kind == "risk":
        prepare["clinical"] = draw(st.sampled_from([{}, CLINICAL]))
    frames = random_frames(generator, count)
    made = document(question, prepare, draw(models(kind)), split, calendar)
    if kind == "risk":
        frames["course"] = courses(generator, frames["people"]["id"].to_list())
        made["records"].append(outcome_table())
    return Case(document=made, frames=frames, calendar=calendar)


_TIMES = ("30h", "every 6h")
CLINICAL: dict[str, Any] = {
    "reference": {"sbp": [100, 140], "glu": [90, "none"]},
    "scores": {
        "points": {
            "window": "1d",
            "parts": {
                "sbp": {"below": [[90, 2], [110, 1]], "at_least": [[150, 1]]},
                "height": {"at_least": [[170, 1]]},
                "crp": {"of": "sum", "at_least": [[10, 1], [20, 2]]},
            },
        }
    },
    "amounts": ["crp", "glu / bmi"],
}


def document(
    question: dict[str, Any], prepare: dict[str, Any], model: dict[str, Any], split: str, calendar: bool
) -> dict[str, Any]:
    """Return a study document over the four tables."""
    unit = {} if calendar else {"time_unit": "days"}
    timed: dict[str, Any] = {"subject": "id", "time": "day", "available": "seen", **unit}
    return {
        "name": "generated",
        "records": [
            {"name": "visits", "path": "visits.csv", "layout": "visits", **timed},
            {
                "name": "labs",
                "path": "labs.csv",
                "layout": "long",
                "code": "what",
                "value": "amount",
                "text": "note",
                **timed,
            },
            {"name": "intake", "path": "intake.csv", "layout": "static", **timed},
            {"name": "people", "path": "people.csv", "layout": "static", "subject": "id", **unit},
        ],
        "question": question,
        "split": {"by": split, "fractions": [0.5, 0.25, 0.25]},
        "prepare": prepare,
        "model": model,
        "train": {"epochs": 2, "patience": 1},
        "evaluate": {"bootstrap": 100, "importance": False},
    }


@st.composite
def questions(draw: st.DrawFn, *, calendar: bool) -> dict[str, Any]:
    """Draw a question; "origin" needs times that are numbers."""
    begins: list[Any] = ["first record", {"code": "ADMI"}] + ([] if calendar else ["origin"])
    horizon = draw(st.sampled_from(["next record", "1d", ["12h", "2d"]]))
    return {
        "target": draw(st.sampled_from(["sbp", ["sbp", "crp"]])),
        "from": draw(st.sampled_from(begins)),
        "to": draw(st.sampled_from(["last record", "5d", {"code": ["DISCHARGE"]}])),
        "at": draw(
            st.sampled_from(
                ["every record", "every record", "first record", "last record", "30h", ["12h", "3d"], "every 6h"]
            )
        ),
        "horizon": horizon,
        "tolerance": "auto" if horizon == "next record" else draw(st.sampled_from(["auto", "2d"])),
        "history": draw(st.sampled_from(["all", "all", "36h", "10d"])),
        "min_records": draw(st.integers(0, 3)),
    }


@st.composite
def risks(draw: st.DrawFn, *, calendar: bool, columns: bool = False) -> dict[str, Any]:
    """Draw a question of risk over the same tables; "origin" needs times that are numbers.

    With `columns` the outcome may be one of the table of courses, with its time or without.
    """
    begins: list[Any] = ["first record", {"code": "ADMI"}] + ([] if calendar else ["origin"])
    within = draw(st.sampled_from(["6h", "2d", None]))
    codes: list[dict[str, Any]] = [{"code": "crp", "above": 15}, {"code": "sbp", "below": 125.5}, {"code": "DISCH"}]
    unit = {} if calendar else {"time_unit": "days"}
    dated: dict[str, Any] = {"column": "died", "time": "died_on", **unit}
    outcome = draw(st.sampled_from([*codes, *([dated, {"column": "died"}] if columns else [])]))
    at = draw(st.sampled_from(["every record", "every record", "last record", "30h", ["12h", "3d"], "every 6h"]))
    past = {"history": draw(st.sampled_from(["all", "all", "36h", "10d"])), "min_records": draw(st.integers(0, 3))}
    if outcome == {"column": "died"}:
        return {"kind": "risk", "outcome": outcome, "from": begins[-1] if not calendar else begins[0], "at": at, **past}
    return {
        "kind": "risk",
        "outcome": {**outcome, "recurrent": draw(st.booleans())} | ({} if within is None else {"within": within}),
        "from": draw(st.sampled_from(begins)),
        "to": draw(st.sampled_from(["5d", {"code": ["DISCHARGE"]}] + ([] if within is None else ["last record"]))),
        "at": at,
        "follow_up": draw(st.sampled_from(["last record", {"code": "DISCHARGE"}])),
        "incomplete": draw(st.sampled_from(["exclude", "no event"])),
        **past,
    }


@st.composite
def preparations(draw: st.DrawFn, *, on_a_clock: bool) -> dict[str, Any]:
    """Draw a preparation; a grid only where every prediction time lies on its edges."""
    missing = st.sampled_from(["zero", "mean", "last", "last", "linear", "regression", "knn", "decay"])
    scale = st.sampled_from(["standard", "minmax", "robust", "quantile", "none"])
    transforms: list[Any] = ["none", "none", {"glu": "moving_average:3"}, {"*": "difference"}]
    transforms += [{"crp": "log", "sbp": "yeo_johnson"}]
    rules = draw(st.booleans())
    grid = draw(st.sampled_from(["none", "6h"])) if on_a_clock else "none"
    outliers = draw(st.sampled_from(["none", "none", "iqr", "mad", {"sbp": "hampel", "*": "iqr"}]))
    filled: Any = (
        {"sbp": draw(missing), "ward": draw(st.sampled_from(["zero", "mean", "last"])), "*": draw(missing)}
        if rules
        else draw(missing)
    )
    carried = ("last", "decay")  # of what else a study fills in, a limit is refused
    limits: list[Any] = ["none", "none"]
    limits += ["24h"] * ((filled if isinstance(filled, str) else filled["*"]) in carried)
    limits += [{"sbp": "36h"}] * ((filled if isinstance(filled, str) else filled["sbp"]) in carried)
    return {
        "plausible": draw(st.sampled_from(["none", {"sbp": [60, 250]}, {"sbp": [60, 250], "*": "default"}])),
        "units": draw(st.sampled_from([{}, {}, {"crp": "mg/L -> mg/dL * 2"}])),
        "outliers": outliers,
        "outlier_action": "flag" if outliers == "none" else draw(st.sampled_from(["flag", "missing", "clip"])),
        "missing": filled,
        "carry_limit": draw(st.sampled_from(limits)),
        "transform": draw(st.sampled_from(transforms)),
        "scale": {"glu": draw(scale), "*": draw(scale)} if rules else draw(scale),
        "derived": draw(st.sampled_from([{}, {}, {"ratio": "sbp / glu"}, {"either": "crp | glu"}])),
        "grid": grid,
        **({} if grid == "none" else {"aggregate": draw(st.sampled_from(["mean", "last", "max", {"sbp": "min"}]))}),
        "min_people": draw(st.integers(1, 3)),
    }


@st.composite
def models(draw: st.DrawFn, kind: str = "forecast") -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{}, {"bidirectional": True}, {"cell": "gru"}, {"cell": "rnn", "bidirectional": True}]
    cells += [{"gates": "peephole"}, {"gates": "coupled", "decay": True}, {"cell": "gru", "decay": True}]
    after = [{}, {"recalibrate": "platt"}, {"recalibrate": "isotonic"}] if kind == "risk" else [{}]
    several = [{}, {}, {"members": 2}, {"members": 2, "hybrid": True}]
    return {
        "hidden": draw(st.sampled_from([4, [3, 3], [4, 2]])),
        "inputs": draw(
            st.sampled_from(
                [["values"], ["values", "gaps"], ["values", "observed", "gaps"], ["values", "gaps", "provenance"]]
            )
        ),
        "readout": draw(st.sampled_from([["last"], ["last"], ["mean", "max"], ["last", "attention"]])),
        "wide": draw(st.booleans()),
        **draw(st.sampled_from(cells)),
        **draw(st.sampled_from(several)),
        **draw(st.sampled_from(after)),
    }


def random_frames(generator: Generator, people: int) -> Frames:
    """Return tables of a few people: late, corrected and early values, ties, duplicates, gaps, unsorted rows."""
    ids = [f"p{number}" for number in range(people)]
    visits = [_visit(generator, name) for name in ids for _ in range(generator.integers(0, 9))]
    labs = [_lab(generator, name) for name in ids for _ in range(generator.integers(0, 9))]
    labs += [_event(generator, name, "ADMISSION") for name in ids for _ in range(generator.integers(0, 3))]
    labs += [_event(generator, name, "DISCHARGE") for name in ids for _ in range(generator.integers(0, 3))]
    labs += [(ids[0], 0.0, None, "ADMISSION", None, None, None), (ids[0], 6.0, None, "DISCHARGE", None, None, None)]
    visits += [(ids[0], 0.0, None, 120.0, 5.0, "A"), (ids[0], 1.0, None, 121.0, None, "B")]
    visits += [
        (name, day, _late(generator, day), _pressure(generator), *rest) for name, day, _, _, *rest in visits[::4]
    ]
    labs += [(name, day, _late(generator, day), what, *rest) for name, day, _, what, *rest in labs[::5]]
    intake = [_intake(generator, name) for name in ids if generator.random() < 0.7] or [(ids[0], 0.0, None, 25.0)]
    facts = [_facts(generator, name) for name in ids]
    rows = {"visits": visits + visits[::6], "labs": labs + labs[::6], "intake": intake, "people": facts}
    return {
        name: pl.DataFrame(some, schema=_SCHEMAS[name], orient="row")[generator.permutation(len(some))]
        for name, some in rows.items()
    }


def outcome_table() -> dict[str, Any]:
    """Return the block of the table of courses."""
    return {"name": "course", "path": "course.csv", "layout": "static", "subject": "id", "role": "outcome"}


def courses(generator: Generator, ids: list[str]) -> pl.DataFrame:
    """Return who died, and when; of some it is not known, and of some who died not when."""
    rows = []
    for name in ids:
        died = _maybe(generator, float(generator.random() < 0.5), 0.9)
        rows.append((name, died, _maybe(generator, _day(generator) + 2, 0.9) if died == 1 else None))
    return pl.DataFrame(rows, schema=_SCHEMAS["course"], orient="row")


def _maybe(generator: Generator, value: Any, share: float = 0.75) -> Any:
    return value if generator.random() < share else None


def _day(generator: Generator) -> float:
    return int(generator.integers(-8, 40)) / 4


def _late(generator: Generator, day: float) -> float:
    return day + float(generator.choice([0.25, 1.0, 4.0]))


def _seen(generator: Generator, day: float) -> float | None:
    return _maybe(generator, day + float(generator.choice([-1.0, 0.0, 0.25, 1.0, 4.0])), 0.4)


def _pressure(generator: Generator) -> float:
    return 900.0 if generator.random() < 0.06 else round(float(generator.normal(130, 20)), 1)


def _visit(generator: Generator, name: str) -> tuple[Any, ...]:
    day = _day(generator)
    ward = str(generator.choice(["A", "A", "B", "C", "rare"]))
    glucose = round(float(generator.normal(6, 1)), 2)
    return (
        *(name, day, _seen(generator, day)),
        *(_maybe(generator, _pressure(generator)), _maybe(generator, glucose, 0.5), _maybe(generator, ward, 0.5)),
    )


def _lab(generator: Generator, name: str) -> tuple[Any, ...]:
    day = _day(generator)
    if generator.random() < 0.2:
        return name, day, _seen(generator, day), "culture", None, str(generator.choice(["none", "growth"])), None
    return name, day, _seen(generator, day), "crp", max(0.1, round(float(generator.exponential(20)), 1)), None, "mg/L"


def _event(generator: Generator, name: str, code: str) -> tuple[Any, ...]:
    day = _day(generator)
    return name, day, _maybe(generator, day + 0.25, 0.2), code, None, None, None


def _intake(generator: Generator, name: str) -> tuple[Any, ...]:
    day = _day(generator)
    return name, day, _seen(generator, day), round(float(generator.normal(27, 4)), 1)


def _facts(generator: Generator, name: str) -> tuple[Any, ...]:
    birth = -365.25 * float(generator.integers(20, 90))
    sex = str(generator.choice(["f", "m"]))
    return (
        *(name, _maybe(generator, sex), _maybe(generator, float(generator.integers(150, 200)))),
        _maybe(generator, birth),
    )


def future_noise(generator: Generator, frames: Frames, day: float) -> Frames:
    """Return the tables with noise over all that is known after a day: overwritten, deleted, moved and added.

    What is added: new rows, results measured before the day and known after it, corrections of what was known on it,
    episodes that open and close.
    """
    noisy = dict(frames)
    for name in TIMED:
        frame = frames[name]
        later = known_day(frame) > day
        kept = frame.filter(pl.Series(later & (generator.random(len(frame)) < 0.6)))
        before = frame.filter(pl.Series(~later))
        parts = [before, *_later_rows(generator, kept, day), *_later_rows(generator, before, day)]
        parts.append(_strangers(generator, name, frame["id"], day))
        together = pl.concat(parts)
        noisy[name] = together[generator.permutation(len(together))]
    if "course" in frames:
        noisy["course"] = frames["course"].with_columns(died=1 - pl.col("died"), died_on=pl.col("died_on") + 1)
    return noisy


def _later_rows(generator: Generator, rows: pl.DataFrame, day: float) -> list[pl.DataFrame]:
    """Return some of the rows three times with other values, known after the day."""
    parts = []
    for _ in range(3):
        chosen = rows.filter(pl.Series(generator.random(len(rows)) < 0.4, dtype=pl.Boolean))
        after = day + generator.integers(1, 20, len(chosen)) / 4
        moved = generator.random(len(chosen)) < 0.3
        chosen = chosen.with_columns(
            day=pl.when(pl.Series(moved, dtype=pl.Boolean)).then(pl.Series(after, dtype=pl.Float64)).otherwise("day"),
            seen=pl.Series(after, dtype=pl.Float64),
        )
        parts.append(noise_over(generator, chosen))
    return parts


def noise_over(generator: Generator, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with other values where they have some."""
    count = len(rows)
    words = pl.Series([f"noise{n % 4}" for n in generator.integers(0, 9, count)], dtype=pl.String)
    numbers = {
        n: pl.Series(generator.normal(0, 10.0 ** generator.integers(0, 5), count)) for n in ("sbp", "glu", "bmi")
    }
    numbers["amount"] = pl.Series(generator.normal(0, 1e3, count))
    changed = [pl.when(pl.col(n).is_not_null()).then(v).alias(n) for n, v in numbers.items() if n in rows.columns]
    changed += [pl.when(pl.col(n).is_not_null()).then(words).alias(n) for n in ("ward", "note") if n in rows.columns]
    return rows.with_columns(changed)


def _strangers(generator: Generator, table: str, ids: pl.Series, day: float) -> pl.DataFrame:
    made = {"visits": _visit, "labs": _lab, "intake": _intake}[table]
    names = ids.unique().sort().to_list()
    if not names:
        return pl.DataFrame(schema=_SCHEMAS[table])
    rows = [made(generator, str(generator.choice(names))) for _ in range(6)]
    if table == "labs":
        rows += [_event(generator, str(generator.choice(names)), code) for code in ("ADMISSION", "DISCHARGE") * 2]
    after = [day + int(generator.integers(1, 40)) / 4 for _ in rows]
    late = [(row[0], when, None, *row[3:]) for row, when in zip(rows, after, strict=True)]
    return pl.DataFrame(late, schema=_SCHEMAS[table], orient="row")
