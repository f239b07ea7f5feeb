"""How the samples of page views are named, for those who write them and those who read them.

A visitor's page views come one after another. Each begins with its page, `page new /products/[id]`, and the samples of
the same user that follow, up to the next page, are its assets: `asset css`, `asset image`, `asset lazy image`. Where
the visitor's own cache had the page, no sample begins the view, and its assets are named `asset css (page from cache)`:
they belong to no view that could be timed.
"""

from __future__ import annotations

from enum import StrEnum

PAGE = "page "
ASSET = "asset "
LAZY_IMAGE, ICON = "lazy image", "icon"
"""The kinds of assets a page does not wait for."""
UNTIMED = " (page from cache)"
REDIRECTED = " (redirected)"
"""What the load half appends to the name of a request that a redirect led to: it is of the view that has begun."""


class Visitor(StrEnum):
    """NEW: no connection, and nothing in the browser's cache. RETURNING: no connection, and the cache of a visit."""

    NEW = "new"
    RETURNING = "returning"


def page_endpoint(visitor: Visitor, name: str) -> str:
    """`name` is a path, or stands for several: `/products/[id]`."""
    return f"{PAGE}{visitor.value} {name}"


def asset_endpoint(kind: str, timed: bool = True) -> str:
    """`kind`: css, js, font, image, lazy image, icon, other."""
    return f"{ASSET}{kind}{'' if timed else UNTIMED}"


def begun_by(endpoint: str) -> tuple[Visitor, str] | None:
    """(visitor, name of the page) where a sample of this endpoint begins a view."""
    word, _, rest = endpoint.removeprefix(PAGE).partition(" ")
    if not endpoint.startswith(PAGE) or not rest or rest.endswith(REDIRECTED) or word not in list(Visitor):
        return None
    return Visitor(word), rest


def is_waited_for(endpoint: str) -> bool:
    """Whether a page is not loaded before this sample of it is done."""
    return not endpoint.startswith((ASSET + LAZY_IMAGE, ASSET + ICON))


def continues(endpoint: str) -> bool:
    """Whether a sample of this endpoint belongs to the view its user has begun before."""
    redirected = endpoint.endswith(REDIRECTED)
    asset = endpoint.startswith(ASSET) and not endpoint.removesuffix(REDIRECTED).endswith(UNTIMED)
    return asset or (redirected and begun_by(endpoint.removesuffix(REDIRECTED)) is not None)
