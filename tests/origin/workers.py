"""An origin answers as soon as one of its workers can."""

from __future__ import annotations

import time

from edgebench.origin import rows
from edgebench.runner.stack import Stack
from tests.client import ask_at_once


def await_workers(stack: Stack, count: int) -> None:
    """Until so many workers have answered, with requests for /public/worker."""
    deadline = time.monotonic() + 30
    while len(set(rows.read(stack.ledger, 0).column("worker").to_pylist())) < count:
        assert time.monotonic() < deadline, f"{count} workers did not come up"
        ask_at_once(stack.url, ["/public/worker?delay_ms=20"] * 12)
