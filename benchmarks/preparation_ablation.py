"""What does each step of preparation bring? Death in hospital, one step changed at a time.

`python benchmarks/preparation_ablation.py DATA`

Set a of the PhysioNet challenge of 2012 (4,000 stays, 48 hours), whether somebody dies in hospital, asked once at 48
hours. A small network (GRU of 32 units, last state and mean) reads the records on two clocks: hourly bins, and every
distinct instant. How missing values are filled is crossed with the clock; outliers (mad, flagged) and the gaps as
inputs are changed at the base, which carries the last value on, on either clock. Each setting is trained with three
seeds; a seed also draws the split (70/10/20 by person), the same for all settings, so differences from the base are
paired by seed. No plausible limits, so that the outlier rule meets the typing errors of the records.

All networks train for EPOCHS on one cycle of the learning rate; nothing is chosen on tuning people.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from physionet2012 import question

MISSING = ("zero", "mean", "last", "regression", "knn", "decay")
CLOCKS = {"hourly": "1h", "raw": "none"}
EPOCHS, HIDDEN = 6, 32
METRICS = ("auroc", "auprc", "log_loss")


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    clock: str
    missing: str = "last"
    outliers: str = "none"
    gaps: bool = True

    @property
    def name(self) -> str:
        more = [f"outliers {self.outliers}, flagged"] * (self.outliers != "none") + ["without gaps"] * (not self.gaps)
        return ", ".join([self.missing, *more])


def settings() -> list[Setting]:
    """Every row: missing crossed with the clock, outliers and gaps at the base of each clock."""
    rows = [Setting(clock, missing) for clock in CLOCKS for missing in MISSING]
    return rows + [row for clock in CLOCKS for row in (Setting(clock, outliers="mad"), Setting(clock, gaps=False))]


def main() -> int:
    arguments = _arguments()
    jobs = [(arguments.data, row, seed) for row in settings() for seed in range(arguments.seeds)]
    began = time.perf_counter()
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        scores = [_told(found) for found in pool.map(measured, *zip(*jobs, strict=True))]
    result = summary(jobs, scores) | {"minutes": (time.perf_counter() - began) / 60, "processes": arguments.jobs}
    print(json.dumps(result, indent=2))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join(table(result["rows"])), file=sys.stderr)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder with set-a.tar.xz and Outcomes-a.txt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--out", help="also write the JSON to this file")
    return parser.parse_args()


def study_of(data: str, row: Setting, seed: int) -> Any:
    """The study of one row."""
    from sequela.study.settings import parse_study
    from sequela.study.story import Study

    prepare = {"grid": CLOCKS[row.clock], "missing": row.missing, "outliers": row.outliers, "outlier_action": "flag"}
    inputs = ["values", "observed", *(["gaps"] if row.gaps else [])]
    document = {
        **question(data, ["a"]),
        "split": {"fractions": [0.7, 0.1, 0.2], "seed": seed},
        "prepare": prepare,
        "model": {"cell": "gru", "hidden": HIDDEN, "readout": ["last", "mean"], "dropout": 0.5, "inputs": inputs},
        "train": {
            "epochs": EPOCHS,
            "batch_size": 64,
            "learning_rate": 0.002,
            "schedule": "one cycle",
            "patience": 0,
            "seed": seed,
        },
        "evaluate": {"baselines": [], "reason": "settings are compared with each other"},
    }
    return Study(settings=parse_study(document, "preparation_ablation.py"), folder=Path(data))


@functools.lru_cache(maxsize=2)
def _gathered(data: str, clock: str) -> Any:
    from sequela.study.story import gather

    return gather(study_of(data, Setting(clock), 0))


def measured(data: str, row: Setting, seed: int) -> dict[str, Any]:
    """Held-out AUROC, AUPRC (percent) and log loss of one training."""
    import torch

    from sequela.cohort import HELD_OUT
    from sequela.evaluate import auroc, average_precision
    from sequela.study.fit import fit_split
    from sequela.study.story import divide
    from sequela.study.watch import Watch

    torch.set_num_threads(1)
    began, study = time.perf_counter(), study_of(data, row, seed)
    material = replace(_gathered(data, row.clock), settings=study.settings)
    split = divide(study, material)[0]
    fit = fit_split(material, split, watch=Watch(), number=1, fits=1)
    rows = np.flatnonzero(split.part == HELD_OUT)
    target, risk = material.labels[rows], fit.predicted["network"][rows]
    return {
        "row": row,
        "seed": seed,
        "auroc": 100 * float(auroc(target, risk) or 0),
        "auprc": 100 * float(average_precision(target, risk) or 0),
        "log_loss": float(-np.mean(np.log(np.where(target == 1, risk, 1 - risk)))),
        "seconds": time.perf_counter() - began,
    }


def _told(found: dict[str, Any]) -> dict[str, Any]:
    row = found["row"]
    print(f"{row.clock}, {row.name}, seed {found['seed']}: {found['auroc']:.2f} {found['auprc']:.2f} "
          f"{found['log_loss']:.4f}, {found['seconds']:.0f} s", file=sys.stderr, flush=True)  # fmt: skip
    return found


def summary(jobs: Sequence[tuple[str, Setting, int]], scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over seeds of every row, and of its difference from the base of its clock."""
    by_row: dict[Setting, dict[str, Any]] = {}
    for row in settings():
        mine = [found for found in scores if found["row"] == row]
        base = [found for found in scores if found["row"] == Setting(row.clock)]
        by_row[row] = {
            "clock": row.clock,
            "setting": row.name,
            **{metric: _spread([found[metric] for found in mine]) for metric in METRICS},
            "minus base": {
                metric: _spread([a[metric] - b[metric] for a, b in zip(mine, base, strict=True)]) for metric in METRICS
            },
            "seconds": float(np.mean([found["seconds"] for found in mine])),
        }
    return {
        "question": "held-out AUROC, AUPRC (percent), log loss of death in hospital, by step of preparation",
        "seeds": sorted({seed for _, _, seed in jobs}),
        "rows": list(by_row.values()),
    }


def _spread(values: list[float]) -> dict[str, Any]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": spread, "each": values}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as a Markdown table."""
    head = ["clock", "setting", "AUROC", "AUPRC", "log loss", "AUROC minus base", "AUPRC minus base"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        gap = row["minus base"]
        cells = [
            row["clock"],
            row["setting"],
            _cell(row["auroc"], 1),
            _cell(row["auprc"], 1),
            _cell(row["log_loss"], 4),
            _cell(gap["auroc"], 1, signed=True),
            _cell(gap["auprc"], 1, signed=True),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(spread: dict[str, Any], digits: int, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    sd = "" if spread["sd"] is None else f" ± {spread['sd']:.{digits}f}"
    return f"{spread['mean']:{sign}.{digits}f}{sd}"


if __name__ == "__main__":
    sys.exit(main())
