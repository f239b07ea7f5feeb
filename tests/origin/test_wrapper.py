"""The wrapper against WSGI apps of every shape, without a server."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.origin import rows
from edgebench.origin.ledger import CHUNK_BYTES, FIELDS, WORKER_SHIFT, Ledger, _line
from edgebench.origin.wrapper import App, Witness, principal, request_target

Environ = dict[str, Any]
Start = Callable[..., Any]


def environ(method: str = "GET", target: str = "/thing?q=1", **headers: str) -> Environ:
    path, _, query = target.partition("?")
    extra = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "RAW_URI": target, **extra}


class Client:
    """Calls a WSGI app as a server does and keeps what came of it."""

    def __init__(self, directory: Path, app: App, rewrite_ttl_s: int | None = None) -> None:
        self.directory = directory
        self.app = Witness(app, Ledger(directory), rewrite_ttl_s)
        self.headers: dict[str, str] = {}
        self.status = ""

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.headers = status, {name.lower(): value for name, value in headers}
        return lambda data: None

    def call(self, environ: Environ) -> bytes:
        body = self.app(environ, self.start_response)
        try:
            return b"".join(body)
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()

    def ledger(self) -> list[dict[str, Any]]:
        files = sorted(self.directory.glob("*.jsonl"))
        lines = [line for path in files for line in path.read_text().rstrip("\0").splitlines()]
        return [dict(zip(FIELDS, json.loads(line), strict=True)) for line in lines]


def answer(body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> App:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body

    return app


def test_stamp_and_row_agree(tmp_path: Path) -> None:
    headers = [("Content-Length", "5"), ("Cache-Control", "public, max-age=60"), ("ETag", '"v1"')]
    client = Client(tmp_path, answer([b"hello"], *headers))
    assert client.call(environ(authorization="Bearer x", if_none_match='"v0"')) == b"hello"
    [row] = client.ledger()
    assert client.headers["edgebench-origin"].startswith(f"seq={row['seq']};t=")
    stamped_ns = int(client.headers["edgebench-origin"].partition("t=")[2])
    assert row["start_ns"] <= stamped_ns <= row["end_ns"]
    assert {name: row[name] for name in ("method", "key", "status", "bytes", "version", "ttl_s", "complete")} == {
        "method": "GET", "key": "/thing?q=1", "status": 200, "bytes": 5, "version": '"v1"', "ttl_s": 60,
        "complete": True,
    }  # fmt: skip
    assert row["conditional"] is True
    assert len(row["principal"]) == 12 and "x" not in row["principal"]


def generator_app(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [])  # only when the body is asked for: legal, and some frameworks do it
    yield b"ab"
    yield b"cde"


@pytest.mark.parametrize(
    ("app", "method", "sent"),
    [
        (answer([b"ab", b"cde"], ("Content-Length", "5")), "GET", 5),
        (answer([b"ab", b"cde"]), "GET", 5),
        (generator_app, "GET", 5),
        (answer([], ("Content-Length", "5")), "HEAD", 0),
        (answer([], ("ETag", '"v"'), status="304 NOT MODIFIED"), "GET", 0),
        (answer([], status="204 NO CONTENT"), "GET", 0),
        (answer([]), "GET", 0),
    ],
)
def test_every_shape_of_body_gives_one_complete_row(tmp_path: Path, app: App, method: str, sent: int) -> None:
    client = Client(tmp_path, app)
    client.call(environ(method))
    [row] = client.ledger()
    assert (row["bytes"], row["complete"]) == (sent, True)


def test_the_row_is_there_before_the_last_byte_is(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"ab", b"cde"], ("Content-Length", "5")))
    body = iter(client.app(environ(), client.start_response))
    assert next(body) == b"ab"
    assert client.ledger() == []
    assert next(body) == b"cde"
    assert len(client.ledger()) == 1


def test_a_body_given_up_is_a_row_that_is_not_complete(tmp_path: Path) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    client = Client(tmp_path, answer(Body([b"ab", b"cde"]), ("Content-Length", "5")))
    body: Any = client.app(environ(), client.start_response)
    next(body)
    body.close()
    [row] = client.ledger()
    assert (row["bytes"], row["complete"], closed) == (2, False, [True])


def test_an_app_that_raises_is_a_row_and_still_raises(tmp_path: Path) -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        raise ZeroDivisionError

    client = Client(tmp_path, app)
    with pytest.raises(ZeroDivisionError):
        client.call(environ())
    [row] = client.ledger()
    assert (row["status"], row["complete"]) == (500, False)


def test_a_file_is_handed_through_for_sendfile(tmp_path: Path) -> None:
    file = FileWrapper(io.BytesIO(b"hello"))
    client = Client(tmp_path, answer(file, ("Content-Length", "5")))
    assert client.app({**environ(), "wsgi.file_wrapper": FileWrapper}, client.start_response) is file
    [row] = client.ledger()
    assert (row["bytes"], row["complete"]) == (5, True)


def test_probes_are_not_seen_by_app_or_ledger(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"app"]))
    assert client.call(environ(target="/__edgebench__/ping")) == b""
    assert client.status == "204 No Content"
    assert client.ledger() == []


def test_rewrite_changes_what_is_sent_and_what_is_written(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"], ("Cache-Control", "public, max-age=60")), rewrite_ttl_s=7)
    client.call(environ())
    assert client.headers["cache-control"] == "public, max-age=7"
    assert client.ledger()[0]["ttl_s"] == 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"RAW_URI": "/a%20b?q=%C3%A9"}, "/a%20b?q=%C3%A9"),
        ({"RAW_URI": "http://shop.example/a?b=c"}, "/a?b=c"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": "/a", "QUERY_STRING": "b=c"}, "/shop/a?b=c"),
        ({"PATH_INFO": "/a", "QUERY_STRING": ""}, "/a"),
    ],
)
def test_request_target(given: Environ, expected: str) -> None:
    assert request_target(given) == expected


def test_principals_differ_by_credential_only() -> None:
    ann, bob = principal(environ(authorization="Bearer ann")), principal(environ(authorization="Bearer bob"))
    assert len({ann, bob, ""}) == 3
    assert principal(environ(target="/other", authorization="Bearer ann")) == ann
    assert principal(environ(cookie="theme=dark; session=s1")) not in ("", principal(environ(cookie="session=s2")))
    assert principal(environ(cookie="theme=dark")) == ""


def test_two_ledgers_in_one_folder_never_share_a_number(tmp_path: Path) -> None:
    first, second = (Client(tmp_path, answer([b"x"])) for _ in range(2))
    for client in (first, second, first):
        client.call(environ())
    table = rows.read(tmp_path, 0).to_pandas()
    assert len(set(table.seq)) == 3
    assert sorted(table.worker) == [0, 0, 1]
    assert list(table.seq.map(lambda seq: seq >> WORKER_SHIFT)) == list(table.worker)


@given(st.text(), st.text(), st.none() | st.integers(0, 2**31), st.booleans())
def test_a_line_is_json_whatever_is_in_it(key: str, version: str, ttl_s: int | None, flag: bool) -> None:
    row = (1, 2, 3, "GET", key, 200, 5, flag, "", version, ttl_s, not flag)
    line = _line(row)
    assert line.count(b"\n") == 1
    assert tuple(json.loads(line)) == row


def test_a_forked_process_writes_a_file_of_its_own(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"]))
    client.call(environ())
    pid = os.fork()
    if pid == 0:
        client.call(environ())
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    client.call(environ())
    assert sorted(rows.read(tmp_path, 0).column("worker").to_pylist()) == [0, 0, 1]


def test_a_ledger_outgrows_its_first_piece(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"]))
    target = "/" + "long" * 4000
    for _ in range(200):
        client.call(environ(target=target))
    table = rows.read(tmp_path, 0)
    assert table.num_rows == 200 and (tmp_path / "ledger-0.jsonl").stat().st_size > CHUNK_BYTES
    assert set(table.column("key").to_pylist()) == {target}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"]))
    client.call(environ())
    path = tmp_path / "ledger-0.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b'[2,10,20,"GET","/th' + bytes(100))
    assert rows.read(tmp_path, 0).num_rows == 1


def test_no_ledger_at_all_is_an_empty_table(tmp_path: Path) -> None:
    assert rows.read(tmp_path, 0).num_rows == 0
