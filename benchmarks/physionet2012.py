"""Does a network beat gradient boosting? Death in hospital from the first 48 hours of intensive care.

`python benchmarks/physionet2012.py DATA --sets a b`

DATA holds the files of the PhysioNet challenge of 2012: set-a.tar.xz and Outcomes-a.txt, and so on. People are split by
the package's hash of (seed, id) into tenths. Split k holds out tenth k, tunes on tenth k + 5 and trains on the other
eight: 80/10/10, and with five splits or fewer nobody is held out twice or both tunes and is held out.

LightGBM and logistic regression see the window statistics of the variables as they were measured, and LightGBM gets as
many trials as the network's recipe was given. The network is that of `examples/physionet2012/study.toml`; `single` is
one of them, `ensemble` the mean of five, each trained without a fifth of the people, and `hybrid` boosting that sees
what they say out of fold. Ours are given codes derived from two others and clinical columns; LightGBM with the same is
shown beside, by a name of its own. The bars are about LightGBM without.

Tuning people choose settings, numbers of trees and, among ours, the candidate. Then every model, LightGBM too, is
trained again on training and tuning people (`refit`); LightGBM before that is shown as `lightgbm as stopped`. Of tuning
people every model is asked before they taught it.

Intervals are 95 % bootstrap intervals over people, with the fitted models held fixed. Differences are paired. Of the
splits together there are two: the mean over the splits of what each one gives (`mean_of_splits`), which the bars are
about, and one figure over all held-out predictions after recalibration (`all_together`).
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import platform
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

TENTHS = 10
OUTCOME = "In-hospital_death"
STUDY = Path(__file__).parents[1] / "examples/physionet2012/study.toml"


def _recipe() -> dict[str, dict[str, Any]]:
    """`[prepare]`, `[model]` and `[train]` of the example; ensemble, hybrid and recalibration are the parts' own."""
    study = tomllib.loads(STUDY.read_text())
    model = {key: value for key, value in study["model"].items() if key not in ("members", "hybrid", "recalibrate")}
    return {"prepare": study["prepare"], "model": model, "train": study["train"]}


RECIPE = _recipe()
OURS = ("single", "ensemble", "hybrid")
LIGHTGBM, LOGISTIC, LIGHTGBM_COLUMNS = "lightgbm", "logistic", "lightgbm with our columns"
LIGHTGBM_STOPPED = "lightgbm as stopped"
MEMBERS = 5
PARTS = ("ensemble", "baselines", "columns", "single")
FITTING = 5  # raised where the same recipe comes to give other numbers. 5: thresholds of a hybrid lie between people
BARS = {"auroc": 0.6, "auprc": 1.5, "single_below_lightgbm": 0.5, "slope": (0.9, 1.1), "seconds": 180.0}


@dataclass(frozen=True)
class Job:
    """One part of one split, and what decides its numbers."""

    data: str
    sets: tuple[str, ...]
    split: int
    part: str
    seed: int
    trials: int
    threads: int

    @property
    def file(self) -> str:
        """The name of its file of results: another recipe, seed or way of fitting is another file.

        Of the recipe, `[prepare]` alone decides what the baselines see.
        """
        ours = self.part in ("single", "ensemble")
        trials, recipe = (0, RECIPE) if ours else (self.trials, {"prepare": RECIPE["prepare"]})
        decides = [FITTING, *self.sets, self.split, self.part, self.seed, trials, recipe]
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
        return f"split-{self.split}-{self.part}-{digest}.npz"


