"""The master of a test of several processes: its workers' samples, clocks and ends (messages: distributed.py)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import Any

import gevent
from locust.runners import STATE_MISSING

from edgebench.load import clocks
from edgebench.load.channel import Inbox
from edgebench.load.clocks import Machine, Offset, Round
from edgebench.load.course import Load
from edgebench.load.distributed import ACK, CLOCK, CLOSE, COUNTS, END, SAMPLES, START

_LEAD_NS = 300_000_000
"""The message must reach the workers, and they have to draw their arrivals."""
_ROUNDS = 10
_ROUND_EVERY_S = 0.01
_ROUNDS_LIMIT_S = 2.0
_LOOK_EVERY_S = 0.25
_COLLECT_LIMIT_S = 20.0
"""At the end the master waits so long for the next chunk or report."""
_logger = logging.getLogger(__name__)


@dataclass
class _Worker:
    """What a master knows of one of its workers."""

    id: str
    index: int
    inbox: Inbox | None
    """None: nothing is recorded."""
    machine: Machine | None = None
    rounds: list[Round] = field(default_factory=list)
    offsets: list[Offset] = field(default_factory=list)
    """Before and after the test."""
    report: dict[str, Any] = field(default_factory=dict)
    lost: bool = False
    """Whether it went before the end."""

    @property
    def recorded(self) -> int:
        """Samples, as far as it told."""
        return int(self.report.get("recorded", 0))

    @property
    def received(self) -> int:
        return self.inbox.received if self.inbox is not None else 0

    @property
    def closed(self) -> bool:
        """Whether it has told its last count."""
        return bool(self.report.get("closed"))

    @property
    def complete(self) -> bool:
        return self.closed and (self.inbox is None or self.received == self.recorded)

    @property
    def offset_ns(self) -> int:
        return self.offsets[-1].offset_ns if self.offsets else 0

    @property
    def last_done_ns(self) -> int | None:
        """When its newest sample had ended, by the master's clock."""
        return self.inbox.last_done_ns - self.offset_ns if self.inbox is not None and self.received else None

    def facts(self) -> dict[str, Any]:
        return {
            "worker": self.index,
            "id": self.id,
            "host": self.machine.host if self.machine is not None else None,
            "received": self.received,
            "recorded": self.recorded if self.closed else None,
            "recorded_at_least": max(self.recorded, self.received),
            "complete": self.complete,
            "lost": self.lost,
            "last_done_ns": self.last_done_ns,
            "clock_offset_ns": self.offset_ns if self.offsets else None,
            "clock_uncertainty_ns": max((each.uncertainty_ns for each in self.offsets), default=None),
            "clock_points": [[each.worker_ns, each.offset_ns] for each in self.offsets] or [[0, 0]],
        }


