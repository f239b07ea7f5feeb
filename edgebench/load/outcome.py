"""What a recorded test leaves in its directory besides the samples: generator.json, and samples.parquet at the end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgebench.load.course import Course

MEASURING = "measuring.json"
_logger = logging.getLogger(__name__)


def write_generator(
    directory: Path, course: Course, counters: Sequence[Mapping[str, Any]], workers: Sequence[Mapping[str, Any]]
) -> None:
    """generator.json: what was offered, when, and by whom. `counters` of several workers are added up."""
    options = course.options
    generator = {
        "start_ns": course.start_ns,
        "measure_start_ns": course.measure_start_ns,
        "measure_end_ns": course.measure_end_ns,
        "warm_up_end": course.warm_up_end,
        "complete": course.complete,
        **options.facts(),
        "keys": options.keys,
        "zipf_s": options.zipf_s,
        "seed": options.seed,
        "spin": options.spin,
        **{name: sum(each[name] for each in counters) for name in (counters[0] if counters else {})},
        "workers": list(workers),
    }
    _write(directory / "generator.json", (json.dumps(generator, indent=2) + "\n").encode())


def measure_start_ns(directory: Path) -> int | None:
    """What measuring.json says (CLOCK_MONOTONIC); None: the measurement has not begun."""
    try:
        return int(json.loads((directory / MEASURING).read_text())["measure_start_ns"])
    except FileNotFoundError:
        return None


def write_measuring(directory: Path | None, measure_start_ns: int) -> None:
    """measuring.json, while the test runs: the measurement has begun. For whoever has something to do at given times
    of it. A full disk is somebody else's to report."""
    if directory is not None:
        # Requests wait for it: a first json.dumps and a text file take 3 ms.
        with contextlib.suppress(OSError):
            _write(directory / MEASURING, b'{"measure_start_ns": %d}\n' % measure_start_ns)


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def write_parquet(directory: Path) -> None:
    """Make samples.parquet of the raw samples, in a process of its own: this one may not have a gigabyte to spare."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    argv = [sys.executable, "-m", "edgebench.load.samples", str(directory)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        _logger.info("--record: %s", done.stdout.strip())
    else:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        _logger.error("--record: no samples.parquet (%s); the raw samples are in %s", said, directory)
