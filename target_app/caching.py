"""Cache-Control, entity tags and conditional requests.

Three kinds of ETag are used, each the cheapest that is right where it is used:

- a product's comes from its version: one indexed read answers `If-None-Match`;
- a list's or search's comes from the catalogue's revision, which every change raises: it never
  misses a change, and costs one read, but a change to any product makes all lists new;
- a page's is the digest of its HTML: it follows the template and the assets as well, but the page
  has to be rendered to know it.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

from flask import Response, request

from target_app.config import Settings

IMMUTABLE = "public, max-age=31536000, immutable"

# Part of the ETags that are not made from the body: raise it when an answer's JSON changes shape.
REPRESENTATION = 1


@dataclass(frozen=True, slots=True)
class Policies:
    """The Cache-Control value of each kind of public answer."""

    product: str
    listing: str
    search: str
    pages: str
    static: str
    """Static files under plain names, where pages link to those."""
    media: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        def catalogue(ttl_s: int | None) -> str:
            return public(
                settings.ttl_s if ttl_s is None else ttl_s,
                stale_while_revalidate_s=settings.stale_while_revalidate_s,
                stale_if_error_s=settings.stale_if_error_s,
            )

        return cls(
            product=catalogue(settings.ttl_product_s),
            listing=catalogue(settings.ttl_list_s),
            search=catalogue(settings.ttl_search_s),
            pages=catalogue(settings.ttl_pages_s),
            static=public(settings.ttl_s if settings.ttl_static_s is None else settings.ttl_static_s),
            media=public(settings.ttl_media_s),
        )


def public(
    ttl_s: int,
    *,
    stale_while_revalidate_s: int | None = None,
    stale_if_error_s: int | None = None,
) -> str:
    """The Cache-Control value that lets any cache keep an answer for `ttl_s` seconds."""
    directives = ["public", f"max-age={ttl_s}"]
    if stale_while_revalidate_s is not None:
        directives.append(f"stale-while-revalidate={stale_while_revalidate_s}")
    if stale_if_error_s is not None:
        directives.append(f"stale-if-error={stale_if_error_s}")
    # A TTL of 0 means "keep it, but ask each time". `no-cache` means that too, but several caches
    # take it for "do not store", and it would leave no room for the stale-… extensions.
    # `must-revalidate` forbids serving stale, so it may not stand beside them.
    if ttl_s == 0 and len(directives) == 2:
        directives.append("must-revalidate")
    return ", ".join(directives)


def product_etag(product_id: int, version: int) -> str:
    """The ETag (without quotes) of one product's JSON."""
    return f"p{product_id}-v{version}-{REPRESENTATION}"


def catalogue_etag(revision: int) -> str:
    """The ETag (without quotes) of a list or search; the URL tells those apart."""
    return f"r{revision}-{REPRESENTATION}"


def content_etag(body: bytes) -> str:
    """The ETag (without quotes) of exactly these bytes."""
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def client_has(etag: str) -> bool:
    """Whether `If-None-Match` names `etag`, if only weakly: proxies that compress weaken ours."""
    return request.if_none_match.contains_weak(etag)


def cacheable(response: Response, etag: str, cache_control: str) -> Response:
    """`response` with its validator and lifetime."""
    response.headers["ETag"] = f'"{etag}"'
    response.headers["Cache-Control"] = cache_control
    return response


def not_modified(etag: str, cache_control: str) -> Response:
    """A 304, with the headers a cache needs to renew what it holds (RFC 9110 15.4.5)."""
    return cacheable(Response(status=304), etag, cache_control)
