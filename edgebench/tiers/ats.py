"""Apache Traffic Server, from the system's packages: its server alone, without the manager that would restart it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from functools import cache
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
    PurgeFailed,
    ask,
    basics,
    connected,
    first_that_runs,
    render,
    stamp_seq,
    version_of,
    which,
)

_SECTION = "=== "
_STATISTICS_PAGE = "ats"
_PLUGINS = "/usr/lib/trafficserver/modules"
_POLL_S = 0.02
_PATIENCE_S = 10.0
_OWN_REQUESTS, _OWN_ORIGIN_REQUESTS = "edgebench_requests", "edgebench_origin_requests"
_STATISTICS = "proxy.process.http."
_COUNTERS = {
    "hits": ("transaction_counts.hit_fresh",),
    "collapsed": ("cache_hit_rww",),
    "revalidated": ("cache_hit_revalidated",),
    "misses": ("cache_miss_cold", "cache_miss_changed"),
}
"""Our name of a counter, and the statistics it is the sum of."""
_REQUESTS = ("incoming_requests",)
_ORIGIN_REQUESTS = ("origin.not_found", "origin.make_new", "origin.reuse")
"""Not outgoing_requests: that counts the questions for these statistics. Of every server it fetches from (routes)."""
_ASKED = (f"{_STATISTICS}incoming_requests", _OWN_REQUESTS)
"""What grows with each of those questions."""
_PRIVATE_WAITS = "to let requests go side by side whose answers turn out to be private: they wait for up to two others"
_VERDICTS = {
    "TCP_HIT": ClaimedOutcome.HIT,
    "TCP_MEM_HIT": ClaimedOutcome.HIT,
    "TCP_IMS_HIT": ClaimedOutcome.HIT,
    "TCP_CF_HIT": ClaimedOutcome.HIT,
    "TCP_REFRESH_HIT": ClaimedOutcome.REVALIDATED,
    "TCP_REFRESH_FAIL_HIT": ClaimedOutcome.STALE,
    "TCP_REF_FAIL_HIT": ClaimedOutcome.STALE,
    "TCP_REFRESH_MISS": ClaimedOutcome.MISS,
    "TCP_CLIENT_REFRESH": ClaimedOutcome.MISS,
    "TCP_EXPIRED_MISS": ClaimedOutcome.MISS,
    "TCP_IMS_MISS": ClaimedOutcome.MISS,
    "TCP_MISS": ClaimedOutcome.MISS,
}
_FAILED = 500


class Ats(Adapter):
    """Freshness in whole seconds of wall clock, kept until the second after floor(stored) + TTL has begun.

    Updates the stored headers from a 304, so the stamp is the 304's.
    """

    name = "ats"
    expiry = ExpiryRule(whole_seconds=True, extra_s=1)
    collapses_misses = True
    collapses_expired = True
    least_storage_mb = 10  # with less it ends by a segmentation fault
    how_to_get = "make caches (apt-get install trafficserver), or your system's package, or set EDGEBENCH_ATS"
    serves_tls = True
    purges_one = True
    compresses = frozenset({"gzip", "br"})
    routes_paths = True
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {
        Profile.STRICT: (_PRIVATE_WAITS,),
        Profile.RESILIENT: (
            "stale-while-revalidate",
            "the limit of stale-if-error",  # it does not read it: all is served for a day while the origin fails
            _PRIVATE_WAITS,
        ),
    }

    def find(self) -> Binary | None:
        return first_that_runs(self.name, ((which("traffic_server"), "system"),), _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        text = render(
            "ats.conf.j2", directory=place.directory, **basics(place),
            workers=place.workers, storage_mb=place.storage_mb, chain=place.tls.chain if place.tls else None,
            profile=place.profile.value, probe_path=PROBE_PATH.strip("/"), statistics_page=_STATISTICS_PAGE,
            own_requests=_OWN_REQUESTS, own_origin_requests=_OWN_ORIGIN_REQUESTS, log_stem=place.log.stem,
            bindir=Path(binary.path).parent, plugins=_plugins(binary.path),
        )  # fmt: skip
        sections = (section.partition("\n") for section in f"\n{text}".split(f"\n{_SECTION}")[1:])
        return {name: body for name, _, body in sections}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        return (Process("traffic_server", (binary.path, f"--run-root={place.directory / 'runroot.yaml'}")),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                at, port, method, status, result, fetched, age, stamp, key = line.rstrip("\n").split(" ", 8)
                # Who waited for a fetch that failed may get the old answer; the result code does not tell.
                old = place.profile is not Profile.STRICT and age not in ("-", "0")
                if not key.startswith(PROBE_PATH) and method != "PURGE":
                    yield LogLine(
                        wall_s=float(at), port=int(port), method=method, key=key, status=int(status),
                        verdict=_verdict(result, int(status), int(fetched), old), origin_seq=stamp_seq(stamp),
                    )  # fmt: skip

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        """Its threads' counts are summed up some times a second: waits until its own first question is among them."""
        deadline = time.monotonic() + _PATIENCE_S
        before = now = _statistics(place)
        while any(now[name] == before[name] for name in _ASKED) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            now = _statistics(place)
        counted = {name: _sum(now, parts) for name, parts in _COUNTERS.items()}
        counted["requests"] = _sum(now, _REQUESTS) - now[_OWN_REQUESTS]
        counted["origin_requests"] = _sum(now, _ORIGIN_REQUESTS) - now[_OWN_ORIGIN_REQUESTS]
        return counted

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        if key is None:
            raise NotImplementedError("ats cannot forget everything: that takes its manager")
        status = ask(place, "PURGE", key)
        if status not in (200, 404):  # 404: it had nothing of the kind
            raise PurgeFailed(f"ats answered PURGE {key} with {status}")


def _verdict(result: str, status: int, fetched: int, old: bool) -> ClaimedOutcome:
    """What ATS did, from its result code, the status it gave, and the one the origin gave (0: none)."""
    if result.startswith("ERR_") or (status >= _FAILED > fetched):
        return ClaimedOutcome.ERROR
    if status < _FAILED <= fetched or (result == "TCP_CF_HIT" and old):
        return ClaimedOutcome.STALE
    return _VERDICTS.get(result, ClaimedOutcome.UNKNOWN)


def _statistics(place: Place) -> dict[str, float]:
    """ATS's own statistics by name, which it shows on the port of its clients."""
    with connected(place) as connection:
        # Of an Accept-Encoding the plugin reads past the end, and may find the gzip of another request there.
        connection.putrequest("GET", PROBE_PATH + _STATISTICS_PAGE, skip_accept_encoding=True)
        connection.putheader("Connection", "close")
        connection.endheaders()
        said = json.loads(connection.getresponse().read())["global"]
    return {name: float(value) for name, value in said.items() if value.isdigit()}


def _sum(statistics: Mapping[str, float], parts: Iterable[str]) -> float:
    return sum(statistics[f"{_STATISTICS}{part}"] for part in parts)


@cache
def _plugins(binary: str) -> Path:
    """The folder of the plugins that belong to a traffic_server, as its own traffic_layout tells it."""
    layout = str(Path(binary).with_name("traffic_layout"))
    return Path(version_of([layout], r"PLUGINDIR: (\S+)") or _PLUGINS)


def _version(path: str) -> str:
    return version_of([path, "-V"], r"traffic_server - (\S+)")


ADAPTER = Ats()
