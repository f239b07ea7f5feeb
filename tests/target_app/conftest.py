"""Fixtures: one catalogue for the session, copied where a test changes it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from target_app import create_app
from target_app.shop import EXTENSION, Shop

MakeApp = Callable[..., Flask]


def shop_of(app: Flask) -> Shop:
    shop = app.extensions[EXTENSION]
    assert isinstance(shop, Shop)
    return shop


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the first start leaves it: `catalogue.sqlite3` and `media`."""
    folder = tmp_path_factory.mktemp("shop")
    shop_of(create_app({"CATALOGUE_PATH": folder / "catalogue.sqlite3"})).database.close()
    return folder


@pytest.fixture(scope="session")
def app(first_start: Path) -> Iterator[Flask]:
    """A shop for tests that only read."""
    app = create_app({"CATALOGUE_PATH": first_start / "catalogue.sqlite3"})
    yield app
    shop_of(app).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def make_app(first_start: Path, tmp_path: Path) -> Iterator[MakeApp]:
    """Makes shops that share one catalogue of their own, as several workers do."""
    path = tmp_path / "catalogue.sqlite3"
    shutil.copyfile(first_start / "catalogue.sqlite3", path)
    apps: list[Flask] = []

    def make(**config: Any) -> Flask:
        media = first_start / "media"
        apps.append(create_app({"CATALOGUE_PATH": path, "MEDIA_PATH": media, **config}))
        return apps[-1]

    yield make
    for app in apps:
        shop_of(app).database.close()


@pytest.fixture(scope="session")
def session_client(app: Flask) -> FlaskClient:
    """Like `client`, but of the session, as hypothesis wants it."""
    return app.test_client()
