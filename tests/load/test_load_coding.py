"""Content codings against the libraries that make them: what is whole comes back, what is not is an error."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edgebench.load.coding import decoded
from edgebench.load.failures import DecodingError
from tests.load.clients import driving
from tests.load.server import ok, serving


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


def zstd_without_size(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(data)


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd of unknown size": ("zstd", zstd_without_size),
    "zstd in two frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstd_without_size(data[9:])),
    "two codings": (" gzip ,, identity, br", lambda data: brotli.compress(gzip.compress(data))),
    "none": ("identity", bytes),
}


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(max_size=3000), times=st.sampled_from([1, 700]))
def test_what_was_encoded_comes_back(name: str, data: bytes, times: int) -> None:
    coding, encode = ENCODERS[name]
    assert decoded(encode(data * times), coding) == data * times


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "none"])
def test_a_body_cut_anywhere_is_an_error(name: str) -> None:
    coding, encode = ENCODERS[name]
    data = b"a body that is long enough to have a middle" * 3
    whole = encode(data)
    parts = {"gzip in two members": gzip.compress(data[:9]), "zstd in two frames": zstandard.compress(data[:9])}
    for end in range(1, len(whole)):
        if whole[:end] == parts.get(name):  # whole as far as anybody can tell
            assert decoded(whole[:end], coding) == data[:9]
            continue
        with pytest.raises(DecodingError):
            decoded(whole[:end], coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@given(data=st.binary(max_size=200), whole=st.binary(max_size=50), at=st.integers(0, 60))
def test_garbage_is_an_error_or_a_body(coding: str, data: bytes, whole: bytes, at: int) -> None:
    encode = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
    encoded = encode[coding](whole)
    for body in (data, encoded[:at] + data + encoded[at:]):
        try:
            assert isinstance(decoded(body, coding, 100_000), bytes)
        except DecodingError as error:
            assert len(str(error)) < 200


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw deflate", "br", "zstd", "zstd of unknown size"])
def test_a_bomb_does_not_go_off(name: str) -> None:
    coding, encode = ENCODERS[name]
    bomb = encode(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(DecodingError, match="body over 1000000 bytes when decoded"):
            decoded(bomb, coding, 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


def test_the_limit_is_exact() -> None:
    for coding, encode in ENCODERS.values():
        assert decoded(encode(b"x" * 1000), coding, 1000 if coding == "identity" else 1001)
        if coding not in ("identity", " gzip ,, identity, br"):
            assert decoded(encode(b"x" * 1000), coding, 1000) == b"x" * 1000
            with pytest.raises(DecodingError, match="over 999"):
                decoded(encode(b"x" * 1000), coding, 999)


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(DecodingError, match="content coding 'compress' is not known"):
        decoded(b"x", "compress")
    with pytest.raises(DecodingError, match="more than 4 content codings"):
        decoded(b"x", "gzip, gzip, gzip, gzip, gzip")
    assert decoded(b"", "gzip") == decoded(b"", "br") == decoded(b"", "zstd") == b""


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_client_counts_what_was_on_the_wire(coding: str) -> None:
    plain = b'{"a": "' + b"b" * 5000 + b'"}'
    wire = ENCODERS[coding][1](plain)
    with serving(lambda _: ok(wire, f"Content-Encoding: {coding}")) as server, driving(server.url) as driven:
        response = driven.client.get("/", headers={"Accept-Encoding": coding})
    assert (response.body, response.content, response.text) == (wire, plain, plain.decode())
    assert response.json() == {"a": "b" * 5000}
    assert driven.samples[0].body_bytes == driven.events[0]["response_length"] == len(wire) < 500
    assert server.seen[0].headers["accept-encoding"] == coding
