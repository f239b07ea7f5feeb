"""Logging in, and that nobody gets what is another's."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from target_app.account import check_token, make_token
from target_app.config import DEMO_SECRET_KEY

MakeApp = Callable[..., Flask]


def bearer(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, DEMO_SECRET_KEY)}"}


def test_two_users_never_mix(make_app: MakeApp) -> None:
    one, other = make_app().test_client(), make_app().test_client()
    for number in range(5):
        user = bearer(f"user-{number}")
        for _ in range(2):
            body = {"product_id": number + 1, "quantity": number + 1}
            assert one.post("/api/cart", json=body, headers=user).status_code == 200
    for number in range(5):
        answer = other.get("/api/cart", headers=bearer(f"user-{number}"))
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.json and answer.json["user"] == f"user-{number}"
        (line,) = answer.json["lines"]
        assert (line["product_id"], line["quantity"]) == (number + 1, 2 * (number + 1))
        assert answer.json["total_cents"] == line["quantity"] * line["price_cents"]
    assert one.delete("/api/cart", headers=bearer("user-0")).status_code == 204
    counts = [(other.get("/api/cart", headers=bearer(f"user-{n}")).json or {})["count"] for n in (0, 1)]
    assert counts == [0, 4]


def test_what_caches_are_told_of_private_answers_can_be_got_wrong(make_app: MakeApp) -> None:
    client = make_app(ACCOUNT_CACHE_CONTROL="max-age=60").test_client()
    assert client.get("/api/me", headers=bearer("ann")).headers["Cache-Control"] == "max-age=60"
    assert client.get("/api/me").headers["Cache-Control"] == "private, no-store"  # 401
    assert client.get("/api/products/1").headers["Cache-Control"].startswith("public")


def test_a_session_works_with_every_worker(make_app: MakeApp) -> None:
    one, other = make_app().test_client(), make_app().test_client()
    login = one.post("/api/login", json={"user": "user-17"})
    assert login.json == {"user": "user-17", "token": make_token("user-17", DEMO_SECRET_KEY)}
    assert "no-store" in login.headers["Cache-Control"]
    cookie = one.get_cookie("session")
    assert cookie is not None and cookie.http_only and cookie.same_site == "Lax"
    other.set_cookie("session", cookie.value)
    answer = other.get("/api/me")
    assert answer.json == {"user": "user-17", "name": "User 17"}
    assert answer.headers["Cache-Control"] == "private, no-store"
    # A token counts for more than the cookie, and a wrong one is not forgiven.
    assert (other.get("/api/me", headers=bearer("user-3")).json or {})["user"] == "user-3"
    assert other.get("/api/me", headers={"Authorization": "Bearer x"}).status_code == 401
    assert one.post("/api/logout").status_code == 204
    assert one.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer .", "Basic dXNlcjp4", "Bearer user-17.é",
     "Bearer user-17." + "0" * 64, "Digest x", "=", "Bearer user-17.x=y, z"],
)  # fmt: skip
def test_wrong_credentials(client: FlaskClient, authorization: str) -> None:
    answer = client.get("/api/me", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["WWW-Authenticate"] == "Bearer realm=shop, error=invalid_token"


def test_tokens_belong_to_one_user_and_one_shop() -> None:
    token = make_token("user-1", "key")
    assert check_token(token, "key") == "user-1"
    assert check_token(token, "other key") is None
    assert check_token(token.replace("user-1", "user-2"), "key") is None


@pytest.mark.parametrize("user", ["", "a" * 65, "a.b", "a b", "é", "a\n", None, 7, ["x"]])
def test_odd_names_are_refused(client: FlaskClient, user: object) -> None:
    assert client.post("/api/login", json={"user": user}).status_code == 400


def test_odd_cart_lines_are_refused(make_app: MakeApp) -> None:
    client, user = make_app().test_client(), bearer("user-1")
    for body, status in (
        ({}, 400),
        ({"product_id": "1"}, 400),
        ({"product_id": 10**30}, 400),
        ({"product_id": 10_001}, 404),
        ({"product_id": 1, "quantity": 0}, 400),
        ({"product_id": 1, "quantity": 100}, 400),
    ):
        assert client.post("/api/cart", json=body, headers=user).status_code == status
    for product_id in range(1, 102):
        answer = client.post("/api/cart", json={"product_id": product_id}, headers=user)
        assert answer.status_code == (200 if product_id <= 100 else 409)
    assert (client.get("/api/cart", headers=user).json or {})["count"] == 100
