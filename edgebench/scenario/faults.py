"""What no single key of [[origin.faults]] can tell: whether a fault has a length, a delay, and a place in the trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from edgebench.model import FaultKind
from edgebench.scenario.document import FaultTable
from edgebench.scenario.problems import Problem
from edgebench.scenario.text import KeyPath


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
