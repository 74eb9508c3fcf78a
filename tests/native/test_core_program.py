"""The C++ test program of the core, as built here, under the sanitizers, and on emulated processors."""

from pathlib import Path

import pytest
from core_programs import run, tool

MAKE = ["make", "--no-print-directory", "-f", "native/sanitize.mk"]


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core")


def make(target: str, out: Path) -> str:
    tool("make", "make")
    tool("g++", "g++")
    return run([*MAKE, target, f"OUT={out}"])


def test_the_core_agrees_with_the_equations(out: Path) -> None:
    assert ", 0 failed" in make("core-test", out)


@pytest.mark.slow
@pytest.mark.parametrize(("processor", "expected"), [("haswell", {"avx2", "portable"}), ("nehalem", {"portable"})])
def test_an_older_processor_runs_what_it_can(out: Path, processor: str, expected: set[str]) -> None:
    tool("qemu-x86_64", "qemu-user")
    said = make(f"emulate-{processor}", out)
    assert ", 0 failed" in said
    # The program prints `SET: n checks` for each set that it found fit for the processor.
    assert {line.split(":")[0] for line in said.splitlines() if line.endswith(" checks")} == expected


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["asan", "tsan"])
def test_the_sanitizers_find_nothing(out: Path, sanitizer: str) -> None:
    assert ", 0 failed" in make(f"sanitize-{sanitizer}", out)
