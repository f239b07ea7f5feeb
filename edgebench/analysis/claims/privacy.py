"""`Never cache the sensitive`: who got answers that were made for somebody else.

An answer is private where the origin produced it for a principal and no shared cache may reuse it; what counts is in
analysis.leaks. A variant is *said* where the app sends private, no-store (or the like) with it: there the answers carry
no lifetime. In the variant FORGETS the app gives them a lifetime and does not say private; RFC 9111, section 3.5 still
forbids a shared cache to store the answer to a request with Authorization.

Counts, so no interval decides: one answer given away is one too many.
- holds: no cache gave anything away, in any variant
- holds partly: none did where the app says private, some did where it forgets
- does not hold here: one gave away what was marked private
- not testable here: no cache, or no private answer, was measured

Table `cells`, a row per cell: tier, kind, profile, variant, leaks, checked, stored (to those they were made for), share
(of the private answers that were somebody else's, mean of the trials), low, high, trials, example.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd

from edgebench.analysis.claimed import CLAIMED
from edgebench.analysis.claims import Evidence
from edgebench.analysis.evidence import together
from edgebench.analysis.results import CellResult, Judged
from edgebench.analysis.weighing import caveats, clipped, estimate_of, frame_of, not_testable, records, sentences
from edgebench.analysis.wording import count, listed, percent
from edgebench.model import ClaimResult, ClaimVerdict, Estimate, Profile

CLAIM = CLAIMED["privacy"]
FORGETS = "forgets"
"""Name of the variant in which the app forgets to say private."""


def judge(evidence: Evidence) -> Judged:
    """Leaks in every cell, both phases: what is given away in the warm-up is given away all the same."""
    cached = evidence.of(direct=False)
    cells = pd.DataFrame([row for cell in cached if (row := _row(evidence, cell)) is not None])
    doubtful = "" if not evidence.run.left_out else caveats(evidence, [])
    return conclude(cells, doubtful)


def _row(evidence: Evidence, cell: CellResult) -> dict[str, object] | None:
    """One cell as a row; None where nothing was checked."""
    leak = together(trial.correctness.leak for trial in cell.trials)
    stored = together(trial.correctness.stored_private for trial in cell.trials)
    if leak is None or not leak.checked:
        return None
    shares = frame_of(
        [cell],
        lambda _, trial: (
            {"share": trial.correctness.leak.count / trial.correctness.leak.checked}
            if trial.correctness.leak is not None and trial.correctness.leak.checked
            else None
        ),
    )
    share = clipped(estimate_of(shares, "share", "ratio"))
    specs = {spec.name: spec for spec in evidence.run.scenario.tiers}
    spec = specs.get(cell.summary.tier)
    return {
        "tier": cell.summary.tier,
        "kind": spec.kind if spec else cell.summary.tier,
        "profile": (spec.profile if spec else Profile.STRICT).value,
        "variant": cell.summary.variant,
        "leaks": leak.count,
        "checked": leak.checked,
        "stored": stored.count if stored else 0,
        "share": share.value,
        "low": math.nan if share.low is None else share.low,
        "high": math.nan if share.high is None else share.high,
        "trials": len(cell.trials),
        "example": leak.examples[0].what if leak.examples else "",
    }


def conclude(cells: pd.DataFrame, doubtful: str = "") -> Judged:
    """The verdict from the table `cells`. doubtful: a sentence on what limits it."""
    if cells.empty:
        return not_testable(CLAIM, "no cache answered a request for private data.")
    forgets = cells[cells["variant"].isin([FORGETS, ""])]
    said = cells[~cells["variant"].isin([FORGETS, ""])]
    marked_away, away = said[said["leaks"] > 0], forgets[forgets["leaks"] > 0]
    verdict, worst = ClaimVerdict.HOLDS, cells
    if len(away):
        verdict, worst = ClaimVerdict.PARTLY, away
    if len(marked_away):
        verdict, worst = ClaimVerdict.NOT_HERE, marked_away
    deciding = records(worst.sort_values("share", ascending=False).head(1))[0]
    result = ClaimResult(
        CLAIM,
        verdict,
        sentences(_forgetful(forgets), _marked(said)),
        figure_name=f"private answers that somebody else received, {_name(deciding)}",
        figure=_estimate(deciding),
        why=_why(verdict, away, doubtful),
        numbers={
            "leaks": float(cells["leaks"].sum()),
            "private_answers": float(cells["checked"].sum()),
            "caches_that_leak": float(len(away)),
            "caches_that_leak_marked": float(len(marked_away)),
            **{f"leaks.{row.tier}.{row.variant}": float(row.leaks) for row in records(cells)},
        },
    )
    return Judged(result, {"cells": cells})


def _estimate(row: SimpleNamespace) -> Estimate:
    low, high = (None if math.isnan(value) else float(value) for value in (row.low, row.high))
    return Estimate(float(row.share), low, high, int(row.trials), "ratio")


def _name(row: SimpleNamespace) -> str:
    words = {FORGETS: ", where the app forgets", "": ""}.get(row.variant, f", where the app says {row.variant}")
    return f"{row.tier}{words}"


def _forgetful(rows: pd.DataFrame) -> str:
    """What happens where the app forgets, caches as shipped first."""
    parts = []
    shipped = rows["profile"] == Profile.DEFAULT.value
    for mine, words in ((rows[shipped], "as shipped"), (rows[~shipped], "as edgebench sets them up")):
        if len(mine):
            parts.append(f"{words}, {_gave_away(mine)}")
    return f"When the app forgets to say private: {'; '.join(parts)}." if parts else ""


def _gave_away(rows: pd.DataFrame) -> str:
    away = rows[rows["leaks"] > 0]
    if away.empty:
        return f"none of {count(len(rows), 'cache')} gave an answer to somebody else"
    names = [f"{row.kind} ({row.leaks:,} of {row.checked:,} answers, {percent(row.share)})" for row in records(away)]
    return f"{len(away)} of {count(len(rows), 'cache')} gave answers to somebody else: {listed(names)}"


def _marked(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    checked = count(int(rows["checked"].sum()), "private answer")
    if not rows["leaks"].sum():
        return f"When it says it, none of {checked} through {count(len(rows), 'set-up')} reached anybody else."
    return f"Even when it says it, {_gave_away(rows)}."


def _why(verdict: ClaimVerdict, away: pd.DataFrame, doubtful: str) -> str:
    if verdict is ClaimVerdict.PARTLY:
        return sentences(
            f"{listed(sorted(set(away['tier'])))} kept answers to requests with Authorization that only had a "
            "max-age, which RFC 9111 (3.5) forbids: there the app's private or no-store is the only guard.",
            doubtful,
        )
    if verdict is ClaimVerdict.NOT_HERE:
        return sentences("A cache that shares answers marked private cannot be used with them.", doubtful)
    return doubtful
