"""Nothing is called a leak in studies in which nothing leaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from audited import OUTCOME, VISITS, audited
from clean import CLEAN, Clean


@pytest.mark.parametrize("study", CLEAN, ids=lambda study: study.__name__)
def test_a_clean_study_is_let_be(study: Callable[[], Clean]) -> None:
    tables, question = study()
    audit = audited(tables, question)
    columns = sum(
        frame["code"].n_unique() if "code" in frame.columns else len(frame.columns) for _, frame in tables.values()
    )
    warnings = [one for one in audit.findings if one.severity == "likely"]
    assert not [one for one in audit.findings if one.severity == "certain"]
    assert len(warnings) <= columns // 100
    audit.stop_at_leaks()


def test_a_study_without_numbers_is_let_be() -> None:
    random = np.random.default_rng(0)
    visits = pl.DataFrame({"id": np.repeat(np.arange(200), 3), "day": np.tile([0.0, 1.0, 2.0], 200)})
    visits = visits.with_columns(drug=pl.Series(random.choice(["a", "b", "c"], 600)))
    outcome = pl.DataFrame({"id": np.arange(200), "died": random.integers(0, 2, 200)})
    tables = {"visits": (VISITS, visits), "outcome": (OUTCOME, outcome)}
    question = {"kind": "risk", "outcome": {"column": "died"}, "from": "origin", "to": "9d", "at": "1d"}
    assert {one.severity for one in audited(tables, question).findings} <= {"note"}


def test_there_are_twenty() -> None:
    assert len(CLEAN) >= 20


def test_the_strong_predictor_is_as_strong_as_it_is_called() -> None:
    from sequela.evaluate import auroc

    tables = next(study for study in CLEAN if study.__name__.endswith("095_in_many_people"))()[0]
    visits = tables["visits"][1].filter(pl.col("severity").is_not_null()).unique("id", keep="first")
    rows = visits.join(tables["outcome"][1], on="id")
    assert auroc(rows["died"].to_numpy(), rows["severity"].to_numpy()) == pytest.approx(0.95, abs=0.01)
