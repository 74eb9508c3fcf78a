"""What the built core shows to others, and which instructions it is made of."""

import re
from pathlib import Path

import pytest
from core_programs import run, tool

# Files named for an instruction set are compiled for it; all others must run on any x86-64.
WIDTHS = {"avx512": {"zmm", "ymm", "xmm"}, "avx2": {"ymm", "xmm"}}


def symbols(path: Path, *options: str) -> list[tuple[str, str]]:
    """(type, name) of each defined symbol, types as `nm` prints them."""
    lines = run([tool("nm", "binutils"), "--defined-only", *options, str(path)]).splitlines()
    return [(words[-2], words[-1]) for line in lines if len(words := line.split()) >= 2]


def registers(path: Path) -> set[str]:
    """Families of vector registers that the code of an object names."""
    code = run([tool("objdump", "binutils"), "--disassemble", "--no-show-raw-insn", str(path)])
    assert "Disassembly" in code
    return set(re.findall(r"%([xyz]mm)\d", code))


def instruction_set(path: Path) -> str | None:
    return next((name for name in WIDTHS if name in path.name), None)


def test_the_extension_exports_no_weak_symbol(extension: Path) -> None:
    # The loader may replace a weak function by another library's of the same name, compiled for another processor.
    weak = [name for kind, name in symbols(extension, "--dynamic") if kind in "VvWwu"]
    assert weak == []


def test_each_instruction_set_has_its_object(objects: list[Path]) -> None:
    assert {instruction_set(path) for path in objects} >= set(WIDTHS)


def test_wide_registers_occur_only_where_they_were_asked_for(objects: list[Path]) -> None:
    for path in objects:
        allowed = WIDTHS.get(instruction_set(path) or "", {"xmm"})
        assert registers(path) <= allowed, path


@pytest.mark.parametrize(("name", "family"), [("avx512", "zmm"), ("avx2", "ymm")])
def test_the_check_of_registers_would_see_them(objects: list[Path], name: str, family: str) -> None:
    of_set = [path for path in objects if instruction_set(path) == name]
    assert any(family in registers(path) for path in of_set)


def test_an_instruction_set_exports_one_table_and_nothing_else(objects: list[Path]) -> None:
    for path in objects:
        if instruction_set(path) or "portable" in path.name:
            shown = [name for kind, name in symbols(path, "--extern-only")]
            assert len(shown) == 1, (path, shown)
            assert "table_" in shown[0]
