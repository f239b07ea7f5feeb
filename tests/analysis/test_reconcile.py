"""The cache's own words against the proof, request by request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from edgebench.analysis.reconcile import reconcile
from edgebench.analysis.tables import frame
from edgebench.store import SAMPLES, TIER_LOG


def samples(*rows: dict[str, Any]) -> pd.DataFrame:
    known = {"method": "GET", "status": 200, "key": "/a", "port": 1, "claim": "hit", "outcome": "hit", "origin_seq": 1}
    full = [known | {"sent_ns": place, "done_ns": place + 1} | row for place, row in enumerate(rows)]
    table = pa.Table.from_pylist([{name: row.get(name) for name in SAMPLES.names} for row in full], SAMPLES)
    return frame(table).assign(outcome=[str(row["outcome"]) for row in full])


def log(*rows: dict[str, Any]) -> pd.DataFrame:
    known = {"at_ns": 0, "port": 1, "method": "GET", "key": "/a", "status": 200, "verdict": "hit", "origin_seq": 1}
    return frame(pa.Table.from_pylist([known | row for row in rows], TIER_LOG))


NO_LOG = log().iloc[:0]


@pytest.mark.parametrize(
    ("claim", "agreeing"),
    [
        ("hit", {"hit", "collapsed"}),
        ("stale", {"stale", "hit"}),
        ("revalidated", {"revalidated", "collapsed"}),
        ("miss", {"origin", "collapsed", "revalidated"}),
        ("bypass", {"origin"}),
        ("none", {"origin", "revalidated", "collapsed", "hit", "stale"}),
        ("unknown", {"origin", "revalidated", "collapsed", "hit", "stale"}),
    ],
)
def test_claims(claim: str, agreeing: set[str]) -> None:
    for outcome in ("origin", "revalidated", "collapsed", "hit", "stale"):
        found = reconcile(samples({"claim": claim, "outcome": outcome}), NO_LOG)
        assert (found.contradicted["claim"] == 0) == (outcome in agreeing), outcome
    assert reconcile(samples({"claim": claim, "outcome": "error"}), NO_LOG).compared["claim"] == 0


def test_a_contradiction_is_listed_with_what_was_said() -> None:
    found = reconcile(samples({}, {"outcome": "origin", "key": "/b"}), NO_LOG).disagreements
    assert found[["key", "against", "said"]].to_numpy().tolist() == [["/b", "claim", "hit"]]


def test_the_log_is_paired_by_port_and_order() -> None:
    asked = samples({"key": "/a", "port": 1}, {"key": "/b", "port": 2}, {"key": "/c", "port": 1})
    lines = log({"key": "/b", "port": 2}, {"key": "/a", "port": 1}, {"key": "/c", "port": 1})
    found = reconcile(asked, lines)
    assert (found.compared["log"], found.contradicted["log"]) == (3, 0)
    assert set(found.unmatched.values()) == {0}


def test_a_missing_line_does_not_shift_the_rest() -> None:
    asked = samples({"key": "/a", "outcome": "error", "status": 0}, {"key": "/b"}, {"key": "/c"}, {"key": "/b"})
    found = reconcile(asked, log({"key": "/b"}, {"key": "/c"}, {"key": "/b"}))
    assert (found.compared["log"], found.contradicted["log"]) == (3, 0)
    assert found.unmatched == {"samples without a log line": 0, "log lines without a sample": 0}


def test_unmatched_on_either_side_is_counted() -> None:
    found = reconcile(samples({"key": "/a"}, {"key": "/b"}), log({"key": "/b"}, {"key": "/x"}, {"key": "/y"}))
    assert found.unmatched == {"samples without a log line": 1, "log lines without a sample": 2}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"key": "/b"}, "key /b"),
        ({"status": 304}, "status 304"),
        ({"verdict": "miss"}, "miss"),
        ({"origin_seq": 2}, "seq 2"),
    ],
)
def test_each_contradiction_of_the_log(line: dict[str, Any], said: str) -> None:
    found = reconcile(samples({}), log(line))
    assert found.disagreements[["against", "said"]].to_numpy().tolist() == [["log", said]]


def test_a_log_that_does_not_know_the_stamp_or_verdict_contradicts_nothing() -> None:
    assert reconcile(samples({}), log({"origin_seq": None, "verdict": "none"})).contradicted["log"] == 0


def test_without_a_log_nothing_is_unmatched() -> None:
    found = reconcile(samples({}), NO_LOG)
    assert found.unmatched == {} and "log" not in found.compared


def test_a_permitted_stale_answer_may_be_called_a_hit_and_not_a_miss() -> None:
    stale = samples({"claim": "hit", "outcome": "stale"}, {"claim": "miss", "outcome": "stale"})
    strict = reconcile(stale, NO_LOG)
    resilient = reconcile(stale, NO_LOG, np.array([True, True]))
    assert (strict.contradicted["claim"], resilient.contradicted["claim"]) == (2, 1)
    assert list(resilient.disagreements["outcome"]) == ["stale"]


def test_what_the_proof_cannot_tell_is_not_compared() -> None:
    revalidated = samples({"claim": "stale", "outcome": "revalidated"}, {"claim": "stale", "outcome": "revalidated"})
    found = reconcile(revalidated, NO_LOG, None, np.array([True, False]))
    assert (found.compared["claim"], found.contradicted["claim"]) == (1, 1)
