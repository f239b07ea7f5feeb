"""A new release of the app while a trial runs: without downtime, and where it is asked for, all of the cache purged.

The file `release` in the trial's folder says "1" from the start; at the planned time it says "2", and gunicorn is told
by SIGHUP to replace its workers. New ones read the file as they start the app; old ones take no connection any more,
and end when those they have are closed. What the ledger has of a release are the rows of its workers: each worker
process has a number of its own there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Protocol

import psutil

from edgebench.load.outcome import measure_start_ns
from edgebench.origin.schedule import write_whole
from edgebench.runner.services import Hung, answers
from edgebench.runner.stack import READY, READY_LIMIT_S, Stack, require
from edgebench.tiers.adapter import Binary

RELEASE = "release"
OLD, NEW = "1", "2"
_EVERY_S = 0.02
_S = 1_000_000_000


class Conducted(Protocol):
    """Something that is done to the system while it is measured, by a plan."""

    def look(self) -> None:
        """Do what is due."""

    def wait_s(self, at_most_s: float) -> float:
        """How long until there may be something to do."""


def first_wait_s(conducted: Sequence[Conducted], at_most_s: float) -> float:
    """How long until there may be something to do for any of them."""
    return min((each.wait_s(at_most_s) for each in conducted), default=at_most_s)


@dataclass
class Deployment:
    """Carries out one trial's deployment, if its cell has one. `raw`: where the generator writes."""

    stack: Stack
    raw: Path
    events: dict[str, float] = field(default_factory=dict, init=False)
    """As in TrialRecord. `deploy_end_s`: the new release answered, and no process of the old one was left; not there
    where the measurement ended before. Without `purge_end_s`, although a purge was asked for: the cache knows no way to
    forget everything, or it was too late for it."""
    is_over: bool = field(default=False, init=False)
    """Whether there is nothing left to do."""
    _begin_ns: int = field(default=-1, init=False)
    """Of the measurement; -1: not yet."""
    _binary: Binary | None = field(default=None, init=False)
    """The cache's: looking for it takes a while, which is none of the purge's."""
    _old: frozenset[int] = field(default=frozenset(), init=False)
    """Processes of the old release's workers, once they are being replaced."""

    def __post_init__(self) -> None:
        if self.stack.cell.deploy is not None:
            write_whole(self.stack.directory / RELEASE, OLD)

    def look(self) -> None:
        """Do what is due. Hung where the new release does not come up."""
        deploy = self.stack.cell.deploy
        if deploy is None or self.is_over or not self._has_begun():
            return
        if "deploy_start_s" not in self.events:
            if self._since_s() < deploy.at_s:
                return
            self._start()
        if "deploy_end_s" not in self.events:
            if self._is_replaced():
                self.events["deploy_end_s"] = self._since_s()
                self.stack.services[0].know_members()
                self.is_over = not deploy.purge
            elif self._since_s() > self.events["deploy_start_s"] + READY_LIMIT_S:
                raise Hung(f"the new release did not replace the old one within {READY_LIMIT_S:g} s; see origin.log")
        if deploy.purge and self._until_purge_s() <= 0:
            self._purge()
            self.is_over = True

    def _until_purge_s(self) -> float:
        deploy = self.stack.cell.deploy
        if deploy is None or "deploy_end_s" not in self.events:
            return math.inf
        return self.events["deploy_end_s"] + deploy.purge_after_s - self._since_s()

    def wait_s(self, at_most_s: float) -> float:
        deploy = self.stack.cell.deploy
        if deploy is None or self.is_over or self._begin_ns < 0:
            return at_most_s
        if "deploy_end_s" in self.events:
            return min(at_most_s, max(0.001, self._until_purge_s()))
        if "deploy_start_s" in self.events:
            return min(at_most_s, _EVERY_S)
        return min(at_most_s, max(0.001, deploy.at_s - self._since_s()))

    def _start(self) -> None:
        if self.stack.adapter is not None:
            self._binary = require(self.stack.adapter)
        origin = self.stack.services[0]
        self._old = frozenset(origin.members) - {origin.pid}
        write_whole(self.stack.directory / RELEASE, NEW)
        origin.renew()
        self.events["deploy_start_s"] = self._since_s()

    def _is_replaced(self) -> bool:
        """Nobody of the old release is left, and so it is the new one that answers."""
        if any(psutil.pid_exists(pid) for pid in self._old):
            return False
        return answers(self.stack.origin_port, READY, 1.0, self.stack.origin_ca, self.stack.origin_host)

    def _purge(self) -> None:
        adapter, binary = self.stack.adapter, self._binary
        if adapter is None or binary is None:
            return
        start_s = self._since_s()
        try:
            for each in reversed(self.stack.instances):  # the shield first: edges fetch from it
                adapter.purge(binary, each.place)
        except NotImplementedError:
            return
        self.events |= {"purge_start_s": start_s, "purge_end_s": self._since_s()}

    def _has_begun(self) -> bool:
        if self._begin_ns < 0:
            begin_ns = measure_start_ns(self.raw)
            if begin_ns is None:
                return False
            self._begin_ns = begin_ns
        return True

    def _since_s(self) -> float:
        return round((monotonic_ns() - self._begin_ns) / _S, 6)
