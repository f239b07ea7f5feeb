"""The wrapper against WSGI apps of every shape, without a server."""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.wrappers import Response

from edgebench.model import DIGEST_EVERY
from edgebench.origin import rows
from edgebench.origin.ledger import FILE_BYTES, WORKER_SHIFT, Ledger, Record, files, records
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
        found: list[dict[str, Any]] = rows.read(self.directory, 0).to_pylist()
        return found


def record(seq: int, target: str, version: str = "", sent: int = 1) -> Record:
    return (seq, 2, 3, "GET", target, "200 OK", sent, False, True, "", version, "", "", "", "", None, "", True)


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


LONG = [b"a" * 60_000, b"b" * 60_000]
LONG_LENGTH = ("Content-Length", "120000")


@pytest.mark.parametrize("headers", [[LONG_LENGTH], [("content-length", "120000")]])
def test_the_row_is_there_before_the_last_byte_is(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    client = Client(tmp_path, answer(LONG, *headers))
    body = iter(client.app(environ(), client.start_response))
    assert next(body) == LONG[0]
    assert client.ledger() == []
    assert next(body) == LONG[1]
    assert client.ledger()[0]["bytes"] == 120_000


def test_the_row_of_a_small_body_is_there_before_any_of_it_is(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"hello"], ("Content-Length", "5")))
    client.app(environ(), client.start_response)
    assert client.ledger()[0]["bytes"] == 5


def test_headers_are_read_however_they_are_written(tmp_path: Path) -> None:
    headers = [("Etag", '"v1"'), ("CACHE-CONTROL", "max-age=9"), ("vary", "Accept"), ("content-encoding", "gzip")]
    for number, length in enumerate([[], [("Content-Length", "1")], [("content-length", "1")]]):
        client = Client(tmp_path / str(number), answer([b"x"], *headers, *length))
        client.call(environ())
        [row] = client.ledger()
        assert (row["version"], row["ttl_s"], row["vary"], row["encoding"]) == ('"v1"', 9, "Accept", "gzip")


@pytest.mark.parametrize("body", [[b"x"], [b"x" * 120_000]])
def test_what_varies_is_written(tmp_path: Path, body: list[bytes]) -> None:
    headers = [("Content-Length", str(len(body[0]))), ("Cache-Control", "max-age=9, stale-if-error=30")]
    variant = [("Vary", "Accept-Encoding, Accept-Language"), ("Content-Encoding", "br"), ("Content-Language", "de")]
    client = Client(tmp_path, answer(body, *headers, *variant))
    client.call(environ(authorization="Bearer x"))
    client.call(environ())
    facts = ("authorized", "vary", "encoding", "language", "ttl_s", "stale_ok_s", "fault")
    vary = "Accept-Encoding, Accept-Language"
    assert [tuple(row[name] for name in facts) for row in client.ledger()] == [
        (True, vary, "br", "de", 0, 0, ""),
        (False, vary, "br", "de", 9, 30, ""),
    ]


def streamed(*pieces: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: iter(pieces)


def flask_response() -> Iterable[bytes]:
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "HTTP_HOST": "x"}
    body, _, _ = Response(b"hello").get_wsgi_response(environ)
    return body


@pytest.mark.parametrize(
    ("make", "length", "method", "taken"),
    [
        (lambda: [b"hello"], 5, "GET", True),
        (lambda: (b"hello",), 5, "GET", True),
        (streamed(b"hello"), 5, "GET", True),
        (flask_response, 5, "GET", True),
        (streamed(b"hel", b"lo"), 5, "GET", False),  # not in one piece
        (list, 5, "HEAD", False),
        (lambda: FileWrapper(io.BytesIO(b"hello")), 5, "GET", False),
        (lambda: [b"hello"], None, "GET", False),
    ],
)
def test_every_sixteenth_body_has_its_digest(
    tmp_path: Path, make: Callable[[], Iterable[bytes]], length: int | None, method: str, taken: bool
) -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(length))] if length else [])
        return make()

    client = Client(tmp_path, app)
    for _ in range(2 * DIGEST_EVERY):
        expected = b"" if method == "HEAD" else b"hello"
        assert client.call({**environ(method), "wsgi.file_wrapper": FileWrapper}) == expected
    digests = {row["seq"]: row["digest"] for row in client.ledger()}
    found = {seq for seq, digest in digests.items() if digest == zlib.crc32(b"hello")}
    assert found == ({16, 32} if taken else set())
    assert all(digests[seq] is None for seq in digests.keys() - found)


