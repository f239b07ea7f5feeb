"""What a page or a style sheet makes a browser fetch. Pure.

Only what is written in HTML and CSS: no scripts run, of an image's candidates its `src` counts, and every image and
font a style sheet names is taken for used. Frames, sound and film are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

from edgebench.views import ICON, LAZY_IMAGE

CSS, JS, FONT, IMAGE, OTHER = "css", "js", "font", "image", "other"
LAZY = LAZY_IMAGE
"""An image with `loading="lazy"`: taken to be near what is seen, it is fetched once the styles are there, and the page
does not wait for it."""
RANKS = {CSS: 0, FONT: 1, JS: 2, OTHER: 3, IMAGE: 4, LAZY: 5, ICON: 6}
"""Which a browser fetches first: what keeps the page from being painted."""

_PRELOADED = {"style": CSS, "script": JS, "font": FONT, "image": IMAGE}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_URL = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)""", re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s+(?:url\(\s*)?["']?([^"')\s;]+)""", re.IGNORECASE)
_FONT_SOURCE = re.compile(r"\s*src\s*:", re.IGNORECASE)
_FONT_FILE = re.compile(r"\.(?:woff2?|ttf|otf|eot)(?:[?#]|$)", re.IGNORECASE)
_KNOWN = 512
"""Documents whose links are remembered: most are asked for again and again."""


@dataclass(frozen=True, slots=True)
class Link:
    """An absolute URL, and what a browser takes it for."""

    url: str
    kind: str


@lru_cache(maxsize=_KNOWN)
def in_html(html: str, url: str) -> tuple[Link, ...]:
    """Of a page at `url`: in the order in which they are named, each once."""
    parser = _Page(url)
    parser.feed(html)
    parser.close()
    return tuple(dict.fromkeys(parser.links))


@lru_cache(maxsize=_KNOWN)
def in_css(css: str, url: str) -> tuple[Link, ...]:
    """Of a style sheet at `url`, or of one that stands in the page there."""
    css = _COMMENT.sub("", css)
    found = [Link(_absolute(url, name), CSS) for name in _IMPORT.findall(css)]
    for declaration in re.split(r"[;{}](?![^(]*\))", css):
        if declaration.lstrip().lower().startswith("@import"):
            continue
        names = [first or second or third for first, second, third in _URL.findall(declaration)]
        if _FONT_SOURCE.match(declaration):
            names = names[:1]  # of several formats a browser takes the first it knows
        found += [Link(_absolute(url, name), FONT if _FONT_FILE.search(name) else IMAGE) for name in names if name]
    return tuple(dict.fromkeys(link for link in found if link.url))


def _absolute(base: str, name: str) -> str:
    """Empty for what is not fetched by HTTP: `data:`, a bare fragment, an URL that is none."""
    name = name.strip()
    if not name or name.startswith("#"):
        return ""
    try:
        url = urldefrag(urljoin(base, name)).url
    except ValueError:
        return ""
    return url if url.lower().startswith(("http://", "https://")) else ""


class _Page(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[Link] = []
        self._url = url
        self._inert = 0
        """How deep in what a browser with scripts does not show."""
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("noscript", "template"):
            self._inert += 1
        if self._inert:
            return
        given = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        self.links.extend(Link(url, kind) for name, kind in _named(tag, given) if (url := _absolute(self._url, name)))
        if "style" in given:
            self.links.extend(in_css(given["style"], self._url))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("noscript", "template"):
            self._inert = max(0, self._inert - 1)
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style and not self._inert:
            self.links.extend(in_css(data, self._url))


def _named(tag: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    if tag == "link" and "href" in given:
        relations = given.get("rel", "").lower().split()
        if "stylesheet" in relations and "alternate" not in relations:
            yield given["href"], CSS
        elif "modulepreload" in relations:
            yield given["href"], JS
        elif "preload" in relations:
            yield given["href"], _PRELOADED.get(given.get("as", "").lower(), OTHER)
        elif "icon" in relations:
            yield given["href"], ICON
    elif tag == "script" and "src" in given and "nomodule" not in given:
        yield given["src"], JS
    elif (tag == "img" or (tag == "input" and given.get("type", "").lower() == "image")) and "src" in given:
        yield given["src"], LAZY if given.get("loading", "").lower() == "lazy" else IMAGE
