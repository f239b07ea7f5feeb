"""Popularity, warm-up test, requests, answers, shares: what is computed without any I/O."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from edgebench.errors import UserError
from edgebench.load.answer import Response
from edgebench.load.cache_status import OLD
from edgebench.load.head import NO_STAMP, Head, HeadReader
from edgebench.load.phases import WarmUp, Window, is_steady
from edgebench.load.popularity import Popularity, zipf_weights
from edgebench.load.request import Server, request_bytes, request_target


def test_popularity_follows_zipf() -> None:
    keys, exponent, draws = 50, 0.9, 50_000
    popularity = Popularity(keys, exponent, seed=7)
    counts = np.bincount([popularity.draw() for _ in range(draws)], minlength=keys + 1)
    expected = zipf_weights(keys, exponent) * draws
    observed = counts[popularity.key_of_rank]
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert counts.sum() == draws
    assert counts[0] == 0
    # Mean keys - 1, deviation sqrt(2 (keys - 1)): four deviations.
    assert chi_square < keys - 1 + 4 * np.sqrt(2 * (keys - 1))


def test_zipf_weights_are_the_closed_form() -> None:
    assert zipf_weights(4, 1).tolist() == pytest.approx([12 / 25, 6 / 25, 4 / 25, 3 / 25])
    assert zipf_weights(4, 0).tolist() == [0.25] * 4


def test_workers_agree_on_what_is_popular_and_draw_differently() -> None:
    first, second = Popularity(100, 1.0, 3, worker=0), Popularity(100, 1.0, 3, worker=1)
    assert first.key_of_rank.tolist() == second.key_of_rank.tolist()
    assert sorted(first.key_of_rank.tolist()) == list(range(1, 101))
    assert first.key_of_rank.tolist() != list(range(1, 101))
    assert [first.draw() for _ in range(50)] != [second.draw() for _ in range(50)]


@pytest.mark.parametrize(
    ("counts", "steady"),
    [
        ([(1000, 900), (1000, 905), (1000, 898)], True),
        ([(1000, 0), (1000, 0), (1000, 0)], True),
        ([(1000, 600), (1000, 700), (1000, 800)], False),
        ([(100_000, 90_000), (100_000, 90_900), (100_000, 91_800)], False),  # within 0.02, but rising
        ([(100_000, 90_000), (100_000, 90_010), (100_000, 90_020)], True),
        ([(10, 9), (10, 9), (10, 9)], False),  # too few to tell
        ([(1000, 900), (1000, 700), (1000, 900)], False),
    ],
)
def test_steady(counts: list[tuple[int, int]], steady: bool) -> None:
    assert is_steady([Window(*count) for count in counts]) is steady


def follow(ratio_at: list[float], min_s: float, max_s: float) -> tuple[float, str]:
    """A warm-up at 1000 answers a second, looked at every 0.1 s; ratio_at[i] holds in second i."""
    warm_up, answers, reused = WarmUp(0, min_s, max_s), 0, 0.0
    for tick in range(10_000):
        now_ns = tick * 100_000_000
        warm_up.observe(now_ns, answers, int(reused))
        ended = warm_up.ended(now_ns)
        if ended:
            return now_ns / 1e9, ended
        answers += 100
        reused += 100 * ratio_at[min(tick // 10, len(ratio_at) - 1)]
    raise AssertionError


def test_warm_up_ends_when_steady_but_not_before_its_minimum() -> None:
    assert follow([0.9], 0, 30) == (1.5, "steady")
    assert follow([0.9], 5, 30) == (5.0, "steady")
    at_s, why = follow([0.1, 0.4, 0.6, 0.7, 0.9], 0, 60)
    assert why == "steady"
    assert at_s > 5


def test_warm_up_ends_at_its_cap() -> None:
    assert follow([second / 20 for second in range(20)], 0, 10) == (10.0, "cap")
    assert follow([0.5], 0, 0) == (0.0, "none")


def head_of(*lines: str) -> Head:
    """Read twice by one reader: what it has learnt must not change what it says."""
    reader, head = HeadReader(), "\r\n".join(["HTTP/1.1 200 OK", *lines, "\r\n"]).encode()
    first, second = reader.read(head), reader.read(head)
    assert all(getattr(first, name) == getattr(second, name) for name in Head.__slots__)
    return second


def answer(*lines: str, body: bytes = b"") -> Response:
    return Response(head_of(*lines), "\r\n".join(["HTTP/1.1 200 OK", *lines, "\r\n"]).encode(), body)


def test_all_cache_headers_are_kept_in_short() -> None:
    assert head_of("X-Cache-Status:  HIT ").claim == "x-cache-status: HIT"
    assert head_of("x-cache: MISS from example", "A: b", "CF-CACHE-STATUS: hit").claim == (
        "x-cache: MISS\ncf-cache-status: hit"
    )
    assert head_of("Cache-Status: a; hit; ttl=7", "Cache-Status: b; fwd=uri-miss, c; fwd=bypass").claim == (
        "cache-status: a; hit\ncache-status: b; fwd=miss, c; fwd=bypass"
    )
    assert head_of("X-Other-Cache-Status: HIT").claim is None
    assert head_of("X-Cache:", "Via: 1.1 varnish", "X-Served-By: me").claim is None
    assert len(head_of(*(f"Cache-Status: c{n}; hit" for n in range(200))).claim or "") < 600


def test_an_age_is_a_claim_where_nothing_else_is() -> None:
    assert head_of("Age: 12").claim == head_of("Age: 3").claim == OLD
    assert head_of("Age: 0").claim is head_of("Age: soon").claim is None
    assert head_of("Age: 12", "X-Cache: MISS").claim == "x-cache: MISS"


def test_age_and_stamp() -> None:
    assert head_of("age: 12").age_s == 12
    assert head_of("Age: soon").age_s == head_of().age_s == -1
    assert head_of("Age: 99999999999").age_s == 2**31 - 1
    assert head_of("Edgebench-Origin: seq=7;t=123").stamp == (7, 123)
    for value in ("", "7;123", "seq=x;t=1", "seq=1;t=", "seq=1", "seq=²;t=1", "seq=1;t=" + "9" * 40):
        assert head_of(f"Edgebench-Origin: {value}").stamp == NO_STAMP


def test_the_variant_is_kept_as_it_came() -> None:
    head = head_of("content-ENCODING:  br ", "Content-Language: de-CH")
    assert (head.encoding, head.language) == ("br", "de-CH")
    assert (head_of().encoding, head_of().language) == ("", "")
    head = head_of("Content-Language: de", "Content-Language: en, fr", "Content-Encoding: gzip", "Content-Encoding: br")
    assert (head.encoding, head.language) == ("gzip, br", "de, en, fr")
    many = head_of(*(f"Content-Language: x-{number}" for number in range(200)), f"Content-Encoding: {'x' * 999}")
    assert max(len(many.encoding), len(many.language)) < 100


def test_response() -> None:
    response = answer("Content-Encoding: gzip", 'ETag: "a"', "Vary: x", "vary: y", body=gzip.compress(b'{"a":1}'))
    assert response.json() == {"a": 1}
    assert response.headers["etag"] == response.headers["ETAG"] == '"a"'
    assert response.headers["Vary"] == "x, y"
    assert response.ok
    broken = answer("Content-Encoding: gzip", body=b"no gzip")
    with pytest.raises(ValueError, match="not decodable as gzip"):
        broken.json()
    none = Response.missing("connect: timed out")
    assert (none.status, none.ok, none.body, dict(none.headers)) == (0, False, b"", {})


def test_request_bytes() -> None:
    assert request_bytes("GET", "/a", "h:1", {"A": "b"}) == b"GET /a HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n"
    post = request_bytes("POST", "/", "h", json={"a": 1})
    assert post.endswith(b'\r\nContent-Length: 7\r\nContent-Type: application/json\r\n\r\n{"a":1}')
    assert b"Content-Length: 0\r\n" in request_bytes("POST", "/", "h")
    assert request_target("/s", {"q": "a b", "n": [1, 2]}) == "/s?q=a+b&n=1&n=2"
    assert request_target("/caf\u00e9 x\r\n") == "/caf%C3%A9%20x%0D%0A"
    for bad in ({"A": "b\r\nC: d"}, {"A b": "c"}):
        with pytest.raises(ValueError, match="not allowed"):
            request_bytes("GET", "/", "h", bad)


def test_server_from_url() -> None:
    assert Server.from_url("http://localhost:8000/") == Server("localhost", 8000, "localhost:8000")
    assert Server.from_url("http://[::1]:80") == Server("::1", 80, "[::1]:80")
    assert Server.from_url("https://a") == Server("a", 443, "a", tls=True)
    for bad in (None, "", "localhost", "ftp://a", "http://", "http://a:b", "http://a/x", "http://u:p@a", "http://a b"):
        with pytest.raises(UserError):
            Server.from_url(bad)
