"""The generator's ceiling: how many requests a second it gets from a null server. Measured before the first trial.

The generator runs as in a trial: same core, same number of users, every request recorded; but in a closed loop without
pauses, with the cheapest of all locustfiles. What it then does is the most that it and the null server can do together
on this machine, so it can do at least that.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns

import numpy as np
import psutil
from numpy.typing import NDArray

from edgebench.errors import EdgebenchError
from edgebench.load import samples as load_samples
from edgebench.model import Ceiling, CeilingPoint, Load, LoadModel, Placement
from edgebench.runner import null_server
from edgebench.runner.bare import Bare, drive
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import Service, free_port
from edgebench.runner.trial import Stopped
from edgebench.store import RunFolder
from edgebench.tiers.nginx import Nginx

RUN_SIZES = (1_000, 16_384, 131_072)
"""Body sizes in bytes before a run: an API's answer, a page's, a picture's. Between them the time per request is close
to a straight line; from 64 KiB on an answer takes several reads, and the line is steeper."""
CHECK_SIZES = (1_000, 10_000)
WINDOW_S = 1.2
"""How long each size is asked for …"""
SETTLE_S = 0.3
"""… of which the first part, in which connections and caches get warm, does not count."""
_NS_PER_S = 1_000_000_000


def ensure_ceiling(folder: RunFolder) -> Ceiling:
    """The ceiling of a run: what its run.json says or, where it says nothing, measured now and written there.

    A calibration that fails does not keep the run from going on: the record says why there is no ceiling.
    """
    run = folder.read_run()
    if run.ceiling is not None and run.ceiling.points:
        return run.ceiling
    ceiling = measure_ceiling(run.scenario.load.users, RUN_SIZES)
    folder.write_run(replace(run, ceiling=ceiling), (folder.path / "scenario.toml").read_text())
    return ceiling


def measure_ceiling(users: int, sizes: Sequence[int]) -> Ceiling:
    """Measure at these body sizes (ascending), `users` connections; takes two seconds and WINDOW_S for each size."""
    binary = null_server.find()
    if binary is None:
        return Ceiling(users, (), problem=f"no nginx to serve as the null server: {Nginx.how_to_get}")
    server = f"nginx {binary.version} ({binary.source})"
    placement = place(available_cores())
    try:
        with tempfile.TemporaryDirectory(prefix="edgebench-ceiling-") as work, on_cores(placement.system):
            return Ceiling(users, _measure(users, sizes, Path(work), placement), server)
    except Stopped:
        raise
    except EdgebenchError as error:
        return Ceiling(users, (), server, str(error))


def _measure(users: int, sizes: Sequence[int], work: Path, placement: Placement) -> tuple[CeilingPoint, ...]:
    load = Load(
        model=LoadModel.CLOSED, users=users, warm_up_s=0.0, measure_s=WINDOW_S * len(sizes), keys=1, private_share=0.0
    )
    port = free_port()
    paths = [f"/{size}" for size in sizes]
    env = {"EDGEBENCH_NULL_PATHS": " ".join(paths), "EDGEBENCH_NULL_WINDOW_S": str(WINDOW_S)}
    with Guardian() as guardian:
        server = null_server.null_server(work / "nginx", port, sizes, placement.system, guardian)
        spent: list[tuple[float, float, float]] = []
        drive(Bare(load, work, placement, guardian, env), server, port, lambda each: spent.append(_cpu(each, server)))
    samples = load_samples.read(work / "samples", 0)
    if errors := len(samples) - samples.column("error").null_count:
        raise EdgebenchError(f"{errors} of {len(samples)} requests to the null server ended in an error")
    keys = samples.column("key").combine_chunks().cast("string").to_numpy(zero_copy_only=False)
    sent, done = (samples.column(name).to_numpy() for name in ("sent_ns", "done_ns"))
    at = np.array(spent)
    return tuple(
        point(size, sent[keys == path], done[keys == path], at) for size, path in zip(sizes, paths, strict=True)
    )


def _cpu(generator: Service, server: Service) -> tuple[float, float, float]:
    """Now, and the CPU seconds that generator and null server have spent."""
    return float(monotonic_ns()), _cpu_s(generator.members.values()), _cpu_s(server.members.values())


def _cpu_s(processes: Iterable[psutil.Process]) -> float:
    spent = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it may be ending
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


def point(
    body_bytes: int, sent_ns: NDArray[np.int64], done_ns: NDArray[np.int64], spent: NDArray[np.float64]
) -> CeilingPoint:
    """The ceiling at one size, from all requests of that size; `spent`: rows of monotonic ns, CPU seconds of generator
    and null server. Counted from SETTLE_S after the first request to the last one."""
    begin = float(sent_ns.min(initial=np.iinfo(np.int64).max)) + SETTLE_S * _NS_PER_S
    end = float(sent_ns.max(initial=0))
    answers = int(((done_ns >= begin) & (done_ns < end)).sum())
    if not answers:
        raise EdgebenchError(f"the null server answered no request for {body_bytes} bytes in time")
    per_request = [
        float(np.interp(end, spent[:, 0], spent[:, column]) - np.interp(begin, spent[:, 0], spent[:, column])) / answers
        for column in (1, 2)
    ]
    return CeilingPoint(body_bytes, answers * _NS_PER_S / (end - begin), 1e6 * per_request[0], 1e6 * per_request[1])
