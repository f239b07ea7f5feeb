"""`The cache may be smaller than the catalogue`: hit ratio against the store's size, beside the ideal and LRU.

Every trial's own schedule is replayed twice: through a store without a limit (ideal) and through one of the tier's size
that evicts what was used longest ago (lru). An answer takes its body's bytes and OVERHEAD_BYTES. `kept` is what is left
of the ideal hit ratio: proved / ideal. The catalogue is every answer that was asked for in the trial, each once; the
warm-up asks for all of them.

A cache that held more than it may had a larger store than it says, and shows nothing of a small one: it is left out,
and named. It did where its store, read once a second, held more than OVER of its limit in the mean; where nobody tells
what it held, where it hit more than LRU of its size by LUCK or more.

The claim is asked of each cache at each popularity, where it has room for about a TENTH of the catalogue: whether half
of the ideal hit ratio or more is left (kept ≥ HALF). Thresholds are on whole intervals (95 %, from trials). All yes: it
holds. All no: it does not hold here. Anything else: it holds partly. The figure is the least that was kept.

Tables. `trials`, a row per trial: zipf_s, storage_bytes, catalogue_bytes, share (of the catalogue that fits), hit,
ideal, lru, gap (hit - lru), late (LRU that looks at its limit every checked_s seconds, as this cache does; NaN: it
looks with every answer), kept, held (stored / limit, mean over the measuring phase; NaN: nobody tells), held_most.
`cells`: their means, hit_low and hit_high, repeats, `limited`, and `asked` where the claim was asked of them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.lru import lru_replay
from edgebench.analysis.metrics import measuring
from edgebench.analysis.replay import EXACT, Schedule
from edgebench.analysis.results import Judged, TrialResult
from edgebench.analysis.storage import catalogue_bytes, limit_bytes
from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds, seconds_or_nan, shared_codes
from edgebench.analysis.weighing import (
    at_least,
    bounded,
    caveats,
    clipped,
    estimate_of,
    frame_of,
    not_testable,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, listed, percent
from edgebench.model import ClaimResult, ClaimVerdict, Estimate, Outcome

CLAIM = CLAIMED["capacity"]
HALF = 0.5
TENTH, FROM, TO = 0.1, 0.05, 0.2
"""The share of the catalogue that is to fit, and what still counts as about so much."""
OVERHEAD_BYTES = 1024
"""Of headers and bookkeeping with every answer: at most a few hundred bytes, and caches store in whole blocks."""
OVER = 1.1
LUCK = 0.05
NEVER_S = 1e9
"""For an answer whose lifetime is the app's own: longer than any trial."""


def judge(evidence: Evidence) -> Judged:
    """Every cache at every size and popularity."""
    cells = evidence.of(direct=False)
    return conclude(frame_of(cells, lambda cell, trial: _figures(trial)), caveats(evidence, cells))


def _figures(trial: TrialResult) -> dict[str, Any] | None:
    """One trial's; None where nothing was cacheable or no ledger proves what was hit."""
    hit, ideal = trial.metrics.get("hit_ratio"), trial.metrics.get("ideal_hit_ratio")
    if hit is None or not ideal:
        return None
    limit, catalogue = limit_bytes(trial.record), catalogue_bytes(trial.samples)
    lru = _lru_hit_ratio(trial, limit, None)
    tier, start_ns = trial.record.tier, trial.record.start_monotonic_ns
    checked = ((tier.started_ns - start_ns) / NS_PER_S, tier.limit_checked_s)
    is_late = tier.limit_checked_s > 0 and tier.started_ns > 0
    held = seconds_or_nan(trial.processes, "stored_bytes") / limit if "stored_bytes" in trial.processes else np.empty(0)
    held = held[np.isfinite(held)]
    return {
        "zipf_s": trial.record.trial.cell.load.zipf_s,
        "storage_bytes": float(limit),
        "catalogue_bytes": float(catalogue),
        "share": limit / catalogue,
        "hit": hit,
        "ideal": ideal,
        "lru": lru,
        "gap": hit - lru,
        "late": _lru_hit_ratio(trial, limit, checked) if is_late else float("nan"),
        "checked_s": tier.limit_checked_s,
        "kept": hit / ideal,
        "held": float(held.mean()) if len(held) else float("nan"),
        "held_most": float(held.max()) if len(held) else float("nan"),
    }


