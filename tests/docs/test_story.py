"""`docs/story.md` runs, and what it shows is what it prints; no page is wider than the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, assert_shown


def test_the_story_runs_and_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_shown(DOCS / "story.md")


def test_a_line_of_a_page_stays_within_the_width_of_the_project() -> None:
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]:
        if "lab" in page.parts:
            continue
        lines = page.read_text(encoding="utf-8").splitlines()
        wide = [number for number, line in enumerate(lines, 1) if len(line) > 120 and not line.startswith("|")]
        assert not wide, f"{page.relative_to(ROOT)}: lines {wide} are wider than 120"