class MasterSide:
    """Made when a master has started; lives as long as the process. `runner` is Locust's MasterRunner."""

    def __init__(self, runner: Any, machine: Machine, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._runner, self._machine, self._now_ns = runner, machine, now_ns
        self._workers: dict[str, _Worker] = {}
        self._directory: Path | None = None
        self._failed: Callable[[], None] = _nothing
        self._watching: Any = None
        runner.register_message(COUNTS, self._on_counts)
        runner.register_message(SAMPLES, self._on_samples)
        runner.register_message(CLOCK, self._on_clock)

    def begin(self, directory: Path | None, failed: Callable[[], None]) -> list[str]:
        """A test starts, to be recorded in `directory`. Returns the identities of the workers that divide the load.

        `failed` is called when the last of them has gone or the disk is full. Takes a tenth of a second: clocks.
        """
        self._workers.clear()
        self._directory, self._failed = directory, failed
        for client in self._runner.clients.all:
            self._worker(client.id)
        self._ask_the_time()
        self._watching = gevent.spawn(self._watch)
        return [each.id for each in self._ordered()]

    def start(self) -> int:
        """Have the workers offer load, all from the same instant on; returns it."""
        start_ns = self._now_ns() + _LEAD_NS
        for each in self._living():
            self._send(START, {"start_ns": start_ns + each.offset_ns}, each)
        return start_ns

    def load(self, finish: Callable[[], None]) -> Load:
        """What a course steers."""
        return Load(totals=self._totals, end_at=self._end_at, drained=self._drained, finish=finish)

    def collect(self) -> None:
        """The test is being stopped: have the workers stop and send what is left.

        Returns when all is there, or when nothing has come for a long while.
        """
        if self._watching is None:
            return
        for each in self._living():
            self._send(CLOSE, {}, each)
        state, since_s = self._progress(), monotonic()
        while not all(each.complete for each in self._living()) and monotonic() - since_s < _COLLECT_LIMIT_S:
            gevent.sleep(_ROUND_EVERY_S)
            if self._progress() != state:
                state, since_s = self._progress(), monotonic()
        self._ask_the_time()
        self._look()
        if not self._living():  # Locust has seen it before we did, and stops the test without ending
            gevent.spawn(self._failed)
        self._watching.kill()
        self._watching = None
        for each in self._living():
            if not each.complete:
                _logger.error("worker %s: only %d of its %d samples have come", each.id, each.received, each.recorded)
        for each in self._workers.values():
            if each.inbox is not None:
                each.inbox.close()

    def counters(self) -> list[dict[str, Any]]:
        """Those of the workers' sessions, as they told them last."""
        return [each.report["counters"] for each in self._ordered() if "counters" in each.report]

    def facts(self) -> list[dict[str, Any]]:
        """`workers` in generator.json. Times by the master's clock, except in clock_points: (worker's time, offset)."""
        return [each.facts() for each in self._ordered()]

    def _ordered(self) -> list[_Worker]:
        return sorted(self._workers.values(), key=lambda each: each.index)

    def _worker(self, node: str) -> _Worker:
        known = self._workers.get(node)
        if known is None:
            index = self._runner.get_worker_index(node)
            inbox = Inbox(self._directory, index) if self._directory is not None else None
            known = self._workers[node] = _Worker(node, index, inbox)
        return known

    def _lives(self, worker: _Worker) -> bool:
        client = self._runner.clients.get(worker.id)
        return client is not None and client.state != STATE_MISSING

    def _living(self) -> list[_Worker]:
        return [each for each in self._workers.values() if self._lives(each)]

    def _send(self, kind: str, data: dict[str, Any], worker: _Worker) -> None:
        self._runner.send_message(kind, data, client_id=worker.id)

    # --- what a course asks for ----------------------------------------------------------------------------------

    def _totals(self) -> tuple[int, int]:
        reports = [each.report for each in self._workers.values() if "counters" in each.report]
        return sum(each["counters"]["answers"] for each in reports), sum(each["reused"] for each in reports)

    def _end_at(self, end_ns: int) -> None:
        for each in self._living():
            self._send(END, {"end_ns": end_ns + each.offset_ns}, each)

    def _drained(self) -> bool:
        return all(each.report.get("drained", True) for each in self._living())

    # --- what workers say ----------------------------------------------------------------------------------------

    def _on_counts(self, environment: Any, msg: Any, **_: Any) -> None:
        self._worker(msg.node_id).report.update(msg.data)

    def _on_samples(self, environment: Any, msg: Any, **_: Any) -> None:
        worker, chunk = self._worker(msg.node_id), msg.data
        try:
            following = worker.inbox.take(chunk) if worker.inbox is not None else chunk["number"] + 1
        except OSError as error:
            _logger.error("--record: the samples of worker %s cannot be written: %s", worker.id, error)
            following = chunk["number"] + 1  # it would come again and again
            gevent.spawn(self._failed)
        self._send(ACK, {"next": following}, worker)

    def _on_clock(self, environment: Any, msg: Any, **_: Any) -> None:
        answered_ns, said = self._now_ns(), msg.data
        worker = self._worker(msg.node_id)
        worker.machine = Machine(said["host"], said["boot"])
        worker.rounds.append(Round(said["asked_ns"], said["worker_ns"], answered_ns))

    # --- clocks, and who has gone --------------------------------------------------------------------------------

    def _ask_the_time(self) -> None:
        asked = self._living()
        for each in asked:
            each.rounds.clear()
        give_up_s = monotonic() + _ROUNDS_LIMIT_S
        while (missing := [each for each in asked if len(each.rounds) < _ROUNDS]) and monotonic() < give_up_s:
            for each in missing:
                self._send(CLOCK, {"asked_ns": self._now_ns()}, each)
            gevent.sleep(_ROUND_EVERY_S)
        for each in asked:
            if each.rounds and each.machine is not None:
                each.offsets.append(clocks.offset(each.rounds, each.machine.boot == self._machine.boot))

    def _progress(self) -> list[tuple[int, bool]]:
        return [(each.received, each.closed) for each in self._living()]

    def _watch(self) -> None:
        while self._living():
            self._look()
            gevent.sleep(_LOOK_EVERY_S)
        gevent.spawn(self._failed)

    def _look(self) -> None:
        for each in self._workers.values():
            if each.lost or self._lives(each):
                continue
            each.lost = True
            if each.inbox is None:
                _logger.error("worker %s has gone, and its share of the load with it", each.id)
            elif each.complete:
                _logger.warning(
                    "worker %s has gone, and its share of the load with it; all its %d samples are kept",
                    each.id, each.received,
                )  # fmt: skip
            else:
                last_ns = each.last_done_ns
                _logger.error(
                    "worker %s died, and its share of the load with it; %d samples received, lost is what it recorded "
                    "after the last of them%s",
                    each.id, each.received,
                    f", {(self._now_ns() - last_ns) / 1e6:.0f} ms ago" if last_ns is not None else "",
                )  # fmt: skip


def _nothing() -> None:
    pass
