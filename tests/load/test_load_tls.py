"""https against real TLS servers, with certificates of a CA made for the test."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme

from edgebench.errors import UserError
from edgebench.load.connection import Timeouts
from edgebench.load.record import DIGESTED, RETRIED, REUSED
from edgebench.load.tls import client_context
from tests.load.clients import driving
from tests.load.runs import run
from tests.load.server import CLOSE, Reply, Seen, Server, ok, stamped

CA = trustme.CA()
OTHER_CA = trustme.CA()
BIG = bytes(range(256)) * 40_000
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nuntil the end" + CLOSE


class NotifyingSocket(ssl.SSLSocket):
    """Says close_notify before it closes. (Python's own sockets do not.)"""

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self.settimeout(5)
            self.unwrap()
        super().close()


class TlsServer(Server):
    """The Server of other tests, behind a handshake."""

    context: ssl.SSLContext
    agreed: list[tuple[str | None, str | None, Any]]
    """TLS version, ALPN protocol and server name of each connection."""
    speak: Callable[[ssl.SSLSocket], None] | None
    """What to do instead of answering with `reply`."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.listener.getsockname()[1]}"

    def serve(self, connection: socket.socket) -> None:
        names: dict[Any, str | None] = {}
        self.context.sni_callback = lambda tls, name, _: names.update({tls: name})
        with suppress(OSError):
            tls = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with tls:
                tls.do_handshake()
                self.agreed.append((tls.version(), tls.selected_alpn_protocol(), names.get(tls)))
                if self.speak is None:
                    super().serve(tls)
                else:
                    self.speak(tls)


def certified(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    cert.configure_cert(context)
    return context


def self_signed(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = directory / "self_signed.pem"
    path.write_bytes(CA.cert_pem.bytes() + CA.private_key_pem.bytes())
    context.load_cert_chain(path)
    return context


@contextmanager
def serving(
    reply: Reply,
    context: ssl.SSLContext | None = None,
    *,
    notify: bool = True,
    speak: Callable[[ssl.SSLSocket], None] | None = None,
) -> Iterator[TlsServer]:
    server = TlsServer(reply)
    server.speak = speak
    server.context = context or certified(CA.issue_cert("localhost", "127.0.0.1"))
    server.context.sslsocket_class = NotifyingSocket if notify else ssl.SSLSocket
    server.agreed = []
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join()


@pytest.fixture
def trust(tmp_path: Path) -> ssl.SSLContext:
    return client_context(True, ca_pem(tmp_path))


def ca_pem(directory: Path) -> Path:
    path = directory / "ca.pem"
    CA.cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_agreed(version: ssl.TLSVersion, trust: ssl.SSLContext) -> None:
    context = certified(CA.issue_cert("localhost"))
    context.maximum_version = version
    with serving(stamped, context) as server, driving(server.url, context=trust) as driven:
        for _ in range(3):
            response = driven.client.get("/a?b=c")
            assert (response.error, response.text) == (None, "hello")
        assert response.url == f"{server.url}/a?b=c"
        assert server.seen[0].headers["host"] == server.url.removeprefix("https://")
        assert server.agreed == [(version.name.replace("_", "."), "http/1.1", "localhost")]
    # DIGESTED follows from the number the server gives the answer, which counts on over all tests.
    assert [sample.flags & ~DIGESTED for sample in driven.samples] == [0, REUSED, REUSED]
    first, second, _ = driven.samples
    assert first.scheduled_ns == first.sent_ns < first.first_byte_ns <= first.done_ns < second.sent_ns


def test_an_address_is_checked_like_a_name(trust: ssl.SSLContext) -> None:
    with serving(stamped) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        with driving(url, context=trust) as driven:
            assert driven.client.get("/").ok
        assert server.agreed[0][2] is None  # no server name for an address (RFC 6066, 3)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("name", "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("address", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
        ("not yet valid", "certificate is not yet valid"),
        ("self-signed", "self-signed certificate"),
        ("unknown CA", "unable to get local issuer certificate"),
    ],
)
def test_certificates_that_are_refused(case: str, reason: str, trust: ssl.SSLContext, tmp_path: Path) -> None:
    issue = CA.issue_cert
    day, year = datetime.timedelta(days=1), datetime.timedelta(days=365)
    now = datetime.datetime.now(datetime.UTC)
    context = {
        "name": lambda: certified(issue("other.example")),
        "address": lambda: certified(issue("localhost")),
        "expired": lambda: certified(issue("localhost", not_before=now - year, not_after=now - day)),
        "not yet valid": lambda: certified(issue("localhost", not_before=now + day, not_after=now + year)),
        "self-signed": lambda: self_signed(tmp_path),
        "unknown CA": lambda: certified(OTHER_CA.issue_cert("localhost")),
    }[case]()
    if case == "self-signed":
        trust = client_context(True, other_pem(tmp_path))
    with serving(stamped, context) as server:
        url = server.url.replace("localhost", "127.0.0.1") if case == "address" else server.url
        with driving(url, context=trust) as driven:
            response = driven.client.get("/")
            assert response.error == f"connect: certificate verify failed: {reason}"
            assert not server.seen
        with driving(url, context=client_context(verify=False)) as driven:
            assert driven.client.get("/").ok
    assert driven.samples[0].error is None


def other_pem(directory: Path) -> Path:
    path = directory / "other.pem"
    OTHER_CA.cert_pem.write_to_path(str(path))
    return path


def test_the_systems_cas_are_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenSSL's own variable stands in for a machine on which the CA is installed."""
    with serving(stamped) as server:
        for trusted in (other_pem(tmp_path), ca_pem(tmp_path)):
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
            client_context.cache_clear()
            with driving(server.url, context=client_context()) as driven:
                assert driven.client.get("/").ok is (trusted.name == "ca.pem")
    client_context.cache_clear()


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"CA file .*/none\.pem: No such file"):
        client_context(True, tmp_path / "none.pem")
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(UserError, match=r"CA file .*/text\.pem: holds no certificate"):
        client_context(True, tmp_path / "text.pem")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "connect: TLS: "),
        (b"\x15\x03\x01\x00\x02\x02\x28", "connect: TLS: .*alert handshake failure"),
        (b"", "connect: closed during the TLS handshake"),
        (None, "connect: TLS handshake timed out"),
    ],
)
def test_who_does_not_speak_tls_is_an_error(said: bytes | None, error: str, trust: ssl.SSLContext) -> None:
    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(said or b"")
            if said is None:
                connection.recv(1)  # until the client gives up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=speak)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        with driving(url, context=trust, timeouts=Timeouts(connect_s=0.3)) as driven:
            response = driven.client.get("/")
            assert not driven.client._connection.is_open
        thread.join()
    assert re.match(error, response.error or ""), response.error
    assert len(driven.samples) == len(driven.events) == 1


