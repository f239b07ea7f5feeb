"""Single cases made by hand: each says which rule it is about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from edgebench.analysis.proof import Proof, prove
from edgebench.analysis.tables import frame, shared_codes
from edgebench.store import LEDGER, SAMPLES

MS = 1_000_000
S = 1000 * MS


def sample(sent: int, done: int, seq: int | None, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(SAMPLES.names) | {
        "sent_ns": sent,
        "done_ns": done,
        "origin_seq": seq,
        "status": 200,
        "key": "/a",
    }
    return row | {"method": "GET", "endpoint": "/a", "claim": "none", "scheduled_ns": sent, "phase": "measure"} | more


def row(seq: int, start: int, end: int, **more: Any) -> dict[str, Any]:
    known = dict.fromkeys(LEDGER.names) | {"seq": seq, "start_ns": start, "end_ns": end, "status": 200, "key": "/a"}
    return known | {"method": "GET", "ttl_s": 5, "version": "v1", "principal": "", "complete": True, "bytes": 9} | more


def tables(samples: list[dict[str, Any]], rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return frame(pa.Table.from_pylist(samples, SAMPLES)), frame(pa.Table.from_pylist(rows, LEDGER))


def proved(samples: list[dict[str, Any]], rows: list[dict[str, Any]], *, stores: bool = True) -> Proof:
    return prove(*tables(samples, rows), stores=stores)


def outcomes(proof: Proof) -> list[str]:
    return [str(outcome) for outcome in proof.outcome]


FETCH = (sample(0, 11 * MS, 1), row(1, MS, 10 * MS))


def test_the_earliest_sent_of_those_who_waited_caused_it() -> None:
    late_first = [sample(MS // 2, 12 * MS, 1), sample(0, 11 * MS, 1), sample(5 * MS, 11 * MS, 1)]
    proof = proved(late_first, [FETCH[1]])
    assert outcomes(proof) == ["collapsed", "origin", "collapsed"]
    assert proof.caused.tolist() == [-1, 0, -1]


@pytest.mark.parametrize(("age_ms", "outcome"), [(5_900, "hit"), (6_000, "hit"), (6_020, "stale")])
def test_the_grain_of_http_clocks_is_granted(age_ms: int, outcome: str) -> None:
    sent = (10 + age_ms) * MS
    assert outcomes(proved([FETCH[0], sample(sent, sent + MS, 1)], [FETCH[1]])) == ["origin", outcome]


def test_an_answer_that_may_not_be_reused_is_never_a_hit() -> None:
    private = row(1, MS, 10 * MS, ttl_s=0)
    assert outcomes(proved([FETCH[0], sample(20 * MS, 21 * MS, 1)], [private])) == ["origin", "stale"]


def test_without_a_known_lifetime_nothing_is_stale() -> None:
    silent = row(1, MS, 10 * MS, ttl_s=None)
    assert outcomes(proved([FETCH[0], sample(900 * S, 901 * S, 1)], [silent])) == ["origin", "hit"]


def test_a_304_confirms_for_its_own_lifetime() -> None:
    rows = [FETCH[1], row(2, 7 * S + MS, 7 * S + 5 * MS, status=304)]
    samples = [FETCH[0], sample(7 * S, 7 * S + 6 * MS, 1), sample(12 * S, 12 * S + MS, 1), sample(14 * S, 15 * S, 1)]
    assert outcomes(proved(samples, rows)) == ["origin", "revalidated", "hit", "stale"]


def test_a_304_for_another_version_does_not_confirm() -> None:
    rows = [
        FETCH[1],
        row(2, 3 * S, 3 * S + 5 * MS, version="v2"),
        row(3, 9 * S, 9 * S + 5 * MS, status=304, version="v2"),
    ]
    samples = [FETCH[0], sample(3 * S - MS, 3 * S + 6 * MS, 2), sample(9 * S - MS, 9 * S + 6 * MS, 2)]
    samples += [sample(10 * S, 10 * S + MS, 1), sample(10 * S, 10 * S + MS, 2)]
    assert outcomes(proved(samples, rows)) == ["origin", "origin", "revalidated", "stale", "hit"]


def test_a_304_without_an_entity_tag_confirms_what_was_last_given() -> None:
    rows = [FETCH[1], row(2, 7 * S + MS, 7 * S + 5 * MS, status=304, version="")]
    samples = [FETCH[0], sample(7 * S, 7 * S + 6 * MS, 1), sample(12 * S, 12 * S + MS, 1)]
    assert outcomes(proved(samples, rows)) == ["origin", "revalidated", "hit"]


def test_concurrent_revalidations_each_have_their_sample() -> None:
    # The second sent is answered by the row that started first: only one of two ways to pair them leaves none over.
    rows = [
        FETCH[1],
        row(2, 7 * S + 5 * MS, 7 * S + 30 * MS, status=304),
        row(3, 7 * S + 6 * MS, 7 * S + 50 * MS, status=304),
    ]
    samples = [FETCH[0], sample(7 * S, 7 * S + 51 * MS, 1), sample(7 * S + MS, 7 * S + 31 * MS, 1)]
    proof = proved(samples, rows)
    assert outcomes(proof) == ["origin", "revalidated", "revalidated"]
    assert proof.caused.tolist() == [0, 2, 1]


def test_a_row_whose_end_was_noted_late_still_belongs_to_its_sample() -> None:
    rows = [FETCH[1], row(2, 7 * S + MS, 7 * S + 10 * MS, status=304)]
    assert outcomes(proved([FETCH[0], sample(7 * S, 7 * S + 9 * MS, 1)], rows)) == ["origin", "revalidated"]


def test_who_is_served_stale_does_not_own_the_refresh_it_triggered() -> None:
    rows = [FETCH[1], row(2, 7 * S + MS, 7 * S + 10 * MS, status=304)]
    proof = proved([FETCH[0], sample(7 * S, 7 * S + 2 * MS, 1)], rows)
    assert outcomes(proof) == ["origin", "stale"]
    assert proof.row_name.tolist() == ["sample", "background refresh"]


def test_a_clients_own_condition() -> None:
    passed_on = ([sample(0, 11 * MS, 1, status=304)], [row(1, MS, 10 * MS, status=304)])
    assert outcomes(proved(*passed_on, stores=False)) == ["origin"]
    assert outcomes(proved(*passed_on)) == ["origin"]  # the cache had nothing to revalidate
    again = [row(2, 7 * S + MS, 7 * S + 9 * MS, status=304)]
    for stamp in (1, 2):  # nginx, Varnish
        asked = sample(7 * S, 7 * S + 10 * MS, stamp, status=304)
        assert outcomes(proved([FETCH[0], asked], [FETCH[1], *again])) == ["origin", "revalidated"]
    assert outcomes(proved([FETCH[0], sample(S, S + MS, 1, status=304)], [FETCH[1]])) == ["origin", "hit"]


def test_answers_without_a_stamp_are_proved_by_time() -> None:
    samples = [sample(0, 11 * MS, None), sample(S, S + MS, None), sample(9 * S, 9 * S + MS, None)]
    proof = proved(samples, [FETCH[1]])
    assert outcomes(proof) == ["origin", "hit", "stale"]
    assert proof.row_name.tolist() == ["sample"]


def test_errors() -> None:
    samples = [
        sample(0, 11 * MS, 1, status=503),
        sample(S, S + 5 * MS, None, status=0, error="timeout"),
        sample(3 * S, 3 * S + MS, None, status=0, error="refused"),
    ]
    rows = [row(1, MS, 10 * MS, status=503, ttl_s=0), row(2, S + MS, S + 90 * MS)]
    proof = proved(samples, rows)
    assert outcomes(proof) == ["error"] * 3
    assert proof.caused.tolist() == [0, 1, -1]  # the origin worked for the one that gave up, too
    assert proof.row_name.tolist() == ["sample", "sample"]


def test_names_of_rows_that_belong_to_nobody() -> None:
    rows = [
        FETCH[1],
        row(2, -5 * MS, -MS),
        row(3, 2 * MS, 3 * MS, complete=False),
        row(4, 20 * MS, 30 * MS, key="/never-asked"),
        row(5, 9 * S, 9 * S + MS),
        row(6, 3 * MS, 9 * MS),
    ]
    proof = proved([FETCH[0], sample(S, S + MS, 1)], rows)
    assert proof.row_name.tolist() == ["sample", "probe", "retry", "prefetch", "unexplained", "retry"]


def test_a_second_row_for_what_was_never_stored_is_unexplained() -> None:
    rows = [row(1, MS, 10 * MS, ttl_s=0), row(2, 20 * MS, 30 * MS, ttl_s=0)]
    assert proved([FETCH[0]], rows).row_name.tolist() == ["sample", "unexplained"]


def test_unsafe_methods_do_not_mix_with_reads() -> None:
    samples = [FETCH[0], sample(2 * S, 2 * S + 9 * MS, 2, method="PUT"), sample(3 * S, 3 * S + MS, 1)]
    rows = [FETCH[1], row(2, 2 * S + MS, 2 * S + 8 * MS, method="PUT", ttl_s=0)]
    assert outcomes(proved(samples, rows)) == ["origin", "origin", "hit"]


def test_empty_tables() -> None:
    assert outcomes(proved([], [])) == []
    assert proved([], [FETCH[1]]).row_name.tolist() == ["prefetch"]
    assert outcomes(proved([FETCH[0]], [])) == ["hit"]  # the caller knows that without a ledger nothing is proved


def test_stamps_beyond_what_a_float_holds() -> None:
    big = 2**60
    samples = [sample(0, 11 * MS, big), sample(20 * MS, 31 * MS, big + 1, key="/b"), sample(40 * MS, 41 * MS, None)]
    rows = [row(big, MS, 10 * MS), row(big + 1, 21 * MS, 30 * MS, key="/b")]
    assert proved(samples, rows).answer.tolist() == [0, 1, -1]


def test_codes_are_shared() -> None:
    left, right = shared_codes(pd.Series(["a", None, "b"]), pd.Series(["b", ""]))
    assert left[2] == right[0] and left[1] == right[1] and left[0] not in right
    assert np.unique(left).size == 3


def test_two_hundred_thousand_samples_of_one_key_at_once() -> None:
    """Bounded: a stalled origin, everybody waiting on one key."""
    n = 200_000
    waiting = pd.DataFrame({"sent_ns": np.arange(n) * 10, "done_ns": 10 * S, "origin_seq": pd.array([1] * n, "Int64")})
    samples = waiting.assign(status=200, key="/a", method="GET", error=None)
    _, ledger = tables([], [row(1, 5, 9 * S), *(row(2 + i, 6 + i, 9 * S, status=304) for i in range(50))])
    proof = prove(samples, ledger)
    assert proof.outcome.value_counts()["collapsed"] == n - 1


def test_what_a_cache_works_off_after_its_clients_have_gone_is_theirs() -> None:
    # nginx lets requests for one uncacheable URL through one by one, every 500 ms, though nobody waits any more.
    gone = [sample(at * MS, S, None, status=0, error="unanswered") for at in range(3)]
    rows = [row(number + 1, (3 + number) * S, (3 + number) * S + MS, ttl_s=0) for number in range(3)]
    proof = proved(gone, rows)
    assert proof.caused.tolist() == [0, 1, 2]
    assert set(proof.row_name) == {"sample"}
    # While others still ask, the same rows are too late to be explained.
    proof = proved([*gone, sample(9 * S, 9 * S + MS, None, key="/b")], rows)
    assert set(proof.row_name) == {"unexplained"}
