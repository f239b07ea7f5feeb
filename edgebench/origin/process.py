"""How the origin is started: gunicorn with threads, the app wrapped in the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from edgebench.model import OriginSpec

LEDGER = "ledger"
"""The ledger's folder below the trial's."""


def argv(origin: OriginSpec, port: int) -> tuple[str, ...]:
    """Command line of the origin on 127.0.0.1:port."""
    return (
        *(sys.executable, "-m", "gunicorn", "edgebench.origin.serve:load()"),
        *("--bind", f"127.0.0.1:{port}", "--backlog", "1024"),
        *("--worker-class", "gthread", "--workers", str(origin.workers), "--threads", str(origin.threads)),
        *("--keep-alive", "75", "--timeout", "60", "--graceful-timeout", "5"),  # a cache keeps its connections open
        *("--log-level", "warning", "--no-control-socket"),
    )


def environment(origin: OriginSpec, ttl_s: int | None, work: Path) -> Mapping[str, str]:
    """What the origin needs in its environment, on top of the harness's own. `work`: the trial's folder."""
    env = {"EDGEBENCH_APP": origin.app, "EDGEBENCH_LEDGER": str(work / LEDGER), "PYTHONDONTWRITEBYTECODE": "1"}
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
