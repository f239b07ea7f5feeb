"""A chart as the pages show it: its panels drawn, each also a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from edgebench.report import svg
from edgebench.report.parts import Chart, Table


@dataclass(frozen=True, slots=True)
class Section:
    """A chart as the template shows it."""

    kicker: str
    slug: str
    title: str
    subtitle: str
    panels: tuple[Markup, ...]
    table: Table | None
    note: str


def section(kicker: str, chart: Chart, files: dict[str, str], prefix: str = "") -> Section:
    """Draws the panels, within `svg.drawing()`; `files` gets them by their names. `prefix` keeps the names of several
    runs on one page apart."""
    panels = []
    for panel in chart.panels:
        slug = _unused(prefix + panel.slug, files)
        raw = svg.render(panel.figure)
        desc = f"{chart.title}. {chart.subtitle}"
        files[slug] = svg.standalone(raw, slug, panel.title, desc)
        panels.append(Markup(svg.inline(raw, slug, panel.title, desc)))
    return Section(kicker, prefix + chart.slug, chart.title, chart.subtitle, tuple(panels), chart.table, chart.note)


def _unused(slug: str, taken: Mapping[str, str]) -> str:
    """Names that differ only in signs share a slug: number them."""
    number, found = 1, slug
    while found in taken:
        number += 1
        found = f"{slug}-{number}"
    return found
