"""`Users are served from nearby`: API latency and page loads through an edge beside the same from the origin itself.

Client, edge and origin are in places of their own, and the network of each trial is measured (NetworkRecord). A page
view is loaded when the last of what its page waits for is there (analysis.page_views); a visitor is new (no
connection, nothing in the browser's cache) or returning (no connection, a cache a day old).

A figure of a trial is the median of the API's latencies, and the mean load of its page views by kind of visitor. The
edge's is divided by that of `direct` in the same network by the same protocol (variant), paired by repeat: both had
the same requests at the same times. For each network and protocol, the three ratios (API, new, returning visitor) say:
- yes: the whole interval of each is at or below GAIN
- no: the whole interval of each is above it
- neither: anything between, or no interval
All yes: holds; all no: does not hold here; else partly. Not testable: nothing was measured both ways in one network
that is not loopback. INVALID cells are left out: an origin or a generator that is overloaded says nothing of distance.

The figure that decides is the ratio of a new visitor's page load, by https where it was measured, the geometric mean of
all networks, paired by repeat.

Table `trials`, a row per trial: weighing.place_of and api_p50_ms, api_p90_ms, api_p99_ms, new_ms, returning_ms (mean
loads), new_views, returning_views. NaN: too few (percentiles need ten beyond them, means LEAST_VIEWS views).
Table `ratios`, a row per tier, network, variant and metric: direct_ms, edge_ms (geometric means of the trials), ratio,
low, high, n.
Table `browser`, a row per tier, network, variant, visitor and page that Chromium loaded, too: page_views.compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.estimates import of_values, paired_ratio
from edgebench.analysis.nearby import beside_a_browser, figures
from edgebench.analysis.results import Judged
from edgebench.analysis.weighing import (
    at_most,
    by_repeat,
    caveats,
    frame_of,
    nan_of,
    not_testable,
    ratio_of,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, listed
from edgebench.model import LOOPBACK, ClaimResult, Estimate, TrustStatus

CLAIM = CLAIMED["geo"]
GAIN = 0.9
"""At most this share of the origin's time counts as faster: what is less than a tenth, nobody notices."""
API, NEW, RETURNING = "api_p50_ms", "new_ms", "returning_ms"
METRICS: Mapping[str, str] = {
    NEW: "a new visitor's page",
    RETURNING: "a returning one's",
    API: "the API's median",
}
"""Those that decide, in words."""
P99 = "api_p99_ms"
TAILS = ("api_p90_ms", P99)
HTTPS = "https"


def judge(evidence: Evidence) -> Judged:
    cells = [cell for cell in evidence.of() if cell.summary.network != LOOPBACK]
    usable = [cell for cell in cells if cell.summary.trust is not TrustStatus.INVALID]
    trials = frame_of(usable, lambda cell, trial: figures(trial))
    direct = {cell.summary.tier for cell in evidence.of(direct=True)}
    return conclude(trials, direct, beside_a_browser(evidence.folder, cells), caveats(evidence, cells))


def conclude(trials: pd.DataFrame, direct: Iterable[str], browser: pd.DataFrame, limits: str = "") -> Judged:
    """The verdict from the table `trials`. direct: names of the tiers without a cache; limits: a sentence on what
    weakens it."""
    ratios = _ratios(trials, set(direct)) if len(trials) else pd.DataFrame()
    tables = {"trials": trials, "ratios": ratios, "browser": browser}
    if ratios.empty:
        why = "nothing that can be used was measured both from the origin and through a cache in one emulated network."
        return not_testable(CLAIM, why, tables, limits)
    answers = {place: _answer(rows) for place, rows in ratios.groupby(["tier", "network", "variant"], sort=False)}
    name, figure = _figure(trials, ratios, set(direct))
    result = ClaimResult(
        CLAIM,
        verdict_of(answers.values()),
        sentences(*(_by_tier(rows) for _, rows in ratios.groupby("tier", sort=False)), _handshakes(ratios)),
        figure_name=name,
        figure=figure,
        why=sentences(_why(ratios, answers), limits),
        numbers=_numbers(ratios),
    )
    return Judged(result, tables)


