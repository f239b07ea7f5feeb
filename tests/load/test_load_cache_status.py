from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.load.cache_status import classify
from edgebench.model import Claim


@pytest.mark.parametrize(
    ("header", "value", "claim"),
    [
        ("Cache-Status", "ExampleCache; hit", Claim.HIT),
        ("Cache-Status", "ExampleCache; hit; ttl=376", Claim.HIT),
        ("Cache-Status", "ExampleCache; hit; ttl=-412", Claim.STALE),
        ("Cache-Status", 'A; hit; detail="STALE-WHILE"', Claim.STALE),
        ("Cache-Status", "A; hit; detail=UPDATING", Claim.STALE),
        ("Cache-Status", "ExampleCache; fwd=uri-miss; collapsed", Claim.MISS),
        ("Cache-Status", "ExampleCache; fwd=stale; fwd-status=304", Claim.REVALIDATED),
        ("Cache-Status", "ExampleCache; fwd=stale; fwd-status=200; stored", Claim.MISS),
        ("Cache-Status", "ExampleCache; fwd=bypass", Claim.BYPASS),
        ("Cache-Status", "ExampleCache; fwd=method", Claim.BYPASS),
        ("Cache-Status", "A; fwd=vary-miss, B; hit; ttl=3", Claim.HIT),
        ("Cache-Status", "A; hit, B; fwd=miss", Claim.MISS),
        ("cache-status", "A; fwd=something-new", Claim.UNKNOWN),
        ("Cache-Status", "A; ttl=3", Claim.UNKNOWN),
        ("Cache-Status", "HIT", Claim.HIT),
        ("Cache-Status", "(((", Claim.UNKNOWN),
        ("X-Cache-Status", "HIT", Claim.HIT),
        ("X-Cache-Status", "MISS", Claim.MISS),
        ("X-Cache-Status", "EXPIRED", Claim.MISS),
        ("X-Cache-Status", "STALE", Claim.STALE),
        ("X-Cache-Status", "UPDATING", Claim.STALE),
        ("X-Cache-Status", "REVALIDATED", Claim.REVALIDATED),
        ("X-Cache-Status", "BYPASS", Claim.BYPASS),
        ("X-Cache-Status", "", Claim.NONE),
        ("X-Cache", "MISS, HIT", Claim.HIT),
        ("X-Cache", "Hit from cloudfront", Claim.HIT),
        ("X-Cache", "whatever", Claim.UNKNOWN),
        ("CF-Cache-Status", "DYNAMIC", Claim.BYPASS),
        ("CF-Cache-Status", "hit", Claim.HIT),
    ],
)
def test_known_words(header: str, value: str, claim: Claim) -> None:
    assert classify(header, value) is claim


@given(
    st.sampled_from(["Cache-Status", "X-Cache"]), st.text(max_size=60) | st.from_regex(r"[a-z]+(; ?[a-z]+=?.{0,5})*")
)
def test_hostile_values_never_raise(header: str, value: str) -> None:
    assert classify(header, value) in Claim


def test_a_long_value_is_not_looked_at() -> None:
    assert classify("Cache-Status", "a; hit, " * 10_000) is Claim.UNKNOWN
