"""Varnish, from the system's packages. It compiles its configuration with a C compiler at every start."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping

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


class Varnish(Adapter):
    """Freshness to the microsecond; updates the stored headers from a 304, so the stamp is the 304's."""

    name = "varnish"
    expiry = ExpiryRule()
    collapses_misses = True
    collapses_expired = True
    how_to_get = "make caches (apt-get install varnish), or your system's package varnish; it also needs a C compiler"

    def find(self) -> Binary | None:
        path = os.environ.get("EDGEBENCH_VARNISHD") or which("varnishd")
        if path is None or which("varnishncsa") is None or which("varnishstat") is None:
            return None
        version = version_of([path, "-V"], r"varnish-(\S+)")
        return Binary(path, version, "system") if version else None

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        return {_CONFIG: render("varnish.vcl.j2", origin_port=place.origin_port, probe_path=PROBE_PATH)}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        workdir = str(place.directory / "workdir")
        varnishd = (
            *(binary.path, "-F", "-n", workdir, "-a", f"127.0.0.1:{place.port}", "-f", str(place.directory / _CONFIG)),
            *("-s", "malloc,512M", "-j", "none"),
            *("-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=86400"),
            *("-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "vsl_space=160M"),
        )
        ncsa = (str(which("varnishncsa")), "-n", workdir, "-t", "30", "-w", str(place.log), "-F", _LOG_FORMAT)
        return (Process("varnishd", varnishd, children=1), Process("varnishncsa", ncsa, logs_probes=True))

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                at, port, method, url, status, verdict, stamp = line.rstrip("\n").split("\t")
                if not url.startswith(PROBE_PATH):
                    yield LogLine(
                        wall_s=float(at), port=int(port), method=method, key=url, status=int(status),
                        verdict=_VERDICTS.get(verdict, ClaimedOutcome.UNKNOWN), origin_seq=stamp_seq(stamp),
                    )  # fmt: skip

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        done = subprocess.run(
            [str(which("varnishstat")), "-n", str(place.directory / "workdir"), "-j"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
        counted = json.loads(done.stdout).get("counters", {}) if done.returncode == 0 else {}
        names = {
            "MAIN.client_req": "requests",
            "MAIN.cache_hit": "hits",
            "MAIN.cache_miss": "misses",
            "MAIN.s_pass": "passes",
            "MAIN.backend_req": "origin_requests",
        }
        return {ours: float(counted[theirs]["value"]) for theirs, ours in names.items() if theirs in counted}


ADAPTER = Varnish()
