"""What the claim `outage` says: its sentences and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from edgebench.analysis.results import CellResult
from edgebench.analysis.weighing import records, sentences
from edgebench.analysis.wording import digits, listed, percent
from edgebench.model import Estimate

_DISAGREES = 0.001
"""Share of a cache's words beyond which it is said that they differ from the proof."""


def explain(alone: pd.DataFrame, cached: Mapping[str, pd.DataFrame], over_all: Mapping[str, Estimate]) -> str:
    """alone, cached: rows of the table `episodes`; over_all: good answers of the cells that may serve stale ones."""
    by_word = alone.groupby("episode", sort=False)["good"].mean()
    kinds = listed([f"{word} {percent(float(share))}" for word, share in by_word.items()])
    best_first = sorted(over_all, key=lambda cell: -(over_all[cell].value or 0.0))
    stale = listed([f"{_tier(cached[cell])} {percent(over_all[cell].value or 0.0)}" for cell in best_first])
    plain = [rows for cell, rows in cached.items() if cell not in over_all]
    without = listed([f"{_tier(rows)} {percent(_all(rows))}" for rows in plain])
    return sentences(
        f"While its origin failed, Flask alone gave good answers to {percent(_all(alone))} of the requests ({kinds}).",
        f"Behind a cache with leave to serve stale answers it was: {stale}"
        + (f"; without it: {without}." if without else "."),
        _age_and_return(pd.concat([cached[cell] for cell in over_all])),
    )


def _tier(rows: pd.DataFrame) -> str:
    return str(rows["tier"].iloc[0])


def _all(rows: pd.DataFrame) -> float:
    return float(rows["good_count"].sum() / max(rows["requests"].sum(), 1))


def _age_and_return(stale: pd.DataFrame) -> str:
    oldest = records(stale.sort_values("staleness_s").tail(1))[0]
    parts = []
    if oldest.staleness_s > 0:
        parts.append(f"answers were up to {digits(oldest.staleness_s)} s past their TTL ({oldest.tier})")
    back = stale["recovered_s"]
    if back.notna().all():
        within = "at once" if back.max() < 0.05 else f"within {back.max():.1f} s"
        parts.append(f"after each failure all was well again {within}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def failing(
    limit: float,
    stale: Mapping[str, pd.DataFrame],
    good: Mapping[str, Mapping[str, Estimate]],
    hidden: Mapping[tuple[str, str], bool | None],
) -> str:
    """Which cache was not shown to hide what, and how much of it no cache can hide."""
    parts = []
    for cell, rows in stale.items():
        words = [word for (of, word), answer in hidden.items() if of == cell and answer is not True]
        shares = [f"{word} {percent(good[cell][word].value or 0)}" for word in words]
        if shares:
            parts.append(f"{_tier(rows)} ({listed(shares)}{_unknown(rows[rows['episode'].isin(words)])})")
    return f"Not shown to give {percent(limit)} good answers: {listed(parts)}." if parts else ""


def _unknown(rows: pd.DataFrame) -> str:
    failures = rows["requests"] - rows["good_count"]
    share = float((rows["unknown"].fillna(0) * failures).sum() / max(failures.sum(), 1))
    return f"; {percent(share)} of what failed had never been answered before" if share >= 0.05 else ""


def own_words(cells: Sequence[CellResult]) -> str:
    """Caches whose headers or log say something else than the proof: the figures are those of the proof."""
    names = []
    for cell in cells:
        wrong = sum(sum(trial.contradicted.values()) + sum(trial.log_unmatched.values()) for trial in cell.trials)
        compared = sum(sum(trial.compared.values()) for trial in cell.trials)
        if compared and wrong > _DISAGREES * compared:
            names.append(f"{cell.summary.series} ({percent(wrong / compared)} of its words)")
    if not names:
        return ""
    return (
        f"While the origin fails, what {listed(names)} says of itself in headers or log is not always what the "
        "origin's ledger proves; all figures here are from the ledger and the answers themselves."
    )


def numbers_of(episodes: pd.DataFrame) -> dict[str, float | None]:
    """Means over the trials, per cell and episode."""
    numbers: dict[str, float | None] = {}
    for (cell, word), rows in episodes.groupby(["cell", "episode"], sort=False):
        for name in ("good", "stale", "staleness_s", "recovered_s"):
            known = rows[name].notna().all()
            numbers[f"{name}.{word}.{cell}"] = float(rows[name].mean()) if known else None
    return numbers
