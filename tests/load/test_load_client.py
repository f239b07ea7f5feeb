"""EdgeUser's client against servers that say what they got: what is sent, what is retried, what is refused."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent import get_hub

from edgebench.errors import UserError
from edgebench.load.connection import Timeouts
from edgebench.load.failures import ConnectionFailed, StatusError
from edgebench.load.record import RETRIED, REUSED
from tests.load.clients import driving
from tests.load.server import CLOSE, Seen, Server, ok, serving


def test_every_method_sends_what_it_is_given() -> None:
    with serving(lambda seen: ok(b"" if seen.method == "HEAD" else b"hi")) as server, driving(server.url) as driven:
        client = driven.client
        for method in ("get", "head", "options", "delete", "post", "put", "patch"):
            response = getattr(client, method)("/x", json={"a": [1, "ü"]}, params={"q": "a b"}, headers={"X-One": "1"})
            assert response.status == response.status_code == 200
            assert response.request.method == server.seen[-1].method == method.upper()
        for seen in server.seen:
            assert (seen.target, seen.body) == ("/x?q=a+b", b'{"a":[1,"\\u00fc"]}')
            assert seen.headers["content-type"] == "application/json"
            assert seen.headers["x-one"] == "1"
        client.post("/form", {"a": "1", "b": ["2", "ü"]})  # in second place, as with Locust's own clients
        client.put("/text", data="ü", headers={"content-type": "text/plain"})
        client.request("PURGE", "/bytes", data=b"\0")
        bodies = [(seen.method, seen.body, seen.headers.get("content-type")) for seen in server.seen[-3:]]
        assert bodies == [
            ("POST", b"a=1&b=2&b=%C3%BC", "application/x-www-form-urlencoded"),
            ("PUT", "ü".encode(), "text/plain"),
            ("PURGE", b"\0", None),
        ]
        client.patch("/empty")
        assert server.seen[-1].headers["content-length"] == "0"
        assert server.connections == 1


def test_headers_of_a_request_replace_those_of_the_user() -> None:
    with serving(lambda _: ok()) as server, driving(server.url, headers={"Accept": "a/a", "X-All": "1"}) as driven:
        driven.client.get("/")
        driven.client.get("/", headers={"accept": "b/b", "Host": "shop.example"}, auth=("me", "sécret"))
        driven.client.get("/")
        authority = server.url.removeprefix("http://")
    first, second, third = [seen.headers for seen in server.seen]
    assert first == third == {"host": authority, "accept": "a/a", "x-all": "1"}
    credentials = base64.b64encode("me:sécret".encode()).decode()
    assert second == {
        "host": "shop.example", "accept": "b/b", "x-all": "1", "authorization": f"Basic {credentials}",
    }  # fmt: skip


def test_headers_changed_later_are_sent_by_this_user_only() -> None:
    with serving(lambda _: ok()) as server, driving(server.url) as driven, driving(server.url) as other:
        driven.client.get("/")
        driven.client.headers["Authorization"] = "Bearer 1"
        driven.client.get("/")
        driven.client.headers["Authorization"] = "Bearer 2"
        driven.client.get("/")
        other.client.get("/")
    assert [seen.headers.get("authorization") for seen in server.seen] == [None, "Bearer 1", "Bearer 2", None]


def test_names_and_events() -> None:
    def reply(seen: Seen) -> bytes:
        return ok(status="404 Not Found") if seen.target == "/none" else ok(b"12345")

    with serving(reply) as server, driving(server.url) as driven:
        client = driven.client
        for _ in range(2):  # made the first time, ready the second
            client.get("/a?b=c")
            client.get("/a", name="[a]")
        with client.rename_request("all"):
            client.get("/a")
            client.get("/a", name="[a]")
        client.get("/a")
        client.get("/none", context={"more": 1})
    assert [event["name"] for event in driven.events] == [
        "/a?b=c", "[a]", "/a?b=c", "[a]", "all", "[a]", "/a", "/none",
    ]  # fmt: skip
    assert [(sample.name, sample.key) for sample in driven.samples] == [
        (event["name"], event["url"]) for event in driven.events
    ]
    for sample, event in zip(driven.samples, driven.events, strict=True):
        assert event["response_time"] == pytest.approx((sample.done_ns - sample.scheduled_ns) / 1e6)
        assert event["request_type"] == "GET"
        assert event["response_length"] == 5
    assert [event["exception"] for event in driven.events[:-1]] == [None] * 7
    last = driven.events[-1]
    assert (str(last["exception"]), last["context"]) == ("HTTP 404", {"user": "yes", "more": 1})
    assert driven.events[0]["context"] == driven.events[2]["context"] == {"user": "yes"}


def test_what_a_response_tells() -> None:
    body = "é".encode("latin-1")
    reply = ok(body, "Content-Type: text/plain; charset=ISO-8859-1", "X: 1", "x: 2")
    with serving(lambda _: reply) as server, driving(server.url) as driven:
        response = driven.client.post("/p?q=1#there", data=b"body")
        assert (response.ok, response.text, response.content, response.headers["X"]) == (True, "é", body, "1, 2")
        assert response.url == f"{server.url}/p?q=1"
        sent = response.request
        assert (sent.method, sent.url, sent.body) == ("POST", response.url, b"body")
        assert sent.headers["host"] == server.url.removeprefix("http://")
        response.raise_for_status()
        with pytest.raises(UserError, match=r"POST http.*/p\?q=1: success\(\) needs catch_response=True"):
            response.success()
        with pytest.raises(UserError, match="needs catch_response=True"), driven.client.get("/"):
            pass
    with serving(lambda _: ok(status="503 No")) as server, driving(server.url) as driven:
        with pytest.raises(StatusError, match="HTTP 503"):
            driven.client.get("/").raise_for_status()
        url = server.url
    with driving(url) as driven:
        none = driven.client.get("/")
        assert (none.status, none.ok, none.text, none.content) == (0, False, "", b"")
        with pytest.raises(ConnectionFailed, match="connect: Connection refused"):
            none.raise_for_status()


@pytest.mark.parametrize("charset", ["none-such", "zlib", "hex", "idna", "punycode", "undefined", "utf-16"])
def test_a_hostile_charset_is_no_crash(charset: str) -> None:
    reply = ok(b"\xff\xfea..b", f"Content-Type: text/html;charset={charset}")
    with serving(lambda _: reply) as server, driving(server.url) as driven:
        assert isinstance(driven.client.get("/").text, str)


def test_an_absolute_url_must_be_on_the_host() -> None:
    with serving(lambda _: ok()) as server, driving(server.url) as driven:
        for url, target in (("", "/"), ("/", "/"), ("/a?b=c", "/a?b=c"), ("?b=c", "/?b=c"), ("/a#part", "/a")):
            driven.client.get(server.url.replace("http:", "HTTP:") + url)
            assert server.seen[-1].target == target
        port = server.url.rpartition(":")[2]
        for other in (
            f"http://127.0.0.2:{port}/", "http://127.0.0.1/", f"https://127.0.0.1:{port}/", "http://127.0.0.1:99999/",
        ):  # fmt: skip
            with pytest.raises(ValueError, match=r"not on http|Port out of range"):
                driven.client.get(other)
        assert len(server.seen) == len(driven.samples) == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": "x"}, ValueError, "path must start with '/': 'x'"),
        ({"path": ""}, ValueError, "path must start with '/': ''"),
        ({"path": b"/x"}, ValueError, "path must be a str: b'/x'"),
        ({"path": None}, ValueError, "path must be a str: None"),
        ({"method": "GET /\r\nX: y"}, ValueError, "method 'GET /.*not allowed"),
        ({"headers": {"A b": "c"}}, ValueError, "header 'A b': not allowed"),
        ({"headers": {"A": "b\r\nC: d"}}, ValueError, "header 'A': not allowed"),
        ({"headers": {"A": 1}}, ValueError, "header 'A': expected a str, got 1"),
        ({"headers": {"A": "€"}}, ValueError, "header 'A': has characters"),
        ({"headers": {"Content-Length": "3"}}, ValueError, "header 'Content-Length': the client says"),
        ({"headers": {"transfer-encoding": "chunked"}}, ValueError, "header 'transfer-encoding': the client says"),
        ({"json": {}, "data": b"x"}, ValueError, "both json and data"),
        ({"json": {1, 2}}, TypeError, "not JSON serializable"),
        ({"timeout": 3}, TypeError, "unexpected keyword argument 'timeout'"),
    ],
)
def test_a_wrong_argument_is_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with serving(lambda _: ok()) as server, driving(server.url) as driven:
        with pytest.raises(error, match=message):
            driven.client.request(**{"method": "GET", "path": "/", **options})
        assert driven.client.get("/").ok
        assert len(server.seen) == len(driven.events) == len(driven.samples) == 1


def test_ipv6() -> None:
    server = Server(lambda _: ok(), listener=socket.create_server(("::1", 0), family=socket.AF_INET6))
    port = server.listener.getsockname()[1]
    thread = threading.Thread(target=server.accept)
    thread.start()
    with driving(f"http://[::1]:{port}") as driven:
        assert driven.client.get("/").url == f"http://[::1]:{port}/"
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()
    assert server.seen[0].headers["host"] == f"[::1]:{port}"


def test_a_name_with_several_addresses_is_tried_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def addresses(host: str, port: int, *_: Any) -> list[Any]:
        assert host == "dual.example"
        stream = socket.SOCK_STREAM
        return [
            (socket.AF_INET6, stream, 6, "", ("::1", port, 0, 0)),  # nobody listens there
            (socket.AF_INET, stream, 6, "", ("127.0.0.1", port)),
        ]

    monkeypatch.setattr("gevent.socket.getaddrinfo", addresses)
    with serving(lambda _: ok()) as server:
        url = server.url.replace("127.0.0.1", "dual.example")
        with driving(url) as driven:
            assert driven.client.get("/").ok
    assert server.seen[0].headers["host"] == url.removeprefix("http://")


# --- the keep-alive that was lost --------------------------------------------------------------------------------


def closing_at(number: int) -> Callable[[Seen], bytes | None]:
    """Instead of answering the request of this number on a connection, it closes."""
    return lambda seen: None if seen.number == number else ok(b"" if seen.method == "HEAD" else b"hello")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "PURGE"])
def test_only_idempotent_requests_are_sent_again(method: str) -> None:
    retried = method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
    with serving(closing_at(2)) as server, driving(server.url) as driven:
        driven.client.get("/first")
        response = driven.client.request(method, "/second", data=b"body")
    assert response.error == (None if retried else "closed without an answer")
    assert [seen.target for seen in server.seen] == ["/first"] + ["/second"] * (1 + retried)
    assert driven.session.retried == retried
    assert driven.samples[1].flags == (RETRIED if retried else REUSED)
    assert len(driven.samples) == len(driven.events) == 2


def test_a_request_is_sent_again_once() -> None:
    with serving(lambda seen: ok() if len(server.seen) == 1 else None) as server, driving(server.url) as driven:
        driven.client.get("/")
        assert driven.client.get("/").error == "closed without an answer"
        assert len(server.seen) == 3
        # Nothing says that the server had closed a new connection before it was asked.
        assert driven.client.get("/").error == "closed without an answer"
        assert len(server.seen) == 4
    assert driven.session.retried == 1


def test_an_answer_that_began_is_not_asked_for_again() -> None:
    with serving(lambda seen: ok() if seen.number == 1 else b"H" + CLOSE) as server, driving(server.url) as driven:
        driven.client.get("/")
        assert driven.client.get("/").error == "answer cut off"
    assert len(server.seen) == 2
    assert driven.session.retried == 0


def test_connection_close_is_heeded() -> None:
    with serving(lambda _: ok(b"x", "Connection: close") + CLOSE) as server, driving(server.url) as driven:
        for _ in range(3):
            assert driven.client.get("/").ok
    assert server.connections == 3
    assert [sample.flags for sample in driven.samples] == [0, 0, 0]


# --- answers that come before all is sent ----------------------------------------------------------------------------


@contextmanager
def scripted(script: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that runs `script` for each connection, once its first bytes are there, and then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(100, socket.MSG_PEEK)
                script(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


BIG = b"x" * 30_000_000


def test_a_refusal_that_comes_while_sending_is_the_answer() -> None:
    refusal = ok(b"too big", "Connection: close", status="413 Content Too Large")
    # Closing with unread bytes resets the connection: sending fails, and what was answered must not be lost.
    with scripted(lambda connection: connection.sendall(refusal)) as url, driving(url) as driven:
        for _ in range(5):
            response = driven.client.post("/", data=BIG)
            assert (response.error, response.status, response.body) == (None, 413, b"too big")
    assert [sample.status for sample in driven.samples] == [413] * 5


def test_a_connection_with_half_a_request_on_it_is_not_used_again() -> None:
    done = threading.Event()

    def early(connection: socket.socket) -> None:
        connection.sendall(ok(b"enough"))
        done.wait(10)

    with scripted(early) as url, driving(url) as driven:
        response = driven.client.post("/", data=BIG)
        assert response.text == "enough"
        assert not driven.client._connection.is_open
        done.set()
        assert driven.client.post("/", data=b"small").text == "enough"


def test_an_interim_answer_does_not_stop_sending() -> None:
    received = []

    def patient(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        stream = connection.makefile("rb")
        length = 0
        while (line := stream.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        received.append(stream.read(length))
        connection.sendall(ok(b"done"))

    with scripted(patient) as url, driving(url) as driven:
        assert driven.client.post("/", data=BIG).text == "done"
    assert received == [BIG]


def test_a_server_that_takes_nothing_is_given_up() -> None:
    def silent(_: socket.socket) -> None:
        done.wait(20)

    done = threading.Event()
    with scripted(silent) as url, driving(url, timeouts=Timeouts(read_s=0.3)) as driven:
        assert driven.client.post("/", data=BIG).error == "send: timed out"
        done.set()


def test_a_reset_without_an_answer_is_an_error() -> None:
    with scripted(lambda _: None) as url, driving(url) as driven:
        response = driven.client.post("/", data=BIG)
    assert response.error in ("send: Broken pipe", "send: Connection reset by peer", "read: Connection reset by peer")
    assert driven.events[0]["exception"].args == (response.error,)


def test_patience_is_counted_from_what_came_last() -> None:
    """Neither what connecting took nor the wait for the first bytes shortens the wait for further ones."""
    answer, begin, finish = ok(b"in two parts"), threading.Event(), threading.Event()

    def halting(connection: socket.socket) -> None:
        begin.wait(10)
        connection.sendall(answer[:-5])
        finish.wait(10)

    def expire(now_ns: int) -> bool:
        get_hub().loop.run_callback(connection.expire, now_ns)
        gevent.sleep(0.01)  # a turn of the loop, in which the callback runs
        return asked.ready()

    with scripted(halting) as url, driving(url, timeouts=Timeouts(read_s=1000, answer_s=5000)) as driven:
        connection = driven.client._connection
        asked = gevent.spawn(driven.client.get, "/")
        with gevent.Timeout(10):
            while not connection.asked_ns:
                gevent.sleep(0.001)
        assert connection.asked_ns < connection._opened_ns
        assert not expire(connection._opened_ns + 1000 * 10**9)
        begin.set()
        with gevent.Timeout(10):
            while connection.first_byte_ns < 0:
                gevent.sleep(0.001)
        assert not expire(connection.first_byte_ns + 1000 * 10**9)
        assert expire(connection.first_byte_ns + 1000 * 10**9 + 1)
        finish.set()
    assert asked.value is not None
    assert asked.value.error == "read: timed out"
    assert driven.samples[0].first_byte_ns > 0
