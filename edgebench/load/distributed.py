"""A test of several processes: what master and workers tell each other over Locust's channel, beside Locust's own.

    worker → master    COUNTS    every quarter second and at the end: answers, samples recorded, whether it has drained
                       SAMPLES   a chunk of samples (channel.py)
    master → worker    ACK       chunks before this number have come
                       START     offer load from then on, by the worker's clock
                       END       offer nothing that is due from then on, by the worker's clock
                       CLOSE     stop, and send what is left
    both ways          CLOCK     what time is it? (clocks.py)

A worker that dies is noticed by Locust after about four seconds without a heartbeat. The test goes on with the others,
without the dead worker's share of the load; what it sent is kept, and generator.json says what is missing (master.py).
A worker that joins late offers no open load: its share would come on top.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

import gevent
from locust.exception import RPCError, RPCSendError

from edgebench.load.channel import ChannelSink
from edgebench.load.clocks import Machine
from edgebench.load.session import Session

COUNTS, SAMPLES, ACK, START, END, CLOSE, CLOCK = (
    f"edgebench_{name}" for name in ("counts", "samples", "ack", "start", "end", "close", "clock")
)
_TELL_EVERY_S = 0.25
_logger = logging.getLogger(__name__)


class WorkerSide:
    """Made when a worker has started; lives as long as the process. `runner` is Locust's WorkerRunner."""

    def __init__(
        self,
        runner: Any,
        current: Callable[[], Session | None],
        machine: Machine,
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._runner, self._current, self._machine, self._now_ns = runner, current, machine, now_ns
        self._sink: ChannelSink | None = None
        runner.register_message(START, self._on_start)
        runner.register_message(END, self._on_end)
        runner.register_message(ACK, self._on_ack)
        runner.register_message(CLOCK, self._on_clock)
        runner.register_message(CLOSE, self._on_close, concurrent=True)
        # Listeners of `quitting` run last first: everything is sent before Locust tells the master that we quit.
        runner.environment.events.quitting.add_listener(self._on_quitting)

    def rank(self, workers: Sequence[str]) -> int | None:
        """Our place among those that divide the load; None: we came after it was divided."""
        return workers.index(self._runner.client_id) if self._runner.client_id in workers else None

    def sink(self) -> ChannelSink:
        """Where this worker's samples go."""
        self._sink = ChannelSink(lambda chunk: self._runner.send_message(SAMPLES, chunk))
        return self._sink

    def tell_always(self, session: Session) -> None:
        """Begin to tell the master every quarter second, until the session is closed."""
        gevent.spawn(self._tell_always, session)

    def tell(self, session: Session | None, closed: bool) -> None:
        counts = _counts(session) if session is not None else {}
        try:
            self._runner.send_message(COUNTS, {"closed": closed, **counts})
        except (RPCError, RPCSendError) as error:
            _logger.warning("the master could not be told how far we are: %s", error)

    def _tell_always(self, session: Session) -> None:
        while self._current() is session and not session.closed:
            self.tell(session, closed=False)
            gevent.sleep(_TELL_EVERY_S)

    def _on_start(self, environment: Any, msg: Any, **_: Any) -> None:
        session = self._current()
        if session is not None:
            session.begin(msg.data["start_ns"])

    def _on_end(self, environment: Any, msg: Any, **_: Any) -> None:
        session = self._current()
        if session is not None:
            session.end_at(msg.data["end_ns"])

    def _on_ack(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._sink is not None:
            self._sink.acknowledged(msg.data["next"])

    def _on_clock(self, environment: Any, msg: Any, **_: Any) -> None:
        told = {"worker_ns": self._now_ns(), "host": self._machine.host, "boot": self._machine.boot}
        self._runner.send_message(CLOCK, {"asked_ns": msg.data["asked_ns"], **told})

    def _on_close(self, environment: Any, msg: Any, **_: Any) -> None:
        # As Locust's own "stop" does, which comes next; but this greenlet may wait for acknowledgements.
        self._runner.stop()
        self.tell(self._current(), closed=True)

    def _on_quitting(self, environment: Any, **_: Any) -> None:
        session = self._current()
        if session is not None and not session.closed:
            self._runner.stop()


def _counts(session: Session) -> dict[str, Any]:
    return {
        "reused": session.reused,
        "drained": session.drained,
        "recorded": session.recorded,
        "counters": session.counters(),
    }
