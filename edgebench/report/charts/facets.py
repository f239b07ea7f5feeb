"""Latency with a panel per tier, where one panel of all tiers would be a tangle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes

from edgebench.analysis.results import CellResult
from edgebench.report import format as fmt
from edgebench.report import labels
from edgebench.report.charts import curves, data
from edgebench.report.charts.data import Context, Distribution
from edgebench.report.figure import halo, latency_axis, panel, percent_axis, text_size
from edgebench.report.palette import MUTED, TierStyle
from edgebench.report.parts import Panel

MOST_LINES = 4
"""Lines besides the baseline that one panel can hold."""
_TTLS = 3
_TTL_DASHES: tuple[tuple[tuple[float, ...], str], ...] = (((1.3, 1.5), "··"), ((5, 1.6), "- -"), ((), "—"))
"""With the characters that stand for them in labels: the lines of one tier have one colour."""
_TITLE = 38
_COARSE_PT = 0.5
"""What lies in the background may be drawn with this error."""


@dataclass(frozen=True, slots=True)
class Facet:
    """One tier's panel: its TTLs, and what to compare them with."""

    tier: str
    found: tuple[Distribution, ...]
    """Rising by TTL, at most the ends and the middle."""
    measured: int
    """How many TTLs there are."""
    references: tuple[Distribution, ...]
    others: tuple[Distribution, ...]
    """The other tiers where there is one TTL; with several they would hide what the panel shows."""

    @property
    def title(self) -> str:
        """`nginx · 47.7 % hits`, `nginx · 30.8–92.1 % hits` from the shortest to the longest TTL."""
        shares = [share for dist in self.found if (share := curves.of_all(dist)) is not None]
        if not shares:
            return fmt.clip_series(self.tier, _TITLE)
        ends = dict.fromkeys(fmt.number(share, "ratio", with_unit=False) for share in (shares[0], shares[-1]))
        words = f" · {'–'.join(ends)}{fmt.suffix('ratio')} hits" if any(shares) else " · no hits"
        return fmt.clip_series(self.tier, _TITLE - len(words)) + words

    def subtitle(self, shares: Sequence[float]) -> str:
        """Percentiles; those of the ends where there are several TTLs."""
        if len(self.found) == 1:
            return curves.percentile_words(self.found[0], shares)
        ends = (self.found[0], self.found[-1])
        both = [share for share in shares if all(curves.enough(dist, share) for dist in ends)][-1:]
        words = [f"{curves.percentile_words(dist, both)} at {fmt.ttl(dist.cell.summary.ttl_s)}" for dist in ends]
        return " · ".join(words) if both else ""

    def lines(self, ctx: Context) -> list[tuple[Distribution, TierStyle, str]]:
        """What is drawn in full, with the label of each; none for what the title names."""
        drawn = [(dist, ctx.style(dist.cell), fmt.clip(dist.cell.summary.tier, 16)) for dist in self.references]
        dashes = _TTL_DASHES[-len(self.found) :]
        for dist, (dash, sign) in zip(self.found, dashes, strict=True):
            words = f"{sign} {fmt.ttl(dist.cell.summary.ttl_s)}" if len(self.found) > 1 else ""
            drawn.append((dist, replace(ctx.style(dist.cell), dash=dash), words))
        return drawn


def crowded(ctx: Context) -> bool:
    """Whether some TTL has more lines than one panel can hold."""
    return any(len(_besides(ctx, cells)) > MOST_LINES for _, cells in data.by_ttl(ctx))


def _besides(ctx: Context, cells: Sequence[CellResult]) -> list[CellResult]:
    return [cell for cell in cells if cell is not ctx.baseline]


def facets(ctx: Context, usable: Sequence[Distribution]) -> list[Facet]:
    """A panel per tier, in order; in each the tiers without a cache, under the conditions most like its own, or else
    the baseline."""
    references = [dist for dist in usable if not ctx.stores(dist.cell)]
    references = references or [dist for dist in usable if dist.cell is ctx.baseline]
    given = {dist.cell.summary.id for dist in references}
    rest = [dist for dist in usable if dist.cell.summary.id not in given]
    alike = len({dist.cell.summary.ttl_s for dist in rest}) == 1
    made = []
    for tier in dict.fromkeys(dist.cell.summary.series for dist in rest):
        own = [dist for dist in rest if dist.cell.summary.series == tier]
        own.sort(key=lambda dist: dist.cell.summary.ttl_s or 0)
        places = np.unique(np.linspace(0, len(own) - 1, min(_TTLS, len(own))).round().astype(int))
        shown = tuple(own[place] for place in places)
        others = tuple(dist for dist in rest if dist.cell.summary.series != tier) if alike else ()
        made.append(Facet(tier, shown, len(own), tuple(_alike(references, own[0])), others))
    return made


