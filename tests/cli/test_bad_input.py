"""What is wrong with the input or the call is refused in one paragraph, and leaves nothing behind.

CASES is the list. Every id in the tables and every planted cell begins with SECRET-4711: it must never be repeated.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import damage
import polars as pl
import pytest
from command_line import Answer, in_a_process, in_process, listing
from small_study import (
    DOCUMENT,
    OUTCOMES,
    PEOPLE,
    SECRET,
    outcomes_csv,
    patients_csv,
    visits_csv,
    write_risk_study,
    write_study,
)

SHOW = False  # print the refusals, to read them: pytest -s
RUN = ["run", "study.toml", "--out", "out"]
PREDICT = ["predict", "run/bundle", "visits.csv", "patients.csv", "--out", "out.csv"]


@dataclass(frozen=True)
class Case:
    """What is done to a good study (or a good bundle), how it is called, and what the refusal must say."""

    says: list[str]
    changes: dict[str, Any] = field(default_factory=dict)  # of study.toml
    files: dict[str, str | bytes] = field(default_factory=dict)
    call: list[str] = field(default_factory=lambda: RUN)
    before: Callable[[Path], Any] | None = None  # done to the folder
    bundle: Callable[[Path], Any] | None = None  # done to a copy of a good bundle; then the call is PREDICT
    risk: bool = False  # of the study of a risk, and its bundle


def visits(old: str = "", new: str = "", *, then: str = "") -> dict[str, str | bytes]:
    """The table of visits with one thing replaced once, and rows added; it has 360."""
    return {"visits.csv": visits_csv(id_prefix=SECRET).replace(old, new, 1) + then}


def patients(*, then: str) -> dict[str, str | bytes]:
    return {"patients.csv": patients_csv(id_prefix=SECRET) + then}


def split_file(*lines: str) -> dict[str, str | bytes]:
    return {"split.csv": "\n".join(lines) + "\n"}


def meds_file(ids: list[Any], days: list[int]) -> bytes:
    """A file of events in the MEDS layout."""
    frame = pl.DataFrame(
        {
            "subject_id": ids,
            "time": [datetime(2024, 1, 1 + day) for day in days],
            "code": ["sbp"] * len(ids),
            "numeric_value": [120.0] * len(ids),
        }
    )
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def stay(*lines: str) -> Callable[[Path], None]:
    """A folder with one stay of the challenge."""

    def make(folder: Path) -> None:
        (folder / "stays").mkdir()
        text = "\n".join(("Time,Parameter,Value", "00:00,RecordID,132539", "00:00,Age,54", *lines)) + "\n"
        (folder / "stays" / "132539.txt").write_text(text)

    return make


def a_folder(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).mkdir()


BY_FILE = {"split": {"by": "file", "path": "split.csv"}}
ROW = f"{SECRET}9,400"
THIRDS = [f"{SECRET}{n},{('train', 'tuning', 'held_out')[n % 3]}" for n in range(60)]

CASES: dict[str, Case] = {
    # The study file itself
    "no such study": Case(["nowhere.toml", "no such file", "`sequela example`"], call=["run", "nowhere.toml"]),
    "a study that is a folder": Case(["this is a folder", "study.toml"], call=["run", "."]),
    "a study that is no TOML": Case(["study.toml", "no TOML", "line 1", "Mend"], files={"study.toml": "name: x\n"}),
    "a table given as the study": Case(["visits.csv", "no TOML", "line 1"], call=["run", "visits.csv"]),
    "a study that is no text": Case(["study.toml", "UTF-8"], files={"study.toml": b"PAR1\xff\xfe"}),
    "a study that never ends": Case(["/dev/zero", "larger than a study file"], call=["run", "/dev/zero"]),
    "a study that is too deep": Case(["study.toml", "too deep"], files={"study.toml": f"a{'.a' * 5000} = 1\n"}),
    "an empty study": Case(["study.toml", "'name' is missing", 'name = "'], files={"study.toml": ""}),
    "a study without records": Case(["'records' is missing", "[[records]]"], {"records": None}),
    "records in single brackets": Case(["'records'", "two pairs of brackets"], {"records": {"path": "visits.csv"}}),
    "a study without a question": Case(["'question' is missing", "[question]"], {"question": None}),
    "a study without a target": Case(["'question.target' is missing", 'target = "sbp"'], {"question": {}}),
    "a table without a path": Case(["'records[1].path'", "missing", 'path = "'], {"records.0.path": None}),
    # Keys
    "an unknown key": Case(["no key 'trian'", "Did you mean 'train'"], {"trian": {"epochs": 3}}),
    "an unknown nested key": Case(["no key 'train.epoch'", "Did you mean 'epochs'"], {"train.epoch": 3}),
    "an unknown key in a table": Case(
        ["'records[1].colums' (table 'visits')", "Did you mean 'columns'"], {"records.0.colums": ["sbp"]}
    ),
    "an unknown key in an episode": Case(["'question.from.cod'", "'code'"], {"question.from": {"cod": "A"}}),
    "a key named as in Python": Case(["'question.from_'", "Did you mean 'from'"], {"question.from_": "origin"}),
    "an unknown key of the audit": Case(["'audit.acept'", "'accept'"], {"audit.acept": []}),
    "a kind that there is not": Case(
        ["'question.kind' cannot be \"risks\"", 'Write "forecast" or "risk"'], {"question.kind": "risks"}
    ),
    "a kind of a later version": Case(
        ["'question.kind'", "not available yet", '"forecast"'], {"question.kind": "survival"}
    ),
    "planned treatment of a later version": Case(["'question.given'", "not available yet"], {"question.given": ["x"]}),
    "landmarks of a later version": Case(["'evaluate.at'", "not available yet"], {"evaluate.at": ["1y"]}),
    "a source of a later version": Case(
        ["'records.source'", "not available yet", '"csv"'], {"records.0.source": "omop"}
    ),
    "a baseline of a later version": Case(["'evaluate.baselines'", "yet"], {"evaluate.baselines": ["cox"]}),
    # Types and ranges
    "text where a number belongs": Case(["'train.epochs'", '"many"', "a whole number"], {"train.epochs": "many"}),
    "a broken number of layers": Case(["'model.layers'", "1.5", "a whole number"], {"model.layers": 1.5}),
    "a number where true belongs": Case(["'model.bidirectional'", "true or false"], {"model.bidirectional": 1}),
    "a number where text belongs": Case(["'name'", "7", "text in quotation marks"], {"name": 7}),
    "an empty name": Case(["'name'", "not empty"], {"name": ""}),
    "a value where a block belongs": Case(["'train'", "[train]"], {"train": 3}),
    "a list of layers with text": Case(["'model.hidden[2]'", "a whole number"], {"model.hidden": [4, "four"]}),
    "a misspelt choice": Case(
        ["'records[1].layout'", '"visit"', "Did you mean 'visits'"], {"records.0.layout": "visit"}
    ),
    "a misspelt baseline": Case(["'evaluate.baselines[1]'", "'persistence'"], {"evaluate.baselines": ["persistance"]}),
    "a learning rate of zero": Case(["'train.learning_rate'", "a number above 0"], {"train.learning_rate": 0}),
    "a learning rate that is infinite": Case(
        ["'train.learning_rate'", "number"], {"train.learning_rate": float("inf")}
    ),
    "a dropout of one": Case(["'model.dropout'", "a number below 1"], {"model.dropout": 1.0}),
    "no epochs": Case(["'train.epochs'", "at least 1"], {"train.epochs": 0}),
    "a number without end": Case(["'train.seed'", "64 bits"], files={"study.toml": f"train.seed = {10**400}\n"}),
    "too few resamples": Case(["'evaluate.bootstrap'", "at least 100"], {"evaluate.bootstrap": 3}),
    "layers that disagree": Case(
        ["[model]", "`hidden` lists 2", "`layers`"], {"model": {"hidden": [4, 4], "layers": 3}}
    ),
    "inputs without values": Case(["'model.inputs'", '"values"'], {"model.inputs": ["gaps"]}),
    # The question
    "a negative horizon": Case(["`horizon`", "a duration such as", '"next record"'], {"question.horizon": "-6h"}),
    "a horizon without a unit": Case(["`horizon`", '"6"', "'6h'"], {"question.horizon": ["1d", "6"]}),
    "next record beside a duration": Case(["[question]", "remove it"], {"question.horizon": ["next record", "6h"]}),
    "one horizon in two ways": Case(["[question]", "twice", "remove"], {"question.horizon": ["24h", "1d"]}),
    "one prediction time in two ways": Case(["`at`", "twice", "remove"], {"question.at": ["24h", "1d"]}),
    "episodes of a code without a name": Case(["'question.from.code'", "not empty"], {"question.from": {"code": ""}}),
    "ends of codes, one without a name": Case(
        ["'question.to.code[2]'", "not empty"], {"question.to": {"code": ["X", ""]}}
    ),
    "time 0 of dates": Case(
        ['from = "origin"', "dates", "first record"],
        {"question.from": "origin", "records.0.time_unit": None},
        {"visits.csv": f"id,day,sbp,dbp,ward\n{SECRET}1,2024-05-31,120,80,A\n{SECRET}1,2024-06-30,130,80,A\n"},
    ),
    "a number as a horizon": Case(["'question.horizon'", "text in quotation marks"], {"question.horizon": 6}),
    "one target twice": Case(["'question.target'", "twice", "remove one"], {"question.target": ["sbp", "sbp"]}),
    "a target that is no code": Case(["target", "no record has the code 'spb'", "'sbp'"], {"question.target": "spb"}),
    "a target that is a category": Case(["'ward'", "measured number"], {"question.target": "ward"}),
    "a target that is static": Case(["'height'", "measured number"], {"question.target": "height"}),
    "episodes that never begin": Case(["'ADMISSION'", "[question]"], {"question.from": {"code": "ADMISSION"}}),
    "a question that is never asked": Case(
        ["no prediction at all (no record of an input, no episode, or no time in it at which the question is asked)."],
        {"question.to": "1d", "question.at": "every 2d"},
    ),
    "a question that leaves nobody": Case(["no prediction", "`min_records`"], {"question.min_records": 99}),
    # Split and preparation
    "fractions that do not add up": Case(["[split]", "add up to 1"], {"split.fractions": [0.7, 0.2, 0.2]}),
    "two fractions": Case(["'split.fractions'", "three numbers"], {"split.fractions": [0.7, 0.3]}),
    "no tuning people with patience": Case(["patience = 0", "[train]"], {"split.fractions": [0.8, 0.0, 0.2]}),
    "intervals without tuning people": Case(
        ['interval = "none"'], {"split.fractions": [0.8, 0.0, 0.2], "train.patience": 0, "model.interval": 0.9}
    ),
    "an empty split": Case(["[split]", "held_out", "fractions"], {"split.fractions": [0.99, 0.005, 0.005]}),
    "more folds than people": Case(["folds = 99", "60 people"], {"split.folds": 99}),
    "a split file that is missing": Case(["split.csv", "no such file", "`path`"], BY_FILE),
    "a split file with a wrong word": Case(
        ["split.csv", "'split'", "row 2", "held_out"],
        BY_FILE,
        split_file("subject_id,split", THIRDS[0], f"{SECRET}1,{SECRET}"),
    ),
    "a person in two splits": Case(
        ["split.csv", "'subject_id'", "two splits"],
        BY_FILE,
        split_file("subject_id,split", *THIRDS, f"{SECRET}0,tuning"),
    ),
    "a split file without a column": Case(
        ["split.csv", "'split'", "missing"], BY_FILE, split_file("subject_id", SECRET)
    ),
    "a split file without tuning people": Case(
        ["tuning", "patience = 0"], BY_FILE, split_file("subject_id,split", *THIRDS[:1], *THIRDS[2::3])
    ),
    "a plausible range upside down": Case(
        ["'prepare.plausible'", "'sbp'", "upside"], {"prepare.plausible.sbp": [300, 40]}
    ),
    "a plausible range of one number": Case(["'sbp'", "two numbers", "[40, 300]"], {"prepare.plausible.sbp": [300]}),
    "a plausible range of an unknown code": Case(["'spb'", "'sbp'"], {"prepare.plausible.spb": [40, 300]}),
    "a plausible range that leaves no target": Case(["'sbp'", "range", "unit"], {"prepare.plausible.sbp": [1, 2]}),
    "a list that is empty": Case(["'model.hidden'", "an empty list", "at least 1"], {"model.hidden": []}),
    "min_people that nobody reaches": Case(["min_people = 500", "Lower"], {"prepare.min_people": 500}),
    "a filling that there is not": Case(["'prepare.missing'", '"lst"', "'last'"], {"prepare.missing": "lst"}),
    "a filling of an unknown code": Case(["missing", "'spb'", "'sbp'"], {"prepare.missing": {"spb": "mean"}}),
    "a transform that there is not": Case(["there is no transform", '"log"'], {"prepare.transform": "logarithm"}),
    "a moving average of one value": Case(
        ["no transform", "moving_average:3"], {"prepare.transform": "moving_average:1"}
    ),
    "a logarithm of values below zero": Case(
        ["transform = log", "'dbp'", "yeo_johnson"],
        {"prepare.transform": {"dbp": "log"}, "prepare.derived": {}, "prepare.units": {"dbp": "a -> b * 1.0 - 500"}},
    ),
    "an outlier rule that there is not": Case(["'prepare.outliers'", '"iqr"'], {"prepare.outliers": "irq"}),
    "an outlier action that there is not": Case(
        ["'prepare.outlier_action'", '"clip"'], {"prepare.outlier_action": "cut"}
    ),
    "a carry limit that is no time": Case(["'prepare.carry_limit'", "no time"], {"prepare.carry_limit": "a day"}),
    "a grid that is no time": Case(["'prepare.grid'", "no time"], {"prepare.grid": "1"}),
    "a grid with questions at records": Case(["grid", 'at = "every 1d"'], {"prepare.grid": "1d"}),
    "a grid with questions off its edges": Case(
        ["grid", '"5d"', "multiple"], {"prepare.grid": "2d", "question.at": "5d", "question.horizon": "30d"}
    ),
    "a grid off the question, before any table is read": Case(
        ["grid", 'at = "every 1d"'], {"prepare.grid": "1d", "records.0.path": "nowhere.csv"}
    ),
    "an aggregate without a grid": Case(["`aggregate`", "`grid`"], {"prepare.aggregate": "last"}),
    "a scale of an unknown code": Case(["scale", "'spb'", "'sbp'"], {"prepare.scale": {"spb": "none"}}),
    "one plausible range for all codes": Case(['"*"', "default"], {"prepare.plausible": {"*": [0, 300]}}),
    "a formula without spaces": Case(
        ["'prepare.derived'", "no formula", "HR / SysABP"], {"prepare.derived": {"x": "sbp/dbp"}}
    ),
    "a formula of three codes": Case(["derived", "'x'", "sbp - dbp"], {"prepare.derived": {"x": "sbp - dbp - ward"}}),
    "a formula of an unknown code": Case(["derived", "'spb'", "'sbp'"], {"prepare.derived": {"x": "spb - dbp"}}),
    "a formula of a static fact": Case(
        ["derived", "'x'", "'height'", "no number with a time"], {"prepare.derived": {"x": "sbp / height"}}
    ),
    "a formula of a category": Case(
        ["derived", "'ward'", "no number with a time"], {"prepare.derived": {"y": "sbp - dbp", "x": "y | ward"}}
    ),
    "limits of a derived code": Case(
        ["plausible", "'x'", "derived", "sbp - dbp"],
        {"prepare.derived": {"x": "sbp - dbp"}, "prepare.plausible": {"x": [0, 99]}},
    ),
    "a conversion of a derived code": Case(
        ["units", "'x'", "derived", "sbp - dbp"],
        {"prepare.derived": {"x": "sbp - dbp"}, "prepare.units": {"x": "mmHg -> kPa"}},
    ),
    "a formula with the name of a code": Case(
        ["derived", "'dbp'", "another name"], {"prepare.derived": {"dbp": "sbp + dbp"}}
    ),
    "a conversion that nobody knows": Case(
        ["units", "'furlong'", "factor"], {"prepare.units": {"sbp": "furlong -> kPa"}}
    ),
    "a conversion without a way": Case(["units", "'sbp'", "factor"], {"prepare.units": {"sbp": "kg -> kPa"}}),
    "a conversion by a factor of zero": Case(["units", "factor"], {"prepare.units": {"sbp": "a -> b * 0"}}),
    "a conversion that is none": Case(
        ["units", "'sbp'", "expected a conversion"], {"prepare.units": {"sbp": "-> kPa"}}
    ),
    "a name of a unit that is not the one stated": Case(
        ["units", "'sbp'", "kPa", "another unit", "write a conversion"],
        {
            "records.0": {
                "path": "visits.csv",
                "layout": "long",
                "subject": "id",
                "time": "day",
                "time_unit": "days",
                "code": "ward",
                "value": "dbp",
                "unit": "unit",
            },
            "prepare.units": {"sbp": "kPa"},
        },
        {"visits.csv": f"id,day,ward,dbp,unit\n{SECRET}1,0,sbp,120,mmHg\n{SECRET}1,1,sbp,125,mmHg\n"},
    ),
    "units of an unknown code": Case(["units", "'spb'", "'sbp'"], {"prepare.units": {"spb": "kPa"}}),
    # What does not go together
    "a hybrid of one network": Case(["model.hybrid", "members = 5"], {"model.hybrid": True}),
    "a hybrid without tuning people": Case(
        ["tuning", "boosting", "hybrid = false"],
        {"model.hybrid": True, "model.members": 2, "split.fractions": [0.8, 0, 0.2], "train.patience": 0},
    ),
    "recalibration of a forecast": Case(["model.recalibrate", "risk"], {"model.recalibrate": "platt"}),
    "a loss of a risk": Case(["model.loss", '"squared"'], {"model.loss": "cross_entropy"}),
    "no members": Case(["'model.members'", "at least 1"], {"model.members": 0}),
    "a readout that there is not": Case(["'model.readout", "'attention'"], {"model.readout": ["atention"]}),
    "a readout twice": Case(["'model.readout'", "once"], {"model.readout": ["last", "last"]}),
    "hidden measurements without carrying on": Case(
        ["train.hide", '"last" or "decay"'], {"train.hide": 0.3, "prepare.missing": "mean"}
    ),
    "all measurements hidden": Case(["'train.hide'", "at most 0.5"], {"train.hide": 0.9}),
    "a schedule that there is not": Case(["'train.schedule'", '"one cycle"'], {"train.schedule": "one cycel"}),
    "subgroups of a forecast": Case(["evaluate.subgroups", "risk", "remove"], {"evaluate.subgroups": ["sex"]}),
    "a threshold above one": Case(["'evaluate.thresholds[1]'", "below 1"], {"evaluate.thresholds": [20]}),
    "no trials": Case(["'evaluate.trials'", "at least 1"], {"evaluate.trials": 0}),
    "an accepted finding without a reason": Case(
        ["'audit.accept[1].reason'", "missing"], {"audit.accept": [{"finding": "outcome_time"}]}
    ),
    "an accepted finding that there is not": Case(
        ["audit.accept", "'outcome_time'"], {"audit.accept": [{"finding": "outcome_tme", "reason": "x"}]}
    ),
    "the source's own splits where there are none": Case(
        ["[split]", "source has none", "`path`"], {"split": {"by": "file"}}
    ),
    # The tables
    "a table that is missing": Case(["nowhere.csv", "no such file", "`path`"], {"records.0.path": "nowhere.csv"}),
    "a table that never ends": Case(["/dev/zero", "a device", "`path`"], {"records.0.path": "/dev/zero"}),
    "a table that is a folder": Case(["visits", "a folder"], {"records.0.path": "visits"}, before=a_folder("visits")),
    "two tables with one name": Case(["'visits'", "`name`"], {"records.1.name": "visits"}),
    "one code in two tables": Case(
        ["patients.csv", "'sbp'", "'visits'", "rename"], {"records.1.rename": {"height": "sbp"}}
    ),
    "a missing column": Case(["visits.csv", "'pulse'", "`columns`"], {"records.0.columns": ["sbp", "pulse"]}),
    "a missing time column": Case(["visits.csv", "'days'", "'day'"], {"records.0.time": "days"}),
    "an empty file": Case(["visits.csv", "empty", "Give"], files={"visits.csv": ""}),
    "a header only": Case(["visits.csv", "no data rows", "Give"], files={"visits.csv": "id,day,sbp,dbp,ward\n"}),
    "text in numbers": Case(["visits.csv", "'sbp'", "row 361", "`"], files=visits(then=f"{ROW},{SECRET},,A\n")),
    "an infinite value": Case(["visits.csv", "'dbp'", "row 361", "finite"], files=visits(then=f"{ROW},120,inf,A\n")),
    "a time that is none": Case(["visits.csv", "'day'", "row 361"], files=visits(then=f"{SECRET},{SECRET},120,,A\n")),
    "a row without an id": Case(["visits.csv", "'id'", "row 361"], files=visits(then=",400,120,,A\n")),
    "a row of another length": Case(["visits.csv", "row 361", "fields"], files=visits(then=f"{ROW},120\n")),
    "one id twice in a static table": Case(
        ["patients.csv", "'id'", "rows 1, 61"], files=patients(then=f"{SECRET}0,m,180\n")
    ),
    "a wrong delimiter": Case(["visits.csv", "one column", 'delimiter = ","'], {"records.0.delimiter": ";"}),
    "a wrong encoding": Case(
        ["visits.csv", "encoding", "latin-1"], files={"visits.csv": visits_csv().encode() + b"1,400,,,\xc4\n"}
    ),
    "an encoding that cannot be": Case([r"no encoding 'utf\x00'"], {"records.0.encoding": "utf\0"}),
    "a column whose name steers the terminal": Case(
        [r"'\x1b[31mred'"], {"records.0.columns": ["nothing"]}, visits("ward", "\x1b[31mred")
    ),
    "mixed calendars": Case(
        ["patients.csv", "dates", "numbers", "one way"],
        {"records.1.layout": "visits", "records.1.time": "on"},
        {"patients.csv": f"id,on,height\n{SECRET}1,2020-01-05,170\n"},
    ),
    # The call
    "a run folder that exists": Case(["out", "--force"], before=a_folder("out")),
    "--force on a folder that is no run": Case(
        ["no run folder", "Choose another --out"], call=["run", "study.toml", "--out", ".", "--force"]
    ),
    "--out that is a file": Case(
        ["visits.csv", "file of that name"], call=["run", "study.toml", "--out", "visits.csv"]
    ),
    "--out below a file": Case(["visits.csv", "--out"], call=["run", "study.toml", "--out", "visits.csv/out"]),
    "--set without =": Case(["--set epochs", "key=value"], call=[*RUN, "--set", "epochs"]),
    "--set of an unknown key": Case(["'train.epoch'", "'epochs'"], call=[*RUN, "--set", "train.epoch=3"]),
    "--set of an unknown table": Case(["records.x", "'x'", "[[records]]"], call=[*RUN, "--set", "records.x.decimal=,"]),
    "--set of two lines": Case(["'train.epochs'", "whole number"], call=[*RUN, "--set", "train.epochs=2\nname='x'"]),
    "--set below a value": Case(["name.first", "no table"], call=[*RUN, "--set", "name.first=x"]),
    "an unknown option": Case(["--fource", "--force", "--help"], call=[*RUN, "--fource"]),
    "an unknown command": Case(["'rum'", "--help"], call=["rum"]),
    "a call without a study": Case(["Missing argument", "`sequela run --help`"], call=["run"]),
    "an unknown example": Case(["'bloodpressure'", "'blood-pressure'"], call=["example", "bloodpressure"]),
    "a report of a run whose name is too long": Case(["File name too long", "Check"], call=["report", "b" * 300]),
    "a report of no run": Case(
        ["study.toml", "`sequela run STUDY`"], call=["report", "empty"], before=a_folder("empty")
    ),
}


SOON: dict[str, Any] = {"column": "died", "time": "died_on", "time_unit": "days", "within": "1y"}
HIGH: dict[str, Any] = {"code": "sbp", "above": 135, "within": "90d"}


def outcomes(old: str = "", new: str = "", *, then: str = "") -> dict[str, str | bytes]:
    """The table of outcomes with one thing replaced once, and rows added; it has 120."""
    return {"outcomes.csv": outcomes_csv(2 * PEOPLE, id_prefix=SECRET).replace(old, new, 1) + then}


def labels(*lines: str) -> dict[str, str | bytes]:
    return {"labels.csv": "\n".join(("subject_id,prediction_time,boolean_value", *lines)) + "\n"}


def of_a_risk(*says: str, files: dict[str, str | bytes] | None = None, **changes: Any) -> Case:
    """A wrong study of a risk; changes with __ for the dots."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return Case(list(says), dotted, files or {}, risk=True)