def test_big_bodies_go_both_ways(trust: ssl.SSLContext) -> None:
    with serving(lambda seen: ok(seen.body)) as server, driving(server.url, context=trust) as driven:
        for size in (0, 1, 16_383, 16_384, 16_385, 65_536, 65_537, len(BIG)):
            assert driven.client.put("/", data=BIG[:size]).body == BIG[:size]
        assert server.connections == 1


def test_records_of_a_byte_each(trust: ssl.SSLContext) -> None:
    """What was decrypted together is worked off together, and half a record is no end."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    def drip(tls: ssl.SSLSocket) -> None:
        while tls.recv(1000):
            for byte in answer:
                tls.sendall(bytes([byte]))

    with serving(stamped, speak=drip) as server, driving(server.url, context=trust) as driven:
        for _ in range(3):
            assert driven.client.get("/").text == "abc"
        assert server.connections == 1


def test_the_end_of_a_body_is_close_notify_and_nothing_less(trust: ssl.SSLContext) -> None:
    with serving(lambda _: UNTIL_CLOSE) as server, driving(server.url, context=trust) as driven:
        assert driven.client.get("/").text == "until the end"
    with serving(lambda _: UNTIL_CLOSE, notify=False) as server, driving(server.url, context=trust) as driven:
        assert driven.client.get("/").error == "answer cut off"
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" + CLOSE
    for notify in (True, False):
        with serving(lambda _: cut, notify=notify) as server, driving(server.url, context=trust) as driven:
            assert driven.client.get("/").error == "answer cut off"


@pytest.mark.parametrize("notify", [True, False])
def test_a_connection_lost_while_idle_is_no_error(notify: bool, trust: ssl.SSLContext) -> None:
    def closing(seen: Seen) -> bytes:
        return ok() + (CLOSE if seen.number == 2 else b"")

    with serving(closing, notify=notify) as server, driving(server.url, context=trust) as driven:
        for _ in range(9):
            assert driven.client.get("/").error is None
        assert len(server.seen) == 9

    def forgetful(seen: Seen) -> bytes | None:
        return ok() if seen.number == 1 else None

    with serving(forgetful, notify=notify) as server, driving(server.url, context=trust) as driven:
        assert [driven.client.get("/").error for _ in range(2)] == [None, None]
        assert driven.samples[1].flags == RETRIED
        assert driven.client.post("/").error == "closed without an answer"


def test_tickets_are_not_unasked_bytes(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS 1.3 server sends them when it has the client's last word: while the connection is idle."""
    came: list[int] = []
    with serving(stamped) as server, driving(server.url, context=trust) as driven:
        connection = driven.client._connection
        driven.client.connect()
        take = connection._raw._fill

        def fill(cipher: bytes) -> None:
            came.append(len(cipher))
            take(cipher)

        monkeypatch.setattr(connection._raw, "_fill", fill)
        with gevent.Timeout(10):
            while not came:
                gevent.sleep(0.001)
        assert came[0] > 0
        assert connection.is_open
        assert connection.unasked == 0
        assert driven.client.get("/").ok
        assert server.connections == 1