def _alike(references: Sequence[Distribution], own: Distribution) -> list[Distribution]:
    """Of each tier among the references the one in the same network and variant, as far as there is such."""
    best: dict[str, tuple[tuple[bool, bool], Distribution]] = {}
    for dist in references:
        here, there = dist.cell.summary, own.cell.summary
        score = (here.network == there.network, here.variant == there.variant)
        if here.tier not in best or score > best[here.tier][0]:
            best[here.tier] = score, dist
    return [dist for _, dist in best.values()]


def note(ctx: Context, made: Sequence[Facet]) -> str:
    """What the lines are, for the chart's description."""
    if not made:
        return ""
    names = list(dict.fromkeys(dist.cell.summary.tier for facet in made for dist in facet.references))
    words = ["one panel per tier", *([f"{' and '.join(names)} in each"] if names else [])]
    words += ["the other tiers thin and grey"] if any(facet.others for facet in made) else []
    words += ["of many TTLs the ends and the middle"] if any(facet.measured > _TTLS for facet in made) else []
    return ", ".join(words)


def ecdf_facets(ctx: Context, made: Sequence[Facet], limits: tuple[float, float]) -> tuple[Panel, ...]:
    """Share of requests over latency."""
    return tuple(_ecdf(ctx, facet, limits) for facet in made)


def _ecdf(ctx: Context, facet: Facet, limits: tuple[float, float]) -> Panel:
    figure, (axes,) = panel(
        facet.title, facet.subtitle((0.5, 0.99)), "share of requests", curves.LATENCY, height_pt=240
    )
    latency_axis(axes, "x", *limits)
    percent_axis(axes)
    _behind(axes, facet.others, lambda dist: (dist.median_ms, dist.probabilities))
    drawn = [(curves.draw_share(axes, dist, style), style, words) for dist, style, words in facet.lines(ctx)]
    named = [each for each in drawn if each[2]]
    boxes = labels.place(
        [line for line, _, _ in named],
        [text_size(words) for _, _, words in named],
        curves.plot_bounds(axes),
        obstacles=[line for line, _, words in drawn if not words],
    )
    for (_, style, words), box in zip(named, boxes, strict=True):
        halo(axes, box.x, box.y + box.height / 2, words, style.colour)
    return Panel(f"latency-{fmt.slug(facet.tier)}", f"Latency, {facet.tier}", figure)


def tail_facets(ctx: Context, made: Sequence[Facet], limits: tuple[float, float], rarest: float) -> tuple[Panel, ...]:
    """Latency over percentile."""
    return tuple(_tail(ctx, facet, limits, rarest) for facet in made)


def _tail(ctx: Context, facet: Facet, limits: tuple[float, float], rarest: float) -> Panel:
    lines = facet.lines(ctx)
    longest = max((len(fmt.clip_series(words, 16)) for _, _, words in lines), default=0)
    figure, (axes,) = panel(
        facet.title,
        facet.subtitle((0.9, 0.99, 0.999)),
        "latency, log scale",
        "percentile of requests",
        left_pt=50,
        right_pt=text_size("x" * longest)[0] + 16,
        height_pt=240,
    )
    curves.tail_axes(axes, limits, rarest)
    _behind(axes, facet.others, curves.tail_points)
    ends = [(curves.draw_tail(axes, dist, style), style, words) for dist, style, words in lines]
    named = [(end, style, fmt.clip_series(words, 16)) for end, style, words in ends if words]
    heights = labels.spread([float(end[1]) for end, _, _ in named], 14, 6, axes.get_window_extent().height)
    for (end, style, words), y in zip(named, heights, strict=True):
        halo(axes, float(end[0]) + 8, y, words, style.colour)
    return Panel(f"tail-{fmt.slug(facet.tier)}", f"Tail of the latency, {facet.tier}", figure)


def _behind(
    axes: Axes,
    found: Sequence[Distribution],
    points: Callable[[Distribution], tuple[data.Floats, data.Floats]],
) -> None:
    """Curves as a backdrop, with few points: each panel has them all."""
    back = axes.transData.inverted()
    for dist in found:
        line = axes.transData.transform(np.column_stack(points(dist)))
        x, y = back.transform(labels.simplified(line, _COARSE_PT)).T
        axes.plot(x, y, color=MUTED, linewidth=0.8, alpha=0.4)