def _lru_hit_ratio(trial: TrialResult, limit: int, checked: tuple[float, float] | None) -> float:
    """Of the measuring phase, by the replay of both phases. Sizes are those of each key's whole answer."""
    good = (trial.samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    cacheable: Bools = good & trial.samples["cacheable"].to_numpy(dtype=bool)
    samples = trial.samples[cacheable]
    key = shared_codes(samples["key"], samples["key"].iloc[:0])[0]
    at_s = nanoseconds(samples, "sent_ns") / NS_PER_S
    ttl_s = trial.record.trial.cell.freshness.ttl_s
    lifetimes = np.full(len(key), NEVER_S if ttl_s is None else float(ttl_s))
    size = samples["bytes"].groupby(key).transform("max").to_numpy(dtype=np.int64) + OVERHEAD_BYTES
    hits = lru_replay(Schedule(np.arange(len(key)), key, at_s, at_s, lifetimes), EXACT, size, limit, checked)
    now = measuring(samples)
    return float(hits[now].mean()) if now.any() else 0.0


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    if trials.empty:
        return not_testable(CLAIM, "there is no trial of a cache whose hits are proved by the origin’s ledger.")
    cells = _means(trials)
    tables = {"trials": trials, "cells": cells}
    asked = cells[cells["asked"]]
    over = _over_text(cells)
    if asked.empty:
        why = f"no cache kept a limit of about a tenth of the catalogue. {over}".strip()
        return not_testable(CLAIM, why, tables)
    kept = {str(cell): estimate_of(trials[trials["cell"] == cell], "kept", "ratio") for cell in asked["cell"]}
    if not bounded(kept.values()):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    verdict = verdict_of(at_least(value, HALF) for value in kept.values())
    least = min(kept, key=lambda cell: kept[cell].value or 0.0)
    row = records(asked[asked["cell"] == least])[0]
    result = ClaimResult(
        CLAIM,
        verdict,
        sentences(_tenth_text(asked), _lru_text(cells), over),
        f"share of the ideal hit ratio kept by {row.tier} with room for {percent(row.share)} of the catalogue, "
        f"Zipf {row.zipf_s:g}",
        kept[least],
        sentences(_why(verdict, asked, kept), doubtful),
        _numbers(cells),
    )
    return Judged(result, tables)


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per cell."""
    labels = ["cell", "tier", "series", "variant", "network"]
    cells = trials.drop(columns=["repeat"]).groupby(labels, sort=False).mean(numeric_only=True).reset_index()
    cells["held_most"] = trials.groupby("cell", sort=False)["held_most"].max().reindex(cells["cell"]).to_numpy()
    estimates = [estimate_of(rows, "hit", "ratio") for _, rows in trials.groupby("cell", sort=False)]
    for end in ("low", "high"):
        ends = [getattr(clipped(value), end) for value in estimates]
        cells[f"hit_{end}"] = [float("nan") if known is None else known for known in ends]
    cells["repeats"] = [value.n for value in estimates]
    known = cells["held"].notna()
    cells["limited"] = (cells["held"] <= OVER).where(known, cells["gap"] <= LUCK)
    near = cells[cells["limited"] & cells["share"].between(FROM, TO)]
    nearest = (near["share"] - TENTH).abs().groupby([near["tier"], near["zipf_s"]]).idxmin()
    cells["asked"] = cells.index.isin(nearest)
    return cells


def _tenth_text(asked: pd.DataFrame) -> str:
    """`With room for 10.8 % of the catalogue’s bytes haproxy hit 28.4 % of the requests at Zipf 0.6 and …`"""
    shares = sorted({percent(round(share, 2)) for share in asked["share"]})
    said = []
    for tier, rows in asked.sort_values("zipf_s").groupby("tier", sort=False):
        hits = [f"{percent(round(row.hit, 3))} at Zipf {row.zipf_s:g}" for row in records(rows)]
        said.append(f"{tier} {listed(hits)}")
    ideal = float(asked["ideal"].min())
    all_of_them = "all of them" if round(ideal, 3) == 1 else f"{percent(round(ideal, 3))} or more"
    return (
        f"With room for {listed(shares)} of the catalogue’s bytes, the share of requests answered from store was: "
        f"{'; '.join(said)}. Without a limit it would have been {all_of_them}."
    )


def _lru_text(cells: pd.DataFrame) -> str:
    """How far each cache is from the replay through LRU, at most."""
    small = cells[cells["limited"] & (cells["share"] < 1)]
    said = []
    for tier, rows in small.groupby("tier", sort=False):
        gap = float(rows["gap"].to_numpy()[rows["gap"].abs().argmax()])
        said.append(f"{tier} {'+' if gap >= 0 else '−'}{digits(100 * abs(gap))}")
    return (
        f"From what LRU of the same size predicts they differ by at most (points): {', '.join(said)}." if said else ""
    )


def _over_text(cells: pd.DataFrame) -> str:
    """Which caches did not keep their limit, and by how much."""
    said = []
    for row in records(cells[~cells["limited"].astype(bool) & (cells["share"] < 1)]):
        if np.isfinite(row.held):
            held = f"{digits(row.held)} times its limit in the mean and {digits(row.held_most)} times at most"
            said.append(f"{row.tier} held {held}{_late_text(row)}")
        else:
            said.append(f"{row.tier} hit {digits(100 * row.gap)} points more than a store of its size can")
    return f"Left out, as it did not keep its limit: {'; '.join(dict.fromkeys(said))}." if said else ""


def _late_text(row: SimpleNamespace) -> str:
    if not np.isfinite(row.late):
        return ""
    hit, late = (percent(round(share, 3)) for share in (row.hit, row.late))
    return f", as it looks at it every {row.checked_s:g} s: replayed so it would hit {late}, and it hit {hit}"


def _why(verdict: ClaimVerdict, asked: pd.DataFrame, kept: dict[str, Estimate]) -> str:
    if verdict is ClaimVerdict.HOLDS:
        return ""
    names = {row.cell: f"{row.tier} at Zipf {row.zipf_s:g}" for row in records(asked)}
    short = [names[cell] for cell, value in kept.items() if at_least(value, HALF) is not True]
    return f"Half of the ideal hit ratio is not certain to be left with {listed(short)}."


def _numbers(cells: pd.DataFrame) -> dict[str, float | None]:
    """Per cell: what was hit, what LRU predicts, what is ideal, and what was held."""
    found: dict[str, float | None] = {}
    for row in records(cells):
        for name in ("share", "hit", "lru", "late", "ideal", "held"):
            value = float(getattr(row, name))
            found[f"{row.cell}.{name}"] = value if np.isfinite(value) else None
    return found
