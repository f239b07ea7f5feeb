"""/api/login, /api/me and /api/cart: what only one user may see, and no cache may keep."""

import hashlib
import hmac
import re
from typing import Any

from flask import Blueprint, Response, abort, request, session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from target_app import cart, catalogue
from target_app.config import PRIVATE
from target_app.database import reading, writing
from target_app.forms import parse_object, parse_whole
from target_app.shop import current_shop, get_db

USER_NAME = re.compile("[A-Za-z0-9_-]{1,64}")

bp = Blueprint("account", __name__, url_prefix="/api")


def make_token(user: str, secret_key: str) -> str:
    """The bearer token of `user`: the name, and a signature that only this shop can make."""
    signature = hmac.new(secret_key.encode(), user.encode(), hashlib.sha256).hexdigest()
    return f"{user}.{signature}"


def check_token(token: str, secret_key: str) -> str | None:
    """The user whose token this is, or None; takes as long for a near miss as for nonsense."""
    user = token.partition(".")[0]
    expected = make_token(user, secret_key)
    return user if hmac.compare_digest(token.encode(), expected.encode()) else None


@bp.after_request
def keep_private(response: Response) -> Response:
    settings = current_shop().settings
    response.headers["Cache-Control"] = settings.account_cache_control if response.status_code == 200 else PRIVATE
    return response


@bp.post("/login")
def login() -> dict[str, str]:
    """Start a session; being a demo, any name will do and there is no password."""
    user = parse_object(request).get("user")
    if not isinstance(user, str) or not USER_NAME.fullmatch(user):
        abort(400, "user must be 1 to 64 letters, digits, '_' or '-'")
    session.clear()
    session["user"] = user
    return {"user": user, "token": make_token(user, current_shop().settings.secret_key)}


@bp.post("/logout")
def logout() -> tuple[str, int]:
    session.clear()
    return "", 204


@bp.get("/me")
def me() -> dict[str, str]:
    user = _require_user()
    return {"user": user, "name": user.replace("-", " ").replace("_", " ").title()}


@bp.get("/cart")
def show_cart() -> dict[str, Any]:
    user, db = _require_user(), get_db()
    with reading(db):
        lines = cart.get_lines(db, user)
    return cart.summary(user, lines)


@bp.post("/cart")
def add_to_cart() -> dict[str, Any]:
    user, body = _require_user(), parse_object(request)
    product_id = parse_whole(body.get("product_id"), "product_id", 9_999_999_999, lowest=1)
    quantity = parse_whole(body.get("quantity", 1), "quantity", cart.MAX_QUANTITY, lowest=1)
    db = get_db()
    with writing(db):
        if catalogue.get_version(db, product_id) is None:
            abort(404, "There is no such product.")
        cart.add(db, user, product_id, quantity)
        lines = cart.get_lines(db, user)
        if len(lines) > cart.MAX_LINES:
            abort(409, f"A cart holds at most {cart.MAX_LINES} different products.")
    return cart.summary(user, lines)


@bp.delete("/cart")
def empty_cart() -> tuple[str, int]:
    user, db = _require_user(), get_db()
    with writing(db):
        cart.empty(db, user)
    return "", 204


def _require_user() -> str:
    """Who asks: by bearer token if there is one, else by session cookie; 401 if neither holds."""
    challenge: dict[str, str | None] = {"realm": "shop"}
    if "Authorization" in request.headers:
        authorization = request.authorization
        if authorization is not None and authorization.type == "bearer" and authorization.token:
            user = check_token(authorization.token, current_shop().settings.secret_key)
            if user is not None:
                return user
        challenge["error"] = "invalid_token"
    elif "user" in session:
        return str(session["user"])
    raise Unauthorized(
        "Send a bearer token or log in.",
        www_authenticate=WWWAuthenticate("bearer", challenge),
    )
