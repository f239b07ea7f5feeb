"""The proxy itself, by a plain client before a real origin: each fault does what it says, and without one all is right.

What the harness makes of them is in test_broken_found.py.
"""

from __future__ import annotations

import gzip
import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgebench.model import Cell, Freshness, Load, OriginSpec, TierSpec
from edgebench.runner.guardian import Guardian
from edgebench.runner.stack import Stack
from tests.broken.faults import EVERY, Fault
from tests.broken.proxy import CUT_BYTES
from tests.broken.running import Running
from tests.client import Answer, ask, ask_at_once

Start = Callable[[Fault], Running]
A, B = "Bearer user1", "Bearer user2"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of tests.broken.app; it keeps nothing that one test could leave to the next."""
    spec = OriginSpec(app="tests.broken.app:app", threads=8, env={"ITEM_TTL_S": "2"})
    cell = Cell(TierSpec("direct", "direct"), Freshness(), Load())
    with Guardian() as guardian, Stack(cell, spec, tmp_path_factory.mktemp("origin"), (), guardian) as stack:
        yield stack.origin_port


@pytest.fixture
def start(origin: int, tmp_path: Path) -> Iterator[Start]:
    """start(Fault.SWAP): that proxy before the app."""
    with ExitStack() as running:
        yield lambda fault: running.enter_context(Running.start(fault, origin, tmp_path))


def said(answer: Answer) -> str:
    return answer.headers["cache-status"].removeprefix("proxy; ")


def test_the_correct_proxy_stores_what_may_be_stored_and_says_what_it_does(start: Start) -> None:
    proxy = start(Fault.NONE)
    first, second = ask(proxy.url, "/news/1"), ask(proxy.url, "/news/1")
    assert (said(first), said(second)) == ("fwd=miss; fwd-status=200; stored", "hit")
    assert (first.seq, first.body) == (second.seq, second.body) and second.headers["age"] == "0"
    assert ask(proxy.url, "/nothing").status == 404 and ask(proxy.url, "/news/1", "HEAD").body == b""
    assert ask(proxy.url, "/news/1", "POST").status == 405
    account = proxy.end()
    assert (account.requests, account.hits, account.fetches, account.injected) == (5, 1, 4, [])


def test_bodies_go_through_in_both_directions(start: Start) -> None:
    proxy, sent = start(Fault.NONE), bytes(range(256)) * 5
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    for body in (sent, (sent[at : at + 50] for at in range(0, len(sent), 50)), sent):  # the second one in chunks
        connection.request("POST", "/echo", body)
        response = connection.getresponse()
        assert response.read() == sent and response.headers["Content-Length"] == str(len(sent))
        assert response.headers["Cache-Status"] == "proxy; fwd=method"
    connection.close()


def test_the_correct_proxy_keeps_the_ttl(start: Start) -> None:
    proxy = start(Fault.NONE)
    before = time.monotonic()
    first = ask(proxy.url, "/news/1").seq
    after = time.monotonic()
    seen: list[tuple[float, int | None, float]] = []
    while not seen or seen[-1][1] == first:
        asked = time.monotonic()
        seen.append((asked, ask(proxy.url, "/news/1").seq, time.monotonic()))
    assert seen[-1][2] > before + 1 and all(asked < after + 1 for asked, _, _ in seen[:-1])


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.IGNORE_VARY])
def test_variants(start: Start, fault: Fault) -> None:
    proxy = start(fault)
    packed, plain, again = (ask(proxy.url, "/items/1", accept_encoding=coding) for coding in ("gzip", "", "gzip"))
    assert packed.headers["content-encoding"] == "gzip" and again.seq == packed.seq and said(again) == "hit"
    if fault is Fault.NONE:
        assert "content-encoding" not in plain.headers
        assert plain.body.startswith(b"item 1") and gzip.decompress(packed.body).startswith(b"item 1")
        assert proxy.end().injected == []
    else:
        assert (plain.seq, plain.body) == (packed.seq, packed.body)
        assert [each.detail for each in proxy.end().injected] == ["gzip for "]


@pytest.mark.parametrize("target", ["/me", "/orders"])
@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LEAK_PRIVATE])
def test_private_answers(start: Start, fault: Fault, target: str) -> None:
    proxy = start(fault)
    answers = [ask(proxy.url, target, authorization=user) for user in (A, B)]
    assert b"user1" in answers[0].body
    assert answers[1].body.startswith(b"the ") and (b"user1" in answers[1].body) is (fault is Fault.LEAK_PRIVATE)
    assert said(answers[1]) == ("fwd=bypass; fwd-status=200" if fault is Fault.NONE else "hit")
    assert len(proxy.end().injected) == (fault is Fault.LEAK_PRIVATE)


def test_what_says_public_is_shared_though_asked_for_with_a_name(start: Start) -> None:
    proxy = start(Fault.NONE)
    first, second = (ask(proxy.url, "/offers", authorization=user) for user in (A, B))
    assert first.seq == second.seq and said(second) == "hit"


@pytest.mark.parametrize("fault", [Fault.DOUBLE_TTL, Fault.STALE_FOREVER])
def test_answers_past_their_ttl(start: Start, fault: Fault) -> None:
    proxy = start(fault)
    begun = time.monotonic()
    first = ask(proxy.url, "/news/1").seq
    stale = 0
    while time.monotonic() < begun + 1.9:
        now = time.monotonic()
        assert ask(proxy.url, "/news/1").seq == first
        stale += now > begun + 1.1
    while (last := ask(proxy.url, "/news/1").seq) == first and time.monotonic() < begun + 2.2:
        pass
    assert (last == first) is (fault is Fault.STALE_FOREVER)
    injected = proxy.end().injected
    assert stale and len(injected) >= stale and all(float(each.detail) >= 0 for each in injected)


def test_misses_labelled_hits(start: Start) -> None:
    proxy = start(Fault.LABEL_MISSES_AS_HITS)
    answers = [ask(proxy.url, f"/news/{number}") for number in (1, 2, 1)]
    assert [said(answer) for answer in answers] == ["hit"] * 3
    assert len({answer.seq for answer in answers}) == 2 and len(proxy.end().injected) == 2


def many(proxy: Running, target: str, count: int) -> Iterator[tuple[int, bytes]]:
    """So many GETs of a target, by a client that connects anew where it must: Content-Length and what came."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    for _ in range(count):
        connection.request("GET", target)
        response = connection.getresponse()
        length = int(response.headers["Content-Length"])
        try:
            yield length, response.read()
        except http.client.IncompleteRead as broken:
            yield length, broken.partial
            connection.close()
    connection.close()


