"""From a worker to the web UI: once a second, over Locust's channel or straight to the board of the same process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import MasterRunner, WorkerRunner

from edgebench.load.live.board import Board
from edgebench.load.live.collector import LiveSink
from edgebench.load.live.totals import Delta
from edgebench.load.live.web import attach

_EVERY_S = 1.0
_MESSAGE = "edgebench_live"
_WANTED = "edgebench_live"
"""An option nobody types: Locust sends the master's options to its workers, so they know whether anybody looks."""


class Feed:
    """A record.Sink that collects, and gives away what it has once a second and when it is closed."""

    def __init__(self, give: Callable[[Delta], None], every_s: float = _EVERY_S) -> None:
        self._sink, self._give, self._every_s = LiveSink(), give, every_s
        self._ended = Event()
        self._ticker = gevent.spawn(self._tick)

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        self._sink.write(records, strings)

    def close(self) -> None:
        """Give away the rest."""
        self._ended.set()
        self._ticker.join()
        while delta := self._sink.collector.drain():
            self._give(delta)

    def _tick(self) -> None:
        while not self._ended.wait(self._every_s):
            if delta := self._sink.collector.drain():
                self._give(delta)


class Live:
    """The tab of one process: shown where there is a web UI, fed where there are users."""

    def __init__(self) -> None:
        self.board = Board()

    def init(self, environment: Any) -> None:
        """For Locust's event init."""
        if environment.web_ui is None:
            return
        attach(environment.web_ui, self.board)
        # The button "Reset"; Locust itself empties its own statistics.
        environment.events.reset_stats.add_listener(lambda **_: self.board.clear())
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_MESSAGE, self._on_message)

    def start(self, environment: Any) -> list[Feed]:
        """For Locust's event test_start. Returns the sink this process is to record to; none where nobody looks, and
        none in a master, which has no users."""
        runner, options = environment.runner, environment.parsed_options
        if isinstance(runner, WorkerRunner):
            return [Feed(lambda delta: _send(runner, delta))] if getattr(options, _WANTED, False) else []
        setattr(options, _WANTED, environment.web_ui is not None)
        self.board.clear()
        if environment.web_ui is None or isinstance(runner, MasterRunner):
            return []
        return [Feed(self._merge)]

    def _merge(self, delta: Delta) -> None:
        self.board.merge(delta, monotonic())

    def _on_message(self, msg: Any, **_: Any) -> None:
        self._merge(Delta.from_message(msg.data))


def _send(runner: Any, delta: Delta) -> None:
    runner.send_message(_MESSAGE, delta.message())
