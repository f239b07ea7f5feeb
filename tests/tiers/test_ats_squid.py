"""What is special to Apache Traffic Server and to Squid: what their defaults do, whom they run as, what they log."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable

import pytest

from edgebench.model import ClaimedOutcome, Profile
from edgebench.origin import rows
from edgebench.runner.stack import Stack, require
from edgebench.tiers import adapters
from edgebench.tiers.adapter import LogLine, PurgeFailed
from tests.client import Answer, ask, ask_at_once

StartStack = Callable[..., Stack]


def needs(kind: str) -> pytest.MarkDecorator:
    adapter = adapters()[kind]
    return pytest.mark.skipif(adapter.find() is None, reason=adapter.how_to_get)


either = pytest.mark.parametrize("kind", [pytest.param(kind, marks=needs(kind)) for kind in ("ats", "squid")])


def as_it_comes(start_stack: StartStack, kind: str) -> Stack:
    return start_stack(kind, tier={"profile": Profile.DEFAULT})


def verdict(answer: Answer) -> str:
    return answer.headers["cache-status"].partition("; ")[2]


def log_of(stack: Stack) -> list[LogLine]:
    stack.stop()
    assert stack.adapter is not None and stack.place is not None
    return list(stack.adapter.read_log(stack.place))


def await_expiry(ttl_s: int = 1) -> None:
    """Until what was stored before is past its TTL by ATS's rule, the longer of the two."""
    until_s = time.time() + ttl_s + 1.05
    while time.time() < until_s:
        time.sleep(0.02)


def leaks(stack: Stack) -> bool:
    """Whether somebody without credentials gets the answer to somebody with them."""
    with_credentials = ask(stack.url, "/mine", Authorization="Bearer ann")
    return ask(stack.url, "/mine").body == with_credentials.body


@needs("ats")
def test_ats_as_it_comes_gives_a_users_answer_to_anybody(start_stack: StartStack) -> None:
    assert leaks(as_it_comes(start_stack, "ats"))
    assert not leaks(start_stack("ats"))


@needs("squid")
def test_squid_keeps_a_users_answer_to_itself_even_as_it_comes(start_stack: StartStack) -> None:
    assert not leaks(as_it_comes(start_stack, "squid"))
    assert not leaks(start_stack("squid"))


@needs("squid")
def test_squid_as_it_comes_collapses_nothing(start_stack: StartStack) -> None:
    stack = as_it_comes(start_stack, "squid")
    answers = ask_at_once(stack.url, ["/public/a?delay_ms=300"] * 4)
    assert len({answer.seq for answer in answers}) == 4


@either
def test_as_they_come_they_serve_stale_where_the_origin_is_dead_whatever_the_answer_says(
    start_stack: StartStack, kind: str
) -> None:
    stack = as_it_comes(start_stack, kind)
    first = ask(stack.url, "/public/b?ttl=1")
    await_expiry()
    stack.services[0].stop()
    again = ask(stack.url, "/public/b?ttl=1")
    assert (again.status, again.seq, verdict(again)) == (200, first.seq, "hit; detail=STALE")
    never_seen = ask(stack.url, "/public/c")
    assert never_seen.status >= 500 and "hit" not in verdict(never_seen)
    assert [line.verdict for line in log_of(stack)][:2] == [ClaimedOutcome.MISS, ClaimedOutcome.STALE]


@either
def test_resilient_while_the_origin_answers_503(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind, tier={"profile": Profile.RESILIENT})
    target, forbidden = (f"/mine?cc=max-age=1,{more}" for more in ("stale-if-error=60", "must-revalidate"))
    first, _ = ask(stack.url, target), ask(stack.url, forbidden)
    await_expiry()
    ask(f"http://127.0.0.1:{stack.origin_port}", "/failing", method="POST")
    again, refused = ask(stack.url, target), ask(stack.url, forbidden)
    assert (again.status, again.seq, verdict(again)) == (200, first.seq, "hit; detail=STALE")
    assert refused.status == 503
    lines = log_of(stack)
    assert [line.verdict for line in lines] == [ClaimedOutcome.MISS] * 2 + [ClaimedOutcome.STALE, ClaimedOutcome.MISS]
    assert [line.origin_seq for line in lines[:3]] == [first.seq, lines[1].origin_seq, first.seq]


@either
def test_strict_while_the_origin_fails(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    target = "/mine?cc=max-age=1,stale-if-error=60"
    ask(stack.url, target)
    await_expiry()
    ask(f"http://127.0.0.1:{stack.origin_port}", "/failing", method="POST")
    again = ask(stack.url, target)
    assert (again.status, verdict(again)) == (503, "fwd=stale")


@either
def test_expired_and_changed(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    first = ask(stack.url, "/public/d?ttl=1")
    await_expiry()
    again = ask(stack.url, "/public/d?ttl=1")
    assert verdict(again) == "fwd=stale" and again.seq != first.seq
    assert [line.verdict for line in log_of(stack)] == [ClaimedOutcome.MISS] * 2


@either
def test_who_waits_for_a_fetch_is_logged_with_its_answer(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    ask_at_once(stack.url, ["/public/e?delay_ms=200"] * 8)
    lines = log_of(stack)
    assert sorted(line.verdict for line in lines) == [ClaimedOutcome.HIT] * 7 + [ClaimedOutcome.MISS]
    assert len({line.origin_seq for line in lines}) == 1 == len(rows.read(stack.ledger, 0))


@either
def test_the_harness_is_not_among_the_clients(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None
    ask(stack.url, "/public/f")
    adapter.purge(require(adapter), place, "/public/f")
    adapter.purge(require(adapter), place, "/public/never-asked-for")
    with pytest.raises(NotImplementedError):
        adapter.purge(require(adapter), place)
    counts = [adapter.counters(require(adapter), place) for _ in range(3)]
    assert [(each["requests"], each["origin_requests"]) for each in counts] == [(1, 1)] * 3
    assert [line.key for line in log_of(stack)] == ["/public/f"]


@either
def test_a_purge_of_a_cache_that_is_down_is_no_success(start_stack: StartStack, kind: str) -> None:
    stack = start_stack(kind)
    adapter, place = stack.adapter, stack.place
    assert adapter is not None and place is not None
    stack.stop()
    with pytest.raises((OSError, PurgeFailed)):
        adapter.purge(require(adapter), place, "/public/f")


@either
def test_two_of_a_kind_side_by_side(start_stack: StartStack, kind: str) -> None:
    stacks = [start_stack(kind), start_stack(kind)]
    for stack in stacks:
        assert [ask(stack.url, "/public/g").seq for _ in range(2)] == [1, 1]
    assert stacks[0].url != stacks[1].url


@needs("squid")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_squid_is_not_root(start_stack: StartStack) -> None:
    stack = start_stack("squid")
    users = [process.username() for process in stack.roles()["tier"]]
    assert users == [pwd.getpwnam("nobody").pw_name]
