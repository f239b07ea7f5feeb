"""Which cores run what. The generator gets one to itself where there are two or more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from edgebench.model import Placement


def available_cores() -> tuple[int, ...]:
    """Cores this process may use; empty where the system cannot pin processes (macOS)."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def place(cores: Sequence[int]) -> Placement:
    """The last core for the generator, the others for the system under test."""
    if len(cores) < 2:
        return Placement(tuple(cores), tuple(cores))
    return Placement(generator=(cores[-1],), system=tuple(cores[:-1]))


def may_spin() -> bool:
    """Whether the generator may burn the core it has for itself. EDGEBENCH_SPIN=0: not here, where other work, such as
    tests side by side, wants the cores, too."""
    return os.environ.get("EDGEBENCH_SPIN", "1") != "0"


@contextlib.contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Processes started inside run on these cores from their first instruction on."""
    before = available_cores()
    if not cores or not before:
        yield
        return
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
