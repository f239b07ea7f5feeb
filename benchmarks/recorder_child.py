"""The parts of benchmarks.recorder that need a process of their own: cpu DIR, record DIR SAMPLES, convert DIR."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time_ns
from typing import Any

from edgebench.load.record import Recorder
from edgebench.load.sample_files import FileSink

KEYS = [f"/api/products/{number}" for number in range(10_000)]
CPU_SAMPLES = 1_000_000
METHOD, NAME, CLAIM = "GET", "/api/products/[id]", "cache-status: nginx; hit"
FLUSH_EVERY = 1250
"""Samples between two flushes: a quarter second at 5,000/s."""


def loop(record: Callable[..., None], samples: int, begin: Callable[[], object]) -> None:
    """Samples as a client records them, at 5,000/s."""
    for number in range(samples):
        at = 10**15 + number * 200_000
        record(
            at, at + 1_500, at + 61_000, at + 65_000, 1_500, (METHOD, NAME), KEYS[number * 7919 % 10_000], 200, 1500,
            CLAIM, 3, number, number & 63, 40_000, 1, None,
        )  # fmt: skip
        if number % FLUSH_EVERY == 0:
            begin()


def nothing(*_: object) -> None:
    pass


def cpu(folder: str) -> dict[str, float]:
    recorder = Recorder([FileSink(Path(folder), 0)])
    loop(recorder.record, 20_000, recorder.flush)
    begin_ns = process_time_ns()
    loop(nothing, CPU_SAMPLES, nothing)
    middle_ns = process_time_ns()
    loop(recorder.record, CPU_SAMPLES, recorder.flush)
    recorder.close()
    spent_ns = (process_time_ns() - middle_ns) - (middle_ns - begin_ns)
    return {"cpu_ns": spent_ns / CPU_SAMPLES}


def record(folder: str, samples: str) -> dict[str, float]:
    from edgebench.load import EdgeUser  # with it, Locust: what a generator holds anyway

    assert EdgeUser.abstract
    before_mib, begin_s = peak_mib(), perf_counter()
    recorder = Recorder([FileSink(Path(folder), 0)])
    loop(recorder.record, int(samples), recorder.flush)
    recorder.close()
    return {"peak_mib": peak_mib(), "before_mib": before_mib, "took_s": round(perf_counter() - begin_s, 1)}


def convert(folder: str) -> dict[str, float]:
    from edgebench.load import samples

    before_mib, begin_s = peak_mib(), perf_counter()
    path = Path(folder) / "samples.parquet"
    rows = samples.write_parquet(Path(folder), path, 10**15)
    figures = {"rows": rows, "peak_mib": peak_mib(), "before_mib": before_mib}
    return {**figures, "parquet_mib": round(path.stat().st_size / 2**20), "took_s": round(perf_counter() - begin_s, 1)}


def peak_mib() -> int:
    """The most memory this process has held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


if __name__ == "__main__":
    parts: dict[str, Callable[..., dict[str, Any]]] = {"cpu": cpu, "record": record, "convert": convert}
    print(json.dumps(parts[sys.argv[1]](*sys.argv[2:])))