def test_a_body_looked_into_is_closed_once_and_its_failure_is_a_row(tmp_path: Path) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            raise ZeroDivisionError

        def close(self) -> None:
            closed.append(True)

    client = Client(tmp_path, answer([b"x"], ("Content-Length", "1")))
    for _ in range(DIGEST_EVERY - 1):
        client.call(environ())
    client.app._app = answer(Body(), ("Content-Length", "1"))
    with pytest.raises(ZeroDivisionError):
        client.app(environ(), client.start_response)
    assert (client.ledger()[-1]["status"], client.ledger()[-1]["complete"], closed) == (500, False, [True])


def test_a_body_given_up_is_a_row_that_is_not_complete(tmp_path: Path) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    client = Client(tmp_path, answer(Body(LONG), LONG_LENGTH))
    body: Any = client.app(environ(), client.start_response)
    next(body)
    body.close()
    [row] = client.ledger()
    assert (row["bytes"], row["complete"], closed) == (60_000, False, [True])


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
        ({"REQUEST_URI": "/a?b=c"}, "/a?b=c"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": "/a", "QUERY_STRING": "b=c"}, "/shop/a?b=c"),
        ({"PATH_INFO": "/a", "QUERY_STRING": ""}, "/a"),
    ],
)
def test_request_target(given: Environ, expected: str) -> None:
    assert request_target(given) == expected


def test_an_absolute_target_is_the_same_key(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"]))
    client.call(environ() | {"RAW_URI": "http://shop.example/a?b=c"})
    assert (client.ledger()[0]["key"], client.ledger()[0]["path"]) == ("/a?b=c", "/a")


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


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(0, 2**40)), max_size=5), st.integers(0, 400))
def test_what_is_appended_is_read_back_up_to_where_it_was_torn(entries: list[tuple[str, str, int]], torn: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        written: list[Record] = []
        for target, version, sent in entries:
            seq = ledger.next_seq()
            written.append(record(seq, target, version, sent))
            ledger.append(written[-1])
        if not entries:
            return
        [path] = files(Path(folder))
        assert list(records(path)) == written
        whole = path.read_bytes()
        end = len(whole.rstrip(b"\0"))
        for left in (whole[: end - torn], whole[: end - torn] + bytes(torn)):  # cut off; never reached the mapping
            path.write_bytes(left)
            survived = list(records(path))
            assert survived == written[: len(survived)]
            assert len(survived) == len(written) or torn > 0


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
    assert table.num_rows == 200 and len(files(tmp_path)) > 1
    assert set(table.column("key").to_pylist()) == {target}


def test_a_record_longer_than_a_file_gets_a_file_of_its_own(tmp_path: Path) -> None:
    client = Client(tmp_path, answer([b"x"]))
    for target in ("/a", "/" + "b" * FILE_BYTES, "/c"):
        client.call(environ(target=target))
    assert [len(key) for key in rows.read(tmp_path, 0).column("key").to_pylist()] == [2, FILE_BYTES + 1, 2]


def test_threads_that_outgrow_a_file_together_lose_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    target = "/" + "long" * 1000

    def fill() -> None:
        for _ in range(500):
            seq = ledger.next_seq()
            ledger.append(record(seq, target))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(fill) for _ in range(8)]:
            done.result()
    found = [each[0] for path in files(tmp_path) for each in records(path)]
    assert sorted(found) == list(range(1, 4001))


def test_no_ledger_at_all_is_an_empty_table(tmp_path: Path) -> None:
    assert rows.read(tmp_path, 0).num_rows == 0
