"""What the generator does against a server of the harness's own (self-test, calibration): GETs, and nothing else.

EDGEBENCH_NULL_PATHS names the targets, asked for one after the other, each for EDGEBENCH_NULL_WINDOW_S seconds, the
last one until the end.
"""

from __future__ import annotations

import os
from time import monotonic_ns

from locust import task

from edgebench.load import EdgeUser

PATHS = os.environ.get("EDGEBENCH_NULL_PATHS", "/").split()
WINDOW_NS = int(float(os.environ.get("EDGEBENCH_NULL_WINDOW_S", "1")) * 1e9)


class NullUser(EdgeUser):
    """The cheapest user there is: what it can send is the most that any locustfile can."""

    first_ns = 0

    @task
    def get(self) -> None:
        if len(PATHS) == 1:
            self.client.get(PATHS[0])
            return
        now_ns = monotonic_ns()
        if not NullUser.first_ns:
            NullUser.first_ns = now_ns
        self.client.get(PATHS[min((now_ns - NullUser.first_ns) // WINDOW_NS, len(PATHS) - 1)])
