"""Contract 3: a folder with weights, fitted preparation, study and provenance. It holds no code and no patient.

Whatever is loaded here is checked before it is used: the members and their digests, the format, the shapes, that every
number is finite. Nothing that is loaded can run code: JSON and safetensors only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from sequela.baselines import HybridModel, statistics_width
from sequela.baselines.trees import LONGEST as LONGEST_TREES
from sequela.cohort import ForecastQuestion, Question, RiskQuestion
from sequela.errors import BundleError
from sequela.evaluate import RecalibrationState
from sequela.evaluate.measures import OWN_MODELS
from sequela.evaluate.recalibration import UnchangedState
from sequela.models import Ensemble, InputShape, ModelSettings, Network, build_forecast_network, build_risk_network
from sequela.prepare import Cleaning, PreparedState
from sequela.prepare.state import NumberState
from sequela.records import TableSettings, TimeUnit
from sequela.records.settings import TimeZone
from sequela.records.values import Kind
from sequela.settings import Settings, wanted

Model = TypeVar("Model", bound=BaseModel)

FORMAT = 1
MANIFEST = "manifest.json"
WEIGHTS, AFTER, TREES = "weights.safetensors", "after.json", "trees.txt"
MEMBERS = ("study.json", "prepare.json", WEIGHTS, "card.json")
OPTIONAL_MEMBERS = (AFTER, TREES)
_LARGEST_JSON = 64 << 20
_LARGEST_HEADER = 64 << 20  # of weights, beside their numbers


class BundledClock(Settings):
    """How the study's records tell the time."""

    calendar: bool
    unit: TimeUnit
    time_zone: TimeZone
    day_resolution: bool


class BundledStudy(Settings):
    """What a prediction needs to know of the study; no path."""

    name: str
    clock: BundledClock
    records: Annotated[list[TableSettings], Field(min_length=1)]
    kinds: dict[str, Kind]  # of the codes' values, as the study's records settled them
    question: Question
    cleaning: Cleaning
    own_sequences: bool  # each prediction reads a history that was cut at its time
    model: ModelSettings
    units: dict[str, str]  # by code, where the source or the study says


class IntervalState(BaseModel):
    """Half-widths of the forecasts' intervals, in each target's unit; None where too few tuning people had a label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    half_width: list[list[Annotated[FiniteFloat, Field(ge=0)] | None]]  # [horizons][targets]


class AfterState(BaseModel):
    """What is done to the models' outputs: intervals around forecasts, recalibration of risks by model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: IntervalState | None = None
    recalibration: dict[str, RecalibrationState] = {}

    @property
    def not_recalibrated(self) -> dict[str, str]:
        """Return why no map could be learned, by model for which that is so."""
        return {model: one.reason for model, one in self.recalibration.items() if isinstance(one, UnchangedState)}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained network with everything that turns records into its predictions."""

    study: BundledStudy
    prepared: PreparedState
    network: Network
    trees: HybridModel | None = None
    after: AfterState | None
    card: dict[str, Any]


def network_for(study: BundledStudy, prepared: PreparedState) -> Network:
    """Return an untrained network of the study's shape: one member, or an ensemble of several."""
    members = [member_for(study, prepared) for _ in range(study.model.members)]
    return as_one(members)


def as_one(members: Sequence[Network]) -> Network:
    """Return several networks that answer as one; a single one as it is."""
    return members[0] if len(members) == 1 else Ensemble(members)


def members_of(network: Network) -> list[Network]:
    """Return the members of a network; of a single one, itself."""
    return [cast(Network, member) for member in network.member] if isinstance(network, Ensemble) else [network]


