"""`gzip/Brotli`: what content codings save on the wire, when a page is there, and what they cost where.

A variant `plain` sends everything as it is; every other one is `<coding>-<where>`, where is `origin` or `edge`. Clients
take all codings. Each is compared with the plain variant of the same tier, network and TTL, paired by repeat.

- bytes: of one answer of each kind (HTML, JSON, style, script, drawing, photograph), means over the measuring phase
- page_ms: the HTML, then the slowest of what it names, fetched at once: its median latency plus the greatest of theirs
- CPU seconds per 1,000 requests, of the origin and of the tier; the processes are read once a second, in ticks of 10 ms

Two questions for each coding; thresholds are on whole intervals (95 %, from trials):
- bytes: at most FEWER of the plain variant's
- time: the page is there no later than plain (ratio of page_ms ≤ 1)
All yes: holds. All no: does not hold here. Anything else: holds partly.
The figure is the greatest share of the bytes that any of the codings left.

Tables. `trials`, a row per trial: coding, where, came (share of the texts that came in that coding), kb_<kind> and
ms_<kind>, page_kb, text_kb, page_ms, origin_cpu_s, tier_cpu_s, cpu_s. `cells`: their means and intervals, and the
ratios to plain: bytes_ratio, time_ratio, each with _low and _high.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.estimates import of_values
from edgebench.analysis.metrics import measuring
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import nanoseconds
from edgebench.analysis.weighing import (
    at_most,
    bounded,
    by_repeat,
    caveats,
    columns_of,
    cpu_s_per_1000,
    estimate_of,
    frame_of,
    not_testable,
    ratio_of,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, interval, listed, percent, span
from edgebench.model import LOOPBACK, ClaimResult, ClaimVerdict, Estimate, Outcome

CLAIM = CLAIMED["compression"]
PLAIN = "plain"
FEWER = 0.7
"""Share of the plain bytes that a coding may leave."""
MOSTLY = 0.95
"""Share of the texts that must come in the coding a variant is named after."""
KINDS = {
    "/": "html",
    "/api/products": "json",
    "/static/[css]": "css",
    "/static/[js]": "js",
    "/static/[svg]": "svg",
    "/static/[image]": "image",
}
"""Kind of content by the name of the endpoint."""
TEXTS = ("html", "json", "css", "js", "svg")
CPU = ("origin_cpu_s", "tier_cpu_s", "cpu_s")


def judge(evidence: Evidence) -> Judged:
    """Every coding against its plain variant."""
    cells = evidence.of()
    return conclude(frame_of(cells, _figures), caveats(evidence, cells))


def _figures(cell: CellResult, trial: TrialResult) -> dict[str, Any] | None:
    """One trial's; None where a kind of content is missing."""
    now = trial.samples[measuring(trial.samples)]
    good = now[(now["outcome"] != Outcome.ERROR.value).to_numpy()]
    kind = good["endpoint"].astype("object").map(KINDS)
    if set(kind.dropna()) != set(KINDS.values()):
        return None
    kb = good["bytes"].astype("float64").groupby(kind).mean() / 1000
    ms = pd.Series(nanoseconds(good, "latency_ns") / NS_PER_MS, index=good.index).groupby(kind).median()
    coding, _, where = cell.summary.variant.partition("-")
    came = good["encoding"].astype("object").fillna("")[kind.isin(TEXTS).to_numpy()]
    wanted = "" if coding == PLAIN else coding
    return {
        "coding": coding,
        "where": where,
        "came": float((came == wanted).mean()),
        **{f"kb_{name}": float(value) for name, value in kb.items()},
        **{f"ms_{name}": float(value) for name, value in ms.items()},
        "page_kb": float(kb.sum()),
        "text_kb": float(kb[list(TEXTS)].sum()),
        "page_ms": float(ms["html"] + ms.drop("html").max()),
        **_cpu(trial, len(now)),
    }


