"""/api/products and /api/search: the catalogue as JSON, cacheable by anyone."""

import json
import time
from typing import Any

from flask import Blueprint, Response, abort, request

from target_app import catalogue
from target_app.caching import cacheable, catalogue_etag, client_has, not_modified, product_etag
from target_app.catalogue import Found, Product, Window
from target_app.database import reading, writing
from target_app.forms import parse_changes
from target_app.query import parse_listing, parse_search_text, parse_window
from target_app.shop import current_shop, get_db

CURRENCY = "EUR"
NO_PRODUCT = "There is no such product."

bp = Blueprint("api", __name__, url_prefix="/api")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@bp.before_request
def work() -> None:
    """Take as long as a shop would whose data are not at hand."""
    if work_ms := current_shop().settings.work_ms:
        time.sleep(work_ms / 1000)


@bp.get("/products/<product_id:product_id>")
def get_product(product_id: int) -> Response:
    db, cache_control = get_db(), current_shop().policies.product
    # Most repeated requests end here, after one small read and without rendering anything.
    if request.if_none_match:
        version = catalogue.get_version(db, product_id)
        if version is not None and client_has(etag := product_etag(product_id, version)):
            return not_modified(etag, cache_control)
    product = catalogue.get_product(db, product_id) or abort(404, NO_PRODUCT)
    return _product_response(product, cache_control)


@bp.route("/products/<product_id:product_id>", methods=["PUT", "PATCH"])
def change_product(product_id: int) -> Response:
    """PUT replaces all fields that can be edited, PATCH those that are given.

    Anyone may: this is a demo. `If-Match` guards against overwriting somebody else's change.
    """
    changes = parse_changes(request, partial=request.method == "PATCH")
    db = get_db()
    with writing(db):
        product = catalogue.get_product(db, product_id) or abort(404, NO_PRODUCT)
        etag = product_etag(product_id, product.version)
        if "If-Match" in request.headers and not request.if_match.contains(etag):
            abort(412, "The product has changed since it was read.")
        product = catalogue.update_product(db, product, changes)
    return _product_response(product, "no-store")


@bp.get("/products")
def list_products() -> Response:
    listing = parse_listing(request.args)
    db, cache_control = get_db(), current_shop().policies.listing
    with reading(db):
        etag = catalogue_etag(catalogue.get_revision(db))
        if client_has(etag):
            return not_modified(etag, cache_control)
        found = catalogue.list_products(db, listing)
    return cacheable(_found_response(found, listing.window), etag, cache_control)


@bp.get("/search")
def search() -> Response:
    text, window = parse_search_text(request.args), parse_window(request.args)
    db, cache_control = get_db(), current_shop().policies.search
    with reading(db):
        etag = catalogue_etag(catalogue.get_revision(db))
        if client_has(etag):
            return not_modified(etag, cache_control)
        found = catalogue.search_products(db, text, window)
    return cacheable(_found_response(found, window), etag, cache_control)


def _product_response(product: Product, cache_control: str) -> Response:
    body = product.as_dict() | {"currency": CURRENCY}
    return cacheable(_json(body), product_etag(product.id, product.version), cache_control)


def _found_response(found: Found, window: Window) -> Response:
    items = [
        {
            "id": product.id,
            "name": product.name,
            "category": product.category,
            "price_cents": product.price_cents,
            "currency": CURRENCY,
            "stock": product.stock,
            "version": product.version,
        }
        for product in found.products
    ]
    return _json({"page": window.page, "per_page": window.per_page, "total": found.total, "items": items})


def _json(body: dict[str, Any]) -> Response:
    return Response(_encode(body), mimetype="application/json")
