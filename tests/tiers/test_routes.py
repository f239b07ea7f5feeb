"""Path behaviours: some paths come from another server than the app, are stored alike, and tell it nothing of users."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgebench.model import Cell, ClaimedOutcome, Freshness, Load, OriginSpec, Profile, TierSpec
from edgebench.origin import rows
from edgebench.runner.guardian import Guardian
from edgebench.runner.stack import Stack, require
from edgebench.tiers import adapters
from edgebench.tiers.adapter import Route
from tests.client import ask
from tests.tiers.moving import placed

CASES = [
    *((name, Profile.STRICT) for name, adapter in adapters().items() if adapter.routes_paths),
    ("nginx", Profile.DEFAULT),  # whose key is another
    ("varnish", Profile.RESILIENT),  # which asks twice
]


class Other(ThreadingHTTPServer):
    """The other server: it writes down what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Other

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        body = b"from the other server"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "public, max-age=60")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[Other]:
    server = Other()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("kind", "profile"), CASES)
def test_a_path_comes_from_another_server(tmp_path: Path, other: Other, kind: str, profile: Profile) -> None:
    adapter = adapters()[kind]
    if adapter.find() is None:
        pytest.skip(adapter.how_to_get)
    cell = Cell(TierSpec(name=kind, kind=kind, profile=profile), Freshness(), Load())
    with ExitStack() as running:
        stack = Stack(
            cell, OriginSpec(app="tests.apps:app", threads=4), tmp_path, (), running.enter_context(Guardian())
        )
        port = other.server_address[1]
        routes = (Route("/static/", "127.0.0.1", port, "shop.example:1", path="/bucket"),)
        running.enter_context(placed(stack, routes=routes))
        assert stack.place is not None
        for _ in range(2):
            answer = ask(stack.url, "/static/a.css?v=1")
            assert (answer.status, answer.body, answer.seq) == (200, b"from the other server", None)
        secret = ask(stack.url, "/static/b.css", Authorization="Bearer ann", Cookie="session=ann")
        assert secret.body == b"from the other server"
        assert ask(stack.url, "/public/static/").seq is not None
        paths = [path for path, _ in other.asked]
        assert paths == ["/bucket/static/a.css?v=1", "/bucket/static/b.css"]
        assert all(headers["host"] == "shop.example:1" for _, headers in other.asked)
        assert not any({"authorization", "cookie"} & set(headers) for _, headers in other.asked)
        if adapter.purges_one:
            adapter.purge(require(adapter), stack.place, "/static/a.css?v=1")
            ask(stack.url, "/static/a.css?v=1")
            assert len(other.asked) == 3
        assert rows.read(stack.ledger, 0).to_pandas().key.tolist() == ["/public/static/"]
    lines = list(adapter.read_log(stack.place))
    assert [line.key for line in lines[:2]] == ["/static/a.css?v=1"] * 2
    assert [line.verdict for line in lines[:2]] == [ClaimedOutcome.MISS, ClaimedOutcome.HIT]
