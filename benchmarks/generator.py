"""How lean and how punctual the load generator is, beside Locust's own users and other load tools, in one run.

    make bench-generator     prints the figures, writes benchmarks/generator.json and the README's table

Every tool has the same core to itself and asks the same null server (one nginx worker on another core) over the same
number of connections, closed loop, in rounds: each round runs every tool once, in an order drawn anew, so that a slow
moment of a shared machine hits all alike. A ratio is the median over the rounds of the ratio within a round. nginx
serves files, as it does where it is a cache; answering from memory it is faster still, and no cache. All users keep
Locust's table, EdgeUser records every sample to disk besides; "heard" has a listener of Locust's request event, which
is called for every request. (Without one, EdgeUser has the table made of its samples.) The CPU is the tool's own, user
and system.

Send lag is that of open-loop runs of EdgeUser. Beside it stands what the machine itself takes: the share of time that a
loop which only reads the clock, alone on the same core, loses in gaps of more than 20 us.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np

from edgebench.load.record import DTYPE
from edgebench.runner import null_server
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import await_ready, free_port
from edgebench.tiers.adapter import PROBE_PATH

ROUNDS = 4
WINDOW_S = 3.0
WARM_UP_S = 1.0
HERE = Path(__file__).parent
USERS = HERE / "generator_users.py"
README = HERE.parent / "README.md"
MARKS = ("<!-- generator: begin -->\n", "<!-- generator: end -->")


@dataclass(frozen=True)
class Case:
    """What is asked for, over how many connections."""

    name: str
    source: str
    """Where nginx has the body: `file` or `memory`."""
    body_bytes: int
    connections: int

    @property
    def path(self) -> str:
        return f"/file/{self.body_bytes}" if self.source == "file" else f"/{self.body_bytes}"


CASES = (
    Case("small", "file", 1_500, 20),
    Case("large", "file", 10_240, 64),
    Case("small_from_memory", "memory", 1_500, 20),
)


@dataclass(frozen=True)
class Measured:
    requests_per_s: float
    cpu_us_per_request: float


Tool = Callable[[str, Case, Path], Measured]


def locust(user: str, listener: bool = False) -> Tool:
    def run(url: str, case: Case, folder: Path) -> Measured:
        options = ["--record", str(folder / "samples"), "--rate", "0"] if user == "Edge" else []
        argv = [
            sys.executable, "-m", "locust", "-f", str(USERS), user, "--headless", "--only-summary", "--host", url,
            "-u", str(case.connections), "-r", str(case.connections), *options,
        ]  # fmt: skip
        env = {"EDGEBENCH_BENCH_PATH": case.path, "EDGEBENCH_BENCH_WINDOW_S": str(WINDOW_S)}
        env |= {"EDGEBENCH_BENCH_LISTENER": "1"} if listener else {}
        output, _ = finish(argv, env)
        figures = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        if figures["failures"]:
            raise SystemExit(f"{user}: {figures['failures']} failed requests")
        return Measured(figures["requests_per_s"], figures["cpu_us_per_request"])

    return run


def wrk(url: str, case: Case, folder: Path) -> Measured:
    argv = ["wrk", "-t1", f"-c{case.connections}", f"-d{WINDOW_S:g}s", f"{url}{case.path}"]
    return counted(argv, r"(\d+) requests in ", r"Requests/sec:\s+([\d.]+)")


def hey(url: str, case: Case, folder: Path) -> Measured:
    argv = ["hey", "-cpus", "1", "-c", str(case.connections), "-z", f"{WINDOW_S:g}s", f"{url}{case.path}"]
    return counted(argv, r"\[200\]\s+(\d+) responses", r"Requests/sec:\s+([\d.]+)")


def k6(url: str, case: Case, folder: Path) -> Measured:
    script = folder / "k6.js"
    script.write_text(f"import http from 'k6/http'; export default () => {{ http.get('{url}{case.path}'); }}")
    argv = ["k6", "run", "--quiet", "--vus", str(case.connections), "--duration", f"{WINDOW_S:g}s", str(script)]
    return counted(argv, r"http_reqs[.:\s]+(\d+)", r"http_reqs[.:\s]+\d+\s+([\d.]+)/s")


def counted(argv: Sequence[str], count: str, rate: str) -> Measured:
    """A tool that prints how many requests it made and how many per second."""
    output, cpu_s = finish(argv, {})
    found, per_s = re.search(count, output), re.search(rate, output)
    if found is None or per_s is None:
        raise SystemExit(f"{argv[0]}: its output is not understood:\n{output}")
    return Measured(float(per_s[1]), cpu_s / int(found[1]) * 1e6)


def finish(argv: Sequence[str], env: Mapping[str, str]) -> tuple[str, float]:
    """Output, and the CPU seconds the process took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        argv, env={**os.environ, **env}, cwd=HERE.parent, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]} failed:\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


TOOLS: dict[str, Tool] = {
    "HttpUser": locust("Requests"),
    "FastHttpUser": locust("Fast"),
    "EdgeUser": locust("Edge"),
    "EdgeUser, heard": locust("Edge", listener=True),
    "wrk": wrk,
    "hey": hey,
    "k6": k6,
}


def installed() -> dict[str, Tool]:
    return {name: tool for name, tool in TOOLS.items() if name[0].isupper() or shutil.which(name)}


