"""A browser's page view against real servers: what is asked, over how many connections, and what its cache spares."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
import trustme

from edgebench.load.browser import CONNECTIONS, Browser
from edgebench.load.browser_cache import BrowserCache, lifetime_s
from edgebench.load.record import ARRIVAL
from tests.load.clients import Driven, driving
from tests.load.server import Reply, Seen, Server, ok, serving

STATIC = Path(__file__).parents[2] / "target_app/static"
FONT, IMAGE = (STATIC / "ticket.woff2").read_bytes(), (STATIC / "stamp.png").read_bytes()
IMAGES = 14
PAGE = """<!doctype html><html><head>
<link rel="icon" href="/icon.svg"><link rel="preload" href="/f/one.woff2" as="font" crossorigin>
<link rel="stylesheet" href="/s/app.css"><script src="/app.js" defer></script><script nomodule src="/old.js"></script>
<link rel="stylesheet" href="https://elsewhere.test/x.css">
<style>h1 { background: url(/inline.png) }</style></head><body style="background: url('/body.png')">
<noscript><img src="/noscript.png"></noscript><h1>Hello</h1><main>there</main>
%s<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><img src="/i/0.png"><img loading="lazy" src="/lazy.png">
</body></html>""" % "".join(f'<img src="/i/{number}.png">' for number in range(IMAGES))  # noqa: UP031
STYLE = """@font-face { font-family: a; src: url(../f/two.woff2) format("woff2"), url(../f/two.ttf) }
main { font-family: a; background: url("../sky.png#x") } /* url(../never.png) */"""
IMMUTABLE = "Cache-Control: public, max-age=31536000, immutable"
EAGER = {
    "/f/one.woff2", "/s/app.css", "/app.js", "/inline.png", "/body.png", "/f/two.woff2", "/sky.png",
    *(f"/i/{number}.png" for number in range(IMAGES)),
}  # fmt: skip
ASSETS = EAGER | {"/lazy.png", "/icon.svg"}


def shop(seen: Seen) -> bytes:
    """Pages are good for a minute, with a validator; assets for ever; one image has no lifetime, and a validator."""
    if seen.target in ("/", "/other"):
        if seen.headers.get("if-none-match") == '"v1"':
            return ok(b"", 'ETag: "v1"', "Cache-Control: max-age=60", status="304 Not Modified")
        return ok(PAGE.encode(), 'ETag: "v1"', "Cache-Control: max-age=60", "Content-Type: text/html; charset=utf-8")
    if seen.target == "/s/app.css":
        return ok(STYLE.encode(), IMMUTABLE, "Content-Type: text/css")
    if seen.target == "/i/3.png":
        if seen.headers.get("if-none-match") == '"i3"':
            return ok(b"", 'ETag: "i3"', "Cache-Control: no-cache", status="304 Not Modified")
        return ok(IMAGE, 'ETag: "i3"', "Cache-Control: no-cache")
    if seen.target == "/i/4.png":
        return ok(IMAGE, "Cache-Control: no-store", 'ETag: "i4"')
    if seen.target == "/app.js":
        return ok(b"'use strict'", IMMUTABLE, "Content-Type: text/javascript")
    return ok(FONT if "/f/" in seen.target else IMAGE, IMMUTABLE)


@contextmanager
def browsing(url: str, **options: Any) -> Iterator[tuple[Browser, Driven]]:
    with driving(url, **options) as driven:
        yield Browser(cast(Any, SimpleNamespace(client=driven.client))), driven


def named(driven: Driven) -> dict[str, str]:
    return {sample.key: sample.name for sample in driven.samples}


def test_a_new_visitor_gets_the_page_and_all_it_names_once_over_six_connections() -> None:
    with serving(shop) as server, browsing(server.url) as (browser, driven):
        view = browser.first_visit("/", "home")
        assert view.ok
        assert view.elsewhere == ("https://elsewhere.test/x.css",)
        assert set(view.assets) == ASSETS
        assert sorted(server.targets()) == sorted({"/"} | ASSETS)
        assert server.connections == CONNECTIONS
        assert len(driven.samples) == len(ASSETS) + 1
        names = named(driven)
    assert names["/"] == "page new home"
    assert (names["/s/app.css"], names["/app.js"], names["/f/two.woff2"]) == ("asset css", "asset js", "asset font")
    assert (names["/sky.png"], names["/lazy.png"]) == ("asset image", "asset lazy image")


def test_styles_come_first_and_lazy_images_after_them() -> None:
    with serving(shop) as server, browsing(server.url) as (browser, driven):
        browser.first_visit("/")
        sent = {sample.key: sample.sent_ns for sample in driven.samples}
        done = {sample.key: sample.done_ns for sample in driven.samples}
    first, *six = sorted(sent, key=lambda key: sent[key])[: CONNECTIONS + 1]
    assert first == "/"
    assert {"/s/app.css", "/f/one.woff2", "/app.js"} < set(six)
    assert sent["/icon.svg"] >= max(done[target] for target in EAGER)
    assert sent["/lazy.png"] >= done["/s/app.css"]
    assert sent["/f/two.woff2"] >= done["/s/app.css"]


def test_six_requests_are_on_their_way_at_once_and_never_more() -> None:
    waiting, most = 0, 0
    lock, six = threading.Lock(), threading.Event()

    def together(seen: Seen) -> bytes:
        nonlocal waiting, most
        if not seen.target.startswith("/i/"):
            return shop(seen)
        with lock:
            waiting += 1
            most = max(most, waiting)
            if waiting == CONNECTIONS:
                six.set()
        assert six.wait(20)
        with lock:
            waiting -= 1
        return shop(seen)

    with serving(together) as server, browsing(server.url) as (browser, _):
        assert browser.first_visit("/").ok
    assert most == CONNECTIONS


def test_who_comes_back_has_no_connection_and_asks_only_for_what_is_not_fresh() -> None:
    with serving(shop) as server, browsing(server.url) as (browser, driven):
        browser.first_visit("/")
        server.seen.clear()
        before = server.connections
        view = browser.return_visit("/")
        again = {seen.target: seen.headers.get("if-none-match") for seen in server.seen}
        assert again == {"/": '"v1"', "/i/3.png": '"i3"', "/i/4.png": None}
        assert server.connections > before
        assert all(seen.number == 1 for seen in server.seen if seen.target == "/")
        assert view.page is not None
        assert view.page.status == 304
        assert {target for target, answer in view.assets.items() if answer is not None} == {"/i/3.png", "/i/4.png"}
        server.seen.clear()
        view = browser.return_visit("/", away_s=1)  # the 304 has made the page fresh again
        assert view.page is None
        assert [seen.target for seen in server.seen if not seen.target.startswith("/i/")] == []
        assert named(driven)["/i/3.png"] == "asset image (page from cache)"
        server.seen.clear()
        browser.first_visit("/")
        assert {seen.target for seen in server.seen} == {"/"} | ASSETS
        assert not any("if-none-match" in seen.headers for seen in server.seen)


def test_no_connection_is_left_open_and_each_visit_has_its_own() -> None:
    with serving(shop) as server, browsing(server.url) as (browser, driven):
        for number in range(3):
            browser.first_visit("/")
            assert not driven.client.is_connected
            assert server.connections == CONNECTIONS * (number + 1)
        assert all(not client.is_connected for client in driven.session.clients)
        assert driven.session.users == 1
        assert len(driven.session.clients) == CONNECTIONS


def test_each_request_is_due_when_it_is_known_and_a_connection_free() -> None:
    with serving(shop) as server, browsing(server.url) as (browser, driven):
        client = driven.client
        client.due_ns = due_ns = client.free_ns + 1
        browser.first_visit("/")
        page, *assets = sorted(driven.samples, key=lambda sample: sample.sent_ns)
        assert (page.scheduled_ns, page.flags & ARRIVAL) == (due_ns, ARRIVAL)
        assert not any(sample.flags & ARRIVAL for sample in assets)
        assert all(page.done_ns <= sample.scheduled_ns <= sample.sent_ns for sample in assets)
        assert client.known_ns == 0


def test_what_is_missing_or_broken_ends_the_view_as_not_ok() -> None:
    def partly(seen: Seen) -> bytes | None:
        if seen.target == "/i/1.png":
            return ok(b"no", status="404 Not Found")
        return None if seen.target == "/i/2.png" else shop(seen)

    with serving(partly) as server, browsing(server.url) as (browser, driven):
        view = browser.first_visit("/")
        assert not view.ok
        wrong = {target for target, answer in view.assets.items() if answer is None or not answer.ok}
        assert wrong == {"/i/1.png", "/i/2.png"}
        server.seen.clear()
        browser.return_visit("/")
        assert {"/i/1.png", "/i/2.png"} < set(server.targets())  # neither was kept
    with browsing("http://127.0.0.1:9") as (browser, driven):
        assert not browser.first_visit("/").ok
        assert [sample.name for sample in driven.samples] == ["page new /"]


def test_a_view_that_is_given_up_leaves_nothing_running() -> None:
    held = threading.Event()

    def silent(seen: Seen) -> bytes:
        if seen.target.startswith("/i/"):
            held.wait(20)
        return shop(seen)

    with serving(silent) as server, browsing(server.url) as (browser, driven):
        visit = gevent.spawn(browser.first_visit, "/")
        while sum(target.startswith("/i/") for target in server.targets()) < CONNECTIONS:
            gevent.sleep(0.005)
        visit.kill()
        held.set()
        assert not any(client.is_connected for client in driven.session.clients)
        assert [sample.error for sample in driven.samples].count("unanswered") == CONNECTIONS


def test_a_page_that_moved_is_followed_and_its_links_are_relative_to_where_it_is() -> None:
    def moved(seen: Seen) -> bytes:
        if seen.target == "/":
            return ok(b"", "Location: /shop/", status="302 Found")
        return ok(b'<img src="a.png">', "Content-Type: text/html")

    with serving(moved) as server, browsing(server.url, allow_redirects=True) as (browser, driven):
        assert set(browser.first_visit("/").assets) == {"/shop/a.png"}
        assert [sample.name for sample in driven.samples][:2] == ["page new /", "page new / (redirected)"]


class TlsShop(Server):
    context: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.listener.getsockname()[1]}"

    def serve(self, connection: Any) -> None:
        with self.context.wrap_socket(connection, server_side=True) as tls:
            super().serve(tls)


def test_over_https_each_connection_shakes_hands() -> None:
    ca = trustme.CA()
    server = TlsShop(cast(Reply, shop))
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server.context)
    trusting = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    with browsing(server.url, context=trusting) as (browser, _):
        assert browser.first_visit("/").ok
    assert server.connections == CONNECTIONS
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()


def _fields(**fields: str) -> Mapping[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}


MADE = "Fri, 27 Nov 2026 20:00:00 GMT"
HOUR_LATER = "Fri, 27 Nov 2026 21:00:00 GMT"
TEN_DAYS_BEFORE = "Tue, 17 Nov 2026 20:00:00 GMT"


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        (_fields(cache_control="max-age=60"), 60),
        (_fields(cache_control="public, MAX-AGE = 60, s-maxage=5"), 60),
        (_fields(cache_control='private, max-age="60"'), 60),
        (_fields(cache_control="max-age=60, no-cache"), 0),
        (_fields(cache_control="max-age=60, no-store"), None),
        (_fields(cache_control="max-age=x"), 0),
        (_fields(cache_control="max-age=60", vary="*"), None),
        (_fields(cache_control="max-age=60", vary="Accept-Encoding"), 60),
        (_fields(date=MADE, expires=HOUR_LATER), 3600),
        (_fields(date=MADE, expires=HOUR_LATER, cache_control="max-age=5"), 5),
        (_fields(date=MADE, expires="0"), 0),
        (_fields(date=MADE, last_modified=TEN_DAYS_BEFORE), 86_400),
        (_fields(date=MADE, last_modified=HOUR_LATER), 0),
        (_fields(), 0),
    ],
)
def test_how_long_an_answer_is_fresh_in_a_private_cache(fields: Mapping[str, str], lifetime: float | None) -> None:
    assert lifetime_s(fields) == lifetime


def test_age_counts_against_the_lifetime_and_time_passes() -> None:
    cache, now_s = BrowserCache(), 1_000_000.0
    cache.keep("/a", {"cache-control": "max-age=60", "age": "50", "etag": '"1"'}, now_s - 1, now_s, ())
    kept = cache.find("/a")
    assert kept is not None
    assert cache.is_fresh(kept, now_s + 8.9)
    assert not cache.is_fresh(kept, now_s + 9)  # 60, less the age of 50 and the second it took
    assert kept.conditions == {"If-None-Match": '"1"'}
    cache.confirm("/a", kept, {"cache-control": "max-age=100"}, now_s, now_s)
    kept = cache.find("/a")
    assert kept is not None
    assert kept.conditions == {"If-None-Match": '"1"'}
    assert cache.is_fresh(kept, now_s + 99)
    cache.pass_time(50)
    assert cache.is_fresh(kept, now_s + 49)
    assert not cache.is_fresh(kept, now_s + 50)
