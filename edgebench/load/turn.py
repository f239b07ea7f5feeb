"""What connections do together in one turn of the event loop: first all receive, then their users run, then all send.

Each answer is stamped when it is received, so that no user's work counts as another's latency. And where the server is
faster than the generator, it sleeps between two requests, and waking it costs the sender more than sending does: sent
together, many requests pay for one awakening. Each is stamped when it really goes. An open loop sends at once: there,
punctuality is the point.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from gevent import get_hub

if TYPE_CHECKING:
    from edgebench.load.connection import Connection

_LAST = -2
"""libev's lowest priority: after the sockets were read; after gevent's own prepare watcher, which starts greenlets, and
just before libev waits."""


class Turn:
    """Of one generator process."""

    def __init__(self, *, posts: bool) -> None:
        """`posts`: whether requests go together. Where they do, a connection that is put to `post` sends its request
        before the event loop waits, and what is put to `resume` runs when all that can be read has been read."""
        self.posts = posts
        self._to_resume: list[Connection] = []
        self._to_post: list[Connection] = []
        self.resume = self._to_resume.append
        self.post = self._to_post.append
        loop = get_hub().loop
        self._watchers: list[Any] = [loop.check(ref=False, priority=_LAST)]
        self._watchers[0].start(self._resume)
        if posts:
            self._watchers.append(loop.prepare(ref=False, priority=_LAST))
            self._watchers[1].start(self._post)

    def take_back(self, connection: Connection) -> None:
        """Do not post its request, if that has not been done."""
        if connection in self._to_post:
            self._to_post.remove(connection)

    def close(self) -> None:
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()

    def _resume(self) -> None:
        waiting = self._to_resume
        if waiting:
            batch = tuple(waiting)
            waiting.clear()
            for connection in batch:
                if connection.awaiting:  # and not given up meanwhile
                    connection.wake()

    def _post(self) -> None:
        waiting = self._to_post
        if not waiting:
            return
        batch = tuple(waiting)
        waiting.clear()
        for connection in batch:
            request = connection.request
            connection.sent_ns = connection.asked_ns = connection.heard_ns = monotonic_ns()
            try:
                sent = connection.send(request)
            except OSError as error:
                connection.send_failed(error)
            else:
                if sent == len(request):
                    connection.posted = True
                else:
                    connection.send_stopped(sent)
