"""Private answers that reached somebody else, or were stored at all.

A response is private if the origin produced it for a principal and a shared cache may not reuse it: ttl_s is 0 or not
said, which already respects Authorization (max-age alone does not make the answer to an authorised request public).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import Check
from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.tables import Bools, shared_codes
from edgebench.analysis.witnesses import NOT_MODIFIED
from edgebench.model import Outcome

ANYBODY = "an anonymous client"


def leaks(joined: Joined, shareable: frozenset[str]) -> Check | None:
    """Samples that carry a private response made for another. None where either witness does not know principals.

    shareable: endpoints whose answers may be shared although their lifetime is 0 in this trial (the TTL under test is
    0). Not counted: an answer the origin has confirmed (304) for the very principal who got it.
    """
    if not joined.says("principal"):
        return None
    asked_by, made_for = joined.text("principal"), joined.row_text("principal")
    known = joined.samples["principal"].notna().to_numpy(dtype=bool)
    private = known & joined.has & joined.private
    private &= ~joined.samples["endpoint"].isin(list(shareable)).to_numpy(dtype=bool)
    codes, row_codes = shared_codes(asked_by, made_for)
    wrong = private & (codes != row_codes) & ~_confirmed(joined, asked_by)
    authorized = joined.ledger["authorized"].fillna(False).to_numpy(dtype=bool)[joined.row]

    def say(at: int) -> str:
        made = f"made for {name(made_for.iloc[at])}" + (", who sent Authorization" if authorized[at] else "")
        return f"{made}, received by {name(asked_by.iloc[at])}"

    return joined.check(wrong, private, say)


def stored_private(joined: Joined, shareable: frozenset[str]) -> Check | None:
    """Samples answered from store, unconfirmed, with a response whose lifetime in a shared cache is 0.

    Only to those it was made for, or nobody's in particular: anything else is a leak, and counted there. A response
    that says nothing of its lifetime may be kept by heuristics (RFC 9111, 4.2.2), and is not counted.
    """
    if not joined.says("principal"):
        return None
    codes, row_codes = shared_codes(joined.text("principal"), joined.row_text("principal"))
    made_for = (joined.row_text("principal") != "").to_numpy(dtype=bool)
    forbidden = joined.has & (joined.row_number("ttl_s") <= 0) & joined.rows.safe[joined.row] & ~joined.error
    forbidden &= ~joined.samples["endpoint"].isin(list(shareable)).to_numpy(dtype=bool)
    from_store = joined.proof.outcome.isin([Outcome.HIT.value, Outcome.STALE.value]).to_numpy(dtype=bool)
    wrong = forbidden & from_store & (~made_for | (codes == row_codes))
    age_s = joined.proof.age_s
    return joined.check(wrong, forbidden, lambda at: f"from store, {age_s[at]:.2f} s old")


def _confirmed(joined: Joined, asked_by: pd.Series) -> Bools:
    """Samples for which the origin, asked for their own principal, has said that what is stored is right."""
    caused = joined.proof.caused
    row = np.maximum(caused, 0)
    codes, row_codes = shared_codes(asked_by, filled(joined.ledger["principal"]))
    confirmed: Bools = (caused >= 0) & (joined.rows.status[row] == NOT_MODIFIED) & (codes == row_codes[row])
    return confirmed


def name(principal: str) -> str:
    """A principal in a sentence."""
    return f"user {principal[:8]}" if principal else ANYBODY
