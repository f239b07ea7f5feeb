"""What no single key of [[origin.faults]] can tell: whether a fault has a length, a delay, and a place in the trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from edgebench.model import Fault, FaultKind
from edgebench.scenario.document import FaultTable
from edgebench.scenario.problems import Problem
from edgebench.scenario.text import KeyPath

LEAST_PERIOD_S = 0.1


def fault_problems(faults: Sequence[FaultTable], measure_s: float) -> Iterator[Problem]:
    for index, fault in enumerate(faults):
        path: KeyPath = ("origin", "faults", index)
        if fault.end_s <= fault.start_s:
            text = f"expected more than start_s, which is {fault.start_s:g}, got {fault.end_s:g}"
            yield Problem((*path, "end_s"), text)
        elif fault.end_s > measure_s:
            text = f"expected at most load.measure_s, which is {measure_s:g}, got {fault.end_s:g}"
            yield Problem((*path, "end_s"), text)
        if fault.kind is FaultKind.SLOW and fault.delay_s == 0:
            yield Problem((*path, "delay_s"), "missing; expected the mean delay of slow answers, in seconds")
        if fault.period_s > 0:
            yield from _flapping_problems(fault, path)
        if fault.kind is not FaultKind.SLOW and fault.delay_s > 0:
            text = f"expected none, as only slow answers have a delay, got {fault.delay_s:g} for {fault.kind.value}"
            yield Problem((*path, "delay_s"), text)
    for (first, one), (second, other) in combinations(enumerate(faults), 2):
        overlap = one.start_s < other.end_s and other.start_s < one.end_s
        if overlap and FaultKind.DOWN in (one.kind, other.kind):
            text = (
                f"expected no fault beside another that is down, got {other.kind.value} "
                f"({other.start_s:g} to {other.end_s:g} s) and {one.kind.value} ({one.start_s:g} to {one.end_s:g} s, "
                f"origin.faults[{first}])"
            )
            yield Problem(("origin", "faults", second, "start_s"), text)


def _flapping_problems(fault: FaultTable, path: KeyPath) -> Iterator[Problem]:
    if fault.kind is FaultKind.DOWN:
        text = f"expected none for down, as an origin takes a second to start again, got {fault.period_s:g}"
        yield Problem((*path, "period_s"), text)
    elif not LEAST_PERIOD_S <= fault.period_s <= fault.end_s - fault.start_s:
        most_s = fault.end_s - fault.start_s
        text = f"expected {LEAST_PERIOD_S:g} to {most_s:g} seconds, the fault's length, got {fault.period_s:g}"
        yield Problem((*path, "period_s"), text)


def planned_faults(tables: Sequence[FaultTable]) -> tuple[Fault, ...]:
    """What happens when: a fault that flaps is as many short ones."""
    return tuple(
        Fault(table.kind, start_s, end_s, table.delay_s) for table in tables for start_s, end_s in _intervals(table)
    )


def _intervals(table: FaultTable) -> Iterator[tuple[float, float]]:
    if not table.period_s:
        yield table.start_s, table.end_s
        return
    times = math.ceil((table.end_s - table.start_s) / table.period_s - 1e-9)
    for index in range(times):
        start_s = table.start_s + index * table.period_s
        yield round(start_s, 6), round(min(start_s + table.period_s / 2, table.end_s), 6)
