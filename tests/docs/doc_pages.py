"""Pages of `docs/` as programs: their Python blocks run in order, and what they print is what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
NEARLY = 0.1  # of a number that training gave: other machines round otherwise


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string, its text, and the line where the text begins."""

    info: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["info"].strip(), found["body"], text.count("\n", 0, found.start("body")) + 1)
        for found in _FENCE.finditer(text)
    ]


def run_page(page: Path) -> list[tuple[Block, str, Block | None]]:
    """Run the Python blocks of a page in one namespace, in the current folder.

    Returns:
        Each block, what it printed, and the block `text` or `text about` that follows it, where there is one.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    ran: list[tuple[Block, str, Block | None]] = []
    found = blocks(page)
    for place, block in enumerate(found):
        if block.info != "python":
            continue
        printed = io.StringIO()
        # Blank lines before the code keep the page's own line numbers in a traceback.
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        after = found[place + 1] if place + 1 < len(found) else None
        ran.append((block, printed.getvalue(), after if after and after.info.startswith("text") else None))
    return ran


def assert_shown(page: Path) -> None:
    """Run a page and compare all that it prints with what it shows.

    After a block `text` the print is the same to the letter; after `text about` the words are, and the numbers nearly.
    """
    for block, printed, shown in run_page(page):
        where = f"{page.name}, line {block.line}"
        if shown is None:
            assert not printed, f"{where}: prints, and the page does not show it:\n{printed}"
        elif shown.info == "text about":
            assert _words(printed) == _words(shown.text), f"{where}: other words:\n{printed}"
            for came, expected in zip(_numbers(printed), _numbers(shown.text), strict=True):
                room = NEARLY * max(1.0, abs(expected))
                assert abs(came - expected) <= room, f"{where}: {came} instead of {expected}:\n{printed}"
        else:
            assert _bare(printed) == _bare(shown.text), f"{where}: prints otherwise:\n{printed}"


def _bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _words(text: str) -> list[str]:
    return _NUMBER.sub("#", text).split()


def _numbers(text: str) -> list[float]:
    return [float(found.replace(",", "").replace("\u2212", "-")) for found in _NUMBER.findall(text)]
