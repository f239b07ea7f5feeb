"""Whole generator runs, each in a process of its own, as users start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebench.load import samples
from edgebench.runner.services import free_port

ROOT = Path(__file__).resolve().parents[2]
READER = """
from edgebench.load import EdgeUser
from locust import task

class Reader(EdgeUser):
    @task(3)
    def product(self) -> None:
        self.client.get(f"/p/{self.popular()}", name="/p/[id]")

    @task
    def listing(self) -> None:
        self.client.get(f"/l?page={self.popular(5)}", name="/l?page")
"""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    output: str
    record: Path

    @property
    def generator(self) -> dict[str, Any]:
        value = samples.read_generator(self.record)
        assert value is not None, self.output
        return value

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = samples.read(self.record, 0).to_pylist()
        return rows


def command(directory: Path, url: str, *options: str, locustfile: str = READER) -> list[str]:
    path = directory / "locustfile_under_test.py"
    path.write_text(locustfile)
    fixed = [
        "--headless",
        "--only-summary",
        "--host",
        url,
        "-u",
        "8",
        "-r",
        "100",
        "--record",
        str(directory / "record"),
        "--no-parquet",  # which takes a second; a test that wants it says --parquet
    ]
    return [sys.executable, "-m", "locust", "-f", str(path), *fixed, *options]


def run(directory: Path, url: str, *options: str, locustfile: str = READER) -> Result:
    line = command(directory, url, *options, locustfile=locustfile)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return Result(done.returncode, done.stdout + done.stderr, directory / "record")


def processes(count: int) -> list[str]:
    """Options for a master and `count` workers on a channel of their own."""
    port = str(free_port())
    return ["--processes", str(count), "--master-bind-port", port, "--master-port", port]


@dataclass
class Cluster:
    """A master and its workers, each started by itself, as on several machines. The workers are told only where the
    master is."""

    directory: Path
    url: str
    port: str = field(default_factory=lambda: str(free_port()))
    workers: list[subprocess.Popen[str]] = field(default_factory=list)
    master: subprocess.Popen[str] | None = None

    def start(self, workers: int, *options: str) -> None:
        """The load begins when that many workers have come."""
        line = command(self.directory, self.url, *options)
        channel = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", self.port]
        self.master = self._popen([*line, *channel, "--expect-workers", str(workers)], "master.log")
        for _ in range(workers):
            self.start_worker()

    def start_worker(self) -> None:
        path = str(self.directory / "locustfile_under_test.py")
        line = [sys.executable, "-m", "locust", "-f", path, "--worker", "--master-port", self.port]
        self.workers.append(self._popen(line, f"worker-{len(self.workers)}.log"))

    def finish(self) -> Result:
        assert self.master is not None
        code = self.master.wait(timeout=60)
        for worker in self.workers:
            worker.wait(timeout=30)
        return Result(code, (self.directory / "master.log").read_text(), self.directory / "record")

    def kill(self) -> None:
        for process in (self.master, *self.workers):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def _popen(self, line: list[str], log: str) -> subprocess.Popen[str]:
        with (self.directory / log).open("w") as file:
            return subprocess.Popen(line, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, text=True)


@contextmanager
def cluster(directory: Path, url: str) -> Iterator[Cluster]:
    """A cluster that is gone afterwards, whatever happens."""
    made = Cluster(directory, url)
    try:
        yield made
    finally:
        made.kill()


def until(reached: Callable[[], bool]) -> None:
    """Wait for a condition; a test that waits in vain fails after half a minute."""
    give_up = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < give_up, "not reached within 30 s"
        time.sleep(0.02)


def run_until(directory: Path, url: str, reached: Callable[[], bool], end: signal.Signals, *options: str) -> Result:
    """Start, wait until `reached`, send `end`."""
    with subprocess.Popen(
        command(directory, url, *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            give_up = time.monotonic() + 30
            while not reached() and time.monotonic() < give_up:
                time.sleep(0.02)  # a poll, bounded by give_up
            process.send_signal(end)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    return Result(process.returncode, output, directory / "record")
