"""`Images, CSS, JS, video, audio, static HTML, API answers can all be delivered`: which class comes from which store.

The first word of an endpoint's name is its class (CLASSES). Of each class in each trial, over the good samples of the
measuring phase:
- hit_ratio: share answered from store (hit, stale or collapsed, as proved)
- ideal_ratio: share an ideal cache would have answered (the same requests replayed; a piece of a clip counts as
  answerable from the moment the clip was first asked for)
- share = hit_ratio / ideal_ratio, at most 1: how much of what could be delivered was
- bytes_ratio: share of the bytes that came from store; p50_ms: median latency

A cache delivers a class if the whole interval of `share` (95 %, over trials) is at or above DELIVERED. Every cache
every class: holds. None any: does not hold here. Else: holds partly. The figure is `share` of the class that is
delivered least by the cache whose least is greatest.

Tables. `trials`: a row per trial and class. `found`: a row per cache and class, with the intervals of share and
hit_ratio, and over the trials the mean of the other shares, the median of p50_ms and of direct_ms (p50 without a
cache); delivered (bool).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.metrics import measuring
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.timeline import FROM_STORE
from edgebench.analysis.weighing import (
    at_least,
    bounded,
    caveats,
    clipped,
    estimate_of,
    not_testable,
    place_of,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import listed, percent
from edgebench.model import ClaimResult, Estimate, Outcome

CLAIM = CLAIMED["content_types"]
DELIVERED = 0.8
CLASSES = {
    "html": "HTML pages",
    "css": "style sheets",
    "js": "scripts",
    "font": "fonts",
    "image": "images",
    "audio": "sound by ranges",
    "video": "film by ranges",
    "seeking": "film after a jump",
    "api": "API answers",
}
"""By the first word of their endpoints' names, in words."""
_ALL = 0.9995
"""Printed as 100 %."""
_SOME = 0.05
"""Caches that deliver less than this of a class stand together in the sentence, whether it is nothing or little."""
BY_RANGES = ("audio", "video", "seeking")


def judge(evidence: Evidence) -> Judged:
    """Every class in every cache. Where an answer came from is proved one by one, whatever the speed: a cell whose
    figures of speed cannot be used is judged, too, and named."""
    cells = evidence.of()
    direct = {cell.summary.tier for cell in evidence.of(direct=True)}
    trials = pd.DataFrame([row for cell in cells for trial in cell.trials for row in _classes(cell, trial)])
    return conclude(trials, direct, caveats(evidence, cells))


def _classes(cell: CellResult, trial: TrialResult) -> list[dict[str, Any]]:
    """A row per class of one trial."""
    now = trial.samples[measuring(trial.samples) & (trial.samples["outcome"] != Outcome.ERROR.value)]
    kinds = now["endpoint"].astype("object").str.partition(" ")[0]
    return [
        {**place_of(cell, trial), **_figures(kind, now[kinds == kind])} for kind in CLASSES if (kinds == kind).any()
    ]


def _figures(kind: str, rows: pd.DataFrame) -> dict[str, Any]:
    stored = rows["outcome"].isin(FROM_STORE).to_numpy(dtype=bool)
    sizes = rows["bytes"].to_numpy(dtype=np.int64)
    hit, ideal = float(stored.mean()), float(rows["ideal_hit"].mean())
    return {
        "kind": kind,
        "requests": len(rows),
        "hit_ratio": hit,
        "ideal_ratio": ideal,
        "share": min(1.0, hit / ideal) if ideal > 0 else float("nan"),
        "bytes_ratio": float(sizes[stored].sum() / sizes.sum()) if sizes.sum() else float("nan"),
        "p50_ms": float(rows["latency_ns"].median() / NS_PER_MS),
    }


