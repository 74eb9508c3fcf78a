"""No number of the README is written by hand."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_table_that_the_demo_wrote():
    shown = (ROOT / "README.md").read_text().partition("<!-- demo-results -->")[2]
    shown = shown.partition("<!-- end of demo-results -->")[0].strip()
    assert shown.startswith("| model |")
    assert shown in (ROOT / "docs/lab/demo.md").read_text()
