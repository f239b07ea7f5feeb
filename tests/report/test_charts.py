"""Charts of many tiers: a panel or a row each, and no word on another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from edgebench.analysis.results import Analysis
from edgebench.report import svg
from edgebench.report.charts import data, rows
from edgebench.report.charts.hits import hit_ratio_chart
from edgebench.report.charts.latency import ecdf_chart, tail_chart
from edgebench.report.charts.offload import offload_chart
from edgebench.report.charts.outcomes import outcome_chart
from edgebench.report.charts.overtime import over_time_chart
from edgebench.report.charts.throughput import throughput_chart
from edgebench.report.palette import INK, TierStyle, tier_styles
from edgebench.report.parts import Chart
from tests.report.factory import make_analysis

KINDS = ("direct", "caddy", "nginx", "haproxy", "varnish", "ats", "squid", "apache", "url")
NAMES = {"nginx": "nginx-default", "haproxy": "haproxy-default", "varnish": "varnish-as-its-package-ships-it"}
CACHES = [NAMES.get(kind, kind) for kind in KINDS[1:]]
CHARTS = (
    ecdf_chart,
    tail_chart,
    hit_ratio_chart,
    throughput_chart,
    offload_chart,
    over_time_chart,
    outcome_chart,
)


@pytest.fixture(scope="module")
def one_ttl() -> Analysis:
    return make_analysis(tiers=KINDS, ttls=(2,), names=NAMES, measure_s=3)


@pytest.fixture(scope="module")
def five_ttls() -> Analysis:
    return make_analysis(tiers=KINDS, ttls=(1, 5, 10, 60, 300), names=NAMES, trials=1, measure_s=3)


def drawn(make: Callable[[data.Context], Chart], analysis: Analysis) -> Chart:
    with svg.drawing():
        return make(data.context(analysis))


def words(figure: Figure) -> list[Text]:
    """All that can be read in a drawn figure."""
    with svg.drawing():
        figure.draw_without_rendering()
    return [found for found in figure.findobj(Text) if isinstance(found, Text) and _seen(found)]


def _seen(text: Text) -> bool:
    box = text.get_window_extent()
    return bool(text.get_visible() and text.get_text().strip() and box.width and box.height and _ticked(text))


def _ticked(text: Text) -> bool:
    """Tick labels outside the axis exist but are not drawn."""
    axes = text.axes
    if axes is None or text not in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        return True
    along = text in axes.get_xticklabels()
    low, high = sorted(axes.get_xlim() if along else axes.get_ylim())
    return bool(low <= text.get_position()[0 if along else 1] <= high)


@pytest.mark.parametrize("make", [ecdf_chart, tail_chart])
def test_many_tiers_have_a_panel_each_with_the_baseline(
    make: Callable[[data.Context], Chart], one_ttl: Analysis
) -> None:
    chart = drawn(make, one_ttl)
    assert len(chart.panels) == len(CACHES)
    limits = set()
    for panel, tier in zip(chart.panels, CACHES, strict=True):
        (axes,) = panel.figure.axes
        texts = [text.get_text() for text in words(panel.figure)]
        title = next(text for text in texts if text.startswith(tier[:15]))
        assert (" · " in title and title.endswith("hits")) == (tier != "caddy"), "caddy stores nothing"
        assert texts.count("direct") == 1
        limits.add((axes.get_xlim(), axes.get_ylim()))
        heavy = [line for line in axes.lines if line.get_linewidth() > 1 and line.get_linestyle() != "None"]
        assert [line.get_color() for line in heavy].count(INK) == 1 and len(heavy) == 2
    assert len(limits) == 1, "panels share their axes"
    assert chart.table is not None and len(chart.table.rows) == len(KINDS)
    assert "one panel per tier, direct in each, the other tiers thin and grey" in chart.subtitle


@pytest.mark.parametrize("make", [ecdf_chart, tail_chart])
def test_several_ttls_of_many_tiers_are_lines_of_the_tiers_panel(
    make: Callable[[data.Context], Chart], five_ttls: Analysis
) -> None:
    chart = drawn(make, five_ttls)
    assert len(chart.panels) == len(CACHES)
    for panel in chart.panels:
        texts = [text.get_text().replace("\u00a0", " ") for text in words(panel.figure)]
        assert {"direct", "·· TTL 1 s", "- - TTL 10 s", "— TTL 5 min"} <= set(texts)
        assert not any(text.endswith("TTL 5 s") for text in texts)
        assert any(text.endswith("at TTL 5 min") for text in texts), "percentiles of the ends"
    assert "the ends and the middle" in chart.subtitle
    assert chart.table is not None and len(chart.table.rows) == 1 + 5 * len(CACHES)


@pytest.mark.parametrize("make", [ecdf_chart, tail_chart])
def test_up_to_four_tiers_share_a_panel_per_ttl(make: Callable[[data.Context], Chart]) -> None:
    tiers = ("direct", "nginx", "varnish", "squid", "ats")
    chart = drawn(make, make_analysis(tiers=tiers, ttls=(1, 60), trials=1, measure_s=3))
    assert len(chart.panels) == 2
    for panel in chart.panels:
        texts = [text.get_text() for text in words(panel.figure)]
        assert all(any(text.startswith(tier) for text in texts) for tier in tiers)


@pytest.mark.parametrize(("make", "panels"), [(hit_ratio_chart, 2), (offload_chart, 2), (throughput_chart, 1)])
def test_one_ttl_gives_a_row_per_tier(make: Callable[[data.Context], Chart], panels: int, one_ttl: Analysis) -> None:
    chart = drawn(make, one_ttl)
    assert len(chart.panels) == panels
    for panel in chart.panels:
        (axes,) = panel.figure.axes
        names = [text.get_text() for text in axes.get_yticklabels()]
        assert [name for name in names if name != "direct"] == [
            name if len(name) <= 24 else name[:23] + "…" for name in CACHES if name != "caddy" or name in names
        ]
    assert chart.table is not None and {row[0].split(",")[0] for row in chart.table.rows} >= set(CACHES[1:])


def test_over_time_has_one_time_axis_and_names_the_ttl_it_shows(five_ttls: Analysis) -> None:
    chart = drawn(over_time_chart, five_ttls)
    assert len(chart.panels) == len(KINDS) and "the shortest of each tier’s TTLs" in chart.note
    assert len({axes.get_xlim() for panel in chart.panels for axes in panel.figure.axes}) == 1
    titles = [text.get_text().replace("\u00a0", " ") for panel in chart.panels for text in panel.figure.texts]
    assert sum(title.endswith(", TTL 1 s") for title in titles) == len(CACHES)


@pytest.mark.parametrize(
    ("lowest", "shown"),
    [
        (0.4, ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        (0.97, ["95 %", "96 %", "97 %", "98 %", "99 %", "100 %"]),
        (-0.2, ["0 %", "25 %", "50 %", "75 %", "100 %"]),
    ],
)
def test_shares_all_near_one_are_drawn_larger(lowest: float, shown: list[str]) -> None:
    axes = Figure(figsize=(6, 2), dpi=72).add_axes((0, 0.2, 1, 0.8))
    rows.percent_x(axes, lowest)
    low, high = axes.get_xlim()
    assert low < lowest and high > 1
    assert sorted((text.get_text() for text in axes.get_xticklabels()), key=lambda text: int(text[:-2])) == shown


@pytest.mark.parametrize("make", CHARTS)
@pytest.mark.parametrize("which", ["one_ttl", "five_ttls"])
def test_words_lie_inside_the_picture_and_on_no_other(
    make: Callable[[data.Context], Chart], which: str, request: pytest.FixtureRequest
) -> None:
    for panel in drawn(make, request.getfixturevalue(which)).panels:
        texts = words(panel.figure)
        frame = panel.figure.bbox
        for text in texts:
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            assert inside, f"{panel.slug}: {text.get_text()!r} leaves the picture: {box}"
        for one, other in combinations(texts, 2):
            overlap = one.get_window_extent().padded(-1).overlaps(other.get_window_extent().padded(-1))
            assert not overlap, f"{panel.slug}: {one.get_text()!r} lies on {other.get_text()!r}"


def test_many_tiers_of_one_kind_share_its_colour_and_differ_by_marker() -> None:
    kinds = {"direct": "direct", "apache": "apache"}
    kinds |= {f"{kind}-{profile}": kind for kind in ("nginx", "varnish", "ats") for profile in ("strict", "default")}
    styles = tier_styles(kinds, {"direct"}, kinds)
    plain = tier_styles(("nginx", "varnish", "ats"), ())
    for name, kind in kinds.items():
        if kind in plain:
            assert styles[name].colour == plain[kind].colour
    assert len({style.marker for style in styles.values()}) == len(kinds)


def test_few_tiers_of_one_kind_differ_by_colour() -> None:
    kinds = {"strict": "nginx", "default": "nginx", "resilient": "nginx"}
    colours = {style.colour for style in tier_styles(kinds, (), kinds).values()}
    assert len(colours) == len(kinds) and TierStyle(INK, "x", ()).colour not in colours
