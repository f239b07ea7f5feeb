"""What a sample says of the request and of the body that came, against what the server saw and served."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections import Counter
from pathlib import Path
from time import monotonic_ns
from typing import Any

import brotli
import pyarrow.parquet as pq
import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from edgebench.load import samples
from edgebench.load.record import Recorder
from edgebench.load.request import key_of, request_bytes
from edgebench.load.sample_files import FileSink
from edgebench.model import DIGEST_EVERY
from edgebench.origin import wrapper
from tests.load.clients import driving
from tests.load.runs import run
from tests.load.server import Seen, ok, serving

ACCEPTS = ("accept-encoding", "accept-language")
ASKING = """
import itertools
from edgebench.load import EdgeUser
from locust import task

class Asker(EdgeUser):
    fixed_count = 4

    def on_start(self) -> None:
        self.ways = itertools.cycle([
            {},
            {"headers": {"Authorization": "Bearer ann"}},
            {"headers": {"authorization": "  Bearer bob\\t"}},
            {"auth": ("me", "secret")},
            {"headers": {"Cookie": "theme=dark; session=s1; lang=en"}},
            {"headers": {"Cookie": "theme=dark"}},
            {"headers": {"Authorization": "Bearer ann", "Cookie": "sessionid=s2"}},
            {"headers": {"Accept-Encoding": "gzip, br", "accept-language": "de, en;q=0.5"}},
            {"headers": {"Accept-Language": "de"}},
            {"headers": {"Accept-Encoding": "br"}},
            {"headers": {"Range": "bytes=0-1"}},
            {"headers": {"range": "bytes=9999-"}},
            {"headers": {"If-None-Match": "v"}},
        ])

    @task(5)
    def get(self) -> None:
        self.client.get("/a?b=1", name="get", **next(self.ways))

    @task
    def others(self) -> None:
        self.client.head("/head")
        self.client.post("/post")
        self.client.get("/chunked")
        self.client.get("/missing")
        self.client.get("/unstamped")

class Plain(EdgeUser):
    headers = {"Authorization": "Bearer carol", "Accept-Encoding": "gzip"}

    @task
    def get(self) -> None:
        self.client.get(f"/p/{self.popular(20)}")

class Visitor(EdgeUser):
    cookies = True
    fixed_count = 1

    @task
    def get(self) -> None:
        self.client.get("/visit")