def _cpu(trial: TrialResult, requests: int) -> dict[str, float]:
    """CPU seconds per 1,000 requests; NaN where they could not be read."""
    origin, tier = (cpu_s_per_1000(trial.metrics.get(f"{role}_cpu"), trial, requests) for role in ("origin", "tier"))
    together = math.nan if math.isnan(origin) else float(np.nansum((origin, tier)))
    return dict(zip(CPU, (origin, tier, together), strict=True))


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    if trials.empty or not (trials["coding"] == PLAIN).any() or (trials["coding"] == PLAIN).all():
        return not_testable(CLAIM, "there is no trial with a coding and one without that asked for each kind of file.")
    coded = [found for _, rows in trials.groupby("cell", sort=False) if (found := _cell(rows, trials)) is not None]
    came = [cell for cell in coded if cell.came >= MOSTLY]
    tables = {"trials": trials, "cells": _means(trials, coded)}
    if not bounded([ratio for cell in came for ratio in (cell.bytes, cell.time)]):
        judged = not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
        return replace(judged, result=replace(judged.result, numbers=_numbers(coded, tables["cells"])))
    answers = [answer for cell in came for answer in (at_most(cell.bytes, FEWER), at_most(cell.time, 1.0))]
    verdict = verdict_of(answers)
    worst = max(came, key=lambda cell: cell.bytes.value or 0.0)
    result = ClaimResult(
        CLAIM, verdict, sentences(_saved_text(came), _cost_text(came)),
        figure_name=f"bytes of a page, {worst.name} over plain", figure=worst.bytes,
        why=sentences(_why(verdict, came), _absent(coded), doubtful), numbers=_numbers(coded, tables["cells"]),
    )  # fmt: skip
    return Judged(result, tables)


def _cell(rows: pd.DataFrame, trials: pd.DataFrame) -> SimpleNamespace | None:
    """What one coding comes to beside its plain variant; None for a plain one, or where that was not measured."""
    first = rows.iloc[0]
    same = (trials["tier"] == first["tier"]) & (trials["network"] == first["network"])
    same &= (trials["ttl_s"] == first["ttl_s"]) | (trials["ttl_s"].isna() & pd.isna(first["ttl_s"]))
    plain = trials[same & (trials["coding"] == PLAIN)]
    if first["coding"] == PLAIN or plain.empty:
        return None
    network = "" if first["network"] == LOOPBACK else f" on the network {first['network']}"
    where = "the origin" if first["where"] == "origin" else f"the edge ({first['tier']})"
    behind = f" behind {first['tier']}" if first["where"] == "origin" and first["tier"] != "direct" else ""
    return SimpleNamespace(
        id=first["cell"],
        coding=str(first["coding"]),
        where=str(first["where"]),
        tier=str(first["tier"]),
        name=f"{first['coding']} at {where}{behind}",
        network=network,
        came=float(rows["came"].mean()),
        bytes=ratio_of(rows, plain, "page_kb"),
        texts=ratio_of(rows, plain, "text_kb"),
        time=ratio_of(rows, plain, "page_ms"),
        sooner_ms=_difference(plain, rows, "page_ms", "ms"),
        cost_s={name: _difference(rows, plain, name, "s") for name in CPU},
    )


def _difference(over: pd.DataFrame, under: pd.DataFrame, column: str, unit: str) -> Estimate:
    """By how much a figure is greater, mean of the pairs of one repeat."""
    here, there = by_repeat(over, column), by_repeat(under, column)
    pairs = [(value, there[repeat]) for repeat, value in here.items() if repeat in there]
    return of_values([value - other for value, other in pairs if value is not None and other is not None], unit)


