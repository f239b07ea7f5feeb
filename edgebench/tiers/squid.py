"""Squid, from the system's packages: the build with OpenSSL, for https."""

from __future__ import annotations

import os
import pwd
import re
import time
import zlib
from collections.abc import Iterable, Mapping
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

_CONFIG = "squid.conf"
_COUNTERS_PATH = "/squid-internal-mgr/counters"
_INFO_PATH = "/squid-internal-mgr/info"
_OWN_LOG = "own.log"
_NOWHERE = "HIER_NONE"
_LARGEST_OBJECT_MB = 64
_POLL_S = 0.005
_PATIENCE_S = 10.0
_VERDICTS = {
    "HIT": ClaimedOutcome.HIT,
    "MEM_HIT": ClaimedOutcome.HIT,
    "IMS_HIT": ClaimedOutcome.HIT,
    "INM_HIT": ClaimedOutcome.HIT,
    "NEGATIVE_HIT": ClaimedOutcome.HIT,
    "REFRESH_UNMODIFIED": ClaimedOutcome.REVALIDATED,
    "REFRESH_FAIL_OLD": ClaimedOutcome.STALE,
    "REFRESH_FAIL_ERR": ClaimedOutcome.MISS,
    "REFRESH_MODIFIED": ClaimedOutcome.MISS,
    "CLIENT_REFRESH_MISS": ClaimedOutcome.MISS,
    "SWAPFAIL_MISS": ClaimedOutcome.MISS,
    "MISS": ClaimedOutcome.MISS,
}
_ONE_VARIANT = "more than one variant (Vary) of an answer: while it collapses fetches it keeps the last one only"
# Several processes of one Squid talk through sockets in a folder of the system that is compiled in.
_ONE_WORKER = "more than one worker: it runs as one process"
_COUNTERS = {
    "client_http.requests": "requests",
    "client_http.hits": "hits",
    "server.http.requests": "origin_requests",
}


class Squid(Adapter):
    """Freshness in whole seconds of wall clock, until floor(stored) + TTL: up to a second less than was granted.

    Updates the stored headers from a 304, so the stamp is the 304's. It keeps everything in memory.
    """

    name = "squid"
    expiry = ExpiryRule(whole_seconds=True)
    collapses_misses = True
    collapses_expired = True
    how_to_get = (
        "make caches (apt-get install squid-openssl), or your system's package squid built with OpenSSL, "
        "or set EDGEBENCH_SQUID"
    )
    serves_tls = True
    purges_one = True
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {
        Profile.STRICT: (_ONE_VARIANT, _ONE_WORKER),
        Profile.RESILIENT: (
            "stale-while-revalidate",
            "the limit of stale-if-error",  # it keeps one that is named; where none is, it serves for a day
            _ONE_VARIANT,
            _ONE_WORKER,
        ),
        Profile.DEFAULT: (_ONE_WORKER,),
    }

    def find(self) -> Binary | None:
        return first_that_runs(self.name, ((which("squid"), "system"),), _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        text = render(
            "squid.conf.j2", directory=place.directory, **basics(place),
            probe_path=PROBE_PATH, log_name=place.log.name, own_log=_OWN_LOG, user=_drops_to(),
            storage_mb=place.storage_mb, largest_mb=min(_LARGEST_OBJECT_MB, place.storage_mb),
            chain=place.tls.chain if place.tls else None, profile=place.profile.value,
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        if user := _drops_to():
            # Squid goes into its folder as root and writes there as this user, whoever may enter the folders above.
            os.chown(place.directory, pwd.getpwnam(user).pw_uid, -1)
        # By its name it finds its shared memory: two of one name on a machine would not start.
        instance = f"edgebench{zlib.crc32(str(place.directory).encode()):08x}{place.port}"
        return (Process("squid", (binary.path, "-N", "-n", instance, "-f", str(place.directory / _CONFIG))),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                at, port, method, status, did, went, stamp, key = line.rstrip("\n").split("\t", 7)
                yield LogLine(
                    wall_s=float(at), port=int(port), method=method, key=key, status=int(status),
                    verdict=_verdict(did, went), origin_seq=stamp_seq(stamp),
                )  # fmt: skip

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        """Without the harness's own requests, which have a log of their own. Squid logs a request when it counts it.

        Back when the question itself, which is not in its answer, is in that log.
        """
        own = _own(place)
        said = dict(line.split(" = ", 1) for line in _page(place, _COUNTERS_PATH).splitlines() if " = " in line)
        deadline = time.monotonic() + _PATIENCE_S
        while len(_own(place)) == len(own) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        counted = {name: float(said[field]) for field, name in _COUNTERS.items()}
        counted["requests"] -= len(own)
        counted["origin_requests"] -= sum(server != _NOWHERE for server in own)
        return counted

    def stored_bytes(self, binary: Binary, place: Place) -> int | None:
        found = re.search(r"Storage Mem size:\s+(\d+) KB", _page(place, _INFO_PATH))
        return int(found[1]) * 1024 if found else None

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        if key is None:
            raise NotImplementedError("squid cannot forget everything: it has no request for it")
        status = ask(place, "PURGE", key)
        if status not in (200, 404):  # 404: it had nothing of the kind
            raise PurgeFailed(f"squid answered PURGE {key} with {status}")


def _verdict(did: str, went: str) -> ClaimedOutcome:
    """What Squid did (`TCP_MEM_HIT`, `TCP_CF_MISS_ABORTED`), and where it went for it (`HIER_NONE`: nowhere)."""
    words = did.removeprefix("TCP_").removesuffix("_ABORTED").removesuffix("_TIMEDOUT")
    collapsed = words.startswith("CF_")
    if collapsed and went == _NOWHERE:
        return ClaimedOutcome.HIT
    return _VERDICTS.get(words.removeprefix("CF_"), ClaimedOutcome.UNKNOWN)


def _own(place: Place) -> list[str]:
    """For each request of the harness's own that has ended, where Squid went for it."""
    log = place.directory / _OWN_LOG
    return log.read_text().splitlines() if log.exists() else []


def _page(place: Place, path: str) -> str:
    """One of Squid's own pages, which it shows on the port of its clients."""
    with connected(place) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().read().decode()


def _drops_to() -> str:
    """Whom Squid turns into where we are root: somebody who owns nothing. Empty elsewhere: it stays who it is."""
    return "nobody" if os.geteuid() == 0 else ""


def _version(path: str) -> str:
    return version_of([path, "-v"], r"Squid Cache: Version (\S+)")


ADAPTER = Squid()
