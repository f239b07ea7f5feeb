"""/media/<clip>: sound and film by byte ranges, as players ask for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from target_app.caching import cacheable, client_has, not_modified
from target_app.clips import Clip
from target_app.shop import current_shop

CHUNK_BYTES = 65_536

bp = Blueprint("media", __name__)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


@bp.get("/media/<name>")
def serve(name: str) -> Response:
    shop = current_shop()
    clip = shop.clips.get(name)
    if clip is None:
        abort(404)
    if client_has(clip.etag):
        return not_modified(clip.etag, shop.policies.media)

    wanted = _requested_range(clip)
    sent = wanted or ByteRange(0, clip.size_bytes)
    response = Response(_read(clip, sent), mimetype=clip.mimetype)
    response.content_length = sent.stop - sent.start
    response.headers["Accept-Ranges"] = "bytes"
    if wanted is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {sent.start}-{sent.stop - 1}/{clip.size_bytes}"
    return cacheable(response, clip.etag, shop.policies.media)


def parse_range(header: str, size_bytes: int) -> ByteRange | None:
    """The range that a `Range` header asks for of a body of `size_bytes`.

    None if it is to be ignored (RFC 9110 14.2): malformed, another unit, or several ranges, which
    a server may decline. A range that begins past the end raises RequestedRangeNotSatisfiable.
    """
    found = re.fullmatch(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", header, re.IGNORECASE)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size_bytes - int(last)), size_bytes
    else:
        start, stop = int(first), size_bytes
        if last and int(last) < start:
            return None
        if last:
            stop = min(size_bytes, int(last) + 1)
    if start >= size_bytes:
        raise RequestedRangeNotSatisfiable(length=size_bytes)
    return ByteRange(start, stop)


def _requested_range(clip: Clip) -> ByteRange | None:
    header = request.headers.get("Range")
    # Ranges are defined for GET alone; and a client that resumes another version starts afresh.
    if header is None or request.method != "GET":
        return None
    if request.headers.get("If-Range", f'"{clip.etag}"') != f'"{clip.etag}"':
        return None
    return parse_range(header, clip.size_bytes)


def _read(clip: Clip, part: ByteRange) -> Iterator[bytes]:
    with clip.path.open("rb") as file:
        file.seek(part.start)
        left = part.stop - part.start
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
