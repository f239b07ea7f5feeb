"""Masters and workers: what the master has is what the workers had, whatever becomes of them."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from edgebench.load import samples
from edgebench.load.record import DTYPE
from tests.load.runs import Result, cluster, processes, run, until
from tests.load.server import Server, serving, stamped


def raw(directory: Path, worker: int) -> bytes:
    return (directory / f"samples-{worker}.bin").read_bytes()


def offered(server: Server) -> int:
    return len(server.seen)


def by_worker(result: Result) -> dict[int, dict[str, Any]]:
    return {each["worker"]: each for each in result.generator["workers"]}


def test_workers_divide_the_rate(tmp_path: Path) -> None:
    with serving(stamped) as server:
        result = run(tmp_path, server.url, "--rate", "300", "--measure", "1", *processes(2))
    assert result.code == 0, result.output
    rows, generator = result.rows, result.generator
    assert {row["worker"] for row in rows} == {0, 1}
    assert [(each["worker"], each["complete"]) for each in generator["workers"]] == [(0, True), (1, True)]
    assert generator["sent"] == len(rows) == len(server.seen)
    assert 300 - 70 < sum(row["phase"] == "measure" for row in rows) < 300 + 70
    for each in generator["workers"]:
        assert each["received"] == each["recorded"] == sum(row["worker"] == each["worker"] for row in rows)
        assert (each["clock_offset_ns"], each["clock_uncertainty_ns"]) == (0, 0)  # one machine, one clock


def test_what_the_master_merges_is_the_union_of_the_parts(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(3, "--rate", "900", "--measure", "3", "--parquet", "--record-parts", str(parts))
        result = nodes.finish()
    assert result.code == 0, result.output
    merged = pq.read_table(result.record / "samples.parquet")
    assert f"{merged.num_rows:,} samples" in result.output

    # What each worker wrote by itself, put together here with nothing of the merging code.
    rows = np.concatenate([np.frombuffer(raw(parts, worker), DTYPE) for worker in range(3)])
    workers = np.concatenate([np.full(len(raw(parts, each)) // DTYPE.itemsize, each) for each in range(3)])
    order = np.lexsort((workers, rows["sent_ns"]))
    start_ns = result.generator["start_ns"]
    for name in ("scheduled_ns", "sent_ns", "done_ns"):
        assert np.array_equal(merged[name].to_numpy(), rows[name][order] - start_ns)
    assert np.array_equal(merged["origin_seq"].to_numpy(), rows["origin_seq"][order])
    assert np.array_equal(merged["worker"].to_numpy(), workers[order])
    latency = merged["done_ns"].to_numpy() - merged["scheduled_ns"].to_numpy()
    for share in (50, 90, 99, 99.9):
        assert np.percentile(latency, share) == np.percentile(rows["done_ns"] - rows["scheduled_ns"], share)

    # And in every column: the parts, converted as if somebody had copied them to one place.
    shutil.copy(result.record / "generator.json", parts)
    assert merged.to_pylist() == samples.read(parts, start_ns).to_pylist()
    assert Counter(merged["origin_seq"].to_pylist()) == Counter(seen.at_ns for seen in server.seen)
    assert Counter(merged["key"].to_pylist()) == Counter(server.targets())
    assert merged.num_rows > 2000


def test_a_worker_that_dies_leaves_what_it_sent_and_the_loss_is_stated(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(3, "--rate", "300", "--measure", "8", "--record-parts", str(parts))
        until(lambda: offered(server) > 600)
        nodes.workers[1].send_signal(signal.SIGKILL)
        killed_ns = monotonic_ns()
        result = nodes.finish()
    assert result.code == 0, result.output
    assert result.generator["complete"] is True  # it ran its course
    workers = by_worker(result)
    (dead,) = [each for each in workers.values() if each["lost"]]
    assert dead["complete"] is False
    assert dead["recorded"] is None
    assert f"worker {dead['id']} died" in result.output
    assert f"{dead['received']} samples received" in result.output
    for number in set(workers) - {dead["worker"]}:
        assert workers[number]["complete"]
        assert raw(result.record, number) == raw(parts, number)
    kept, had = (np.frombuffer(raw(each, dead["worker"]), DTYPE) for each in (result.record, parts))
    assert 0 < len(kept) == dead["received"] <= len(had)
    assert kept.tobytes() == had[: len(kept)].tobytes()
    assert dead["last_done_ns"] == kept["done_ns"].max() > killed_ns - 1_000_000_000
    # What the server answered and nobody has is of the dead worker's last second.
    have = {row["origin_seq"] for row in result.rows}
    missing = [seen.at_ns for seen in server.seen if seen.at_ns not in have]
    assert all(killed_ns - 1_000_000_000 < at_ns <= killed_ns + 100_000_000 for at_ns in missing)
    # The others went on with their share and did not take over its.
    later = [row for row in result.rows if row["scheduled_ns"] > killed_ns + 1_000_000_000]
    assert {row["worker"] for row in later} == set(workers) - {dead["worker"]}


def test_without_any_worker_the_test_ends(tmp_path: Path) -> None:
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(2, "--rate", "100", "--measure", "100")
        until(lambda: offered(server) > 50)
        for worker in nodes.workers:
            worker.send_signal(signal.SIGKILL)
        result = nodes.finish()
    assert result.code != 0
    assert result.output.count("died, and its share of the load with it") == 2
    assert len(result.rows) == sum(each["received"] for each in result.generator["workers"]) > 0
    assert result.generator["complete"] is False


def test_a_worker_that_is_asked_to_go_sends_everything_first(tmp_path: Path) -> None:
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(2, "--rate", "200", "--measure", "3")
        until(lambda: offered(server) > 200)
        nodes.workers[0].send_signal(signal.SIGTERM)
        result = nodes.finish()
    assert result.code == 0, result.output
    gone, stayed = sorted(by_worker(result).values(), key=lambda each: not each["lost"])
    assert (gone["lost"], gone["complete"], stayed["lost"], stayed["complete"]) == (True, True, False, True)
    assert f"all its {gone['received']} samples are kept" in result.output
    assert {seen.at_ns for seen in server.seen} == {row["origin_seq"] for row in result.rows if row["status"]}


def test_a_test_stopped_in_the_middle_is_complete(tmp_path: Path) -> None:
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(2, "--rate", "200")
        until(lambda: offered(server) > 200)
        assert nodes.master is not None
        nodes.master.send_signal(signal.SIGTERM)
        result = nodes.finish()
    assert result.code == 0, result.output
    assert all(each["complete"] for each in result.generator["workers"])
    assert {seen.at_ns for seen in server.seen} == {row["origin_seq"] for row in result.rows if row["status"]}
    assert result.generator["complete"] is False


def test_a_worker_that_comes_late_offers_no_load_on_top(tmp_path: Path) -> None:
    with serving(stamped) as server, cluster(tmp_path, server.url) as nodes:
        nodes.start(2, "--rate", "300", "--arrivals", "constant", "--measure", "6")
        until(lambda: offered(server) > 150)
        nodes.start_worker()
        result = nodes.finish()
    assert result.code == 0, result.output
    workers = by_worker(result)
    assert set(workers) == {0, 1, 2}
    assert (workers[2]["received"], workers[2]["complete"]) == (0, True)
    measured = [row for row in result.rows if row["phase"] == "measure"]
    assert len(measured) == 300 * 6 - 2  # two workers in turns, each beginning with its second
    assert "came after the load was divided" in (tmp_path / "worker-2.log").read_text()
