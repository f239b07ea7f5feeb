"""Reading and changing products, against the generated catalogue."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from target_app.generate import generate_products

MakeApp = Callable[..., Flask]

PRODUCTS = {product.id: product for product in generate_products()}
EDITABLE = ("name", "category", "price_cents", "stock", "description")
ODD_NUMBERS = [
    "0",
    "-1",
    "1.5",
    "x",
    "",
    "9" * 30,
    "9" * 5_000,
    "\uff11",
    "%00",
    "1%00",
    "nan",
    "+1",
]


def test_a_product_is_what_was_generated(client: FlaskClient) -> None:
    for product_id in (1, 17, 10_000):
        answer = client.get(f"/api/products/{product_id}")
        assert answer.get_json() == PRODUCTS[product_id].as_dict() | {"currency": "EUR"}
        assert b": " not in answer.data.split(b'"description"')[0]


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "price", "-price"])
def test_pages_are_complete_and_do_not_overlap(client: FlaskClient, sort: str) -> None:
    filters = {"category": "garden", "min_price": "20", "max_price": "59.9", "sort": sort}
    wanted = [
        product
        for product in PRODUCTS.values()
        if product.category == "garden" and 2_000 <= product.price_cents <= 5_990
    ]
    seen: list[dict[str, Any]] = []
    for page in range(1, len(wanted) // 100 + 2):
        answer = client.get("/api/products", query_string={**filters, "page": page, "per_page": 100})
        assert answer.json and answer.json["total"] == len(wanted)
        seen += answer.json["items"]
    assert sorted(item["id"] for item in seen) == [product.id for product in wanted]
    key = {"id": "id", "name": "name", "price": "price_cents"}[sort.removeprefix("-")]
    order = [(item[key], item["id"]) for item in seen]
    assert order == sorted(order, reverse=sort.startswith("-"))
    past = client.get("/api/products", query_string={**filters, "page": 100_000, "per_page": 100})
    assert past.json and past.json["items"] == []


@pytest.mark.parametrize("value", ODD_NUMBERS)
@pytest.mark.parametrize("name", ["page", "per_page"])
def test_odd_pages_are_refused(client: FlaskClient, name: str, value: str) -> None:
    for path in (f"/api/products?{name}={value}", f"/api/search?q=oak&{name}={value}"):
        assert client.get(path).status_code == 400


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["page", "per_page", "category", "min_price", "max_price", "sort"]),
    value=st.text(max_size=40),
)
def test_no_parameter_breaks_a_list(session_client: FlaskClient, name: str, value: str) -> None:
    for path in ("/api/products", "/"):
        assert session_client.get(path, query_string={name: value}).status_code in (200, 400)


def test_a_change_is_seen_everywhere_at_once(make_app: MakeApp) -> None:
    writer, reader = make_app().test_client(), make_app().test_client()
    urls = (
        "/api/products/17",
        "/api/products?category=garden",
        "/api/search?q=pot",
        "/products/17",
    )
    other = reader.get("/api/products/18").headers["ETag"]
    before = {url: reader.get(url).headers["ETag"] for url in urls}

    body = {name: PRODUCTS[17].as_dict()[name] for name in EDITABLE}
    changed = writer.put("/api/products/17", json=body | {"name": "Zanzibar Pot", "stock": 3})
    assert changed.status_code == 200
    assert changed.headers["Cache-Control"] == "no-store"
    assert changed.json and changed.json["version"] == 2

    for url in urls:
        answer = reader.get(url, headers={"If-None-Match": before[url]})
        assert answer.status_code == 200, url
        assert answer.headers["ETag"] != before[url]
    product = reader.get("/api/products/17")
    assert product.json == changed.json
    assert product.headers["ETag"] == changed.headers["ETag"]
    assert reader.get("/api/products/18").headers["ETag"] == other


def test_the_index_follows_a_change(make_app: MakeApp) -> None:
    client = make_app().test_client()

    def found(word: str) -> set[int]:
        answer = client.get("/api/search", query_string={"q": word})
        assert answer.json
        return {item["id"] for item in answer.json["items"]}

    for name in ("Zanzibar", "Quixotic"):
        assert client.patch("/api/products/17", json={"name": name}).status_code == 200
    assert (found("Zanzibar"), found("Quixotic")) == (set(), {17})


def test_if_match(make_app: MakeApp) -> None:
    client = make_app().test_client()
    etag = client.get("/api/products/1").headers["ETag"]

    def status(if_match: str) -> int:
        answer = client.patch("/api/products/1", json={"stock": 5}, headers={"If-Match": if_match})
        return answer.status_code

    assert [status(tag) for tag in ('"x"', f"W/{etag}", "", "nonsense")] == [412] * 4
    assert client.get("/api/products/1").headers["ETag"] == etag
    assert (status(f'"x", {etag}'), status(etag), status("*")) == (200, 412, 200)
    missing = client.patch("/api/products/10001", json={"stock": 5}, headers={"If-Match": "*"})
    assert missing.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "null", "{}", '{"stock": true}', '{"stock": 1.0}', '{"stock": -1}',
        '{"stock": 1e400}', '{"stock": NaN}', f'{{"stock": {"9" * 30}}}',
        f'{{"stock": {"9" * 5000}}}', '{"name": ""}', '{"name": "\\u0000"}',
        '{"name": "\\ud800"}', '{"name": ["x"]}', '{"category": "weapons"}', '{"colour": "red"}',
        "[" * 16_000, '{"name": ' + "[" * 16_000, b"\xff\xfe", '{"\\ud800": 1}', '{"version": 9}',
    ],
)  # fmt: skip
def test_bad_bodies_are_refused(client: FlaskClient, body: str | bytes) -> None:
    for method in ("PUT", "PATCH"):
        answer = client.open("/api/products/1", method=method, data=body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.get_json()["error"]["detail"]
    assert client.put("/api/products/1", json={"stock": 1}).status_code == 400
    assert client.patch("/api/products/1", data="stock=1").status_code == 415
    assert client.patch("/api/products/1", json={"name": "x" * 20_000}).status_code == 413


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet='"*():^-+ ANDORNEAR\0{}oak', max_size=60))
def test_no_search_text_breaks_the_search(session_client: FlaskClient, text: str) -> None:
    answer = session_client.get("/api/search", query_string={"q": text})
    assert answer.status_code == (200 if text.strip() else 400)


@pytest.mark.parametrize(
    "text",
    ['"', "*", "NEAR(", "NEAR(oak lamp)", "oak AND", "name:oak", "oak*", "-oak", "^", "\0oak"],
)
def test_search_operators_are_words(client: FlaskClient, text: str) -> None:
    assert client.get("/api/search", query_string={"q": text}).status_code == 200


def test_search_finds_what_has_all_words(client: FlaskClient) -> None:
    wanted = {
        product.id
        for product in PRODUCTS.values()
        if {"walnut", "clock"} <= set(product.name.lower().replace(",", "").split())
    }
    seen: list[int] = []
    total = 0
    for page in range(1, 4):
        answer = client.get(f"/api/search?q=WALNUT+clock&per_page=100&page={page}")
        assert answer.json
        seen += [item["id"] for item in answer.json["items"]]
        total = answer.json["total"]
    assert len(seen) == total == len(set(seen))
    assert set(seen) == wanted
    assert client.get("/api/search", query_string={"q": "x" * 101}).status_code == 400
