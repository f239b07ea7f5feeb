"""Page views put together from samples: against a table made by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from edgebench.analysis.page_views import compared, page_views
from edgebench.analysis.tables import frame
from edgebench.store import BROWSER, SAMPLES
from edgebench.views import Visitor, asset_endpoint, begun_by, continues, is_waited_for, page_endpoint

MS = 1_000_000


def sample(user: int, at_ms: float, done_ms: float, endpoint: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "scheduled_ns": int(at_ms * MS), "sent_ns": int(at_ms * MS), "first_byte_ns": int((done_ms - 1) * MS),
        "done_ns": int(done_ms * MS), "send_lag_ns": 0, "method": "GET", "endpoint": endpoint, "key": "/",
        "status": 200, "bytes": 100, "user": user, "worker": 0, "reused_connection": True, "arrival": False,
        "phase": "measure",
    }  # fmt: skip
    return row | more


def table(rows: list[dict[str, Any]], schema: pa.Schema = SAMPLES) -> pd.DataFrame:
    filled = [{name: row.get(name) for name in schema.names} for row in rows]
    return frame(
        pa.Table.from_pylist(filled, schema=pa.schema([(f.name, _plain(f.type)) for f in schema])).cast(schema)
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


NEW = page_endpoint(Visitor.NEW, "/")
BACK = page_endpoint(Visitor.RETURNING, "/products/[id]")
ROWS = [
    # User 1: due at 10, sent at 12 because the generator was late by 2; a lazy image comes after the rest.
    sample(1, 10, 20, NEW, sent_ns=12 * MS, send_lag_ns=2 * MS, arrival=True, reused_connection=False, phase="warm_up"),
    sample(1, 21, 26, asset_endpoint("css"), key="/a.css", bytes=40),
    sample(1, 21, 30, asset_endpoint("js"), key="/a.js", bytes=60, reused_connection=False),
    sample(1, 27, 45, asset_endpoint("lazy image"), key="/a.svg", bytes=7),
    # The same user's next: the page is confirmed, one image is new and slow.
    sample(1, 50, 52, BACK, key="/products/7", status=304, bytes=0, reused_connection=False),
    sample(1, 53, 90, asset_endpoint("image"), key="/b.svg"),
    # User 2, at the same time: an asset is missing. Its API call belongs to no view.
    sample(2, 11, 15, NEW, reused_connection=False, arrival=True),
    sample(2, 16, 18, "/api/cart", bytes=5000),
    sample(2, 16, 19, asset_endpoint("css"), key="/a.css", status=404),
    # User 3: the page came from its own cache, so its assets belong to no view that could be timed.
    sample(3, 5, 6, NEW, reused_connection=False),
    sample(3, 30, 31, asset_endpoint("css", timed=False)),
    # User 1 of another worker: another user. The page redirects.
    sample(1, 12, 14, NEW, worker=1, status=302, reused_connection=False),
    sample(1, 14, 17, NEW + " (redirected)", worker=1, key="/home"),
    # User 4: what comes before its first page is nobody's.
    sample(4, 1, 2, asset_endpoint("css")),
    # User 5 got no answer.
    sample(5, 40, 41, NEW, status=0, error="read: timed out", bytes=0, reused_connection=False),
]  # fmt: skip


def test_views_are_put_together_as_by_hand() -> None:
    found = page_views(table(list(reversed(ROWS))))
    columns = ["visitor", "page", "target", "phase", "load_ms", "all_ms", "requests", "connections", "bytes", "ok"]
    rows = [
        tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row) for row in found[columns].to_numpy()
    ]
    assert rows == [
        ("new", "/", "/", "measure", 1.0, 1.0, 1, 1, 100, True),
        ("new", "/", "/", "warm_up", 18.0, 33.0, 4, 2, 207, True),
        ("new", "/", "/", "measure", None, None, 2, 1, 200, False),
        ("new", "/", "/", "measure", 5.0, 5.0, 2, 1, 200, True),
        ("new", "/", "/", "measure", None, None, 1, 1, 0, False),
        ("returning", "/products/[id]", "/products/7", "measure", 40.0, 40.0, 2, 1, 100, True),
    ]
    assert found["first_byte_ms"].iloc[1] == 7.0  # at 19, due at 10, 2 late


def test_no_views_no_rows() -> None:
    assert page_views(table([])).empty
    assert page_views(table([sample(1, 0, 1, "/api/products/[id]")])).empty


@pytest.mark.parametrize("visitor", Visitor)
def test_names_say_what_they_are_of(visitor: Visitor) -> None:
    assert begun_by(page_endpoint(visitor, "/a b")) == (visitor, "/a b")
    assert continues(asset_endpoint("css"))
    assert not continues(asset_endpoint("css", timed=False))
    assert continues(page_endpoint(visitor, "/") + " (redirected)")
    assert begun_by(page_endpoint(visitor, "/") + " (redirected)") is None
    for name in ("/", "/api/products/[id]", "page", "page new", "page newer /", "asset", "pages new /"):
        assert begun_by(name) is None
        assert not continues(name)
    assert [is_waited_for(asset_endpoint(kind)) for kind in ("css", "lazy image", "icon")] == [True, False, False]


def load(visitor: str, load_ms: float | None, asked: list[str], problem: str = "", paint: float | None = None) -> Any:
    return {
        "visitor": visitor, "page": "/", "repeat": 1, "load_ms": load_ms, "largest_paint_ms": paint, "asked": asked,
        "requests": len(asked), "bytes": 300, "problem": problem,
    }  # fmt: skip


def test_the_browser_beside_the_emulation() -> None:
    views = page_views(table(ROWS))
    loads = [
        load("new", 15.0, ["/", "/a.css"], paint=9.0),
        load("new", 5.0, ["/", "/a.css"]),
        load("new", 100.0, ["/"], problem="the browser kept a connection"),
        load("new", None, []),
        load("returning", 1.0, []),  # its copy of the page was fresh
    ]
    row = compared(views, table(loads, BROWSER)).to_dict("records")
    assert row == [
        {
            "visitor": "new", "page": "/", "emulated_ms": 5.0, "browser_ms": 10.0, "ratio": 2.0,
            "emulated_requests": 2.0, "browser_requests": 2.0, "emulated_bytes": 200.0, "browser_bytes": 300.0,
            "largest_paint_ms": 9.0,
            "views": 3, "loads": 2,
        }
    ]  # fmt: skip
    assert compared(views, table([], BROWSER)).empty
