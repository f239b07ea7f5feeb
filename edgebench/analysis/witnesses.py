"""Both witnesses of a trial as arrays, joined by the stamp that came back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.tables import SAFE_METHODS, Bools, Floats, Ints, nanoseconds, seconds_or_nan, shared_codes

NOT_MODIFIED = 304
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Rows:
    """The ledger."""

    codes: Ints
    start: Ints
    end: Ints
    status: Ints
    ttl_s: Floats
    complete: Bools
    safe: Bools
    version: Ints
    """Entity tag as a number; a 304 without one has that of the last 200 of its key."""
    tagged: Bools
    """Whether there is an entity tag."""
    faulty: Bools
    """Whether it fell into a planned fault of the origin."""

    @classmethod
    def of(cls, ledger: pd.DataFrame, codes: Ints) -> Rows:
        status = ledger["status"].to_numpy(dtype=np.int64)
        version, tagged = _versions(ledger, codes, status)
        return cls(
            codes=codes,
            start=nanoseconds(ledger, "start_ns"),
            end=nanoseconds(ledger, "end_ns"),
            status=status,
            ttl_s=seconds_or_nan(ledger, "ttl_s"),
            complete=ledger["complete"].to_numpy(dtype=bool),
            safe=ledger["method"].isin(SAFE_METHODS).to_numpy(dtype=bool),
            version=version,
            tagged=tagged,
            faulty=(ledger["fault"].astype("object").fillna("") != "").to_numpy(dtype=bool),
        )


def _versions(ledger: pd.DataFrame, codes: Ints, status: Ints) -> tuple[Ints, Bools]:
    tags = ledger["version"].astype("object").fillna("")
    ordered = pd.DataFrame({"code": codes, "tag": tags.where(tags != "", None), "end": ledger["end_ns"].to_numpy()})
    ordered = ordered.sort_values("end", kind="stable")
    known = ordered.groupby("code")["tag"].ffill().reindex(ledger.index).fillna("")
    version = tags.where(status != NOT_MODIFIED, known)
    return shared_codes(version, tags)[0], (version != "").to_numpy(dtype=bool)


@dataclass(frozen=True, slots=True)
class Asked:
    """The samples, with the rows their stamps name."""

    codes: Ints
    sent: Ints
    done: Ints
    status: Ints
    error: Bools
    own: Ints
    """Position of the row whose stamp came back; -1: none."""

    @classmethod
    def of(cls, samples: pd.DataFrame, ledger: pd.DataFrame, codes: Ints) -> Asked:
        status = samples["status"].to_numpy(dtype=np.int64)
        return cls(
            codes=codes,
            sent=nanoseconds(samples, "sent_ns"),
            done=nanoseconds(samples, "done_ns"),
            status=status,
            error=is_error(samples),
            own=_stamped_row(samples, ledger),
        )


def is_error(samples: pd.DataFrame) -> Bools:
    """No complete answer, or 5xx."""
    status = samples["status"].to_numpy(dtype=np.int64)
    failed: Bools = samples["error"].notna().to_numpy(dtype=bool) | (status == 0) | (status >= _SERVER_ERROR)
    return failed


def _stamped_row(samples: pd.DataFrame, ledger: pd.DataFrame) -> Ints:
    stamps = samples["origin_seq"].astype("Int64").fillna(-1).to_numpy(dtype=np.int64)
    seqs = ledger["seq"].to_numpy(dtype=np.int64)
    order = np.argsort(seqs, kind="stable")
    if not len(order):
        return np.full(len(stamps), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(seqs[order], stamps), len(order) - 1)
    return np.where(seqs[order[place]] == stamps, order[place], -1)
