"""A bundle gives the numbers of its study, holds its listed members and nobody's id, and is written whole or not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from small_study import DOCUMENT, SECRET, write_study

import sequela
from sequela.bundle import read_bundle, write_bundle
from sequela.cohort.episodes import NEVER_ASKED
from sequela.errors import BundleError, InputError, RecordsError
from sequela.study import Run

MEMBERS = {"manifest.json", "study.json", "prepare.json", "weights.safetensors", "card.json", "after.json"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("bundled")
    study = write_study(folder, {"model.hidden": [4, 3]}, id_prefix=SECRET)
    return sequela.run(sequela.read_study(study), folder / "run")


def test_a_bundle_holds_exactly_the_listed_members(run: Run) -> None:
    bundle = run.folder / "bundle"
    assert {path.name for path in bundle.iterdir()} == MEMBERS
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert set(manifest) == {"format", "members"}
    assert set(manifest["members"]) == MEMBERS - {"manifest.json"}
    for name, entry in manifest["members"].items():
        data = (bundle / name).read_bytes()
        assert entry == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a_study_without_intervals_has_no_member_for_them(run: Run, tmp_path: Path) -> None:
    bundle = replace(read_bundle(run.folder / "bundle"), after=None)
    write_bundle(bundle, tmp_path / "lost")
    with pytest.raises(BundleError, match=r"after\.json: the intervals that study\.json asks for are missing"):
        read_bundle(tmp_path / "lost")
    model = bundle.study.model.model_copy(update={"interval": "none"})
    write_bundle(replace(bundle, study=bundle.study.model_copy(update={"model": model})), tmp_path / "bundle")
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == MEMBERS - {"after.json"}
    assert read_bundle(tmp_path / "bundle").after is None


def test_a_bundle_is_read_without_what_only_training_needs(run: Run) -> None:
    words = (
        "import sys; from sequela import load_bundle; load_bundle(sys.argv[1]); "
        "sys.exit(any(name in sys.modules for name in ('torch._dynamo', 'sympy', 'lightgbm', 'sklearn')))"
    )
    subprocess.run([sys.executable, "-c", words, str(run.folder / "bundle")], check=True)


def test_reading_and_writing_again_changes_no_bit(run: Run, tmp_path: Path) -> None:
    first, copy = run.folder / "bundle", tmp_path / "copy"
    read = read_bundle(first)
    write_bundle(read, copy)
    for name in MEMBERS:
        assert (copy / name).read_bytes() == (first / name).read_bytes(), name
    again = read_bundle(copy)
    assert (again.study, again.prepared, again.after, again.card) == (read.study, read.prepared, read.after, read.card)
    for name, weight in read.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name])


def test_a_bundle_gives_the_numbers_of_its_study_to_the_bit(run: Run) -> None:
    folder = run.folder.parent
    frames = {name: pl.read_csv(folder / f"{name}.csv") for name in ("visits", "patients")}
    live = sequela.load_bundle(run.folder / "bundle").predict(frames)
    stored = pl.read_parquet(run.folder / "predictions.parquet").filter(model="network")
    both = stored.join(live, on=["subject_id", "prediction_time", "code"], suffix="_live", how="left")
    assert len(stored) > 250
    for column in ("predicted", "lower", "upper", "episode_start", "flags"):
        assert both[column].equals(both[f"{column}_live"].alias(column), null_equal=False), column


def test_no_member_names_a_person(run: Run) -> None:
    for member in (run.folder / "bundle").iterdir():
        assert SECRET.encode() not in member.read_bytes(), member.name


def test_a_folder_that_exists_is_not_written_over(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(BundleError, match="Choose another"):
        write_bundle(read_bundle(run.folder / "bundle"), tmp_path / "bundle")
    assert list((tmp_path / "bundle").iterdir()) == []


@pytest.mark.parametrize("after", [0, 3], ids=["at the first member", "in the middle"])
def test_a_write_that_fails_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    calls = iter(range(100))

    def full(handle: int) -> None:
        if next(calls) >= after:
            raise OSError(28, "No space left on device")

    bundle = read_bundle(run.folder / "bundle")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bundle(bundle, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_no_other_folder_is_there_before_the_whole_bundle_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every member is synced while the bundle's own name does not exist yet."""
    synced = []
    real = os.fsync

    def watched(handle: int) -> None:
        synced.append((tmp_path / "bundle").exists())
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_bundle(read_bundle(run.folder / "bundle"), tmp_path / "bundle")
    assert synced[: len(MEMBERS)] == [False] * len(MEMBERS)
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o755