def main() -> int:
    arguments = _arguments()
    jobs = [
        Job(arguments.data, tuple(arguments.sets), split, part, arguments.seed, arguments.trials, arguments.threads)
        for part in PARTS
        for split in range(arguments.splits)
    ]
    work = Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    finish(jobs, work, arguments.jobs)
    result = {**summary(jobs, work, arguments.resamples), "versions": _versions(), "command": _described(arguments)}
    text = json.dumps(result, indent=2)
    if arguments.out:
        Path(arguments.out).write_text(text + "\n")
    print(text)
    return 0 if all(result["met"].values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder with set-a.tar.xz (or a folder set-a), Outcomes-a.txt, ...")
    parser.add_argument("--sets", nargs="+", default=["a", "b"])
    parser.add_argument("--splits", type=int, default=5, choices=range(1, TENTHS + 1), metavar="1-10")
    parser.add_argument("--seed", type=int, default=0, help="of the tenths and of every training")
    parser.add_argument("--trials", type=int, default=20, help="settings of LightGBM that are tried in each split")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--work", default="physionet2012-work", help="folder of finished parts; a later call goes on")
    parser.add_argument("--out", help="also write the JSON to this file")
    return parser.parse_args()


# The parts of a split ---------------------------------------------------------------------------------------------


def finish(jobs: Sequence[Job], work: Path, processes: int) -> None:
    """Carry out the jobs whose files are not there yet."""
    open_ = [job for job in jobs if not (work / job.file).exists()]
    _say(f"{len(jobs) - len(open_)} of {len(jobs)} parts are there")
    with ProcessPoolExecutor(max(processes, 1), mp_context=get_context("spawn")) as pool:
        running = {pool.submit(carry_out, job, str(work)): job for job in open_}
        for done in as_completed(running):
            _say(done.result())


def carry_out(job: Job, work: str) -> str:
    """Fit the models of a job, write what they say of tuning and held-out people; return a line that tells."""
    import torch

    torch.set_num_threads(job.threads)
    began = time.perf_counter()
    fits = {"ensemble": _ensemble, "single": _single, "baselines": _baselines, "columns": _columns}
    found = fits[job.part](job)
    content = {name.replace(" ", "_"): values for name, values in found.items()}
    unfinished = Path(work) / f"{job.file}.{os.getpid()}"
    with unfinished.open("wb") as file:
        np.savez(file, **content)
    unfinished.rename(Path(work) / job.file)
    return f"split {job.split}, {job.part}: {time.perf_counter() - began:.0f} s"


def study_of(job: Job, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """The study of the recipe, values of its blocks changed by `changes`."""
    from sequela.study.settings import parse_study
    from sequela.study.story import Study

    document = {
        **question(job.data, job.sets),
        "evaluate": {"baselines": [], "reason": "fitted by themselves, once a split"},
        **{
            block: {**RECIPE.get(block, {}), **(changes or {}).get(block, {})}
            for block in ("prepare", "model", "train")
        },
    }
    document["train"].setdefault("seed", job.seed)
    return Study(settings=parse_study(document, "physionet2012.py"), folder=Path(job.data))


def question(data: str, sets: Sequence[str]) -> dict[str, Any]:
    """The blocks of a study that say which files are read and what is asked of them."""
    folder = Path(data)
    return {
        "name": "Death in hospital",
        "records": [
            {"name": "stays", "source": "physionet2012", "path": [str(_stays(folder, each)) for each in sets]},
            {
                "name": "outcomes",
                "source": "csv",
                "role": "outcome",
                "layout": "static",
                "subject": "RecordID",
                "path": [str((folder / f"Outcomes-{each}.txt").resolve()) for each in sets],
            },
        ],
        "question": {"kind": "risk", "from": "origin", "at": "48h", "min_records": 0, "outcome": {"column": OUTCOME}},
    }


def _stays(folder: Path, letter: str) -> Path:
    found = sorted(folder.glob(f"set-{letter}*"))
    if not found:
        raise SystemExit(f"{folder} holds no set-{letter} (a folder or an archive of the challenge's text files).")
    return found[0].resolve()


@functools.lru_cache(maxsize=3)
def _gathered(data: str, sets: tuple[str, ...], prepare: str) -> Any:
    from sequela.study.story import gather

    return gather(study_of(Job(data, sets, 0, "", 0, 1, 1), {"prepare": json.loads(prepare)}))


def material_of(job: Job, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """The records and predictions of a study; read once a process where only `[model]` and `[train]` differ."""
    prepare = json.dumps((changes or {}).get("prepare", {}))  # in their order: a formula uses those above it
    return replace(_gathered(job.data, job.sets, prepare), settings=study_of(job, changes).settings)


def split_of(material: Any, number: int, seed: int) -> Any:
    """Split number k: tenth k is held out, tenth k + 5 tunes."""
    from sequela.cohort import HELD_OUT, TRAIN, TUNING, Split, SplitSettings, make_splits
    from sequela.study.story import split_request

    tenths = make_splits(split_request(material), SplitSettings(folds=TENTHS, seed=seed), Path())
    held_out, tuning = (tenths[place % TENTHS].part == HELD_OUT for place in (number, number + TENTHS // 2))
    part = np.where(held_out, HELD_OUT, np.where(tuning, TUNING, TRAIN)).astype(np.int8)
    return Split(part=part, fold=number, excluded={})


def fitted(job: Job, changes: Mapping[str, Mapping[str, Any]]) -> tuple[Any, Any, list[tuple[float, float]]]:
    """Material, fit, and seconds of each network (wall, processor)."""
    from sequela.study.fit import fit_split

    material = material_of(job, changes)
    watch = _clock()
    fit = fit_split(material, split_of(material, job.split, job.seed), watch=watch, number=1, fits=1)
    return material, fit, watch.seconds


def _clock() -> Any:
    from sequela.study.watch import Watch

    class Clock(Watch):
        """Times each training, the making of its batches included."""

        def __init__(self) -> None:
            self.seconds: list[tuple[float, float]] = []
            self._since = (0.0, 0.0)

        def note(self, words: str) -> None:
            self._since = (time.perf_counter(), time.process_time())

        def trained(self, stopped: str) -> None:
            now = (time.perf_counter(), time.process_time())
            self.seconds.append((now[0] - self._since[0], now[1] - self._since[1]))
            self._since = now

    return Clock()


def _single(job: Job) -> dict[str, Any]:
    material, fit, seconds = fitted(job, {"model": {"members": 1}})
    return {**_rows_of(material, fit.split), "single": _fair(fit, "network"), "seconds": np.array(seconds)}


def _ensemble(job: Job) -> dict[str, Any]:
    material, fit, seconds = fitted(job, {"model": {"members": MEMBERS, "hybrid": True}})
    said = {"ensemble": _fair(fit, "network"), "hybrid": _fair(fit, "hybrid")}
    return {**_rows_of(material, fit.split), **said, "seconds": np.array(seconds)}


def _fair(fit: Any, model: str) -> Floats:
    """What a model says of everybody; of tuning people, what it said before it was fitted on them."""
    from sequela.cohort import TUNING

    said: Floats = fit.predicted[model].copy()
    said[fit.split.part == TUNING] = fit.of_tuning[model]
    return said


PLAIN: dict[str, Any] = {"derived": {}, "clinical": {}}


def _baselines(job: Job) -> dict[str, Any]:
    """LightGBM and logistic regression on statistics of the variables as they were measured."""
    found = _fitted_baselines(job, PLAIN, {"logistic": LOGISTIC, "gradient_boosting": LIGHTGBM})
    material = material_of(job, {"prepare": PLAIN})
    return {**_rows_of(material, split_of(material, job.split, job.seed)), **found}


def _columns(job: Job) -> dict[str, Any]:
    """LightGBM with the derived codes and the clinical columns that ours are given."""
    return _fitted_baselines(job, {}, {"gradient_boosting": LIGHTGBM_COLUMNS})


def _fitted_baselines(job: Job, prepare: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    from sequela.baselines import Examples, fit_risk_baselines, statistics_of
    from sequela.cohort import TRAIN, TUNING
    from sequela.prepare import fit_preparation

    material = material_of(job, {"prepare": prepare})
    cohort, facts, split = material.cohort, material.evidence.facts, split_of(material, job.split, job.seed)
    training, tuning = (np.flatnonzero(split.part == part) for part in (TRAIN, TUNING))
    sequences = cohort.sequences.take(training)
    prepared, _ = fit_preparation(cohort.timeline, facts, sequences, {}, material.settings.prepare)
    statistics = statistics_of("risk", cohort.timeline, facts, prepared, cohort.sequences)
    examples = Examples(statistics=statistics, labels=material.labels, person=cohort.asked.person)
    fit, tune = examples.take(training), examples.take(tuning)
    keys = {"seed": job.seed, "threads": job.threads, "trials": job.trials, "again": True}
    models = fit_risk_baselines(list(names), fit, tune, **keys)
    first = {names[name]: predict(statistics) for name, predict in models.first.items()}
    found = {names[name]: predict(statistics) for name, predict in models.predict.items()}
    for name, said in found.items():
        said[tuning] = first[name][tuning]
    return found | ({LIGHTGBM_STOPPED: first[LIGHTGBM]} if LIGHTGBM in first else {})


def _rows_of(material: Any, split: Any) -> dict[str, Any]:
    return {"part": split.part, "target": material.labels, "person": material.cohort.asked.person}


# What the parts say together --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the models say of the tuning or held-out people of one split."""

    target: Floats
    person: Rows
    risk: dict[str, Floats]  # by model, before recalibration
    mended: dict[str, Floats]  # after: Platt's map of the tuning people; of themselves cross-fitted


def told(jobs: Sequence[Job], work: Path) -> tuple[list[Told], list[Told], dict[str, list[list[float]]]]:
    """Tuning people and held-out people of each split, and seconds (wall, processor) of every network by part."""
    from sequela.cohort import HELD_OUT, TUNING
    from sequela.evaluate import cross_fitted, fit_recalibration

    tuning, held_out, seconds = [], [], {}
    for split in sorted({job.split for job in jobs}):
        found: dict[str, Any] = {}
        for job in jobs:
            if job.split == split:
                with np.load(work / job.file) as file:
                    found |= {name.replace("_", " "): file[name] for name in file.files}
                if "seconds" in found:
                    seconds.setdefault(job.part, []).extend(found.pop("seconds").tolist())
        risk = {
            name: found[name]
            for name in (*OURS, LIGHTGBM, LIGHTGBM_STOPPED, LIGHTGBM_COLUMNS, LOGISTIC)
            if name in found
        }
        tune, held = (np.flatnonzero(found["part"] == part) for part in (TUNING, HELD_OUT))
        target, person = found["target"], found["person"]
        maps = {name: fit_recalibration("platt", each[tune], target[tune], person[tune]) for name, each in risk.items()}
        fair = {name: cross_fitted("platt", each[tune], target[tune], person[tune]) for name, each in risk.items()}
        for rows, mended, into in (
            (tune, fair, tuning),
            (held, {name: maps[name].apply(each[held]) for name, each in risk.items()}, held_out),
        ):
            said = {name: each[rows] for name, each in risk.items()}
            into.append(Told(target=target[rows], person=person[rows], risk=said, mended=mended))
    return tuning, held_out, seconds


def summary(jobs: Sequence[Job], work: Path, resamples: int) -> dict[str, Any]:
    """Every figure, the candidate, and whether each bar is met."""
    tuning, held_out, seconds = told(jobs, work)
    candidate, choice = chosen(tuning)
    everybody = Scores(held_out, resamples)
    differences = {
        f"{ours} minus {theirs}": everybody.differences(ours, theirs)
        for theirs in (LIGHTGBM, LIGHTGBM_STOPPED, LIGHTGBM_COLUMNS)
        if theirs in held_out[0].risk
        for ours in OURS
    }
    result = {
        "question": "death in hospital from the first 48 hours: network, ensemble, hybrid against LightGBM",
        "people": {"tuning": [len(one.person) for one in tuning], "held_out": [len(one.person) for one in held_out]},
        "events": {"held_out": [int(one.target.sum()) for one in held_out]},
        "unit": "percent for auroc and auprc; Brier score and slope as they are",
        "models": {model: everybody.of_model(model) for model in held_out[0].risk},
        "chosen_on_tuning_people": {"candidate": candidate, "by": "auroc + auprc, mean of the splits", **choice},
        "differences": differences,
        "seconds": {part: _seconds(each) for part, each in seconds.items()},
        "bars": BARS,
    }
    return {**result, "met": _met(result, candidate)}


def chosen(tuning: list[Told]) -> tuple[str, dict[str, Any]]:
    """The best of ours on tuning people by the sum of AUROC and AUPRC, mean over the splits."""
    from sequela.evaluate import auroc, average_precision

    def scores(model: str) -> dict[str, float]:
        each = [(auroc(one.target, one.risk[model]), average_precision(one.target, one.risk[model])) for one in tuning]
        area, precision = 100 * np.array(each, dtype=float).mean(axis=0)
        loss = np.mean([_log_loss(one.target, one.mended[model]) for one in tuning])
        return {"auroc": float(area), "auprc": float(precision), "log_loss_cross_fitted": float(loss)}

    found = {model: scores(model) for model in tuning[0].risk}
    return max(OURS, key=lambda model: found[model]["auroc"] + found[model]["auprc"]), {"tuning": found}


def _log_loss(target: Floats, risk: Floats) -> float:
    return float(-np.mean(target * np.log(risk) + (1 - target) * np.log1p(-risk)))


class Scores:
    """Metrics of all models in each split, on held-out people as they are and in the same resamples of all of them."""

    METRICS = {"auroc": 100.0, "auprc": 100.0, "brier": 1.0, "calibration_slope": 1.0}

    def __init__(self, held_out: list[Told], resamples: int) -> None:
        from sequela.evaluate import Resamples

        draws = Resamples(np.concatenate([one.person for one in held_out]), resamples)
        self.people = len(draws.people)
        self.splits = [_scores(one, draws) for one in held_out]
        self.together = _scores(_joined(held_out), draws) if _apart(held_out) else None

    def of_model(self, model: str) -> dict[str, Any]:
        """Each metric: mean of the splits with its interval, and each split's."""
        found: dict[str, Any] = {}
        for mended in (False, True):
            for metric in self.METRICS:
                if mended and metric in ("auroc", "auprc"):
                    continue  # Platt's map changes no order
                name = metric + (" after recalibration" if mended else "")
                found[name] = {
                    **self._mean(model, metric, mended),
                    "splits": [self._one(scores, model, metric, mended) for scores in self.splits],
                }
        return found

    def differences(self, ours: str, theirs: str) -> dict[str, Any]:
        """Ours minus theirs in AUROC and AUPRC, paired; in percent."""
        from sequela.evaluate.compare import difference_between

        found: dict[str, Any] = {}
        for metric in ("auroc", "auprc"):
            both = [self._drawn(self.splits, model, metric, False) for model in (ours, theirs)]
            value, drawn = (np.stack([one[place] for one in both], axis=-1) for place in (0, 1))
            gap = difference_between(value, drawn, people=self.people, lower_is_better=False).as_dict()
            found[metric] = {"mean_of_splits": gap}
            if self.together is not None:
                row = self.together.difference((ours, True), (theirs, True), (metric, None))
                found[metric]["all_together"] = {
                    key: 100 * each if isinstance(each, float) else each for key, each in row.items()
                }
        return found

    def _one(self, scores: Any, model: str, metric: str, mended: bool) -> dict[str, float | None]:
        found = scores.estimate((model, mended), (metric, None))
        factor = self.METRICS[metric]
        return {
            name: None if end is None else factor * end
            for name, end in (("value", found.value), ("low", found.low), ("high", found.high))
        }

    def _mean(self, model: str, metric: str, mended: bool) -> dict[str, float | None]:
        from sequela.evaluate.bootstrap import estimate

        value, drawn = self._drawn(self.splits, model, metric, mended)
        found = estimate(float(value), drawn, people=self.people)
        return {"mean_of_splits": found.value, "low": found.low, "high": found.high}

    def _drawn(self, splits: list[Any], model: str, metric: str, mended: bool) -> tuple[Floats, Floats]:
        """The mean over the splits, on people as they are and in every resample."""
        each = [scores.sample((model, mended), (metric, None), "predictions") for scores in splits]
        factor = self.METRICS[metric]
        return factor * np.mean([one[0] for one in each]), factor * np.mean([one[1] for one in each], axis=0)


def _scores(one: Told, draws: Any) -> Any:
    from sequela.evaluate import RiskAsked
    from sequela.evaluate.risk import RiskBlock, RiskScores

    risks = {(model, False): risk for model, risk in one.risk.items()}
    risks |= {(model, True): risk for model, risk in one.mended.items()}
    return RiskScores(RiskAsked(one.target, one.person), risks, RiskBlock(np.arange(len(one.person))), draws, ())


def _apart(held_out: list[Told]) -> bool:
    people = np.concatenate([np.unique(one.person) for one in held_out])
    return len(np.unique(people)) == len(people)


def _joined(held_out: list[Told]) -> Told:
    def by_model(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
        return {model: np.concatenate([part[model] for part in parts]) for model in parts[0]}

    return Told(
        target=np.concatenate([one.target for one in held_out]),
        person=np.concatenate([one.person for one in held_out]),
        risk=by_model([one.risk for one in held_out]),
        mended=by_model([one.mended for one in held_out]),
    )


def _seconds(each: list[list[float]]) -> dict[str, float]:
    wall, processor = np.array(each).T
    return {"networks": len(each), "wall_mean": float(wall.mean()), "wall_most": float(wall.max()),
            "processor_mean": float(processor.mean()), "processor_most": float(processor.max())}  # fmt: skip


def _met(result: dict[str, Any], candidate: str) -> dict[str, bool]:
    gaps = {metric: _gap(result, candidate, metric) for metric in ("auroc", "auprc")}
    slope = result["models"][candidate]["calibration_slope after recalibration"]["mean_of_splits"]
    return {
        "auroc of the candidate": gaps["auroc"]["difference"] >= BARS["auroc"] and (gaps["auroc"]["low"] or 0) > 0,
        "auprc of the candidate": gaps["auprc"]["difference"] >= BARS["auprc"] and (gaps["auprc"]["low"] or 0) > 0,
        "one network near LightGBM": _gap(result, "single", "auroc")["difference"] >= -BARS["single_below_lightgbm"],
        "slope after recalibration": BARS["slope"][0] <= slope <= BARS["slope"][1],
        "seconds of one network": result["seconds"]["single"]["wall_most"] < BARS["seconds"],
    }


def _gap(result: dict[str, Any], ours: str, metric: str) -> dict[str, Any]:
    return dict(result["differences"][f"{ours} minus {LIGHTGBM}"][metric]["mean_of_splits"])


def _versions() -> dict[str, Any]:
    names = ("sequela", "torch", "numpy", "lightgbm", "scikit-learn", "polars")
    return {"python": platform.python_version(), **{name: version(name) for name in names}, "cores": os.cpu_count()}


def _described(arguments: argparse.Namespace) -> dict[str, Any]:
    told_ = {name: value for name, value in vars(arguments).items() if name not in ("data", "work", "out")}
    return {**told_, "recipe": RECIPE}


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
