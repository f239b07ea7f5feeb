"""A matplotlib figure as small, accessible, theme-aware SVG, the same bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from xml.etree import ElementTree as ET

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from edgebench.report import labels
from edgebench.report.palette import INK, PAINT

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
TOLERANCE = 0.15
"""Points: less than a hair."""
_DROPPED = {"font-family"}
_DEFAULTS = {("stroke-dashoffset", "0"), ("stroke-linecap", "butt"), ("text-anchor", "start")}
_RC: Mapping[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgebench",
    "path.simplify": False,  # matplotlib thins long lines only; `_thinned` does all
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "axes.unicode_minus": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Settings under which figures are made and written; the caller's are untouched."""
    with matplotlib.rc_context(dict(_RC)):  # type: ignore[arg-type]
        yield


def inline_paint(colour: str) -> str:
    """Paint for an SVG inside the page: the page's custom properties follow the theme."""
    if colour == INK:
        return "currentColor"
    return f"var({PAINT[colour][0]})" if colour in PAINT else colour


def standalone_paint(colour: str) -> str:
    """Paint for a file of its own: classes of its own style sheet would be lost in some viewers, so plain colours."""
    if colour == INK:
        return "currentColor"
    return PAINT[colour][1] if colour in PAINT else colour


def render(figure: Figure) -> str:
    """The figure as matplotlib writes it; call within `drawing()`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def inline(raw: str, slug: str, title: str, desc: str) -> str:
    """For inlining: ids carry the slug, colours follow the page, text takes the page's font."""
    root = _cleaned(raw, slug, inline_paint)
    _describe(root, slug, title, desc)
    return _text(root)


def standalone(raw: str, slug: str, title: str, desc: str) -> str:
    """For a file: the same with its own font and ink."""
    root = _cleaned(raw, slug, standalone_paint)
    _describe(root, slug, title, desc)
    root.set("font-family", FONTS)
    root.set("color", "#1a1f26")
    background = ET.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    root.insert(2, background)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _text(root) + "\n"


def _text(root: ET.Element) -> str:
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _describe(root: ET.Element, slug: str, title: str, desc: str) -> None:
    for position, (tag, text) in enumerate((("title", title), ("desc", desc))):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{slug}-{tag}"})
        element.text = text
        root.insert(position, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{slug}-title {slug}-desc")


def _cleaned(raw: str, slug: str, paint: Callable[[str], str]) -> ET.Element:
    root = ET.fromstring(raw)
    _drop_metadata(root)
    _drop_clips(root)
    names = _names(root, slug)
    for element in root.iter():
        _clean_attributes(element, names, paint)
    _unwrap(root)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {_rounded(width)} {_rounded(height)}",
            "width": _rounded(width),
            "height": _rounded(height),
            "stroke-linejoin": "round",
        }
    )
    return root


def _drop_metadata(root: ET.Element) -> None:
    for child in list(root):
        if child.tag == f"{{{_SVG}}}metadata" or child.find(f"{{{_SVG}}}style") is not None:
            root.remove(child)


def _drop_clips(root: ET.Element) -> None:
    """Clip only what reaches beyond its plot: markers stay whole, and most lines need no clip path."""
    frames = {}
    for clip in list(root.iter(f"{{{_SVG}}}clipPath")):
        rect = clip.find(f"{{{_SVG}}}rect")
        if rect is not None:
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            frames[f"url(#{clip.attrib['id']})"] = (x - 0.5, y - 0.5, x + width + 0.5, y + height + 0.5)
    for element in root.iter():
        frame = frames.get(element.get("clip-path", ""))
        if frame and _inside(element.get("d", ""), frame):
            del element.attrib["clip-path"]


def _inside(path: str, frame: tuple[float, float, float, float]) -> bool:
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    across, down = numbers[::2], numbers[1::2]
    return all(frame[0] <= x <= frame[2] for x in across) and all(frame[1] <= y <= frame[3] for y in down)


def _names(root: ET.Element, slug: str) -> dict[str, str]:
    """New, short names, unique over the page, of the ids that something refers to."""
    used = set()
    for element in root.iter():
        used.update(_REFERENCE.findall(element.get("clip-path", "")))
        used.add(element.get(_HREF, "#")[1:])
    found = [element.attrib["id"] for element in root.iter() if element.get("id") in used]
    return {name: f"{slug}-{number}" for number, name in enumerate(found)}


def _clean_attributes(element: ET.Element, names: Mapping[str, str], paint: Callable[[str], str]) -> None:
    """Style attributes become presentation attributes, which survive a policy that forbids inline CSS."""
    for rule in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in rule.partition(":"))
        if name and name not in _DROPPED and (name, value) not in _DEFAULTS:
            element.set(name, value.removesuffix("px"))
    identity = element.attrib.pop("id", "")
    if identity in names:
        element.set("id", names[identity])
    if _HREF in element.attrib:
        element.set("href", f"#{names[element.attrib.pop(_HREF)[1:]]}")
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name, value in element.attrib.items():
        if name in ("d", "points"):
            value = re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(_thinned(value))).strip()
        elif name in ("x", "y", "width", "height", "transform", "stroke-width", "stroke-dasharray"):
            value = _rounded(value)
        elif name in ("fill", "stroke"):
            value = paint(value)
        elif name == "clip-path":
            value = f"url(#{names[value[5:-1]]})"
        element.set(name, value)


def _unwrap(element: ET.Element) -> None:
    """Remove groups that say nothing, shapes that paint nothing, and the white space between elements."""
    children: list[ET.Element] = []
    for child in list(element):
        _unwrap(child)
        child.tail = None
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            children.extend(child)
        elif not _is_empty(child):
            children.append(child)
    element[:] = children
    if children:
        element.text = None


def _is_empty(element: ET.Element) -> bool:
    if element.tag == f"{{{_SVG}}}clipPath":
        return "id" not in element.attrib
    if element.tag in (f"{{{_SVG}}}g", f"{{{_SVG}}}defs"):
        return not len(element)
    unpainted = element.get("fill") == "none" and element.get("stroke") in (None, "none")
    return element.tag == f"{{{_SVG}}}path" and unpainted


def _thinned(path: str) -> str:
    """A polyline or area without the points that lie within TOLERANCE of the line without them."""
    if path.count("L") < 12 or not set(re.findall("[A-Za-z]", path)) <= {"M", "L", "z"} or path.count("M") != 1:
        return path
    points = np.array([float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]).reshape(-1, 2)
    kept = labels.simplified(points, TOLERANCE)
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in kept) + ("z" if path.rstrip().endswith("z") else "")


def _rounded(text: str) -> str:
    def shorter(match: re.Match[str]) -> str:
        short = f"{float(match[0]):.1f}".removesuffix(".0")
        return "0" if short == "-0" else short

    return _NUMBER.sub(shorter, text)
