"""Page loads of a real browser at the end of a trial, where there is one: they check the emulation of page views.

It runs in the client's place in the network. What it asks comes after the load and is no part of any sample's evidence.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc

from edgebench.runner.guardian import Guardian
from edgebench.runner.services import POLL_S, Service, exit_text, log_tail
from edgebench.store import BROWSER

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET = f"none of {', '.join(NAMES)} is installed; install one"
PAGE = "/"
_START_S = 20.0
_LOAD_S = 15.0
"""The most a start, and a load on a slow network, may take."""


@dataclass(frozen=True, slots=True)
class PageLoads:
    """What the browser measured."""

    table: pa.Table
    """store.BROWSER, but for `started_ns`, which is CLOCK_MONOTONIC."""
    problem: str = ""
    """Why some or all loads are missing."""

    @classmethod
    def none(cls) -> PageLoads:
        """Where no browser was asked for."""
        return cls(BROWSER.empty_table())

    def since(self, start_ns: int) -> pa.Table:
        """store.BROWSER of a trial that began then."""
        place = self.table.schema.get_field_index("started_ns")
        return self.table.set_column(place, "started_ns", pc.subtract(self.table["started_ns"], start_ns))


def find() -> str | None:
    """Chromium, or Chrome, as the system has it."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def load_pages(
    url: str, loads: int, *, work: Path, cores: Sequence[int], guardian: Guardian, prefix: Sequence[str] = ()
) -> PageLoads:
    """Load the home page at `url` as `loads` new visitors, who then return. Whatever fails is said, not raised.

    `prefix`: words before the command line that put it in the client's place. The browser's log is in `work`.
    """
    path = find()
    if path is None:
        return PageLoads(BROWSER.empty_table(), f"no browser: {HOW_TO_GET}")
    if find_spec("playwright") is None:
        return PageLoads(BROWSER.empty_table(), "no driver for the browser: pip install playwright")
    out = work / "page_loads.jsonl"
    argv = (
        *prefix, sys.executable, "-m", "edgebench.runner.page_loads", "--browser", path, "--url", url + PAGE,
        "--loads", str(loads), "--out", str(out),
    )  # fmt: skip
    # The browser's own files: a short path, because it makes a socket in it.
    with tempfile.TemporaryDirectory(prefix="edgebench-", ignore_cleanup_errors=True) as scratch:
        environment = {"TMPDIR": scratch, "HOME": scratch, "PYTHONDONTWRITEBYTECODE": "1"}
        service = Service("browser", "browser", argv, environment, work / "browser.log", cores, guardian)
        problem = _run(service, _START_S + 2 * loads * _LOAD_S)
    table = _table(out)
    missing = 2 * loads - table.num_rows
    if missing and not problem:
        problem = "the browser ended before its time"
    return PageLoads(table, f"{missing} of {2 * loads} page loads are missing: {problem}" if missing else "")


def _run(service: Service, limit_s: float) -> str:
    """Why it did not end well; empty: it did. Whatever happens, it has ended."""
    service.start()
    assert service.popen is not None
    deadline = time.monotonic() + limit_s
    try:
        while (code := service.popen.poll()) is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
    finally:
        _end(service)
    if code is None:
        return f"it was not done after {limit_s:g} s"
    return "" if code == 0 else f"it ended with {exit_text(code)}: {log_tail(service.log)}"


def _end(service: Service) -> None:
    """The driver, and the browser, which is in a session of its own: it ends when its driver is gone, or hangs."""
    descendants: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        descendants = psutil.Process(service.pid).children(recursive=True)
    service.stop(grace_s=1.0)
    for process in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _table(out: Path) -> pa.Table:
    rows: list[Mapping[str, Any]] = []
    for line in out.read_text().splitlines() if out.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:  # cut off
            continue
        rows.append({**row, "requests": len(row["asked"])})
    columns = {field.name: pa.array([row[field.name] for row in rows], _plain(field.type)) for field in BROWSER}
    return pa.table(columns).cast(BROWSER)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
