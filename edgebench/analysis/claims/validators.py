"""`Cache read-only API answers: ETag`: what revalidation saves against fetching anew.

The same requests at the same times, with the app's ETags (variant etag) and without (variant plain). A refresh is a
fetch, for a client that asked unconditionally, of a key the origin had given before in this trial. Its bytes are the
body's; its time is the origin's, from the request's arrival at the app to its last byte (median of a trial: a hiccup of
the machine is no saving).

Two questions for every cache; thresholds are on whole intervals (95 %, over trials paired by repeat):
- bytes: refreshes with ETag saved at least half of the bytes (saved_bytes ≥ BYTES)
- time: they saved at least a tenth of the origin's time (saved_ms ≥ TIME)
A cache that never asks by ETag saves nothing by it, whatever differed between the variants. All yes: holds. All no:
does not hold here. Anything else: holds partly.
The figure is the bytes saved, of the cache that asks by ETag and saves least.

Tables. `trials`, a row per trial: refreshes, asked and not_modified (shares of them: with a condition, answered 304),
bytes_per_refresh, ms_per_refresh, and of the clients that ask again themselves again_bytes (mean body) and again_304
(share). `saved`, a row per cache: saved_bytes and saved_ms with intervals, asked, not_modified.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.estimates import of_values
from edgebench.analysis.metrics import measuring
from edgebench.analysis.origin_work import joined_again, origin_work
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.weighing import (
    at_least,
    bounded,
    by_repeat,
    caveats,
    clipped,
    frame_of,
    not_testable,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import digits, listed, milliseconds, percent
from edgebench.model import ClaimResult, Estimate, Outcome

CLAIM = CLAIMED["validators"]
WITH, WITHOUT = "etag", "plain"
BYTES, TIME = 0.5, 0.1
"""Shares that must be saved."""
CONDITIONAL = "(conditional)"
"""In the name of endpoints that clients ask for with a condition of their own."""
NEVER = 0.01
"""Share of refreshes with a condition below which a cache is said never to ask by ETag."""
NOT_MODIFIED = 304


def judge(evidence: Evidence) -> Judged:
    """Every cache with the app's ETags against itself without; and the clients' own questions."""
    cells = [cell for variant in (WITH, WITHOUT) for cell in evidence.of(variant=variant)]
    trials = frame_of(cells, lambda cell, trial: _figures(evidence, cell, trial))
    return conclude(trials, caveats(evidence, cells))


def _figures(evidence: Evidence, cell: CellResult, trial: TrialResult) -> dict[str, Any] | None:
    joined = joined_again(trial, evidence.folder)
    if joined is None:
        return None
    kinds = {spec.name: spec.kind for spec in evidence.run.scenario.tiers}
    direct = kinds.get(cell.summary.tier, cell.summary.tier) == "direct"
    work = origin_work(joined)
    own = work["endpoint"].str.contains(CONDITIONAL, regex=False)
    refreshes = work[work["again"] & ~own & (not direct)]
    now = trial.samples[measuring(trial.samples) & (trial.samples["outcome"] != Outcome.ERROR.value)]
    again = now[now["endpoint"].astype("object").str.contains(CONDITIONAL, regex=False)]
    return {
        "direct": direct,
        "requests": len(now),
        "refreshes": len(refreshes),
        "asked": _mean(refreshes["conditional"]),
        "not_modified": _mean(refreshes["status"] == NOT_MODIFIED),
        "bytes_per_refresh": _mean(refreshes["bytes"]),
        "ms_per_refresh": float(refreshes["took_ms"].median()) if len(refreshes) else float("nan"),
        "origin_kb": float(work["bytes"].sum()) / max(len(now), 1),
        "again_bytes": _mean(again["bytes"]),
        "again_304": _mean(again["status"] == NOT_MODIFIED),
    }


def _mean(values: pd.Series) -> float:
    return float(values.astype(float).mean()) if len(values) else float("nan")


def conclude(trials: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `trials`. doubtful: a sentence on what limits it."""
    cached = trials[~trials["direct"]] if len(trials) else trials
    found = [_saved(rows) for _, rows in cached.groupby("tier", sort=False)] if len(cached) else []
    found = [one for one in found if one.saved_bytes.value is not None and one.saved_ms.value is not None]
    if not found:
        why = f"there are no refreshes of a cache in both variants, {WITH} and {WITHOUT}."
        return not_testable(CLAIM, why, {"trials": trials})
    tables = {"trials": trials, "saved": _table(found)}
    if not bounded([value for one in found for value in (one.saved_bytes, one.saved_ms)]):
        return not_testable(CLAIM, "an interval needs three trials of each cell; raise repeats.", tables)
    asking = [one for one in found if one.asked >= NEVER]
    deciding = min(asking or found, key=lambda one: one.saved_bytes.value)
    answers = [at_least(one.saved_bytes, BYTES) for one in asking] + [at_least(one.saved_ms, TIME) for one in asking]
    answers += [False] * (2 * (len(found) - len(asking)))  # whatever differed there, no ETag has saved it
    result = ClaimResult(
        CLAIM,
        verdict_of(answers),
        sentences(_text(asking or found), _clients(trials)),
        figure_name=f"bytes saved by a refresh with ETag, {deciding.tier}",
        figure=deciding.saved_bytes,
        why=sentences(_why(found, asking), doubtful),
        numbers=_numbers(found, trials),
    )
    return Judged(result, tables)


