"""gunicorn for an origin that comes back: it listens when it can answer, and not before it is told to.

gunicorn itself listens before its workers have imported the app, and whoever connects meanwhile waits. A port that is
bound and not listened on refuses. So `python -m edgebench.origin.late …` takes gunicorn's arguments, and the first
worker that has the app listens, at EDGEBENCH_LISTEN_AT_NS (CLOCK_MONOTONIC) at the earliest. When it did is in a file
below EDGEBENCH_LISTENING.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from gunicorn import sock as gunicorn_sock
from gunicorn.app.wsgiapp import run

from edgebench.origin.process import LISTEN_AT_NS, LISTENING
from edgebench.origin.schedule import write_whole


class LateSocket(gunicorn_sock.TCPSocket):  # type: ignore[misc]
    """Bound; listened on when `listen` is called."""

    made: list[tuple[Any, int]] = []  # noqa: RUF012
    """Each with its backlog. A worker inherits them."""

    def set_options(self, sock: Any, bound: bool = False) -> Any:
        """As gunicorn's own, all but listening."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not bound:
            self.bind(sock)
        sock.setblocking(False)
        sock.set_inheritable(True)
        self.made.append((sock, self.conf.backlog))
        return sock


def listen() -> None:
    """In a worker that is ready: listen, when it is time."""
    at_ns = int(os.environ.get(LISTEN_AT_NS, "0"))
    time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
    for each, backlog in LateSocket.made:
        each.listen(backlog)
    if LateSocket.made and (folder := os.environ.get(LISTENING)):
        write_whole(Path(folder) / str(os.getpid()), str(time.monotonic_ns()))


def main() -> None:
    gunicorn_sock.TCPSocket = LateSocket
    run(prog="gunicorn")


if __name__ == "__main__":
    from edgebench.origin import late  # the module that serve.py sees, too

    late.main()
