"""`Works while the origin is down`: good answers, stale ones and recovery while the origin fails as planned.

A good answer came within IN_TIME_MS of when its request was due, and was no error. An episode is one planned failure,
or a row of short ones with the same kind and pauses of PAUSE_S at most, called flapping. Of each trial and episode:
- good: share of the requests due in it that got a good answer
- stale, staleness_s: share of its good answers served past their TTL, and the longest time past it
- unknown: share of the requests without a good answer that were for what nobody had got a good answer for before
- recovered_s: from its end to the last failure of the last RUN successive requests of which more than one in a hundred
  failed, before the next episode begins; 0 where there was none, NaN where it was not over by then

Verdict, by intervals over the trials: a cache that may serve stale answers (profile resilient) *hides* an episode if
the whole interval of `good` is at or above GOOD. It holds if every such cache hides every episode; partly if some do;
it does not hold here if none does. An episode that Flask alone is not shown to stay below GOOD in counts for nothing.
Not testable without cells with and without a cache, or below three trials.

Tables: `episodes` (a row per trial and episode) and `timeline` (a row per trial and bin: at_s, good, staleness_s,
p99_ms).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.binned import edges_s, last_trouble, middles, percentile_by_bin, share_by_bin
from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.outage_words import explain, failing, numbers_of, own_words
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import NS_PER_S, nanoseconds
from edgebench.analysis.weighing import (
    at_least,
    bounded,
    caveats,
    clipped,
    estimate_of,
    not_testable,
    place_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import percent
from edgebench.model import ClaimResult, Estimate, Fault, FaultKind, Outcome, Profile, TrialRecord, TrustStatus

CLAIM = CLAIMED["outage"]
IN_TIME_MS = 1000.0
GOOD = 0.90
"""What nobody has asked for before no cache can answer, and some of that is in every episode."""
RUN = 100
PAUSE_S = 1.0
FLAPPING = "flapping"
_WORDS: Mapping[FaultKind, str] = {FaultKind.HANG: "hanging", FaultKind.HALF: "half answers", FaultKind.RESET: "resets"}
_BIN_S = 0.25
_LEAST = 15
"""Requests a bin needs: a chart's line, not a claim."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One failure, in seconds since the measurement began."""

    word: str
    start_s: float
    end_s: float


def episodes_of(faults: Sequence[Fault]) -> list[Episode]:
    """The failures of a trial as a reader would count them."""
    groups: list[list[Fault]] = []
    for fault in sorted(faults, key=lambda each: each.start_s):
        last = groups[-1][-1] if groups else None
        if last is not None and last.kind is fault.kind and fault.start_s - last.end_s <= PAUSE_S:
            groups[-1].append(fault)
        else:
            groups.append([fault])
    return [
        Episode(
            FLAPPING if len(group) > 1 else _WORDS.get(group[0].kind, group[0].kind.value),
            group[0].start_s,
            group[-1].end_s,
        )
        for group in groups
    ]


def judge(evidence: Evidence) -> Judged:
    """Measure every cell whose origin failed as planned, and judge those that are not INVALID."""
    cells = [cell for cell in evidence.of() if cell.trials[0].record.faults]
    if not cells:
        return not_testable(CLAIM, "in no trial did the origin fail as planned.")
    episodes, timeline = _tables(cells)
    direct = {cell.summary.id for cell in evidence.of(direct=True)}
    wrong = {cell.summary.id for cell in cells if cell.summary.trust is TrustStatus.INVALID}
    doubtful = sentences(own_words(cells), caveats(evidence, cells))
    judged = conclude(episodes[~episodes["cell"].isin(wrong)], direct, doubtful)
    result = replace(judged.result, numbers=numbers_of(episodes))
    shades = {
        cell.summary.id: [[(e.start_s, e.end_s, e.word) for e in episodes_of(t.record.faults)] for t in cell.trials]
        for cell in cells
    }
    facts = {"direct": direct, "shades": shades, "kinds": {s.name: s.kind for s in evidence.run.scenario.tiers}}
    return Judged(result, {"episodes": episodes, "timeline": timeline}, facts)


