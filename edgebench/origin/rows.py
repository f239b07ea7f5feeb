"""The ledger's files, read back into one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from edgebench.origin.freshness import shared_ttl_s, stale_ok_s
from edgebench.origin.ledger import FIELDS, WORKER_SHIFT, files, records
from edgebench.store import LEDGER

_BODILESS = (204, 304)


def read(directory: Path, start_monotonic_ns: int) -> pa.Table:
    """All rows of a trial's ledger as store.LEDGER, ordered by start_ns, times since start_monotonic_ns."""
    rows = list(_rows(directory, start_monotonic_ns))
    return pa.Table.from_pylist(rows, LEDGER).sort_by("start_ns")


def _rows(directory: Path, start_monotonic_ns: int) -> Iterator[dict[str, Any]]:
    for path in files(directory):
        for record in records(path):
            row: dict[str, Any] = dict(zip(FIELDS, record, strict=True))
            row["key"] = key = _key(row["target"])
            row["path"] = key.partition("?")[0]
            row["status"] = status = int(row["status"][:3])
            if row["method"] == "HEAD" or status in _BODILESS:
                row["bytes"] = 0
            row["ttl_s"] = ttl_s = _ttl_s(row)
            row["stale_ok_s"] = stale_ok_s(row["cache_control"], ttl_s)
            row["worker"] = row["seq"] >> WORKER_SHIFT
            row["start_ns"] -= start_monotonic_ns
            row["end_ns"] -= start_monotonic_ns
            yield {name: row[name] for name in LEDGER.names}


def _key(target: str) -> str:
    """Path and query; of an absolute-form target, which a proxy may send, what follows the host."""
    return target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]


def _ttl_s(row: dict[str, Any]) -> int | None:
    if row["method"] not in ("GET", "HEAD") or "*" in row["vary"]:
        return 0
    return shared_ttl_s(row["cache_control"], row["authorized"])


def last_written(directory: Path) -> tuple[int, ...]:
    """Something that changes while rows are being written: within a page of them (some 30 rows), that is."""
    return tuple(file.stat().st_mtime_ns for file in files(directory))
