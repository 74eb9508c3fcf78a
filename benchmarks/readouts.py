"""What readouts cost, and what it costs to predict every six steps of a history instead of once.

Prints JSON: for each readout the milliseconds of a prediction and of a training step for 64 stays of 48 hourly steps
and 37 variables, read once at the end and read every six steps in the same pass; medians of runs in turns, one thread.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from sequela.batch import Batch
from sequela.models import InputShape, ModelSettings, RiskNetwork, build_risk_network
from sequela.prepare.collate import pack

STAYS, STEPS, VARIABLES, FACTS, ROUNDS = 64, 48, 37, 8, 40
READOUTS = [["last"], ["mean"], ["max"], ["attention"], ["last", "mean", "max"], ["last", "mean", "max", "attention"]]


def batch(steps_read: list[int]) -> Batch:
    random = torch.Generator().manual_seed(0)
    place, sizes, order = pack(np.full(STAYS, STEPS))
    rows, reads = len(place), [(s, t) for s in range(STAYS) for t in steps_read]
    count = len(reads)
    return Batch(
        values=torch.randn(rows, VARIABLES, generator=random),
        observed=torch.rand(rows, VARIABLES, generator=random) < 0.2,
        gap_hours=10 * torch.rand(rows, VARIABLES, generator=random),
        hours=48 * torch.rand(rows, generator=random),
        batch_sizes=torch.from_numpy(sizes),
        order=torch.from_numpy(order),
        static=torch.randn(STAYS, FACTS, generator=random),
        reads=torch.tensor([int(place[s * STEPS + t]) for s, t in reads]),
        read_sequence=torch.tensor([s for s, _ in reads]),
        read_lag_hours=torch.zeros(count),
        targets=(torch.rand(count, generator=random) < 0.14).float(),
        target_known=torch.ones(count, dtype=torch.bool),
        weight=torch.ones(count),
    )


def predicting(network: RiskNetwork, given: Batch) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            network.eval()(given)

    return run


def training(network: RiskNetwork, given: Batch) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        network.loss(network.train()(given), given, "auto").backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    return run


def in_turns(runs: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Return the median milliseconds of each, one after the other in every round."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS + 3):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if number >= 3:
                taken[name].append(1e3 * (time.perf_counter() - began))
    return {name: round(statistics.median(each), 2) for name, each in taken.items()}


def main() -> None:
    torch.set_num_threads(1)
    once, often = batch([STEPS - 1]), batch(list(range(5, STEPS, 6)))
    found = []
    for names in READOUTS:
        torch.manual_seed(0)
        shape = InputShape(static=FACTS, gap_unit_hours=[3.0] * VARIABLES)
        network = build_risk_network(ModelSettings(readout=names), shape, reads_at_records=True)
        times = in_turns(
            {
                "predict_once_ms": predicting(network, once),
                "predict_every_6_ms": predicting(network, often),
                "train_once_ms": training(network, once),
                "train_every_6_ms": training(network, often),
            }
        )
        ratios = {
            f"{what}_ratio": round(times[f"{what}_every_6_ms"] / times[f"{what}_once_ms"], 2)
            for what in ("predict", "train")
        }
        found.append({"readout": names, **times, **ratios})
    print(json.dumps({"stays": STAYS, "steps": STEPS, "predictions": [STAYS, len(often.reads)], "readouts": found}))


if __name__ == "__main__":
    main()
