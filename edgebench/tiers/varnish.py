"""Varnish, from the system's packages. It compiles its configuration with a C compiler at every start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

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
    first_that_runs,
    render,
    stamp_seq,
    version_of,
    which,
)

_CONFIG = "edge.vcl"
_VERDICTS = {
    "hit": ClaimedOutcome.HIT,
    "stale": ClaimedOutcome.STALE,
    "revalidated": ClaimedOutcome.REVALIDATED,
    "miss": ClaimedOutcome.MISS,
    "bypass": ClaimedOutcome.BYPASS,
}
_LOG_FORMAT = (
    "%{VSL:Timestamp:Resp[1]}x\t%{VSL:ReqStart[2]}x\t%m\t%{VCL_Log:url}x\t%s\t%{VCL_Log:verdict}x\t%{Edgebench-Origin}o"
)
_HARNESS_METHODS = ("PURGE", "BAN")
_COUNTERS = {"hits": "MAIN.cache_hit", "misses": "MAIN.cache_miss", "passes": "MAIN.s_pass"}
_PROBES, _ORIGINS = ".probes.req", (".origin.req", ".refetch.req")
"""Ends of the counters of the VCL's backends."""


class Varnish(Adapter):
    """Freshness to the microsecond; updates the stored headers from a 304, so the stamp is the 304's."""

    name = "varnish"
    expiry = ExpiryRule()
    collapses_misses = True
    collapses_expired = True
    # varnishd's master ends its child at once, whether asked by a signal or by varnishadm; 7.1 has no drain. The
    # harness stops it after the last client has gone.
    finishes_requests = False
    how_to_get = (
        "make caches (apt-get install varnish), or your system's package varnish, or set EDGEBENCH_VARNISH to the path "
        "of varnishd; it also needs a C compiler"
    )
    # Varnish speaks no TLS. hitch would, in front of it, but it will not run as root, and as anybody else it does not
    # reach a socket in a folder of root's; over TCP the pair would need a second port.
    serves_tls = False
    purges_one = True
    purges_all = True
    compresses = frozenset({"gzip"})
    routes_paths = True

    def find(self) -> Binary | None:
        found = first_that_runs(self.name, ((which("varnishd"), "system"),), _version)
        if found is None or not all(_beside(found, tool) for tool in ("varnishncsa", "varnishstat")):
            return None
        return found

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        profile = place.profile.value
        return {_CONFIG: render("varnish.vcl.j2", **basics(place), probe_path=PROBE_PATH, profile=profile)}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        workdir = str(place.directory / "workdir")
        bargain: tuple[str, ...] = ("-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=86400")
        varnishd = (
            *(
                binary.path,
                "-F",
                "-n",
                workdir,
                "-a",
                f"{place.host}:{place.port}",
                "-f",
                str(place.directory / _CONFIG),
            ),
            *("-s", f"malloc,{place.storage_mb}M", "-j", "none"),
            *(() if place.profile is Profile.DEFAULT else bargain),
            *("-p", f"thread_pools={place.workers}", "-p", "thread_pool_min=100", "-p", "vsl_space=160M"),
        )
        logger = _beside(binary, "varnishncsa") or "varnishncsa"
        ncsa = (logger, "-n", workdir, "-t", "30", "-w", str(place.log), "-F", _LOG_FORMAT)
        return (Process("varnishd", varnishd, children=1), Process("varnishncsa", ncsa, logs_probes=True))

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                at, port, method, url, status, verdict, stamp = line.rstrip("\n").split("\t")
                if not url.startswith(PROBE_PATH) and method not in _HARNESS_METHODS:
                    yield LogLine(
                        wall_s=float(at), port=int(port), method=method, key=url, status=int(status),
                        verdict=_VERDICTS.get(verdict, ClaimedOutcome.UNKNOWN), origin_seq=stamp_seq(stamp),
                    )  # fmt: skip

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        """Without the harness's own requests. MAIN.client_req is of no use: who waited for a fetch counts twice."""
        found = _statistics(binary, place)
        if not found:
            return {}
        probes = sum(value for name, value in found.items() if name.endswith(_PROBES))
        counted = {ours: found.get(theirs, 0.0) for ours, theirs in _COUNTERS.items()}
        counted["passes"] -= probes
        counted["requests"] = sum(counted.values())
        counted["origin_requests"] = sum(value for name, value in found.items() if name.endswith(_ORIGINS))
        return counted

    def stored_bytes(self, binary: Binary, place: Place) -> int | None:
        found = _statistics(binary, place).get("SMA.s0.g_bytes")
        return None if found is None else int(found)

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        """One key with all its variants, as asked for by the Host of clients; or all that is stored so far."""
        host = {"Host": f"{place.client_host}:{place.port}"}
        status = ask(place, "BAN", "/") if key is None else ask(place, "PURGE", key, host)
        if status != 200:
            raise PurgeFailed(f"varnish answered {status} when asked to forget {key or 'everything'}")


def _statistics(binary: Binary, place: Place) -> dict[str, float]:
    """varnishd's counters by name; empty where it does not say."""
    done = subprocess.run(
        [_beside(binary, "varnishstat") or "varnishstat", "-n", str(place.directory / "workdir"), "-j"],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    if done.returncode:
        return {}
    return {name: float(entry["value"]) for name, entry in json.loads(done.stdout)["counters"].items()}


def _beside(binary: Binary, tool: str) -> str | None:
    """One of Varnish's other programs: of the same installation where varnishd was given by its path."""
    root = Path(binary.path).resolve().parent.parent
    return shutil.which(tool, path=os.pathsep.join((str(root / "bin"), str(root / "sbin")))) or which(tool)


def _version(path: str) -> str:
    return version_of([path, "-V"], r"varnish-(\S+)")


ADAPTER = Varnish()
