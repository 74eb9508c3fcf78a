"""`docs/run_folder.md` names what a run really writes, file by file and key by key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from doc_pages import DOCS
from small_study import write_risk_study, write_study

import sequela
from sequela.study import Run

TEXT = (DOCS / "run_folder.md").read_text(encoding="utf-8")
SECTIONS = {
    heading.strip("`/"): body
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}


WRITERS = {"forecast": write_study, "risk": write_risk_study}


@pytest.fixture(scope="module", params=list(WRITERS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("documented")
    more = {"evaluate.missing_sensitivity": True, "evaluate.importance": True}
    return sequela.run(sequela.read_study(WRITERS[request.param](folder, more)), folder / "run")


def first_column(text: str) -> set[str]:
    return {name.rstrip("/") for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)}


def kind_of(run: Run) -> str:
    return str(run.metrics["question"])


def test_every_file_of_a_run_stands_in_the_page_and_no_other(run: Run) -> None:
    assert first_column(TEXT.split("\n## ")[0]) == {path.name for path in run.folder.iterdir()}
    members = {path.name for path in (run.folder / "bundle").iterdir()}
    assert first_column(SECTIONS["bundle"]) == members | {"trees.txt"}
    assert ("trees.txt" in members) == (kind_of(run) == "risk")


@pytest.mark.parametrize("name", ["metrics", "history", "profile", "curves", "audit", "environment"])
def test_every_key_of_a_file_stands_in_its_section(run: Run, name: str) -> None:
    section, content = SECTIONS[f"{name}.json"], json.loads((run.folder / f"{name}.json").read_text())
    keys = set(content) - {"format"}
    if name == "metrics":
        assert content["measures"]
        assert content["comparisons"]
        keys |= {key for part in ("measures", "comparisons") for entry in content[part] for key in entry}
        keys |= {metric for metrics in content["models"].values() for metric in metrics}
        keys |= {entry["metric"] for entry in content["measures"]}
    if name == "history":
        keys |= {key for fit in content["fits"] for key in [*fit, *fit["epochs"][0]]}
        keys |= {key for fit in content["fits"] for search in fit["search"].values() for key in search}
    if name == "profile":
        keys |= set(content["preparation"]) - {"variables"}
    if name == "curves" and kind_of(run) == "forecast":
        keys |= {"hexagons", "error_by_gap", "error_by_history"} & set(content["targets"][0])
        assert {"hexagons", "error_by_gap", "error_by_history"} <= keys
    if name == "curves" and kind_of(run) == "risk":
        keys |= (
            set(content["risk"])
            | set(content["risk"]["models"][0]) - {"model"}
            | set(content["risk"]["models"][0]["before"])
        )
    assert {key for key in keys if not re.search(rf"\b{key}\b", section)} == set()


def test_the_columns_of_the_predictions_stand_in_the_page_in_their_order(run: Run) -> None:
    listed = re.findall(r"^\| `(\w+)` \|", SECTIONS["predictions.parquet"], re.MULTILINE)
    not_of_a_risk = ("horizon_hours", "lower", "upper") if kind_of(run) == "risk" else ()
    columns = list(pl.read_parquet_schema(run.folder / "predictions.parquet"))
    assert [name for name in listed if name not in not_of_a_risk] == columns


def test_only_the_report_and_the_bundle_may_leave() -> None:
    assert set(re.findall(r"^\| `([^`]+?)/?` \|[^|]*\| yes \|", TEXT, re.MULTILINE)) == {"report.html", "bundle"}


def test_a_resolved_study_is_the_same_study(run: Run, tmp_path: Path) -> None:
    again = tmp_path / "study.toml"
    again.write_text((run.folder / "study.toml").read_text(encoding="utf-8"), encoding="utf-8")
    first = sequela.read_study(run.folder.parent / "study.toml")
    assert sequela.read_study(again).settings == first.settings


def test_what_predict_gives_stands_in_the_page(run: Run) -> None:
    """A hybrid speaks beside the network of the small risk; the small forecast has none."""
    folder = run.folder.parent
    loaded = sequela.load_bundle(run.folder / "bundle")
    found = loaded.predict_files({name: folder / f"{name}.csv" for name in loaded.tables}).table
    sentence = SECTIONS["bundle"].partition("`sequela predict` gives")[2].partition("A time after")[0]
    named = set(re.findall(r"`(\w+)`", sentence))
    forecast = {"horizon_hours", "lower", "upper"}
    assert set(found.columns) == named - (forecast if kind_of(run) == "risk" else {"model"})
    if kind_of(run) == "forecast":
        assert found["horizon_hours"].null_count() == found.height
