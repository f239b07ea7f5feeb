"""Which release of the app each part of a page view is from, by the two witnesses. Pure.

Each gunicorn worker process has a number of its own in the ledger, and a release is served by workers of its own. So
the origin's row whose stamp a sample carries says which release made a page. A static file is of a release by what is
in it, its version (ETag), and only where it has changed: both releases have sent something under its name, in its
content coding, and that version was not among what the other has sent. Anything else fits either: what a cache holds
under a hashed name for a year, the new release is never asked for. So a view that is mixed is proved to be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.tables import NS_PER_S, Ints, nanoseconds
from edgebench.model import TrialRecord
from edgebench.views import begun_by, continues

UNKNOWN = 0
"""Release of what carries no stamp, and of what has not been shown to differ."""
OLD, NEW = 1, 2
_GOOD = (200, 304)


def release_of_rows(ledger: pd.DataFrame, record: TrialRecord) -> Ints:
    """Per row of the ledger, OLD or NEW: the release of the worker that produced it. A worker that has begun a response
    before the deployment is of the old release, and every other of the new one."""
    start_ns = record.measure_start_ns + record.events["deploy_start_s"] * NS_PER_S
    began = nanoseconds(ledger, "start_ns")
    before = set(ledger["worker"].to_numpy()[began < start_ns].tolist())
    return np.where(ledger["worker"].isin(before).to_numpy(dtype=bool), OLD, NEW).astype(np.int64)


def _of_changed(ledger: pd.DataFrame, of_row: Ints) -> Ints:
    """Per row, the release whose content it is: OLD, NEW, or UNKNOWN where it is not proved to have changed."""
    texts = {name: ledger[name].astype("object").fillna("").to_numpy() for name in ("key", "version", "encoding")}
    whole = ledger["status"].to_numpy(dtype=np.int64) == 200
    coding = {  # a 304 does not say in which coding the body is that it confirms
        (key, version): encoding
        for key, version, encoding in zip(*(text[whole] for text in texts.values()), strict=True)
    }
    names = list(zip(texts["key"], texts["version"], strict=True))
    kinds = [(key, coding.get((key, version), "")) for key, version in names]
    sent: dict[int, dict[tuple[str, str], set[str]]] = {OLD: {}, NEW: {}}
    for kind, version, release in zip(kinds, texts["version"], of_row.tolist(), strict=True):
        sent[release].setdefault(kind, set()).add(version)

    def changed(kind: tuple[str, str], version: str, release: int) -> bool:
        others = sent[NEW if release == OLD else OLD].get(kind, set())
        return bool(others) and version not in others and version != ""

    return np.array(
        [
            release if changed(kind, version, release) else UNKNOWN
            for kind, version, release in zip(kinds, texts["version"], of_row.tolist(), strict=True)
        ],
        dtype=np.int64,
    )


def release_of_samples(samples: pd.DataFrame, ledger: pd.DataFrame, record: TrialRecord) -> Ints:
    """Per sample, the release its content is from: of pages by their row, of everything else by its version."""
    if ledger.empty:
        return np.full(len(samples), UNKNOWN, dtype=np.int64)
    of_row = release_of_rows(ledger, record)
    of_content = _of_changed(ledger, of_row)
    place = pd.Series(np.arange(len(ledger)), index=ledger["seq"].to_numpy(dtype=np.int64))
    row = samples["origin_seq"].astype("Int64").map(place).astype("Float64").to_numpy(dtype=float, na_value=-1.0)
    row_at = np.maximum(row, 0).astype(np.int64)
    endpoints = samples["endpoint"].astype("object").fillna("")
    is_page = endpoints.isin([name for name in endpoints.unique() if begun_by(name) is not None]).to_numpy(dtype=bool)
    release = np.where(is_page, of_row[row_at], of_content[row_at])
    return np.where(row >= 0, release, UNKNOWN).astype(np.int64)


def views_by_release(samples: pd.DataFrame, ledger: pd.DataFrame, record: TrialRecord) -> pd.DataFrame:
    """One row per page view of the measuring phase that came whole, ordered by at_s (of its page's sending, in seconds
    since the measurement began): visitor; page (its release: OLD or NEW); old_files and new_files (how many of its
    files are of that release and not of the other); mixed (a file is of the release that the page is not of)."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("at_s", "visitor", "page", "old_files", "new_files", "mixed")
    }
    parts = samples.assign(release=release_of_samples(samples, ledger, record))
    endpoints = parts["endpoint"].astype("object").fillna("")
    begins = endpoints.map({name: begun_by(name) for name in endpoints.unique()})
    mine = endpoints.map({name: begun_by(name) is not None or continues(name) for name in endpoints.unique()})
    parts = parts.assign(begins=begins)[mine.to_numpy(dtype=bool)]
    parts = parts.iloc[np.lexsort((nanoseconds(parts, "sent_ns"), parts["user"], parts["worker"]))]
    number = parts["begins"].notna().groupby([parts["worker"], parts["user"]], observed=True).cumsum()
    for (_, _, count), view in parts.groupby([parts["worker"], parts["user"], number], observed=True, sort=False):
        page = view.iloc[0]
        whole = view["status"].isin(_GOOD).all() and view["error"].isna().all()
        if count == 0 or not whole or page["phase"] != "measure" or page["release"] == UNKNOWN:
            continue
        old, new = (int((view["release"].iloc[1:] == release).sum()) for release in (OLD, NEW))
        columns["at_s"].append((int(page["sent_ns"]) - record.measure_start_ns) / NS_PER_S)
        columns["visitor"].append(page["begins"][0].value)
        columns["page"].append(int(page["release"]))
        columns["old_files"].append(old)
        columns["new_files"].append(new)
        columns["mixed"].append((new if page["release"] == OLD else old) > 0)
    return pd.DataFrame(columns).sort_values("at_s", ignore_index=True)
