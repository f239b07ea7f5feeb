"""Content codings (RFC 9110, 8.4): a body as it was before its server compressed it, within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from edgebench.load.failures import DecodingError

MAX_DECODED_BYTES = 256 * 1024 * 1024
MAX_CODINGS = 4
_PIECE_BYTES = 1 << 20
_ZSTD_INPUT_BYTES = 1024
"""Four bytes of a hostile frame make 128 KiB: so much at a time goes at most 32 MiB over the limit."""
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""RFC 9659: what a decoder has to allow."""


def decoded(body: bytes, content_encoding: str, limit_bytes: int = MAX_DECODED_BYTES) -> bytes:
    """`body` without the codings its header names, the last applied first.

    DecodingError: an unknown coding, a body that does not fit it or is cut off, or one of more than `limit_bytes`
    when decoded (of which not much more is made).
    """
    if not body:
        return b""  # of a HEAD or a 304, say
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if len(codings) > MAX_CODINGS:
        raise DecodingError(f"more than {MAX_CODINGS} content codings")
    for coding in reversed(codings):
        body = _joined(_pieces(body, coding), coding, limit_bytes)
    return body


def _joined(pieces: Iterator[bytes], coding: str, limit_bytes: int) -> bytes:
    kept, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > limit_bytes:
            raise DecodingError(f"body over {limit_bytes} bytes when decoded from {coding}")
        kept.append(piece)
    return b"".join(kept)


def _pieces(body: bytes, coding: str) -> Iterator[bytes]:
    if coding in ("gzip", "x-gzip"):
        return _inflated(body, coding, zlib.MAX_WBITS | 16)
    if coding == "deflate":
        # Said to be the zlib format; some servers send what is inside it.
        is_zlib = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _inflated(body, coding, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    if coding == "br":
        return _from_brotli(body)
    if coding == "zstd":
        return _from_zstd(body)
    raise DecodingError(f"content coding {coding[:40]!r} is not known")


def _inflated(body: bytes, coding: str, window: int) -> Iterator[bytes]:
    while body:
        stream = zlib.decompressobj(window)
        while not stream.eof:
            try:
                piece = stream.decompress(body, _PIECE_BYTES)
            except zlib.error as error:
                raise _misfit(coding, str(error).rpartition(": ")[2]) from None
            body = stream.unconsumed_tail
            if not piece and not body and not stream.eof:
                raise _misfit(coding, "cut off")
            yield piece
        body = stream.unused_data  # further members of a gzip file
        if coding == "deflate":
            return


def _from_brotli(body: bytes) -> Iterator[bytes]:
    import brotli

    stream = brotli.Decompressor()
    while body or not stream.is_finished():
        try:
            piece = stream.process(body, output_buffer_limit=_PIECE_BYTES)
        except brotli.error as error:
            raise _misfit("br", str(error).removeprefix("brotli: ")) from None
        body = b""
        if not piece and not stream.is_finished():
            raise _misfit("br", "cut off")
        yield piece


def _from_zstd(body: bytes) -> Iterator[bytes]:
    import zstandard

    at = 0
    while at < len(body):
        stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        while not stream.eof:
            if at >= len(body):
                raise _misfit("zstd", "cut off")
            try:
                piece = stream.decompress(body[at : at + _ZSTD_INPUT_BYTES])
            except zstandard.ZstdError as error:
                raise _misfit("zstd", str(error)) from None
            at = min(at + _ZSTD_INPUT_BYTES, len(body)) - len(stream.unused_data)
            yield piece


def _misfit(coding: str, why: str) -> DecodingError:
    return DecodingError(f"body not decodable as {coding}: {why}")
