"""The digest of a body that is small and comes in one piece: what a client got can be held against what was sent."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

SMALL_DIGITS = 5
"""A body of so many bytes, in decimal digits, goes to the kernel in one piece: it is not watched on its way."""
BODILESS = ("204", "304")


def digested(
    body: Iterable[bytes], environ: dict[str, Any], status: str, fields: dict[str, str]
) -> tuple[Iterable[bytes], int | None]:
    """The body, and the CRC-32 of all of it where it is small and comes in one piece; else None.

    Frameworks wrap what they have in iterators, so the first piece is asked for here already: a server sends nothing
    before it either. A file stays as it is, for sendfile.
    """
    length = fields.get("Content-Length", "")
    if (
        not 0 < len(length) <= SMALL_DIGITS
        or environ["REQUEST_METHOD"] == "HEAD"
        or status[:3] in BODILESS
        or type(body) is environ.get("wsgi.file_wrapper")
    ):
        return body, None
    begun = _Begun(body)
    return begun, zlib.crc32(begun.first) if len(begun.first) == int(length) else None


class _Begun:
    """A body whose first piece has been asked for."""

    __slots__ = ("_rest", "_source", "first")

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = source
        try:
            self._rest = iter(source)
            self.first = next(self._rest, b"")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return chain((self.first,), self._rest)

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