BY_LABELS = {"question": {"kind": "risk", "labels": "labels.csv"}}

CASES |= {
    # A question of risk
    "a risk without an outcome": of_a_risk("either `outcome`", "`labels`", question__outcome=None),
    "an outcome beside labels": of_a_risk("either `outcome`", "`labels`", question__labels="labels.csv"),
    "an outcome that is a word": of_a_risk("'question.outcome'", "a table", question__outcome="died"),
    "an empty outcome": of_a_risk("question.outcome", "`column`", "`code`", question__outcome={}),
    "an outcome of two forms": of_a_risk("`column`", "`code`", question__outcome={"column": "died", "code": "A"}),
    "a threshold on a column": of_a_risk("`above`", "`code`", question__outcome={"column": "died", "above": 1}),
    "two thresholds": of_a_risk("`above`", "`below`", question__outcome={**HIGH, "below": 90}),
    "a window without a time": of_a_risk("`within`", "`time`", question__outcome={"column": "died", "within": "1y"}),
    "a window that is no time": of_a_risk("within", "duration", question__outcome={**HIGH, "within": "soon"}),
    "a window without an end": of_a_risk("`within`", "`to`", question__outcome={"code": "sbp", "above": 135}),
    "an unknown key of an outcome": of_a_risk("abov", "'above'", question__outcome={**HIGH, "abov": 1}),
    "an unknown key of a risk": of_a_risk("'question.folow_up'", "'follow_up'", question__folow_up="last record"),
    "a target of a risk": of_a_risk("`target`", 'kind = "forecast"', question__target="sbp"),
    "a recurrent outcome without a time": of_a_risk("`recurrent`", question__outcome__recurrent=True),
    "a follow-up without a time": of_a_risk("`follow_up`", "`time`", question__follow_up={"code": "X"}),
    "an empty follow-up": of_a_risk("`follow_up`", question__outcome=SOON, question__follow_up={}),
    "an unknown word for what is incomplete": of_a_risk(
        "'question.incomplete'", '"no event"', question__outcome=SOON, question__incomplete="none"
    ),
    "an outcome that no table has": of_a_risk("'dead'", "'died'", question__outcome={"column": "dead"}),
    "an outcome's code that no record has": of_a_risk(
        "'MEDS_DEATH'", "outcome", question__outcome={"code": "MEDS_DEATH", "within": "1y"}
    ),
    "a threshold on an unknown code": of_a_risk("'spb'", "`code`", question__outcome={**HIGH, "code": "spb"}),
    "a threshold on a category": of_a_risk("'ward'", question__outcome={"code": "ward", "above": 1, "within": "9d"}),
    "a threshold that nobody passes": of_a_risk(
        "nothing to learn", "`outcome`", question__outcome={**HIGH, "above": 999}, question__incomplete="no event"
    ),
    "times of an outcome without a unit": of_a_risk(
        "'died_on'", "`time_unit`", question__outcome={"column": "died", "time": "died_on", "within": "1y"}
    ),
    "times of an outcome that no table has": of_a_risk(
        "'dead_on'", "'died_on'", question__outcome={**SOON, "time": "dead_on"}
    ),
    "an outcome with a third value": of_a_risk("'died'", "positive = ", files=outcomes(f"{SECRET}0,0", f"{SECRET}0,7")),
    "an outcome that is text": of_a_risk("'died'", files=outcomes(f"{SECRET}0,0", f"{SECRET}0,{SECRET}")),
    "an outcome table without rows": of_a_risk("outcomes.csv", "no data rows", files={"outcomes.csv": "id,died\n"}),
    "an outcome table that is missing": of_a_risk("nowhere.csv", "no such file", records__2__path="nowhere.csv"),
    "somebody twice in an outcome table": of_a_risk(
        "outcomes.csv", "'id'", "rows 1, 121", files=outcomes(then=f"{SECRET}0,1,300\n")
    ),
    "outcome tables only": of_a_risk(
        "outcome tables only", 'role "input"', records__0__role="outcome", records__1__role="outcome"
    ),
    "a role that there is not": of_a_risk("'records[3].role'", "'outcome'", records__2__role="outcom"),
    "subgroups by what is no fact": of_a_risk("subgroups", "'sbp'", "height, sex", evaluate__subgroups=["sbp"]),
    "subgroups without facts": of_a_risk(
        "'sex'", "No table has any", 'layout = "static"', records=[DOCUMENT["records"][0], OUTCOMES]
    ),
    "one subgroup twice": of_a_risk("'evaluate.subgroups'", "twice", evaluate__subgroups=["sex", "sex"]),
    "baselines of a forecast": of_a_risk("evaluate.baselines", "logistic", evaluate__baselines=["mean"]),
    "a loss of a forecast": of_a_risk("model.loss", '"cross_entropy"', model__loss="huber"),
    "weights without recalibration": of_a_risk(
        "weighted_cross_entropy", "recalibrate", model={"loss": "weighted_cross_entropy"}
    ),
    "recalibration without tuning people": of_a_risk(
        "tuning", "recalibrate", model={"recalibrate": "platt"}, split__fractions=[0.8, 0, 0.2], train__patience=0
    ),
    "labels that are missing": of_a_risk("labels.csv", "no such file", **BY_LABELS),
    "labels without a column": of_a_risk(
        "labels.csv", "'prediction_time'", "missing", files={"labels.csv": f"subject_id\n{SECRET}1\n"}, **BY_LABELS
    ),
    "labels without a label": of_a_risk(
        "labels.csv", "'boolean_value'", files={"labels.csv": "subject_id,prediction_time\n"}, **BY_LABELS
    ),
    "a label that is neither": of_a_risk(
        "labels.csv", "'boolean_value'", "row 1", files=labels(f"{SECRET}1,9,{SECRET}"), **BY_LABELS
    ),
    "a label at no time": of_a_risk(
        "labels.csv", "'prediction_time'", "row 1", files=labels(f"{SECRET}1,{SECRET},true"), **BY_LABELS
    ),
    "one label twice": of_a_risk(
        "labels.csv", "rows 1, 2", files=labels(f"{SECRET}1,9,true", f"{SECRET}1,9,false"), **BY_LABELS
    ),
    "labels of strangers": of_a_risk("no prediction", "records", files=labels("x,9,true", "y,9,false"), **BY_LABELS),
    "labels beside prediction times": of_a_risk("`labels`", "`at`", **BY_LABELS, question__at="30d"),
    # Data sets with a layout of their own
    "MEDS that is no Parquet": Case(["visits.csv", "Parquet"], {"records": [{"source": "meds", "path": "visits.csv"}]}),
    "a MEDS folder without shards": Case(
        ["meds", "no Parquet file"], {"records": [{"source": "meds", "path": "meds"}]}, before=a_folder("meds")
    ),
    "MEDS with a layout": Case(
        ["'meds'", "`layout`"], {"records": [{"source": "meds", "path": "x", "layout": "visits"}]}
    ),
    "MEDS with a delimiter": Case(
        ["'meds'", "`delimiter`"], {"records": [{"source": "meds", "path": "x", "delimiter": ";"}]}
    ),
    "MEDS with a person in two places": Case(
        ["events.parquet", "'subject_id'"],
        {"records": [{"source": "meds", "path": "events.parquet"}]},
        {"events.parquet": meds_file([1, 2, 1], [0, 0, 1])},
    ),
    "MEDS that is not sorted by time": Case(
        ["events.parquet", "'time'", "row"],
        {"records": [{"source": "meds", "path": "events.parquet"}]},
        {"events.parquet": meds_file([1, 1], [5, 0])},
    ),
    "MEDS with ids that are text": Case(
        ["events.parquet", "'subject_id'", "whole numbers"],
        {"records": [{"source": "meds", "path": "events.parquet"}]},
        {"events.parquet": meds_file([SECRET], [0])},
    ),
    "stays of a folder that is empty": Case(
        ["stays"], {"records": [{"source": "physionet2012", "path": "stays"}]}, before=a_folder("stays")
    ),
    "stays in an archive that is none": Case(
        ["stays.zip", "archive"],
        {"records": [{"source": "physionet2012", "path": "stays.zip"}]},
        {"stays.zip": b"PK\x03\x04no"},
    ),
    "a stay with a time that is none": Case(
        ["stays", "Time"], {"records": [{"source": "physionet2012", "path": "stays"}]}, before=stay("25:99,HR,80")
    ),
    "a stay with text for a value": Case(
        ["stays", "Value"],
        {"records": [{"source": "physionet2012", "path": "stays"}]},
        before=stay(f"00:10,HR,{SECRET}"),
    ),
    "stays as outcomes": Case(
        ["physionet2012", "outcome"], {"records": [{"source": "physionet2012", "path": "x", "role": "outcome"}]}
    ),
    # The call
    "a check of nothing": Case(["nothing to check", "--table"], call=["check"]),
    "a check of a table without its columns": Case(["--subject", "--label"], call=["check", "--table", "visits.csv"]),
    "a check of a table by a wrong column": Case(
        ["'sdp'", "--label", "Did you mean 'sbp'?", "'id', 'day', 'sbp'"],
        call=["check", "--table", "visits.csv", "--subject", "id", "--label", "sdp"],
    ),
    "a check of a table and a study": Case(
        ["not both"], call=["check", "study.toml", "--table", "visits.csv", "--subject", "id", "--label", "sbp"]
    ),
    "a check of a table with a change of a study": Case(
        ["--set", "--table", "Leave"],
        call=["check", "--table", "visits.csv", "--subject", "id", "--label", "sbp", "--set", "name=x"],
    ),
    "a comparison of one run": Case(["at least two run folders"], call=["compare", "run"]),
    "a comparison of folders that are no runs": Case(
        ["metrics.json", "no such file"], call=["compare", "a", "b"], before=lambda f: [a_folder(n)(f) for n in "ab"]
    ),
}


