"""The shop's HTML: the same for everybody, so any cache may keep it.

What differs by visitor, the cart, is fetched by app.js from the private API.
"""

from flask import Blueprint, Response, abort, render_template, request

from target_app import catalogue
from target_app.caching import cacheable, client_has, content_etag, not_modified
from target_app.database import reading
from target_app.generate import CATEGORIES
from target_app.query import parse_listing
from target_app.shop import current_shop, get_db

bp = Blueprint("pages", __name__)


@bp.app_template_global()
def asset_url(name: str) -> str:
    return current_shop().assets.url(name)


@bp.app_template_global()
def release() -> str:
    return current_shop().release


@bp.app_template_filter()
def euros(cents: int) -> str:
    """1290 -> €12.90"""
    return f"€{cents // 100}.{cents % 100:02}"


@bp.get("/")
def home() -> Response:
    listing = parse_listing(request.args)
    db = get_db()
    with reading(db):
        found = catalogue.list_products(db, listing)
    return _page(render_template("home.html", listing=listing, found=found, categories=CATEGORIES))


@bp.get("/products/<product_id:product_id>")
def product_page(product_id: int) -> Response:
    product = catalogue.get_product(get_db(), product_id) or abort(404, "There is no such product.")
    return _page(render_template("product.html", product=product, categories=CATEGORIES))


def _page(html: str) -> Response:
    body, cache_control = html.encode(), current_shop().policies.pages
    etag = content_etag(body)
    if client_has(etag):
        return not_modified(etag, cache_control)
    return cacheable(Response(body, mimetype="text/html"), etag, cache_control)
