"""What a page is made of: tables and charts, before they become HTML and SVG."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matplotlib.figure import Figure

_NUMBER = re.compile(r"[−–≥]?[\d–]")


@dataclass(frozen=True, slots=True)
class Table:
    """Text only. The first column names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wrong: frozenset[tuple[int, int]] = frozenset()
    """Row and column, from 0, of what should not be, and is printed so that it is seen."""

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, and are aligned to the right."""
        return tuple(all(_NUMBER.match(value) for value in column) for column in zip(*self.rows, strict=True))

    @property
    def wide(self) -> bool:
        """Whether it is too wide for a phone, and its rows become cards there."""
        columns = zip(*self.rows, strict=True)
        widths = [max(map(len, (*head.split(), *values))) for head, values in zip(self.columns, columns, strict=True)]
        return min(widths[0], 14) + sum(widths[1:]) > 38 if widths else False


@dataclass(frozen=True, slots=True)
class Panel:
    """One small picture of a chart, readable without its surroundings."""

    slug: str
    title: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Chart:
    """Small multiples under one finding, with the same numbers as a table."""

    slug: str
    title: str
    """What the data say; computed."""
    subtitle: str
    """What is plotted, from how many trials, filtered how."""
    panels: tuple[Panel, ...]
    table: Table | None = None
    note: str = ""
    """What was left out, and why."""
