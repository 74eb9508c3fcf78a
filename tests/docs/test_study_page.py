"""`docs/study.md` names every key of the study file, its default and its words, and no other key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from doc_pages import DOCS, ROOT, blocks
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sequela.cohort import ForecastQuestion
from sequela.errors import NotAvailableYet
from sequela.study import StudySettings
from sequela.study.not_yet import _LATER_KEYS, _LATER_VALUES
from sequela.study.settings import parse_study

PAGE = DOCS / "study.md"
LATER = "Not available yet"
# Required by the models, or of one kind of question only, and given by the reader of the file.
FILLED_IN = {"records.name": "the file's stem", "question.kind": '`"forecast"`'}
KINDS = {"forecast", "risk"}

LATER_WORDS = {
    f"{section}.{key}": set(values[0] if isinstance(values[0], tuple) else values)
    for section, keys in _LATER_VALUES.items()
    for key, values in keys.items()
}

Row = list[str]


def tables() -> dict[str, list[Row]]:
    """The rows of each section's table, by the section's heading without its brackets."""
    found: dict[str, list[Row]] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip("`[] ")
        elif line.startswith("| `"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip()[1:-1].split("|")])
    return found


TABLES = tables()


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a settings model and of those within it, dotted."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key, field
        for inner in sorted(set(_models(field.annotation)), key=lambda each: each.__name__):
            yield from fields(inner, f"{key}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


KEYS = dict(fields(StudySettings))
SECTIONS = {name for name in StudySettings.model_fields if any(key.startswith(f"{name}.") for key in KEYS)}


def rows() -> dict[str, Row]:
    """The page's rows by dotted key."""
    found: dict[str, Row] = {}
    for section, of_section in TABLES.items():
        if section == LATER:
            continue
        for row in of_section:
            key = row[0].strip("`")
            found[key if section == "Top level" else f"{section}.{key}"] = row
    return found


ROWS = rows()


def written(value: Any) -> str:
    """A default as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(written(each) for each in value)}]"
    return "{}" if value == {} else repr(value)


def test_the_page_names_every_key_and_no_other() -> None:
    assert set(ROWS) == set(KEYS)
    later = {row[0].strip("`") for row in TABLES[LATER] if row[1] == "any"}
    assert later == {f"{section}.{key}" for section, keys in _LATER_KEYS.items() for key in keys} - set(KEYS)
    assert not later & set(KEYS)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_the_default_stands_in_the_page(key: str) -> None:
    field, shown = KEYS[key], ROWS[key][2]
    if key in FILLED_IN:
        assert shown == FILLED_IN[key]
    elif isinstance(field.default, BaseModel):
        assert shown == "see below"
        assert field.default == type(field.default)()
    elif field.is_required():
        assert shown == "required"
    elif field.default is None:
        assert shown == "not set"
    else:
        assert field.default is not PydanticUndefined
        assert shown == f"`{written(field.default)}`"


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_word_that_a_key_takes_stands_in_the_page(key: str) -> None:
    def words(annotation: Any) -> Iterator[Any]:
        if get_origin(annotation) is Literal:
            yield from get_args(annotation)
        elif not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            for part in get_args(annotation):
                yield from words(part)

    allowed = {word for word in words(KEYS[key].annotation) if isinstance(word, str)} - LATER_WORDS.get(key, set())
    allowed = KINDS if key == "question.kind" else allowed
    assert {word for word in allowed if f'"{word}"' not in ROWS[key][1]} == set()
    if allowed and key not in ("prepare.plausible", "model.interval"):
        named = set(re.findall(r'"([^"]+)"', ROWS[key][1])) - {"*"}
        assert named == allowed


@pytest.mark.parametrize("key", sorted(KEYS))
def test_the_example_of_a_key_is_one_that_it_takes(key: str) -> None:
    example, field = ROWS[key][4], KEYS[key]
    if key in StudySettings.model_fields and key != "name":
        assert example == "see below"
        return
    [(name, value)] = tomllib.loads(example.strip("`")).items()
    assert name == key.split(".")[-1]
    if key == "split.fractions":  # whole numbers become fractions before the type is looked at
        value = [float(part) for part in value]
    if key == "prepare.plausible":
        value = {code: [float(end) for end in limits] for code, limits in value.items()}
    is_model = any(True for _ in _models(field.annotation))
    config = None if is_model else ConfigDict(strict=True)
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    TypeAdapter(kind, config=config).validate_python(value)


WHOLE = [block.text for block in blocks(PAGE) if block.info == "toml"]


def document() -> dict[str, Any]:
    """The page's smallest study."""
    return tomllib.loads(WHOLE[0])


def test_the_smallest_study_is_one() -> None:
    question = parse_study(document(), "study.toml").question
    assert isinstance(question, ForecastQuestion)
    assert question.targets == ["sbp"]


@pytest.mark.parametrize("text", WHOLE)
def test_every_whole_study_of_the_page_is_one(text: str) -> None:
    assert parse_study(tomllib.loads(text), "study.toml")


def test_the_tables_of_a_data_set_may_stand_in_a_study() -> None:
    [part] = [block.text for block in blocks(PAGE) if block.info == "toml part"]
    question = {"kind": "risk", "outcome": {"column": "In-hospital_death"}}
    study = parse_study(tomllib.loads(part) | {"name": "stays", "question": question}, "study.toml")
    assert [table.role for table in study.records] == ["input", "outcome"]


def test_the_ranges_scores_and_amounts_of_the_page_may_stand_in_a_study() -> None:
    [part] = [block.text for block in blocks(PAGE) if block.info == "toml prepare"]
    question = {"kind": "risk", "outcome": {"code": "MAP", "below": 65, "within": "1h"}}
    study = parse_study(document() | tomllib.loads(part) | {"question": question}, "study.toml")
    assert list(study.prepare.clinical.scores["organs"].parts) == ["GCS", "Creatinine", "Urine"]


FORMS = re.findall(r"^\| [a-z ]+ \| `(\{.*?\})` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_outcome_is_one(form: str) -> None:
    study = document()
    study["question"] = {"kind": "risk", "to": "2y"} | tomllib.loads(f"outcome = {form}")
    assert len(FORMS) == 5
    assert parse_study(study, "study.toml").question.kind == "risk"


@pytest.mark.parametrize("row", TABLES[LATER], ids=[row[0].strip("`") for row in TABLES[LATER]])
def test_what_is_not_available_yet_is_refused_by_name(row: Row) -> None:
    section, key = row[0].strip("`").split(".")
    values = ["something of a later version"] if row[1] == "any" else re.findall(r'"([^"]+)"', row[1])
    assert values
    for value in values:
        study = document()
        place = study["records"][0] if section == "records" else study.setdefault(section, {})
        place[key] = [value] if key == "baselines" else value
        with pytest.raises(NotAvailableYet, match=key):
            parse_study(study, "study.toml")
    if row[2]:
        study = document()
        study.setdefault(section, {})[key] = tomllib.loads(f"value = {row[2].strip('`')}")["value"]
        parse_study(study, "study.toml")


def test_every_value_of_a_later_version_stands_in_the_page() -> None:
    listed = {row[0].strip("`"): set(re.findall(r'"([^"]+)"', row[1])) for row in TABLES[LATER] if row[1] != "any"}
    assert listed == LATER_WORDS


def test_the_study_of_the_readme_is_one() -> None:
    [text] = [block.text for block in blocks(ROOT / "README.md") if block.info == "toml"]
    study = parse_study(tomllib.loads(text), "study.toml")
    assert [table.name for table in study.records] == ["visits", "patients"]