def test_unasked_bytes_are_noticed(trust: ssl.SSLContext) -> None:
    with serving(lambda _: ok() + b"HTTP/1.1 200") as server, driving(server.url, context=trust) as driven:
        assert driven.client.get("/").error == "bytes after the end of the answer"


def test_a_refusal_that_comes_while_sending_is_the_answer(trust: ssl.SSLContext) -> None:
    refusal = ok(b"too big", "Connection: close", status="413 Content Too Large")

    def refuse(tls: ssl.SSLSocket) -> None:
        tls.recv(1000)
        tls.sendall(refusal)
        done.wait(10)

    done = threading.Event()
    with serving(stamped, speak=refuse, notify=False) as server, driving(server.url, context=trust) as driven:
        response = driven.client.post("/", data=BIG * 3)
        done.set()
    assert (response.error, response.status, response.text) == (None, 413, "too big")


def test_whole_runs(tmp_path: Path) -> None:
    """Under Locust, whose import replaces parts of Python's ssl by gevent's."""
    locustfile = """
from edgebench.load import EdgeUser
from locust import task
class Reader(EdgeUser):
    verify = %s
    ca_file = %s
    @task
    def any(self) -> None:
        self.client.get("/any")
"""
    cases = {
        "option": ("True", "None", ["--ca-file", str(ca_pem(tmp_path))], None),
        "attribute": ("True", repr(str(ca_pem(tmp_path))), [], None),
        "off": ("False", "None", [], None),
        "untrusted": (
            "True", repr(str(other_pem(tmp_path))), [],
            "connect: certificate verify failed: unable to get local issuer certificate",
        ),
    }  # fmt: skip
    with serving(stamped) as server:
        for case, (verify, ca_file, options, error) in cases.items():
            directory = tmp_path / case
            directory.mkdir()
            text = locustfile % (verify, ca_file)
            result = run(directory, server.url, "-u", "2", "--rate", "0", "--measure", "0.3", *options, locustfile=text)
            assert result.code == 0, result.output
            assert {row["error"] for row in result.rows} == {error}, result.output
            assert "Traceback" not in result.output
    assert {(row["status"], row["bytes"]) for row in result.rows} == {(0, 0)}


def test_a_bad_ca_file_stops_the_run(tmp_path: Path) -> None:
    result = run(tmp_path, "https://localhost:1", "--ca-file", str(tmp_path / "none.pem"))
    assert result.code == 2
    assert "none.pem: no such file" in result.output
    (tmp_path / "bad.pem").write_text("nothing")
    result = run(tmp_path, "https://localhost:1", "--ca-file", str(tmp_path / "bad.pem"))
    assert result.code == 2
    assert "bad.pem: holds no certificate in PEM form" in result.output
