"""Query parameters, checked: anything odd is a 400 that says what is wrong."""

import re
from collections.abc import Mapping

from werkzeug.exceptions import BadRequest

from target_app.catalogue import ORDER_BY, Listing, Window
from target_app.generate import CATEGORIES

MAX_PAGE = 100_000
MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 20
MAX_QUERY_CHARS = 100


def parse_window(args: Mapping[str, str]) -> Window:
    """`page` and `per_page`."""
    return Window(
        page=_whole(args, "page", default=1, highest=MAX_PAGE),
        per_page=_whole(args, "per_page", default=DEFAULT_PER_PAGE, highest=MAX_PER_PAGE),
    )


def parse_listing(args: Mapping[str, str]) -> Listing:
    """The filters and the order of a product list."""
    sort = args.get("sort", "id")
    if sort not in ORDER_BY:
        raise BadRequest(f"sort must be one of {', '.join(ORDER_BY)}")
    category = args.get("category")
    if category is not None and category not in CATEGORIES:
        raise BadRequest(f"category must be one of {', '.join(CATEGORIES)}")
    return Listing(
        window=parse_window(args),
        sort=sort,
        category=category,
        min_price_cents=_cents(args, "min_price"),
        max_price_cents=_cents(args, "max_price"),
    )


def parse_search_text(args: Mapping[str, str]) -> str:
    """`q`, the words to look for."""
    text = args.get("q", "").strip()
    if not 0 < len(text) <= MAX_QUERY_CHARS:
        raise BadRequest(f"q must have 1 to {MAX_QUERY_CHARS} characters")
    return text


def _whole(args: Mapping[str, str], name: str, *, default: int, highest: int) -> int:
    text = args.get(name)
    if text is None:
        return default
    # int() alone would also take " 7", "+7" and "0_7": one page, but many cache entries.
    if not re.fullmatch("[1-9][0-9]{0,8}", text) or int(text) > highest:
        raise BadRequest(f"{name} must be a whole number from 1 to {highest}")
    return int(text)


def _cents(args: Mapping[str, str], name: str) -> int | None:
    text = args.get(name)
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", text)
    if found is None:
        raise BadRequest(f"{name} must be an amount such as 25 or 24.90")
    whole, fraction = found.groups(default="0")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))
