"""What clients take, by cases from RFC 9110 and against a second implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.analysis.negotiation import takes_coding, takes_language


@pytest.mark.parametrize(
    ("accept", "coding", "takes"),
    [
        ("gzip", "gzip", True),
        ("gzip", "", True),
        ("gzip", "br", False),
        ("", "", True),
        ("", "gzip", False),
        ("*", "br", True),
        ("*;q=0", "", False),
        ("*;q=0, identity;q=0.1", "", True),
        ("identity;q=0", "", False),
        ("identity;q=0", "gzip", False),
        ("gzip;q=0, *", "gzip", False),
        ("gzip;q=0, *", "br", True),
        ("GZIP ; Q=0.5", "gzip", True),
        ("x-gzip", "gzip", True),
        ("gzip", "x-gzip", True),
        ("gzip, br", "gzip, br", True),
        ("gzip", "gzip, br", False),
        ("gzip;q=0.000", "gzip", False),
        ("gzip;q=high", "gzip", True),
    ],
)
def test_codings(accept: str, coding: str, takes: bool) -> None:
    assert takes_coding(accept, coding) is takes


@pytest.mark.parametrize(
    ("accept", "language", "takes"),
    [
        ("de", "de", True),
        ("de", "de-CH", True),
        ("de-CH", "de", True),
        ("de", "en", False),
        ("de", "den", False),
        ("de, *;q=0.1", "en", True),
        ("de, en;q=0", "en", False),
        ("*, en;q=0", "en-GB", False),
        ("en;q=0, en-GB", "en-GB", True),
        ("de", "en, de", True),
        ("de", "", True),
        ("", "en", True),
    ],
)
def test_languages(accept: str, language: str, takes: bool) -> None:
    assert takes_language(accept, language) is takes


CODINGS = ("gzip", "br", "zstd", "deflate", "identity", "*")
WEIGHTS = ("", ";q=0", "; q=0.0", ";q=0.5", " ;Q=1")


def plain(members: list[tuple[str, str]], coding: str) -> bool:
    """RFC 9110, 12.5.3, rule by rule. members: coding and weight, no coding twice."""
    refused = {name for name, weight in members if weight in (";q=0", "; q=0.0")}
    named = {name for name, _ in members}
    if coding == "identity":  # 2: acceptable unless excluded by identity;q=0, or by *;q=0 without a word on identity
        return "identity" not in refused if "identity" in named else "*" not in refused
    if coding in named:  # 3: listed, and not at 0
        return coding not in refused
    return "*" in named and "*" not in refused


@given(
    st.lists(st.tuples(st.sampled_from(CODINGS), st.sampled_from(WEIGHTS)), max_size=6, unique_by=lambda one: one[0]),
    st.lists(st.sampled_from(CODINGS[:-1]), min_size=1, max_size=2),
)
def test_codings_against_the_rules(members: list[tuple[str, str]], codings: list[str]) -> None:
    header = ", ".join(f"{name}{weight}" for name, weight in members)
    assert takes_coding(header, ", ".join(codings)) is all(plain(members, coding) for coding in codings)
    assert takes_coding(header, "") is plain(members, "identity")
