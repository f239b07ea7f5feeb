"""/static/…: kept for a year under hashed names; under plain ones for a while where pages link to them, else asked for
each time."""

from flask import Blueprint, Response, abort, request

from target_app.caching import IMMUTABLE, cacheable, client_has, not_modified, public
from target_app.compression import choose_coding
from target_app.shop import current_shop

bp = Blueprint("static_files", __name__)


@bp.get("/static/<path:path>")
def serve(path: str) -> Response:
    shop = current_shop()
    found = shop.assets.find(path)
    if found is None:
        abort(404)
    asset, by_hash = found
    encoding = choose_coding(request.accept_encodings, asset.variants)
    variant = asset.variants[encoding]
    plain = public(0) if shop.assets.versioned else shop.policies.static
    cache_control = IMMUTABLE if by_hash else plain

    if client_has(variant.etag):
        response = not_modified(variant.etag, cache_control)
    else:
        response = Response(variant.body, mimetype=asset.mimetype)
        cacheable(response, variant.etag, cache_control)
        if encoding != "identity":
            response.headers["Content-Encoding"] = encoding
    if asset.compressible:
        response.headers["Vary"] = "Accept-Encoding"
    # Fonts are refused across origins without it. "*" rather than the asker's origin, which would
    # make the answer vary by Origin.
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
