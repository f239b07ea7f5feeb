from __future__ import annotations

import doctest
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgebench.load.cache_status
from edgebench.load.cache_status import CLAIM_HEADERS, Claim, classify, classify_recorded, reduced
from edgebench.load.cache_status.claim import MAX_HOPS
from edgebench.load.head import HeadReader
from edgebench.model import ClaimedOutcome

VENDORS = {
    "RFC 9211", "Cloudflare", "CloudFront", "Fastly", "Akamai", "Google Cloud CDN", "Azure Front Door", "Vercel",
    "Netlify", "Bunny", "KeyCDN", "Varnish", "nginx", "Squid", "Apache Traffic Server", "HAProxy", "Caddy (Souin)",
    "Apache httpd", "Age alone",
}  # fmt: skip
DIALECTS = tomllib.loads(Path(__file__).with_name("cache_status_cases.toml").read_text())["dialect"]

Headers = list[tuple[str, str]]


def cases() -> Iterator[Any]:
    """(headers, outcome, what else is told) of every case in the table."""
    for dialect in DIALECTS:
        for text, outcome, *more in dialect["cases"]:
            yield pytest.param(headers_of(text), outcome, *(more or [{}]), id=f"{dialect['vendor']}: {text}"[:120])


def headers_of(text: str) -> Headers:
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in text.split("\n"))]


CASES = list(cases())


def recorded(headers: Headers) -> str | None:
    """What a generator records of an answer with these headers, seen twice."""
    head = "\r\n".join(["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers), "\r\n"])
    reader = HeadReader()
    first, second = (reader.read(head.encode("latin-1")).claim for _ in range(2))
    assert first == second
    return first


def test_every_vendor_has_documented_cases() -> None:
    assert {dialect["vendor"] for dialect in DIALECTS} >= VENDORS
    for dialect in DIALECTS:
        assert dialect["source"].startswith("https://") or dialect["vendor"].startswith("several")


@pytest.mark.parametrize(("headers", "outcome", "more"), CASES)
def test_documented_values(headers: Headers, outcome: str, more: dict[str, Any]) -> None:
    claim = classify(headers)
    assert claim.outcome == outcome, claim
    said = {
        "name": claim.name, "age_s": claim.age_s, "ttl_s": claim.ttl_s, "collapsed": claim.collapsed,
        "chain": [f"{hop.name}: {hop.outcome}" for hop in claim.chain],
    }  # fmt: skip
    assert {name: said[name] for name in more} == more
    if "ttl_s" not in more:
        assert claim.ttl_s is None
    if "collapsed" not in more:
        assert claim.collapsed is None


@pytest.mark.parametrize(("headers", "outcome", "more"), CASES)
def test_names_in_any_case_and_mappings(headers: Headers, outcome: str, more: dict[str, Any]) -> None:
    claim = classify(headers)
    assert classify([(name.swapcase(), value) for name, value in headers]) == claim
    if len({name.lower() for name, _ in headers}) == len(headers):
        assert classify(dict(headers)) == claim


@pytest.mark.parametrize(("headers", "outcome", "more"), CASES)
def test_what_is_recorded_has_the_same_outcome(headers: Headers, outcome: str, more: dict[str, Any]) -> None:
    text = recorded(headers)
    assert (ClaimedOutcome.NONE if text is None else classify_recorded(text).outcome) == outcome
    assert len((text or "").encode()) < 200


def test_numbers_that_differ_in_every_answer_do_not_make_distinct_claims() -> None:
    answers = [
        [
            ("X-Varnish", f"{3 * n} {n}"),
            ("Cache-Status", f'edge; hit; ttl={n}; key="/p?{n}"'),
            ("Cache-Status", f"Souin; hit; ttl={n}; key=GET-http-h-/p?ids={n},{n}; detail=OTTER"),
            ("X-Cache", f"TCP_HIT from a{n}-1.example (AkamaiGHost/{n}) (-)"),
            ("X-Served-By", f"cache-iad{n}-IAD, cache-sjc{n}-SJC"),
            ("X-Cache-Hits", f"0, {n}"),
            ("X-Cache-Detail", f'"cache hit: {n}" from host{n}'),
            ("Via", f"http/1.1 host{n} (ApacheTrafficServer/9 [cHs f ])"),
            ("CF-Ray", f"{n:x}-SJC"),
            ("Age", str(n)),
        ]
        for n in range(1, 500)
    ]
    assert len({recorded(headers) for headers in answers}) == 1
    assert len({recorded([header for header in headers if header[0] == "Age"]) for headers in answers}) == 1


def test_a_chain_in_several_lines_is_one_list() -> None:
    claim = classify([("Cache-Status", "a; hit"), ("X-Else", "b"), ("cache-status", "b; fwd=miss, c; fwd=bypass")])
    assert [hop.name for hop in claim.chain] == ["a", "b", "c"]
    assert (claim.outcome, claim.name) == (ClaimedOutcome.HIT, "a")


def test_the_outcome_is_that_of_the_cache_the_answer_came_from() -> None:
    def outcome(value: str) -> str:
        return classify({"Cache-Status": value}).outcome

    assert outcome("a; hit, b; fwd=stale; fwd-status=304, c; fwd=miss") == "revalidated"
    assert outcome("a; fwd=bypass, b; fwd=miss") == "miss"
    assert outcome("a; fwd=miss, b; fwd=bypass") == "bypass"
    assert outcome("a; hit, b; what, c; fwd=miss") == "miss"
    assert outcome("a; hit, b; what") == "unknown"


def test_only_the_hops_nearest_the_client_are_looked_at() -> None:
    claim = classify({"Cache-Status": ", ".join(f"c{n}; fwd=miss" for n in range(200))})
    assert [hop.name for hop in claim.chain] == [f"c{n}" for n in range(200 - MAX_HOPS, 200)]


def test_long_values_are_not_looked_at() -> None:
    for name in CLAIM_HEADERS - {"x-varnish", "x-cache-hits", "x-served-by", "via"}:
        assert classify({name: "HIT, " * 10_000}).outcome is ClaimedOutcome.UNKNOWN, name
        line = reduced(name, "HIT, " * 10_000)
        assert line is not None and classify_recorded(line).outcome is ClaimedOutcome.UNKNOWN, name
    assert classify({"Via": "1.1 a [cHs f ]" * 1000}).outcome is ClaimedOutcome.UNKNOWN


def test_of_several_ages_the_first_counts() -> None:
    """RFC 9111, section 5.1."""
    assert classify([("Age", "5"), ("age", "7")]).age_s == 5


def test_the_example_in_the_documentation() -> None:
    assert doctest.testmod(edgebench.load.cache_status).failed == 0


# --- hostile values --------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ['"', "\\", ";", ",", "=", "?1", "?0", "hit", "fwd", "ttl", "key", "collapsed", "miss", "stale", "-1", "9" * 30,
     " ", "from", "cloudfront", "child", "parent", "TCP_HIT", "MISS", "(", ")", "[", "]", "cHs f ", ":", "\t", "²",
     "\n", "\0"]
)  # fmt: skip
VALUES = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=40).map("".join))
NAMES = st.sampled_from(sorted(CLAIM_HEADERS | {"age", "x-cache-name", "x-edge-location"}))


