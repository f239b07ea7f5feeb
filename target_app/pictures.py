"""/pictures/<product id>.bmp: a photograph's worth of bytes for every product, and none of them kept on disk.

A picture is bitmap noise that only its id decides: sizes are spread evenly on a logarithmic scale, so that a few
pictures are ten times as large as others, as those of a shop are.
"""

import struct
from functools import lru_cache
from random import Random

from flask import Blueprint, Response, abort

from target_app.caching import cacheable, client_has, not_modified
from target_app.generate import PRODUCT_COUNT
from target_app.shop import current_shop

SMALLEST_BYTES = 20_000
LARGEST_BYTES = 200_000
_WIDTH = 128
_ROW_BYTES = 3 * _WIDTH
_HEADER_BYTES = 54
_STEP_BYTES = 4_093
"""Where in the noise the next id begins: a prime, so that no two of the shop's pictures begin alike for long."""

bp = Blueprint("pictures", __name__)


@bp.get("/pictures/<product_id:product_id>.bmp")
def serve(product_id: int) -> Response:
    if product_id > PRODUCT_COUNT:
        abort(404)
    etag, policy = f"i{product_id}", current_shop().policies.product
    if client_has(etag):
        return not_modified(etag, policy)
    return cacheable(Response(picture(product_id), mimetype="image/bmp"), etag, policy)


def picture(product_id: int) -> bytes:
    """A valid bitmap of 24 bits a pixel: about as many bytes as `size_bytes` says, rounded down to whole rows."""
    rows = (size_bytes(product_id) - _HEADER_BYTES) // _ROW_BYTES
    body = rows * _ROW_BYTES
    start = product_id * _STEP_BYTES % LARGEST_BYTES
    file = struct.pack("<2sIHHI", b"BM", _HEADER_BYTES + body, product_id % 65_536, 0, _HEADER_BYTES)
    image = struct.pack("<IiiHHIIiiII", 40, _WIDTH, rows, 1, 24, 0, body, 2_835, 2_835, 0, 0)
    return file + image + _noise()[start : start + body]


def size_bytes(product_id: int) -> int:
    """The multiplicative hash of the id (Knuth), from 0 to 1, on a logarithmic scale between the limits."""
    share = product_id * 2_654_435_761 % 2**32 / 2**32
    return int(SMALLEST_BYTES * (LARGEST_BYTES / SMALLEST_BYTES) ** share)


@lru_cache(maxsize=1)
def _noise() -> bytes:
    return Random(7).randbytes(2 * LARGEST_BYTES)
