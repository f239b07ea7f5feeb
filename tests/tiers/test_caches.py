"""Each real cache keeps the bargain every tier here has to keep: what is stored, for how long, for whom.

All adapters that store are tested, with what they say of themselves: what a cache cannot do is asserted, too.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pandas as pd
import pytest

from edgebench.model import ClaimedOutcome, Profile
from edgebench.origin import rows
from edgebench.runner.stack import Stack, require
from edgebench.tiers import adapters
from edgebench.tiers.adapter import Adapter
from tests.client import Answer, ask, ask_at_once

StartStack = Callable[..., Stack]
PATIENCE_S = 15


def caches(able: Callable[[Adapter], bool] = lambda adapter: True) -> pytest.MarkDecorator:
    """Parametrises a test over the adapters that store and are able to do what is tested."""
    params = []
    for adapter in adapters().values():
        if adapter.stores and able(adapter):
            missing = pytest.mark.skipif(adapter.find() is None, reason=adapter.how_to_get)
            marks = [missing, *([pytest.mark.needs_varnish] if adapter.name == "varnish" else [])]
            params.append(pytest.param(adapter.name, marks=marks))
    return pytest.mark.parametrize("kind", params)


each_cache = caches()


def ledger(stack: Stack) -> pd.DataFrame:
    table: pd.DataFrame = rows.read(stack.ledger, 0).to_pandas()
    return table


def origin_url(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.origin_port}"


def granted(cache_control: str) -> str:
    return f"/mine?cc={cache_control}"


def is_hit(answer: Answer) -> bool:
    if "cache-status" not in answer.headers:  # Apache as it comes: its quick handler answers before a header can be set
        return answer.headers["x-cache"].startswith("HIT")
    return "hit" in answer.headers["cache-status"].split(";")[1]


def await_that(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def await_expiry(ttl_s: int = 1) -> None:
    """What was stored before is past its TTL by every cache's rule, and nobody has asked for it meanwhile."""
    until_s = time.time() + ttl_s + 1.05
    await_that(lambda: time.time() > until_s, "the clock stands still")