def _means(trials: pd.DataFrame, coded: list[SimpleNamespace]) -> pd.DataFrame:
    """A row per cell in the order of the trials."""
    ratios = {cell.id: cell for cell in coded}
    figures = [f"{what}_{kind}" for what in ("kb", "ms") for kind in KINDS.values()]
    rows = []
    for cell, mine in trials.groupby("cell", sort=False):
        row: dict[str, Any] = {"cell": cell, "trials": len(mine)}
        row |= {name: mine[name].iloc[0] for name in ("tier", "series", "network", "ttl_s", "coding", "where")}
        row["came"] = float(mine["came"].mean())
        for name in [*figures, "page_kb", "text_kb", "page_ms", *CPU]:
            row |= columns_of(name, estimate_of(mine, name, ""))
        if found := ratios.get(str(cell)):
            row |= columns_of("bytes_ratio", found.bytes) | columns_of("time_ratio", found.time)
        rows.append(row)
    return pd.DataFrame(rows)


def _saved_text(came: list[SimpleNamespace]) -> str:
    parts: list[str] = []
    for cell in sorted(came, key=lambda cell: cell.bytes.value or 0.0)[:3]:
        sooner_ms = cell.sooner_ms.value or 0.0
        when = f"{digits(abs(sooner_ms))} ms {'sooner' if sooner_ms >= 0 else 'later'} ({interval(cell.time)})"
        left = f"{percent(cell.bytes.value)}{'' if parts else ' of a page’s bytes'}"
        texts = f"{percent(cell.texts.value)}{'' if parts else ' of its texts’'}"
        parts.append(f"{cell.name} left {left} ({texts}), and it was there {when}")
    more = f"; and {len(came) - 3} more in the table" if len(came) > 3 else ""
    return f"Against plain{came[0].network}: {'; '.join(parts)}{more}."


def _cost_text(came: list[SimpleNamespace]) -> str:
    """Of those whose CPU time differs from plain's with its whole interval, the dearest and the cheapest."""
    costs = [(cell.name, cell.cost_s["cpu_s"]) for cell in came if cell.cost_s["cpu_s"].low is not None]
    if not costs:
        return ""
    clear = sorted((each for each in costs if not each[1].low <= 0 <= each[1].high), key=lambda each: -each[1].value)
    if not clear:
        return "No difference in CPU time shows."
    ends = [clear[0]] if len(clear) == 1 else [clear[0], clear[-1]]
    return f"Per 1,000 requests, {' and '.join(f'{name} took {_cost(more_s)}' for name, more_s in ends)}."


def _cost(more_s: Estimate) -> str:
    more = more_s.value or 0.0
    return f"{digits(abs(more))} s {'more' if more >= 0 else 'less'} CPU time than plain ({span(more_s)})"


def _why(verdict: ClaimVerdict, came: list[SimpleNamespace]) -> str:
    if verdict is ClaimVerdict.HOLDS:
        return ""
    heavy = [cell.name for cell in came if at_most(cell.bytes, FEWER) is not True]
    slow = [cell.name for cell in came if at_most(cell.time, 1.0) is not True]
    parts = []
    if heavy:
        parts.append(f"{listed(heavy)} did not surely leave {percent(FEWER)} of the bytes or less.")
    if slow:
        parts.append(f"With {listed(slow)} the page was not surely there sooner: its files are a few packets each.")
    return sentences(*parts)


def _absent(coded: list[SimpleNamespace]) -> str:
    names = [cell.name for cell in coded if cell.came < MOSTLY]
    return f"{listed(names)} did not reach the clients: the cache took it off, or never asked for it." if names else ""


def _numbers(coded: list[SimpleNamespace], cells: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for cell in coded:
        numbers |= {
            f"bytes_ratio.{cell.id}": cell.bytes.value,
            f"text_ratio.{cell.id}": cell.texts.value,
            f"time_ratio.{cell.id}": cell.time.value,
            f"sooner_ms.{cell.id}": cell.sooner_ms.value,
            f"came.{cell.id}": cell.came,
        }
        numbers |= {f"more_{name}.{cell.id}": cell.cost_s[name].value for name in CPU}
    for row in records(cells):
        for name in ("page_kb", "text_kb", "page_ms", *CPU):
            numbers[f"{name}.{row.cell}"] = None if pd.isna(getattr(row, name)) else float(getattr(row, name))
    return numbers
