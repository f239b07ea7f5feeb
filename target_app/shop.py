"""What a request handler needs of the running shop."""

import sqlite3
from dataclasses import dataclass
from typing import cast

from flask import current_app, g
from werkzeug.routing import BaseConverter

from target_app.assets import Assets
from target_app.caching import Policies
from target_app.clips import Clip
from target_app.config import Settings
from target_app.database import Database

EXTENSION = "shop"


@dataclass(frozen=True, slots=True)
class Shop:
    """Made once by `create_app`, shared by all requests."""

    settings: Settings
    policies: Policies
    database: Database
    assets: Assets
    clips: dict[str, Clip]
    release: str = ""
    """Its name; empty: it has none."""


class ProductIdConverter(BaseConverter):
    """`<product_id:…>`: like `<int:…>`, but 7 has one spelling, so one URL and one cache entry."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        return int(value)


def current_shop() -> Shop:
    """The shop of the request being handled."""
    return cast(Shop, current_app.extensions[EXTENSION])


def get_db() -> sqlite3.Connection:
    """This request's connection, borrowed when first asked for."""
    if "db" not in g:
        g.db = current_shop().database.borrow()
    return cast(sqlite3.Connection, g.db)


def close_db(_error: BaseException | None = None) -> None:
    """Hand the request's connection back, if it had one."""
    connection = g.pop("db", None)
    if connection is not None:
        current_shop().database.give_back(connection)
