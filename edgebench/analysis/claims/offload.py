"""`Less load on the origin, lower bandwidth cost`: requests, bytes and CPU time of the origin, and the bill.

Bytes are those of bodies, as client and ledger count them. CPU seconds are the origin's processes', read once a second
in ticks of 10 ms, over the whole seconds within the measuring phase. The bill is made of the scenario's [prices] and of
nothing else: per request what a trial's mean request took, times month_requests.

Two questions for every cache; thresholds are on whole intervals (95 %, from trials):
- load: at least half of the requests were spared the origin (origin_offload ≥ LOAD)
- money: the bill with the cache is not above the one without (ratio ≤ 1, paired by repeat); not asked without prices
All yes: holds. All no: does not hold here. Anything else: holds partly. Without prices the load alone decides.
The figure is the dearest cache's bill over the bill without a cache; without prices, the smallest share spared.

Tables. `trials`, a row per trial: requests, and per 1,000 client requests origin_requests, origin_kb, edge_kb, cpu_s;
with prices also origin_egress, cpu, cdn_egress, cdn_requests and total, in money a month. `cells`: their means.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.metrics import measuring
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.weighing import (
    at_least,
    at_most,
    bounded,
    caveats,
    columns_of,
    cpu_s_per_1000,
    estimate_of,
    frame_of,
    not_testable,
    ratio_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, interval, percent
from edgebench.model import ClaimResult, ClaimVerdict, Estimate, Outcome, Prices

CLAIM = CLAIMED["offload"]
LOAD = 0.5
"""Share of the requests that a cache must spare the origin."""
TICK_S = 0.01
"""In which the system counts CPU time."""
KB_PER_GB = 1e6
LINES = ("origin_egress", "cpu", "cdn_egress", "cdn_requests")
"""Of the bill."""
PER_1000 = ("origin_requests", "origin_kb", "cpu_s", "edge_kb")


def judge(evidence: Evidence) -> Judged:
    """Every cache at every TTL against the origin alone."""
    cells = [*evidence.of(direct=True), *evidence.of(direct=False)]
    trials = frame_of(cells, lambda cell, trial: _figures(evidence, cell, trial))
    return conclude(trials, evidence.run.scenario.prices, caveats(evidence, cells))


def _figures(evidence: Evidence, cell: CellResult, trial: TrialResult) -> dict[str, Any] | None:
    """One trial's; None where no ledger proves what reached the origin."""
    now = trial.samples[measuring(trial.samples)]
    good = now[now["outcome"] != Outcome.ERROR.value]
    origin_requests, offload = trial.metrics.get("origin_requests"), trial.metrics.get("byte_offload")
    if not len(good) or origin_requests is None or offload is None:
        return None
    requests, edge_bytes = len(now), float(now["bytes"].sum())
    cpu_s = cpu_s_per_1000(trial.metrics.get("origin_cpu"), trial, requests)
    kinds = {spec.name: spec.kind for spec in evidence.run.scenario.tiers}
    found: dict[str, Any] = {
        "direct": kinds.get(cell.summary.tier, cell.summary.tier) == "direct",
        "requests": requests,
        "offload": 1 - origin_requests / requests,
        "byte_offload": offload,
        "origin_requests": 1000 * origin_requests / requests,
        "origin_kb": (1 - offload) * edge_bytes / requests,
        "edge_kb": edge_bytes / requests,
        "cpu_s": cpu_s,
        "cpu_seen_s": cpu_s * requests / 1000,
    }
    prices = evidence.run.scenario.prices
    return found if prices is None else found | bill(found, prices)


def bill(per_1000: dict[str, Any], prices: Prices) -> dict[str, float]:
    """Money a month, line by line, from figures per 1,000 client requests (kB: 10³ bytes; cpu_s in seconds)."""
    thousands = prices.month_requests / 1000
    lines = {
        "origin_egress": per_1000["origin_kb"] * thousands / KB_PER_GB * prices.egress_per_gb,
        "cpu": per_1000["cpu_s"] * thousands / 3600 * prices.cpu_hour,
        "cdn_egress": 0.0,
        "cdn_requests": 0.0,
    }
    if not per_1000["direct"]:
        lines["cdn_egress"] = per_1000["edge_kb"] * thousands / KB_PER_GB * prices.cdn_egress_per_gb
        lines["cdn_requests"] = prices.month_requests / 10_000 * prices.cdn_per_10k_requests
    return lines | {"total": sum(lines.values())}


