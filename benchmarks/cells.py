"""How fast are the engine's cells beside torch, PyPOTS, Keras and JAX, and does each comparison clear its bar?

    python benchmarks/cells.py                      # all parts, default and tuned allocator, JSON on stdout
    python benchmarks/cells.py a b --output now.json
    python benchmarks/cells.py c --pypots-python PATH --keras-tensorflow-python PATH --keras-jax-python PATH

Parts (one file each in `engine/`): a ragged, b dense, c whole models of other libraries, d share of the multiply-add
peak, e updates of a large state table, f AVX2, g Python around the core. Every part runs in a process of its own, once
with the allocator as it is and once with one that keeps its pages. `engine/peers.md` says how to make the peers'
environments; a peer whose interpreter is not given is skipped, and the output says so. On a machine that others use it
refuses, unless `--even-if-busy`, which the JSON then bears.

Progress and verdicts go to stderr, the JSON to stdout or `--output`. The exit status is 0 when every bar was cleared.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from engine import machine
from engine.clock import Turns

PARTS = {
    "a": "engine.ragged",
    "b": "engine.dense",
    "c": "engine.whole_models",
    "d": "engine.roofline",
    "e": "engine.monitor",
    "f": "engine.narrow",
    "g": "engine.glue",
}
ALLOCATORS = {"default": "", "tuned": machine.TUNED_ALLOCATOR}
THREADS = 2
# Which environment variable names the interpreter of a peer, where no argument does.
PEERS = {
    "pypots": "SEQUELA_BENCH_PYPOTS_PYTHON",
    "keras_tensorflow": "SEQUELA_BENCH_KERAS_TENSORFLOW_PYTHON",
    "keras_jax": "SEQUELA_BENCH_KERAS_JAX_PYTHON",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="a to g; default: all")
    parser.add_argument("--allocators", nargs="+", choices=list(ALLOCATORS), default=list(ALLOCATORS))
    parser.add_argument("--output", type=Path, help="file for the JSON; default: stdout")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"of a, b and f; the bars are for {THREADS}")
    parser.add_argument("--even-if-busy", action="store_true", help="measure beside others' work; the JSON says so")
    parser.add_argument("--quick", action="store_true", help="6 steps instead of 36: to see that it runs, not how fast")
    for peer, variable in PEERS.items():
        parser.add_argument(
            f"--{peer.replace('_', '-')}-python",
            type=Path,
            default=os.environ.get(variable),
            metavar="PATH",
            help=f"interpreter of the environment with the peer (or {variable})",
        )
    parser.add_argument("--table", type=Path, nargs="+", metavar="JSON", help="print these results as Markdown, no run")
    parser.add_argument("--one-part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--peak-memory-of", metavar="JSON", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    unknown = set(wanted.parts) - PARTS.keys()
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    return wanted


def main() -> int:
    wanted = arguments()
    if wanted.peak_memory_of:
        from engine.comparison import peak_memory_of

        print(peak_memory_of(wanted.peak_memory_of))
        return 0
    if wanted.table:
        from engine.table import markdown

        print(markdown(json.loads(path.read_text()) for path in wanted.table))
        return 0
    if wanted.one_part:
        wanted.output.write_text(json.dumps(one_part(wanted)))
        return 0
    return every_part(wanted)


def every_part(wanted: argparse.Namespace) -> int:
    """Re-executes this file for each part and allocator, and writes what came back."""
    others = machine.others_now()
    if others > machine.BUSY_CORES and not wanted.even_if_busy:
        load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
        print(
            f"refused: others use {others:.2f} cores, more than {machine.BUSY_CORES} (load average {load}). "
            "Medians taken now would be those of the others. Wait, or pass --even-if-busy to see that it runs.",
            file=sys.stderr,
        )
        return 2
    results = [
        run_child(wanted, part, allocator) for part in wanted.parts or list(PARTS) for allocator in wanted.allocators
    ]
    report = {"even_if_busy": wanted.even_if_busy, "quick": wanted.quick, "others_at_start": others, "parts": results}
    text = json.dumps(report, indent=1)
    if wanted.output:
        wanted.output.write_text(text + "\n")
    else:
        print(text)
    verdicts = [verdict for result in results for verdict in result["verdicts"]]
    return 0 if verdicts and all(verdict["passed"] for verdict in verdicts) else 1


def run_child(wanted: argparse.Namespace, part: str, allocator: str) -> dict:
    """One part in a fresh process: glibc reads its tunables only when a program starts."""
    environment = {**os.environ, "GLIBC_TUNABLES": ALLOCATORS[allocator], **environment_of(part)}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, __file__, "--one-part", part, "--allocators", allocator, "--output", str(answer)]
        command += ["--threads", str(wanted.threads), *(["--quick"] if wanted.quick else [])]
        for peer in PEERS:
            path = getattr(wanted, f"{peer}_python")
            command += [f"--{peer.replace('_', '-')}-python", str(path)] if path else []
        subprocess.run(command, env=environment, check=True)
        return json.loads(answer.read_text())


def environment_of(part: str) -> dict[str, str]:
    """Part f holds the engine to AVX2."""
    from engine import ours

    return {ours.FORCE_VARIABLE: "avx2"} if part == "f" else {}


def one_part(wanted: argparse.Namespace) -> dict:
    """Measures in this process, prints the verdicts, and returns what goes into the JSON."""
    import torch

    torch.set_num_threads(wanted.threads)
    part, allocator = importlib.import_module(PARTS[wanted.one_part]), wanted.allocators[0]
    turns = replace(Turns(), rounds=2, steps=3, warm=1) if wanted.quick else Turns()
    print(f"{part.QUESTION}; {allocator} allocator", file=sys.stderr, flush=True)
    begun = machine.facts()
    extra = {"peers": {peer: getattr(wanted, f"{peer}_python") for peer in PEERS}} if wanted.one_part == "c" else {}
    cases, verdicts = part.measure(allocator, turns, **extra)
    for verdict in verdicts:
        print(verdict.line(), file=sys.stderr, flush=True)
    return {
        "part": wanted.one_part,
        "question": part.QUESTION,
        "allocator": allocator,
        "machine": begun,
        "load_average_after": list(os.getloadavg()),
        "cases": cases,
        "verdicts": [verdict.as_dict() for verdict in verdicts],
    }


if __name__ == "__main__":
    sys.exit(main())
