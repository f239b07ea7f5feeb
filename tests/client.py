"""A plain HTTP client for tests: the standard library's, so that nothing of ours is tested by itself."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def seq(self) -> int | None:
        """Number of the origin's response the answer is from."""
        stamp = self.headers.get("edgebench-origin", "")
        return int(stamp.removeprefix("seq=").partition(";")[0]) if stamp else None


def ask(url: str, target: str, method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own; header names with _ for -."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    finally:
        connection.close()


def ask_at_once(url: str, targets: Iterable[str], **headers: str) -> list[Answer]:
    """All targets at the same time, each on its own connection; answers in the order of the targets."""
    wanted = list(targets)
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(lambda target: ask(url, target, **headers), wanted))
