"""What is special to Apache httpd, and to Caddy, which proxies and stores nothing."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from edgebench.model import ClaimedOutcome, Profile
from edgebench.origin import rows
from edgebench.runner.stack import Stack, require
from edgebench.tiers import adapters
from edgebench.tiers.adapter import LogLine
from tests.client import ask, ask_at_once
from tests.tiers.test_caches import await_expiry, await_that, granted

StartStack = Callable[..., Stack]
APACHE, CADDY = adapters()["apache"], adapters()["caddy"]
needs_apache = pytest.mark.skipif(APACHE.find() is None, reason=APACHE.how_to_get)
needs_caddy = pytest.mark.skipif(CADDY.find() is None, reason=CADDY.how_to_get)
ODD = ["/public/%C3%A9?a=b%20c", "/public/a%2Fb?%22", '/public/q?"quoted"\\t\'%zz', "/public//p", "/public/%7Eann?"]


def log_of(stack: Stack) -> list[LogLine]:
    stack.stop()
    assert stack.adapter is not None and stack.place is not None
    return list(stack.adapter.read_log(stack.place))


def ledger_size(stack: Stack) -> int:
    return int(rows.read(stack.ledger, 0).num_rows)


@needs_apache
def test_a_cookie_is_given_only_to_whom_it_was_set(start_stack: StartStack) -> None:
    stack = start_stack("apache", app="tests.tiers.cookies:app")
    first, second = ask(stack.url, "/shared"), ask(stack.url, "/shared")
    assert first.seq == second.seq and first.body == second.body
    assert "set-cookie" in first.headers and "set-cookie" not in second.headers
    assert ask(stack.url, "/private").seq != ask(stack.url, "/private").seq


@needs_apache
def test_every_answer_says_what_it_is(start_stack: StartStack) -> None:
    stack = start_stack("apache")
    asked = [
        ("GET", "/public/a?etag=1", {}, 200, "apache; fwd=miss; fwd-status=200"),
        ("GET", "/public/a?etag=1", {}, 200, "apache; hit"),
        ("HEAD", "/public/a?etag=1", {}, 200, "apache; hit"),
        ("GET", "/public/a?etag=1", {"If_None_Match": '"a"'}, 304, "apache; hit"),
        ("POST", "/public/b", {}, 200, "apache; fwd=bypass; fwd-status=200"),
        ("GET", "/nowhere", {}, 404, "apache; fwd=miss; fwd-status=404"),
    ]
    for method, target, headers, status, said in asked:
        answer = ask(stack.url, target, method, **headers)
        assert (answer.status, answer.headers["cache-status"]) == (status, said)
    stack.services[0].stop()
    answer = ask(stack.url, "/public/c")
    assert answer.status == 503 and answer.headers["cache-status"].startswith("apache; fwd=")


@pytest.mark.parametrize("kind", [pytest.param("apache", marks=needs_apache), pytest.param("caddy", marks=needs_caddy)])
def test_odd_urls_reach_the_origin_and_the_log_as_they_were_asked_for(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    for target in ODD:
        ask(stack.url, target)
    assert rows.read(stack.ledger, 0).to_pandas().key.tolist() == ODD
    assert [line.key for line in log_of(stack)] == ODD


@needs_apache
def test_what_the_fetch_took_counts_as_age(start_stack: StartStack) -> None:
    stack = start_stack("apache")
    answers = [ask(stack.url, "/public/s?ttl=1&delay_ms=1100") for _ in range(2)]
    assert answers[0].seq != answers[1].seq
    assert APACHE.expiry.fresh_until_s(stored_s=12.3, ttl_s=1, fetch_s=1.1) < 12.3


@needs_apache
def test_the_lock_of_resilient_serves_the_old_answer_while_one_request_refreshes_it(start_stack: StartStack) -> None:
    stack = start_stack("apache", tier={"profile": Profile.RESILIENT})
    locks = stack.directory / "apache" / "lock"
    target = "/public/d?ttl=1&delay_ms=1500"
    old = ask(stack.url, target)  # older than its TTL when it comes
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(ask, stack.url, target)
        await_that(lambda: any(path.is_file() for path in locks.rglob("*")), "nobody holds the lock")
        others = ask_at_once(stack.url, [target] * 4)
        assert refreshing.result().seq != old.seq
    assert {(answer.seq, answer.headers["cache-status"]) for answer in others} == {
        (old.seq, "apache; hit; detail=STALE")
    }
    assert [line.verdict for line in log_of(stack)].count(ClaimedOutcome.STALE) == 4


@needs_apache
def test_resilient_serves_nothing_stale_that_must_be_revalidated(start_stack: StartStack) -> None:
    stack = start_stack("apache", tier={"profile": Profile.RESILIENT})
    ask(stack.url, granted("max-age=1,must-revalidate"))
    await_expiry()
    stack.services[0].stop()
    assert ask(stack.url, granted("max-age=1,must-revalidate")).status == 503


@needs_apache
def test_as_it_comes_the_log_tells_what_the_quick_handler_did(start_stack: StartStack) -> None:
    stack = start_stack("apache", tier={"profile": Profile.DEFAULT})
    for _ in range(2):
        ask(stack.url, "/public/%C3%A9?x=1")
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None
    adapter.purge(require(adapter), place, "/public/%C3%A9?x=1")
    ask(stack.url, "/public/%C3%A9?x=1")
    verdicts = [line.verdict for line in log_of(stack)]
    assert verdicts == [ClaimedOutcome.MISS, ClaimedOutcome.HIT, ClaimedOutcome.MISS]


@needs_apache
def test_all_variants_of_a_url_are_purged(start_stack: StartStack) -> None:
    stack = start_stack("apache", app="tests.tiers.cookies:app")
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None

    def seqs() -> list[int | None]:
        return [ask(stack.url, "/varied", Accept_Language=language).seq for language in ("de", "en")]

    before = seqs()
    assert len(set(before)) == 2 and seqs() == before
    adapter.purge(require(adapter), place, "/varied")
    assert not set(seqs()) & set(before)


@needs_apache
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_as_root_it_serves_as_nobody_from_a_folder_nobody_may_enter(start_stack: StartStack) -> None:
    stack = start_stack("apache")
    stack.directory.chmod(0o700)
    answers = [ask(stack.url, "/public/e") for _ in range(2)]
    assert answers[0].seq == answers[1].seq
    assert all(process.uids().effective != 0 for process in stack.roles()["tier"])


@needs_caddy
@pytest.mark.parametrize("tls", [False, True])
def test_caddy_passes_everything_on(start_stack: StartStack, tls: bool) -> None:
    stack = start_stack("caddy", tier={"tls": tls})
    context = ssl.create_default_context(cafile=str(stack.ca)) if tls else None
    bodies = []
    for _ in range(2):
        with urllib.request.urlopen(f"{stack.url}/public/f", context=context) as response:
            bodies.append(response.read())
            assert response.headers["Cache-Status"] == "caddy; fwd=bypass"
    assert bodies[0] == bodies[1] and ledger_size(stack) == 2
    record = stack.record()
    assert record.expiry is None and record.version[0].isdigit()
    assert [(line.verdict, line.status) for line in log_of(stack)] == [(ClaimedOutcome.BYPASS, 200)] * 2


@needs_caddy
def test_caddy_asks_for_what_the_client_asked_for(start_stack: StartStack) -> None:
    stack = start_stack("caddy")
    assert ask(stack.url, "/public/g").headers["cache-control"] == "public, max-age=60"
    assert "content-encoding" not in ask(stack.url, "/public/g").headers
    stack.services[0].stop()
    answer = ask(stack.url, "/public/g")
    assert (answer.status, answer.headers["cache-status"]) == (502, "caddy; fwd=bypass")
    assert [line.origin_seq is None for line in log_of(stack)] == [False, False, True]


@needs_caddy
def test_caddy_finishes_what_it_has_begun(start_stack: StartStack) -> None:
    stack = start_stack("caddy")
    connection = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=20)
    connection.request("GET", "/public/h?delay_ms=600")
    await_that(lambda: ledger_or_busy(stack), "the request did not arrive")
    stack.stop()
    assert connection.getresponse().read().startswith(b"public h")
    assert [line.status for line in log_of(stack)] == [200]


def ledger_or_busy(stack: Stack) -> bool:
    """Whether the tier has passed a request on: it holds a connection to the origin."""
    assert stack.place is not None
    tier = stack.roles()["tier"][0]
    return any(link.raddr and link.raddr.port == stack.origin_port for link in tier.net_connections("tcp"))