def test_tables_are_given_by_name_in_order_or_alone(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"records": [DOCUMENT["records"][0]]})
    loaded = sequela.load_bundle(sequela.run(sequela.read_study(study), tmp_path / "run").folder / "bundle")
    visits = pl.read_csv(tmp_path / "visits.csv")
    by_name = loaded.predict({"visits": visits})
    assert len(by_name)
    assert by_name.equals(loaded.predict([visits]))
    assert by_name.equals(loaded.predict(visits))


def test_of_each_person_the_last_prediction_is_given_where_no_other_is_wanted(run: Run) -> None:
    folder, loaded = run.folder.parent, sequela.load_bundle(run.folder / "bundle")
    frames = {name: pl.read_csv(folder / f"{name}.csv") for name in loaded.tables}
    every, last = loaded.predict(frames), loaded.predict(frames, at="last")
    assert last.equals(every.filter(pl.col("prediction_time") == pl.col("prediction_time").max().over("subject_id")))
    assert len(last) == 60 < len(every)


def test_what_is_no_frame_of_polars_is_refused_by_its_kind(run: Run) -> None:
    folder, loaded = run.folder.parent, sequela.load_bundle(run.folder / "bundle")
    visits, patients = (pl.read_csv(folder / f"{name}.csv") for name in ("visits", "patients"))
    for given, kind in (
        ({"visits": visits.lazy(), "patients": patients}, r"polars\.LazyFrame"),
        ([visits, patients.to_dict()], r"builtins\.dict"),
        ({"visits": "visits.csv", "patients": patients}, r"builtins\.str"),
        (visits.to_numpy(), r"numpy\.ndarray"),
        (None, r"builtins\.NoneType"),
    ):
        with pytest.raises(InputError, match=f"given as {kind}, and not as a polars.DataFrame"):
            loaded.predict(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "separator", "problem"),
    [
        ({"sbp": pl.lit("120 mmHg")}, ",", r"a unit goes into \[prepare\] `units`"),
        ({"day": pl.lit("2024-05-31")}, ",", "Remove `time_unit` from this table"),
        ({}, ";", 'Set delimiter = ";"'),
    ],
)
def test_a_remedy_that_is_a_key_is_said_to_be_the_study_s(
    changed: dict[str, pl.Expr], separator: str, problem: str, run: Run, tmp_path: Path
) -> None:
    visits, patients = (run.folder.parent / f"{name}.csv" for name in ("visits", "patients"))
    pl.read_csv(visits).with_columns(**changed).write_csv(tmp_path / "visits.csv", separator=separator)
    with pytest.raises(RecordsError, match=f"{problem}.* Keys are those of the bundle's study") as refused:
        sequela.load_bundle(run.folder / "bundle").predict_files(
            {"visits": tmp_path / "visits.csv", "patients": patients}
        )
    assert refused.value.source.endswith("visits.csv")


def test_a_table_without_rows_is_read_for_a_new_person(run: Run) -> None:
    folder = run.folder.parent
    frames = {name: pl.read_csv(folder / f"{name}.csv") for name in ("visits", "patients")}
    loaded = sequela.load_bundle(run.folder / "bundle")
    with pytest.warns(UserWarning, match="2 of 5 inputs have no value in these records: height, sex"):
        found = loaded.predict(frames | {"patients": frames["patients"].clear()})
    assert len(found) == len(loaded.predict(frames))
    assert found["flags"].str.contains("missing").all()
    with pytest.warns(UserWarning, match="3 of 5 inputs|Not predicted") as told:
        assert loaded.predict(frames | {"visits": frames["visits"].clear()}).is_empty()
    note, left_out = (str(each.message) for each in told)
    assert note.startswith("3 of 5 inputs have no value in these records")
    assert left_out == f"Not predicted, {NEVER_ASKED}: fewer than 11 prediction times of 60 people."


