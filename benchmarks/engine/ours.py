"""The one place where the benchmark touches the engine."""

import types

# Forces one instruction set of the core.
FORCE_VARIABLE = "SEQUELA_ISA"


def cells() -> types.ModuleType:
    import sequela.cells

    return sequela.cells


def info() -> dict:
    """Instruction set, threads and flags of the native core."""
    from sequela import _native

    return dict(_native.info())


def instruction_set() -> str:
    """`avx512`, `avx2` or `portable`: what the core chose or was told."""
    return info()["set"]
