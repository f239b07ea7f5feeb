"""Three users that do the same: one GET after another. Ends by itself and prints what it measured as one line of JSON.

EDGEBENCH_BENCH_PATH      what to ask for
EDGEBENCH_BENCH_WINDOW_S  how long to measure, after a second to warm up
EDGEBENCH_BENCH_LISTENER  whether there is a listener of Locust's request event besides Locust's own
"""

from __future__ import annotations

import json
import os
import sys
from time import monotonic, process_time
from typing import Any

import gevent
from locust import FastHttpUser, HttpUser, constant, events, task

from edgebench.load import EdgeUser

PATH = os.environ["EDGEBENCH_BENCH_PATH"]
WINDOW_S = float(os.environ["EDGEBENCH_BENCH_WINDOW_S"])
WARM_UP_S = 1.0


class Requests(HttpUser):
    wait_time = constant(0)

    @task
    def get(self) -> None:
        self.client.get(PATH)


class Fast(FastHttpUser):
    wait_time = constant(0)

    @task
    def get(self) -> None:
        self.client.get(PATH)


class Edge(EdgeUser):
    @task
    def get(self) -> None:
        self.client.get(PATH)


def measure(environment: Any) -> None:
    gevent.sleep(WARM_UP_S)
    count, cpu_s, began_s = environment.stats.total.num_requests, process_time(), monotonic()
    gevent.sleep(WINDOW_S)
    took_s = monotonic() - began_s
    count, cpu_s = environment.stats.total.num_requests - count, process_time() - cpu_s
    figures = {"requests_per_s": count / took_s, "cpu_us_per_request": cpu_s / count * 1e6}
    print(json.dumps({**figures, "failures": environment.stats.total.num_failures}), file=sys.stdout, flush=True)
    environment.runner.quit()


def begin(environment: Any, **_: Any) -> None:
    gevent.spawn(measure, environment)


def hear(response_time: float, **_: Any) -> None:
    heard[response_time < 1] = heard.get(response_time < 1, 0) + 1


heard: dict[bool, int] = {}
hooks: Any = events
if "EDGEBENCH_BENCH_LISTENER" in os.environ:
    hooks.request.add_listener(hear)
hooks.test_start.add_listener(begin)