def _tables(cells: Sequence[CellResult]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows: list[dict[str, Any]] = []
    lines: list[pd.DataFrame] = []
    for cell in cells:
        for trial in cell.trials:
            answers = answers_of(trial.record, trial.samples)
            place = place_of(cell, trial) | {"may_be_stale": _may_be_stale(trial)}
            found = episodes_of(trial.record.faults)
            rows += [{**place, **each} for each in episode_rows(answers, found, trial.record)]
            lines.append(_timeline(answers, trial.record.trial.cell.load.measure_s).assign(**place))
    return pd.DataFrame(rows), pd.concat(lines, ignore_index=True)


def _may_be_stale(trial: TrialResult) -> bool:
    return trial.record.tier.kind != "direct" and trial.record.trial.cell.tier.profile is Profile.RESILIENT


def answers_of(record: TrialRecord, samples: pd.DataFrame) -> pd.DataFrame:
    """A row per request, by when it was due: due_s, key, good, latency_ms, staleness_s (NaN: not from store)."""
    ordered = samples.sort_values("scheduled_ns", kind="stable")
    latency_ms = nanoseconds(ordered, "latency_ns") / NS_PER_MS
    good = (ordered["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool) & (latency_ms <= IN_TIME_MS)
    return pd.DataFrame(
        {
            "due_s": (nanoseconds(ordered, "scheduled_ns") - record.measure_start_ns) / NS_PER_S,
            "key": ordered["key"].to_numpy(),
            "good": good,
            "latency_ms": latency_ms,
            "staleness_s": ordered["staleness_s"].to_numpy(dtype=float),
        }
    )


def episode_rows(answers: pd.DataFrame, episodes: Sequence[Episode], record: TrialRecord) -> list[dict[str, Any]]:
    """The figures of each episode, as the module's docstring has them."""
    due_s, good = answers["due_s"].to_numpy(), answers["good"].to_numpy()
    first_good_s = answers[good].groupby("key", sort=False)["due_s"].min()
    known_since_s = answers["key"].map(first_good_s).fillna(np.inf).to_numpy(dtype=float)
    staleness_s = np.nan_to_num(answers["staleness_s"].to_numpy())
    rows = []
    for place, episode in enumerate(episodes):
        until_s = episodes[place + 1].start_s if place + 1 < len(episodes) else record.trial.cell.load.measure_s
        inside = (due_s >= episode.start_s) & (due_s < episode.end_s)
        after = (due_s >= episode.end_s) & (due_s < until_s)
        failed = inside & ~good
        stale = inside & good & (staleness_s > 0)
        last_s = last_trouble(due_s[after], ~good[after], RUN, RUN // 100)
        rows.append(
            {
                "episode": episode.word,
                "start_s": episode.start_s,
                "end_s": episode.end_s,
                "requests": int(inside.sum()),
                "good_count": int((inside & good).sum()),
                "good": _share(good[inside]),
                "stale": _share(staleness_s[inside & good] > 0),
                "staleness_s": float(staleness_s[stale].max(initial=0.0)),
                "unknown": _share(known_since_s[failed] >= due_s[failed]),
                "recovered_s": float("nan") if last_s == np.inf else max(last_s - episode.end_s, 0.0),
            }
        )
    return rows


def _share(values: Any) -> float:
    """NaN of none."""
    return float(np.mean(values)) if len(values) else float("nan")


def _timeline(answers: pd.DataFrame, end_s: float) -> pd.DataFrame:
    edges = edges_s(0.0, end_s, _BIN_S)
    due_s, good = answers["due_s"].to_numpy(), answers["good"].to_numpy()
    stale_s = answers["staleness_s"].to_numpy()
    stored = good & np.isfinite(stale_s)
    return pd.DataFrame(
        {
            "at_s": middles(edges),
            "good": share_by_bin(due_s, good, edges, _LEAST),
            "staleness_s": percentile_by_bin(due_s[stored], stale_s[stored], edges, 1.0),
            "p99_ms": percentile_by_bin(due_s, answers["latency_ms"].to_numpy(), edges, 0.99, _LEAST),
        }
    )


def all_episodes(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per trial: the share of good answers over all episodes, by requests."""
    sums = rows.groupby("repeat", as_index=False)[["requests", "good_count"]].sum()
    return sums.assign(good=sums["good_count"] / sums["requests"].clip(lower=1))


def good_in(rows: pd.DataFrame) -> dict[str, Estimate]:
    """Of one cell: the share of good answers in each episode, by its word, in their order."""
    return {
        str(word): clipped(estimate_of(mine, "good", "ratio")) for word, mine in rows.groupby("episode", sort=False)
    }


def conclude(episodes: pd.DataFrame, direct: set[str], doubtful: str = "") -> Judged:
    """The verdict from the table `episodes`. direct: ids of cells without a cache. doubtful: what limits it."""
    alone = episodes[episodes["cell"].isin(direct)]
    cached = {str(cell): rows for cell, rows in episodes[~episodes["cell"].isin(direct)].groupby("cell", sort=False)}
    stale = {cell: rows for cell, rows in cached.items() if rows["may_be_stale"].all()}
    if alone.empty or not stale:
        why = "it takes trials without a cache, and with one that may serve stale answers, that are not INVALID."
        return not_testable(CLAIM, why, doubtful=doubtful)
    by_itself = good_in(alone)
    good = {cell: good_in(rows) for cell, rows in stale.items()}
    if not bounded([*by_itself.values(), *(value for each in good.values() for value in each.values())]):
        return not_testable(CLAIM, "intervals need three trials of each cell.", doubtful=doubtful)
    felt = [word for word, value in by_itself.items() if at_least(value, GOOD) is False]
    if not felt:
        why = (
            f"Flask alone gave good answers to {percent(GOOD)} or more while its origin failed. Let it fail for longer."
        )
        return not_testable(CLAIM, why)
    hidden = {(cell, word): at_least(good[cell][word], GOOD) for cell in stale for word in felt if word in good[cell]}
    over_all = {cell: clipped(estimate_of(all_episodes(rows), "good", "ratio")) for cell, rows in stale.items()}
    best = max(stale, key=lambda cell: over_all[cell].value or 0.0)
    result = ClaimResult(
        CLAIM,
        verdict_of(hidden.values()),
        explain(alone, cached, over_all),
        figure_name=f"good answers while the origin failed, {stale[best]['series'].iloc[0]}"
        + (" (the best)" if len(stale) > 1 else ""),
        figure=over_all[best],
        why=sentences(failing(GOOD, stale, good, hidden), doubtful),
    )
    return Judged(result)
