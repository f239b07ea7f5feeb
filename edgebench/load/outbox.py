"""Closed loop: requests that users make in one turn of the event loop go out together at its end.

A server that is faster than the generator sleeps between two requests, and waking it costs the sender more than sending
does. Sent together, many requests pay for one awakening. Each is stamped when it really goes. An open loop sends at
once: there, punctuality is the point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import get_hub

_LAST = -2
"""libev's lowest priority: after gevent's own prepare watcher, which starts greenlets, and just before libev waits."""


class Outbox:
    """Of one generator process. What is `put` is called once before the event loop waits."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self.put = self._waiting.append
        self._watcher: Any = get_hub().loop.prepare(ref=False, priority=_LAST)
        self._watcher.start(self._send)

    def take_back(self, send: Callable[[], None]) -> None:
        """Do not call it, if it is there."""
        if send in self._waiting:
            self._waiting.remove(send)

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()

    def _send(self) -> None:
        waiting = self._waiting
        if waiting:
            batch = tuple(waiting)
            waiting.clear()
            for send in batch:
                send()
