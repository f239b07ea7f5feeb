"""A small HTTP server that counts what it is asked and answers as a test says, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic_ns


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server got it."""

    at_ns: int
    number: int
    """On its connection, from 1."""
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Seen], bytes | None]
"""The bytes to send; None: close without an answer. A reply that ends with CLOSE closes after it."""
CLOSE = b"\0close\0"


def ok(body: bytes = b"hello", *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def stamped(seen: Seen) -> bytes:
    return ok(b"hello", f"Edgebench-Origin: seq={seen.at_ns};t={monotonic_ns()}")


@dataclass
class Server:
    reply: Reply
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=256))
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def targets(self) -> list[str]:
        return [seen.target for seen in self.seen]

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while line := stream.readline():
                number += 1
                method, target, _ = line.decode().split(" ", 2)
                headers = {}
                while (line := stream.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", 0)))
                seen = Seen(monotonic_ns(), number, method, target, headers, body)
                with self.lock:
                    self.seen.append(seen)
                answer = self.reply(seen)
                if answer is None:
                    return
                connection.sendall(answer.removesuffix(CLOSE))
                if answer.endswith(CLOSE):
                    return


@contextmanager
def serving(reply: Reply) -> Iterator[Server]:
    server = Server(reply)
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join()
