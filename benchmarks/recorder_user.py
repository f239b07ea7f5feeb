"""A user whose session goes from one way of recording to the next every half second, and prints its send lags.

EDGEBENCH_BENCH_PATH      what to ask for
EDGEBENCH_BENCH_FOLDER    where to record
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import monotonic_ns
from typing import Any

import gevent
import numpy as np
from locust import events, task

from edgebench.load import EdgeUser
from edgebench.load.plugin import session_of
from edgebench.load.record import Recorder
from edgebench.load.sample_files import FileSink, SampleFiles

PATH = os.environ["EDGEBENCH_BENCH_PATH"]
FOLDER = Path(os.environ["EDGEBENCH_BENCH_FOLDER"])
WARM_UP_S = 1.5
WINDOW_S = 0.5
WINDOWS = 11
lags: list[list[int]] = [[]]


class Asker(EdgeUser):
    @task
    def get(self) -> None:
        client = self.client
        lags[0].append(monotonic_ns() - max(client.due_ns, client.free_ns))
        client.get(PATH)


def measure(environment: Any) -> None:
    session = session_of(environment)
    ways: dict[str, Recorder | None] = {
        "not_recording": None,
        "recording": Recorder([FileSink(FOLDER, 0)]),
        "recording_without_thread": Recorder([SampleFiles(FOLDER, 1)]),
    }
    kept: dict[str, list[int]] = {name: [] for name in ways}
    gevent.sleep(WARM_UP_S)
    for _ in range(WINDOWS):
        for name, recorder in ways.items():
            session.recorder, lags[0] = recorder, kept[name]
            gevent.sleep(WINDOW_S)
            if recorder is not None:
                recorder.flush()
    session.recorder, lags[0] = None, []
    figures: dict[str, dict[str, float]] = {}
    for name, recorder in ways.items():
        if recorder is not None:
            recorder.close()
        p50, p99, p999 = np.percentile(np.array(kept[name]) / 1000, [50, 99, 99.9]).round(1).tolist()
        figures[name] = {"requests": len(kept[name]), "p50_us": p50, "p99_us": p99, "p999_us": p999}
    print(json.dumps(figures), file=sys.stdout, flush=True)
    environment.runner.quit()


def begin(environment: Any, **_: Any) -> None:
    gevent.spawn(measure, environment)


hooks: Any = events
hooks.test_start.add_listener(begin)