@given(st.lists(st.tuples(NAMES | st.text(max_size=20), VALUES), max_size=8))
def test_hostile_headers_never_raise(headers: Headers) -> None:
    claim = classify(headers)
    assert isinstance(claim, Claim) and len(claim.chain) <= MAX_HOPS
    assert claim.age_s is None or 0 <= claim.age_s < 2**31
    classify_recorded("\n".join(value for _, value in headers))


@given(st.sampled_from(sorted(CLAIM_HEADERS)), st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")))
def test_hostile_lines_are_recorded_with_the_same_outcome(name: str, value: str) -> None:
    check_recorded(name, value)


@given(
    st.sampled_from(sorted(CLAIM_HEADERS)),
    st.lists(PIECES.filter(lambda piece: piece not in "\n\0"), max_size=40).map("".join),
)
def test_plausible_lines_are_recorded_with_the_same_outcome(name: str, value: str) -> None:
    check_recorded(name, value)


def check_recorded(name: str, value: str) -> None:
    value = value.strip(" \t")
    line = reduced(name, value)
    assert line is None or ("\n" not in line and len(line) < 2000)
    assert classify_recorded(line or "").outcome is classify([(name, value)]).outcome, line


@pytest.mark.parametrize("name", sorted(CLAIM_HEADERS))
def test_repetitions_come_to_an_end(name: str) -> None:
    """A pattern that tries every way to split these would not."""
    for piece in ('"', "\\", '"\\', ";", ",", "a", " from ", "(", "[c", "; ttl=", "_ABORTED", "a b", "1 ", "0,", '",'):
        value = (piece * 4096)[:4096]
        assert len(classify([(name, value)]).chain) <= MAX_HOPS
        assert len(reduced(name, value) or "") < 2000


ITEM = st.one_of(
    st.from_regex(r"\A[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]{0,8}\Z").map(http_sf.Token),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8),
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "hit": st.booleans(),
        "fwd": st.sampled_from(["miss", "stale", "bypass", "request", "other"]).map(http_sf.Token),
        "fwd-status": st.sampled_from([200, 304]),
        "ttl": st.integers(-(10**9), 10**9),
        "collapsed": st.booleans(),
        "stored": st.booleans(),
        "detail": ITEM,
        "key": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    },
)


@given(st.lists(st.tuples(ITEM, PARAMETERS), min_size=1, max_size=5))
def test_valid_structured_fields_are_read_as_the_library_wrote_them(members: list[tuple[Any, dict[str, Any]]]) -> None:
    """The writer is http_sf; what its members mean is told once more, in the words of RFC 9211."""
    written: Any = members
    chain = classify({"Cache-Status": http_sf.ser(written)}).chain
    kept = [(name, parameters) for name, parameters in members if str(name)]
    assert len(chain) == len(kept)
    for hop, (name, said) in zip(chain, kept, strict=True):
        assert hop.name == str(name)
        if said:
            assert (hop.ttl_s, hop.collapsed) == (said.get("ttl"), said.get("collapsed"))
            assert hop.outcome in meanings(said)


def meanings(said: dict[str, Any]) -> set[str]:
    forward = str(said.get("fwd", ""))
    if said.get("hit") is True and forward in ("", "stale"):
        if forward or said.get("ttl", 0) < 0:
            return {"stale"}
        return {"hit", "stale"} if "detail" in said else {"hit"}
    if forward in ("stale", "request") and said.get("fwd-status") == 304:
        return {"revalidated"}
    return {{"bypass": "bypass", "other": "unknown", "": "unknown"}.get(forward, "miss")}
