"""Each real cache keeps the bargain every tier here has to keep: what is stored, for how long, for whom."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pandas as pd
import pytest

from edgebench.model import ClaimedOutcome
from edgebench.origin import rows
from edgebench.runner.stack import Stack
from edgebench.tiers import adapters
from tests.client import ask, ask_at_once

StartStack = Callable[..., Stack]
VARNISH_MISSING = adapters()["varnish"].find() is None
CACHES = [
    "nginx",
    pytest.param(
        "varnish", marks=[pytest.mark.needs_varnish, pytest.mark.skipif(VARNISH_MISSING, reason="make caches")]
    ),
]
each_cache = pytest.mark.parametrize("kind", CACHES)


def ledger(stack: Stack) -> pd.DataFrame:
    table: pd.DataFrame = rows.read(stack.ledger, 0).to_pandas()
    return table


@each_cache
def test_stored_then_expired_then_confirmed(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    target = "/public/a?ttl=1&etag=1"
    first, second = ask(stack.url, target), ask(stack.url, target)
    assert first.seq == second.seq and "hit" in second.headers["cache-status"]
    deadline = time.monotonic() + 5
    while "hit" in (again := ask(stack.url, target)).headers["cache-status"].split(";")[1]:
        assert time.monotonic() < deadline, "it never expired"
        time.sleep(0.02)
    assert "fwd-status=304" in again.headers["cache-status"]
    assert (again.status, again.body) == (200, first.body)
    assert ledger(stack).status.tolist() == [200, 304]


@each_cache
def test_one_fetch_for_a_new_key(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    answers = ask_at_once(stack.url, ["/public/b?delay_ms=200"] * 12)
    assert {answer.seq for answer in answers} == {answers[0].seq}
    assert len(ledger(stack)) == 1


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
    assert [line.verdict for line in lines] == [ClaimedOutcome.MISS, ClaimedOutcome.HIT, *[ClaimedOutcome.MISS] * 4]
    assert len({line.port for line in lines}) == len(lines)


@each_cache
def test_the_record_says_what_ran(start_stack: StartStack, kind: str) -> None:
    record = start_stack(kind).record()
    assert record.kind == kind and record.version[0].isdigit()
    assert record.expiry is not None and "max" in str(record.config_text)
    assert record.argv[0] in record.binary
