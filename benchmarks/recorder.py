"""What recording costs: CPU per sample, send lag with and without it, and memory for ten million samples.

    make bench-recorder     prints the figures and writes them to benchmarks/recorder.json (a minute and a half)

CPU: a million samples over 10,000 keys through the real recorder to real files, all threads counted, less a loop that
calls a function which does nothing with the same arguments. Send lag: one generator at 5,000 requests/s against a null
server on another core; every half second it goes on to the next of three ways (not recording, recording, recording
without a thread that writes), so that all three have the same moments of the machine. Memory: the most that a process
which has imported Locust held while it recorded ten million samples, and that the one held which made Parquet of them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgebench.load.record import RECORD
from edgebench.runner import null_server
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import await_ready, free_port
from edgebench.tiers.adapter import PROBE_PATH

ROUNDS = 5
MANY = 10_000_000
RATE_RPS = 5000
BODY_BYTES = 1500
ROOT = Path(__file__).resolve().parents[1]
USER = Path(__file__).with_name("recorder_user.py")


def child(code: str, *words: str) -> dict[str, Any]:
    """Run one of recorder_child's functions in a process of its own; what it prints."""
    argv = [sys.executable, "-m", "benchmarks.recorder_child", code, *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{code} failed:\n{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def cpu(folder: Path) -> dict[str, float]:
    rounds = [child("cpu", str(folder / f"cpu-{number}"))["cpu_ns"] for number in range(ROUNDS)]
    return {"rounds": ROUNDS, "median_ns": round(statistics.median(rounds)), "most_ns": round(max(rounds))}


def send_lag(folder: Path) -> dict[str, Any]:
    placement, port = place(available_cores()), free_port()
    with Guardian() as guardian, ExitStack() as stop:
        server = null_server.null_server(folder / "nginx", port, [BODY_BYTES], placement.system, guardian)
        server.start()
        stop.callback(server.stop)
        await_ready(server, port, f"{PROBE_PATH}ping", 10)
        argv = [
            sys.executable, "-m", "locust", "-f", str(USER), "--headless", "--only-summary",
            "--host", f"http://127.0.0.1:{port}", "-u", "8", "-r", "100", "--rate", str(RATE_RPS), "--spin",
            "--run-time", "45s",
        ]  # fmt: skip
        env = {"EDGEBENCH_BENCH_PATH": f"/{BODY_BYTES}", "EDGEBENCH_BENCH_FOLDER": str(folder / "lag")}
        with on_cores(placement.generator):
            done = subprocess.run(
                argv, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
            )
    if done.returncode != 0:
        raise SystemExit(f"locust failed:\n{done.stdout}{done.stderr}")
    figures: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {"rate_rps": RATE_RPS, **figures}


def memory(folder: Path) -> dict[str, Any]:
    written = child("record", str(folder / "many"), str(MANY))
    converted = child("convert", str(folder / "many"))
    return {"samples": MANY, "bytes_per_sample": RECORD.size, "recording": written, "converting": converted}


def run(folder: Path) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "cpu_per_sample": cpu(folder),
        "send_lag": send_lag(folder),
        "memory": memory(folder),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edgebench-") as name:
        figures = json.dumps(run(Path(name)), indent=2)
    print(figures)
    Path(__file__).with_suffix(".json").write_text(figures + "\n")
