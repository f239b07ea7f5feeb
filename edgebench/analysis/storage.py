"""How much a tier may store, and how much there was to be stored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.tables import SAFE_METHODS
from edgebench.analysis.witnesses import is_error
from edgebench.model import TrialRecord

MIB = 1 << 20


def limit_bytes(record: TrialRecord) -> int:
    """What the tier of a trial may store."""
    return record.trial.cell.tier.storage_mb * MIB


def catalogue_bytes(samples: pd.DataFrame) -> int:
    """Bytes of all cacheable answers of both phases, each key and content coding once, by its longest body.

    samples: store.SAMPLES with cacheable.
    """
    use = samples["cacheable"].to_numpy(dtype=bool) & ~is_error(samples)
    use &= samples["method"].isin(SAFE_METHODS).to_numpy(dtype=bool)
    chosen = samples[use]
    groups = [chosen[name].astype("object").fillna("").to_numpy() for name in ("key", "encoding")]
    return int(chosen["bytes"].groupby(groups).max().sum())


def overflows(record: TrialRecord, samples: pd.DataFrame) -> bool:
    """Whether there was more to be stored than the tier may: then what it hits is also a matter of what it evicts.

    samples: store.SAMPLES with cacheable.
    """
    limit = limit_bytes(record)
    # Mostly all bodies together, hits and all, would have fitted.
    return int(samples["bytes"].to_numpy(dtype=np.int64).sum()) > limit and catalogue_bytes(samples) > limit
