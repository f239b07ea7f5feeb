"""Failures of the origin, deployments and crowds that the scenario planned: what they do to requests is the result,
not a defect."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edgebench.analysis.tables import NS_PER_S, Bools, nanoseconds
from edgebench.model import FaultKind, TrialRecord

AFTERMATH_S = 1.0
"""So long after its end, errors are still a fault's doing: connections that broke are found out when they are used."""

KILL_S = 0.25
"""An origin that is down was killed so long before it refused, at most: what it worked on broke off then."""


def is_disturbed(record: TrialRecord) -> bool:
    """Whether the trial was meant not to be one state: a fault, a deployment or a step in the arrivals is planned."""
    return bool(record.faults) or record.trial.cell.deploy is not None or record.trial.cell.load.has_step


def disturbed(record: TrialRecord, samples: pd.DataFrame) -> Bools:
    """The samples a planned fault or a crowd may have touched. A crowd's queue may outlast it, so all after it are."""
    touched = in_fault(record, samples) | in_deployment(record, samples)
    load = record.trial.cell.load
    if load.has_step:
        start_ns = record.measure_start_ns + load.step.at_s * NS_PER_S
        touched |= nanoseconds(samples, "done_ns") > start_ns
    return touched


def in_fault(record: TrialRecord, samples: pd.DataFrame) -> Bools:
    """The samples under way while a planned fault was on, or just after."""
    touched = np.zeros(len(samples), dtype=bool)
    for fault in record.faults:
        killed_s = fault.start_s - (KILL_S if fault.kind is FaultKind.DOWN else 0.0)
        touched |= _under_way(record, samples, killed_s, fault.end_s)
    return touched


def at_a_kill(record: TrialRecord, samples: pd.DataFrame) -> Bools:
    """The samples under way when an origin that was to be down was killed."""
    touched = np.zeros(len(samples), dtype=bool)
    for fault in record.faults:
        if fault.kind is FaultKind.DOWN:
            refused = record.measure_start_ns + fault.start_s * NS_PER_S
            done = nanoseconds(samples, "done_ns")
            touched |= (nanoseconds(samples, "sent_ns") < refused) & (done > refused - KILL_S * NS_PER_S)
    return touched


def in_deployment(record: TrialRecord, samples: pd.DataFrame) -> Bools:
    """The samples under way while a new release replaced the old one, or just after."""
    if "deploy_end_s" not in record.events:
        return np.zeros(len(samples), dtype=bool)
    return _under_way(record, samples, record.events["deploy_start_s"], record.events["deploy_end_s"])


def _under_way(record: TrialRecord, samples: pd.DataFrame, start_s: float, end_s: float) -> Bools:
    start = record.measure_start_ns + start_s * NS_PER_S
    end = record.measure_start_ns + (end_s + AFTERMATH_S) * NS_PER_S
    under_way: Bools = (nanoseconds(samples, "sent_ns") < end) & (nanoseconds(samples, "done_ns") > start)
    return under_way