@each_cache
def test_stored_then_expired_then_confirmed(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    target = "/public/a?ttl=1&etag=1"
    first = ask(stack.url, target)
    answers = [first]

    def expired() -> bool:
        answers.append(ask(stack.url, target))
        return not is_hit(answers[-1])

    await_that(expired, "it never expired")
    again = answers[-1]
    assert (again.status, again.body) == (200, first.body)
    assert {answer.seq for answer in answers[:-1]} == {first.seq}
    revalidates = adapters()[kind].revalidates
    assert ("fwd-status=304" in again.headers["cache-status"]) == revalidates
    assert ledger(stack).status.tolist() == [200, 304 if revalidates else 200]


@each_cache
def test_a_client_with_a_copy_of_its_own_keeps_the_answer_from_nobody(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    target = "/public/m?etag=1"
    assert ask(stack.url, target, If_None_Match='"m"').status in (200, 304)
    whole, confirmed = ask(stack.url, target), ask(stack.url, target, If_None_Match='"m"')
    assert whole.body.startswith(b"public m") and confirmed.status == 304
    # Apache and Squid hand the client's condition on, and have nothing to store then; the others fetch the whole of it.
    assert ledger(stack).status.tolist() == ([304, 200] if kind in ("apache", "squid") else [200])


@each_cache
def test_one_fetch_for_a_new_key(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    answers = ask_at_once(stack.url, ["/public/b?delay_ms=200"] * 12)
    fetches = len(ledger(stack))
    assert len({answer.seq for answer in answers}) == fetches
    assert fetches == 1 if adapters()[kind].collapses_misses else fetches > 1


@each_cache
def test_one_fetch_for_an_expired_key(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    target = "/public/b?ttl=1&delay_ms=200"
    ask(stack.url, target)
    await_expiry()
    ask_at_once(stack.url, [target] * 12)
    fetches = len(ledger(stack)) - 1
    assert fetches == 1 if adapters()[kind].collapses_expired else fetches > 1


@each_cache
def test_answers_for_one_user_are_never_stored(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    bodies = [ask(stack.url, "/mine", Authorization=f"Bearer {user}").body for user in ("ann", "bob", "ann")]
    bodies.append(ask(stack.url, "/mine").body)
    assert bodies == [b"for Bearer ann", b"for Bearer bob", b"for Bearer ann", b"for anybody"]
    for _ in range(2):
        ask(stack.url, "/serial")
        ask(stack.url, "/unmarked")
        ask(stack.url, "/mine?cc=private")
    assert Counter(ledger(stack).key) == {"/mine": 4, "/serial": 2, "/unmarked": 2, "/mine?cc=private": 2}


def test_nginx_as_it_comes_gives_the_answer_for_one_user_to_anyone(start_stack: StartStack) -> None:
    stack = start_stack("nginx", tier={"profile": Profile.DEFAULT})
    ask(stack.url, "/mine", Authorization="Bearer ann")
    leaked = ask(stack.url, "/mine")
    assert leaked.body == b"for Bearer ann" and is_hit(leaked)


@each_cache
def test_as_it_comes_it_stores_and_says_so(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind, tier={"profile": Profile.DEFAULT})
    answers = [ask(stack.url, "/public/l") for _ in range(2)]
    assert [is_hit(answer) for answer in answers] == [False, True]
    assert answers[0].seq == answers[1].seq and stack.record().expiry is None


@each_cache
def test_users_do_not_wait_for_one_another(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    ask_at_once(stack.url, ["/mine?delay_ms=300"] * 8, Authorization="Bearer ann")
    found = ledger(stack)
    # All eight were at work at one time: the last one had begun before the first one ended.
    assert found.start_ns.max() < found.end_ns.min()


@each_cache
def test_unsafe_methods_and_queries_reach_the_origin(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    for _ in range(2):
        ask(stack.url, "/public/c", method="POST")
        ask(stack.url, "/public/c?q=1")
        ask(stack.url, "/public/c?q=2")
    assert Counter(zip(ledger(stack).method, ledger(stack).key, strict=True)) == {
        ("POST", "/public/c"): 2,
        ("GET", "/public/c?q=1"): 1,
        ("GET", "/public/c?q=2"): 1,
    }


@each_cache
def test_cookies_alone_do_not_keep_public_answers_out(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    answers = [ask(stack.url, "/public/d", Cookie=f"session={user}") for user in ("ann", "bob")]
    assert answers[0].seq == answers[1].seq


@each_cache
def test_resilient_serves_past_the_ttl_as_the_answer_allows(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind, tier={"profile": Profile.RESILIENT})
    lacks = adapters()[kind].lacks.get(Profile.RESILIENT, ())
    targets = [
        granted(f"max-age=1,stale-{way}=60{more}")
        for way, more in (("while-revalidate", ""), ("if-error", ""), ("if-error", ",x=503"))
    ]
    refreshed, dead, failing = (ask(stack.url, target) for target in targets)
    bare = ask(stack.url, granted("max-age=1"))
    await_expiry()
    again = ask(stack.url, targets[0])
    if "stale-while-revalidate" in lacks:
        assert again.seq != refreshed.seq
    else:
        assert (again.status, again.seq, is_hit(again)) == (200, refreshed.seq, True)
        await_that(lambda: ask(stack.url, targets[0]).seq != refreshed.seq, "it was not refreshed")
    ask(origin_url(stack), "/failing", method="POST")
    served = not {"stale-if-error", "stale-if-error where the origin answers 5xx"} & set(lacks)
    # Of several at once ATS now and then hands the 503 to one.
    at_once = [] if kind == "ats" else [targets[2]] * 6
    for again in (ask(stack.url, targets[2]), *(ask_at_once(stack.url, at_once) if at_once else ())):
        assert (again.status, again.seq) == ((200, failing.seq) if served else (503, again.seq))
    stack.services[0].stop()
    again = ask(stack.url, targets[1])
    served = "stale-if-error" not in lacks
    assert (again.status, again.seq) == (200, dead.seq) if served else again.status >= 500
    if "the limit of stale-if-error" not in lacks:
        assert ask(stack.url, granted("max-age=1")).status >= 500 and bare.status == 200


@each_cache
def test_strict_serves_nothing_past_the_ttl(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    lacks = adapters()[kind].lacks.get(Profile.STRICT, ())
    allowed = granted("max-age=1,stale-while-revalidate=60,stale-if-error=60")
    first = ask(stack.url, allowed)
    await_expiry()
    second = ask(stack.url, allowed)
    assert second.seq != first.seq
    await_expiry()
    stack.services[0].stop()
    disregards = not any("stale-if-error" in lack for lack in lacks)
    assert (ask(stack.url, allowed).status >= 500) == disregards


@caches(lambda adapter: adapter.serves_tls)
def test_tls(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind, tier={"tls": True})
    context = ssl.create_default_context(cafile=str(stack.ca))
    seen = []
    for _ in range(2):
        with urllib.request.urlopen(f"{stack.url}/public/f", context=context) as response:
            seen.append((response.read(), response.headers["Edgebench-Origin"], response.headers["Cache-Status"]))
    assert stack.url.startswith("https:") and seen[0][0].startswith(b"public f")
    assert seen[0][:2] == seen[1][:2] and "hit" in seen[1][2]


@each_cache
def test_purge(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None
    targets = ["/public/g", "/public/g?q=1", "/public/gg"]

    def seqs() -> list[int | None]:
        return [ask(stack.url, target).seq for target in targets]

    before = seqs()
    assert seqs() == before
    for key, able in ((targets[0], adapter.purges_one), (None, adapter.purges_all)):
        if not able:
            with pytest.raises(NotImplementedError):
                adapter.purge(require(adapter), place, key)
            continue
        adapter.purge(require(adapter), place, key)
        after = seqs()
        gone = [new != old for new, old in zip(after, before, strict=True)]
        assert gone == ([True] * 3 if key is None else [True, False, False])
        assert seqs() == after
        before = after


@each_cache
def test_the_log_has_every_request_and_the_same_verdict_as_the_header(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    targets = ["/public/e", "/public/e", "/mine?x=%22quoted%22", "/serial", "/public/%C3%A9?a=b%20c", "/nowhere"]
    answers = [ask(stack.url, target) for target in targets]
    stack.stop()
    assert stack.adapter is not None and stack.place is not None
    lines = [line for line in stack.adapter.read_log(stack.place)]
    assert [line.key for line in lines] == targets
    assert [line.status for line in lines] == [answer.status for answer in answers]
    assert [line.origin_seq for line in lines] == [answer.seq for answer in answers]
    assert [line.verdict for line in lines[:2]] == [ClaimedOutcome.MISS, ClaimedOutcome.HIT]
    # Not every log can tell whether what was not stored might have been.
    assert {line.verdict for line in lines[2:]} <= {ClaimedOutcome.MISS, ClaimedOutcome.BYPASS}
    assert len({line.port for line in lines}) == len(lines)


@each_cache
def test_no_line_of_the_log_is_lost_with_two_workers(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind, tier={"workers": 2, "storage_mb": 64})

    def ask_often(client: int) -> None:
        with contextlib.closing(http.client.HTTPConnection(urlsplit(stack.url).netloc)) as connection:
            for number in range(500):
                connection.request("GET", f"/public/h?q={(client + number) % 7}")
                connection.getresponse().read()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask_often, range(8)))
    stack.stop()
    assert stack.adapter is not None and stack.place is not None
    lines = list(stack.adapter.read_log(stack.place))
    assert len(lines) == 8 * 500
    assert Counter(line.port for line in lines).most_common()[-1][1] == 500
    assert {line.origin_seq for line in lines} == set(ledger(stack).seq)


@each_cache
def test_counters_are_the_ledgers(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None
    for target in ("/public/i", "/public/i", "/public/j", "/serial", "/public/i"):
        ask(stack.url, target)
    expected = {"requests": 5, "hits": 2, "origin_requests": 3}

    def reconciled() -> bool:  # some caches add up their counters only every few seconds
        counted = adapter.counters(require(adapter), place)
        return {name: counted[name] for name in expected if name in counted} == {
            name: count for name, count in expected.items() if name in counted
        }

    await_that(reconciled, f"not {expected}: {adapter.counters(require(adapter), place)}")
    assert len(ledger(stack)) == expected["origin_requests"]


@each_cache
def test_a_request_in_flight_is_finished_before_the_end(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, stack.url, "/public/k?delay_ms=1000")
        await_that(lambda: ask(origin_url(stack), "/begun").body == b"1", "it did not reach the origin")
        stack.stop()
        if adapters()[kind].finishes_requests:
            assert asked.result().body.startswith(b"public k")
        else:
            with pytest.raises((OSError, http.client.HTTPException)):
                asked.result()


@each_cache
def test_the_record_says_what_ran(start_stack: StartStack, kind: str) -> None:
    record = start_stack(kind).record()
    assert record.kind == kind and record.version[0].isdigit()
    assert record.expiry is not None and "max" in str(record.config_text)
    assert any(word in record.binary for word in record.argv)