def _ratios(trials: pd.DataFrame, direct: set[str]) -> pd.DataFrame:
    rows = []
    origin = trials[trials["tier"].isin(direct)]
    for (tier, network, variant), mine in trials[~trials["tier"].isin(direct)].groupby(
        ["tier", "network", "variant"], sort=False
    ):
        theirs = origin[(origin["network"] == network) & (origin["variant"] == variant)]
        for metric in (*METRICS, *TAILS):
            ratio = ratio_of(mine, theirs, metric)
            if ratio.value is None:
                continue
            there, here = (
                of_values(list(by_repeat(side, metric).values()), "ms", geometric=True).value for side in (theirs, mine)
            )
            rows.append(
                {
                    "tier": tier, "network": network, "variant": variant, "metric": metric, "direct_ms": there,
                    "edge_ms": here, "ratio": ratio.value, "low": nan_of(ratio.low), "high": nan_of(ratio.high),
                    "n": ratio.n,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def estimate(row: SimpleNamespace) -> Estimate:
    """A row of `ratios` as an estimate."""
    low, high = (None if math.isnan(value) else float(value) for value in (row.low, row.high))
    return Estimate(float(row.ratio), low, high, int(row.n), "×")


def _answer(rows: pd.DataFrame) -> bool | None:
    """Of one tier, network and protocol."""
    said = [at_most(estimate(row), GAIN) for row in records(rows) if row.metric in METRICS]
    if len(said) == len(METRICS) and all(each is True for each in said):
        return True
    return False if said and all(each is False for each in said) else None


def decisive(ratios: pd.DataFrame) -> str:
    """The variant whose ratios are told first: https where it was measured."""
    variants = list(dict.fromkeys(ratios["variant"]))
    return HTTPS if HTTPS in variants else str(variants[0])


def _figure(trials: pd.DataFrame, ratios: pd.DataFrame, direct: set[str]) -> tuple[str, Estimate | None]:
    tier, variant = str(ratios["tier"].iloc[0]), decisive(ratios)
    chosen = trials[trials["variant"] == variant]
    networks = list(dict.fromkeys(ratios[(ratios["tier"] == tier) & (ratios["variant"] == variant)]["network"]))
    over: dict[int, float | None] = {}
    for repeat in sorted({int(each) for each in chosen["repeat"]}):
        rows = chosen[chosen["repeat"] == repeat]
        logs = [
            paired_ratio(by_repeat(mine, NEW), by_repeat(theirs, NEW)).value
            for network in networks
            for here in [rows[rows["network"] == network]]
            for mine, theirs in [(here[here["tier"] == tier], here[here["tier"].isin(direct)])]
        ]
        known = [math.log(value) for value in logs if value is not None]
        over[repeat] = math.exp(math.fsum(known) / len(known)) if len(known) == len(networks) else None
    by = f" by {variant}" if variant else ""
    where = f"geometric mean of {listed(networks)}" if len(networks) > 1 else f"on {networks[0]}"
    name = f"page load of a new visitor{by}, {tier} over direct, {where}"
    figure = of_values(list(over.values()), "×", geometric=True)
    return name, figure if figure.value is not None else None


def _by_tier(rows: pd.DataFrame) -> str:
    """One tier's ratios, by https where that was measured."""
    tier, variant = str(rows["tier"].iloc[0]), decisive(rows)
    mine = rows[rows["variant"] == variant]

    def ratios(metric: str) -> str:
        return listed([f"{digits(row.ratio)}× ({row.network})" for row in records(mine[mine["metric"] == metric])])

    first, *rest = (f"{METRICS[metric]} took {found}" for metric in METRICS if (found := ratios(metric)))
    by = f" by {variant}" if variant else ""
    tail = f"; its p99, what {tier} has to fetch, {found}" if (found := ratios(P99)) else ""
    more = "".join(f"; {part.replace(' took', '', 1)}" for part in rest)
    return f"Through {tier}{by}, {first} of the time from the origin{more}{tail}."


def _handshakes(ratios: pd.DataFrame) -> str:
    """What https adds to a new visitor's page, where it adds most."""
    new = ratios[ratios["metric"] == NEW]
    pairs = []
    for (tier, network), rows in new.groupby(["tier", "network"], sort=False):
        by = {row.variant: row for row in records(rows)}
        if {"http", HTTPS} <= by.keys():
            added = [getattr(by[HTTPS], side) - getattr(by["http"], side) for side in ("direct_ms", "edge_ms")]
            pairs.append((added, tier, network))
    if not pairs:
        return ""
    (there, here), tier, network = max(pairs, key=lambda pair: pair[0][0])
    return (
        f"On {network}, https adds {digits(there)} ms to a new visitor's page from the origin and {digits(here)} ms "
        f"through {tier}."
    )


def _why(ratios: pd.DataFrame, answers: Mapping[Any, bool | None]) -> str:
    parts = []
    for (tier, network, variant), answer in answers.items():
        rows = ratios[(ratios["tier"] == tier) & (ratios["network"] == network) & (ratios["variant"] == variant)]
        slow = [
            f"{METRICS[row.metric]} {digits(row.ratio)}×"
            for row in records(rows)
            if row.metric in METRICS and at_most(estimate(row), GAIN) is not True
        ]
        if answer is not True:
            parts.append(f"{tier} on {network}{f' by {variant}' if variant else ''} ({', '.join(slow)})")
    if not parts:
        return ""
    if all(math.isnan(row.low) for row in records(ratios)):
        return "Too few trials: without intervals nothing is shown."
    return f"Not shown to take at most {GAIN:g}× of the time: {'; '.join(parts)}."


def _numbers(ratios: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for row in records(ratios):
        at = ".".join(part for part in (row.tier, row.network, row.variant, row.metric.removesuffix("_ms")) if part)
        numbers |= {
            f"{at}.ratio": row.ratio,
            f"{at}.low": None if math.isnan(row.low) else row.low,
            f"{at}.high": None if math.isnan(row.high) else row.high,
            f"{at}.direct_ms": row.direct_ms,
            f"{at}.edge_ms": row.edge_ms,
        }
    return numbers
