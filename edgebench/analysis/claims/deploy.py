"""`Versioned static URLs bust the cache`: what visitors get while a new release of the app goes live.

Which release a page and its files are of is proved by the ledger (analysis.releases). A page view is mixed where a file
is not of its page's release, and old where its page is of the old release though the deployment is over. A deployment
is over when no process of the old release is left. The window is the TTL of static files from then on, up to a purge.

Variants, by name: HASHED (names change with the content), PLAIN (they do not), PURGED (plain, and the cache is told to
forget everything some time after the deployment; until then it serves for PLAIN where that was not measured).

For each cache, hashed names are held against plain ones:
- yes: no view of any trial was mixed with hashed names; with plain names the interval of the share of mixed views in
  the window lies above SHOWN; and with hashed names the hit ratio came back to within RECOVERED of what it was before
- no: views were mixed with hashed names, in a share that is not shown to be smaller than with plain ones
- neither: anything else
All yes: holds; all no: does not hold here; else partly. Not testable: no cache whose deployments went through with both
kinds of names, or fewer than LEAST_VIEWS page views after one.

The figure that decides is the share of mixed views in the window, plain less hashed names, paired by repeat, of the
cache where it is least.

Table `trials`, a row per trial: the columns of weighing.place_of and views_after (page views that began after the
deployment did), mixed_after (of those, mixed), views (in the window), mixed, old_page, old_file (shares of those),
mixed_until_s, old_until_s (when the last mixed view and the last with anything old began, since the end of the
deployment; 0: none did), deploy_s (its length), purged_at_s, purge_ms, after_purge_s (as old_until_s, since the purge;
0: none), hit_before, hit_lowest, hit_after (hit ratio of static files: before the deployment, its lowest second after,
the last third after), errors (failed requests while it went on and a second after).
Table `bins`, a row per trial and half second: its place, at_s (middle), mixed, old (shares of views; old
from the end of the deployment on), hit (ratio, static files).
Facts: `shades` by series (per trial start_s, end_s), `window_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.deployed import in_bins, of_requests, of_views, was_in_time, window_s
from edgebench.analysis.estimates import of_values
from edgebench.analysis.releases import views_by_release
from edgebench.analysis.results import CellResult, Judged, TrialResult
from edgebench.analysis.tables import frame
from edgebench.analysis.weighing import (
    by_repeat,
    caveats,
    clipped,
    estimate_of,
    frame_of,
    not_testable,
    place_of,
    sentences,
    verdict_of,
)
from edgebench.analysis.wording import count, digits, listed, percent
from edgebench.model import ClaimResult, Estimate
from edgebench.store import RunFolder

CLAIM = CLAIMED["deploy"]
HASHED, PLAIN, PURGED = "hashed", "plain", "plain-purge"
SHOWN = 0.01
"""Share of mixed views in the window that plain names must be shown to exceed."""
RECOVERED = 0.02
"""So far below what it was, the hit ratio counts as back."""
LEAST_VIEWS = 30
"""After the deployment, over all trials of a cell: fewer say nothing of what visitors get."""


def judge(evidence: Evidence) -> Judged:
    cells = [cell for cell in evidence.of() if cell.summary.variant in (HASHED, PLAIN, PURGED)]
    found: list[pd.DataFrame] = []
    lost: list[str] = []
    shades: dict[str, list[list[tuple[float, float]]]] = {}

    def figures(cell: CellResult, trial: TrialResult) -> Mapping[str, Any] | None:
        events = trial.record.events
        if not was_in_time(trial) or not trial.ledger_rows:
            lost.append(trial.record.trial.id)
            return None
        views = views_by_release(trial.samples, _ledger(evidence.folder, trial), trial.record)
        found.append(in_bins(views, trial).assign(**place_of(cell, trial)))
        shades.setdefault(cell.summary.series, []).append([(events["deploy_start_s"], events["deploy_end_s"])])
        return {**of_views(views, trial), **of_requests(trial)}

    trials = frame_of(cells, figures)
    bins = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    lengths_s = [window_s(trial) for cell in cells for trial in cell.trials]
    facts = {"shades": shades, "window_s": max(lengths_s, default=0.0)}
    late = f"In {listed(lost)} the deployment was not over when the measurement ended." if lost else ""
    return conclude(trials, bins, facts, sentences(late, caveats(evidence, cells)))


def _ledger(folder: RunFolder, trial: TrialResult) -> pd.DataFrame:
    return frame(folder.trial(trial.record.trial).read_table("ledger"))


def conclude(trials: pd.DataFrame, bins: pd.DataFrame, facts: Mapping[str, Any], limits: str = "") -> Judged:
    """The verdict from the tables. limits: a sentence on what weakens it."""
    tables = {"trials": trials, "bins": bins}
    caches = _caches(trials)
    if not caches:
        why = (
            "no cache was measured with a deployment that went through, both with names that change with the content "
            f"and with names that do not, and {LEAST_VIEWS} page views after it."
        )
        return replace(not_testable(CLAIM, why, tables, limits), facts=facts)
    gains = {tier: _gain(plain(trials, tier), of(trials, tier, HASHED)) for tier in caches}
    answers = {tier: _answer(trials, tier, gains[tier]) for tier in caches}
    verdict = verdict_of(answers.values())
    worst = min(caches, key=lambda tier: gains[tier].value or 0.0)
    window_s = float(facts.get("window_s", 0.0))
    result = ClaimResult(
        CLAIM,
        verdict,
        sentences(_hashed(trials, caches), _plain(trials, caches, window_s), _purged(trials, caches)),
        figure_name=f"page views of two releases at once in the {window_s:g} s after a deployment, plain less hashed "
        f"names, {worst}",
        figure=gains[worst],
        why=sentences(_why(trials, answers, gains), limits),
        numbers=_numbers(trials, caches),
    )
    return Judged(result, tables, dict(facts))


def of(trials: pd.DataFrame, tier: str, variant: str) -> pd.DataFrame:
    """The trials of one cell."""
    return trials[(trials["tier"] == tier) & (trials["variant"] == variant)]


def plain(trials: pd.DataFrame, tier: str) -> pd.DataFrame:
    """The trials of one cache that show what plain names do."""
    rows = of(trials, tier, PLAIN)
    return rows if len(rows) else of(trials, tier, PURGED)


def _caches(trials: pd.DataFrame) -> list[str]:
    """Those with enough of both kinds of names. Without a cache, names are not told apart: plain ones are not tried."""
    if trials.empty:
        return []
    return [
        tier
        for tier in dict.fromkeys(trials["tier"])
        if all(rows["views_after"].sum() >= LEAST_VIEWS for rows in (of(trials, tier, HASHED), plain(trials, tier)))
    ]


def _gain(named_plain: pd.DataFrame, hashed: pd.DataFrame) -> Estimate:
    """Share of mixed views in the window, plain less hashed names, paired by repeat."""
    there, here = by_repeat(hashed, "mixed"), by_repeat(named_plain, "mixed")
    pairs = [(here[repeat], there[repeat]) for repeat in here if repeat in there]
    shares = [one - other for one, other in pairs if one is not None and other is not None]
    return clipped(of_values(shares, "ratio"), -1.0, 1.0)


def _answer(trials: pd.DataFrame, tier: str, gain: Estimate) -> bool | None:
    hashed = of(trials, tier, HASHED)
    shown = gain.low is not None and gain.low > SHOWN
    if hashed["mixed_after"].sum():
        return None if shown else False
    return True if shown and _lost(hashed) <= RECOVERED else None


def _lost(hashed: pd.DataFrame) -> float:
    """How far below what it was the hit ratio stayed, mean of the trials."""
    return float((hashed["hit_before"] - hashed["hit_after"]).mean())


def _hashed(trials: pd.DataFrame, caches: list[str]) -> str:
    rows = trials[trials["tier"].isin(caches) & (trials["variant"] == HASHED)]
    views, mixed = rows["views_after"].sum(), rows["mixed_after"].sum()
    some = f"{mixed:,.0f} of {count(views, 'page view')}" if mixed else f"none of {count(views, 'page view')}"
    before, lowest, after = (
        percent(min(_mean(of(trials, tier, HASHED), name) for tier in caches))
        for name in ("hit_before", "hit_lowest", "hit_after")
    )
    return (
        f"With hashed names {some} after a deployment through {listed(caches)} mixed two releases; the hit ratio of "
        f"static files went from {before} to {lowest} in the worst second, and came back to {after}."
    )


def _plain(trials: pd.DataFrame, caches: list[str], window_s: float) -> str:
    parts = []
    for tier in caches:
        rows = plain(trials, tier)
        share = clipped(estimate_of(rows, "mixed", "ratio"))
        limits = "" if share.low is None else f" ({100 * share.low:.0f}–{100 * (share.high or 0):.0f})"
        until = digits(float(rows["old_until_s"].max()))
        parts.append(f"{percent(share.value or 0.0)}{limits} through {tier}, for up to {until} s")
    when = "before a purge" if trials[trials["variant"] == PLAIN].empty else f"in the {window_s:g} s of their TTL"
    return f"With plain names it was, {when}, {listed(parts)}."


def _purged(trials: pd.DataFrame, caches: list[str]) -> str:
    done, cannot = [], []
    for tier in caches:
        rows = of(trials, tier, PURGED)
        if rows.empty:
            continue
        if rows["purge_ms"].isna().all():
            cannot.append(tier)
            continue
        late = float(rows["after_purge_s"].max())
        after = "" if late == 0 else f", the last of them {digits(late)} s later"
        done.append(f"{digits(_mean(rows, 'purge_ms'))} ms through {tier}{after}")
    says = f"A purge ended that in {listed(done)}." if done else ""
    return sentences(says, f"{listed(cannot)} cannot forget everything at once." if cannot else "")


def _why(trials: pd.DataFrame, answers: Mapping[str, bool | None], gains: Mapping[str, Estimate]) -> str:
    parts = []
    for tier, answer in answers.items():
        hashed = of(trials, tier, HASHED)
        if answer is True:
            continue
        if hashed["mixed_after"].sum():
            parts.append(f"through {tier} pages were mixed in spite of hashed names")
        elif gains[tier].low is None:
            parts.append(f"{tier} has too few trials for an interval")
        elif (gains[tier].low or 0.0) <= SHOWN:
            parts.append(f"through {tier} plain names were not shown to mix more than {percent(SHOWN)} of the views")
        else:
            parts.append(f"{tier}'s hit ratio stayed {100 * _lost(hashed):.1f} points below what it was")
    said = f"{'; '.join(parts)}." if parts else ""
    return said[:1].upper() + said[1:]


def _mean(rows: pd.DataFrame, column: str) -> float:
    return float(rows[column].mean())


def _numbers(trials: pd.DataFrame, caches: list[str]) -> dict[str, float | None]:
    """By cache and variant, means of the trials; counts are sums, times the longest."""
    numbers: dict[str, float | None] = {}
    for tier in caches:
        for variant in (HASHED, PLAIN, PURGED):
            rows = of(trials, tier, variant)
            if rows.empty:
                continue
            share = estimate_of(rows, "mixed", "ratio")
            at = f"{tier}.{variant}"
            numbers |= {
                f"{at}.views_after": float(rows["views_after"].sum()),
                f"{at}.mixed_after": float(rows["mixed_after"].sum()),
                f"{at}.mixed_share": share.value, f"{at}.mixed_low": share.low, f"{at}.mixed_high": share.high,
                f"{at}.old_until_s": float(rows["old_until_s"].max()),
                f"{at}.mixed_until_s": float(rows["mixed_until_s"].max()),
                f"{at}.purge_ms": None if rows["purge_ms"].isna().all() else _mean(rows, "purge_ms"),
                f"{at}.deploy_s": _mean(rows, "deploy_s"),
                f"{at}.errors": float(rows["errors"].sum()),
            }  # fmt: skip
    return numbers