def measure(case: Case, url: str, folder: Path, cores: Sequence[int]) -> dict[str, list[Measured]]:
    tools = installed()
    rounds: dict[str, list[Measured]] = {name: [] for name in tools}
    for number in range(ROUNDS):
        for name in random.sample(list(tools), len(tools)):
            work = folder / f"{case.name}-{number}-{name}"
            work.mkdir()
            with on_cores(cores):
                rounds[name].append(tools[name](url, case, work))
            shutil.rmtree(work)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rounds


def table(rounds: Mapping[str, list[Measured]]) -> dict[str, dict[str, float]]:
    """Per tool: its medians, and EdgeUser's ratios to it."""
    edge = rounds["EdgeUser"]

    def ratio(figure: Callable[[Measured], float], found: list[Measured]) -> float:
        pairs = zip(edge, found, strict=True)
        return round(statistics.median(figure(ours) / figure(theirs) for ours, theirs in pairs), 3)

    return {
        name: {
            "requests_per_s": round(statistics.median(each.requests_per_s for each in found)),
            "cpu_us_per_request": round(statistics.median(each.cpu_us_per_request for each in found), 1),
            "edge_requests_ratio": ratio(lambda each: each.requests_per_s, found),
            "edge_cpu_ratio": ratio(lambda each: each.cpu_us_per_request, found),
        }
        for name, found in rounds.items()
    }


def send_lag(url: str, folder: Path, rate_rps: int, users: int, cores: Sequence[int]) -> dict[str, float]:
    """Percentiles of one open-loop run, its first second left out."""
    record = folder / f"lag-{rate_rps}"
    argv = [
        sys.executable, "-m", "locust", "-f", str(USERS), "Edge", "--headless", "--only-summary", "--host", url,
        "-u", str(users), "-r", str(users), "--rate", str(rate_rps), "--spin", "--record", str(record), "--no-parquet",
        "--warm-up-min", "1", "--warm-up-max", "1", "--measure", "5",
    ]  # fmt: skip
    with on_cores(cores):
        finish(argv, {"EDGEBENCH_BENCH_PATH": CASES[0].path, "EDGEBENCH_BENCH_WINDOW_S": "3600"})
    [path] = record.glob("samples-*.bin")
    samples = np.fromfile(path, dtype=DTYPE)
    since_ns = samples["scheduled_ns"] - samples["scheduled_ns"].min()
    lag_us = samples["send_lag_ns"][since_ns > 1e9] / 1e3
    p50, p99, p999 = np.percentile(lag_us, [50, 99, 99.9]).round(1).tolist()
    return {
        "rate_rps": rate_rps,
        "users": users,
        "requests": len(lag_us),
        "p50_us": p50,
        "p99_us": p99,
        "p999_us": p999,
    }


def time_lost(cores: Sequence[int], for_s: float = 3.0) -> float:
    """Share of the time that goes by in gaps of more than 20 us between two readings of the clock."""
    with on_cores(cores):
        last = start = monotonic_ns()
        lost = 0
        while last - start < for_s * 1e9:
            now = monotonic_ns()
            if now - last > 20_000:
                lost += now - last
            last = now
    return round(lost / (last - start), 4)


def run(folder: Path) -> dict[str, Any]:
    placement = place(available_cores())
    result: dict[str, Any] = {"rounds": ROUNDS, "window_s": WINDOW_S, "cores": os.cpu_count(), "cases": {}}
    with Guardian() as guardian, ExitStack() as stop:
        port = free_port()
        sizes = sorted({case.body_bytes for case in CASES})
        server = null_server.null_server(folder / "nginx", port, sizes, placement.system, guardian)
        server.start()
        stop.callback(server.stop)
        await_ready(server, port, f"{PROBE_PATH}ping", 10)
        url = f"http://127.0.0.1:{port}"
        result["send_lag"] = [
            {"machine_lost_share": time_lost(placement.generator)}
            | send_lag(url, folder, rate_rps, users, placement.generator)
            for rate_rps, users in ((5_000, 32), (20_000, 64))
        ]
        for case in CASES:
            tools = table(measure(case, url, folder, placement.generator))
            result["cases"][case.name] = {
                "source": case.source, "body_bytes": case.body_bytes, "connections": case.connections, "tools": tools
            }  # fmt: skip
    return result


def markdown(result: dict[str, Any]) -> str:
    """The README's table."""
    lines = []
    for case in result["cases"].values():
        lines += [
            f"{case['body_bytes']:,} B bodies from nginx's {case['source']}, {case['connections']} connections:",
            "",
            "| | requests/s | CPU µs per request | EdgeUser's requests/s to it | EdgeUser's CPU to it |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {name} | {each['requests_per_s']:,} | {each['cpu_us_per_request']} | "
            f"×{each['edge_requests_ratio']:.2f} | ×{each['edge_cpu_ratio']:.2f} |"
            for name, each in sorted(case["tools"].items(), key=lambda item: item[1]["requests_per_s"])
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edgebench-") as name:
        figures = run(Path(name))
    print(json.dumps(figures, indent=2))
    Path(__file__).with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n")
    before, _, rest = README.read_text().partition(MARKS[0])
    README.write_text(f"{before}{MARKS[0]}{markdown(figures)}{MARKS[1]}{rest.partition(MARKS[1])[2]}")
