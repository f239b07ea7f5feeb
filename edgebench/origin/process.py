"""How the origin is started: gunicorn with threads, the app wrapped in the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from edgebench.model import OriginSpec


def argv(origin: OriginSpec, port: int) -> tuple[str, ...]:
    """Command line of the origin on 127.0.0.1:port."""
    return (
        *(sys.executable, "-m", "gunicorn", "edgebench.origin.serve:load()"),
        *("--bind", f"127.0.0.1:{port}", "--backlog", "1024"),
        *("--worker-class", "gthread", "--workers", str(origin.workers), "--threads", str(origin.threads)),
        *("--keep-alive", "75", "--timeout", "60", "--graceful-timeout", "5"),  # a cache keeps its connections open
        *("--log-level", "warning", "--no-control-socket"),
    )


def environment(origin: OriginSpec, ttl_s: int | None, ledger: Path | None) -> Mapping[str, str]:
    """What the origin needs in its environment, on top of the harness's own. No ledger: the app is served bare."""
    env = {"EDGEBENCH_APP": origin.app, "PYTHONDONTWRITEBYTECODE": "1"}
    if ledger is not None:
        env["EDGEBENCH_LEDGER"] = str(ledger)
    if ttl_s is None:
        return env | {name: value for name, value in origin.env.items() if "{ttl_s}" not in value}
    if origin.rewrite_ttl:
        env["EDGEBENCH_REWRITE_TTL"] = str(ttl_s)
    return env | {name: value.replace("{ttl_s}", str(ttl_s)) for name, value in origin.env.items()}
