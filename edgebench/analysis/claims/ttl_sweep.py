"""`Cache read-only API answers: Cache-Control`: how much of them is answered from store, against the TTL.

A TTL that the window outlasts is measured: hits, expiry and refetching are all in it. A longer one never expires in the
window; what it gives in the long run is worked out by the closed form (analysis.popularity), which the measured TTLs
prove or refute: it is believed where it is within AGREES of every one of them. A longer TTL that was measured all the
same is marked, and judges nothing: it shows a cache lately filled.

The question for every cache, on the whole interval (95 %, from trials): at the longest TTL that the window outlasts, is
at least half of the cacheable requests answered from store (hit ratio ≥ HALF)? All yes: holds. All no: does not hold
here. Anything else: holds partly. The figure is that hit ratio, of the cache that hits least.

Tables. `points`, a row per cached cell: hit_ratio, offload, ideal, long_run (closed form) and off (measured − closed
form), each with interval; expires (whether the window outlasts the TTL). `trials`: the same per trial. `curve`: tier,
ttl_s, long_run for TTLs from half a second to the longest asked.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.popularity import key_groups, long_run_hit_ratio, mean_life_s
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import NS_PER_S
from edgebench.analysis.weighing import (
    at_least,
    bounded,
    caveats,
    clipped,
    columns_of,
    estimate_of,
    frame_of,
    not_testable,
    records,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import listed, percent, points
from edgebench.model import ClaimResult, Estimate

CLAIM = CLAIMED["ttl_sweep"]
HALF = 0.5
"""Share of the cacheable requests that must be answered from store."""
AGREES = 0.03
"""How far, as a difference of hit ratios, the closed form may be off any measured TTL."""
MOST = 0.9
"""Share of what the longest TTL gives in the long run from which on more brings little."""
FIGURES = ("hit_ratio", "offload", "ideal", "long_run", "off")


def judge(evidence: Evidence) -> Judged:
    """Every cache at every TTL."""
    cells = evidence.of(direct=False)
    trials = frame_of(cells, _figures)
    curve = pd.concat([_curve(cell, evidence.run.scenario.ttl_s) for cell in _longest(cells)] or [pd.DataFrame()])
    return conclude(trials, curve.reset_index(drop=True), caveats(evidence, _expiring(cells)))


def _figures(cell: CellResult, trial: TrialResult) -> dict[str, Any] | None:
    ttl_s, hit_ratio = cell.summary.ttl_s, trial.metrics.get("hit_ratio")
    if ttl_s is None or hit_ratio is None:
        return None
    rule, load = trial.record.tier.expiry, trial.record.trial.cell.load
    window_s = round((trial.record.measure_end_ns - trial.record.measure_start_ns) / NS_PER_S, 1)
    long_run = long_run_hit_ratio(key_groups(trial), load.zipf_s, mean_life_s(ttl_s, rule))
    ideal, offload = trial.metrics.get("ideal_hit_ratio"), trial.metrics.get("origin_offload")
    return {
        "hit_ratio": hit_ratio,
        "offload": np.nan if offload is None else offload,
        "ideal": np.nan if ideal is None else ideal,
        "long_run": long_run,
        "off": hit_ratio - long_run,
        "expires": ttl_s <= window_s,
        "window_s": window_s,
    }


def _longest(cells: list[CellResult]) -> list[CellResult]:
    """Per series the cell with the longest TTL: its requests are those of all the others of its repeat, and more."""
    of_series = {cell.summary.series: cell for cell in sorted(cells, key=lambda cell: cell.summary.ttl_s or 0)}
    return list(of_series.values())


def _expiring(cells: list[CellResult]) -> list[CellResult]:
    """Those that judge: doubts about a window too short are part of the method for the others."""
    longest_s = max((cell.trials[0].record.trial.cell.load.measure_s for cell in cells), default=0.0)
    return [cell for cell in cells if (cell.summary.ttl_s or 0) <= longest_s]


def _curve(cell: CellResult, ttls_s: tuple[int, ...]) -> pd.DataFrame:
    """The closed form for a cache, mean over the trials, at TTLs evenly spaced in their logarithm."""
    trial = cell.trials[0].record
    grid = np.geomspace(0.5, max([*ttls_s, 1]), 80)
    groups = [key_groups(one) for one in cell.trials]
    zipf_s, rule = trial.trial.cell.load.zipf_s, trial.tier.expiry
    values = [
        float(np.mean([long_run_hit_ratio(one, zipf_s, mean_life_s(ttl, rule)) for one in groups])) for ttl in grid
    ]
    return pd.DataFrame({"tier": cell.summary.tier, "series": cell.summary.series, "ttl_s": grid, "long_run": values})


def conclude(trials: pd.DataFrame, curve: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the tables `trials` and `curve`. doubtful: a sentence on what limits it."""
    if trials.empty or not (trials["expires"] & (trials["ttl_s"] > 0)).any():
        return not_testable(CLAIM, "no cache was measured at a TTL that the window outlasts.")
    table = _points(trials)
    found = [_cache(rows, curve) for _, rows in table.groupby("series", sort=False)]
    caches = [cache for cache in found if cache is not None]
    tables = {"trials": trials, "points": table, "curve": curve}
    if not bounded(cache.hit_ratio for cache in caches):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    least = min(caches, key=lambda cache: cache.hit_ratio.value)
    result = ClaimResult(
        CLAIM,
        verdict_of(at_least(cache.hit_ratio, HALF) for cache in caches),
        sentences(_text(caches), _prediction(caches)),
        figure_name=f"cacheable requests answered from store at TTL {least.ttl_s:g} s, {least.name}",
        figure=least.hit_ratio,
        why=sentences(_why(caches), doubtful),
        numbers=_numbers(table, caches),
    )
    return Judged(result, tables, {"agrees": all(cache.agrees for cache in caches), "caches": caches})


