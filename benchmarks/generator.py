"""How lean the load generator is: EdgeUser beside Locust's own users and other load tools, in one run.

    make bench-generator     prints the ratios and writes them to benchmarks/generator.json

Every tool has the same core to itself and asks the same null server (one nginx worker on another core, a file in its
cache of open files) over the same number of connections, closed loop, in rounds: each round runs every tool once, in
an order drawn anew, so that a slow moment of a shared machine hits all alike. A ratio is the median over the rounds of
the ratio within a round. Locust's users fire Locust's request event for every request; EdgeUser records every sample to
disk besides. The CPU is the tool's own, user and system.
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

from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import Service, await_ready, free_port
from edgebench.tiers.nginx import Nginx

ROUNDS = 7
WINDOW_S = 3.0
WARM_UP_S = 1.0
HERE = Path(__file__).parent
CONFIG = """daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush off; open_file_cache max=100;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; etag off; }}
}}
"""


@dataclass(frozen=True)
class Case:
    """What is asked for, over how many connections."""

    name: str
    body_bytes: int
    connections: int


CASES = (Case("small", 1_500, 20), Case("large", 10_240, 64))


@dataclass(frozen=True)
class Measured:
    requests_per_s: float
    cpu_us_per_request: float


Tool = Callable[[str, Case, Path], Measured]


def locust(user: str) -> Tool:
    def run(url: str, case: Case, folder: Path) -> Measured:
        options = ["--record", str(folder / "samples"), "--rate", "0"] if user == "Edge" else []
        argv = [
            sys.executable, "-m", "locust", "-f", str(HERE / "generator_users.py"), user, "--headless", "--only-summary",
            "--host", url, "-u", str(case.connections), "-r", str(case.connections), *options,
        ]  # fmt: skip
        env = {"EDGEBENCH_BENCH_PATH": f"/{case.name}", "EDGEBENCH_BENCH_WINDOW_S": str(WINDOW_S)}
        output, _ = finish(argv, env)
        figures = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        if figures["failures"]:
            raise SystemExit(f"{user}: {figures['failures']} failed requests")
        return Measured(figures["requests_per_s"], figures["cpu_us_per_request"])

    return run


def wrk(url: str, case: Case, folder: Path) -> Measured:
    argv = ["wrk", "-t1", f"-c{case.connections}", f"-d{WINDOW_S:g}s", f"{url}/{case.name}"]
    return counted(argv, r"(\d+) requests in ", r"Requests/sec:\s+([\d.]+)")


def hey(url: str, case: Case, folder: Path) -> Measured:
    argv = ["hey", "-cpus", "1", "-c", str(case.connections), "-z", f"{WINDOW_S:g}s", f"{url}/{case.name}"]
    return counted(argv, r"\[200\]\s+(\d+) responses", r"Requests/sec:\s+([\d.]+)")


def k6(url: str, case: Case, folder: Path) -> Measured:
    script = folder / "k6.js"
    script.write_text(f"import http from 'k6/http'; export default () => {{ http.get('{url}/{case.name}'); }}")
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
    "wrk": wrk,
    "hey": hey,
    "k6": k6,
}


def installed() -> dict[str, Tool]:
    return {name: tool for name, tool in TOOLS.items() if name[0].isupper() or shutil.which(name)}


def null_server(folder: Path, cores: Sequence[int], guardian: Guardian) -> tuple[Service, int]:
    (folder / "www").mkdir(parents=True)
    folder.chmod(0o755)
    for case in CASES:
        (folder / "www" / case.name).write_bytes(bytes(case.body_bytes))
    port = free_port()
    config = folder / "nginx.conf"
    user = "user root root;" if os.geteuid() == 0 else ""
    config.write_text(CONFIG.format(folder=folder, port=port, user=user))
    binary = Nginx().find()
    if binary is None:
        raise SystemExit("no nginx: run `make setup`")
    argv = [str(binary.path), "-p", str(folder), "-c", str(config)]
    return Service("nginx", "tier", argv, {}, folder / "nginx.log", cores, guardian), port


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
    return {
        name: {
            "requests_per_s": round(statistics.median(each.requests_per_s for each in found)),
            "cpu_us_per_request": round(statistics.median(each.cpu_us_per_request for each in found), 1),
            "edge_requests_ratio": round(
                statistics.median(ours.requests_per_s / other.requests_per_s for ours, other in zip(edge, found)), 3
            ),
            "edge_cpu_ratio": round(
                statistics.median(ours.cpu_us_per_request / other.cpu_us_per_request for ours, other in zip(edge, found)),
                3,
            ),
        }
        for name, found in rounds.items()
    }


def run(folder: Path) -> dict[str, object]:
    placement = place(available_cores())
    result: dict[str, object] = {"rounds": ROUNDS, "window_s": WINDOW_S, "cores": os.cpu_count()}
    with Guardian() as guardian, ExitStack() as stop:
        service, port = null_server(folder / "nginx", placement.system, guardian)
        service.start()
        stop.callback(service.stop)
        await_ready(service, port, "/small", 10)
        for case in CASES:
            tools = table(measure(case, f"http://127.0.0.1:{port}", folder, placement.generator))
            result[case.name] = {"body_bytes": case.body_bytes, "connections": case.connections, "tools": tools}
    return result


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="edgebench-") as name:
        figures = json.dumps(run(Path(name)), indent=2)
    print(figures)
    Path(__file__).with_suffix(".json").write_text(figures + "\n")
