"""Tiers of several caches: whose log, whose store, and what an edge before a shield may say."""

from __future__ import annotations

import pandas as pd
import pytest

from edgebench.analysis.edges import is_shields, logged_by
from edgebench.analysis.reconcile import pair_with_log, reconcile
from tests.analysis.test_reconcile import log, samples

NO_LOG = log().iloc[:0]


def test_a_port_at_one_edge_is_not_that_port_at_another() -> None:
    """A system may give one port to two connections that lead to different servers."""
    asked = samples(*({"key": f"/{user}", "port": 7, "user": user} for user in (0, 1, 2, 3)))
    lines = log(
        {"key": "/1", "port": 7, "instance": "edge2"},
        {"key": "/3", "port": 7, "instance": "edge2"},
        {"key": "/0", "port": 7, "instance": "edge1"},
        {"key": "/2", "port": 7, "instance": "edge1"},
    )
    assert pair_with_log(asked, lines, edges=2).tolist() == [2, 0, 3, 1]
    assert reconcile(asked, lines, edges=2).contradicted["log"] == 0


def test_what_the_shield_logged_is_no_clients_request() -> None:
    lines = log({"port": 1, "instance": "edge1"}, {"port": 1, "instance": "shield", "verdict": "miss"})
    assert is_shields(lines).tolist() == [False, True]
    found = reconcile(samples({"user": 0}), lines, edges=2, shielded=True)
    assert (found.compared["log"], found.contradicted["log"]) == (1, 0)
    assert found.unmatched == {"samples without a log line": 0, "log lines without a sample": 0}


def test_of_two_that_asked_the_shield_for_one_fetch_nobody_says_who_came_first() -> None:
    asked = samples(
        {"claim": "hit", "outcome": "origin", "origin_seq": 5, "user": 0},
        {"claim": "miss", "outcome": "collapsed", "origin_seq": 5, "user": 1},
        {"claim": "hit", "outcome": "origin", "origin_seq": 6, "user": 0},
    )
    found = reconcile(asked, NO_LOG, edges=2, shielded=True)
    assert (found.compared["claim"], found.contradicted["claim"]) == (2, 1)  # nobody else waited for fetch 6
    assert reconcile(asked, NO_LOG).contradicted["claim"] == 2


def test_whose_edge_asked_for_a_304_is_not_told_by_key_and_time() -> None:
    asked = samples(
        {"claim": "hit", "outcome": "revalidated", "key": "/a", "user": 0, "sent_ns": 0, "done_ns": 9},
        {"claim": "hit", "outcome": "hit", "key": "/a", "user": 1, "sent_ns": 5, "done_ns": 12},
        {"claim": "hit", "outcome": "revalidated", "key": "/b", "user": 0, "sent_ns": 0, "done_ns": 9},
        {"claim": "hit", "outcome": "hit", "key": "/b", "user": 2, "sent_ns": 5, "done_ns": 12},  # of the same edge
        {"claim": "hit", "outcome": "revalidated", "key": "/c", "user": 0, "sent_ns": 0, "done_ns": 9},
        {"claim": "hit", "outcome": "hit", "key": "/c", "user": 1, "sent_ns": 10, "done_ns": 12},  # later
    )
    found = reconcile(asked, NO_LOG, edges=2)
    assert (found.compared["claim"], found.contradicted["claim"]) == (5, 2)


def test_older_logs_are_of_the_only_cache() -> None:
    assert logged_by(log({}, {})).tolist() == [0, 0]
    assert logged_by(pd.DataFrame({"port": [1, 2]})).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("claim", "more"),
    [
        ("miss", {"hit", "stale"}),  # the shield had it
        ("revalidated", {"hit", "stale"}),
        ("hit", {"stale"}),  # it had lived in the shield before the edge counted
        ("bypass", set()),
        ("stale", set()),
    ],
)
def test_an_edge_before_a_shield_does_not_know_what_the_origin_was_asked(claim: str, more: set[str]) -> None:
    for outcome in ("origin", "revalidated", "collapsed", "hit", "stale"):
        alone, shielded = (
            reconcile(samples({"claim": claim, "outcome": outcome}), NO_LOG, shielded=shielded).contradicted["claim"]
            for shielded in (False, True)
        )
        assert shielded == (0 if outcome in more else alone), outcome
