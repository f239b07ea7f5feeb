"""/healthz: whether this process can serve, for load balancers and start-up scripts."""

import sqlite3
from typing import Any

from flask import Blueprint

from target_app.catalogue import get_revision
from target_app.shop import get_db

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> tuple[dict[str, Any], int]:
    try:
        return {"status": "ok", "revision": get_revision(get_db())}, 200
    except sqlite3.Error as error:
        return {"status": "no database", "detail": str(error)}, 503
