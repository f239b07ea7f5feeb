"""The ledger's files, read back into one table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from edgebench.origin.ledger import FIELDS, WORKER_SHIFT
from edgebench.store import LEDGER


def read(directory: Path, start_monotonic_ns: int) -> pa.Table:
    """All rows of a trial's ledger as store.LEDGER, ordered by start_ns, times since start_monotonic_ns.

    The last line of a file may be torn where its worker was killed in the act; it is left out, since nobody can have
    had the whole of that answer.
    """
    rows: list[list[object]] = []
    for path in sorted(directory.glob("ledger-*.jsonl")):
        lines = path.read_bytes().rstrip(b"\0").split(b"\n")
        rows += [json.loads(line) for line in lines[:-1]]
    columns = dict(zip(FIELDS, zip(*rows, strict=True), strict=True)) if rows else {name: () for name in FIELDS}
    arrays = {name: pa.array(values, from_pandas=False) for name, values in columns.items()}
    arrays["path"] = pa.array([str(key).partition("?")[0] for key in columns["key"]], pa.string())
    arrays["worker"] = pa.array([int(str(seq)) >> WORKER_SHIFT for seq in columns["seq"]], pa.int16())
    for name in ("start_ns", "end_ns"):
        arrays[name] = pa.array([int(str(at)) - start_monotonic_ns for at in columns[name]], pa.int64())
    table = pa.table([arrays[name] for name in LEDGER.names], names=LEDGER.names).cast(LEDGER)
    return table.sort_by("start_ns")


def last_written(directory: Path) -> tuple[int, ...]:
    """Something that changes while rows are being written: within a page of them (some 30 rows), that is."""
    return tuple(file.stat().st_mtime_ns for file in sorted(directory.glob("ledger-*.jsonl")))
