"""Whole generator runs, each in a process of its own, as users start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.load import samples

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
    ]
    return [sys.executable, "-m", "locust", "-f", str(path), *fixed, *options]


def run(directory: Path, url: str, *options: str, locustfile: str = READER) -> Result:
    line = command(directory, url, *options, locustfile=locustfile)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return Result(done.returncode, done.stdout + done.stderr, directory / "record")


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
