"""The live tab of a real Locust, from the start of a test to its end, over HTTP as the browser asks."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest

from tests.load.runs import ROOT
from tests.load.server import Seen, ok, serving

USERS = """
from edgebench.load import EdgeUser
from locust import task

class Reader(EdgeUser):
    @task(3)
    def stored(self) -> None:
        self.client.get(f"/stored/{self.popular(50)}", name="/stored")

    @task
    def made(self) -> None:
        self.client.get("/made")

    @task
    def unmarked(self) -> None:
        self.client.get("/unmarked")
"""
STOCK = """
import edgebench.load
from locust import FastHttpUser, constant, task

class Reader(FastHttpUser):
    wait_time = constant(0.005)

    @task
    def stored(self) -> None:
        self.client.get("/stored/1", name="/stored")
"""


class Cache:
    """/stored: from store since before the test, one origin response for each path; /made: by the origin just now."""

    def __init__(self) -> None:
        self._seqs = itertools.count(1000)
        self._started_ns = monotonic_ns()

    def reply(self, seen: Seen) -> bytes:
        if seen.target == "/made":
            return ok(b"x", f"Edgebench-Origin: seq={next(self._seqs)};t={monotonic_ns()}", "X-Cache: MISS")
        if seen.target == "/unmarked":
            return ok(b"x", "X-Cache: HIT")
        seq = int(seen.target.rpartition("/")[2])
        return ok(b"x", f"Edgebench-Origin: seq={seq};t={self._started_ns}", "X-Cache: HIT")


@dataclass(frozen=True, slots=True)
class Ui:
    url: str

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def post(self, path: str, **form: object) -> None:
        with urllib.request.urlopen(self.url + path, urllib.parse.urlencode(form).encode(), timeout=10) as answer:
            assert json.load(answer)["success"] is True if path == "/swarm" else True

    def live(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.get("/cache/live"))
        return value

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.live()["rows"]}

    def stats(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.get("/stats/requests"))
        return value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def awaited(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 40
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"Locust ended: {process.communicate()[0]}")
        try:
            if reached():
                return
        except OSError:
            pass  # not up yet
        time.sleep(0.05)  # a poll, bounded by give_up
    process.terminate()
    pytest.fail(f"waited in vain: {process.communicate(timeout=20)[0]}")


@contextmanager
def locust(directory: Path, host: str, users: str, base: str, *options: str) -> Iterator[tuple[Ui, Any]]:
    path = directory / "locustfile_under_test.py"
    path.write_text(users)
    web, bus = free_port(), str(free_port())
    fixed = ["--host", host, "--web-host", "127.0.0.1", "--web-port", str(web), "--web-base-path", base]
    bound = ["--master-bind-port", bus, "--master-port", bus]
    line = [sys.executable, "-m", "locust", "-f", str(path), *fixed, *bound, *options]
    with subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as process:
        try:
            yield Ui(f"http://127.0.0.1:{web}{base}"), process
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_tab_counts_what_the_server_saw(tmp_path: Path, workers: int) -> None:
    options = ["--rate", "300", *(["--processes", str(workers)] if workers else [])]
    with (
        serving(Cache().reply) as server,
        locust(tmp_path, server.url, USERS, "/base" if workers else "", *options) as (ui, process),
    ):
        awaited(lambda: json.loads(ui.get("/worker-count"))["worker_count"] == workers, process)
        ui.post("/swarm", user_count=4, spawn_rate=100)
        awaited(lambda: ui.rows()["Aggregated"]["requests"] > 600, process)
        assert ui.stats()["extended_stats"][0]["key"] == "cache"
        ui.post("/stop")
        awaited(lambda: ui.stats()["state"] == "stopped", process)
        asked = server.targets()
        awaited(lambda: ui.rows()["Aggregated"]["requests"] >= len(asked), process)

        document, rows = ui.live(), ui.rows()
        total, made = rows["Aggregated"], asked.count("/made")
        assert total["requests"] == len(asked)
        assert rows["/made"]["requests"] == made
        assert [rows[name]["proved_hit_ratio"] for name in ("/stored", "/made", "/unmarked")] == [1.0, 0.0, None]
        assert [rows[name]["claimed_hit_ratio"] for name in ("/stored", "/made", "/unmarked")] == [1.0, 0.0, 1.0]
        stored = [target for target in asked if target.startswith("/stored")]
        assert rows["/stored"]["origin_offload"] == pytest.approx(1 - len(set(stored)) / len(stored), abs=1e-6)
        assert rows["/made"]["origin_offload"] == 0.0
        wrapped = len(stored) + made
        assert total["origin_offload"] == pytest.approx(1 - (len(set(stored)) + made) / wrapped, abs=1e-6)
        assert total["proved_hit_ratio"] == pytest.approx(len(stored) / wrapped, abs=1e-6)
        for name, kind in (("/stored", "hit"), ("/made", "miss"), ("/unmarked", "hit")):
            assert 10 < rows[name][f"{kind}_latency_p50_us"] < 10**6
            assert rows[name][f"{'miss' if kind == 'hit' else 'hit'}_latency_p50_us"] is None

        parsed = list(csv.DictReader(io.StringIO(ui.get("/cache/csv"))))
        assert parsed == [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in document["rows"]
        ]
        shown = {row["endpoint"]: row for row in ui.stats()["extended_stats"][0]["data"]}
        assert list(shown) == [row["name"] for row in document["rows"]]
        assert [shown["/made"][key].strip() for key in ("requests", "proved", "offload")] == [f"{made:,}", "0.0", "0.0"]
        assert_page(ui)

        if not workers:  # a second test in the same process counts anew
            ui.post("/swarm", user_count=1, spawn_rate=1)
            awaited(lambda: 0 < ui.rows()["Aggregated"]["requests"] < len(asked), process)


def assert_page(ui: Ui) -> None:
    page = ui.get("/?tab=cache")
    arguments = json.loads(page.partition("window.templateArgs = ")[2].partition("\n")[0])
    assert {"title": "Cache", "key": "cache"} in arguments["extended_tabs"]
    assert [table["key"] for table in arguments["extended_tables"]] == ["cache"]
    keys = {column["key"] for column in arguments["extended_tables"][0]["structure"]}
    assert keys == set(ui.stats()["extended_stats"][0]["data"][0])
    assert {"href": "./cache/csv", "title": "Download cache CSV"} in arguments["extended_csv_files"]
    assert '<script type="module" src="./cache/tab.js"></script></body>' in page
    assert "MutationObserver" in ui.get("/cache/tab.js")


def test_the_tab_counts_the_requests_of_somebodys_own_users(tmp_path: Path) -> None:
    with serving(Cache().reply) as server, locust(tmp_path, server.url, STOCK, "") as (ui, process):
        awaited(lambda: ui.stats()["state"] == "ready", process)
        ui.post("/swarm", user_count=2, spawn_rate=100)
        awaited(lambda: ui.rows()["Aggregated"]["requests"] > 50, process)
        assert ui.rows()["/stored"]["proved_hit_ratio"] == 1.0


def test_the_figures_are_behind_the_login(tmp_path: Path) -> None:
    with (
        serving(Cache().reply) as server,
        locust(tmp_path, server.url, USERS + LOGIN, "", "--web-login") as (ui, process),
    ):
        awaited(lambda: "auth" in ui.get("/login"), process)
        for path in ("/cache/live", "/cache/csv"):
            assert "aggregated" not in ui.get(path).lower()
            assert "authArgs" in ui.get(path)


LOGIN = """
from locust import events

@events.init.add_listener
def _(environment, **_):
    environment.web_ui.app.secret_key = "test"
    environment.web_ui.login_manager.user_loader(lambda name: None)
"""
