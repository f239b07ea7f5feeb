"""Page views put together from their samples, and beside them the page loads of a real browser.

A view is one visitor's page and the assets that belong to it (edgebench.views says by which names). It is loaded when
the last of what a page waits for is done: all but lazy images, as in a browser's load event.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.tables import frame, nanoseconds
from edgebench.store import TrialFolder
from edgebench.views import begun_by, continues, is_waited_for

FIRST_GOOD, FIRST_BAD = 200, 400


def page_views(samples: pd.DataFrame) -> pd.DataFrame:
    """One row per view of store.SAMPLES, in the order of their pages.

    phase: of the page's schedule. visitor (views.Visitor), page (its name), target. load_ms: from when the page was
    due, less the generator's own lag, to the last answer the page waits for; first_byte_ms: of the page, likewise; NaN
    where the view is not ok. all_ms: likewise, to the last answer of all. requests; connections (opened for them);
    bytes (bodies, on the wire). ok: each request was answered with a status below 400 (redirects and 304 are fine).
    """
    parts = _parts(samples)
    view = parts["view"]
    page = parts[parts["begins"]].set_index("view")
    by_view = parts.groupby(view, sort=True)
    waited = parts[parts["waited_for"]].groupby("view", sort=True)
    since_ns = page["scheduled_ns"] + page["send_lag_ns"]
    ok = by_view["good"].all()
    return pd.DataFrame(
        {
            "phase": page["phase"].astype("object"),
            "visitor": page["visitor"],
            "page": page["page"],
            "target": page["key"].astype("object"),
            "scheduled_ns": page["scheduled_ns"],
            "load_ms": ((waited["done_ns"].max() - since_ns) / NS_PER_MS).where(ok),
            "first_byte_ms": ((page["first_byte_ns"] - since_ns) / NS_PER_MS).where(ok),
            "all_ms": ((by_view["done_ns"].max() - since_ns) / NS_PER_MS).where(ok),
            "requests": by_view.size(),
            "connections": by_view["opened"].sum(),
            "bytes": by_view["bytes"].sum(),
            "ok": ok,
        }
    ).reset_index(drop=True)


def _parts(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples that belong to views, each with the number of its view."""
    endpoints = samples["endpoint"].astype("object").fillna("")
    begun = {name: begun_by(name) for name in endpoints.unique()}
    visitors = {name: view[0].value for name, view in begun.items() if view is not None}
    pages = {name: view[1] for name, view in begun.items() if view is not None}
    begins = endpoints.isin(list(visitors)).to_numpy(dtype=bool)
    mine = begins | endpoints.isin([name for name in begun if continues(name)]).to_numpy(dtype=bool)
    names = endpoints[mine]
    parts = samples[mine].assign(
        begins=begins[mine],
        waited_for=names.isin([name for name in begun if is_waited_for(name)]),
        visitor=names.map(visitors).fillna(""),
        page=names.map(pages).fillna(""),
    )
    status = parts["status"].to_numpy(dtype=np.int64)
    answered = parts["error"].isna().to_numpy(dtype=bool) & (status >= FIRST_GOOD) & (status < FIRST_BAD)
    parts = parts.assign(good=answered, opened=~parts["reused_connection"].to_numpy(dtype=bool))
    parts = parts.iloc[np.lexsort((nanoseconds(parts, "sent_ns"), parts["user"], parts["worker"]))]
    number = parts["begins"].cumsum()
    # What comes before a user's first page belongs to no view: its page was never sent.
    user = parts["worker"].astype(np.int64) * 2**32 + parts["user"].astype(np.int64)
    has_begun = (parts["begins"].groupby(user).cumsum() > 0).to_numpy(dtype=bool)
    parts = parts.assign(view=number)[has_begun]
    order = parts.loc[parts["begins"]].sort_values("scheduled_ns", kind="stable")["view"]
    place = pd.Series(np.arange(len(order)), index=order.to_numpy())
    numbered: pd.DataFrame = parts.assign(view=parts["view"].map(place).to_numpy())
    return numbered


def browser_loads(folder: TrialFolder) -> pd.DataFrame:
    """store.BROWSER of one trial; empty where no browser was asked for, or there is none."""
    return frame(folder.read_table("browser"))


def compared(views: pd.DataFrame, loads: pd.DataFrame) -> pd.DataFrame:
    """Emulated views beside the loads of a real browser, of the same pages (by target) and kinds of visitors.

    views: as of page_views, of the measuring phase; loads: store.BROWSER. One row per visitor and page that both have,
    with the medians: emulated_ms, browser_ms (load event), ratio = browser / emulated, emulated_requests,
    browser_requests, emulated_bytes, browser_bytes (bodies), largest_paint_ms (of the browser, NaN where it told none);
    and how many there are of each: views, loads. Loads with a problem, and those for which the browser did not ask for
    the page because its copy was fresh, are left out.
    """
    good = loads[(loads["problem"].astype("object").fillna("") == "") & loads["load_ms"].notna()]
    asked = [page in list(targets) for page, targets in zip(good["page"], good["asked"], strict=True)]
    good = good[np.array(asked, dtype=bool)]
    mine = views[views["ok"]].assign(page=lambda rows: rows["target"]).groupby(["visitor", "page"])
    theirs = good.astype({"visitor": "object", "page": "object"}).groupby(["visitor", "page"])
    sides = pd.DataFrame(
        {
            "emulated_ms": mine["load_ms"].median(),
            "browser_ms": theirs["load_ms"].median(),
            "emulated_requests": mine["requests"].median(),
            "browser_requests": theirs["requests"].median(),
            "emulated_bytes": mine["bytes"].median(),
            "browser_bytes": theirs["bytes"].median(),
            "largest_paint_ms": theirs["largest_paint_ms"].median(),
            "views": mine.size(),
            "loads": theirs.size(),
        }
    ).dropna(subset=["emulated_ms", "browser_ms"])
    sides = sides.astype({"views": np.int64, "loads": np.int64})
    sides.insert(2, "ratio", sides["browser_ms"] / sides["emulated_ms"])
    return sides.reset_index()
