"""Does sequela learn as well as Keras? Held-out MSE of the same network on the same rows.

`python benchmarks/series_parity.py --keras-python /path/to/keras-env/bin/python`

The example `blood-pressure-series` is run by the real command line, once a seed. Keras (its own environment, backend of
KERAS_BACKEND) trains LSTM(50) -> LSTM(50) -> Dense(1) with Adam, squared error, 100 epochs, batches of 32, on the same
training rows under the numbers that sequela's bundle states as its scaling. Those numbers are recomputed here from the
training rows first, and must agree. MSE in mmHg².

One training's MSE varies by about 4 % with the seed, so the ratio of two means of five has a standard error of 2 to
3 %: it is printed. `--seeds 20` halves it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

READINGS = [f"reading_{number}" for number in range(1, 11)]
BAR = 0.03


def main() -> int:
    arguments = _arguments()
    if arguments.keras_worker:
        _keras_worker(Path(arguments.keras_worker))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), Path(arguments.keras_python), list(range(arguments.seeds)))
    print(json.dumps(result, indent=2))
    return 0 if result["within_3_percent"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--keras-python", help="python of an environment that holds keras 3 and a backend")
    wanted.add_argument("--keras-worker", help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each (default 5)")
    return parser.parse_args()


def compare(folder: Path, keras_python: Path, seeds: list[int]) -> dict[str, Any]:
    """Both means, each seed's MSE, their ratio, and whether it lies within 3 %."""
    from sequela import examples

    study = examples.write("blood-pressure-series", folder / "example")
    runs = [sequela_run(study, folder / f"run-{seed}", seed) for seed in seeds]
    rows = split_rows(folder / "example" / "series.csv", runs[0])
    scaling = scaling_numbers(runs[0])
    assert_same_scaling(scaling, rows)
    ours = [held_out_mse(run, rows) for run in runs]
    keras = keras_mse(folder, keras_python, rows, scaling, seeds)
    ratio, error = _ratio([run["mse"] for run in ours], keras["mse"])
    return {
        "question": "held-out MSE of sequela against Keras: same network, rows and scaling (mmHg²)",
        "people": {part: len(rows[part]["target"]) for part in ("train", "held_out")},
        "scaling": scaling,
        "seeds": seeds,
        "sequela": _summary([run["mse"] for run in ours], [run["seconds"] for run in ours]),
        "keras": _summary(keras["mse"], keras["seconds"]),
        "baselines_mse": ours[0]["baselines"],
        "ratio": ratio,
        "ratio_standard_error": error,
        "bar": BAR,
        "within_3_percent": abs(ratio - 1) <= BAR,
        "versions": {
            "python": platform.python_version(),
            **_versions("sequela", "torch", "numpy"),
            **keras["versions"],
        },
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
    }


