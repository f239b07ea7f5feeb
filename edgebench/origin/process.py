"""How the origin is started: gunicorn with threads, the app wrapped in the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from edgebench.model import OriginSpec
from edgebench.origin.faults import SPARE_THREADS

LEDGER = "ledger"
"""The ledger's folder below the trial's."""
FAULTS = "faults.json"
"""The schedule of faults, as far as it is known, in the trial's folder."""
LISTEN_AT_NS = "EDGEBENCH_LISTEN_AT_NS"
LISTENING = "EDGEBENCH_LISTENING"
DRAIN_S = 5
QUICK_DRAIN_S = 1
"""Of an origin that gets a new release: idle connections of a cache would keep the old one for 2 s, and the least that
gunicorn takes is 1 s."""
CONNECTIONS = 1000
"""gunicorn's own limit for one worker."""


def argv(
    origin: OriginSpec,
    port: int,
    late: bool = False,
    host: str = "127.0.0.1",
    drain_s: int = DRAIN_S,
    tls_chain: Path | None = None,
) -> tuple[str, ...]:
    """Command line of the origin on host:port. `late`: it listens when it can answer, and not before it is told to
    (late.py). `drain_s`: how long a worker that is to go may keep its connections. `tls_chain`: key and certificates in
    one file, where it is to speak https."""
    threads = origin.threads
    spare: tuple[str, ...] = ()
    if origin.faults:
        threads += SPARE_THREADS
        spare = ("--worker-connections", str(CONNECTIONS + SPARE_THREADS))  # as many kept alive as without
    return (
        *(sys.executable, "-m", "edgebench.origin.late" if late else "gunicorn", "edgebench.origin.serve:load()"),
        *("--bind", f"{host}:{port}", "--backlog", "1024"),
        *("--worker-class", "gthread", "--workers", str(origin.workers), "--threads", str(threads), *spare),
        *(
            "--keep-alive",
            "75",
            "--timeout",
            "60",
            "--graceful-timeout",
            str(drain_s),
        ),  # a cache keeps its connections open
        *("--log-level", "warning", "--no-control-socket"),
        *(("--certfile", str(tls_chain), "--keyfile", str(tls_chain)) if tls_chain is not None else ()),
    )


def environment(origin: OriginSpec, ttl_s: int | None, work: Path) -> Mapping[str, str]:
    """What the origin needs in its environment, on top of the harness's own. `work`: the trial's folder."""
    env = {"EDGEBENCH_APP": origin.app, "EDGEBENCH_LEDGER": str(work / LEDGER), "PYTHONDONTWRITEBYTECODE": "1"}
    if origin.faults:
        env |= {"EDGEBENCH_FAULTS": str(work / FAULTS), "EDGEBENCH_THREADS": str(origin.threads)}
    if origin.rewrite_ttl and ttl_s is not None:
        env["EDGEBENCH_REWRITE_TTL"] = str(ttl_s)
    # Without a TTL the app keeps its own: what would have told it is left out.
    told = {name: value for name, value in origin.env.items() if ttl_s is not None or "{ttl_s}" not in value}
    holes = {"{ttl_s}": str(ttl_s), "{work}": str(work)}
    for name, value in told.items():
        for hole, filling in holes.items():
            value = value.replace(hole, filling)
        env[name] = value
    return env
