"""Tiers of several caches: which edge a request went to, and what of the log is the edges'."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.tables import Bools, Ints
from edgebench.model import Outcome

SHIELD = "shield"
_EDGE = r"^edge(\d+)$"


def edge_of(samples: pd.DataFrame, edges: int) -> Ints:
    """The edge each sample went to, from 0: user k goes to edge k mod N. Shape: n."""
    if edges == 1:
        return np.zeros(len(samples), dtype=np.int64)
    return samples["user"].to_numpy(dtype=np.int64) % edges


def logged_by(tier_log: pd.DataFrame) -> Ints:
    """The edge that wrote each line, from 0; -1: the shield. 0 where nothing says. Shape: lines."""
    if "instance" not in tier_log:
        return np.zeros(len(tier_log), dtype=np.int64)
    names = tier_log["instance"].astype("object").fillna("").astype(str)
    number = names.str.extract(_EDGE, expand=False).astype("float64").fillna(1.0).to_numpy(dtype=np.float64)
    return np.where(names == SHIELD, -1, number.astype(np.int64) - 1)


def is_shields(tier_log: pd.DataFrame) -> Bools:
    """The lines that the shield wrote: of requests of the edges, not of clients."""
    return logged_by(tier_log) < 0


def unclear_causes(samples: pd.DataFrame) -> Bools:
    """Behind a shield: samples said to have caused a fetch that others waited for.

    The earliest sent is taken for the cause. But two ways lead to the shield by way of two edges, and whose request
    came first there nobody but the shield knows. samples: store.SAMPLES plus outcome. Shape: n.
    """
    stamps, outcome = samples["origin_seq"].astype("Int64").fillna(-1), samples["outcome"].astype("object")
    shared = stamps.isin(stamps[outcome == Outcome.COLLAPSED.value]) & (stamps >= 0)
    unclear: Bools = (shared & (outcome == Outcome.ORIGIN.value)).to_numpy(dtype=bool)
    return unclear


def unclear_revalidations(samples: pd.DataFrame, edges: int) -> Bools:
    """Samples said to have waited for a 304 while another edge's client asked for the same key.

    Which of them the origin was asked for is told by key and time alone: of two edges it may have been the other one.
    samples: store.SAMPLES plus outcome. Shape: n.
    """
    unclear: Bools = np.zeros(len(samples), dtype=bool)
    times = {name: samples[name].to_numpy(dtype=np.int64) for name in ("sent_ns", "done_ns")}
    place = {"key": samples["key"].astype("object").to_numpy(), "edge": edge_of(samples, edges)}
    asked = pd.DataFrame({**times, **place, "at": np.arange(len(samples))})
    waited = asked[(samples["outcome"].astype("object") == Outcome.REVALIDATED.value).to_numpy(dtype=bool)]
    both = waited.merge(asked, on="key", suffixes=("", "_other"))
    together = (both["sent_ns_other"] <= both["done_ns"]) & (both["done_ns_other"] >= both["sent_ns"])
    unclear[both.loc[together & (both["edge"] != both["edge_other"]), "at"].unique()] = True
    return unclear