def sequela_run(study: Path, out: Path, seed: int) -> Path:
    """The run folder of one training by the command line, of the study as it stands but for its seed."""
    command = Path(sys.executable).with_name("sequela")
    began = time.perf_counter()
    done = subprocess.run(
        [str(command), "run", str(study), "--out", str(out), "--set", f"train.seed={seed}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"sequela run ended with {done.returncode}:\n{done.stderr}")
    (out / "seconds.txt").write_text(str(time.perf_counter() - began))
    return out


def split_rows(series: Path, run: Path) -> dict[str, dict[str, Any]]:
    """The rows of the file that the run trained on and held out: readings [people, 10] and the next one [people]."""
    import polars as pl

    table = pl.read_csv(series)
    parts = _network_predictions(run).select(pl.col("subject_id").cast(pl.Int64).alias("id"), "split")
    joined = table.join(parts, on="id", how="left", validate="1:1", maintain_order="left")
    if joined["split"].null_count():
        raise SystemExit("The run has no prediction for some rows of series.csv; the comparison would not be fair.")
    return {
        name: {
            "id": part["id"].to_list(),
            "readings": part.select(READINGS).to_numpy().astype(float),
            "target": part["next"].to_numpy().astype(float),
        }
        for name in ("train", "held_out")
        for part in [joined.filter(pl.col("split") == name)]
    }


def _network_predictions(run: Path) -> Any:
    import polars as pl

    return pl.read_parquet(run / "predictions.parquet").filter(pl.col("model") == "network")


def scaling_numbers(run: Path) -> dict[str, dict[str, float]]:
    """What the bundle subtracts and divides by, for the readings and for the target."""
    state = json.loads((run / "bundle" / "prepare.json").read_text())
    return {
        name: {"center": float(part["center"]), "spread": float(part["spread"])}
        for name, key in (("readings", "features"), ("target", "targets"))
        for part in [next(part for part in state[key] if part["code"] == "systolic")]
    }


def assert_same_scaling(scaling: dict[str, dict[str, float]], rows: dict[str, dict[str, Any]]) -> None:
    """Ends the benchmark where the bundle's scaling is not MinMax over the training rows alone."""
    for name in ("readings", "target"):
        values = rows["train"][name]
        expected = {"center": float(values.min()), "spread": float(values.max() - values.min())}
        if scaling[name] != expected:
            raise SystemExit(f"The bundle scales the {name} by {scaling[name]}; the training rows give {expected}.")


def held_out_mse(run: Path, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The network's MSE as metrics.json states it, once it agrees with the predictions and the file."""
    models = json.loads((run / "metrics.json").read_text())["models"]
    predictions = _network_predictions(run)
    predicted = dict(zip(predictions["subject_id"].cast(int), predictions["predicted"], strict=True))
    errors = [
        predicted[person] - target
        for person, target in zip(rows["held_out"]["id"], rows["held_out"]["target"], strict=True)
    ]
    recomputed = float(np.mean(np.square(errors)))
    stated = float(models["network"]["mse"]["value"])
    if not math.isclose(stated, recomputed, rel_tol=1e-5):
        raise SystemExit(f"metrics.json states an MSE of {stated}; the predictions give {recomputed}.")
    return {
        "mse": stated,
        "seconds": float((run / "seconds.txt").read_text()),
        "baselines": {name: scores["mse"]["value"] for name, scores in models.items() if name != "network"},
    }


def keras_mse(
    folder: Path,
    python: Path,
    rows: dict[str, dict[str, Any]],
    scaling: dict[str, dict[str, float]],
    seeds: list[int],
) -> dict[str, Any]:
    """Keras' held-out MSE for each seed, trained in its own environment on rows that are scaled here."""
    scaled = {
        part: {
            name: ((rows[part][name] - scaling[name]["center"]) / scaling[name]["spread"]).tolist()
            for name in ("readings", "target")
        }
        for part in ("train", "held_out")
    }
    task = folder / "keras.json"
    task.write_text(json.dumps({"seeds": seeds, **scaled}))
    environment = {"KERAS_BACKEND": "jax", **os.environ}
    subprocess.run([str(python), __file__, "--keras-worker", str(task)], check=True, env=environment, stdout=sys.stderr)
    answer: dict[str, Any] = json.loads(task.with_suffix(".out.json").read_text())
    truth, target = rows["held_out"]["target"], scaling["target"]
    predicted = [np.array(one) * target["spread"] + target["center"] for one in answer.pop("predictions")]
    return {**answer, "mse": [float(np.mean((one - truth) ** 2)) for one in predicted]}


def _keras_worker(task: Path) -> None:
    """Runs in Keras' environment: numpy and keras only."""
    import keras

    work = json.loads(task.read_text())
    arrays = {
        part: {name: np.array(work[part][name], dtype="float32") for name in ("readings", "target")}
        for part in ("train", "held_out")
    }
    train = arrays["train"]
    predictions, seconds = [], []
    for seed in work["seeds"]:
        began = time.perf_counter()
        keras.utils.set_random_seed(seed)
        network = keras.Sequential(
            [
                keras.Input((train["readings"].shape[1], 1)),
                keras.layers.LSTM(50, return_sequences=True),
                keras.layers.LSTM(50),
                keras.layers.Dense(1),
            ]
        )
        network.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")
        network.fit(train["readings"][:, :, None], train["target"], epochs=100, batch_size=32, verbose=0)
        predicted = network.predict(arrays["held_out"]["readings"][:, :, None], verbose=0)
        predictions.append(predicted[:, 0].astype(float).tolist())
        seconds.append(time.perf_counter() - began)
    backend = keras.backend.backend()
    versions = {"keras": keras.__version__, backend: version(backend)}
    answer = {"predictions": predictions, "seconds": seconds, "versions": versions}
    task.with_suffix(".out.json").write_text(json.dumps(answer))


def _summary(mse: list[float], seconds: list[float]) -> dict[str, Any]:
    return {
        "mean_mse": float(np.mean(mse)),
        "standard_deviation": float(np.std(mse, ddof=1)) if len(mse) > 1 else None,
        "mse": mse,
        "seconds_each": float(np.mean(seconds)),
    }


def _ratio(ours: list[float], theirs: list[float]) -> tuple[float, float | None]:
    """Our mean over theirs, and its standard error over seeds (delta method)."""
    ratio = float(np.mean(ours) / np.mean(theirs))
    if min(len(ours), len(theirs)) < 2:
        return ratio, None
    relative = [float(np.var(one, ddof=1) / len(one) / np.mean(one) ** 2) for one in (ours, theirs)]
    return ratio, ratio * math.sqrt(sum(relative))


def _versions(*names: str) -> dict[str, str]:
    return {name: version(name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
