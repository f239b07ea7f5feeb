"""Which requests a shared cache could have answered: the denominator of every hit ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.proof import Proof
from edgebench.analysis.tables import SAFE_METHODS, Bools
from edgebench.analysis.witnesses import is_error


def shareable_endpoints(samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof) -> frozenset[str]:
    """Endpoints whose answers, by the origin's own word, a shared cache may reuse: ttl_s > 0 for most of them."""
    joined = _joined(samples, ledger, proof)
    return _most(joined, joined["ttl_s"].fillna(0) > 0)


def anonymous_endpoints(samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof) -> frozenset[str]:
    """Endpoints answered alike for everybody: most answers had no principal."""
    joined = _joined(samples, ledger, proof)
    return _most(joined, joined["principal"] == "")


def choose_endpoints(
    ttl_s: int | None, own: frozenset[str], elsewhere: frozenset[str], anonymous: frozenset[str]
) -> frozenset[str]:
    """The cacheable endpoints of one trial.

    Normally the trial's own (`shareable_endpoints`). At TTL 0 the ledger cannot tell an answer with a lifetime of
    nothing from a private one, yet the readers want "0 % at TTL 0", over the same requests as at every other TTL: then
    they are those which are shareable in other cells of the run (`elsewhere`), or, in a run without any such cell,
    those answered alike for everybody (`anonymous`).
    """
    if own and ttl_s != 0:
        return own
    return own | (elsewhere or anonymous)


def cacheable_samples(samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof, endpoints: frozenset[str]) -> Bools:
    """GET and HEAD of such an endpoint whose answer was not made for one principal."""
    chosen = (samples["method"].isin(SAFE_METHODS) & samples["endpoint"].isin(list(endpoints))).to_numpy(dtype=bool)
    if len(ledger):
        personal = (ledger["principal"].astype("object").fillna("") != "").to_numpy(dtype=bool)
        return chosen & ~((proof.answer >= 0) & personal[proof.answer])
    return chosen


def _joined(samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof) -> pd.DataFrame:
    """Good GET and HEAD samples with the lifetime and principal of the answer they carry.

    Without a stamp (an object store sends none) it is what they caused, or else the last word on their key.
    """
    row = np.where(proof.answer >= 0, proof.answer, np.where(proof.caused >= 0, proof.caused, proof.word))
    use = (row >= 0) & ~is_error(samples) & samples["method"].isin(SAFE_METHODS).to_numpy(dtype=bool)
    answers = ledger.iloc[row[use]]
    return pd.DataFrame(
        {
            "endpoint": samples["endpoint"].astype("object").to_numpy()[use],
            "ttl_s": answers["ttl_s"].astype("Float64").to_numpy(),
            "principal": answers["principal"].astype("object").fillna("").to_numpy(),
        }
    )


def _most(joined: pd.DataFrame, yes: pd.Series) -> frozenset[str]:
    shares = yes.astype(float).groupby(joined["endpoint"]).mean()
    return frozenset(str(name) for name in shares.index[shares > 0.5])
