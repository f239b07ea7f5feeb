"""What the ledger costs the app: requests/s and CPU per request, bare and wrapped, side by side in one run.

    make bench-origin        prints the figures and writes them to benchmarks/origin_overhead.json

Two gunicorns serve target_app on the same core, one bare, one wrapped, in rounds that alternate (bare, wrapped,
wrapped, bare, …), so that a slow moment of a shared machine hits both. Two processes of one and the same program differ
by up to 3 % (measured, bare against bare), so the pair is started anew many times and is the unit of inference: the
figure is the geometric mean of the pairs' ratios with its 95 % interval. Clients are threads on another core.
"""

from __future__ import annotations

import json
import math
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgebench.model import OriginSpec
from edgebench.origin import process
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import Service, await_ready, free_port

PAIRS = 40
ROUNDS = 6
"""Of each pair, after one to warm up."""
ROUND_S = 0.4
CLIENTS = 4
STUDENT_T = 2.023
"""97.5 % of Student's t with PAIRS - 1 degrees of freedom."""


@dataclass(frozen=True)
class Measured:
    requests_per_s: float
    cpu_us_per_request: float


def client(port: int, target: str, deadline: float, counts: list[int]) -> None:
    """Ask for the same product over one connection until the deadline."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    count = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < deadline:
            connection.sendall(request)
            data = connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65536)
            count += 1
    counts.append(count)


def measure(service: Service, port: int) -> Measured:
    counts: list[int] = []
    before, began = cpu_s(service), time.monotonic()
    threads = [
        threading.Thread(target=client, args=(port, f"/api/products/{number + 1}", began + ROUND_S, counts))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, spent = time.monotonic() - began, cpu_s(service) - before
    return Measured(sum(counts) / took, spent / sum(counts) * 1e6)


def cpu_s(service: Service) -> float:
    """CPU seconds of the service's processes, to the nanosecond where the kernel says them."""
    total = 0.0
    for pid, member in service.members.items():
        tasks = Path(f"/proc/{pid}/task")
        if tasks.exists():
            total += sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
        else:
            times = member.cpu_times()
            total += times.user + times.system
    return total


def ratio(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Geometric mean of second/first with its 95 % interval over rounds."""
    logs = [math.log(second / first) for first, second in pairs]
    mean = statistics.fmean(logs)
    half = STUDENT_T * statistics.stdev(logs) / math.sqrt(len(logs))
    return {"ratio": math.exp(mean), "low": math.exp(mean - half), "high": math.exp(mean + half)}


def measure_pair(directory: Path) -> tuple[Measured, Measured]:
    """One fresh process bare, one wrapped: the median of each one's rounds."""
    placement = place(available_cores())
    spec = OriginSpec(threads=CLIENTS)
    with Guardian() as guardian, ExitStack() as stop:
        services: dict[str, tuple[Service, int]] = {}
        for name in random.sample(("bare", "wrapped"), 2):
            env: Mapping[str, str] = process.environment(spec, None, directory / name)
            if name == "bare":
                env = {key: value for key, value in env.items() if key != "EDGEBENCH_LEDGER"}
            port = free_port()
            log = directory / f"{name}.log"
            service = Service(name, "origin", process.argv(spec, port), env, log, placement.system, guardian)
            service.children = 1
            service.start()
            stop.callback(service.stop)
            services[name] = (service, port)
        for service, port in services.values():
            await_ready(service, port, "/healthz", 30)
        rounds: dict[str, list[Measured]] = {"bare": [], "wrapped": []}
        with on_cores(placement.generator):
            for number in range(ROUNDS + 1):
                for name in ("bare", "wrapped") if number % 2 else ("wrapped", "bare"):
                    measured = measure(*services[name])
                    if number:
                        rounds[name].append(measured)
    return middle(rounds["bare"]), middle(rounds["wrapped"])


def middle(rounds: list[Measured]) -> Measured:
    return Measured(
        statistics.median(each.requests_per_s for each in rounds),
        statistics.median(each.cpu_us_per_request for each in rounds),
    )


def run(directory: Path) -> dict[str, object]:
    pairs = []
    for number in range(PAIRS):
        pairs.append(measure_pair(directory / str(number)))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    bare, wrapped = (middle([pair[at] for pair in pairs]) for at in (0, 1))
    return {
        "pairs": PAIRS,
        "cores": os.cpu_count(),
        "bare_requests_per_s": round(bare.requests_per_s, 1),
        "wrapped_requests_per_s": round(wrapped.requests_per_s, 1),
        "bare_cpu_us_per_request": round(bare.cpu_us_per_request, 1),
        "wrapped_cpu_us_per_request": round(wrapped.cpu_us_per_request, 1),
        "throughput_wrapped_to_bare": ratio([(a.requests_per_s, b.requests_per_s) for a, b in pairs]),
        "cpu_wrapped_to_bare": ratio([(a.cpu_us_per_request, b.cpu_us_per_request) for a, b in pairs]),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        figures = json.dumps(run(Path(folder)), indent=2)
    print(figures)
    Path(__file__).with_suffix(".json").write_text(figures + "\n")