@pytest.mark.filterwarnings("ignore:.*no value in these records:UserWarning", "ignore:Not predicted:UserWarning")
def test_a_study_of_dates_says_nothing_of_records_without_times(tmp_path: Path) -> None:
    visits, patients = DOCUMENT["records"]
    dated = {key: value for key, value in visits.items() if key != "time_unit"}
    study = write_study(tmp_path, {"records": [dated, patients], "evaluate.importance": False})
    dates = pl.read_csv(tmp_path / "visits.csv").with_columns(day=pl.date(2020, 1, 1) + pl.duration(days="day"))
    dates.write_csv(tmp_path / "visits.csv")
    loaded = sequela.load_bundle(sequela.run(sequela.read_study(study), tmp_path / "run").folder / "bundle")
    assert loaded.predict({"visits": dates.clear(), "patients": pl.read_csv(tmp_path / "patients.csv")}).is_empty()


def test_a_renamed_input_is_told_from_python(run: Run) -> None:
    folder = run.folder.parent
    frames = {name: pl.read_csv(folder / f"{name}.csv") for name in ("visits", "patients")}
    frames["patients"] = frames["patients"].rename({"height": "Height_cm"})
    loaded = sequela.load_bundle(run.folder / "bundle")
    with pytest.warns(UserWarning, match=r"1 of 5 inputs has no value .* height \(perhaps 'Height_cm'\)") as told:
        found = loaded.predict(frames)
    assert len(told) == 1
    assert found["flags"].str.contains("missing: .*height").all()
    for name, frame in frames.items():
        frame.write_csv(folder / f"renamed_{name}.csv")
    files = loaded.predict_files({name: folder / f"renamed_{name}.csv" for name in frames})
    assert files.note == str(told[0].message)


def test_what_is_known_only_after_now_is_not_called_absent(run: Run) -> None:
    folder = run.folder.parent
    paths = {name: folder / f"{name}.csv" for name in ("visits", "patients")}
    assert sequela.load_bundle(run.folder / "bundle").predict_files(paths, now=0).note is None


@pytest.mark.filterwarnings("ignore:Not predicted, the prediction time:UserWarning")
@pytest.mark.parametrize("at", ["last record", "every record", "every 20d"])
def test_what_is_known_only_after_now_is_not_looked_at(at: str, tmp_path: Path) -> None:
    asked = {"question.at": at, "question.to": "100d", "question.horizon": "60d"}
    study = write_study(tmp_path, asked | {"evaluate.importance": False})
    loaded = sequela.load_bundle(sequela.run(sequela.read_study(study), tmp_path / "run").folder / "bundle")
    frames = {name: pl.read_csv(tmp_path / f"{name}.csv") for name in ("visits", "patients")}
    by_then = frames | {"visits": frames["visits"].filter(pl.col("day") <= 60)}
    expected = loaded.predict(by_then, now=60)
    assert expected["subject_id"].n_unique() == 60
    assert loaded.predict(frames, now=60).equals(expected)
    if at == "every 20d":
        assert expected.filter(prediction_time=60)["subject_id"].n_unique() == 60


def test_records_without_a_value_give_no_prediction_and_a_note(run: Run) -> None:
    folder = run.folder.parent
    frames = {name: pl.read_csv(folder / f"{name}.csv") for name in ("visits", "patients")}
    nothing = frames["visits"].with_columns(pl.lit(None).alias(name) for name in ("sbp", "dbp", "ward"))
    strangers = frames["patients"].rename({"sex": "s", "height": "cm"})
    loaded = sequela.load_bundle(run.folder / "bundle")
    with pytest.warns(UserWarning, match="5 of 5 inputs|60 people"):
        assert loaded.predict({"visits": nothing, "patients": strangers}).is_empty()


