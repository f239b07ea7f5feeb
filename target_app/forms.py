"""JSON request bodies, checked: anything odd is a 400 that says what is wrong."""

import unicodedata
from typing import Any

from flask import Request
from werkzeug.exceptions import BadRequest

from target_app.generate import CATEGORIES

# Longest text in characters, highest number; the order is that of the error messages.
EDITABLE = {
    "name": 120,
    "category": 40,
    "price_cents": 100_000_000,
    "stock": 1_000_000,
    "description": 4_000,
}
# What GET answers beside them: accepted, so that an edited answer can be sent back, and ignored.
READ_ONLY = {"id", "sku", "version", "currency"}


def parse_object(request: Request) -> dict[str, Any]:
    """The request's body, which has to be a JSON object."""
    try:
        body = request.get_json()
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def parse_changes(request: Request, *, partial: bool) -> dict[str, str | int]:
    """New values of a product's fields: all of them or, if `partial`, at least one."""
    body = parse_object(request)
    if unknown := body.keys() - EDITABLE.keys() - READ_ONLY:
        raise BadRequest(f"unknown field {min(unknown)!a}")
    missing = [name for name in EDITABLE if name not in body]
    if len(missing) == len(EDITABLE) or (missing and not partial):
        raise BadRequest(f"missing: {', '.join(missing)}")

    changes: dict[str, str | int] = {}
    for name, limit in EDITABLE.items():
        if name in body:
            parse = parse_whole if name in ("price_cents", "stock") else parse_text
            changes[name] = parse(body[name], name, limit)
    if changes.get("category", CATEGORIES[0]) not in CATEGORIES:
        raise BadRequest(f"category must be one of {', '.join(CATEGORIES)}")
    return changes


def parse_text(value: object, name: str, max_chars: int) -> str:
    """A text that is safe to store and to show: not blank, no control characters or half pairs."""
    if not isinstance(value, str) or not value.strip() or len(value) > max_chars:
        raise BadRequest(f"{name} must be a text of 1 to {max_chars} characters")
    # Control characters, and halves of surrogate pairs, which JSON can write and UTF-8 cannot.
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value if char != "\n"):
        raise BadRequest(f"{name} must not contain control characters")
    return value


def parse_whole(value: object, name: str, highest: int, lowest: int = 0) -> int:
    """A whole number; JSON's true and 1.0 are none."""
    if type(value) is not int or not lowest <= value <= highest:
        raise BadRequest(f"{name} must be a whole number from {lowest} to {highest}")
    return value
