"""What every route says about caching, on answers, 304s and errors."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

MakeApp = Callable[..., Flask]

PUBLIC = {
    "/api/products/17": "public, max-age=60",
    "/api/products?category=garden": "public, max-age=60",
    "/api/search?q=oak": "public, max-age=60",
    "/": "public, max-age=60",
    "/products/17": "public, max-age=60",
    "/media/chime.wav": "public, max-age=86400",
    "/static/app.css": "public, max-age=0, must-revalidate",
}
ERRORS = [
    ("GET", "/api/products/10001", 404),
    ("GET", "/api/products/99999999999999999999999", 404),
    ("GET", "/api/products/" + "9" * 6_000, 404),
    ("GET", "/api/products/007", 404),
    ("GET", "/api/nothing", 404),
    ("GET", "/media/..%2f..%2fapp.py", 404),
    ("GET", "/static/../config.py", 404),
    ("GET", "/static/missing.css", 404),
    ("GET", "/api/products?page=0", 400),
    ("GET", "/api/search", 400),
    ("GET", "/api/me", 401),
    ("GET", "/api/cart", 401),
    ("POST", "/api/cart", 401),
    ("DELETE", "/api/products/1", 405),
]


@pytest.mark.parametrize("path", PUBLIC)
def test_public_answers_can_be_kept_and_validated(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Cookie": "session=x", "Authorization": "Bearer y"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == PUBLIC[path]
    assert answer.headers["ETag"].startswith('"')
    assert "Set-Cookie" not in answer.headers
    assert answer.headers.get("Vary") in (None, "Accept-Encoding")

    head = client.head(path)
    assert head.data == b""
    assert dict(head.headers) == dict(answer.headers)

    etag = answer.headers["ETag"]
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        for method in ("GET", "HEAD"):
            again = client.open(path, method=method, headers={"If-None-Match": given})
            assert again.status_code == 304, given
            assert again.data == b""
            for name in ("Cache-Control", "ETag", "Vary"):
                assert again.headers.get(name) == answer.headers.get(name)
    assert client.get(path, headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), ERRORS)
def test_errors_are_json_and_not_kept(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.get_json()["error"]["status"] == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_an_error_of_a_page_is_a_page(client: FlaskClient) -> None:
    for path, status in (("/products/10001", 404), ("/?page=x", 400), ("/nowhere", 404)):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (status, "text/html")
        assert answer.headers["Cache-Control"] == "no-store"


def test_healthz(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.get_json() == {"status": "ok", "revision": 1}
    assert answer.headers["Cache-Control"] == "no-store"


def test_each_route_has_its_ttl(make_app: MakeApp) -> None:
    ttls = {"TTL_PRODUCT_S": 1, "TTL_LIST_S": 2, "TTL_SEARCH_S": 3, "TTL_PAGES_S": 4}
    client = make_app(TTL_S=9, TTL_MEDIA_S=5, **ttls).test_client()
    for ttl_s, path in enumerate(("/api/products/1", "/api/products", "/api/search?q=oak", "/", "/media/chime.wav"), 1):
        assert client.get(path).headers["Cache-Control"] == f"public, max-age={ttl_s}"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"TTL_S": 0}, "public, max-age=0, must-revalidate"),
        ({"TTL_S": 0, "STALE_IF_ERROR_S": 60}, "public, max-age=0, stale-if-error=60"),
        (
            {"TTL_S": 5, "STALE_WHILE_REVALIDATE_S": 10, "STALE_IF_ERROR_S": 0},
            "public, max-age=5, stale-while-revalidate=10, stale-if-error=0",
        ),
    ],
)
def test_stale_extensions(make_app: MakeApp, config: dict[str, Any], expected: str) -> None:
    client = make_app(**config).test_client()
    for path in ("/api/products/1", "/api/products", "/api/search?q=oak", "/products/1"):
        assert client.get(path).headers["Cache-Control"] == expected


def test_environment_then_mapping(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_TTL_S", "5")
    monkeypatch.setenv("FLASK_TTL_LIST_S", "7")
    client = make_app(TTL_LIST_S=8).test_client()
    assert client.get("/api/products/1").headers["Cache-Control"] == "public, max-age=5"
    assert client.get("/api/products").headers["Cache-Control"] == "public, max-age=8"


@pytest.mark.parametrize("value", [-1, 1.5, "5", True])
def test_a_wrong_ttl_is_named(make_app: MakeApp, value: object) -> None:
    with pytest.raises(ValueError, match="TTL_SEARCH_S must be a whole number of seconds"):
        make_app(TTL_SEARCH_S=value)
