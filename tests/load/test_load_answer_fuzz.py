"""The response layer on hostile heads and bodies: an answer, or a ValueError."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edgebench.load.answer import Headers, Response
from edgebench.load.coding import decoded
from edgebench.load.head import Head

CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}
CODINGS = st.lists(st.sampled_from([*CODERS, "identity", "x-gzip", "GZIP ", "", "lzma"]), max_size=5).map(",".join)


@st.composite
def damaged_bodies(draw: st.DrawFn) -> bytes:
    body = CODERS[draw(st.sampled_from(sorted(CODERS)))](
        draw(st.binary(max_size=60)) * draw(st.sampled_from([1, 1, 5000]))
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body + draw(st.binary(max_size=3))


@given(st.binary(max_size=200), st.text(max_size=20))
def test_headers_of_anything_are_a_mapping(head: bytes, name: str) -> None:
    headers = Headers(b"HTTP/1.1 200 OK\r\n" + head)
    assert len(headers) == len(list(headers)) == len(dict(headers))
    assert all(headers[key] == headers[key.upper()] for key in headers if key.isascii())
    assert headers.get(name) is None or isinstance(headers[name], str)


@given(st.one_of(damaged_bodies(), st.binary(max_size=100)), st.one_of(CODINGS, st.text(max_size=12)))
def test_decoding_anything_gives_bytes_within_the_limit_or_a_value_error(body: bytes, codings: str) -> None:
    limit = 100_000
    try:
        content = decoded(body, codings, limit)
    except ValueError:
        return
    assert len(content) <= max(limit, len(body))


@pytest.mark.parametrize("coding", CODERS)
@given(content=st.binary(max_size=100), times=st.sampled_from([1, 1000]))
def test_what_was_encoded_is_decoded(coding: str, content: bytes, times: int) -> None:
    assert decoded(CODERS[coding](content * times), coding) == content * times


@given(st.one_of(st.binary(max_size=80), damaged_bodies()), CODINGS, st.binary(max_size=20))
def test_a_response_of_anything_is_read_or_a_value_error(body: bytes, codings: str, charset: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Type: text/plain; charset=%b\r\n\r\n"
    response = Response(Head(200, True), head % (codings.encode(), charset), body)
    assert response.body == body
    try:
        assert isinstance(response.content, bytes)
    except ValueError:
        return
    assert isinstance(response.text, str)
    try:
        response.json()
    except ValueError:
        return
