"""One trial with a deployment, in figures: what visitors got, and what became of the hit ratio. claims.deploy says what
each is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from edgebench.analysis.planned import in_deployment
from edgebench.analysis.releases import OLD
from edgebench.analysis.results import TrialResult
from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds
from edgebench.model import Outcome
from edgebench.views import ASSET

BIN_S = 0.5
HITS = (Outcome.HIT.value, Outcome.STALE.value, Outcome.COLLAPSED.value)


def was_in_time(trial: TrialResult) -> bool:
    """Whether the measurement lasted until all was done that was planned."""
    record, deploy = trial.record, trial.record.trial.cell.deploy
    if deploy is None or "deploy_end_s" not in record.events:
        return False
    length_s = (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    return not deploy.purge or record.events["deploy_end_s"] + deploy.purge_after_s < length_s


def window_s(trial: TrialResult) -> float:
    """The TTL of static files; 0: nothing says."""
    cell = trial.record.trial.cell
    return float(cell.freshness.ttl_s or 0)


def of_views(views: pd.DataFrame, trial: TrialResult) -> dict[str, float]:
    """What visitors got, from releases.views_by_release."""
    events = trial.record.events
    end_s, length_s = events["deploy_end_s"], window_s(trial)
    after = views[views["at_s"] >= events["deploy_start_s"]]
    over = views[views["at_s"] >= end_s]
    window = over[over["at_s"] < min(end_s + length_s, events.get("purge_start_s", math.inf))]
    anything_old = over[(over["page"] == OLD) | (over["old_files"] > 0)]
    purged_s = events.get("purge_end_s", math.nan)
    late = anything_old[anything_old["at_s"] >= purged_s]["at_s"]
    return {
        "views_after": float(len(after)),
        "mixed_after": float(after["mixed"].sum()),
        "views": float(len(window)),
        "mixed": _share(window["mixed"]),
        "old_page": _share(window["page"] == OLD),
        "old_file": _share(window["old_files"] > 0),
        "mixed_until_s": _until(over[over["mixed"]]["at_s"], end_s),
        "old_until_s": _until(anything_old["at_s"], end_s),
        "deploy_s": end_s - events["deploy_start_s"],
        "purged_at_s": events.get("purge_start_s", math.nan),
        "purge_ms": 1000 * (purged_s - events.get("purge_start_s", math.nan)),
        "after_purge_s": _until(late, purged_s) if math.isfinite(purged_s) else math.nan,
    }


def _share(of: pd.Series) -> float:
    return float(of.mean()) if len(of) else math.nan


def _until(at_s: pd.Series, since_s: float) -> float:
    return float(at_s.max()) - since_s if len(at_s) else 0.0


def of_requests(trial: TrialResult) -> dict[str, float]:
    """Hit ratio of static files before, at its lowest and after; failed requests of the deployment's time."""
    record, samples = trial.record, trial.samples
    events, length_s = record.events, (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    at_s = _at_s(trial)
    good = _static(samples)
    hit = samples["outcome"].isin(HITS).to_numpy(dtype=bool)

    def ratio(low_s: float, high_s: float) -> float:
        chosen = good & (at_s >= low_s) & (at_s < high_s)
        return float(hit[chosen].mean()) if chosen.any() else math.nan

    start_s = events["deploy_start_s"]
    seconds = [ratio(low_s, low_s + 1) for low_s in np.arange(start_s, length_s - 1 + 1e-9, BIN_S)]
    failed = (samples["outcome"] == Outcome.ERROR.value).to_numpy(dtype=bool) & in_deployment(record, samples)
    return {
        "hit_before": ratio(min(0.0, start_s - 1), start_s),
        "hit_lowest": min((each for each in seconds if math.isfinite(each)), default=math.nan),
        "hit_after": ratio(length_s - (length_s - events["deploy_end_s"]) / 3, length_s),
        "errors": float(failed.sum()),
    }


def _static(samples: pd.DataFrame) -> Bools:
    """The good answers to requests for static files."""
    endpoints = samples["endpoint"].astype("object").fillna("")
    named = endpoints.map({name: name.startswith(ASSET) for name in endpoints.unique()}).to_numpy(dtype=bool)
    good: Bools = named & (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    return good


def _at_s(trial: TrialResult) -> Any:
    return (nanoseconds(trial.samples, "sent_ns") - trial.record.measure_start_ns) / NS_PER_S


def in_bins(views: pd.DataFrame, trial: TrialResult) -> pd.DataFrame:
    """The table `bins` of claims.deploy, of one trial."""
    record, samples = trial.record, trial.samples
    length_s = (record.measure_end_ns - record.measure_start_ns) / NS_PER_S
    edges = np.arange(0.0, length_s + 1e-9, BIN_S)
    over = views["at_s"] >= record.events["deploy_end_s"]
    at_s = _at_s(trial)
    static = _static(samples)
    hit = samples["outcome"].isin(HITS).to_numpy(dtype=float)
    return pd.DataFrame(
        {
            "at_s": edges[:-1] + BIN_S / 2,
            "mixed": _mean_by(views["at_s"].to_numpy(), views["mixed"].to_numpy(dtype=float), edges),
            "old": _mean_by(
                views["at_s"].to_numpy(),
                (over & ((views["page"] == OLD) | (views["old_files"] > 0))).to_numpy(dtype=float),
                edges,
            ),
            "hit": _mean_by(at_s[static], hit[static], edges),
        }
    )


def _mean_by(at_s: Any, values: Any, edges: Any) -> Any:
    """Mean of the values in each bin; NaN where there are none."""
    counts, _ = np.histogram(at_s, edges)
    sums, _ = np.histogram(at_s, edges, weights=values)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
