"""Redirects and cookies: off unless asked for, and then by the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgebench.load.failures import RedirectFailed
from edgebench.load.redirects import next_method, next_target
from edgebench.load.request import Server as Target
from tests.load.clients import driving
from tests.load.server import Seen, ok, serving


def moved(status: int, location: str, *fields: str) -> bytes:
    return ok(b"moved", f"Location: {location}", *fields, status=f"{status} Moved")


def at(replies: dict[str, bytes]) -> Callable[[Seen], bytes]:
    return lambda seen: replies.get(seen.target, ok(seen.target.encode()))


# RFC 9110: 15.4.2 and 15.4.3 (a POST may become a GET, and does everywhere), 15.4.4, 15.4.8, 15.4.9.
@pytest.mark.parametrize(
    ("status", "methods"),
    [
        (301, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}),
        (302, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}),
        (303, {"GET": "GET", "HEAD": "HEAD", "POST": "GET", "PUT": "GET", "PATCH": "GET", "DELETE": "GET"}),
        (307, {method: method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}),
        (308, {method: method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}),
    ],
)
def test_methods(status: int, methods: dict[str, str]) -> None:
    assert {method: next_method(method, status) for method in methods} == methods
    with serving(lambda seen: moved(status, "/to") if seen.target == "/from" else ok(b"")) as server:
        for method, then in methods.items():
            with driving(server.url, headers={"Authorization": "Bearer 1"}) as driven:
                response = driven.client.request(method, "/from", json={"a": 1}, allow_redirects=True)
            if method == "HEAD":
                continue  # the server sends "moved" after it
            first, second = server.seen[-2:]
            assert (response.status, response.error) == (200, None)
            assert (second.method, second.target) == (then, "/to")
            kept = then == method and status != 303
            assert second.body == (b'{"a":1}' if kept else b"")
            assert ("content-type" in second.headers) is kept
            assert first.headers["authorization"] == second.headers["authorization"] == "Bearer 1"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", "/x"),
        ("x?y=1#part", "/a/x?y=1"),
        ("../x", "/x"),
        ("?z", "/a/b?z"),
        ("", "/a/b?q=1"),
        ("//h:80/x", "/x"),
        ("HTTP://H/x y", "/x%20y"),
        ("http://h:80", "/"),
        ("/caf\u00c3\u00a9", "/caf%C3%A9"),  # UTF-8, read as Latin-1
        ("/caf\u00e9", "/caf%C3%A9"),
        ("http://h:81/x", None),
        ("https://h/x", None),
        ("http://other/x", None),
        ("//other", None),
        ("mailto:me@h", None),
        ("http://[h/x", None),
        ("http://h:x/", None),
    ],
)
def test_targets(location: str, target: str | None) -> None:
    server = Target.from_url("http://h")
    if target is not None:
        assert next_target(server, "/a/b?q=1", location) == target
    else:
        with pytest.raises(RedirectFailed, match="redirect leaves the host"):
            next_target(server, "/a/b?q=1", location)


def test_nothing_is_followed_unless_asked_for() -> None:
    with serving(at({"/from": moved(302, "/to")})) as server:
        with driving(server.url) as driven:
            response = driven.client.get("/from")
            assert (response.status, response.ok, response.error) == (302, True, None)
            assert driven.client.get("/from", allow_redirects=True).text == "/to"
        with driving(server.url, allow_redirects=True) as driven:
            for _ in range(2):
                assert driven.client.get("/from").text == "/to"
            assert driven.client.get("/from", allow_redirects=False).status == 302
    assert [seen.target for seen in server.seen] == ["/from", "/from", "/to", "/from", "/to", "/from", "/to", "/from"]


def test_each_hop_is_a_sample_and_all_of_them_are_one_event() -> None:
    with serving(at({"/a": moved(301, "/b"), "/b": moved(307, "c")})) as server, driving(server.url) as driven:
        driven.client.due_ns = 1
        response = driven.client.get("/a", name="[page]", allow_redirects=True)
        driven.client.get("/a", allow_redirects=True)
    assert response.url.endswith("/c")
    assert [(sample.key, sample.name, sample.status) for sample in driven.samples] == [
        ("/a", "[page]", 301), ("/b", "[page] (redirected)", 307), ("/c", "[page] (redirected)", 200),
        ("/a", "/a", 301), ("/b", "/b", 307), ("/c", "/c", 200),
    ]  # fmt: skip
    first, second, third = driven.samples[:3]
    assert first.scheduled_ns == 1  # the task was due; the further hops are when they are sent
    assert (second.scheduled_ns, third.scheduled_ns) == (second.sent_ns, third.sent_ns)
    assert [(event["name"], event["url"], event["response"].status) for event in driven.events] == [
        ("[page]", "/a", 200), ("/a", "/a", 200),
    ]  # fmt: skip
    assert driven.events[0]["response_time"] == pytest.approx((third.done_ns - 1) / 1e6)


def test_a_redirect_that_cannot_be_followed_is_a_failure() -> None:
    replies = {
        "/out": moved(302, "http://other.example/"),
        "/round": moved(302, "/round"),
        "/nowhere": ok(status="302 X"),
    }
    with serving(at(replies)) as server, driving(server.url, allow_redirects=True, max_redirects=10) as driven:
        out, round_, nowhere = (driven.client.get(path) for path in replies)
        assert (out.status, out.error, out.headers["location"]) == (
            302, "redirect leaves the host", "http://other.example/",
        )  # fmt: skip
        assert (round_.status, round_.error) == (302, "more than 10 redirects")
        assert (nowhere.status, nowhere.error) == (302, None)
        with pytest.raises(RedirectFailed):
            out.raise_for_status()
    assert server.targets() == ["/out"] + ["/round"] * 11 + ["/nowhere"]
    assert {sample.error for sample in driven.samples} == {None}  # as answers they are complete
    assert [str(event["exception"]) for event in driven.events] == [
        "redirect leaves the host", "more than 10 redirects", "None",
    ]  # fmt: skip


def test_an_error_on_the_way_ends_it() -> None:
    replies: dict[str, bytes | None] = {"/from": moved(302, "/broken"), "/broken": None}
    with serving(lambda seen: replies[seen.target]) as server, driving(server.url, allow_redirects=True) as driven:
        response = driven.client.post("/from")
    assert response.error == "closed without an answer"
    assert [sample.error for sample in driven.samples] == [None, "closed without an answer"]


# --- cookies -----------------------------------------------------------------------------------------------------


def test_cookies_are_kept_by_path_and_expiry_and_user() -> None:
    far = "Fri, 01 Jan 2100 00:00:00 GMT"
    replies = {
        "/login": ok(b"", "Set-Cookie: id=1; Path=/; HttpOnly", f"Set-Cookie: cart=2; Path=/cart; Expires={far}"),
        "/secure": ok(b"", "Set-Cookie: hidden=3; Secure"),
        "/other": ok(b"", "Set-Cookie: foreign=4; Domain=other.example"),
        "/broken": ok(b"", "Set-Cookie: =;;;==", "Set-Cookie: \xff; expires=\xff"),
        "/logout": ok(b"", "Set-Cookie: id=; Max-Age=0; Path=/"),
    }  # fmt: skip

    def sent(path: str) -> set[str]:
        driven.client.get(path)
        line = server.seen[-1].headers.get("cookie", "")
        return set(line.split("; ")) if line else set()

    with serving(at(replies)) as server, driving(server.url, cookies=True) as driven, driving(server.url) as none:
        assert sent("/login") == set()
        assert sent("/secure") == {"id=1"}
        assert sent("/other") == {"id=1"}
        assert sent("/broken") == {"id=1"}
        assert "cart=2" not in sent("/x") >= {"id=1"}
        assert sent("/cart/1") >= {"id=1", "cart=2"}
        driven.client.get("/x", headers={"Cookie": "mine=1"})
        assert server.seen[-1].headers["cookie"] == "mine=1"
        assert sent("/logout") >= {"id=1"}
        assert "id=1" not in sent("/cart/1") >= {"cart=2"}
        assert driven.client.cookiejar is not None
        driven.client.cookiejar.clear()
        assert sent("/cart/1") == set()
        for _ in range(2):
            none.client.get("/login")
            assert "cookie" not in server.seen[-1].headers
        assert none.client.cookiejar is None
        with driving(server.url, cookies=True) as other:
            driven.client.get("/login")
            other.client.get("/x")
            assert "cookie" not in server.seen[-1].headers


def test_a_redirect_after_login_takes_the_cookie_along() -> None:
    replies = {"/login": moved(303, "/me", "Set-Cookie: id=1; Path=/")}
    with serving(at(replies)) as server, driving(server.url, cookies=True, allow_redirects=True) as driven:
        assert driven.client.post("/login", {"user": "me"}).text == "/me"
    assert server.seen[1].headers["cookie"] == "id=1"
