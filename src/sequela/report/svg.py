"""Matplotlib figures as inline SVG: no outside address, no clashing ids, text stays text, always the same bytes."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import matplotlib as mpl
from cycler import cycler
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2a35"
SOFT = "#5c6873"
RULE = "#d5dbe1"
# From Okabe and Ito's palette: apart for colour-blind readers, and dark against mid grey on paper.
BLUE = "#0b4f8a"
ORANGE = "#d17a00"
GREEN = "#00785a"

_STYLE: Mapping[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sequela",
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, SOFT]),
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "figure.constrained_layout.use": True,
}

_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XLINK = "{http://www.w3.org/1999/xlink}href"


@contextmanager
def figure_style() -> Iterator[None]:
    """Drawing inside looks the same whatever the user's own matplotlib settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # a name in another script: the reader's font has it
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure, its size in inches, and its axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def as_svg(figure: Figure, *, name: str, title: str, description: str) -> Markup:
    """A figure as an element to stand in a page.

    Args:
        figure: what to draw.
        name: unique on the page; every id inside starts with it.
        title: the accessible title, as short as a headline.
        description: what a reader who does not see the figure needs to know.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    root = ET.fromstring(_printable(stream.getvalue()))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    root.remove(_child(root, "metadata"))
    for definitions in root.findall("defs"):
        if definitions.find("style") is not None:  # of the whole page; clip paths and hatches are the figure's own
            root.remove(definitions)
    _rename_ids(root, name)
    for element in root.iter():
        _shorten(element)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.clear()
    root.attrib.update(
        {
            "class": "figure",
            "viewBox": f"0 0 {width} {height}",
            "style": f"width: {float(width) * 1.36:.0f}px",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-description",
        }
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, id=f"{name}-{'description' if tag == 'desc' else tag}")
        element.text = _printable(text)
        root.insert(place, element)
    return Markup(ET.tostring(root, encoding="unicode"))


def _printable(text: str) -> str:
    """The text without control characters, which names may hold and XML may not."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _child(root: ET.Element, tag: str) -> ET.Element:
    found = root.find(tag)
    if found is None:
        raise ValueError(f"matplotlib wrote an SVG without <{tag}>")
    return found


def _rename_ids(root: ET.Element, name: str) -> None:
    """Keep the ids that something refers to, numbered under the figure's name, and drop all others."""
    used: dict[str, str] = {}
    for element in root.iter():
        target = element.attrib.pop(_XLINK, None)
        if target is not None:
            element.set("href", f"#{used.setdefault(target[1:], f'{name}-{len(used)}')}")
        for key, value in element.attrib.items():
            for reference in _REFERENCE.findall(value):
                used.setdefault(reference, f"{name}-{len(used)}")
            element.set(key, _REFERENCE.sub(lambda match: f"url(#{used[match[1]]})", value))
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", used[identity])


def _shorten(element: ET.Element) -> None:
    """Round coordinates to a hundredth of a point, and leave the choice of font to the page."""
    for key in ("d", "x", "y", "transform", "style"):
        value = element.get(key)
        if value is None:
            continue
        value = _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value.replace("\n", ""))
        if key == "style":
            value = _FAMILY.sub("", value)
        element.set(key, value)
        if key == "transform" and value.startswith("rotate(-0 "):
            del element.attrib[key]
    if element.tag != "text" and element.text is not None and not element.text.strip():
        element.text = None
    if element.tail is not None and not element.tail.strip():
        element.tail = "\n" if element.tag in ("g", "text") else None
