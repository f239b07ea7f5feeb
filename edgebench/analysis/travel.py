"""What the cache saw when: in a network, a request comes to it later than it was sent, and an answer later than it left
the origin. A replay that did not know would miss whole seconds' ends, and other misses than the cache had."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from edgebench.analysis.tables import nanoseconds
from edgebench.model import NetworkRecord, TrialRecord

_CLIENT, _ORIGIN = "client", "origin"


def at_the_cache(record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samples with sent_ns when they came to the cache, the ledger with end_ns when its answers did.

    Half a round trip each, as asked for. A new connection takes one more to be made, and one for TLS.
    """
    if record.network is None:
        return samples, ledger
    ways_ms = _path_ms(record.network)
    if not ways_ms:
        return samples, ledger
    first_ms, *others_ms = ways_ms
    trips = 0.5 + ~samples["reused_connection"].to_numpy(dtype=bool) * (2.0 if record.trial.cell.tier.tls else 1.0)
    came_ns = nanoseconds(samples, "sent_ns") + np.rint(trips * first_ms * 1e6).astype(np.int64)
    left_ns = nanoseconds(ledger, "end_ns") + round(sum(others_ms) / 2 * 1e6)
    return samples.assign(sent_ns=came_ns), ledger.assign(end_ns=left_ns)


def _path_ms(network: NetworkRecord) -> list[float]:
    """Round-trip times from the client by the (first) edge to the origin; empty where no cache is on the way."""
    rtt_ms = {(link.a, link.b): link.asked.rtt_ms for link in network.links}
    path = [_CLIENT]
    while path[-1] != _ORIGIN:
        onward = [b for a, b in rtt_ms if a == path[-1] and (a, b) != (_CLIENT, _ORIGIN)]
        if not onward:
            return []
        path.append(onward[0])
    return [rtt_ms[pair] for pair in pairwise(path)]
