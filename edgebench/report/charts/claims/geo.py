"""Through the edge against from the origin: a panel per network, a row per kind of request and protocol; and beside the
emulated page views those of a real browser."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.geo import API, NEW, RETURNING, decisive, estimate
from edgebench.analysis.weighing import by_repeat, records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, spoken, styles_of
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table

_WORDS: Mapping[str, str] = {
    API: "API p50", "api_p90_ms": "API p90", "api_p99_ms": "API p99", NEW: "new visitor", RETURNING: "returning",
}  # fmt: skip


def draw(judged: Judged) -> list[Chart]:
    """The claim's chart, and that of the browser where there was one."""
    ratios, trials, browser = (judged.tables[name] for name in ("ratios", "trials", "browser"))
    # Where cells are left out for not being valid, the browser has tiers that the trials have not.
    styles = styles_of(pd.concat([trials, browser]))
    beside = _beside_a_browser(browser, styles)
    if ratios.empty:
        return beside
    most = int(ratios["n"].max())
    chart = Chart(
        "geo",
        _title(ratios),
        "Time through the edge, as a share of the time from the origin, for the same requests in the same network: "
        "latency of the API, and page loads of visitors who are new or come back a day later. Left of the dashed line "
        f"the edge is faster. Mark = geometric mean of {fmt.plural(most, 'trial')}, bar = 95 % interval, small dot = "
        "one trial.",
        tuple(
            _panel(network, tier, rows, trials, styles[str(tier)])
            for (tier, network), rows in ratios.groupby(["tier", "network"], sort=False)
        ),
        _table(ratios),
    )
    return [chart, *beside]


def _title(ratios: pd.DataFrame) -> str:
    variant = decisive(ratios)
    new = records(ratios[(ratios["metric"] == NEW) & (ratios["variant"] == variant)].sort_values("ratio"))
    if not new:
        return "Through the edge against from the origin"
    best, worst = new[0], new[-1]
    times = fmt.times(1 / best.ratio)
    title = f"A new visitor’s page comes {times} as fast through {best.tier} on {best.network}"
    title += f" by {variant}" if variant else ""
    if best.network != worst.network:
        title += f", and {fmt.times(1 / worst.ratio)} as fast on {worst.network}"
    return title


def _panel(network: object, tier: object, rows: pd.DataFrame, trials: pd.DataFrame, style: TierStyle) -> Panel:
    ordered = [row for metric in _WORDS for row in records(rows[rows["metric"] == metric])]
    return row_panel(
        f"geo-{fmt.slug(f'{tier}-{network}')}",
        f"{network}, {tier}",
        "hollow: by http · full: by https",
        "edge over origin (1 = no gain)",
        "edge / origin",
        [_row(row, trials, style) for row in ordered],
        reference=1.0,
    )


def _row(row: SimpleNamespace, trials: pd.DataFrame, style: TierStyle) -> Row:
    here = trials[(trials["network"] == row.network) & (trials["variant"] == row.variant)]
    mine = by_repeat(here[here["tier"] == row.tier], row.metric)
    others = [by_repeat(rows, row.metric) for tier, rows in here.groupby("tier", sort=False) if tier != row.tier]
    dots = [
        one / other
        for theirs in others[:1]
        for repeat, one in mine.items()
        if one is not None and (other := theirs.get(repeat))
    ]
    return Row(
        f"{_WORDS[row.metric]}, {row.variant}" if row.variant else _WORDS[row.metric],
        float(row.ratio),
        f"{fmt.number(float(row.ratio), '')}×",
        style,
        known(row.low),
        known(row.high),
        dots,
        hollow=row.variant == "http",
    )


def _table(ratios: pd.DataFrame) -> Table:
    rows = tuple(
        (
            f"{row.network}, {row.variant}" if row.variant else str(row.network),
            str(row.tier),
            _WORDS[row.metric],
            fmt.number(float(row.direct_ms), "ms", with_unit=False),
            fmt.number(float(row.edge_ms), "ms", with_unit=False),
            spoken(estimate(row), ""),
        )
        for row in records(ratios)
    )
    columns = ("Network", "Cache", "What", "Origin, ms", "Edge, ms", "Edge / origin")
    return Table("Times from the origin and through the edge", columns, rows)


def _beside_a_browser(browser: pd.DataFrame, styles: Mapping[str, TierStyle]) -> list[Chart]:
    if browser.empty:
        return []
    networks = list(dict.fromkeys(browser["network"]))
    later_ms = browser["browser_ms"] - browser["emulated_ms"]
    low, high = (fmt.number(float(end), "ms") for end in (later_ms.min(), later_ms.max()))
    return [
        Chart(
            "geo-browser",
            f"Chromium’s load event comes {low if low == high else f'{low} to {high}'} after the emulated page view’s",
            "Load event of Chromium over the load time of the emulated page view, of the same page by the same kind of "
            "visitor in the same network: medians of all trials. At the dashed line both agree.",
            tuple(_browser_panel(network, browser[browser["network"] == network], styles) for network in networks),
            _browser_table(browser),
            "Chromium starts on what a page names while the page still comes, which saves time. It lays out, paints "
            "and runs scripts, which takes time whatever the network. The emulation does neither.",
        )
    ]


def _browser_panel(network: str, rows: pd.DataFrame, styles: Mapping[str, TierStyle]) -> Panel:
    return row_panel(
        f"geo-browser-{fmt.slug(network)}",
        str(network),
        "hollow: by http · full: by https",
        "Chromium over emulation",
        "Chromium / emulated",
        [
            Row(
                f"{row.visitor}, {row.tier}",
                float(row.ratio),
                f"{fmt.number(float(row.ratio), '')}×",
                styles[str(row.tier)],
                hollow=row.variant == "http",
            )
            for row in records(rows)
        ],
        reference=1.0,
    )


def _browser_table(browser: pd.DataFrame) -> Table:
    rows = tuple(
        (
            ", ".join(part for part in (row.network, row.tier, row.variant) if part),
            f"{row.visitor}, {row.page}",
            f"{fmt.number(row.emulated_ms, 'ms', with_unit=False)} ({row.views:,})",
            f"{fmt.number(row.browser_ms, 'ms', with_unit=False)} ({row.loads:,})",
            fmt.number(row.ratio, ""),
            fmt.number(row.largest_paint_ms, "ms", with_unit=False),
            f"{row.emulated_requests:,.0f} / {row.browser_requests:,.0f}",
            f"{row.emulated_bytes / 1000:,.1f} / {row.browser_bytes / 1000:,.1f}",
        )
        for row in records(browser)
    )
    columns = (
        "Cell", "Visitor, page", "Emulated, ms (views)", "Chromium, ms (loads)", "Ratio", "Largest paint, ms",
        "Requests, both", "kB, both",
    )  # fmt: skip
    return Table("Emulated page views beside Chromium’s", columns, rows)
