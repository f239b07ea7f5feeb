"""Bodies that arrived other than the origin sent them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import Check
from edgebench.analysis.joined import OK, Joined, filled
from edgebench.analysis.planned import at_a_kill
from edgebench.analysis.tables import Bools, Ints, shared_codes

CUT_OFF = "answer cut off"
DIGEST, LENGTH = "digest", "length"


def broken_bodies(joined: Joined) -> Check | None:
    """Whole answers to GET, encoded as the origin sent them, whose length or digest is not the origin's.

    checked: those with a length to compare. None where the witnesses do not know encodings.
    """
    if not joined.says("encoding"):
        return None
    samples, ledger = joined.samples, joined.ledger
    encodings, row_encodings = shared_codes(joined.text("encoding"), joined.body_text("encoding"))
    body = np.maximum(joined.body, 0)
    known, row_known = (table["encoding"].notna().to_numpy(dtype=bool) for table in (samples, ledger))
    whole = joined.has & (joined.body >= 0) & ~joined.error & known & row_known[body] & (encodings == row_encodings)
    whole &= _both(joined, body)
    lengths, row_lengths = (table["bytes"].to_numpy(dtype=np.int64) for table in (samples, ledger))
    sent = row_lengths[body]
    checked = whole & joined.rows.complete[body] & ((body == joined.row) | _steady(joined)[body])
    length = checked & (lengths != sent)
    digests, row_digests = _digest(samples), _digest(ledger)[joined.row]
    digest = whole & (body == joined.row) & (digests >= 0) & (row_digests >= 0) & (digests != row_digests)

    def say(at: int) -> str:
        if length[at]:
            return f"had {lengths[at]:,} bytes, where the origin sent {sent[at]:,}"
        return f"had CRC-32 {digests[at]:08x}, where the origin sent {row_digests[at]:08x}"

    kinds = {LENGTH: int(length.sum()), DIGEST: int((digest & ~length).sum())}
    return joined.check(length | digest, checked, say, **kinds)


def cut_off(joined: Joined) -> Check:
    """Samples whose answer ended before its end, although the origin had handed over all of it, and was not killed as
    planned just then."""
    errors = filled(joined.samples["error"])
    cut = errors.str.startswith(CUT_OFF).to_numpy(dtype=bool)
    sound = joined.rows.complete & (filled(joined.ledger["fault"]) == "").to_numpy(dtype=bool)
    checked = joined.has & sound[joined.row] & ~at_a_kill(joined.record, joined.samples)
    return joined.check(cut & checked, checked, lambda at: errors.iloc[at])


def _both(joined: Joined, body: Ints) -> Bools:
    """GET and 200 on both sides: a 206 is part of a body, a 304 and an answer to HEAD have none."""
    both = np.ones(len(joined.samples), dtype=bool)
    for table, at in ((joined.samples, np.arange(len(both))), (joined.ledger, body)):
        right = (table["method"] == "GET").to_numpy(dtype=bool) & (table["status"].to_numpy(dtype=np.int64) == OK)
        both &= right[at]
    return both


def _steady(joined: Joined) -> Bools:
    """Rows whose version has one length throughout, in their encoding: then it matters not which of them is stored."""
    rows, encoding = joined.rows, filled(joined.ledger["encoding"])
    whole = (rows.status == OK) & rows.complete & (joined.ledger["method"] == "GET").to_numpy(dtype=bool)
    lengths = joined.ledger["bytes"].where(whole)
    groups = lengths.groupby([rows.codes, rows.version, encoding.to_numpy()])
    steady: Bools = (groups.transform("min") == groups.transform("max")).to_numpy(dtype=bool)
    return steady


def _digest(table: pd.DataFrame) -> Ints:
    """-1 where there is none."""
    return np.asarray(table["digest"].astype("Int64").fillna(-1), dtype=np.int64)
