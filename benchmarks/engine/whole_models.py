"""Part c: whole models of other libraries, each side in its own process and environment, in turns."""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from engine import machine
from engine.bars import Verdict
from engine.clock import Turns
from engine.machine import CpuClock
from engine.peers.worker import Worker

QUESTION = "c. whole models: GRU-D against PyPOTS; LSTM(50), LSTM(50), dense against Keras and a JAX scan"
# A step of these models takes a millisecond or some; a turn of 20 lets the median settle.
STEPS_A_TURN = 20


@dataclass(frozen=True)
class Duel:
    """Work of ours against the same work of the peer's; where the peer has two ways, the faster one counts."""

    work: str
    ways: dict[str, int]  # the peer's name of a way, and how many batches one call of it trains
    bar: float
    whole: bool = False  # a call of seconds: one a turn, nothing to warm


@dataclass(frozen=True)
class Peer:
    name: str
    interpreter: str  # which of the given environments
    ours: str
    script: str
    duels: tuple[Duel, ...]
    backend: str = ""


KERAS = {"batch": 1, "forty_batches": 40}
PEERS = [
    Peer(
        "PyPOTS GRU-D",
        "pypots",
        "ours_grud.py",
        "pypots_grud.py",
        (
            Duel("training", {"training": 1}, 12),
            Duel("inference", {"inference": 1}, 10),
            Duel("fit", {"fit": 1}, 20, whole=True),
        ),
    ),
    Peer(
        "Keras on TensorFlow",
        "keras_tensorflow",
        "ours_lstm.py",
        "keras_lstm.py",
        (Duel("batch", KERAS, 10),),
        "tensorflow",
    ),
    Peer("Keras on JAX", "keras_jax", "ours_lstm.py", "keras_lstm.py", (Duel("batch", KERAS, 3),), "jax"),
    Peer("JAX scan", "keras_jax", "ours_lstm.py", "jax_scan.py", (Duel("batch", {"scan": 1, "scan_unrolled": 1}, 2),)),
]


def measure(allocator: str, turns: Turns, peers: dict[str, Path | None]) -> tuple[list[dict], list[Verdict]]:
    """Every peer whose interpreter was given; the others are named as skipped, and their bars stay open."""
    del allocator  # one bar for both
    cases, verdicts = [], []
    for peer in PEERS:
        python = peers[peer.interpreter]
        if python is None:
            option = f"--{peer.interpreter.replace('_', '-')}-python"
            print(
                f"  SKIPPED {peer.name}: {option} was not given (engine/peers.md says how to make it)", file=sys.stderr
            )
            cases.append({"case": peer.name, "skipped": f"{option} was not given"})
            verdicts += [Verdict(f"{peer.name}, {duel.work}: skipped", 0.0, duel.bar) for duel in peer.duels]
            continue
        found = _against(peer, python, turns)
        cases += found
        verdicts += [
            Verdict(f"{peer.name} over ours, {duel.work}", case["ratio"], duel.bar)
            for duel, case in zip(peer.duels, found, strict=True)
        ]
    return cases, verdicts


def _against(peer: Peer, python: Path, turns: Turns) -> list[dict]:
    cores = ",".join(str(core) for core in machine.quietest_cores(2))
    held = {"SEQUELA_BENCH_CORES": cores}
    backend = {"KERAS_BACKEND": peer.backend} if peer.backend else {}
    with Worker(peer.ours, sys.executable, **held) as ours, Worker(peer.script, python, **held, **backend) as theirs:
        return [{**_duel(peer, duel, turns, ours, theirs), "cores": cores} for duel in peer.duels]


def _duel(peer: Peer, duel: Duel, turns: Turns, ours: Worker, theirs: Worker) -> dict:
    start = CpuClock.now([ours.process, theirs.process])
    mine: list[float] = []
    ways: dict[str, list[float]] = {way: [] for way in duel.ways}
    for _ in range(turns.rounds):
        mine += _turn(ours, duel.work, duel, turns, batches=1)
        for way, batches in duel.ways.items():
            ways[way] += _turn(theirs, way, duel, turns, batches)
    best = min(ways, key=lambda way: statistics.median(ways[way]))
    case = {
        "case": peer.name,
        "kind": duel.work,
        "ratio": statistics.median(ways[best]) / statistics.median(mine),
        "ratio_of_least": min(ways[best]) / min(mine),
        "against": best,
        "others_cores": CpuClock.now([ours.process, theirs.process]).others_since(start),
        "ours": _summary(mine),
        **{way: _summary(seconds) for way, seconds in ways.items()},
        "pairs": turns.rounds,
        "versions": theirs.versions,
    }
    line = f"  {peer.name:<20} {duel.work:<10} {case['ratio']:6.2f}x  ours {case['ours']['median_ms']:.3f} ms"
    line += "".join(f"  {way} {case[way]['median_ms']:.3f} ms" for way in ways)
    print(f"{line}  others {case['others_cores']:.2f}", file=sys.stderr, flush=True)
    return case


def _turn(worker: Worker, work: str, duel: Duel, turns: Turns, batches: int) -> list[float]:
    """Seconds a batch. A call that trains many batches is called as often as makes up the steps of a turn."""
    if duel.whole:
        return worker.seconds(work, warm=0, steps=1)
    calls = max(1, STEPS_A_TURN // batches)
    warm = turns.warm if batches == 1 else 1
    return [seconds / batches for seconds in worker.seconds(work, warm=warm, settle=turns.settle, steps=calls)]


def _summary(seconds: list[float]) -> dict:
    return {"median_ms": 1e3 * statistics.median(seconds), "least_ms": 1e3 * min(seconds), "steps": len(seconds)}