def predicting(*says: str, words: list[str], **more: Any) -> Case:
    """A wrong call of `sequela predict` with a good bundle."""
    return Case(list(says), call=["predict", *words], bundle=lambda bundle: None, **more)


def damaged(*says: str, by: Callable[[Path], Any]) -> Case:
    """A right call with a damaged bundle."""
    return Case(list(says), call=PREDICT, bundle=by)


FILES = ["run/bundle", "visits.csv", "patients.csv"]

CASES |= {
    # A prediction
    "a bundle that is missing": predicting("nowhere", "no such folder", "`bundle`", words=["nowhere", *FILES[1:]]),
    "a bundle whose name is too long": predicting(
        "cannot be read (File name too long)", "Check", words=["b" * 300, *FILES[1:]]
    ),
    "a folder that is no bundle": predicting("run", "manifest.json", "no bundle", words=["run", *FILES[1:]]),
    "too few files": predicting("1", "2 (visits, patients)", "NAME=PATH", words=FILES[:2]),
    "a file of an unknown table": predicting("'visit'", "Did you mean 'visits'", words=[FILES[0], "visit=visits.csv"]),
    "one table twice": predicting("once as NAME=PATH", words=[FILES[0], "visits=visits.csv", "visits=patients.csv"]),
    "a file that is missing": predicting("nowhere.csv", "no such file", words=[*FILES[:2], "nowhere.csv"]),
    "the tables in the wrong order": predicting(
        "patients.csv", "'day'", "`time`", words=[FILES[0], "patients.csv", "visits.csv"]
    ),
    "--now that is no time": predicting("--now tomorrow", "number", "days", words=[*FILES, "--now", "tomorrow"]),
    "--at that is no place": predicting("--at first", "--at last", words=[*FILES, "--at", "first"]),
    "--out with a wrong suffix": predicting("out.txt", ".csv", ".parquet", words=[*FILES, "--out", "out.txt"]),
    "--out that exists": predicting("visits.csv", "already", words=[*FILES, "--out", "visits.csv"]),
    "--out in no folder": predicting("nowhere", "Make it", words=[*FILES, "--out", "nowhere/out.csv"]),
    "new records with another kind of value": predicting(
        "visits.csv", "'sbp'", "row 361", words=FILES, files=visits(then=f"{ROW},{SECRET},,A\n")
    ),
    # A bundle
    "no manifest": damaged("bundle", "no manifest.json", "`bundle`", by=damage.removed("manifest.json")),
    "a manifest that is no JSON": damaged(
        "manifest.json", "no JSON", "again", by=damage.written("manifest.json", b"{")
    ),
    "a manifest that is a list": damaged("manifest.json", "JSON object", by=damage.written("manifest.json", b"[]")),
    "a manifest without a format": damaged("manifest.json", "format", by=damage.manifest(lambda m: m.pop("format"))),
    "a newer format": damaged("format 2", "newer", "Install", by=damage.manifest(lambda m: m.update(format=2))),
    "a manifest without an entry": damaged(
        "card.json", "no member", by=damage.manifest(lambda m: m["members"].pop("card.json"))
    ),
    "an unknown member": damaged("bundle/code.py", "no member", by=damage.written("code.py", b"1")),
    "a folder inside": damaged("bundle/notes", "no plain file", by=damage.folder_inside),
    "a member that is a link": damaged("prepare.json", "no plain file", by=damage.linked("prepare.json")),
    "a missing member": damaged("weights.safetensors", "missing", by=damage.removed("weights.safetensors")),
    "a member of another size": damaged("study.json", "size", by=damage.longer("study.json")),
    "changed bytes": damaged("weights.safetensors", "SHA-256", by=damage.flipped("weights.safetensors")),
    "a weight that is infinite": damaged("weights.safetensors", "not finite", by=damage.weights(damage.infinite)),
    "weights of another shape": damaged("weights.safetensors", "shape", by=damage.weights(damage.another_shape)),
    "weights of another type": damaged("weights.safetensors", "type", by=damage.weights(damage.another_type)),
    "one weight more": damaged("weights.safetensors", "'backdoor'", by=damage.weights(damage.one_more)),
    "weights that are a pickle": damaged(
        "weights.safetensors", "no safetensors", by=lambda b: damage.reseal(b, "weights.safetensors", b"\x80\x04K\x01.")
    ),
    "a preparation with a number that is none": damaged(
        "prepare.json", "no JSON", by=lambda b: damage.reseal(b, "prepare.json", b'{"features": NaN}')
    ),
    "a preparation with a spread of zero": damaged(
        "prepare.json",
        "spread",
        "above 0",
        by=damage.content("prepare.json", lambda c: c["targets"][0].update(spread=0)),
    ),
    "a preparation of another target": damaged(
        "prepare.json", "targets", by=damage.content("prepare.json", lambda c: c["targets"][0].update(code="dbp"))
    ),
    "a preparation without inputs": damaged(
        "prepare.json", "input", by=damage.content("prepare.json", lambda c: c.update(features=[]))
    ),
    "a bundled study with an unknown key": damaged(
        "study.json",
        "'command'",
        "no key of a bundle",
        by=damage.content("study.json", lambda c: c.update(command="rm")),
    ),
    "a bundled study without a question": damaged(
        "study.json", "'question'", "missing", by=damage.content("study.json", lambda c: c.pop("question"))
    ),
    "intervals of another question": damaged(
        "after.json", "intervals", by=damage.content("after.json", lambda c: c["interval"].update(half_width=[]))
    ),
}


