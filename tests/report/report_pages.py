"""A run's report as tests read it: the page, its text, its figures, and what holds for every page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

from sequela.report import write_report

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Nesting(HTMLParser):
    """Checks that every element is closed where it was opened, and gathers ids and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"]] if named.get("id") else []
        self.links += [str(named[key]) for key in ("href", "src", "xlink:href") if key in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees: no styles, no tags, single spaces."""
    visible = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    visible = re.sub(r"<[^>]+>", " ", visible).replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", visible.replace("&#39;", "'").replace("&lt;", "<").replace("&amp;", "&"))


def figures_of(page: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r'<svg class="figure".*?</svg>', page, flags=re.DOTALL)]


def standing_alone(page: str) -> Nesting:
    """The page as it nests, checked: nothing runs, nothing is loaded, every link leads to one place of its own."""
    assert "<script" not in page.lower()
    assert not re.search(
        r"https?:|//[a-z]|@import|@font-face|url\((?!#)|data:|javascript:|\son\w+=", page, re.IGNORECASE
    )
    read = Nesting(page)
    assert all(link.startswith("#") for link in read.links)
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))
    return read


def captioned_figures(page: str) -> list[ET.Element]:
    """Its figures, checked: there are some, each has a caption, and none holds a picture."""
    figures = figures_of(page)
    assert page.count("<figure>") == len(figures) == page.count("<figcaption>") > 0
    assert all(figure.find(".//image") is None for figure in figures)
    return figures
