"""Cache-Control against a model of it: directives are drawn, the header is written from them, and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.origin.freshness import shared_ttl_s, stale_ok_s, with_ttl

FORBIDDING = ("no-store", "private", "no-cache")
PERMITTING = ("public", "must-revalidate")
NEUTRAL = ("immutable", "stale-while-revalidate=5", 'ext="max-age=9, no-store"', "no-transform")
words = st.sampled_from((*FORBIDDING, *PERMITTING, *NEUTRAL))


@given(
    st.lists(words, unique=True),
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
    st.booleans(),
    st.randoms(use_true_random=False),
    st.sampled_from((",", ", ", " ,  ")),
)
def test_lifetime_is_what_the_directives_say(
    flags: list[str], max_age: int | None, s_maxage: int | None, authorized: bool, random: object, comma: str
) -> None:
    parts = list(flags)
    parts += [f"max-age={max_age}"] if max_age is not None else []
    parts += [f"S-MaxAge={s_maxage}"] if s_maxage is not None else []
    random.shuffle(parts)  # type: ignore[attr-defined]
    allowed = not set(flags) & set(FORBIDDING)
    if authorized and not (set(flags) & set(PERMITTING) or s_maxage is not None):
        allowed = False
    stated = s_maxage if s_maxage is not None else max_age
    assert shared_ttl_s(comma.join(parts), authorized) == (stated if allowed else 0)


STRICT = ("must-revalidate", "proxy-revalidate", "no-store", "private")
seconds = st.none() | st.integers(0, 10**6)


@given(
    st.lists(st.sampled_from((*STRICT, "public", "max-age=9", 's="stale-if-error=7"')), unique=True),
    seconds,
    seconds,
    seconds,
    st.randoms(use_true_random=False),
)
def test_what_may_be_served_stale_is_what_the_directives_say(
    flags: list[str], while_s: int | None, error_s: int | None, ttl_s: int | None, random: object
) -> None:
    parts = list(flags)
    parts += [f"stale-while-revalidate={while_s}"] if while_s is not None else []
    parts += [f"Stale-If-Error={error_s}"] if error_s is not None else []
    random.shuffle(parts)  # type: ignore[attr-defined]
    allowed = bool(ttl_s) and not set(flags) & set(STRICT)
    assert stale_ok_s(", ".join(parts), ttl_s) == (max(while_s or 0, error_s or 0) if allowed else 0)


@given(st.text(), st.booleans())
def test_hostile_values_are_read_without_complaint(value: str, authorized: bool) -> None:
    lifetime = shared_ttl_s(value, authorized)
    assert lifetime is None or lifetime >= 0
    assert stale_ok_s(value, 1) >= 0


def test_a_value_that_is_no_number_permits_nothing() -> None:
    assert stale_ok_s("stale-while-revalidate=soon, stale-if-error=2", 5) == 2


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("public, max-age=60", "public, max-age=5"),
        ("max-age=60, s-maxage=600, stale-if-error=9", "max-age=5, s-maxage=5, stale-if-error=9"),
        ("private, max-age=60", "private, max-age=60"),
        ("no-store", "no-store"),
        ("public", "public"),
    ],
)
def test_rewriting_touches_shared_lifetimes_only(given_value: str, expected: str) -> None:
    assert with_ttl(given_value, 5) == expected