def damaged_risk(*says: str, by: Callable[[Path], Any]) -> Case:
    """A right call with a damaged bundle of a risk, with its trees and its recalibration."""
    return Case(list(says), call=PREDICT, bundle=by, risk=True)


CASES |= {
    "trees that are missing": damaged_risk("trees.txt", "missing", by=damage.removed("trees.txt")),
    "trees of another size": damaged_risk("trees.txt", "size", by=damage.longer("trees.txt")),
    "trees with changed bytes": damaged_risk("trees.txt", "SHA-256", by=damage.flipped("trees.txt")),
    "trees that are no trees": damaged_risk(
        "trees.txt", "no trees", by=lambda b: damage.reseal(b, "trees.txt", b"tree\nversion=v4\n")
    ),
    "trees that are not text": damaged_risk(
        "trees.txt", "no trees", by=lambda b: damage.reseal(b, "trees.txt", b"\xff\xfe")
    ),
    "trees of another question": damaged_risk(
        "trees.txt", "no trees", by=damage.text("trees.txt", "objective=binary sigmoid:1", "objective=regression")
    ),
    "trees of other columns": damaged_risk(
        "trees.txt", "no trees", by=damage.text("trees.txt", "max_feature_idx=", "max_feature_idx=9")
    ),
    "trees that begin at no number": damaged_risk(
        "trees.txt", "no trees", by=damage.text("trees.txt", "start=", "start=nan ")
    ),
    "trees beside a study without a hybrid": damaged_risk(
        "trees.txt",
        "disagree",
        by=damage.content("study.json", lambda c: c["model"].update(hybrid=False)),
    ),
    "a recalibration of no known kind": damaged_risk(
        "after.json",
        "recalibration",
        by=damage.content("after.json", lambda c: c["recalibration"]["network"].update(kind="magic")),
    ),
    "a recalibration without its numbers": damaged_risk(
        "after.json", by=damage.content("after.json", lambda c: c["recalibration"].update(network={}))
    ),
    "a recalibration that is endless": damaged_risk(
        "after.json",
        "no JSON",
        by=damage.text("after.json", '"recalibration": {', '"recalibration": {"x": Infinity, '),
    ),
    "a recalibration of an unknown model": damaged_risk(
        "after.json",
        "no model",
        by=damage.content("after.json", lambda c: c["recalibration"].update(oracle=c["recalibration"]["network"])),
    ),
    "a recalibration that turns risks round": damaged_risk(
        "after.json",
        "slope",
        "above 0",
        by=damage.content("after.json", lambda c: c["recalibration"]["network"].update(slope=-1.0)),
    ),
    "a recalibration of another kind": damaged_risk(
        "after.json",
        "not that of study.json",
        by=damage.content("study.json", lambda c: c["model"].update(recalibrate="isotonic")),
    ),
    "trees that say something twice": damaged_risk(
        "trees.txt", "no trees", by=damage.text("trees.txt", "start=", "start=9 9\nstart=")
    ),
    "intervals of a risk": damaged_risk(
        "after.json",
        "intervals",
        by=damage.content("after.json", lambda c: c.update(interval={"level": 0.9, "half_width": [[1.0]]})),
    ),
    "one member less": damaged_risk(
        "weights.safetensors", "member.2", by=damage.content("study.json", lambda c: c["model"].update(members=3))
    ),
    "a network of another input": damaged_risk(
        "weights.safetensors", "shape", by=damage.content("study.json", lambda c: c["model"].update(inputs=["values"]))
    ),
    "an outcome that was taken out": damaged_risk(
        "study.json", by=damage.content("study.json", lambda c: c["question"].update(outcome=None, kind="forecast"))
    ),
}