def conclude(trials: pd.DataFrame, prices: Prices | None, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    if trials.empty or not trials["direct"].any() or trials["direct"].all():
        return not_testable(CLAIM, "there is no trial with a cache and one without, proved by the origin’s ledger.")
    direct = trials[trials["direct"] & (trials["cell"] == trials.loc[trials["direct"], "cell"].iloc[0])]
    cached = [_cell(rows, direct, prices) for _, rows in trials[~trials["direct"]].groupby("cell", sort=False)]
    answers = [at_least(cell.offload, LOAD) for cell in cached]
    money = [cell.bill for cell in cached if cell.bill is not None]
    answers += [at_most(ratio, 1.0) for ratio in money]
    tables = {"trials": trials, "cells": _means(trials)}
    if not bounded([*(cell.offload for cell in cached), *money]):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    worst = min(cached, key=lambda cell: cell.offload.value or 0.0)
    figure, name = worst.offload, f"share of requests spared the origin, {worst.name}"
    if money:
        worst = max(cached, key=lambda cell: (cell.bill.value if cell.bill else None) or 0.0)
        figure, name = worst.bill, f"bill with {worst.name}, over the bill without a cache"
    verdict = verdict_of(answers)
    result = ClaimResult(
        CLAIM, verdict, sentences(_load_text(cached, trials), _money_text(cached, direct, prices)),
        figure_name=name, figure=figure, why=sentences(_why(verdict, worst, prices), _ticks(trials), doubtful),
        numbers=_numbers(cached, tables["cells"]),
    )  # fmt: skip
    return Judged(result, tables, {"prices": prices, "ratios": {cell.id: cell.bill for cell in cached}})


def _cell(rows: pd.DataFrame, direct: pd.DataFrame, prices: Prices | None) -> SimpleNamespace:
    """What one cached cell comes to."""
    first = rows.iloc[0]
    ttl = "" if pd.isna(first["ttl_s"]) else f" at TTL {first['ttl_s']:g} s"
    return SimpleNamespace(
        id=first["cell"],
        name=f"{first['series']}{ttl}",
        offload=estimate_of(rows, "offload", "ratio"),
        fewer_bytes=estimate_of(rows, "byte_offload", "ratio"),
        cpu=ratio_of(rows, direct, "cpu_s"),
        bill=ratio_of(rows, direct, "total") if prices is not None else None,
        requests=float(rows["origin_requests"].mean()),
        total=float(rows["total"].mean()) if prices is not None else None,
        dearest=str(rows[list(LINES)].mean().idxmax()) if prices is not None else "",
        dearest_money=max(float(mean) for mean in rows[list(LINES)].mean()) if prices is not None else 0.0,
    )


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per cell in the order of the trials: the means, and the interval of each figure per 1,000 requests."""
    rows = []
    for cell, mine in trials.groupby("cell", sort=False):
        row: dict[str, Any] = {"cell": cell, "trials": len(mine)}
        row |= {name: mine[name].iloc[0] for name in ("tier", "series", "ttl_s", "direct")}
        for name in [*PER_1000, *(line for line in (*LINES, "total") if line in mine)]:
            row |= columns_of(name, estimate_of(mine, name, ""))
        rows.append(row)
    return pd.DataFrame(rows)


def _load_text(cached: list[SimpleNamespace], trials: pd.DataFrame) -> str:
    parts = []
    for cell in cached:
        more = [f"{percent(cell.fewer_bytes.value)} of the bytes"]
        if cell.cpu.value is not None:
            more.append(f"{percent(1 - cell.cpu.value)} of the CPU time")
        parts.append(
            f"{cell.name} spared the origin {percent(cell.offload.value)} of the requests, {' and '.join(more)}"
        )
    return f"{'; '.join(parts[:3])}{_rest(parts)}."


def _rest(parts: list[str]) -> str:
    return f"; and {len(parts) - 3} more in the table" if len(parts) > 3 else ""


def _money_text(cached: list[SimpleNamespace], direct: pd.DataFrame, prices: Prices | None) -> str:
    if prices is None:
        return ""
    dear = max(cached, key=lambda cell: cell.bill.value or 0.0)
    if dear.bill.value is None:
        return ""
    return (
        f"At the prices in the scenario, {prices.month_requests / 1e6:,.6g} million requests a month cost "
        f"{digits(float(direct['total'].mean()))} {prices.currency} without a cache and {digits(dear.total)} through "
        f"{dear.name} ({interval(dear.bill)})."
    )


_LINE_WORDS = {
    "origin_egress": "what the origin sends",
    "cpu": "the origin’s CPU time",
    "cdn_egress": "what the CDN sends",
    "cdn_requests": "the CDN’s price per request",
}


def _why(verdict: ClaimVerdict, worst: SimpleNamespace, prices: Prices | None) -> str:
    if prices is None:
        return "The scenario has no [prices], so nothing is said of money."
    if verdict is ClaimVerdict.HOLDS:
        return ""
    if worst.bill is not None and at_most(worst.bill, 1.0) is not True:
        return (
            f"Money: {_LINE_WORDS[worst.dearest]} alone is {digits(worst.dearest_money)} {prices.currency} of the "
            f"{digits(worst.total)} with {worst.name}; answers this small are cheap to send and dear to count."
            if worst.dearest == "cdn_requests"
            else f"Money: {_LINE_WORDS[worst.dearest]} is {digits(worst.dearest_money)} {prices.currency} of the "
            f"{digits(worst.total)} with {worst.name}."
        )
    return f"Load: {worst.name} did not spare the origin {percent(LOAD)} of the requests with its whole interval."


def _ticks(trials: pd.DataFrame) -> str:
    """How exact the CPU time of one trial is: each end of what was read may be off by one tick."""
    least = trials["cpu_seen_s"].min()
    if pd.isna(least) or least <= 0:
        return "CPU time could not be read in every trial."
    error = percent(min(2 * TICK_S / float(least), 1.0))
    return f"CPU time is read in ticks of 10 ms: in a trial it is good to ±{error} at worst."


def _numbers(cached: list[SimpleNamespace], cells: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for cell in cached:
        numbers |= {f"offload.{cell.id}": cell.offload.value, f"byte_offload.{cell.id}": cell.fewer_bytes.value}
        numbers |= {f"cpu_ratio.{cell.id}": cell.cpu.value}
        if isinstance(cell.bill, Estimate):
            numbers[f"bill_ratio.{cell.id}"] = cell.bill.value
    for row in cells.to_dict("records"):
        numbers |= {f"{name}.{row['cell']}": row[name] for name in (*PER_1000, *LINES, "total") if name in row}
    return numbers
