"""The shop without entity tags: nothing to ask by, and everything sent in full."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

MakeApp = Callable[..., Flask]
PATHS = ("/api/products/17", "/api/products?page=2", "/api/search?q=oak", "/", "/static/app.css", "/media/chime.wav")


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_has_a_validator(make_app: MakeApp, path: str) -> None:
    answer = make_app(VALIDATORS=False).test_client().get(path)
    assert answer.status_code == 200
    assert "ETag" not in answer.headers and "Last-Modified" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_body_and_lifetime_are_the_same(make_app: MakeApp, path: str) -> None:
    with_tag, without = (make_app(VALIDATORS=on).test_client().get(path) for on in (True, False))
    assert "ETag" in with_tag.headers
    assert without.data == with_tag.data
    assert without.headers["Cache-Control"] == with_tag.headers["Cache-Control"]
