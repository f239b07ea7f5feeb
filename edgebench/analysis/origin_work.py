"""Which of the origin's answers the measuring phase caused, and for which endpoint: the ledger beside the samples."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.ledger_names import OWNED, PROBE
from edgebench.analysis.metrics import measuring
from edgebench.analysis.percentiles import NS_PER_MS
from edgebench.analysis.results import TrialResult
from edgebench.analysis.tables import nanoseconds, read_trial
from edgebench.analysis.trial import Proved, prove_trial
from edgebench.store import RunFolder


def proved_again(trial: TrialResult, folder: RunFolder) -> Proved | None:
    """The trial's tables with what is proved of them; None where it has no sample."""
    return prove_trial(read_trial(trial.record, folder.trial(trial.record.trial)))


def joined_again(trial: TrialResult, folder: RunFolder) -> Joined | None:
    """Its samples beside the ledger's rows they are from; None without a ledger."""
    proved = proved_again(trial, folder)
    if proved is None or not len(proved.tables.ledger):
        return None
    return Joined.of(trial.record, proved.tables.samples, proved.tables.ledger, proved.proof)


def origin_work(joined: Joined) -> pd.DataFrame:
    """The ledger's rows that the measuring phase caused: those of its samples, and those the cache began of itself.

    Columns: endpoint (of the sample; empty: the cache's own doing), key, status, bytes, took_ms (from the request's
    arrival at the app to its last byte), conditional, again (whether the origin had given the key completely before, so
    that this is a refresh).
    """
    record, samples, ledger, proof = joined.record, joined.samples, joined.ledger, joined.proof
    phase = measuring(samples)
    start, end = nanoseconds(ledger, "start_ns"), nanoseconds(ledger, "end_ns")
    endpoint = np.full(len(ledger), "", dtype=object)
    owners = np.flatnonzero(phase & (proof.caused >= 0))
    endpoint[proof.caused[owners]] = samples["endpoint"].astype("object").to_numpy()[owners]
    mine = (proof.row_name != OWNED) & (proof.row_name != PROBE)
    mine &= (start >= record.measure_start_ns) & (start < record.measure_end_ns)
    mine[proof.caused[owners]] = True
    frame = pd.DataFrame(
        {
            "endpoint": endpoint,
            "key": filled(ledger["key"]).to_numpy(),
            "status": ledger["status"].to_numpy(dtype=np.int64),
            "bytes": ledger["bytes"].to_numpy(dtype=np.int64),
            "took_ms": (end - start) / NS_PER_MS,
            "conditional": ledger["conditional"].fillna(False).to_numpy(dtype=bool),
            "again": _given_before(joined),
        }
    )
    chosen: pd.DataFrame = frame[mine].reset_index(drop=True)
    return chosen


def _given_before(joined: Joined) -> np.ndarray:
    """Per row, whether a complete 200 of its key and method had ended before it began."""
    rows = joined.rows
    given = rows.complete & (rows.status == 200)
    keys = pd.Series(rows.codes)
    first_end = pd.Series(np.where(given, rows.end, np.iinfo(np.int64).max)).groupby(keys).transform("min")
    before: np.ndarray = first_end.to_numpy(dtype=np.int64) <= rows.start
    return before