"""


class Origin:
    """Answers in the encoding and language asked for, with a stamp; keeps what it served, by sequence number."""

    def __init__(self) -> None:
        self._next = itertools.count()
        self.served: dict[int, tuple[Seen, int, bytes]] = {}
        """Request, status and body."""
        self.unstamped = 0

    def __call__(self, seen: Seen) -> bytes:
        seq = next(self._next)
        body, fields, status = b"body %d " % seq * 20, [f"Edgebench-Origin: seq={seq};t={monotonic_ns()}"], "200 OK"
        accepts = seen.headers.get("accept-encoding", "")
        if "gzip" in accepts:
            body = gzip.compress(body)
            fields.append("Content-Encoding: gzip")
        elif "br" in accepts:
            body = brotli.compress(body)
            fields.append("content-encoding: br")
        if "de" in seen.headers.get("accept-language", ""):
            fields.append("Content-Language: de")
        if seen.target == "/missing":
            status = "404 Not Found"
        elif seen.target == "/visit":
            fields.append("Set-Cookie: session=visitor")
        elif seen.headers.get("range") == "bytes=0-1":
            status, body = "206 Partial Content", body[:2]
        elif "if-none-match" in seen.headers:
            status, body = "304 Not Modified", b""
        elif seen.target == "/unstamped":
            self.unstamped += 1
            return ok(body)
        if seen.method == "HEAD":
            body = b""
        self.served[seq] = seen, int(status[:3]), body
        if seen.target == "/chunked":
            lines = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *fields, "\r\n"]).encode()
            return lines + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
        return ok(body, *fields, status=status)


def expected(seq: int, seen: Seen, status: int, body: bytes) -> dict[str, Any]:
    """The columns of the sample of this answer, from what the server saw and served."""
    fields = seen.headers
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields.items()}
    wanted = [f"{name}: {fields[name]}" for name in ACCEPTS if name in fields]
    digested = seq % DIGEST_EVERY == 0 and seen.method == "GET" and status == 200 and "range" not in fields
    encoding = next((coding for coding in ("gzip", "br") if coding in fields.get("accept-encoding", "")), "")
    return {
        "key": seen.target,
        "status": status,
        "principal": wrapper.principal(environ),
        "accepts": "\n".join(wanted),
        "encoding": encoding,
        "language": "de" if "de" in fields.get("accept-language", "") else "",
        "digest": zlib.crc32(body) if digested else None,
    }


@pytest.mark.parametrize("rate", ["0", "400"])
def test_a_run_tells_what_was_asked_and_what_came(tmp_path: Path, rate: str) -> None:
    origin = Origin()
    with serving(origin) as server:
        result = run(tmp_path, server.url, "--rate", rate, "--measure", "1.5", "--parquet", locustfile=ASKING)
    assert result.code == 0, result.output
    rows = pq.read_table(result.record / "samples.parquet").to_pylist()
    stamped = [row for row in rows if row["origin_seq"] is not None]
    assert Counter(row["origin_seq"] for row in stamped) == Counter(origin.served.keys())
    assert len(rows) - len(stamped) == origin.unstamped > 0
    assert {row["digest"] for row in rows if row["origin_seq"] is None} == {None}
    for row in stamped:
        truth = expected(row["origin_seq"], *origin.served[row["origin_seq"]])
        assert {name: row[name] for name in truth} == truth

    # All that may be seen was.
    seen = {name: {row[name] for row in stamped} for name in ("principal", "accepts", "encoding", "language", "status")}
    assert len(seen["principal"]) == 7  # nobody, Ann (with a cookie or without), Bob, me, Carol, two sessions
    assert len(seen["accepts"]) == 5
    assert (seen["encoding"], seen["language"]) == ({"", "gzip", "br"}, {"", "de"})
    assert seen["status"] == {200, 206, 304, 404}
    due = {row["key"] if row["status"] == 200 else row["status"] for row in stamped if row["digest"] is not None}
    assert due >= {"/a?b=1", "/visit"}
    assert due.isdisjoint({"/head", "/post", 206, 304, 404})


def test_a_digest_is_of_the_body_that_came_under_whatever_head(tmp_path: Path) -> None:
    """A store that gives other bytes under the same head: what the digest is for."""
    bodies = itertools.cycle([b"right", b"wrong", b"\0\0\0\0\0", b"right"])
    sent: list[bytes] = []

    def storing(_: Seen) -> bytes:
        sent.append(next(bodies))
        return ok(sent[-1], f"Edgebench-Origin: seq={3 * DIGEST_EVERY};t=1")

    with serving(storing) as server, driving(server.url) as driven:
        driven.session.recorder = Recorder([FileSink(tmp_path, 0)])
        for number in range(40):
            driven.client.get("/", headers={"Range": "bytes=0-"} if number % 3 == 2 else {})
    assert [row["digest"] for row in samples.read(tmp_path, 0).to_pylist()] == [
        None if number % 3 == 2 else zlib.crc32(body) for number, body in enumerate(sent)
    ]


def test_a_lost_answer_keeps_what_was_asked(tmp_path: Path) -> None:
    with serving(lambda _: None) as server, driving(server.url) as driven:
        driven.session.recorder = Recorder([FileSink(tmp_path, 0)])
        driven.client.get("/x", headers={"Authorization": "Bearer ann", "Accept-Language": "de"})
    [row] = samples.read(tmp_path, 0).to_pylist()
    ann = wrapper.principal({"HTTP_AUTHORIZATION": "Bearer ann"})
    assert (row["key"], row["principal"], row["accepts"]) == ("/x", ann, "accept-language: de")
    assert (row["status"], row["error"] is None, row["encoding"], row["digest"]) == (0, False, "", None)


def test_a_body_with_the_digest_0_has_one(tmp_path: Path) -> None:
    empty = ok(b"", "Edgebench-Origin: seq=0;t=1")
    with serving(lambda _: empty) as server:
        result = run(tmp_path, server.url, "--rate", "50", "--measure", "0.5")
    assert zlib.crc32(b"") == 0
    assert {row["digest"] for row in result.rows} == {0}


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20).map(
    str.strip
)
NAMES = ("Authorization", "cookie", "Accept-Encoding", "ACCEPT-LANGUAGE", "X-Other")


@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES | st.just("a=b; session=x") | st.just(" session=y\t"), max_size=5)
)
def test_both_witnesses_tell_alike_whom_a_request_is_for(headers: dict[str, str]) -> None:
    wire = request_bytes("GET", "/x?y", "localhost", headers)
    [request] = RequestParser(Config(), iter([wire]), ("127.0.0.1", 1))
    environ = {f"HTTP_{name.replace('-', '_')}": value for name, value in request.headers}
    key = key_of("/x?y", headers)
    principal = wrapper.principal(environ)
    accepts = [environ.get(name) for name in ("HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE")]
    if principal or accepts != [None, None]:
        lines = [f"{name}: {value}" for name, value in zip(ACCEPTS, accepts, strict=True) if value is not None]
        assert key == ("/x?y", principal, "\n".join(lines))
    else:
        assert key == "/x?y"
