"""Failures of the origin that the scenario planned: what they do to requests is the result, not a defect."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds
from edgebench.model import TrialRecord

AFTERMATH_S = 1.0
"""So long after its end, errors are still a fault's doing: connections that broke are found out when they are used."""


def in_fault(record: TrialRecord, samples: pd.DataFrame) -> Bools:
    """The samples under way while a planned fault was on, or just after."""
    sent, done = nanoseconds(samples, "sent_ns"), nanoseconds(samples, "done_ns")
    touched = np.zeros(len(samples), dtype=bool)
    for fault in record.faults:
        start = record.measure_start_ns + fault.start_s * NS_PER_S
        end = record.measure_start_ns + (fault.end_s + AFTERMATH_S) * NS_PER_S
        touched |= (sent < end) & (done > start)
    return touched
