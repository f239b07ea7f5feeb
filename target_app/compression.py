"""Content codings: which a client takes, how they are applied, and pages and JSON compressed as they are sent."""

import gzip
from collections.abc import Collection

import brotli
import zstandard
from flask import Response, request
from werkzeug.datastructures import Accept

IDENTITY = "identity"
CODINGS = ("br", "zstd", "gzip")
TEXTS = {"text/html", "text/css", "text/javascript", "application/json", "image/svg+xml"}
"""Media types that get smaller; the others the shop sends are compressed already."""
LEAST_BYTES = 256
"""Below it an answer would go out in as many packets as before."""


def parse_codings(text: str) -> tuple[str, ...]:
    """`br,gzip` as a tuple, the one liked best first; a ValueError names what is no coding."""
    codings = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [coding for coding in codings if coding not in CODINGS]
    if unknown:
        raise ValueError(f"CODINGS must be some of {', '.join(CODINGS)}, not {unknown[0]!r}")
    return codings


def compressed_once(body: bytes, coding: str) -> bytes:
    """As small as it gets, for what is compressed at start and sent many times."""
    match coding:
        case "br":
            return bytes(brotli.compress(body, quality=11))
        case "zstd":
            return zstandard.ZstdCompressor(level=19).compress(body)
        case _:
            return gzip.compress(body, compresslevel=9, mtime=0)


def compressed_now(body: bytes, coding: str) -> bytes:
    """At the level servers take for what is made anew for each request."""
    match coding:
        case "br":
            return bytes(brotli.compress(body, quality=5))
        case "zstd":
            return zstandard.ZstdCompressor(level=3).compress(body)
        case _:
            return gzip.compress(body, compresslevel=6, mtime=0)


def choose_coding(accepted: Accept, available: Collection[str]) -> str:
    """The content coding to answer `Accept-Encoding` with (RFC 9110 12.5.3); of equals the first one available."""

    def quality(coding: str) -> float:
        # Identity is what is left when nothing else is wanted, listed or not.
        least = 0.0001 if coding == IDENTITY else 0.0
        return max(least, accepted.quality(coding))

    return max((*(coding for coding in available if coding != IDENTITY), IDENTITY), key=quality)


def compress_answer(response: Response, codings: Collection[str]) -> Response:
    """A page or JSON in the coding its client likes best. What is compressed already stays as it is.

    The ETag becomes weak: the same meaning, in other bytes.
    """
    if response.mimetype not in TEXTS and response.status_code != 304:
        return response
    if "Content-Encoding" in response.headers or request.path.startswith("/static/"):
        return response
    response.vary.add("Accept-Encoding")
    etag, weak = response.get_etag()
    if etag and not weak:
        response.set_etag(etag, weak=True)
    coding = choose_coding(request.accept_encodings, codings)
    length = response.content_length or 0
    if coding == IDENTITY or response.is_streamed or response.status_code != 200 or length < LEAST_BYTES:
        return response
    response.set_data(compressed_now(response.get_data(), coding))
    response.headers["Content-Encoding"] = coding
    return response