def conclude(trials: pd.DataFrame, direct: set[str], doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. direct: tiers without a cache. doubtful: a sentence on what limits it."""
    tables = {"trials": trials}
    cached = trials[~trials["tier"].isin(direct)] if len(trials) else trials
    cached = cached[cached["share"].notna()] if len(cached) else cached
    if cached.empty:
        return not_testable(CLAIM, "no cache was asked for any class of content more than once.", tables)
    alone = trials[trials["tier"].isin(direct)].groupby("kind")["p50_ms"].median()
    shares: dict[tuple[str, str], Estimate] = {}
    rows = []
    for (tier, kind), mine in cached.groupby(["tier", "kind"], sort=False):
        share = shares[str(tier), str(kind)] = clipped(estimate_of(mine, "share", "ratio"))
        rows.append(_row(str(tier), str(kind), mine, share, float(alone.get(kind, float("nan")))))
    tables["found"] = found = pd.DataFrame(rows)
    if not bounded(shares.values()):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    deciding = _deciding(shares)
    result = ClaimResult(
        CLAIM,
        verdict_of(at_least(share, DELIVERED) for share in shares.values()),
        _finding(found),
        figure_name=f"delivered of what could be: {CLASSES[deciding[1]]}, {deciding[0]}",
        figure=shares[deciding],
        why=sentences(_why(found), doubtful),
        numbers=_numbers(found),
    )
    return Judged(result, tables)


def _row(tier: str, kind: str, mine: pd.DataFrame, share: Estimate, direct_ms: float) -> dict[str, Any]:
    hit = clipped(estimate_of(mine, "hit_ratio", "ratio"))
    return {
        "tier": tier, "kind": kind, "trials": len(mine), "requests": int(mine["requests"].sum()),
        "share": share.value, "share_low": share.low, "share_high": share.high,
        "hit_ratio": hit.value, "hit_ratio_low": hit.low, "hit_ratio_high": hit.high,
        "ideal_ratio": float(mine["ideal_ratio"].mean()), "bytes_ratio": float(mine["bytes_ratio"].mean()),
        "p50_ms": float(mine["p50_ms"].median()), "direct_ms": direct_ms,
        "delivered": at_least(share, DELIVERED) is True,
    }  # fmt: skip


def _deciding(shares: dict[tuple[str, str], Estimate]) -> tuple[str, str]:
    """(tier, class): the class delivered least by the cache whose least is greatest."""
    least: dict[str, tuple[float, str]] = {}
    for (tier, kind), share in shares.items():
        value = (share.value or 0.0, kind)
        least[tier] = min(least.get(tier, value), value, key=lambda one: one[0])
    tier = max(least, key=lambda name: least[name][0])
    return tier, least[tier][1]


def _finding(found: pd.DataFrame) -> str:
    whole = [str(tier) for tier, rows in found.groupby("tier", sort=False) if rows["delivered"].all()]
    kinds = found["kind"].nunique()
    if not whole:
        first = f"No cache delivered all {kinds} classes of content from store."
    else:
        least = float(found[found["tier"].isin(whole)]["share"].min())
        amount = "all" if least >= _ALL else f"at least {percent(least)}"
        first = (
            f"{listed(whole)} delivered all {kinds} classes of content from store: of each, {amount} that an ideal "
            "cache could have."
        )
    return sentences(
        first,
        *(f"{tiers} did not deliver {names}: {amount} came from store." for tiers, names, amount in _lacks(found)),
    )


def _lacks(found: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(caches, classes, how much of them) of what is not delivered. Who lacks the same stands together."""
    missing = found[~found["delivered"]]
    lacks: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for (is_some, tier), rows in missing.groupby([missing["share"] >= _SOME, "tier"], sort=False):
        lacks.setdefault((bool(is_some), tuple(rows["kind"])), []).append(str(tier))
    groups = []
    for (_, kinds), tiers in lacks.items():
        shares = missing[missing["tier"].isin(tiers) & missing["kind"].isin(kinds)]["share"]
        most = "at most " if len(shares) > 1 else ""
        amount = f"{most}{percent(float(shares.max()))} of what could have" if shares.max() > 1 - _ALL else "nothing"
        groups.append((listed(tiers), listed([CLASSES[kind] for kind in kinds]), amount))
    return groups


def _why(found: pd.DataFrame) -> str:
    missing = found[~found["delivered"]]
    ranged = list(dict.fromkeys(missing[missing["kind"].isin(BY_RANGES)]["tier"]))
    others = list(dict.fromkeys(missing[~missing["kind"].isin(BY_RANGES)]["tier"]))
    return sentences(
        f"As configured, {listed(ranged)} store{'s' if len(ranged) == 1 else ''} no clip that is only asked for in "
        "pieces: each piece goes to the origin. A cache that fetches the whole clip for the first piece does."
        if ranged
        else "",
        f"{listed(others)} left other classes to the origin that could have come from store." if others else "",
    )


def _numbers(found: pd.DataFrame) -> dict[str, float | None]:
    names = ("share", "hit_ratio", "ideal_ratio", "bytes_ratio", "p50_ms")
    return {
        f"{name}.{row.tier}.{row.kind}": None if pd.isna(value := getattr(row, name)) else float(value)
        for row in records(found)
        for name in names
    }
