"""Changes behind the cache's back: they go to the app itself, are recorded, and count as no client's request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgebench.model import BEHIND
from tests.load.runs import run
from tests.load.server import serving, stamped

CHANGING = """
from edgebench.load import EdgeUser
from locust import task

class Shop(EdgeUser):
    @task(9)
    def look(self) -> None:
        self.client.get("/p/1", name="/p/[id]")

    @task
    def change(self) -> None:
        self.origin.patch("/p/1", name="/p/[id]", json={"stock": 3})
        self.origin.get("/p/1", name="/p/[id]")
"""


def test_changes_go_to_the_app_and_reads_to_the_cache(tmp_path: Path) -> None:
    options = ("--rate", "300", "--warm-up-max", "2", "--measure", "1")
    with serving(stamped) as cache, serving(stamped) as app:
        result = run(tmp_path, cache.url, "--origin-host", app.url, *options, locustfile=CHANGING)
    assert result.code == 0, result.output
    rows = result.rows
    aside = [row for row in rows if row["phase"] == "aside"]
    assert {seen.at_ns for seen in app.seen} == {row["origin_seq"] for row in aside}
    assert {seen.at_ns for seen in cache.seen} == {row["origin_seq"] for row in rows} - {
        row["origin_seq"] for row in aside
    }
    assert {row["endpoint"] for row in aside} == {f"{BEHIND}/p/[id]"}
    changes = Counter(row["method"] for row in aside)
    assert changes["PATCH"] == changes["GET"] > 10
    # The schedule brought the change, not the look that followed; nothing it brought is missing.
    assert {(row["method"], row["arrival"]) for row in aside} == {("PATCH", True), ("GET", False)}
    assert sum(row["arrival"] for row in rows) == result.generator["scheduled"]
    assert {row["phase"] for row in rows if row["endpoint"] == "/p/[id]"} <= {"warm_up", "measure"}


def test_without_an_address_of_its_own_the_app_is_at_the_host(tmp_path: Path) -> None:
    with serving(stamped) as app:
        result = run(tmp_path, app.url, "--rate", "200", "--measure", "0.5", locustfile=CHANGING)
    assert result.code == 0, result.output
    assert {seen.at_ns for seen in app.seen} == {row["origin_seq"] for row in result.rows}


def test_a_wrong_address_is_said_before_any_load(tmp_path: Path) -> None:
    result = run(tmp_path, "http://127.0.0.1:9", "--origin-host", "nowhere", locustfile=CHANGING)
    assert result.code == 2
    assert "'nowhere'" in result.output