def member_for(study: BundledStudy, prepared: PreparedState) -> Network:
    """Return an untrained member of the study's network."""
    question = study.question
    shape = InputShape(
        static=len(prepared.static_columns),
        gap_unit_hours=prepared.gap_unit_hours,
        decay_towards=prepared.decay_towards,
        events=len(prepared.event_vocabulary),
        summary=statistics_width(question.kind, prepared) if study.model.wide else 0,
    )
    if isinstance(question, ForecastQuestion):
        return build_forecast_network(
            study.model,
            shape,
            horizons=len(question.horizons),
            targets=len(question.targets),
            reads_at_records=question.reads_at_records,
        )
    return build_risk_network(study.model, shape, reads_at_records=question.reads_at_records)


def output_shape(study: BundledStudy) -> tuple[int, ...]:
    """Return the shape of what a network says of one prediction."""
    question = study.question
    return () if isinstance(question, RiskQuestion) else (len(question.horizons), len(question.targets))


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the bundle to a new folder: to a temporary one beside it, synced, then renamed.

    Raises:
        BundleError: where the folder exists.
    """
    if folder.exists() or folder.is_symlink():
        raise BundleError(f"{folder}: there is such a folder already. Choose another or remove it.")
    members = {
        "study.json": _json(
            bundle.study.model_dump(
                mode="json", by_alias=True, exclude={"records": {"__all__": {"path"}}, "question": {"labels"}}
            )
        ),
        "prepare.json": _json(bundle.prepared.model_dump(mode="json")),
        WEIGHTS: save_tensors({name: t.contiguous() for name, t in bundle.network.state_dict().items()}),
        "card.json": _json(bundle.card),
    }
    if bundle.after is not None:
        members[AFTER] = _json(bundle.after.model_dump(mode="json"))
    if bundle.trees is not None:
        members[TREES] = bundle.trees.to_text().encode()
    listed = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    members[MANIFEST] = _json({"format": FORMAT, "members": listed})
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        for name, data in members.items():
            with (temporary / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _sync_folder(temporary)
        temporary.rename(folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make names durable, not only what they name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def read_bundle(folder: Path) -> Bundle:
    """Return a bundle, every member checked.

    Raises:
        BundleError: for a folder that is none, a member that is unknown, missing or changed, a newer format, weights
            that do not fit or are not finite; the message names the member.
    """
    listed = _listed_members(folder)
    plain = [name for name in listed if name not in (WEIGHTS, TREES)]  # what study.json says bounds these two
    members = {name: _checked(folder, name, listed[name], _LARGEST_JSON) for name in plain}
    study = _parsed(folder, "study.json", members, BundledStudy, _with_paths)
    prepared = _parsed(folder, "prepare.json", members, PreparedState)
    after = _parsed(folder, AFTER, members, AfterState) if AFTER in members else None
    card = _read_json(folder, "card.json", members["card.json"])
    _check_parts(folder, study, prepared, after)
    trees = _trees(folder, study, prepared, listed)
    with torch.device("meta"):  # shapes alone: nothing of the size that a changed study.json may ask for is made
        expected = network_for(study, prepared).state_dict()
    numbers = sum(tensor.nbytes for tensor in expected.values())
    weights = _checked_weights(folder, expected, _checked(folder, WEIGHTS, listed[WEIGHTS], numbers + _LARGEST_HEADER))
    network = network_for(study, prepared)
    for name, settled in network.named_buffers():
        if ".inputs." in name and name in weights and not torch.equal(weights[name], settled):
            _refuse(folder, WEIGHTS, f"'{name}' is not that of prepare.json")
    network.load_state_dict(weights)
    network.eval()
    return Bundle(study=study, prepared=prepared, network=network, trees=trees, after=after, card=card)


def _check_parts(folder: Path, study: BundledStudy, prepared: PreparedState, after: AfterState | None) -> None:
    """Refuse members that do not belong together."""
    question = study.question
    targets = question.targets if isinstance(question, ForecastQuestion) else []
    if [target.code for target in prepared.targets] != targets:
        _refuse(folder, "prepare.json", "its targets are not those of study.json")
    if not prepared.features and not prepared.words:
        _refuse(folder, "prepare.json", "it has no input")
    rules = {feature.missing for feature in prepared.features if isinstance(feature, NumberState)}
    for rule, joint in (("regression", prepared.regression), ("knn", prepared.knn)):
        if rule in rules and joint is None:
            _refuse(folder, "prepare.json", f"'{rule}' is missing, by which it fills gaps")
    looks_ahead = study.model.bidirectional or any(feature.missing == "linear" for feature in prepared.features)
    if looks_ahead and not study.own_sequences:
        _refuse(folder, "study.json", "its histories would not end at the prediction times")
    if len({table.name for table in study.records}) < len(study.records):
        _refuse(folder, "study.json", "two tables have one name")
    for target in prepared.targets:
        if (target.smearing is None) != (target.transform.kind in ("none", "difference")):
            _refuse(folder, "prepare.json", f"'{target.code}' does not come back from its transform as it was fitted")
    after = after or AfterState()
    if after.interval is not None:
        if after.interval.level != study.model.interval:
            _refuse(folder, AFTER, "its intervals are of another level than those of study.json")
        horizons = len(question.horizons) if isinstance(question, ForecastQuestion) else 0
        if [len(row) for row in after.interval.half_width] != [len(targets)] * horizons:
            _refuse(folder, AFTER, "its intervals are not those of study.json")
    elif isinstance(question, ForecastQuestion) and study.model.interval != "none":
        _refuse(folder, AFTER, "the intervals that study.json asks for are missing")
    for model, state in after.recalibration.items():
        if isinstance(question, ForecastQuestion) or model not in OWN_MODELS:
            _refuse(folder, AFTER, "it recalibrates what is no model of study.json")
        if state.kind not in ("none", study.model.recalibrate) or study.model.recalibrate == "none":
            _refuse(folder, AFTER, f"its recalibration of '{model}' is not that of study.json")
    own = {"network", "hybrid"} if study.model.hybrid else {"network"}
    if study.model.recalibrate != "none" and not own <= after.recalibration.keys():
        _refuse(folder, AFTER, "a recalibration that study.json asks for is missing")


def _trees(folder: Path, study: BundledStudy, prepared: PreparedState, listed: dict[str, Any]) -> HybridModel | None:
    if study.model.hybrid != (TREES in listed):
        _refuse(folder, TREES, "study.json and the members disagree about a hybrid")
    if TREES not in listed:
        return None
    kind, shape = study.question.kind, output_shape(study)
    text = _checked(folder, TREES, listed[TREES], math.prod(shape) * LONGEST_TREES)
    try:
        return HybridModel.from_text(text.decode(), kind=kind, statistics=statistics_width(kind, prepared), shape=shape)
    except (BundleError, UnicodeDecodeError):
        _refuse(folder, TREES, "it holds no trees that can be read")


def _refuse(folder: Path, member: str, problem: str) -> NoReturn:
    raise BundleError(
        f"{folder / member}: {problem}. The bundle is damaged or was changed by hand: "
        "copy it again from its run folder, or run the study again."
    )


def _listed_members(folder: Path) -> dict[str, Any]:
    """Return what the manifest says of each member, after these were compared with what is there."""
    try:
        if not folder.is_dir():
            raise BundleError(f"{folder}: there is no such folder. Name the folder `bundle` of a run.")
        present = {path.name: not path.is_symlink() and path.is_file() for path in folder.iterdir()}
    except OSError as error:
        raise BundleError(f"{folder}: it cannot be read ({error.strerror}). Check its permissions.") from None
    if MANIFEST not in present:
        raise BundleError(f"{folder}: there is no {MANIFEST}, so this is no bundle. Name the folder `bundle` of a run.")
    for name, is_plain in present.items():
        if not is_plain:
            _refuse(folder, name, "it is no plain file")
    manifest = _read_json(folder, MANIFEST, _read(folder, MANIFEST, _LARGEST_JSON))
    if type(manifest.get("format")) is not int:
        _refuse(folder, MANIFEST, "it names no format")
    if manifest["format"] > FORMAT:
        raise BundleError(
            f"{folder}: its format {manifest['format']} is newer than {FORMAT}, the newest that is read here. "
            "Install a newer sequela."
        )
    listed = manifest.get("members")
    if manifest["format"] != FORMAT or not isinstance(listed, dict):
        _refuse(folder, MANIFEST, "it is not of a known form")
    for name in sorted({*listed, *present} - {MANIFEST}):
        if name not in (*MEMBERS, *OPTIONAL_MEMBERS) or name not in listed:
            _refuse(folder, name, "it is no member of a bundle")
    for name in sorted({*MEMBERS, *listed}):
        if name not in present or name not in listed:
            _refuse(folder, name, "it is missing")
    return listed


def _read(folder: Path, name: str, largest: int) -> bytes:
    try:
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest:
                _refuse(folder, name, "it is larger than it can be")
            return file.read(size)
    except OSError as error:
        _refuse(folder, name, f"it cannot be read ({error.strerror})")


def _checked(folder: Path, name: str, entry: object, largest: int) -> bytes:
    """Return the content of a member, after its size and digest were compared with the manifest."""
    if not isinstance(entry, dict) or set(entry) != {"size", "sha256"}:
        _refuse(folder, MANIFEST, f"its entry for {name} is not of a known form")
    data = _read(folder, name, largest)
    if len(data) != entry["size"]:
        _refuse(folder, name, "its size is not that of the manifest")
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        _refuse(folder, name, "its SHA-256 is not that of the manifest")
    return data


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise ValueError(word)
    return number


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError
    return found


def _read_json(folder: Path, name: str, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data.decode(), parse_constant=_finite, parse_float=_finite, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        _refuse(folder, name, "it is no JSON, or a key stands there twice, or a number is not finite")
    if not isinstance(content, dict):
        _refuse(folder, name, "it is no JSON object")
    return content


def _as_is(content: dict[str, Any]) -> dict[str, Any]:
    return content


def _with_paths(content: dict[str, Any]) -> dict[str, Any]:
    """A bundle keeps no path; a table is named by its name."""
    tables = content.get("records")
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict):
            table["path"] = table.get("name")
    question = content.get("question")
    if isinstance(question, dict) and question.get("kind") == "risk" and question.get("outcome") is None:
        question["labels"] = "labels"
    return content


def _parsed(folder: Path, name: str, members: dict[str, bytes], model: type[Model], mend: Any = _as_is) -> Model:
    content = mend(_read_json(folder, name, members[name]))
    try:
        return model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        odd = {"missing": "is missing", "extra_forbidden": "is no key of a bundle"}
        problem = odd.get(first["type"], f"should be {wanted(first)}")
        whole = first["type"] == "value_error"  # its words are a sentence of their own
        _refuse(folder, name, f"'{key}' {problem}" if key and not whole else f"{key}: {wanted(first)}".lstrip(": "))


def _checked_weights(folder: Path, expected: dict[str, Tensor], data: bytes) -> dict[str, Tensor]:
    """Return the weights, each of the expected shape and finite."""
    name = WEIGHTS
    try:
        weights = load_tensors(data)
    except (SafetensorError, ValueError, KeyError):
        _refuse(folder, name, "it is no safetensors file")
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))[0]
        _refuse(folder, name, f"'{odd}' does not belong to the network of study.json, or is missing")
    for key, tensor in weights.items():
        if tensor.shape != expected[key].shape or tensor.dtype != expected[key].dtype:
            _refuse(folder, name, f"'{key}' has another shape or type than the network of study.json")
        if not bool(torch.isfinite(tensor).all()):
            _refuse(folder, name, f"'{key}' holds a number that is not finite")
    return weights
