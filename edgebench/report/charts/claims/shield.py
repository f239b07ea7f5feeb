"""What reaches the origin with and without a shield, what goes between the layers, and how long a miss takes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.weighing import estimate_of, records
from edgebench.model import LOOPBACK
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel, styles_of
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table

_WAYS = (False, True)


def draw(judged: Judged) -> list[Chart]:
    pairs, trials = judged.tables.get("pairs"), judged.tables.get("trials")
    if pairs is None or trials is None or pairs.empty:
        return []
    styles = styles_of(trials)
    panels = [
        _panel(trials, styles, "origin_rps", "What reaches the origin", "requests per second", "fewer is better"),
        _panel(trials, styles, "midgress_rps", "Between edges and shield", "requests per second", "the price"),
        _panel(trials, styles, "miss_ms", "A request the edge passes on", "mean, ms", "from sending to the last byte"),
        _panel(trials, styles, "old", "Answers older than their TTL", "share of all", "by more than a second"),
    ]
    return [
        Chart(
            "claim-shield",
            _title(pairs),
            f"{int(pairs['edges'].max())} edges, each before a share of the users. Filled: one shield between them and "
            "the origin; hollow: each edge asks the origin. Small dot = one trial, bar = 95 % interval from "
            f"{int(pairs['repeats'].max())} trials.",
            tuple(panel for panel in panels if panel is not None),
            _table(pairs),
        )
    ]


def _title(pairs: pd.DataFrame) -> str:
    least = records(pairs.sort_values("cut"))[0]
    less, more = (fmt.plain(value, fmt.decimals(value)) for value in (least.shield_origin_rps, least.edges_origin_rps))
    other = "" if len(pairs) == 1 else ", and elsewhere by more"
    return (
        f"A shield brings what reaches the origin from {more} to {less} requests per second "
        f"({least.cut:.2f}×) behind {least.pair}{other}"
    )


def _panel(
    trials: pd.DataFrame, styles: dict[str, TierStyle], name: str, title: str, unit: str, head: str
) -> Panel | None:
    """A row per pair and way; nothing where no trial has the figure."""
    share, only_shield = name == "old", name == "midgress_rps"  # without a shield there is nothing between
    rows = [
        row
        for pair in dict.fromkeys(trials["pair"])
        for shield in _WAYS[only_shield:]
        for row in _row(
            trials[(trials["pair"] == pair) & (trials["shield"] == shield)],
            name,
            styles,
            share,
            shield and not only_shield,
        )
    ]
    if not rows:
        return None
    return row_panel(f"claim-shield-{fmt.slug(name)}", title, head, unit, "", rows)


def _row(rows: pd.DataFrame, name: str, styles: dict[str, TierStyle], share: bool, follows: bool) -> Sequence[Row]:
    """`follows`: the row above it is the same without a shield, and has its name."""
    values = rows[name].dropna().tolist()
    if not values:
        return ()
    found = estimate_of(rows, name, "")
    scale = 100.0 if share else 1.0
    value, low, high = (None if end is None else max(end, 0.0) * scale for end in (found.value, found.low, found.high))
    words = fmt.number(found.value, "ratio") if share else fmt.number(found.value, "")
    network = str(rows["network"].iloc[0])
    place = "" if network == LOOPBACK else f", {network}"
    dots = [dot * scale for dot in values]
    tier = str(rows["tier"].iloc[0])
    title = "+ shield" if follows else f"{tier}{place}"
    return (Row(title, value, words, styles[tier], low, high, dots, hollow=not rows["shield"].iloc[0]),)


def _table(pairs: pd.DataFrame) -> Table:
    heads = (
        ("origin_rps", "Origin requests/s", ""),
        ("edge_hit", "Hit at the edge", "ratio"),
        ("hit", "Hit in either layer", "ratio"),
        ("miss_ms", "Miss, ms", ""),
        ("latency_ms", "All requests, ms", ""),
        ("old", "Too old", "ratio"),
    )
    rows = []
    for row in pairs.to_dict("records"):
        for where, words in (("edges", "no shield"), ("shield", "shield")):
            figures = [fmt.number(known(row[f"{where}_{name}"]), unit) for name, _, unit in heads]
            between = [fmt.number(known(row[f"{where}_{name}"]), "") for name in ("midgress_rps", "midgress_mbit")]
            between = between if where == "shield" else [fmt.MISSING] * 2
            rows.append((f"{row['pair']}, {words}", *figures, *between))
    columns = ("Edges", *(head for _, head, _ in heads), "Midgress/s", "Midgress, Mbit/s")
    return Table("With and without a shield", columns, tuple(rows))