def _points(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per cell, by rising TTL."""
    rows = []
    for cell, mine in trials.groupby("cell", sort=False):
        row: dict[str, Any] = {"cell": cell, "trials": len(mine)}
        row |= {name: mine[name].iloc[0] for name in ("tier", "series", "ttl_s", "expires", "window_s")}
        for name in FIGURES:
            row |= columns_of(name, _estimate(mine, name))
        rows.append(row)
    return pd.DataFrame(rows).sort_values(["series", "ttl_s"], kind="stable", ignore_index=True)


def _estimate(rows: pd.DataFrame, name: str) -> Estimate:
    found = estimate_of(rows, name, "ratio")
    return found if name == "off" else clipped(found, low=-1.0 if name == "offload" else 0.0)


def _cache(rows: pd.DataFrame, curve: pd.DataFrame) -> SimpleNamespace | None:
    """What one cache comes to, at the longest TTL that expired; None where none did."""
    known = records(rows[rows["expires"] & (rows["ttl_s"] > 0)])
    if not known:
        return None
    longest, mine = known[-1], curve[curve["series"] == known[-1].series] if len(curve) else curve
    low, high = (None if np.isnan(value) else float(value) for value in (longest.hit_ratio_low, longest.hit_ratio_high))
    worst = max(known, key=lambda point: abs(point.off))
    return SimpleNamespace(
        name=longest.series,
        ttl_s=longest.ttl_s,
        hit_ratio=Estimate(float(longest.hit_ratio), low, high, int(longest.trials), "ratio"),
        first=known[0],
        last=longest,
        beyond=next((point for point in reversed(records(rows)) if not point.expires), None),
        off=worst.off,
        agrees=abs(worst.off) <= AGREES,
        enough_s=enough_s(mine),
        longest_s=float(mine["ttl_s"].max()) if len(mine) else float("nan"),
    )


def enough_s(curve: pd.DataFrame) -> float | None:
    """The TTL at which a cache has MOST of what the longest one gives in the long run."""
    if curve.empty or curve["long_run"].isna().any():
        return None
    ttl_s, values = curve["ttl_s"].to_numpy(dtype=float), curve["long_run"].to_numpy(dtype=float)
    return float(np.exp(np.interp(MOST * values[-1], values, np.log(ttl_s))))


def _text(caches: list[SimpleNamespace]) -> str:
    """The first cache in full, the others by their figures at the same TTLs."""
    first = caches[0]
    shown = {point.ttl_s: f"TTL {point.ttl_s:,g} s" for point in _told(first)}
    if first.beyond is not None:
        shown[first.beyond.ttl_s] += f" (where nothing expired in the {first.beyond.window_s:g} s measured)"
    figures = [f"{percent(point.hit_ratio)} at {shown[point.ttl_s]}" for point in _told(first)]
    parts = [f"{first.name} answered from store {listed(figures)}"]
    for cache in caches[1:3]:
        same = [point.ttl_s for point in _told(cache)] == list(shown)
        figures = [percent(point.hit_ratio) + ("" if same else f" at TTL {point.ttl_s:,g} s") for point in _told(cache)]
        parts.append(f"{cache.name} {listed(figures)}")
    return f"Of the cacheable requests, {'; '.join(parts)}."


def _told(cache: SimpleNamespace) -> list[SimpleNamespace]:
    """The points that its sentence speaks of: the shortest, the longest that expired, the longest."""
    points = [cache.first, cache.last, *([cache.beyond] if cache.beyond is not None else [])]
    return list({point.ttl_s: point for point in points}.values())


def _prediction(caches: list[SimpleNamespace]) -> str:
    if not all(cache.agrees for cache in caches):
        return ""
    known = [f"{_round(cache.enough_s)} s ({cache.name})" for cache in caches if cache.enough_s is not None]
    if not known:
        return ""
    off = max((cache.off for cache in caches), key=abs)
    return (
        f"By the closed form, which is within {abs(100 * off):.1f} points of every TTL measured, {percent(MOST)} of "
        f"what {caches[0].longest_s:,g} s give in the long run is reached at {listed(known)}."
    )


def _round(seconds: float) -> str:
    return f"{float(f'{seconds:.2g}'):,g}"


def _why(caches: list[SimpleNamespace]) -> str:
    wrong = [cache for cache in caches if not cache.agrees]
    low = [cache.name for cache in caches if at_least(cache.hit_ratio, HALF) is not True]
    return sentences(
        f"{listed(low)} did not answer {percent(HALF)} of the cacheable requests from store with the whole interval."
        if low
        else "",
        f"What {wrong[0].name} did is {points(wrong[0].off)} off the closed form, so nothing is said of TTLs longer "
        "than the window."
        if wrong
        else "",
    )


def _numbers(table: pd.DataFrame, caches: list[SimpleNamespace]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for point in records(table):
        for name in FIGURES:
            value = getattr(point, name)
            numbers[f"{name}.{point.cell}"] = None if np.isnan(value) else float(value)
    numbers |= {f"enough_s.{cache.name}": cache.enough_s for cache in caches}
    return numbers
