"""Runs that are recorded: killed, to Parquet, of somebody else's users, to a disk that is full."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections import Counter
from pathlib import Path
from time import monotonic_ns

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgebench.load import samples
from edgebench.load.record import DTYPE
from edgebench.origin.wrapper import principal
from edgebench.runner.services import free_port
from edgebench.store import SAMPLES
from tests.load.runs import ROOT, command, processes, run, run_until, until
from tests.load.server import Seen, ok, serving, stamped


def test_a_killed_generator_loses_at_most_its_last_second(tmp_path: Path) -> None:
    begin = monotonic_ns()

    def enough() -> bool:
        return bool(server.seen) and server.seen[-1].at_ns - server.seen[0].at_ns > 2e9

    with serving(stamped) as server:
        result = run_until(tmp_path, server.url, enough, signal.SIGKILL, "--rate", "100")
        killed = server.seen[-1].at_ns
    seqs = {row["origin_seq"] for row in result.rows}
    assert begin < killed
    assert all(seen.at_ns in seqs for seen in server.seen if seen.at_ns < killed - 1e9)
    assert seqs <= {seen.at_ns for seen in server.seen}
    # What is there is readable: no string is missing.
    assert Counter(row["key"] for row in result.rows) <= Counter(server.targets())


def test_a_recorded_run_ends_with_parquet_and_says_where(tmp_path: Path) -> None:
    with serving(stamped) as server:
        result = run(tmp_path, server.url, "--rate", "200", "--measure", "0.5", "--parquet")
    assert result.code == 0, result.output
    path = result.record / "samples.parquet"
    table = pq.read_table(path)
    assert table.schema.equals(SAMPLES)
    assert f"{len(server.seen)} samples: {path}" in result.output
    assert table.to_pylist() == samples.read(result.record, result.generator["start_ns"]).to_pylist()
    raw = np.fromfile(result.record / "samples-0.bin", DTYPE)
    assert table["done_ns"].to_numpy().max() == raw["done_ns"].max() - result.generator["start_ns"]


@pytest.mark.parametrize("user", ["HttpUser", "FastHttpUser"])
@pytest.mark.parametrize("workers", [0, 2])
def test_somebody_elses_users_are_recorded_as_well(tmp_path: Path, user: str, workers: int) -> None:
    locustfile = f"""
import edgebench.load
from locust import {user}, constant, task
class Old({user}):
    wait_time = constant(0.02)
    @task(9)
    def page(self) -> None:
        self.client.get("/page?x=1", name="page", headers={{"Authorization": "Bearer ann", "Accept-Language": "de"}})
    @task
    def gone(self) -> None:
        self.client.get("/gone")
"""

    def claiming(seen: Seen) -> bytes:
        status = "404 Not Found" if seen.target == "/gone" else "200 OK"
        variant = ("Content-Encoding: identity", "Content-Language: de")
        return ok(b"hi", "X-Cache-Status: HIT", "Age: 4", "Edgebench-Origin: seq=0;t=1", *variant, status=status)

    options = processes(workers) if workers else []
    with serving(claiming) as server:
        result = run(tmp_path, server.url, "--measure", "1", *options, locustfile=locustfile)
    assert result.code == 0, result.output
    rows = result.rows
    assert 50 < len(rows) <= len(server.seen)
    assert Counter(row["key"] for row in rows) <= Counter(server.targets())
    assert {
        (row["key"], row["endpoint"], row["status"], row["claim"], row["age_s"], row["origin_seq"]) for row in rows
    } == {("/page?x=1", "page", 200, "hit", 4, 0), ("/gone", "/gone", 404, "hit", 4, 0)}
    by_default = server.seen[0].headers.get("accept-encoding")
    encoding = [] if by_default is None else [f"accept-encoding: {by_default}"]
    ann = principal({"HTTP_AUTHORIZATION": "Bearer ann"})
    assert {(row["key"], row["principal"], row["accepts"]) for row in rows} == {
        ("/page?x=1", ann, "\n".join([*encoding, "accept-language: de"])),
        ("/gone", "", "\n".join(encoding)),
    }
    assert {(row["encoding"], row["language"], row["digest"]) for row in rows} == {("identity", "de", None)}
    assert {row["worker"] for row in rows} == set(range(workers or 1))
    assert all(row["sent_ns"] < row["done_ns"] and row["error"] is None for row in rows)
    assert all(each["complete"] for each in result.generator["workers"])
    assert result.generator["model"] == "closed"


def test_a_disk_that_is_full_ends_the_run_and_is_said(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with serving(stamped) as server:
        line = command(tmp_path, server.url, "--rate", "500", "--measure", "60")
        done = subprocess.run(
            line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, preexec_fn=small_files
        )
    assert done.returncode == 1
    assert "--record: [Errno 27] File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert samples.read(tmp_path / "record", 0).num_rows == 20_000 // 64


def test_with_a_web_ui_parquet_is_there_when_the_test_ends(tmp_path: Path) -> None:
    path = tmp_path / "record" / "samples.parquet"
    with serving(stamped) as server:
        line = [word for word in command(tmp_path, server.url, "--measure", "0.5") if word != "--headless"]
        web = ["--parquet", "--autostart", "--web-port", str(free_port())]
        with subprocess.Popen([*line, *web], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                until(path.exists)
                assert process.poll() is None  # Locust stays
                asked = len(server.seen)
            finally:
                process.terminate()
    assert pq.read_table(path).num_rows == asked > 0