def _saved(rows: pd.DataFrame) -> SimpleNamespace:
    """One cache: what share of a refresh's bytes and time it saves with ETags, paired by repeat."""
    tagged, plain = rows[rows["variant"] == WITH], rows[rows["variant"] == WITHOUT]

    def share(column: str) -> Estimate:
        here, there = by_repeat(tagged, column), by_repeat(plain, column)
        pairs = [(value, there.get(repeat)) for repeat, value in here.items()]
        shares = [1 - value / other if value is not None and other else None for value, other in pairs]
        return clipped(of_values(shares, "ratio"), low=float("-inf"))

    return SimpleNamespace(
        tier=rows["tier"].iloc[0],
        asked=float(tagged["asked"].mean()),
        not_modified=float(tagged["not_modified"].mean()),
        refreshes=float(tagged["refreshes"].mean()),
        saved_bytes=share("bytes_per_refresh"),
        saved_ms=share("ms_per_refresh"),
        **{f"{name}_{kind}": float(part[name].mean()) for name in ("bytes_per_refresh", "ms_per_refresh")
           for kind, part in ((WITH, tagged), (WITHOUT, plain))},
    )  # fmt: skip


def _table(found: list[SimpleNamespace]) -> pd.DataFrame:
    rows = []
    for one in found:
        row: dict[str, Any] = {name: value for name, value in vars(one).items() if not isinstance(value, Estimate)}
        for name in ("saved_bytes", "saved_ms"):
            value: Estimate = getattr(one, name)
            row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high, "trials": value.n}
        rows.append(row)
    return pd.DataFrame(rows)


def _text(found: list[SimpleNamespace]) -> str:
    """The first cache in full, the others by what they saved."""
    one = found[0]
    there, here = one.bytes_per_refresh_plain / 1000, one.bytes_per_refresh_etag / 1000
    others = [
        f"{other.tier} saved {percent(other.saved_bytes.value)} and {percent(other.saved_ms.value)}"
        for other in found[1:6]
    ]
    return (
        f"With ETags, a refresh by {one.tier} took {digits(here)} kB from the origin instead of {digits(there)} "
        f"({percent(one.saved_bytes.value)} saved) and {milliseconds(one.ms_per_refresh_etag)} of it instead of "
        f"{digits(one.ms_per_refresh_plain)} ({percent(one.saved_ms.value)})"
        f"{'; ' if others else ''}{listed(others)}."
    )


def _clients(trials: pd.DataFrame) -> str:
    """What clients save that ask by themselves, of the tier that comes first."""
    rows = trials[trials["tier"] == trials["tier"].iloc[0]]
    tagged, plain = (rows.loc[rows["variant"] == variant, "again_bytes"].mean() for variant in (WITH, WITHOUT))
    if pd.isna(tagged) or pd.isna(plain) or plain <= 0:
        return ""
    return (
        f"Clients that ask again with If-None-Match themselves received {digits(tagged / 1000)} kB instead of "
        f"{digits(plain / 1000)} an answer ({rows['tier'].iloc[0]})."
    )


def _why(found: list[SimpleNamespace], asking: list[SimpleNamespace]) -> str:
    silent = [one.tier for one in found if one not in asking]
    short = [one.tier for one in asking if at_least(one.saved_bytes, BYTES) is not True]
    slow = [one.tier for one in asking if at_least(one.saved_ms, TIME) is not True]
    return sentences(
        f"{listed(silent)} never ask{'s' if len(silent) == 1 else ''} by ETag: what has expired is fetched anew."
        if silent
        else "",
        f"Not {percent(BYTES)} of the bytes saved, with the whole interval, by {listed(short)}." if short else "",
        f"Not {percent(TIME)} of the origin’s time saved, with the whole interval, by {listed(slow)}." if slow else "",
    )


def _numbers(found: list[SimpleNamespace], trials: pd.DataFrame) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for one in found:
        for name in ("saved_bytes", "saved_ms"):
            numbers[f"{name}.{one.tier}"] = getattr(one, name).value
        for name in ("asked", "not_modified", "refreshes"):
            numbers[f"{name}.{one.tier}"] = getattr(one, name)
    for (tier, variant), rows in trials.groupby(["tier", "variant"], sort=False):
        mean = rows["again_bytes"].mean()
        numbers[f"again_bytes.{tier}.{variant}"] = None if pd.isna(mean) else float(mean)
    return numbers
