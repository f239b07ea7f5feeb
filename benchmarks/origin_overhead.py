"""What the ledger costs the app: requests/s and CPU per request, bare and wrapped, side by side in one run.

    make bench-origin        prints the figures and writes them to benchmarks/origin_overhead.json

One gunicorn serves target_app and goes over from bare to wrapped and back in rounds that alternate (bare, wrapped,
wrapped, bare, …): a slow moment of a shared machine hits both, and so does the luck of a process's memory layout, which
alone makes two processes of one and the same program differ by up to 3 % (measured, bare against bare). Fresh processes
are the unit of inference: the figure is the geometric mean of their ratios, each the median of many blocks, with its
95 % interval. Clients are threads on another core.
"""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.model import OriginSpec
from edgebench.origin import process
from edgebench.origin.ledger import Ledger
from edgebench.origin.wrapper import App, Witness
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import Service, await_ready, free_port
from target_app import create_app

PROCESSES = 16
BLOCKS = 30
"""Of each process, after one to warm up: bare, wrapped, wrapped, bare."""
ROUND_S = 0.1
CLIENTS = 4
STUDENT_T = 2.131
"""97.5 % of Student's t with PROCESSES - 1 degrees of freedom."""
LEDGER = "BENCHMARK_LEDGER"
GO_OVER = "/__go_over_to__/"


def switched() -> App:
    """The app both ways: a request for GO_OVER + `bare` or `wrapped` says which from then on. For gunicorn."""
    bare = create_app()
    ways: dict[str, App] = {"bare": bare, "wrapped": Witness(bare, Ledger(Path(os.environ[LEDGER])))}
    way: App = bare

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal way
        if environ["PATH_INFO"].startswith(GO_OVER):
            way = ways[environ["PATH_INFO"].removeprefix(GO_OVER)]
            start_response("204 No Content", [])
            return []
        return way(environ, start_response)

    return app


@dataclass(frozen=True)
class Measured:
    requests_per_s: float
    cpu_us_per_request: float


@dataclass(frozen=True)
class Block:
    bare: Measured
    wrapped: Measured


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


def measure_process(directory: Path) -> list[Block]:
    """The blocks of one fresh process."""
    placement = place(available_cores())
    spec = OriginSpec(app="benchmarks.origin_overhead:switched()", threads=CLIENTS)
    env = {key: value for key, value in process.environment(spec, None, directory).items() if key != "EDGEBENCH_LEDGER"}
    env[LEDGER] = str(directory / "ledger")
    with Guardian() as guardian, ExitStack() as stop:
        port = free_port()
        argv = process.argv(spec, port)
        service = Service("origin", "origin", argv, env, directory / "origin.log", placement.system, guardian)
        service.children = 1
        service.start()
        stop.callback(service.stop)
        await_ready(service, port, "/healthz", 30)
        with on_cores(placement.generator):
            return [measure_block(service, port) for _ in range(BLOCKS + 1)][1:]


def measure_block(service: Service, port: int) -> Block:
    measured = []
    for way in ("bare", "wrapped", "wrapped", "bare"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{GO_OVER}{way}") as answer:
            answer.read()
        measured.append(measure(service, port))
    first, second, third, fourth = measured
    return Block(both(first, fourth), both(second, third))


def both(one: Measured, other: Measured) -> Measured:
    return Measured(
        (one.requests_per_s + other.requests_per_s) / 2, (one.cpu_us_per_request + other.cpu_us_per_request) / 2
    )


def estimate(processes: list[list[Block]], figure: Callable[[Measured], float]) -> dict[str, float]:
    """Wrapped to bare: the median block of each process; their geometric mean with its 95 % interval."""
    logs = [
        statistics.median(math.log(figure(block.wrapped) / figure(block.bare)) for block in blocks)
        for blocks in processes
    ]
    mean = statistics.fmean(logs)
    half = STUDENT_T * statistics.stdev(logs) / math.sqrt(len(logs))
    return {"ratio": math.exp(mean), "low": math.exp(mean - half), "high": math.exp(mean + half)}


def run(directory: Path) -> dict[str, object]:
    processes = []
    for number in range(PROCESSES):
        processes.append(measure_process(directory / str(number)))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    blocks = [block for blocks in processes for block in blocks]
    return {
        "processes": PROCESSES,
        "blocks_per_process": BLOCKS,
        "cores": os.cpu_count(),
        "bare_requests_per_s": round(statistics.median(block.bare.requests_per_s for block in blocks), 1),
        "wrapped_requests_per_s": round(statistics.median(block.wrapped.requests_per_s for block in blocks), 1),
        "bare_cpu_us_per_request": round(statistics.median(block.bare.cpu_us_per_request for block in blocks), 1),
        "wrapped_cpu_us_per_request": round(statistics.median(block.wrapped.cpu_us_per_request for block in blocks), 1),
        "throughput_wrapped_to_bare": estimate(processes, lambda measured: measured.requests_per_s),
        "cpu_wrapped_to_bare": estimate(processes, lambda measured: measured.cpu_us_per_request),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        figures = json.dumps(run(Path(folder)), indent=2)
    print(figures)
    Path(__file__).with_suffix(".json").write_text(figures + "\n")