def test_a_column_that_the_study_did_not_have_changes_no_prediction(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"records.0.columns": None})
    loaded = sequela.load_bundle(sequela.run(sequela.read_study(study), tmp_path / "run").folder / "bundle")
    frames = {name: pl.read_csv(tmp_path / f"{name}.csv") for name in ("visits", "patients")}
    seen = pl.int_range(pl.len()) % 3 > 0
    frames["visits"] = frames["visits"].with_columns(
        pl.when(seen).then(name).alias(name) for name in ("sbp", "dbp", "ward")
    )
    expected = loaded.predict(frames)
    frames["visits"] = frames["visits"].with_columns(pulse=pl.lit(70.5), remark=pl.lit("well"))
    frames["patients"] = frames["patients"].with_columns(shoes=pl.lit(42))
    with pytest.warns(UserWarning, match="3 columns or codes are unknown to the bundle and not read"):
        found = loaded.predict(frames)
    assert found.equals(expected)


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one long table of pressures, whose first person begins with a diagnosis that nobody else has."""
    folder = tmp_path_factory.mktemp("coded")
    keys = {"name": "events", "path": "events.csv", "layout": "long", "subject": "id", "time": "day"}
    changes = {"evaluate.importance": False, "prepare.units": {"sbp": "mm[Hg]", "pain": "points"}}
    study = write_study(folder, {"records": [{**keys, "time_unit": "days"}], **changes})
    random = np.random.default_rng(3)
    rows = [f"{p},{d},sbp,{random.normal(130, 10):.1f}" for p in range(60) for d in (1, 5, 9)]
    rows += [f"{p},1,pain,{p % 10}" for p in range(60)]
    (folder / "events.csv").write_text("\n".join(["id,day,code,numeric_value", "0,0,rare,", *rows, ""]))
    return sequela.run(sequela.read_study(study), folder / "run").folder


def test_who_has_nothing_but_rare_codes_gets_the_number_of_the_study(coded: Path) -> None:
    loaded = sequela.load_bundle(coded / "bundle")
    alone = pl.DataFrame({"id": [0], "day": [0], "code": ["rare"], "numeric_value": [None]})
    with pytest.warns(UserWarning, match=r"2 of 2 inputs have no value .* 1 column or code is unknown to the bundle"):
        found = loaded.predict(alone)
    of_study = pl.read_parquet(coded / "predictions.parquet").filter(
        (pl.col("subject_id") == 0) & (pl.col("prediction_time") == 0) & (pl.col("model") == "network")
    )
    assert found["predicted"].to_list() == of_study["predicted"].to_list()
    assert found["flags"].to_list() == of_study["flags"].to_list() == ["nothing known; missing: pain, sbp"]
    assert "rare" not in (coded / "bundle" / "study.json").read_text()


def test_many_people_without_a_single_input_are_refused(coded: Path) -> None:
    loaded = sequela.load_bundle(coded / "bundle")
    other = pl.DataFrame({"id": range(11), "day": 0, "code": "SBP", "numeric_value": 120.0})
    with pytest.raises(RecordsError, match=r"none of the bundle's inputs .* Write the codes in column 'code' as the"):
        loaded.predict(other)


@pytest.mark.parametrize(("code", "unit", "other"), [("sbp", "mmHg", "kPa"), ("pain", "points", "%")])
def test_a_unit_that_the_study_names_is_that_of_new_records_too(code: str, unit: str, other: str, coded: Path) -> None:
    """Its own records stated none."""
    loaded = sequela.load_bundle(coded / "bundle")
    live = pl.DataFrame({"id": [1, 1], "day": [1, 1], "code": ["sbp", "pain"], "numeric_value": [120.0, 4.0]})
    stated = pl.when(code=code)
    expected = loaded.predict(live)
    assert loaded.predict(live.with_columns(unit=stated.then(pl.lit(unit)))).equals(expected)
    with pytest.raises(InputError, match=f"'{code}' come in another unit than the study's"):
        loaded.predict(live.with_columns(unit=stated.then(pl.lit(other))))


KNOTS = {"knots": [1.0, 2.0], "shares": [0.25, 0.75]}
KNN = {"means": [0.0, 0.0], "spreads": [1.0, 1.0], "centroids": [[0.0, None]]}
STEP = {"column": 0, "coefficients": [0.0] * 4, "intercept": 0.0}
REGRESSION = {"means": [0.0] * 4, "low": [-1.0] * 4, "high": [1.0] * 4, "regressions": [STEP]}
DO_NOT_GO_TOGETHER: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("prepare", lambda c: c["features"][0].update(quantiles=KNOTS | {"shares": [0.5]}), "one share for each knot"),
    ("prepare", lambda c: c["features"][0].update(quantiles=KNOTS | {"knots": [2.0, 1.0]}), "must not fall"),
    ("prepare", lambda c: c["features"][0].update(quantiles=KNOTS | {"shares": [0.5, 1.0]}), "between 0 and 1"),
    ("prepare", lambda c: c["features"][0].update(quantiles=KNOTS), "center 0 and the spread 1"),
    ("prepare", lambda c: c["features"][0].update(carry_limit_hours=1e308), "carry_limit_hours"),
    ("prepare", lambda c: c["features"][0].update(missing="knn"), "'knn' is missing"),
    ("prepare", lambda c: c["features"][0].update(center="80"), "features.0.number.center' should be a number"),
    ("prepare", lambda c: c["features"][0].update(outliers={"rule": "iqr", "low": 2.0, "high": 1.0}), "above the"),
    ("prepare", lambda c: c["features"][2].update(levels=["A", "A", "B"]), "a level stands there twice"),
    (
        "prepare",
        lambda c: c["features"][2]["shares"].__setitem__(0, -0.5),
        "shares.0' should be a number of at least 0",
    ),
    ("prepare", lambda c: c["static"][1].update(levels=["f", "f"]), "a level stands there twice"),
    ("prepare", lambda c: c["targets"][0].update(transform={"kind": "log"}), "'sbp' does not come back"),
    ("prepare", lambda c: c["features"].append(c["features"][0]), "twice"),
    ("prepare", lambda c: c["targets"][0].update(transform={"kind": "yeo_johnson", "shape": -2.0}), "shape"),
    ("prepare", lambda c: c["targets"][0].update(smearing={"residuals": [0.0], "shares": []}), "its share"),
    ("prepare", lambda c: c.update(knn=KNN | {"centroids": [[0.0]]}), "for each variable"),
    ("prepare", lambda c: c.update(knn=KNN | {"spreads": [1.0]}), "for each variable"),
    ("prepare", lambda c: c.update(knn=KNN | {"means": [0.0], "spreads": [1.0], "centroids": []}), "numbers"),
    ("prepare", lambda c: c.update(regression=REGRESSION | {"low": [0.0]}), "a lowest and a highest"),
    ("prepare", lambda c: c.update(regression=REGRESSION | {"low": [2.0] * 4}), "above the highest"),
    ("prepare", lambda c: c.update(regression=REGRESSION | {"regressions": [STEP | {"column": 4}]}), "one of"),
    ("prepare", lambda c: c.update(regression=REGRESSION | {"regressions": [STEP | {"coefficients": []}]}), "for each"),
    ("prepare", lambda c: c.update(grid={"microseconds": 10**30, "aggregate": {}}), "grid.microseconds"),
    ("after", lambda c: c.update(recalibration={"network": {"kind": "none", "reason": "x"}}), "what is no model"),
    ("after", lambda c: c["interval"].update(half_width=[[1.0, 1.0]]), "not those of study.json"),
    ("after", lambda c: c["interval"].update(half_width=[[-1.0]]), "at least 0"),
    ("after", lambda c: c["interval"].update(level=1.0), "below 1"),
    ("study", lambda c: c["cleaning"].update(limits={"sbp": [1.0]}), "a lowest and a highest"),
    ("study", lambda c: c["cleaning"].update(limits={"sbp": [2.0, 1.0]}), "a lowest and a highest"),
    ("study", lambda c: c["cleaning"].update(derived={"x": "never"}), "formula"),
    ("study", lambda c: c["cleaning"].update(conversions={"sbp": "a -> b"}), "conversion"),
    ("study", lambda c: c["clock"].update(time_zone="../UTC"), "clock.time_zone: expected a time zone"),
    ("study", lambda c: c.update(records=[]), "'records' should be a list of at least 1"),
    ("study", lambda c: c["records"].append(c["records"][0]), "two tables have one name"),
    ("study", lambda c: c["records"][0].update(delimiter="\n"), "records.0.delimiter: expected a sign"),
    ("study", lambda c: c["model"].update(bidirectional=True), "histories would not end at the prediction times"),
    ("study", lambda c: c["model"].update(hidden=[4] * 100_000), "model.hidden"),
    ("after", lambda c: c["interval"].update(level=0.5), "of another level than those of study.json"),
    ("card", lambda c: c.update(name=float("inf")), "a number is not finite"),
]


def changed(run: Run, folder: Path, member: str, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Return a copy of the bundle with a member changed, under its right digest."""
    bundle = shutil.copytree(run.folder / "bundle", folder / "bundle")
    content, manifest = (json.loads((bundle / f"{name}.json").read_text()) for name in (member, "manifest"))
    change(content)
    data = json.dumps(content).encode()
    manifest["members"][f"{member}.json"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (bundle / f"{member}.json").write_bytes(data)
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


@pytest.mark.parametrize(("member", "change", "says"), DO_NOT_GO_TOGETHER)
def test_numbers_of_a_bundle_that_do_not_go_together_are_refused(
    run: Run, tmp_path: Path, member: str, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    with pytest.raises(BundleError, match=rf"bundle/{member}\.json: .*{says}.* damaged or was changed by hand"):
        read_bundle(changed(run, tmp_path, member, change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update(format=True), "manifest.json: it names no format"),
        (lambda c: c.update(format=0), "manifest.json: it is not of a known form"),
        (lambda c: c.update(members=[*c["members"]]), "manifest.json: it is not of a known form"),
        (lambda c: c["members"].update({"code.py": c["members"]["card.json"]}), "code.py: it is no member of a bundle"),
        (lambda c: c["members"]["card.json"].update(run="code.py"), "its entry for card.json is not of a known form"),
        (lambda c: c["members"]["card.json"].pop("size"), "its entry for card.json is not of a known form"),
    ],
)
def test_a_manifest_lists_the_members_of_a_bundle_and_nothing_else(
    run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    bundle = shutil.copytree(run.folder / "bundle", tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    change(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    if "code.py" in manifest["members"]:
        shutil.copy(bundle / "card.json", bundle / "code.py")
    with pytest.raises(BundleError, match=re.escape(says)):
        read_bundle(bundle)


@pytest.mark.parametrize("text", ['{"format": 1, "format": 1}', '{"format": 1e999}'])
def test_a_number_without_end_and_a_key_that_stands_twice_are_no_json(run: Run, tmp_path: Path, text: str) -> None:
    bundle = shutil.copytree(run.folder / "bundle", tmp_path / "bundle")
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json: it is no JSON, or a key stands there twice, or a number"):
        read_bundle(bundle)


@pytest.mark.parametrize("member", ["card.json", "weights.safetensors"])
def test_a_member_that_is_larger_than_it_can_be_is_not_read(run: Run, tmp_path: Path, member: str) -> None:
    bundle = shutil.copytree(run.folder / "bundle", tmp_path / "bundle")
    os.truncate(bundle / member, 20 << 30)  # nothing of it stands on the disk
    with pytest.raises(BundleError, match=rf"{member}: it is larger than it can be"):
        read_bundle(bundle)


def test_typical_gaps_that_are_not_those_of_the_weights_are_refused(run: Run, tmp_path: Path) -> None:
    bundle = changed(run, tmp_path, "prepare", lambda c: c["features"][0].update(typical_gap_hours=1.0))
    with pytest.raises(BundleError, match=r"gap_unit_hours' is not that of prepare\.json"):
        read_bundle(bundle)


def test_a_hybrid_without_its_trees_is_refused(run: Run, tmp_path: Path) -> None:
    bundle = changed(run, tmp_path, "study", lambda c: c["model"].update(hybrid=True))
    with pytest.raises(BundleError, match=r"bundle/trees\.txt: study\.json and the members disagree about a hybrid"):
        read_bundle(bundle)


def test_predictions_that_are_no_numbers_are_refused(run: Run, tmp_path: Path) -> None:
    folder = run.folder.parent
    bundle = changed(run, tmp_path, "prepare", lambda c: c["targets"][0].update(spread=1.7e308, center=1.7e308))
    paths = {name: folder / f"{name}.csv" for name in ("visits", "patients")}
    with pytest.raises(InputError, match=r"no finite numbers: .* Check the units, or copy the bundle again"):
        sequela.load_bundle(bundle).predict_files(paths)
