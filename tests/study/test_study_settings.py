"""The study file: defaults, what may be changed, and every key, those of later versions included."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from small_study import study_document, write_study

from sequela.errors import NotAvailableYet, StudyError
from sequela.settings import wanted
from sequela.study.settings import StudySettings, parse_study, read_study_file, resolved

# Every key of a study file, those of later versions included, with the value that is its default or asks for nothing.
DESIGN: dict[str, dict[str, Any]] = {
    "records": {
        "name": "visits", "source": "csv", "path": "visits.csv", "role": "input", "layout": "visits", "subject": "id",
        "time": "day", "time_unit": "days", "time_zone": "UTC", "available": "resulted", "columns": ["sbp"],
        "categorical": [], "code": "code", "value": "numeric_value", "unit": "unit", "text": "text_value",
        "series": None, "rename": {}, "delimiter": ",", "decimal": ".", "encoding": "utf-8", "na": ["", "NA"],
    },
    "question": {
        "kind": "forecast", "target": "sbp", "from": "first record", "to": "last record", "at": "every record",
        "horizon": "next record", "tolerance": "auto", "history": "all", "min_records": 1, "given": [],
        "labels": None, "outcome": None, "follow_up": None, "incomplete": None,
    },
    "split": {"by": "subject", "fractions": [0.7, 0.15, 0.15], "path": None, "folds": 1, "seed": 0},
    "prepare": {
        "plausible": "none", "units": {}, "outliers": "none", "outlier_action": "flag", "missing": "last",
        "carry_limit": "none", "transform": "none", "scale": "standard", "grid": "none", "aggregate": "mean",
        "derived": {}, "clinical": {"reference": {}, "scores": {}, "amounts": []}, "min_people": 11,
    },
    "model": {
        "cell": "lstm", "gates": "standard", "decay": False, "inputs": ["values", "observed", "gaps"], "hidden": 64,
        "layers": 1, "bidirectional": False, "dropout": 0.0, "readout": ["last"], "wide": False, "members": 1,
        "hybrid": False, "loss": "auto", "recalibrate": "none", "interval": 0.9,
    },
    "train": {
        "epochs": 100, "batch_size": 32, "learning_rate": 0.001, "weight_decay": 0.0, "schedule": "constant",
        "average": 0.0, "hide": 0.0, "patience": 10, "refit": False, "seed": 0,
    },
    "evaluate": {
        "at": "same", "baselines": "default", "bootstrap": 500, "subgroups": [], "thresholds": [0.1, 0.2],
        "trials": 8, "missing_sensitivity": False, "importance": True, "reason": "not for the committee",
    },
    "audit": {"accept": []},
    "report": {"individuals": False},
}  # fmt: skip
KEYS = [(section, key) for section, keys in DESIGN.items() for key in keys]
NEUTRAL = [(section, key) for section, key in KEYS if DESIGN[section][key] is not None]


def parsed(changes: dict[str, Any] | None = None) -> StudySettings:
    return parse_study(study_document(changes), "study.toml")


def at(section: str, key: str) -> str:
    return f"records.0.{key}" if section == "records" else f"{section}.{key}"


@pytest.mark.parametrize(("section", "key"), NEUTRAL)
def test_the_default_of_every_key_of_the_design_may_be_written(section: str, key: str) -> None:
    assert parsed({at(section, key): DESIGN[section][key]})


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_of_the_design_is_known_or_not_available_yet(section: str, key: str) -> None:
    for value in (987_654_321, "nonsense", {"nonsense": 1}, [["nonsense"]], True, date(2020, 1, 5)):
        refusal = refused({at(section, key): value})
        if isinstance(refusal, NotAvailableYet):
            assert "not available yet" in str(refusal)
        if refusal is not None:
            assert key in str(refusal)
            assert "there is no key" not in str(refusal) or isinstance(value, dict)


def refused(changes: dict[str, Any]) -> StudyError | None:
    try:
        parsed(changes)
    except StudyError as error:
        return error
    return None


def test_every_key_that_there_is_stands_in_the_design() -> None:
    for name, field in StudySettings.model_fields.items():
        inside = field.annotation.__args__[0] if name == "records" else field.annotation
        for key, setting in getattr(inside, "model_fields", {}).items():
            assert (setting.alias or key) in DESIGN[name]


@pytest.mark.parametrize("section", ["split", "prepare", "model", "train", "evaluate", "report"])
def test_a_key_that_is_left_out_has_the_design_s_default(section: str) -> None:
    settings = getattr(parsed({section: {}}), section)
    for key, value in settings.model_dump(by_alias=True, exclude_none=True).items():
        assert value == DESIGN[section][key]


CHANGES: list[dict[str, Any]] = [
    {},
    {"split": {}, "model": {}, "train": {}, "evaluate": {}},
    {"question.from": {"code": ["A", "B"]}, "question.to": "96h", "question.horizon": ["6h", "1d"]},
    {"question.target": ["sbp", "dbp"], "question.horizon": "9d", "question.tolerance": "3d"},
    {"prepare.plausible": {"sbp": [40, 300]}, "prepare.missing": {"*": "mean", "sbp": "last"}, "prepare.scale": "none"},
    {"model.hidden": [5, 4], "model.interval": 0.8, "model.dropout": 0, "train.learning_rate": 1},
    {"split.fractions": [1, 0, 0], "train.patience": 0},
    {"split": {"by": "file", "path": "split.csv"}, "records.0.path": ["a.csv", "b.csv"], "records.0.na": ["-9"]},
    {"evaluate.baselines": [], "evaluate.reason": "a quotation \" and a line\nbreak", "name": "Ünï \\ \"code\""},
    {"records.1.layout": "series", "records.1.series": {"code": "hr"}, "report.individuals": True},
]  # fmt: skip


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: ", ".join(changes) or "as it is")
def test_the_resolved_study_reads_back_as_the_same_study(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = parsed(changes)
    text = resolved(settings)
    assert parse_study(tomllib.loads(text), "study.toml") == settings
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert read_study_file(tmp_path / "study.toml") == settings


def test_the_resolved_study_holds_every_default() -> None:
    document = tomllib.loads(resolved(parsed()))
    for section in ("question", "prepare", "model", "train", "split", "evaluate", "report"):
        held = set(document[section])
        assert held >= {
            k for k in type(getattr(parsed(), section)).model_fields if k not in ("path", "reason", "from_")
        }


def test_values_laid_over_the_file_win(tmp_path: Path) -> None:
    changes = {
        "train.seed": 7, "records.visits.time_unit": "hours", "records.1.na": ["-"], "report.individuals": True,
        "question.from": {"code": "A"},
    }  # fmt: skip
    settings = read_study_file(write_study(tmp_path), changes)
    assert (settings.train.seed, settings.records[0].time_unit, settings.records[1].na) == (7, "hours", ["-"])
    assert settings.report.individuals
    assert not isinstance(settings.question.from_, str)


@pytest.mark.parametrize("table", ["2", "-1", "visit"])
def test_a_table_that_is_not_there_has_no_value_laid_over_it(table: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=rf"--set records\.{table}\.path: there is no table '{table}'"):
        read_study_file(write_study(tmp_path), {f"records.{table}.path": "new.csv"})


def test_a_table_is_named_by_its_file_where_it_has_no_name() -> None:
    assert parsed({"records.0.name": None}).records[0].name == "visits"


def test_without_tuning_people_the_default_is_no_interval() -> None:
    assert parsed({"split.fractions": [0.8, 0, 0.2], "train.patience": 0}).model.interval == "none"


def risk(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    question = {"kind": "risk", "outcome": {"code": "sbp", "above": 180, "within": "1y"}}
    return {"question": question, "evaluate.baselines": "default"} | (changes or {})


RISKS: list[dict[str, Any]] = [
    risk(),
    risk({"question.outcome": {"column": "died"}, "question.at": "24h"}),
    risk({"question.outcome": {"column": "died", "time": "died_on", "time_unit": "days", "within": "1y"}}),
    risk({"question.outcome": {"code": ["ICD10CM/I21", "MEDS_DEATH"], "within": "1y", "recurrent": True}}),
    risk({"question.outcome": {"column": "grade", "positive": 2}, "evaluate.thresholds": [0.3]}),
    risk({"question.follow_up": {"code": "DISCHARGE"}, "question.incomplete": "no event"}),
    risk({"question.follow_up": {"column": "left", "time_unit": "days"}, "question.at": "every 6h"}),
    risk({"question": {"kind": "risk", "labels": "labels.parquet"}}),
    risk({"model": {"members": 5, "hybrid": True, "recalibrate": "isotonic"}, "evaluate.baselines": ["logistic"]}),
    risk({"model": {"loss": "weighted_cross_entropy", "recalibrate": "platt", "wide": True, "readout": "attention"}}),
    risk({"model.inputs": ["values", "provenance"], "prepare.missing": "decay", "train.hide": 0.3}),
    risk({"prepare": {"plausible": "default", "outliers": {"*": "mad"}, "scale": "quantile", "min_people": 20}}),
    risk({"prepare": {"grid": "6h", "aggregate": {"sbp": "max"}, "derived": {"shock": "hr / sbp"}}}),
    risk({"records.0.role": "outcome", "audit.accept": [{"finding": "equals_outcome", "column": "a", "reason": "b"}]}),
]


@pytest.mark.parametrize("changes", RISKS, ids=str)
def test_the_resolved_study_of_a_risk_reads_back_as_the_same_study(changes: dict[str, Any]) -> None:
    settings = parsed(changes)
    assert settings.question.kind == "risk"
    assert parse_study(tomllib.loads(resolved(settings)), "study.toml") == settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"question.outcom": 1}, ("'question.outcom'", "'outcome'", "Known here: at, follow_up, from")),
        ({"question.outcome.abve": 1}, ("'question.outcome.abve'", "'above'")),
        ({"question.follow_up": {"colum": "x"}}, ("'question.follow_up.colum'", "'column'")),
    ],
)
def test_an_unknown_key_of_a_risk_is_told_from_the_keys_of_a_risk(changes: dict[str, Any], words: Any) -> None:
    refusal = str(refused(risk(changes)))
    assert all(word in refusal for word in words)
    assert "horizon" not in refusal


def test_an_unknown_key_of_a_forecast_is_told_from_the_keys_of_a_forecast() -> None:
    refusal = str(refused({"question.targt": "sbp"}))
    assert "Did you mean 'target'" in refusal
    assert "outcome" not in refusal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (risk({"model.hybrid": True}), "members = 5"),
        (risk({"train.hide": 0.2, "prepare.missing": "mean"}), 'missing = "last" or "decay"'),
        (risk({"train.hide": 0.2, "prepare.missing": {"sbp": "knn"}}), '"knn"'),
        (risk({"model": {"hybrid": True, "members": 2}, **(NOBODY := {"split.fractions": [0.7, 0, 0.3]})}), "patience"),
        (risk({"model": {"hybrid": True, "members": 2}, "train.patience": 0, **NOBODY}), "boosting"),
        (risk({"model.recalibrate": "platt", "train.patience": 0, **NOBODY}), "recalibrate"),
        (risk({"model.loss": "huber"}), '"cross_entropy"'),
        (risk({"evaluate.baselines": ["persistence"]}), "logistic"),
        (risk({"evaluate.thresholds": [0.1, 0.2, 0.1]}), "twice"),
        ({"evaluate.baselines": ["logistic"]}, "persistence"),
        ({"model.recalibrate": "platt"}, "for a risk"),
        ({"train.refit": True, "train.patience": 0}, "train.refit is for a risk"),
        (risk({"train.refit": True, "train.patience": 1}), "patience = 0"),
        ({"model.loss": "cross_entropy"}, '"squared"'),
        ({"question.outcome": {"code": "A"}}, 'kind = "risk"'),
        (risk({"question.target": "sbp"}), 'kind = "forecast"'),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_with_what_to_write(changes: dict[str, Any], words: str) -> None:
    refusal = refused(changes)
    assert refusal is not None
    assert not isinstance(refusal, NotAvailableYet)
    assert words in str(refusal)


def test_a_risk_without_tuning_people_is_possible_where_nothing_is_learned_of_them() -> None:
    assert parsed(risk({"split.fractions": [0.7, 0, 0.3], "train.patience": 0})).model.interval == "none"
    assert parsed(risk({"split.fractions": [0.7, 0, 0.3], "train.patience": 0, "model.interval": 0.9}))


@pytest.mark.parametrize(
    "changes",
    [
        {"question.given": ["drug"]}, {"question.kind": "survival"}, {"question.kind": "response"},
        {"evaluate.at": ["1y"]}, {"evaluate.baselines": ["cox"]}, {"records.0.source": "omop"},
        {"records.0.source": "fhir"}, {"records.0.source": "wfdb"},
    ],
    ids=str,
)  # fmt: skip
def test_what_later_versions_bring_is_refused_by_name(changes: dict[str, Any]) -> None:
    assert isinstance(refused(changes), NotAvailableYet)


def test_a_study_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf" + tomli_w.dumps(study_document()).encode())
    assert read_study_file(path) == parsed()


def test_a_number_is_refused_as_it_was_written() -> None:
    """2.0 where a whole number stands: not "cannot be 2, write a whole number"."""
    assert "'train.epochs' cannot be 2.0. Write a whole number." in str(refused({"train.epochs": 2.0}))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"type": "value_error", "msg": "Value error, ISO 8601 times are wanted."}, "ISO 8601 times are wanted"),
        ({"type": "value_error", "msg": "Value error, Write a number."}, "write a number"),
        ({"type": "literal_error", "ctx": {"expected": "'a' or 'b'"}, "msg": ""}, '"a" or "b"'),
        ({"type": "too_long", "ctx": {"min_length": 1, "max_length": 3}, "msg": ""}, "a list of at most 3"),
        ({"type": "less_than_equal", "ctx": {"le": 0.5}, "msg": ""}, "a number of at most 0.5"),
        ({"type": "less_than", "ctx": {"lt": 1.0}, "msg": ""}, "a number below 1"),
        ({"type": "greater_than", "ctx": {"gt": 0}, "msg": ""}, "a number above 0"),
    ],
)
def test_what_is_wanted_is_said_as_a_noun_or_as_it_was_put(error: dict[str, Any], words: str) -> None:
    assert wanted(error) == words


IDLE: list[tuple[dict[str, Any], str]] = [
    ({"question.tolerance": "3d"}, "question.tolerance .* horizon = "),
    ({"split": {"by": "file", "path": "split.csv", "fractions": [0.5, 0.25, 0.25]}}, "`fractions`"),
    ({"split.by": "order", "split.seed": 1}, "`seed`"),
    ({"split.by": "time", "split.seed": 1}, "`seed`"),
    ({"prepare.outlier_action": "clip"}, "`outlier_action` goes with `outliers`: "),
    ({"prepare.outlier_action": {"sbp": "clip"}, "prepare.outliers": {"dbp": "iqr"}}, "`outlier_action`.* of 'sbp'"),
    ({"prepare.outlier_action": "clip", "prepare.outliers": {"sbp": "none"}}, "`outlier_action`"),
    ({"prepare.carry_limit": "1d", "prepare.missing": "mean"}, "`carry_limit` goes with missing = "),
    ({"prepare.carry_limit": {"sbp": "1d"}, "prepare.missing": {"sbp": "zero"}}, "`carry_limit` .* of 'sbp'"),
    ({"evaluate.thresholds": [0.5]}, "evaluate.thresholds is for a risk"),
    ({"evaluate.trials": 3, "evaluate.baselines": ["linear"]}, "evaluate.trials goes with gradient boosting"),
]
RISK = {"question": {"kind": "risk", "outcome": {"code": "sbp", "above": 135, "within": "90d"}}}
IDLE_OF_A_RISK: list[tuple[dict[str, Any], str]] = [
    ({"model.interval": 0.8}, "model.interval is for a forecast"),
    ({"evaluate.trials": 3, "evaluate.baselines": ["logistic"]}, "evaluate.trials goes with gradient boosting"),
    (
        {"prepare.clinical": {"amounts": ["sbp"]}, "evaluate": {"baselines": [], "reason": "a test"}},
        "prepare.clinical makes columns for",
    ),
]


@pytest.mark.parametrize(
    ("changes", "says"),
    [*IDLE, *(({**RISK, "evaluate": {}, **changes}, says) for changes, says in IDLE_OF_A_RISK)],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_a_key_that_can_do_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    refusal = refused(changes)
    assert refusal is not None
    assert re.search(says, str(refusal)), refusal


@pytest.mark.parametrize(
    "changes",
    [
        {"question.tolerance": "3d", "question.horizon": "9d"},
        {"split": {"by": "file", "path": "split.csv", "fractions": [0.7, 0.15, 0.15], "seed": 0}},
        {"prepare.outlier_action": "clip", "prepare.outliers": {"sbp": "iqr"}},
        {"prepare.outlier_action": {"sbp": "clip", "*": "flag"}, "prepare.outliers": {"sbp": "iqr"}},
        {"prepare.carry_limit": "1d", "prepare.missing": {"sbp": "mean"}},
        {"prepare.carry_limit": {"sbp": "none"}, "prepare.missing": "mean"},
        {**RISK, "evaluate": {"baselines": ["logistic"], "trials": 8}, "model.interval": "none"},
        {**RISK, "evaluate": {"baselines": [], "reason": "a test"}, "prepare.clinical": {"amounts": ["sbp"]},
         "model.wide": True},
        {**RISK, "evaluate": {}, "train": {"refit": True, "patience": 0}},
        {**RISK, "evaluate": {"baselines": ["logistic"]}, "prepare.clinical": {"amounts": ["sbp"]}},
        {"split": {"by": "file", "path": "split.csv"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_key_that_can_do_something_or_asks_for_nothing_is_read(changes: dict[str, Any]) -> None:
    assert parse_study(tomllib.loads(resolved(parsed(changes))), "study.toml") == parsed(changes)
