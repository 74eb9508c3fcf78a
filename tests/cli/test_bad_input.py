"""What is wrong with the input or the call is refused in one paragraph, and leaves nothing behind.

CASES is the list. Every id in the tables and every planted cell begins with SECRET-4711: it must never be repeated.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import damage
import pytest
from command_line import Answer, in_a_process, in_process, listing
from small_study import SECRET, patients_csv, visits_csv, write_study

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


def visits(old: str = "", new: str = "", *, then: str = "") -> dict[str, str | bytes]:
    """The table of visits with one thing replaced once, and rows added; it has 360."""
    return {"visits.csv": visits_csv(id_prefix=SECRET).replace(old, new, 1) + then}


def patients(*, then: str) -> dict[str, str | bytes]:
    return {"patients.csv": patients_csv(id_prefix=SECRET) + then}


def split_file(*lines: str) -> dict[str, str | bytes]:
    return {"split.csv": "\n".join(lines) + "\n"}


def a_folder(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).mkdir()


BY_FILE = {"split.by": "file", "split.path": "split.csv"}
ROW = f"{SECRET}9,400"
THIRDS = [f"{SECRET}{n},{('train', 'tuning', 'held_out')[n % 3]}" for n in range(60)]

CASES: dict[str, Case] = {
    # The study file itself
    "no such study": Case(["nowhere.toml", "no such file", "`sequela example`"], call=["run", "nowhere.toml"]),
    "a study that is a folder": Case(["this is a folder", "study.toml"], call=["run", "."]),
    "a study that is no TOML": Case(["study.toml", "no TOML", "line 1", "Mend"], files={"study.toml": "name: x\n"}),
    "a table given as the study": Case(["visits.csv", "no TOML", "line 1"], call=["run", "visits.csv"]),
    "a study that is no text": Case(["study.toml", "UTF-8"], files={"study.toml": b"PAR1\xff\xfe"}),
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
    "a kind of a later version": Case(
        ["'question.kind'", "not available yet", '"forecast"'], {"question.kind": "risk"}
    ),
    "an outcome of a later version": Case(["'question.outcome'", "not available yet"], {"question.outcome.code": "A"}),
    "a source of a later version": Case(
        ["'records.source'", "not available yet", '"csv"'], {"records.0.source": "meds"}
    ),
    "a role of a later version": Case(["'records.role'", "not available yet"], {"records.1.role": "outcome"}),
    "a filling of a later version": Case(["'prepare.missing'", "yet", '"last"'], {"prepare.missing": {"*": "knn"}}),
    "a grid of a later version": Case(["'prepare.grid'", "not available yet", "Leave it out"], {"prepare.grid": "1h"}),
    "members of a later version": Case(["'model.members'", "not available yet"], {"model.members": 5}),
    "subgroups of a later version": Case(
        ["'evaluate.subgroups'", "not available yet"], {"evaluate.subgroups": ["sex"]}
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
    "a number as a horizon": Case(["'question.horizon'", "text in quotation marks"], {"question.horizon": 6}),
    "one target twice": Case(["'question.target'", "twice", "remove one"], {"question.target": ["sbp", "sbp"]}),
    "a target that is no code": Case(["target", "no record has the code 'spb'", "'sbp'"], {"question.target": "spb"}),
    "a target that is a category": Case(["'ward'", "measured number"], {"question.target": "ward"}),
    "a target that is static": Case(["'height'", "measured number"], {"question.target": "height"}),
    "episodes that never begin": Case(["'ADMISSION'", "[question]"], {"question.from": {"code": "ADMISSION"}}),
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
    # The tables
    "a table that is missing": Case(["nowhere.csv", "no such file", "`path`"], {"records.0.path": "nowhere.csv"}),
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
    "--out below a file": Case(["visits.csv", "--out"], call=["run", "study.toml", "--out", "visits.csv/out"]),
    "--set without =": Case(["--set epochs", "key=value"], call=[*RUN, "--set", "epochs"]),
    "--set of an unknown key": Case(["'train.epoch'", "'epochs'"], call=[*RUN, "--set", "train.epoch=3"]),
    "--set of an unknown table": Case(["records.x", "'x'", "[[records]]"], call=[*RUN, "--set", "records.x.decimal=,"]),
    "--set below a value": Case(["name.first", "no table"], call=[*RUN, "--set", "name.first=x"]),
    "an unknown option": Case(["--fource", "--force", "--help"], call=[*RUN, "--fource"]),
    "an unknown command": Case(["'rum'", "--help"], call=["rum"]),
    "a call without a study": Case(["'study'", "`sequela run --help`"], call=["run"]),
    "an unknown example": Case(["'bloodpressure'", "'blood-pressure'"], call=["example", "bloodpressure"]),
    "a report of no run": Case(
        ["study.toml", "`sequela run STUDY`"], call=["report", "empty"], before=a_folder("empty")
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

ALSO_IN_A_PROCESS = [
    "a study that is no TOML", "an unknown nested key", "text in numbers", "an empty split", "a run folder that exists",
    "an unknown option", "--now that is no time", "changed bytes",
]  # fmt: skip


REMEDY = re.compile(
    r"\b(write|set|give|name|rename|choose|remove|leave|lower|check|look|install|make|mend|copy|save|quote|replace|add|"
    r"use|correct|keep)\b|Did you mean|`sequela|--help|The codes are|The columns are|A forecast needs",
    re.IGNORECASE,
)


def laid_out(case: Case, folder: Path, finished: Path) -> None:
    write_study(folder, case.changes, id_prefix=SECRET)
    for name, content in case.files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if case.bundle is not None:
        shutil.copytree(finished / "run" / "bundle", folder / "run" / "bundle")
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
    assert REMEDY.search(answer.error), answer.error
    assert "Traceback" not in answer.err
    assert SECRET not in answer.err
    for jargon in ("nput should", "pydantic", "validation error", "Value error", "type=", "None", "[/"):
        assert jargon not in answer.err


def test_more_than_a_hundred_kinds_are_listed() -> None:
    assert len(CASES) > 100
    assert sum(case.call == PREDICT for case in CASES.values()) >= 20  # ways to damage a bundle


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