ALSO_IN_A_PROCESS = [
    "a study that is no TOML", "an unknown nested key", "text in numbers", "an empty split", "a run folder that exists",
    "an unknown option", "--now that is no time", "changed bytes",
]  # fmt: skip


REMEDY = re.compile(
    r"\b(write|set|give|name|rename|choose|remove|leave|lower|check|look|install|make|mend|copy|save|quote|replace|add|"
    r"use|correct|keep|sort|say)\b|Did you mean|`sequela|--help|The codes are|The columns are|A forecast needs",
    re.IGNORECASE,
)


def laid_out(case: Case, folder: Path, finished: Path) -> None:
    writer = write_risk_study if case.risk else write_study
    writer(folder, case.changes, id_prefix=SECRET)
    for name, content in case.files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if case.bundle is not None:
        run = "risk" if case.risk else "run"
        shutil.copytree(finished / run / "bundle", folder / "run" / "bundle")
        case.bundle(folder / "run" / "bundle")
    if case.before is not None:
        case.before(folder)


def check(name: str, case: Case, answer: Answer) -> None:
    assert answer.code == 2, answer
    assert answer.out == ""
    if SHOW:
        print(f"{name}: {answer.error}")
    for words in case.says:
        assert words in answer.error
    assert answer.error.endswith((".", "?")), answer.error  # whole sentences, the last one a remedy
    assert not re.search(r"\?\.|(?<!\.)\.\.(?!\.)", answer.error), answer.error  # one full stop is enough
    assert REMEDY.search(answer.error), answer.error
    assert "Traceback" not in answer.err
    assert SECRET not in answer.err
    for jargon in ("nput should", "pydantic", "validation error", "Value error", "type=", "None", "[/"):
        assert jargon not in answer.err


def test_more_than_a_hundred_kinds_are_listed() -> None:
    assert len(CASES) > 200
    assert sum(case.call == PREDICT for case in CASES.values()) >= 30  # ways to damage a bundle


@pytest.mark.parametrize("name", list(CASES))
def test_bad_input_is_refused_in_one_paragraph_and_leaves_nothing_behind(
    name: str, tmp_path: Path, finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    laid_out(case, tmp_path, finished)
    before = listing(tmp_path)
    check(name, case, in_process(case.call, tmp_path, capfd))
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ALSO_IN_A_PROCESS)
def test_a_process_of_its_own_says_the_same(
    name: str, tmp_path: Path, finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    laid_out(case, tmp_path, finished)
    before = listing(tmp_path)
    answer = in_a_process(case.call, tmp_path)
    check(name, case, answer)
    assert listing(tmp_path) == before
    assert answer.error == in_process(case.call, tmp_path, capfd).error