@pytest.mark.parametrize(
    ("fault", "lacks"),
    [
        (Fault.TRUNCATE, (CUT_BYTES, CUT_BYTES)),
        (Fault.TRUNCATE_SHORT, (0, CUT_BYTES)),
        (Fault.GARBLE, (0, 0)),
    ],
)
def test_damaged_bodies(start: Start, fault: Fault, lacks: tuple[int, int]) -> None:
    proxy = start(fault)
    whole = len(ask(proxy.url, "/news/1").body)
    # A body says the same in all its lines.
    wrong = [
        (number, whole - length, whole - len(body))
        for number, (length, body) in enumerate(many(proxy, "/news/1", 2 * EVERY[fault]), 2)
        if len(set(body.splitlines())) != 1
    ]
    assert wrong == [(number, *lacks) for number in (EVERY[fault], 2 * EVERY[fault])]
    assert len(proxy.end().injected) == 2


@pytest.mark.parametrize(("fault", "known"), [(Fault.NONE, False), (Fault.NONE, True), (Fault.NO_COLLAPSE, False)])
def test_who_misses_at_the_same_time(start: Start, fault: Fault, known: bool) -> None:
    proxy = start(fault)
    if known:
        ask(proxy.url, "/news/1")
        time.sleep(1.1)  # who looks whether it has expired asks for the next
    answers = ask_at_once(proxy.url, ["/news/1"] * 8)
    fetched = len({answer.seq for answer in answers})
    account = proxy.end()
    if fault is Fault.NONE:
        assert fetched == 1 and account.injected == []
        assert sorted(map(said, answers)) == ["fwd=miss; collapsed"] * 7 + ["fwd=miss; fwd-status=200; stored"]
    else:
        assert fetched > 1 and len(account.injected) == fetched - 1


def me(proxy: Running, user: str) -> bytes:
    return ask(proxy.url, "/me", authorization=user).body


def test_two_users_in_flight_get_each_others_answer_once_in_10_000(start: Start) -> None:
    proxy = start(Fault.SWAP)
    with ThreadPoolExecutor(2) as pool:

        def pairs(limit: int) -> Iterator[tuple[bytes, bytes]]:
            for _ in range(limit):
                first, second = pool.submit(me, proxy, A), pool.submit(me, proxy, B)
                yield first.result(), second.result()

        for first, second in pairs(50):
            assert b"user1" in first and b"user2" in second
        assert sum(1 for _ in many(proxy, "/news/1", 9_900)) == 9_900
        seen = list(pairs(50))
    swapped = [(first, second) for first, second in seen if b"user1" not in first]
    assert [(b"user2" in first, b"user1" in second) for first, second in swapped] == [(True, True)]
    assert len(proxy.end().injected) == 2


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.SERIALISE])
def test_private_requests_at_the_same_time(start: Start, fault: Fault) -> None:
    """Once it is known that they are private."""
    proxy = start(fault)
    assert b"user1" in me(proxy, A)
    users = [f"Bearer user{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            answers = list(pool.map(lambda user: ask(proxy.url, "/me", authorization=user), users))
            assert [said(answer) for answer in answers] == ["fwd=bypass; fwd-status=200"] * 8
            for user, answer in zip(users, answers, strict=True):
                assert user.removeprefix("Bearer ").encode() in answer.body
    assert bool(proxy.end().injected) is (fault is Fault.SERIALISE)
