"""A shop that takes its time, as one with a database elsewhere does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

MakeApp = Callable[..., Flask]


def test_work_is_done_for_the_catalogue_and_for_nothing_else(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[float] = []
    monkeypatch.setattr("target_app.api.time.sleep", worked.append)
    client = make_app(WORK_MS=80).test_client()
    etag = client.get("/api/products/1").headers["ETag"]
    assert worked == [0.08]
    assert client.get("/api/products/1", headers={"If-None-Match": etag}).status_code == 304
    assert worked == [0.08] * 2
    client.get("/products/1")
    client.get("/api/me")
    make_app().test_client().get("/api/products/1")
    assert worked == [0.08] * 2


@pytest.mark.parametrize("value", [-1, 0.5, "80", True])
def test_a_wrong_time_is_named(make_app: MakeApp, value: object) -> None:
    with pytest.raises(ValueError, match="WORK_MS must be a whole number of milliseconds"):
        make_app(WORK_MS=value)
